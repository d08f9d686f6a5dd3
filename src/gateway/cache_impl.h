/* Inside of the response cache; for its files. */
#ifndef WEIR_GATEWAY_CACHE_IMPL_H
#define WEIR_GATEWAY_CACHE_IMPL_H

#include "gateway/cache.h"

/* The request's selecting fields are those of the one that e answered. */
bool cache_entry_answers(const struct cache_entry *e, const struct http_head *request);

static inline struct cache_shard *cache_shard_of(struct cache *c, uint64_t hash)
{
    return &c->shards[(hash >> 48) & (c->shard_count - 1)];
}

#endif
