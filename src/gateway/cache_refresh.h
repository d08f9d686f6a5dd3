/* Fetching a stored response anew while what is stored is still being sent: an exchange without a
 * client, in a coroutine of its own. */
#ifndef WEIR_GATEWAY_CACHE_REFRESH_H
#define WEIR_GATEWAY_CACHE_REFRESH_H

#include "gateway/exchange.h"

/* Starts it for the request of x and its entry, unless one is under way for that key. It runs the
 * inner part of the route's chain: what limits clients is not asked again. Does not park. */
void cache_refresh(struct exchange *x);

/* What the filter does with one request to the upstream (filters/local_response_cache.c): asks, and
 * begins to store the answer. As a filter returns. */
int cache_ask(struct exchange *x, const struct chain *next) WEIR_PARKS;

#endif
