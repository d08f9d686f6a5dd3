/* What struct gateway holds; for the files of this layer. */
#ifndef WEIR_GATEWAY_GATEWAY_IMPL_H
#define WEIR_GATEWAY_GATEWAY_IMPL_H

#include <stdatomic.h>

#include "gateway/conn.h"
#include "gateway/gateway.h"
#include "gateway/generation.h"
#include "gateway/health_checker.h"
#include "gateway/listening.h"
#include "gateway/policies.h"
#include "gateway/shedding.h"
#include "gateway/workspace.h"

struct gateway {
    /* -- fixed -- */
    uint32_t pseudonym_number; /* tells this process from others of the same name */
    struct metric *connections_active, *connections_idle, *connections_accepted;
    struct metric *connections_refused, *accept_pauses, *requests_in_flight;
    struct workspaces workspaces;

    /* -- anybody, atomic -- */
    _Atomic(struct generation *) current; /* see generation.c */
    atomic_uint connections;              /* of clients, open */
    atomic_uint connections_active_count; /* being served by a coroutine */
    atomic_bool stopping;
    atomic_uint generations_live;

    /* -- under their own locks -- */
    struct {
        struct spinlock lock CACHE_ALIGNED;
    } pin_locks[PIN_SHARDS];
    struct conn_shard conn_shards[CONN_SHARDS];
    struct upstream_registry upstreams;
    struct policies policies;
    struct shedding shedding;

    /* -- gateway_apply() and gateway_stop(), one at a time -- */
    struct weir_mutex apply_mutex;
    uint64_t generation_number;
    struct list listenings;    /* struct listening */
    struct spinlock view_lock; /* held to change the list, and to look at it from elsewhere */
};

static inline bool gateway_stopping(struct gateway *g)
{
    return atomic_load_explicit(&g->stopping, memory_order_relaxed);
}

/* Serves requests from the connection until none is there. True: the connection may wait for the
 * next one, so long; false: close it. (serve.c) */
bool gateway_serve(struct gateway *g, struct conn *c, int64_t *ret_idle_ns) WEIR_PARKS;

#endif
