/* Makes the chain of filters that serves a route. */
#ifndef WEIR_GATEWAY_CHAIN_BUILD_H
#define WEIR_GATEWAY_CHAIN_BUILD_H

#include "config/config.h"
#include "gateway/chain.h"
#include "gateway/route_index.h"

/* -EINVAL with *ret_message (in the arena or static), -ENOMEM. */
int chain_build(const struct config_route *r, const struct route_match *match, struct arena *a,
                const struct chain **ret, const char **ret_message);

/* For requests that no route matches. */
const struct chain *chain_no_route(void);

#endif
