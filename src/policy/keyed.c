/* Token buckets by key, in a table that never grows.
 *
 * The table consists of stripes of 64 sets of 8 places, each stripe under a lock of its own. A key
 * has two sets in its stripe (Azar, Broder, Karlin, Upfal: "Balanced allocations", 1994) and goes
 * to the emptier one; when both are full, a neighbour that has room in its other set moves there
 * (as in cuckoo hashing, one step deep). So places can be used to seven tenths and more before
 * anything that matters is forgotten. A stripe keeps the rate that its words were computed with,
 * and recomputes all of them when it finds another one. */
#include <weir/keyed.h>

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "policy/atomic.h"
#include "policy/bucket.h"

enum { SETS = 64, PLACES = 8, STRIPE_PLACES = SETS * PLACES };

struct place {
    uint64_t hash; /* 0: never used */
    uint64_t word; /* as a bucket's */
};

struct stripe {
    uint32_t lock;
    uint32_t rate_number; /* which rate the words belong to */
    struct bucket_rate rate;
    uint64_t evicted;
} __attribute__((aligned(64)));

struct weir_keyed {
    uint64_t secret[2];
    int64_t birth_ns;
    uint32_t stripe_count;
    uint32_t rate_lock;
    uint32_t rate_number;
    struct bucket_rate rate; /* under rate_lock */
    struct stripe *stripes;
    struct place *places;
} __attribute__((aligned(64)));

/* Ten places for seven keys, and eight stripes at least, so that chance evens out. */
static uint64_t stripes_for(uint32_t keys_max)
{
    return MAX(((uint64_t)keys_max * 10 / 7 + STRIPE_PLACES - 1) / STRIPE_PLACES, UINT64_C(8));
}

size_t weir_keyed_bytes(uint32_t keys_max)
{
    return sizeof(struct weir_keyed) +
           stripes_for(keys_max) * (sizeof(struct stripe) + STRIPE_PLACES * sizeof(struct place));
}

int weir_keyed_init(void *memory, uint32_t keys_max, const struct weir_rate *rate,
                    const uint64_t secret[2], int64_t now_ns, struct weir_keyed **ret)
{
    struct weir_keyed *k = memory;
    struct bucket_rate r;
    int error = bucket_compile(rate, &r);

    if (error != 0 || keys_max == 0)
        return -EINVAL;
    memset(memory, 0, weir_keyed_bytes(keys_max));
    k->secret[0] = secret[0];
    k->secret[1] = secret[1];
    k->birth_ns = now_ns;
    k->stripe_count = (uint32_t)stripes_for(keys_max);
    k->rate = r;
    k->stripes = (struct stripe *)(k + 1);
    k->places = (struct place *)(k->stripes + k->stripe_count);
    for (uint32_t i = 0; i < k->stripe_count; i++)
        k->stripes[i].rate = r;
    *ret = k;
    return 0;
}

int weir_keyed_set(struct weir_keyed *k, const struct weir_rate *rate)
{
    struct bucket_rate r;
    int error = bucket_compile(rate, &r);

    if (error != 0)
        return error;
    word_lock(&k->rate_lock);
    k->rate = r;
    relaxed_store(&k->rate_number, k->rate_number + 1);
    word_unlock(&k->rate_lock);
    return 0;
}

void weir_keyed_clear(struct weir_keyed *k)
{
    for (uint32_t i = 0; i < k->stripe_count; i++) {
        word_lock(&k->stripes[i].lock);
        memset(&k->places[i * STRIPE_PLACES], 0, STRIPE_PLACES * sizeof(struct place));
        word_unlock(&k->stripes[i].lock);
    }
}

uint64_t weir_keyed_evicted(const struct weir_keyed *k)
{
    uint64_t evicted = 0;

    for (uint32_t i = 0; i < k->stripe_count; i++)
        evicted += relaxed_load(&k->stripes[i].evicted);
    return evicted;
}

/* ---- one stripe, under its lock ---- */

/* Full again, so as good as never used. */
static bool is_free(const struct stripe *s, const struct place *p, uint64_t now)
{
    return p->hash == 0 || (s->rate.kind == LIMITED && p->word >> RATE_BITS <= now);
}

static void adopt_rate(struct weir_keyed *k, struct stripe *s, struct place *places, uint64_t now)
{
    struct bucket_rate rate;

    word_lock(&k->rate_lock);
    rate = k->rate;
    s->rate_number = k->rate_number;
    word_unlock(&k->rate_lock);
    for (int i = 0; i < STRIPE_PLACES; i++) {
        if (is_free(s, &places[i], now))
            places[i].hash = 0;
        else
            places[i].word = bucket_move(&s->rate, &rate, places[i].word, now) << RATE_BITS;
    }
    s->rate = rate;
}

static unsigned first_set(uint64_t hash)
{
    return hash % SETS;
}

