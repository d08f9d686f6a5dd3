/* The store of responses: see cache.h. */
#include "gateway/cache.h"

#include <stdlib.h>

#include "base/hash.h"
#include "gateway/cache_impl.h"

/* How many marks SIEVE's hand takes away before it takes what it meets: a bound for the time that
 * the lock is held. */
#define HAND_STEPS_MAX 64
/* What an entry is taken to need when the table is made, and how many answers one key may have. */
#define ENTRY_BYTES_USUAL 1024
#define VARIANTS_MAX      16

static uint32_t power_of_two(size_t n, uint32_t max)
{
    uint32_t p = 1;

    while (p < max && p < n)
        p *= 2;
    return p;
}

void cache_set_limits(struct cache *c, const struct cache_limits *l)
{
    atomic_store_explicit(&c->shard_bytes_max, l->size_bytes / c->shard_count,
                          memory_order_relaxed);
    atomic_store_explicit(&c->entry_bytes_max, l->entry_bytes, memory_order_relaxed);
}

/* A shard holds at least four of the largest entries, or there would be fewer shards. */
int cache_init(struct cache *c, const uint64_t hash_key[static 2], const struct cache_limits *l)
{
    c->hash_key[0] = hash_key[0];
    c->hash_key[1] = hash_key[1];
    c->shard_count = power_of_two(l->size_bytes / (l->entry_bytes * 4 + 1), CACHE_SHARDS_MAX);
    c->bucket_count = power_of_two(l->size_bytes / c->shard_count / ENTRY_BYTES_USUAL, 1u << 16);
    c->bucket_count = MAX(c->bucket_count, 16u);
    c->shards = aligned_alloc(CACHE_LINE, c->shard_count * sizeof(*c->shards));
    if (c->shards == NULL)
        return -ENOMEM;
    memset(c->shards, 0, c->shard_count * sizeof(*c->shards));
    for (uint32_t i = 0; i < c->shard_count; i++) {
        list_init(&c->shards[i].queue);
        for (int j = 0; j < CACHE_FLIGHT_LISTS; j++)
            list_init(&c->shards[i].flights[j]);
    }
    cache_set_limits(c, l);
    for (uint32_t i = 0; i < c->shard_count; i++) {
        c->shards[i].buckets = calloc(c->bucket_count, sizeof(struct cache_entry *));
        if (c->shards[i].buckets == NULL) {
            cache_done(c);
            return -ENOMEM;
        }
    }
    return 0;
}

void cache_done(struct cache *c)
{
    cache_clear(c);
    for (uint32_t i = 0; i < c->shard_count; i++)
        free(c->shards[i].buckets);
    free(TAKE(c->shards));
}

uint64_t cache_hash(const struct cache *c, struct str key)
{
    return siphash13(c->hash_key, key);
}

static struct cache_entry **bucket_of(struct cache *c, struct cache_shard *s, uint64_t hash)
{
    return &s->buckets[hash & (c->bucket_count - 1)];
}

/* Takes e out of the shard; its reference goes to gone, to be dropped outside the lock. */
static void unlink_entry(struct cache *c, struct cache_shard *s, struct cache_entry *e,
                         struct list *gone)
{
    struct cache_entry **at = bucket_of(c, s, e->hash);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    if (s->hand == &e->link)
        s->hand = e->link.prev;
    list_remove(&e->link);
    e->linked = false;
    s->bytes -= e->bytes;
    s->count--;
    atomic_fetch_sub_explicit(&c->bytes, e->bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
    list_push_back(gone, &e->link);
}

static void drop_all(struct list *gone)
{
    struct list *node;

    while ((node = list_pop_front(gone)) != NULL)
        cache_entry_unref(list_entry(node, struct cache_entry, link));
}

/* SIEVE: from the oldest to the newest, over and over, what was not used since the last time. */
static struct cache_entry *choose_victim(struct cache_shard *s)
{
    struct list *at = s->hand != NULL ? s->hand : s->queue.prev;
    struct cache_entry *e;

