/* One asks, the others wait: see cache.h. */
#include <stdlib.h>

#include <weir/scope.h>

#include "gateway/cache_impl.h"

#define PASS_SEC 10

struct cache_flight {
    struct list link; /* under the shard's lock */
    atomic_uint refs;
    atomic_bool stored; /* valid when landed is at zero */
    struct weir_wait_group landed;
    uint64_t hash;
    struct str key;
    char text[];
};

/* One word per slot: the upper half of the hash, and the second until which it holds. A slot that
 * another key takes costs that key's waiters nothing but a wait. */
static atomic_uint_least64_t *pass_of(struct cache *c, uint64_t hash)
{
    return &c->passes[hash & (CACHE_PASS_SLOTS - 1)];
}

void cache_pass(struct cache *c, uint64_t hash, int64_t now_ns)
{
    uint64_t until_sec = (uint64_t)(now_ns / NS_PER_SEC + PASS_SEC) & UINT32_MAX;

    atomic_store_explicit(pass_of(c, hash), (hash & ~(uint64_t)UINT32_MAX) | until_sec,
                          memory_order_relaxed);
}

static bool passes(struct cache *c, uint64_t hash, int64_t now_ns)
{
    uint64_t slot = atomic_load_explicit(pass_of(c, hash), memory_order_relaxed);

    return slot >> 32 == hash >> 32 &&
           (uint64_t)(now_ns / NS_PER_SEC) < (slot & (uint64_t)UINT32_MAX);
}

static void flight_unref(struct cache_flight *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
        free(f);
}

/* The flight for the key, with a reference; or fresh takes its place, and NULL. */
static struct cache_flight *find_or_add(struct cache_shard *s, struct cache_flight *fresh)
{
    struct list *flights = &s->flights[fresh->hash % CACHE_FLIGHT_LISTS];

    spin_lock(&s->lock);
    list_for_each (pos, flights) {
        struct cache_flight *f = list_entry(pos, struct cache_flight, link);

        if (f->hash == fresh->hash && str_eq(f->key, fresh->key)) {
            atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
            spin_unlock(&s->lock);
            return f;
        }
    }
    list_push_back(flights, &fresh->link);
    spin_unlock(&s->lock);
    return NULL;
}

static struct cache_flight *flight_new(uint64_t hash, struct str key)
{
    struct cache_flight *f = malloc(sizeof(*f) + key.len);

    if (f == NULL)
        return NULL;
    *f = (struct cache_flight){.hash = hash};
    memcpy(f->text, key.ptr, key.len);
    f->key = str_n(f->text, key.len);
    atomic_init(&f->refs, 1);
    weir_wait_group_add(&f->landed, 1);
    return f;
}

enum cache_turn cache_join(struct cache *c, uint64_t hash, struct str key, int64_t until_ns,
                           int64_t now_ns, struct cache_flight **ret_flight)
{
    struct cache_flight *fresh, *f;
    bool stored;
    int rc = 0;

    if (passes(c, hash, now_ns))
        return CACHE_ALONE;
    fresh = flight_new(hash, key);
    if (fresh == NULL)
        return CACHE_ALONE;
    f = find_or_add(cache_shard_of(c, hash), fresh);
    if (f == NULL) {
        *ret_flight = fresh;
        return CACHE_ASK;
    }
    flight_unref(fresh);
    WEIR_DEADLINE (until_ns) {
        rc = weir_wait_group_wait(&f->landed);
    }
    stored = rc == 0 && atomic_load_explicit(&f->stored, memory_order_acquire);
    flight_unref(f);
    return stored ? CACHE_STORED : CACHE_ALONE;
}

struct cache_flight *cache_try_ask(struct cache *c, uint64_t hash, struct str key)
{
    struct cache_flight *fresh = flight_new(hash, key), *f;

    if (fresh == NULL)
        return NULL;
    f = find_or_add(cache_shard_of(c, hash), fresh);
    if (f == NULL)
        return fresh;
    flight_unref(fresh);
    flight_unref(f);
    return NULL;
}

void cache_land(struct cache *c, struct cache_flight *f, bool stored)
{
    struct cache_shard *s = cache_shard_of(c, f->hash);

    spin_lock(&s->lock);
    list_remove(&f->link);
    spin_unlock(&s->lock);
    atomic_store_explicit(&f->stored, stored, memory_order_release);
    weir_wait_group_done(&f->landed);
    flight_unref(f);
}