/* The other set of a key that is in this one; the way back is the same. */
static unsigned other_set(uint64_t hash, unsigned set)
{
    return set ^ (1 + (hash >> 6) % (SETS - 1));
}

static struct place *find(struct place *set, uint64_t hash)
{
    for (int i = 0; i < PLACES; i++)
        if (set[i].hash == hash)
            return &set[i];
    return NULL;
}

/* A free place, how many there are in *ret_count. */
static struct place *find_free(const struct stripe *s, struct place *set, uint64_t now,
                               int *ret_count)
{
    struct place *p = NULL;

    *ret_count = 0;
    for (int i = 0; i < PLACES; i++) {
        if (is_free(s, &set[i], now)) {
            p = &set[i];
            ++*ret_count;
        }
    }
    return p;
}

/* Moves somebody of a full set to his other set. */
static struct place *make_room(const struct stripe *s, struct place *places, unsigned set,
                               uint64_t now)
{
    for (int i = 0; i < PLACES; i++) {
        struct place *p = &places[set * PLACES + (unsigned)i];
        int count;
        struct place *to = find_free(s, &places[other_set(p->hash, set) * PLACES], now, &count);

        if (to != NULL) {
            *to = *p;
            return p;
        }
    }
    return NULL;
}

static struct place *fullest(struct place *set)
{
    struct place *best = set;

    for (int i = 1; i < PLACES; i++)
        if (set[i].word < best->word)
            best = &set[i];
    return best;
}

/* The key's place; one that is new to it counts as a full bucket. */
static struct place *place_of(struct stripe *s, struct place *places, uint64_t hash, uint64_t now)
{
    unsigned a = first_set(hash), b = other_set(hash, a);
    struct place *p = find(&places[a * PLACES], hash), *in_a, *in_b;
    int free_a, free_b;

    if (p == NULL)
        p = find(&places[b * PLACES], hash);
    if (p != NULL)
        return p;
    in_a = find_free(s, &places[a * PLACES], now, &free_a);
    in_b = find_free(s, &places[b * PLACES], now, &free_b);
    p = free_a >= free_b ? in_a : in_b;
    if (p == NULL)
        p = make_room(s, places, a, now);
    if (p == NULL)
        p = make_room(s, places, b, now);
    if (p == NULL) {
        p = fullest(&places[a * PLACES]);
        relaxed_store(&s->evicted, s->evicted + 1);
    }
    *p = (struct place){.hash = hash};
    return p;
}

static struct weir_keyed_left left_of(const struct bucket_rate *r, uint64_t word, uint64_t now)
{
    uint64_t tat = word >> RATE_BITS, missing;

    if (r->kind == NO_REFILL)
        return (struct weir_keyed_left){r->depth - tat, tat != 0 ? INT64_MAX : 0};
    if (r->kind == UNLIMITED)
        return (struct weir_keyed_left){UINT64_MAX, 0};
    missing = tat > now ? tat - now : 0;
    return (struct weir_keyed_left){(r->depth - MIN(missing, r->depth)) / r->step,
                                    bucket_ns(missing)};
}

static inline int take(struct weir_keyed *k, const void *key, size_t key_bytes, uint32_t n,
                       int64_t now_ns, int64_t *ret_retry_after_ns,
                       struct weir_keyed_left *ret_left)
{
    uint64_t hash = siphash13(k->secret, (struct str){key, key_bytes}) | UINT64_C(1) << 63;
    uint64_t index = (hash >> 32 & INT32_MAX) * k->stripe_count >> 31;
    uint64_t now = now_ns > k->birth_ns ? (uint64_t)(now_ns - k->birth_ns) * UNITS_PER_NS : 0;
    struct stripe *s = &k->stripes[index];
    struct place *places = &k->places[index * STRIPE_PLACES], *p;
    uint64_t wait;
    int error;

    word_lock(&s->lock);
    if (unlikely(s->rate_number != relaxed_load(&k->rate_number)))
        adopt_rate(k, s, places, now);
    p = place_of(s, places, hash, now);
    error = bucket_advance(&s->rate, p->word, now, n, 0, &p->word, &wait);
    if (ret_left != NULL)
        *ret_left = left_of(&s->rate, p->word, now);
    word_unlock(&s->lock);
    if (unlikely(error != 0) && ret_retry_after_ns != NULL)
        *ret_retry_after_ns = bucket_retry_after_ns(wait);
    return error;
}

int weir_keyed_take(struct weir_keyed *k, const void *key, size_t key_bytes, uint32_t n,
                    int64_t now_ns, int64_t *ret_retry_after_ns)
{
    return take(k, key, key_bytes, n, now_ns, ret_retry_after_ns, NULL);
}

int weir_keyed_take_left(struct weir_keyed *k, const void *key, size_t key_bytes, uint32_t n,
                         int64_t now_ns, int64_t *ret_retry_after_ns,
                         struct weir_keyed_left *ret_left)
{
    return take(k, key, key_bytes, n, now_ns, ret_retry_after_ns, ret_left);
}
