/* A bounded store of responses in memory, shared by all requests of a route.
 *
 * Entries never change; they are counted, so one that is replaced or evicted lives on while it is
 * being sent. The table is cut into shards with a short lock each; within a shard SIEVE decides who
 * goes (Zhang et al., "SIEVE is simpler than LRU", NSDI 2024): a hit sets a mark and moves nothing.
 *
 * Several requests that miss the same key at the same time: the first one asks, the others wait for
 * what becomes of it, until it is stored, or it is clear that it will not be. A key whose answer
 * was not to be stored is remembered for a while, and nobody waits for it. */
#ifndef WEIR_GATEWAY_CACHE_H
#define WEIR_GATEWAY_CACHE_H

#include <weir/sync.h>

#include "base/list.h"
#include "base/lock.h"
#include "http/caching.h"

struct cache_body {
    atomic_uint refs;
    size_t len, cap;
    char data[];
};

struct cache_entry {
    /* -- fixed; all in one block with the texts -- */
    uint64_t hash;
    struct str key;
    struct str vary;        /* names in lower case, each followed by ',' */
    struct str vary_values; /* of the request that it answers, in that order */
    int status;
    struct http_freshness freshness;
    int64_t response_ns; /* when it came, or was validated */
    struct str etag, last_modified;
    uint64_t seen;
    uint32_t field_count;
    struct http_field *fields;
    struct cache_body *body; /* a reference */
    size_t bytes;            /* what it counts for */

    /* -- anybody, atomic -- */
    atomic_uint refs;
    atomic_bool visited; /* used since SIEVE's hand came by */

    /* -- under the shard's lock -- */
    struct list link;         /* in the order of arrival, newest in front */
    struct cache_entry *next; /* in the bucket */
    bool linked;
};

enum { CACHE_SHARDS_MAX = 16, CACHE_PASS_SLOTS = 1024, CACHE_FLIGHT_LISTS = 64 };

struct cache_limits {
    size_t size_bytes, entry_bytes; /* of all, of one */
};

struct cache_shard {
    struct spinlock lock CACHE_ALIGNED;
    struct cache_entry **buckets;
    struct list queue;
    struct list flights[CACHE_FLIGHT_LISTS]; /* by hash */
    struct list *hand;                       /* of SIEVE, in queue; NULL: at its end */
    size_t bytes;
    uint32_t count;
};

struct cache {
    /* -- fixed -- */
    uint64_t hash_key[2];
    uint32_t shard_count, bucket_count; /* powers of two; buckets of each shard */
    struct cache_shard *shards;

    /* -- anybody, atomic -- */
    atomic_size_t shard_bytes_max, entry_bytes_max;
    atomic_size_t bytes, count;
    atomic_uint_least64_t stored_total, evicted_total;
    atomic_uint_least64_t passes[CACHE_PASS_SLOTS]; /* keys not to wait for: see cache_pass() */
};

/* -ENOMEM. Does not park, as all here but cache_join(). */
int cache_init(struct cache *c, const uint64_t hash_key[static 2], const struct cache_limits *l);
void cache_done(struct cache *c); /* entries that are being sent live on */
/* Other limits for what is to come; the number of shards and buckets stays. */
void cache_set_limits(struct cache *c, const struct cache_limits *l);
void cache_clear(struct cache *c);

uint64_t cache_hash(const struct cache *c, struct str key);

/* The newest entry for the key whose selecting fields are those of the request, with a reference;
 * NULL. *ret_key_known: there are entries for the key. */
struct cache_entry *cache_find(struct cache *c, uint64_t hash, struct str key,
                               const struct http_head *request, bool *ret_key_known);

/* Stores e, with a reference of its own, in place of what answered the same requests, and evicts
 * what no longer fits. False: it is larger than allowed. */
bool cache_put(struct cache *c, struct cache_entry *e);

/* Forgets what is stored for the key; returns how many entries. */
unsigned cache_remove(struct cache *c, uint64_t hash, struct str key);

/* -- entries -- */

/* Copies head (but Age) and texts; takes over the reference to body (also on failure), which may be
 * NULL: cache_entry_complete() brings it. NULL: no memory, or a Vary beyond all reason. */
struct cache_entry *cache_entry_new(uint64_t hash, struct str key, const struct http_head *request,
                                    const struct http_head *response,
                                    const struct http_freshness *freshness, int64_t response_ns,
                                    struct cache_body *body);
void cache_entry_complete(struct cache_entry *e, struct cache_body *body);
static inline struct cache_entry *cache_entry_ref(struct cache_entry *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}
void cache_entry_unref(struct cache_entry *e); /* NULL is fine */

static inline int64_t cache_entry_age_sec(const struct cache_entry *e, int64_t now_ns)
{
    return e->freshness.initial_age_sec + MAX(now_ns - e->response_ns, INT64_C(0)) / NS_PER_SEC;
}

/* Room for at least cap bytes; NULL: no memory. */
struct cache_body *cache_body_new(size_t cap);
/* Appends, growing up to max bytes. False: too long or no memory. */
bool cache_body_add(struct cache_body **b, struct str piece, size_t max);
struct cache_body *cache_body_ref(struct cache_body *b);
void cache_body_unref(struct cache_body *b); /* NULL is fine */

/* -- one asks, the others wait -- */

struct cache_flight;

enum cache_turn {
    CACHE_ASK,    /* *ret_flight is ours, to be ended with cache_land() */
    CACHE_STORED, /* somebody has: look again */
    CACHE_ALONE,  /* ask, without telling anybody: nobody is to wait for this key, or it took too
                     long, or what the first one got is not for others */
};

enum cache_turn cache_join(struct cache *c, uint64_t hash, struct str key, int64_t until_ns,
                           int64_t now_ns, struct cache_flight **ret_flight) WEIR_PARKS;
void cache_land(struct cache *c, struct cache_flight *f, bool stored);

/* CACHE_ASK's flight if nobody asks for this key now, else NULL. Does not park. */
struct cache_flight *cache_try_ask(struct cache *c, uint64_t hash, struct str key);

/* The answer for this key is not to be stored: for ten seconds nobody waits for it. */
void cache_pass(struct cache *c, uint64_t hash, int64_t now_ns);

#endif