    for (int steps = 0;; steps++) {
        if (at == &s->queue)
            at = s->queue.prev;
        e = list_entry(at, struct cache_entry, link);
        if (!atomic_load_explicit(&e->visited, memory_order_relaxed) || steps >= HAND_STEPS_MAX)
            break;
        atomic_store_explicit(&e->visited, false, memory_order_relaxed);
        at = at->prev;
    }
    s->hand = at;
    return e;
}

static void make_room(struct cache *c, struct cache_shard *s, size_t bytes, struct list *gone)
{
    size_t max = atomic_load_explicit(&c->shard_bytes_max, memory_order_relaxed);

    while (s->count != 0 && (s->bytes + bytes > max || s->count >= 2 * c->bucket_count)) {
        unlink_entry(c, s, choose_victim(s), gone);
        atomic_fetch_add_explicit(&c->evicted_total, 1, memory_order_relaxed);
    }
}

static bool is_for(const struct cache_entry *e, uint64_t hash, struct str key)
{
    return e->hash == hash && str_eq(e->key, key);
}

struct cache_entry *cache_find(struct cache *c, uint64_t hash, struct str key,
                               const struct http_head *request, bool *ret_key_known)
{
    struct cache_shard *s = cache_shard_of(c, hash);
    struct cache_entry *e;

    *ret_key_known = false;
    spin_lock(&s->lock);
    for (e = *bucket_of(c, s, hash); e != NULL; e = e->next) {
        if (!is_for(e, hash, key))
            continue;
        *ret_key_known = true;
        if (cache_entry_answers(e, request))
            break;
    }
    if (e != NULL) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        if (!atomic_load_explicit(&e->visited, memory_order_relaxed))
            atomic_store_explicit(&e->visited, true, memory_order_relaxed);
    }
    spin_unlock(&s->lock);
    return e;
}

/* Takes out what e replaces, and the oldest answer of a key that has too many. */
static void replace_old(struct cache *c, struct cache_shard *s, const struct cache_entry *e,
                        struct list *gone)
{
    struct cache_entry *old = *bucket_of(c, s, e->hash), *next, *last = NULL;
    unsigned variants = 0;

    for (; old != NULL; old = next) {
        next = old->next;
        if (!is_for(old, e->hash, e->key))
            continue;
        if (str_eq(old->vary, e->vary) && str_eq(old->vary_values, e->vary_values)) {
            unlink_entry(c, s, old, gone);
            continue;
        }
        variants++;
        last = old;
    }
    if (variants >= VARIANTS_MAX)
        unlink_entry(c, s, last, gone);
}

bool cache_put(struct cache *c, struct cache_entry *e)
{
    struct cache_shard *s = cache_shard_of(c, e->hash);
    struct cache_entry **bucket = bucket_of(c, s, e->hash);
    struct list gone = LIST_INIT(gone);

    if (e->bytes > atomic_load_explicit(&c->shard_bytes_max, memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    spin_lock(&s->lock);
    replace_old(c, s, e, &gone);
    make_room(c, s, e->bytes, &gone);
    e->next = *bucket;
    *bucket = e;
    e->linked = true;
    list_push_front(&s->queue, &e->link);
    s->bytes += e->bytes;
    s->count++;
    atomic_fetch_add_explicit(&c->bytes, e->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed);
    spin_unlock(&s->lock);
    atomic_fetch_add_explicit(&c->stored_total, 1, memory_order_relaxed);
    drop_all(&gone);
    return true;
}

unsigned cache_remove(struct cache *c, uint64_t hash, struct str key)
{
    struct cache_shard *s = cache_shard_of(c, hash);
    struct list gone = LIST_INIT(gone);
    struct cache_entry *next;
    unsigned count = 0;

    spin_lock(&s->lock);
    for (struct cache_entry *e = *bucket_of(c, s, hash); e != NULL; e = next) {
        next = e->next;
        if (!is_for(e, hash, key))
            continue;
        unlink_entry(c, s, e, &gone);
        count++;
    }
    spin_unlock(&s->lock);
    drop_all(&gone);
    return count;
}

void cache_clear(struct cache *c)
{
    for (uint32_t i = 0; i < c->shard_count; i++) {
        struct cache_shard *s = &c->shards[i];

        for (bool more = true; more;) { /* a few at a time: the lock is short */
            struct list gone = LIST_INIT(gone);

            spin_lock(&s->lock);
            for (int n = 0; n < HAND_STEPS_MAX && s->count != 0; n++)
                unlink_entry(c, s, list_entry(s->queue.prev, struct cache_entry, link), &gone);
            more = s->count != 0;
            spin_unlock(&s->lock);
            drop_all(&gone);
        }
    }
}
