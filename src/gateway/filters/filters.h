/* The filters, one file each. What a filter of the configuration was made with is a struct
 * filter_settings; chain_build.c fills it. */
#ifndef WEIR_GATEWAY_FILTERS_FILTERS_H
#define WEIR_GATEWAY_FILTERS_FILTERS_H

#include "config/config.h"
#include "gateway/chain.h"
#include "gateway/policies.h"
#include "gateway/replacement.h"
#include "gateway/route_index.h"
#include "gateway/template.h"

struct filter_settings {
    const struct config_filter *config;
    struct template value;
    struct replacement replacement; /* RewritePath */
    struct policy *policy;          /* of filters with a state that outlives the generation */
    const void *own;                /* what else the filter's maker has made */
};

/* What the filters of a route are made with. */
struct filter_maker {
    const struct config_route *route;
    const struct route_match *match;
    const struct upstream *upstream; /* NULL: none */
    struct arena *arena;             /* the generation's */
    struct policy_uses *uses;        /* the policies that the generation uses */
    bool shed;                       /* load shedding is configured */
    struct generation *generation;
    struct route *compiled; /* what the route becomes: all but its chain is there */
};

/* Completes s, whose config is set. -ENOMEM; -EINVAL with *ret_why (in the arena or static). */
typedef int filter_make_fn(const struct filter_maker *m, struct filter_settings *s,
                           const char **ret_why);

/* The id of the filter's policy: route and name of the filter, with a number when the route has
 * several of them. */
struct str filter_policy_id(const struct filter_maker *m, const struct config_filter *f);

/* Always in the chain (chain_build.c says where and why). */
filter_fn prepare_request; /* what a proxy must change in every request */
filter_fn retry;           /* sends again what may be sent again */
filter_fn forward;         /* the last: one attempt at one endpoint */

/* The first where a CircuitBreaker has a fallbackUri; made with that breaker's settings. */
filter_fn fallback_uri;

/* In every chain while load shedding is configured. */
filter_fn shed_load;

/* The last one where there is no upstream. */
filter_fn route_not_found;
filter_fn destination_not_found;
filter_fn answer_empty;

/* Of the configuration. */
filter_fn strip_prefix;
filter_fn prefix_path;
filter_fn set_path;
filter_fn rewrite_path;
filter_fn add_request_header;
filter_fn set_request_header;
filter_fn remove_request_header;
filter_fn add_response_header;
filter_fn set_response_header;
filter_fn remove_response_header;
filter_fn set_status;
filter_fn redirect_to;
filter_fn preserve_host_header;
filter_fn circuit_breaker;
filter_make_fn circuit_breaker_make;
/* Of the breaker that s is of: what its fallbackUri needs, and that it has been asked. */
const struct str *circuit_breaker_fallback_path(const struct filter_settings *s);
void circuit_breaker_count_fallback(const struct filter_settings *s);
filter_make_fn retry_make;
filter_fn hedge;
filter_make_fn hedge_make;
filter_fn set_priority;
filter_fn request_size;
filter_fn request_header_size;
filter_fn rate_limit;
filter_make_fn rate_limit_make;
filter_fn bulkhead;
filter_make_fn bulkhead_make;
filter_fn adaptive_concurrency;
filter_make_fn adaptive_make;
filter_fn local_response_cache;
filter_fn fallback;
filter_fn fallback_headers;

filter_make_fn local_response_cache_make;
filter_make_fn fallback_make;

#endif
