/* What a pool tells about itself; the pool that all share; the sum over all pools. */
#include "runtime/pool.h"

#include <stdlib.h>

#include <weir/diagnose.h>

static struct {
    struct spinlock lock;
    struct list list;
    struct weir_pool *shared;
} all = {.list = LIST_INIT(all.list)};

void pool_register(struct weir_pool *p)
{
    spin_lock(&all.lock);
    list_push_back(&all.list, &p->node);
    spin_unlock(&all.lock);
}

void pool_unregister(struct weir_pool *p)
{
    spin_lock(&all.lock);
    list_remove(&p->node);
    spin_unlock(&all.lock);
}

/* ---- times waited: a histogram, eight steps to each power of two ---- */

static unsigned slot_of(uint64_t ns)
{
    unsigned exponent, slot;

    if (ns < WAIT_STEPS)
        return (unsigned)ns;
    exponent = 63 - (unsigned)__builtin_clzll(ns);
    slot = (exponent - 2) * WAIT_STEPS + (unsigned)(ns >> (exponent - 3)) % WAIT_STEPS;
    return MIN(slot, (unsigned)WAIT_SLOTS - 1);
}

/* The least that is too long for the slot. */
static int64_t slot_end(unsigned slot)
{
    unsigned exponent = slot / WAIT_STEPS + 2;

    if (slot < WAIT_STEPS)
        return slot + 1;
    return (int64_t)(WAIT_STEPS + slot % WAIT_STEPS + 1) << (exponent - 3);
}

void pool_record_wait(struct weir_pool *p, int64_t wait_ns, uint64_t stands_for)
{
    wait_ns = MAX(wait_ns, 0);
    p->waits[slot_of((uint64_t)wait_ns)] += stands_for;
    p->wait_count += stands_for;
    p->wait_sum_ns += wait_ns * (int64_t)stands_for;
    p->wait_max_ns = MAX(p->wait_max_ns, wait_ns);
}

static int64_t percentile(const struct weir_pool *p, unsigned percent)
{
    uint64_t rank = (p->wait_count * percent + 99) / 100, seen = 0;

    for (unsigned i = 0; i < WAIT_SLOTS; i++) {
        seen += p->waits[i];
        if (seen >= rank && seen > 0)
            return MIN(slot_end(i) - 1, p->wait_max_ns);
    }
    return 0;
}

/* Under the take_lock. */
static void add_waits(const struct weir_pool *p, struct weir_pool_stats *s)
{
    for (unsigned i = 0; i < WAIT_SLOTS; i++) {
        unsigned power = 63 - (unsigned)__builtin_clzll(((uint64_t)slot_end(i) - 1) | 1);
        unsigned bucket = power < 10 ? 0 : power - 9;

        s->wait_buckets[MIN(bucket, (unsigned)WEIR_POOL_WAIT_BUCKETS - 1)] += p->waits[i];
    }
    s->wait_mean_ns = p->wait_count > 0 ? p->wait_sum_ns / (int64_t)p->wait_count : 0;
    s->wait_p50_ns = percentile(p, 50);
    s->wait_p99_ns = percentile(p, 99);
    s->wait_max_ns = p->wait_max_ns;
}

/* ---- statistics ---- */

void weir_pool_get_stats(struct weir_pool *p, struct weir_pool_stats *ret)
{
    struct weir_pool_stats s = {.size = MIN(ret->size, sizeof(s)), .name = p->name};

    spin_lock(&p->lock);
    spin_lock(&p->take_lock);
    s.workers = pool_workers(p);
    s.queue = p->limit;
    s.busy = pool_running(p);
    s.queued = queue_len(p);
    s.queued_max = p->queued_max;
    s.submitters = p->submitters_count;
    s.submitted = p->submitted;
    s.completed = p->completed;
    s.rejected = p->rejected;
    s.panicked = p->panicked;
    s.cancelled = p->cancelled;
    s.expired = p->expired;
    s.busy_ns = p->spent_ns + p->active * world_now_ns(rt.world) - p->begun_sum_ns;
    add_waits(p, &s);
    spin_unlock(&p->take_lock);
    spin_unlock(&p->lock);
    memcpy(ret, &s, s.size);
}

void pool_add_stats(struct weir_stats *stats)
{
    spin_lock(&all.lock);
    list_for_each (pos, &all.list) {
        struct weir_pool *p = list_entry(pos, struct weir_pool, node);

        spin_lock(&p->lock);
        spin_lock(&p->take_lock);
        stats->pools++;
        stats->pool_workers += pool_workers(p);
        stats->pool_active += pool_running(p);
        stats->pool_queued += (uint32_t)queue_len(p);
        stats->pool_capacity += (uint32_t)p->limit;
        stats->pool_submitted += p->submitted;
        stats->pool_completed += p->completed;
        stats->pool_rejected += p->rejected;
        stats->pool_wait_ns += (uint64_t)p->wait_sum_ns;
        spin_unlock(&p->take_lock);
        spin_unlock(&p->lock);
    }
    spin_unlock(&all.lock);
}

/* ---- the shared pool ---- */

struct weir_pool *weir_pool_shared(void)
{
    struct weir_pool_options o = {.size = sizeof(o), .name = "offload", .threads = true};
    struct weir_pool *p, *fresh;

    p = __atomic_load_n(&all.shared, __ATOMIC_ACQUIRE);
    if (p != NULL)
        return p;
    fresh = weir_pool_new(&o);
    if (fresh == NULL)
        return NULL;
    if (__atomic_compare_exchange_n(&all.shared, &p, fresh, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return fresh;
    pool_destroy(fresh); /* another was faster */
    return p;
}

int weir_offload(long (*fn)(void *arg), void *arg, void (*done)(void *arg, long result))
{
    struct weir_pool *p = weir_pool_shared();

    if (p == NULL)
        return -ENOMEM;
    return weir_pool_submit(p, &(struct weir_job){.fn = fn, .arg = arg, .done = done});
}

void pool_stop(void)
{
    pool_destroy(all.shared);
    all.shared = NULL;
}
