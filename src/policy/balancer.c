/* Picking from tables of endpoints; how they are filled: balancer_table.c. */
#include "policy/balancer.h"

#include <math.h>

#include "base/assert.h"
#include "base/hash.h"
#include "policy/balancer_table.h"
#include "policy/slow_start.h"

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

static uint32_t share_of(const struct balancer *b, const struct balancer_query *q, uint32_t index)
{
    const atomic_int_least64_t *since = b->endpoints[index].since_ns;

    if (likely(q->slow_start_ns == 0) || since == NULL)
        return SLOW_START_WHOLE;
    return slow_start_share(atomic_load_explicit(since, memory_order_relaxed), q->slow_start_ns,
                            q->now_ns);
}

/* The nth draw is not for an endpoint that is starting, by chance. */
static bool thinned(const struct balancer *b, const struct balancer_query *q, uint32_t index,
                    unsigned n)
{
    uint32_t share = share_of(b, q, index);

    if (likely(share == SLOW_START_WHOLE))
        return false;
    return mix64(q->random ^ mix64(n + 1)) % SLOW_START_WHOLE >= share;
}

/* The load of the endpoints that may be picked, for its mean by weight. */
struct load {
    uint64_t in_flight, weight;
};

static struct load load_of(const struct balancer *b, const struct balancer_query *q)
{
    struct load sum = {0};

    for (uint32_t i = 0; i < b->count && q->bound_percent != 0; i++) {
        if (b->endpoints[i].weight == 0 || avoided(q, i))
            continue;
        sum.in_flight += in_flight(&b->endpoints[i]);
        sum.weight += b->endpoints[i].weight;
    }
    return sum;
}

/* One more would be beyond the bound: more than ceil(bound * mean * weight) with it counted. As the
 * bound is at least the mean, some endpoint is never full. */
static bool full(const struct balancer *b, const struct balancer_query *q, const struct load *load,
                 uint32_t index)
{
    const struct balancer_endpoint *e = &b->endpoints[index];
    uint64_t whole = 100 * load->weight;

    if (q->bound_percent == 0 || whole == 0)
        return false;
    return in_flight(e) + UINT64_C(1) >
           (q->bound_percent * (load->in_flight + 1) * e->weight + whole - 1) / whole;
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

        if (!avoided(q, i) && !thinned(b, q, i, n))
            return (int)i;
    }
    return -ENOENT;
}

/* Consistent hash: an avoided endpoint's requests go on to the place that follows from hashing
 * again, which spreads them over all others and moves nobody else's. So do those of a full one:
 * what overflows from an endpoint always overflows to the same ones. */
static int pick_by_hash(const struct balancer *b, const struct balancer_query *q,
                        const struct load *load)
{
    for (unsigned n = 0; n < DRAWS; n++) {
        uint32_t i = draw(b, q->hash, n);

        if (!avoided(q, i) && !full(b, q, load, i))
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

/* What one more request would wait, by weight. Where nothing is known yet, one at a time: a second
 * would wait as long as PENALTY. */
#define PENALTY_NS ((double)NS_PER_SEC)

static double cost(const struct balancer_endpoint *e, int64_t now_ns)
{
    double ns = e->latency != NULL ? peak_ns(e->latency, now_ns) : 0;
    uint32_t load = in_flight(e);

    return (ns != 0 ? ns * (load + 1.0) : PENALTY_NS * load) / e->weight;
}

static bool better(const struct balancer *b, const struct balancer_query *q, uint32_t second,
                   uint32_t first)
{
    const struct balancer_endpoint *one = &b->endpoints[first], *two = &b->endpoints[second];

    if (b->kind == BALANCER_EWMA)
        return cost(two, q->now_ns) < cost(one, q->now_ns);
    return (uint64_t)in_flight(two) * one->weight < (uint64_t)in_flight(one) * two->weight;
}

/* Two choices, drawn in proportion to the weights; the better one: that with fewer requests per
 * weight, and the first drawn (chance) when they are equal. */
static int pick_of_two(const struct balancer *b, const struct balancer_query *q)
{
    int first = -ENOENT;

    for (unsigned n = 0; n < DRAWS; n++) {
        uint32_t i = draw_by_chance(b, q->random, n);

        if ((int)i == first || avoided(q, i) || thinned(b, q, i, n))
            continue;
        if (first >= 0)
            return better(b, q, i, (uint32_t)first) ? (int)i : first;
        first = (int)i;
    }
    return first;
}

/* Looks at every endpoint: the table is mostly of avoided ones. Weighted rendezvous (Schindelhauer
 * and Schomaker, 2005): the largest weight / -ln(u) wins, with u from the hash (the same request
 * meets the same endpoint) or from chance (a weighted random choice); requests in flight count
 * against an endpoint. */
static int pick_from_all(const struct balancer *b, const struct balancer_query *q,
                         const struct load *load)
{
    uint64_t seed = b->kind == BALANCER_CONSISTENT_HASH ? q->hash : q->random;
    double best = 0;
    int pick = -ENOENT;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct balancer_endpoint *e = &b->endpoints[i];
        uint64_t id = b->kind == BALANCER_CONSISTENT_HASH ? e->key : i;
        uint64_t x = mix64(mix64(seed) ^ mix64(id + 1));
        double busy =
            b->kind == BALANCER_LEAST_REQUEST || b->kind == BALANCER_EWMA ? 64.0 * in_flight(e) : 0;
        double score;

        if (e->weight == 0 || avoided(q, i) || full(b, q, load, i))
            continue;
        score = (double)e->weight * share_of(b, q, i) /
                (busy - log(((double)(x >> 12) + 0.5) * 0x1p-52));
        if (score > best) {
            best = score;
            pick = (int)i;
        }
    }
    return pick;
}

int balancer_pick(struct balancer *b, const struct balancer_query *q)
{
    struct load load = {0};
    int pick;

    if (b->place_count == 0)
        return -ENOENT;
    switch (b->kind) {
    case BALANCER_ROUND_ROBIN:
        pick = pick_in_turn(b, q);
        break;
    case BALANCER_LEAST_REQUEST:
    case BALANCER_EWMA:
        pick = pick_of_two(b, q);
        break;
    default:
        load = load_of(b, q);
        pick = pick_by_hash(b, q, &load);
        break;
    }
    return likely(pick >= 0) ? pick : pick_from_all(b, q, &load);
}

uint64_t balancer_hash(struct str s)
{
    static const uint64_t key[2] = {0x6261636b656e6473, 0x686173682072696e};

    return siphash13(key, s);
}
