/* The gateway as control, demo and tests see it. */
#ifndef WEIR_GATEWAY_GATEWAY_H
#define WEIR_GATEWAY_GATEWAY_H

#include <weir/error.h>

#include "config/config.h"
#include "gateway/policies.h"
#include "runtime/runtime.h"

struct gateway;

/* Creates a gateway without configuration. Inside the runtime. */
int gateway_new(struct gateway **ret);

/* Compiles the configuration into a generation and publishes it with one pointer swap: the next
 * requests use it, running ones keep theirs, no connection is closed. State of upstreams that keep
 * their id stays. Opens listeners that are new, closes those that are gone. On failure nothing has
 * changed and the error says what could not be done (address in use, ...). Takes a reference. */
int gateway_apply(struct gateway *g, struct config *c, struct weir_error **ret_error) WEIR_PARKS;

/* Refuses new connections, closes idle ones, lets requests in flight end (with Connection: close)
 * until deadline_ns, then cuts the rest. Returns how many were cut. */
int gateway_stop(struct gateway *g, int64_t deadline_ns) WEIR_PARKS;
void gateway_free(struct gateway *g) WEIR_PARKS; /* after gateway_stop() */

bool gateway_ready(struct gateway *g); /* configured, listening, not stopping */

/* -- what is inside, for the admin API and the demo's view; copies, valid as long as the arena --
 */

struct gateway_endpoint_view {
    struct str address;
    uint32_t weight;
    struct str state;  /* "healthy", "unhealthy", "ejected", "unknown" */
    struct str reason; /* what brought it into that state, for people; may be empty */
    int64_t state_age_ns;
    struct str breaker;        /* "closed", "open", "half_open", ... */
    struct str breaker_reason; /* of its last change; empty: there was none */
    int64_t breaker_retry_ns;  /* until a probe may pass; 0: now */
    uint32_t in_flight;
    uint32_t connections_idle, connections_open;
    uint64_t requests_total, failures_total;
    uint64_t checks_ok_total, checks_failed_total;
    int64_t latency_p50_ns, latency_p99_ns; /* since start */
    struct str zone;                        /* may be empty */
    uint32_t priority;
    int64_t latency_ewma_ns; /* balance: ewma; 0: nothing known */
    uint32_t share_permille; /* slow start: of its whole share */
};

struct gateway_upstream_view {
    struct str id;
    struct str balance;
    struct gateway_endpoint_view *endpoints;
    uint32_t endpoint_count;
};

struct gateway_route_view {
    struct str id, uri;
    int32_t order;
    const struct config_route *config; /* predicates and filters as written */
    uint64_t requests_total;
    uint64_t by_class[6]; /* by status class: [2] is 2xx */
    int64_t latency_p50_ns, latency_p99_ns;
};

struct gateway_cause_view {
    struct str name;
    uint64_t count;
};

struct gateway_view {
    uint64_t generation;
    uint64_t config_hash;
    int64_t config_age_ns;
    uint32_t connections_open, connections_idle;
    uint64_t requests_total;
    uint64_t retries_total;
    struct str *listeners; /* addresses as bound */
    uint32_t listener_count;
    struct gateway_route_view *routes;
    uint32_t route_count;
    struct gateway_upstream_view *upstreams;
    uint32_t upstream_count;
    struct gateway_cause_view *causes; /* those that occurred */
    uint32_t cause_count;
    struct config *config; /* pinned: gateway_view_done() lets go */
};

int gateway_view(struct gateway *g, struct arena *a, struct gateway_view *ret);
void gateway_view_done(struct gateway_view *v);

/* Appends every policy with its state, as a JSON document; id NULL: all, else those with that id.
 * -ENOMEM, -ENOENT. (policies_view.c) */
int gateway_write_policies(struct gateway *g, const struct str *id, struct text *out);
/* Does what an operator asks of the policy. -ENOENT; -ENOTSUP: this one knows *ret_actions only
 * (1u << POLICY_... each); -ENOMEM. */
int gateway_operate_policy(struct gateway *g, struct str id, enum policy_action action,
                           unsigned *ret_actions);

#endif
