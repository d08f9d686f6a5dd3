/* Makes the chain of filters that serves a route. */
#ifndef WEIR_GATEWAY_CHAIN_BUILD_H
#define WEIR_GATEWAY_CHAIN_BUILD_H

#include "gateway/filters/filters.h"

/* -EINVAL with *ret_message (in the arena or static), -ENOMEM. */
int chain_build(const struct filter_maker *m, const struct chain **ret, const char **ret_message);

/* For requests that no route matches. */
const struct chain *chain_no_route(void);

#endif
