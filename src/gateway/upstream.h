/* Upstreams and their endpoints: what survives a change of configuration.
 *
 * The registry holds one upstream_state per upstream id and in it one endpoint per address, with
 * everything learnt about it: health, ejection, idle connections, counts. A generation holds a
 * struct upstream, its own compiled view (order, weights, balancer, limits), which points at them.
 *
 * Who may touch what: fields marked fixed never change after the endpoint was made; atomics are for
 * anybody; what stands below a lock is for its holder. */
#ifndef WEIR_GATEWAY_UPSTREAM_H
#define WEIR_GATEWAY_UPSTREAM_H

#include <weir/breaker.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "config/config.h"
#include "net/stream.h"
#include "policy/balancer.h"
#include "policy/eject.h"
#include "policy/health.h"
#include "policy/retry.h"
#include "telemetry/metric.h"

struct health_checker;

#define ENDPOINT_REASON_MAX 160

struct endpoint_metrics {
    struct metric *requests, *failures, *duration, *connect_duration, *opened, *ejections;
    struct metric *checks_passed, *checks_failed;
    struct metric *breaker_to[3]; /* by the state it comes to */
    struct metric *in_flight, *connections_active, *connections_idle, *up, *ejected,
        *breaker_state; /* gauges set
                                                                                        when read */
};

struct endpoint {
    /* -- fixed -- */
    struct upstream_state *upstream; /* not a reference: cleared of meaning once uses is 0 */
    struct addr addr;
    struct str address; /* as in the configuration */
    struct str host;    /* what Host says to it: address, or "localhost" for a Unix socket */
    struct endpoint_metrics metrics;

    /* -- anybody, atomic -- */
    atomic_uint refs;                         /* memory: generations, the registry, connections */
    atomic_uint in_flight;                    /* attempts running */
    atomic_uint connections;                  /* open, active or idle */
    atomic_int_least64_t distrusted_until_ns; /* keeps no connections; 0: never was */
    struct health health;
    struct eject eject;
    atomic_int breaker_reason; /* of its last change; -1: none */
    atomic_uint may_open; /* reports that may open the breaker, under way (endpoint_breaker.c) */
    struct weir_breaker breaker;
    struct peak latency;           /* balance: ewma */
    atomic_int_least64_t since_ns; /* slow start: when it came or comes back; 0: always there */

    /* -- under lock -- */
    struct spinlock lock CACHE_ALIGNED;
    struct list idle; /* of upstream_conn, the one used last in front */
    uint32_t idle_count;
    bool retired; /* no generation names it: connections given back are closed */
    char reason[ENDPOINT_REASON_MAX];
    int64_t reason_ns;   /* since when it holds; 0: there is none */
    bool reason_ejected; /* it holds while the endpoint is ejected */

    /* -- under the registry's lock -- */
    uint32_t uses; /* generations that name it */
    struct health_checker *checker;
};

struct upstream_state {
    struct str id;
    uint32_t uses;        /* generations; under the registry's lock */
    struct map endpoints; /* by address; under the registry's lock */
    struct spinlock eject_lock;
    struct retry_budget budget;
    struct metric *retries;
    struct metric *retries_refused[RETRY_VERDICT_MAX];
    struct metric *breaker_refused;
    atomic_uint_least64_t retries_total;
    char id_text[];
};

/* An upstream as one generation sees it; immutable but for the balancer's counter. */
struct upstream {
    const struct config_upstream *config;
    struct upstream_state *state;
    struct endpoint **endpoints;
    uint32_t endpoint_count;
    struct balancer *balancer;
    struct upstream_locality *locality; /* NULL: one group, never in panic */
    struct retry_options retry;
    struct eject_options eject;
    struct eject_group eject_group;
};

struct upstream_registry {
    struct spinlock lock;
    struct map states; /* by id */
    uint64_t hash_key[2];
};

void upstream_registry_init(struct upstream_registry *r);
void upstream_registry_done(struct upstream_registry *r); /* after the last generation has gone */

/* Compiles one upstream of a configuration: finds or makes its state and endpoints and takes uses
 * of them. -ENOMEM, -EINVAL with *ret_message. upstream_drop() gives the uses back; an endpoint
 * that no generation uses any more loses its idle connections and is forgotten. */
int upstream_compile(struct upstream_registry *r, const struct config_upstream *c, struct arena *a,
                     struct upstream *ret, const char **ret_message);
