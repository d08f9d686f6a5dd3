/* Pinning and publishing of generations: see generation.h. Compiling is in generation_compile.c.
 *
 * A reader loads the pointer and counts itself; between the two the generation must not go. Each
 * shard has a small lock for these few instructions, taken by requests of its own processor only,
 * so nobody waits. The publisher swaps the pointer and then takes each lock once: when it has, no
 * reader that saw the old pointer is still uncounted. Then it drops the count that kept each shard
 * above zero. (A counted load in the manner of RCU, with the grace period made by the locks; a
 * single counter would bounce between processors twice per request.) */
#include <stdlib.h>

#include "base/assert.h"
#include "gateway/gateway_impl.h"
#include "runtime/here.h"

static void shard_done(struct generation *gen)
{
    if (atomic_fetch_sub_explicit(&gen->shards_live, 1, memory_order_acq_rel) == 1)
        generation_free(gen);
}

static void unpin_shard(struct generation *gen, unsigned shard)
{
    int64_t before = atomic_fetch_sub_explicit(&gen->pins[shard].count, 1, memory_order_acq_rel);

    ASSERT_HOT(before > 0);
    if (before == 1)
        shard_done(gen);
}

struct pin generation_pin(struct gateway *g)
{
    unsigned shard = here_processor() % PIN_SHARDS;
    struct pin pin = {.shard = shard};

    spin_lock(&g->pin_locks[shard].lock);
    pin.generation = atomic_load_explicit(&g->current, memory_order_acquire);
    if (likely(pin.generation != NULL))
        atomic_fetch_add_explicit(&pin.generation->pins[shard].count, 1, memory_order_relaxed);
    spin_unlock(&g->pin_locks[shard].lock);
    return pin;
}

void generation_unpin(struct pin *p)
{
    struct generation *gen = TAKE(p->generation);

    if (gen != NULL)
        unpin_shard(gen, p->shard);
}

struct pin generation_pin_again(const struct pin *p)
{
    atomic_fetch_add_explicit(&p->generation->pins[p->shard].count, 1, memory_order_relaxed);
    return *p;
}

void generation_repin(struct gateway *g, struct pin *p)
{
    if (likely(p->generation != NULL &&
               p->generation == atomic_load_explicit(&g->current, memory_order_acquire)))
        return;
    generation_unpin(p);
    *p = generation_pin(g);
}

void generation_publish(struct gateway *g, struct generation *gen)
{
    struct generation *old;

    if (gen != NULL) {
        gen->since_ns = weir_now();
        atomic_store(&gen->shards_live, PIN_SHARDS);
        for (unsigned i = 0; i < PIN_SHARDS; i++)
            atomic_store(&gen->pins[i].count, 1);
    }
    old = atomic_exchange_explicit(&g->current, gen, memory_order_acq_rel);
    if (old == NULL)
        return;
    for (unsigned i = 0; i < PIN_SHARDS; i++) {
        spin_lock(&g->pin_locks[i].lock);
        spin_unlock(&g->pin_locks[i].lock);
    }
    for (unsigned i = 0; i < PIN_SHARDS; i++)
        unpin_shard(old, i);
}

bool generation_names(const struct generation *gen, const struct endpoint *e)
{
    for (uint32_t i = 0; i < gen->upstream_count; i++) {
        const struct upstream *u = &gen->upstreams[i];

        if (u->state != e->upstream)
            continue;
        for (uint32_t j = 0; j < u->endpoint_count; j++) {
            if (u->endpoints[j] == e)
                return true;
        }
    }
    return false;
}
