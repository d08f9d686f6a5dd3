/* A compiled configuration. Immutable; published by one pointer swap; every request pins the one it
 * began with. */
#ifndef WEIR_GATEWAY_GENERATION_H
#define WEIR_GATEWAY_GENERATION_H

#include <weir/error.h>

#include "config/config.h"
#include "gateway/chain.h"
#include "gateway/cidr.h"
#include "gateway/policies.h"
#include "gateway/route_index.h"
#include "gateway/upstream.h"
#include "http/h1.h"

struct route_metrics {
    struct metric *by_class[6]; /* [0]: no answer could be sent */
    struct metric *duration, *received, *sent;
};

struct route {
    const struct config_route *config;
    struct str id;
    struct upstream *upstream; /* NULL: filters answer */
    const struct chain *chain;
    uint32_t priority;         /* enum priority, of its metadata */
    const struct chain *inner; /* of it: what changes messages, retry, forward; NULL: no upstream */
    struct route_metrics metrics;
};

#define PIN_SHARDS 16

struct generation {
    struct gateway *gateway;
    uint64_t number;
    int64_t since_ns; /* when it was published */
    struct config *config;
    struct h1_limits limits;
    uint32_t buffer_class; /* of the memory an active connection takes */
    struct upstream *upstreams;
    uint32_t upstream_count;
    struct route *routes;
    struct route_match *matches;
    uint32_t route_count;
    struct route no_route; /* what serves requests that no route matches */
    struct route_index *index;
    struct cidr *trusted;
    uint32_t trusted_count;
    struct str via; /* "1.1 weir-1f2e3d4c", what Via says */
    struct str pseudonym;
    struct policy_uses policies;
    struct arena arena;

    /* Pins, one count per shard; while it is published each shard holds one more. When a shard
     * reaches 0 it is done, and the last one frees. */
    struct {
        atomic_int_least64_t count CACHE_ALIGNED;
    } pins[PIN_SHARDS];
    atomic_uint shards_live;
};

/* What one request holds. */
struct pin {
    struct generation *generation; /* NULL: nothing pinned */
    unsigned shard;
};

/* Compiles; takes a reference to c. -ENOMEM, -EINVAL with an error that names the place. */
int generation_compile(struct gateway *g, struct config *c, struct generation **ret,
                       struct weir_error **ret_error);
bool generation_names(const struct generation *gen, const struct endpoint *e);

/* For one that was never published. */
void generation_free(struct generation *gen);

/* The published generation, kept alive until unpin(). Any processor, does not park; costs a lock
 * that nobody else wants and one atomic add. */
struct pin generation_pin(struct gateway *g);
void generation_unpin(struct pin *p);
/* One more pin of what p pins. */
struct pin generation_pin_again(const struct pin *p);
/* Pins the published one in its place, unless it is that already. */
void generation_repin(struct gateway *g, struct pin *p);

/* Publishes gen (NULL: none any more); what was published before is freed when its last pin goes,
 * perhaps in here. One caller at a time. */
void generation_publish(struct gateway *g, struct generation *gen);

#endif
