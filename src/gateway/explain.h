/* What the gateway would do with a request, without sending anything: the same admission, route
 * index, predicates, filters and balancer that serve requests are asked, and what they say is
 * copied out. */
#ifndef WEIR_GATEWAY_EXPLAIN_H
#define WEIR_GATEWAY_EXPLAIN_H

#include <weir/error.h>

#include "config/config.h"
#include "gateway/vars.h"
#include "telemetry/cause.h"
#include "world/world.h"

struct explain_request {
    struct str method;
    struct str url;           /* "http://HOST[:PORT]/PATH?QUERY", or "/PATH?QUERY" */
    const struct str *fields; /* "Name: value"; a Host among them takes the place of the URL's */
    uint32_t field_count;
    struct addr client;
};

enum explain_verdict {
    EXPLAIN_SERVES, /* the first route that matches */
    EXPLAIN_FAILS,  /* a predicate does not hold */
    EXPLAIN_LATER,  /* it matches, too, but another comes first */
};

struct explain_route {
    const struct config_route *config;
    enum explain_verdict verdict;
    struct str predicate; /* the first that does not hold, as written */
    struct str seen;      /* what it was held against: "the path is /a" */
};

struct explain_step {
    struct str name;                    /* of the filter */
    const struct config_filter *config; /* NULL: it is in every chain */
};

struct explanation {
    /* -- the request as routes see it -- */
    struct str method, path, query, host; /* query.ptr NULL: none */
    uint16_t port;

    /* -- refused before any route: nothing below is set -- */
    enum cause refused; /* CAUSE_NONE: it was not */
    struct str why;

    struct explain_route *routes; /* in the order in which they are tried */
    uint32_t route_count;
    const struct explain_route *route; /* the one that serves; NULL: 404 */
    struct vars vars;
    struct explain_step *steps; /* its chain, from the outside in */
    uint32_t step_count;
    struct str fallback_path;             /* of its breaker's fallbackUri; ptr NULL: none */
    const struct explain_route *fallback; /* that would serve it; NULL: none but itself */

    /* -- what the route's own filters make of the request -- */
    int answered;        /* the status with which the gateway answers; 0: it is sent on */
    struct str location; /* of that answer */
    struct str sent_path, sent_query;
    struct str sent_host; /* ptr NULL: the endpoint's address */

    const struct config_upstream *upstream; /* NULL: none */
    struct str hash_key;                    /* consistent hashing; ptr NULL: it has none */
    int32_t hash_endpoint;                  /* where the key falls while all are well; -1 */
};

/* Compiles c as a gateway would and asks it. Call it inside a runtime; a simulated world is enough,
 * since nothing is opened or sent. What ret refers to is in a or belongs to c. 0; -EINVAL: the
 * request or the configuration is none, with *ret_error; -ENOMEM. May park. */
int gateway_explain(struct config *c, const struct explain_request *r, struct arena *a,
                    struct explanation *ret, struct weir_error **ret_error) WEIR_PARKS;

#endif
