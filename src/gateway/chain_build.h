/* Makes the chain of filters that serves a route. */
#ifndef WEIR_GATEWAY_CHAIN_BUILD_H
#define WEIR_GATEWAY_CHAIN_BUILD_H

#include "gateway/filters/filters.h"

/* -EINVAL with *ret_message (in the arena or static), -ENOMEM. */
int chain_build(const struct filter_maker *m, const struct chain **ret, const char **ret_message);

/* An element of a chain, for people and for gateway/explain.c. */
struct chain_step {
    struct str name;
    const struct config_filter *config; /* NULL: not of the configuration */
    bool plain;                         /* it changes messages and nothing else */
    bool last;
};

void chain_describe(const struct chain *c, struct chain_step *ret);

/* For requests that no route matches. */
const struct chain *chain_no_route(void);

#endif
