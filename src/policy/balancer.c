/* Picking from tables of endpoints; how they are filled: balancer_table.c. */
#include "policy/balancer.h"

#include <math.h>

#include "base/assert.h"
#include "base/hash.h"
#include "policy/balancer_table.h"

/* Draws from the table before every endpoint is looked at in turn. */
#define DRAWS 16

struct balancer {
    enum balancer_kind kind;
    uint32_t count;
    uint32_t place_count;
    const struct balancer_endpoint *endpoints;
    const uint16_t *places; /* of the table, each an endpoint's index */
    char pad1_[CACHE_LINE];
    atomic_uint_least64_t next; /* round robin: written by every pick, so alone in its line */
    char pad2_[CACHE_LINE];
};

static size_t align_up(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

size_t balancer_bytes(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                      uint32_t count)
{
    if (kind >= BALANCER_KIND_MAX || count > BALANCER_ENDPOINTS_MAX)
        return 0;
    return align_up(sizeof(struct balancer)) +
           align_up(balancer_place_count(kind, endpoints, count) * sizeof(uint16_t)) +
           balancer_scratch_bytes(count);
}

int balancer_init(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                  uint32_t count, uint64_t start, void *mem, size_t size, struct balancer **ret)
{
    size_t need = balancer_bytes(kind, endpoints, count);
    struct balancer *b = mem;
    char *places = (char *)mem + align_up(sizeof(*b));

    if (need == 0 || size < need)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++)
        if (endpoints[i].weight > BALANCER_WEIGHT_MAX)
            return -EINVAL;
    *b = (struct balancer){.kind = kind, .count = count, .endpoints = endpoints};
    b->place_count = balancer_place_count(kind, endpoints, count);
    b->places = (uint16_t *)places;
    atomic_init(&b->next, b->place_count != 0 ? start % b->place_count : 0);
    balancer_fill(kind, endpoints, count, (uint16_t *)places, b->place_count,
                  places + align_up(b->place_count * sizeof(uint16_t)));
    *ret = b;
    return 0;
}

static bool avoided(const struct balancer_query *q, uint32_t index)
{
    return q->avoid != NULL && q->avoid(q->avoid_arg, index);
}

static uint32_t in_flight(const struct balancer_endpoint *e)
{
    return e->in_flight != NULL ? atomic_load_explicit(e->in_flight, memory_order_relaxed) : 0;
}

/* The nth pseudo-random place that follows from the seed. */
static uint32_t draw(const struct balancer *b, uint64_t seed, unsigned n)
{
    uint64_t x = mix64(seed + n * UINT64_C(0x9e3779b97f4a7c15));

    return b->places[(uint32_t)(((unsigned __int128)x * b->place_count) >> 64)];
}

/* Round robin takes the next place, so an avoided endpoint's turn passes to those that follow it,
 * and the rest keep their proportions. */
static int pick_in_turn(struct balancer *b, const struct balancer_query *q)
{
    for (unsigned n = 0; n < DRAWS; n++) {
        uint64_t turn = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
        uint32_t i = b->places[turn % b->place_count];

        if (!avoided(q, i))
            return (int)i;
    }
    return -ENOENT;
}

/* Consistent hash: an avoided endpoint's requests go on to the place that follows from hashing
 * again, which spreads them over all others and moves nobody else's. */
static int pick_by_hash(const struct balancer *b, const struct balancer_query *q)
{
    for (unsigned n = 0; n < DRAWS; n++) {
        uint32_t i = draw(b, q->hash, n);

        if (!avoided(q, i))
            return (int)i;
    }
    return -ENOENT;
}

/* The nth place by chance: the two halves of the number as it is, then what follows from it. */
static uint32_t draw_by_chance(const struct balancer *b, uint64_t random, unsigned n)
{
    uint64_t part = n == 0 ? random >> 32 : n == 1 ? (uint32_t)random : 0;

    return n < 2 ? b->places[(part * b->place_count) >> 32] : draw(b, random, n);
}

/* Two choices, drawn in proportion to the weights; the one with fewer requests per weight, and the
 * first drawn (chance) when they are equal. */
static int pick_of_two(const struct balancer *b, const struct balancer_query *q)
{
    int first = -ENOENT;

    for (unsigned n = 0; n < DRAWS; n++) {
        uint32_t i = draw_by_chance(b, q->random, n);

        if ((int)i == first || avoided(q, i))
            continue;
        if (first < 0) {
            first = (int)i;
        } else {
            const struct balancer_endpoint *one = &b->endpoints[first], *two = &b->endpoints[i];
            bool better =
                (uint64_t)in_flight(two) * one->weight < (uint64_t)in_flight(one) * two->weight;

            return better ? (int)i : first;
        }
    }
    return first;
}

/* Looks at every endpoint: the table is mostly of avoided ones. Weighted rendezvous (Schindelhauer
 * and Schomaker, 2005): the largest weight / -ln(u) wins, with u from the hash (the same request
 * meets the same endpoint) or from chance (a weighted random choice); requests in flight count
 * against an endpoint. */
static int pick_from_all(const struct balancer *b, const struct balancer_query *q)
{
    uint64_t seed = b->kind == BALANCER_CONSISTENT_HASH ? q->hash : q->random;
    double best = 0;
    int pick = -ENOENT;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct balancer_endpoint *e = &b->endpoints[i];
        uint64_t id = b->kind == BALANCER_CONSISTENT_HASH ? e->key : i;
        uint64_t x = mix64(mix64(seed) ^ mix64(id + 1));
        double load = b->kind == BALANCER_LEAST_REQUEST ? 64.0 * in_flight(e) : 0;
        double score;

        if (e->weight == 0 || avoided(q, i))
            continue;
        score = e->weight / (load - log(((double)(x >> 12) + 0.5) * 0x1p-52));
        if (score > best) {
            best = score;
            pick = (int)i;
        }
    }
    return pick;
}

int balancer_pick(struct balancer *b, const struct balancer_query *q)
{
    int pick;

    if (b->place_count == 0)
        return -ENOENT;
    switch (b->kind) {
    case BALANCER_ROUND_ROBIN:
        pick = pick_in_turn(b, q);
        break;
    case BALANCER_LEAST_REQUEST:
        pick = pick_of_two(b, q);
        break;
    default:
        pick = pick_by_hash(b, q);
        break;
    }
    return likely(pick >= 0) ? pick : pick_from_all(b, q);
}

uint64_t balancer_hash(struct str s)
{
    static const uint64_t key[2] = {0x6261636b656e6473, 0x686173682072696e};

    return siphash13(key, s);
}