void upstream_drop(struct upstream_registry *r, struct upstream *u);

void endpoint_ref(struct endpoint *e);
void endpoint_unref(struct endpoint *e);

/* Notes why the endpoint is in its state, for people. ejected: that it is out. */
void endpoint_set_reason(struct endpoint *e, bool ejected, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What ordinary traffic tells: counts, and ejects after too many failures in a row. */
void upstream_note_failure(struct upstream *u, struct endpoint *e, const char *what);
static inline void upstream_note_success(struct endpoint *e)
{
    eject_success(&e->eject);
}

/* What an attempt tells about the endpoint's latency: the time to the response's head, or to its
 * failure. */
static inline void upstream_note_latency(struct upstream *u, struct endpoint *e, int64_t took_ns,
                                         bool failed)
{
    if (unlikely(u->config->balance == BALANCE_EWMA))
        peak_observe(&e->latency, took_ns, failed, runtime_now_coarse());
}

/* The endpoint begins again, at at_ns. */
static inline void endpoint_begins(struct endpoint *e, int64_t at_ns)
{
    atomic_store_explicit(&e->since_ns, at_ns, memory_order_relaxed);
}

/* Usable: not known to be unhealthy, not ejected. */
static inline bool endpoint_usable(const struct endpoint *e, int64_t now_ns)
{
    return health_usable(&e->health) && !eject_is_out(&e->eject, now_ns);
}

/* Usable, and its circuit breaker would let a request pass. */
static inline bool endpoint_admits(const struct upstream *u, const struct endpoint *e,
                                   int64_t now_ns)
{
    return endpoint_usable(e, now_ns) &&
           (!u->config->breaker.enabled || weir_breaker_admits(&e->breaker, now_ns, NULL));
}

/* -- circuit breakers of endpoints (endpoint_breaker.c) -- */

/* For an endpoint that is being made. */
void endpoint_breaker_init(struct endpoint *e);
/* The generation that u is part of has been published: its numbers hold from now on. */
void upstream_configure_breakers(struct upstream *u);

/* The attempt at e that the token is for has failed. */
void endpoint_breaker_failed(struct upstream *u, struct endpoint *e,
                             const struct weir_breaker_token *token);
/* Before one request is sent to e again, which so many attempts of it have failed at: may open it,
 * see weir_breaker_ladder(). */
void endpoint_breaker_ladder(struct upstream *u, struct endpoint *e, uint32_t failed_attempts);
/* One more failure at e, without a permit: a response that broke off behind its head. */
void endpoint_breaker_note(struct upstream *u, struct endpoint *e);

/* Why no endpoint admits: true when breakers keep back endpoints that are not known to be
 * unhealthy; then *ret_after_ns says when the first of them may have a permit. */
bool upstream_circuit_open(const struct upstream *u, int64_t now_ns, int64_t *ret_after_ns);

/* -- connections to endpoints (conn_pool.c) -- */

/* One connection to an endpoint: busy with one exchange, or idle in the endpoint's list and watched
 * so that it is closed as soon as the origin closes it. */
struct upstream_conn {
    struct list link; /* endpoint.idle, while idle; under its lock */
    struct endpoint *endpoint;
    struct stream *stream;
    bool reused; /* has served before */
};

/* An idle connection of e that is still good, or NULL. sure: looks at the socket first (one system
 * call), for a request that could not be sent again. Does not park. */
struct upstream_conn *upstream_conn_take(struct endpoint *e, bool sure);

/* Dials a new one. -EAGAIN: connections_max are open already; else what stream_dial() said. The
 * deadline is the caller's. */
int upstream_conn_open(struct endpoint *e, uint32_t connections_max,
                       struct upstream_conn **ret) WEIR_PARKS;

/* Gives a connection back whose last message was complete in both directions. Kept, or closed when
 * there are enough. */
void upstream_conn_keep(struct upstream_conn *uc, const struct config_pool *pool);

/* Closes. reset: the endpoint is to see that the request was cut. NULL is fine. */
void upstream_conn_close(struct upstream_conn *uc, bool reset);

/* The endpoint sent what nobody had asked for: its connections are not used again for a minute. */
void endpoint_distrust(struct endpoint *e);

/* Closes all idle connections of e; retire: and those given back later. */
void endpoint_close_idle(struct endpoint *e, bool retire);

#endif
