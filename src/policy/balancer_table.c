/* How the balancers' tables are filled: the period of smooth weighted round robin, as many places
 * as the weight says, or a Maglev table. */
#include "policy/balancer_table.h"

#include "base/assert.h"
#include "base/hash.h"

/* A period longer than this (or 8 places per endpoint, if that is more) is made shorter by rounding
 * the weights. */
#define PERIOD_MAX 65536

/* A prime, never depending on the number of endpoints: another size would move every key. */
#define MAGLEV_PLACES 65537
#define MAGLEV_EMPTY  UINT16_MAX

/* Per endpoint; what the kinds need while filling. */
struct scratch {
    union {
        struct {             /* round robin: the groups of endpoints with equal weight */
            uint32_t weight; /* of every member */
            uint32_t first;  /* member */
            uint32_t last;   /* member */
            uint32_t front;  /* the member whose turn is next */
            int64_t lead;    /* current weight of the front member */
        } group;
        struct {            /* Maglev: the endpoint's permutation of the places */
            uint32_t order; /* endpoints by key */
            uint32_t at;    /* the next place it prefers */
            uint32_t skip;  /* from one preference to the next */
        } walk;
    };
    uint32_t next; /* round robin: the next member of the endpoint's group */
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Weights are used divided by their common divisor, or scaled so that the period has its bound. */
struct scale {
    uint64_t times, by;
};

static struct scale scale_of(const struct balancer_endpoint *endpoints, uint32_t count)
{
    uint64_t sum = 0, limit = MAX((uint64_t)PERIOD_MAX, 8 * (uint64_t)count);
    uint32_t divisor = 0;

    for (uint32_t i = 0; i < count; i++) {
        divisor = gcd(endpoints[i].weight, divisor);
        sum += endpoints[i].weight;
    }
    if (divisor == 0 || sum / divisor <= limit)
        return (struct scale){1, MAX(divisor, 1u)};
    return (struct scale){limit, sum};
}

/* Rounded, and at least one place for who has a weight at all. */
static uint32_t places_of(struct scale s, uint32_t weight)
{
    uint64_t places = (weight * s.times + s.by / 2) / s.by;

    return weight == 0 ? 0 : (uint32_t)MAX(places, UINT64_C(1));
}

uint32_t balancer_place_count(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                              uint32_t count)
{
    struct scale s = scale_of(endpoints, count);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += places_of(s, endpoints[i].weight);
    return kind == BALANCER_CONSISTENT_HASH && sum != 0 ? MAGLEV_PLACES : sum;
}

size_t balancer_scratch_bytes(uint32_t count)
{
    return count * sizeof(struct scratch);
}

/* Sorts the endpoints into groups of equal weight, members in order of index. */
static uint32_t make_groups(const struct balancer_endpoint *endpoints, uint32_t count,
                            struct scale s, struct scratch *scratch)
{
    uint32_t groups = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t weight = places_of(s, endpoints[i].weight), g = 0;

        if (weight == 0)
            continue;
        while (g < groups && scratch[g].group.weight != weight)
            g++;
        if (g == groups) {
            groups++;
            scratch[g].group.weight = weight;
            scratch[g].group.first = scratch[g].group.front = i;
            scratch[g].group.lead = 0;
        } else {
            scratch[scratch[g].group.last].next = i;
        }
        scratch[g].group.last = i;
    }
    return groups;
}

/* Smooth weighted round robin as nginx has it: every turn, each endpoint's current weight grows by
 * its weight, the largest (the first of equals) is taken and pays the sum of all. Endpoints of
 * equal weight differ only by how often they were taken, so they are taken in rotation, and only
 * the front of each group need be compared: a turn costs the number of different weights. */
static void fill_smooth(const struct balancer_endpoint *endpoints, uint32_t count, uint16_t *places,
                        uint32_t place_count, struct scratch *scratch)
{
    uint32_t groups = make_groups(endpoints, count, scale_of(endpoints, count), scratch);

    for (uint32_t turn = 0; turn < place_count; turn++) {
        struct scratch *best = &scratch[0];

        for (uint32_t g = 0; g < groups; g++) {
            struct scratch *s = &scratch[g];

            s->group.lead += s->group.weight;
            if (s->group.lead > best->group.lead ||
                (s->group.lead == best->group.lead && s->group.front < best->group.front))
                best = s;
        }
        places[turn] = (uint16_t)best->group.front;
        if (best->group.front != best->group.last) {
            best->group.front = scratch[best->group.front].next;
        } else {
            best->group.front = best->group.first;
            best->group.lead -= place_count;
        }
    }
}

static void fill_shares(const struct balancer_endpoint *endpoints, uint32_t count, uint16_t *places)
{
    struct scale s = scale_of(endpoints, count);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t n = places_of(s, endpoints[i].weight); n > 0; n--)
            *places++ = (uint16_t)i;
}

static bool key_less(const struct balancer_endpoint *endpoints, uint32_t a, uint32_t b)
{
    return endpoints[a].key != endpoints[b].key ? endpoints[a].key < endpoints[b].key : a < b;
}

static void sift_down(const struct balancer_endpoint *endpoints, struct scratch *heap, uint32_t at,
                      uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        uint32_t swap = heap[at].walk.order;

        if (child + 1 < count &&
            key_less(endpoints, heap[child].walk.order, heap[child + 1].walk.order))
            child++;
        if (!key_less(endpoints, swap, heap[child].walk.order))
            return;
        heap[at].walk.order = heap[child].walk.order;
        heap[child].walk.order = swap;
    }
}

/* By key, so that the table does not depend on the order of the list (heap sort). */
static void sort_by_key(const struct balancer_endpoint *endpoints, uint32_t count,
                        struct scratch *scratch)
{
    for (uint32_t i = 0; i < count; i++)
        scratch[i].walk.order = i;
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(endpoints, scratch, i, count);
    for (uint32_t left = count; left-- > 1;) {
        uint32_t largest = scratch[0].walk.order;

        scratch[0].walk.order = scratch[left].walk.order;
        scratch[left].walk.order = largest;
        sift_down(endpoints, scratch, 0, left);
    }
}

static void take_place(uint16_t *places, struct scratch *walker, uint32_t endpoint)
{
    while (places[walker->walk.at] != MAGLEV_EMPTY)
        walker->walk.at = (walker->walk.at + walker->walk.skip) % MAGLEV_PLACES;
    places[walker->walk.at] = (uint16_t)endpoint;
}

/* Maglev (Eisenbud et al., 2016, section 3.4): endpoints take turns at claiming the place they like
 * best of those left. In round r an endpoint has its turn when its share of the rounds so far,
 * r * weight / heaviest, reaches another whole number. */
static void fill_maglev(const struct balancer_endpoint *endpoints, uint32_t count, uint16_t *places,
                        struct scratch *scratch)
{
    uint64_t heaviest = 1;
    uint32_t filled = 0;

    memset(places, 0xff, MAGLEV_PLACES * sizeof(*places));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t h = mix64(endpoints[i].key);

        heaviest = MAX(heaviest, (uint64_t)endpoints[i].weight);
        scratch[i].walk.at = (uint32_t)(h >> 32) % MAGLEV_PLACES;
        scratch[i].walk.skip = (uint32_t)h % (MAGLEV_PLACES - 1) + 1;
    }
    sort_by_key(endpoints, count, scratch);
    for (uint64_t round = 0; filled < MAGLEV_PLACES; round++) {
        for (uint32_t n = 0; n < count && filled < MAGLEV_PLACES; n++) {
            uint32_t i = scratch[n].walk.order;
            uint64_t weight = endpoints[i].weight;

            if ((round + 1) * weight / heaviest == round * weight / heaviest)
                continue;
            take_place(places, &scratch[i], i);
            filled++;
        }
    }
}

void balancer_fill(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                   uint32_t count, uint16_t *places, uint32_t place_count, void *scratch)
{
    if (place_count == 0)
        return;
    switch (kind) {
    case BALANCER_ROUND_ROBIN:
        fill_smooth(endpoints, count, places, place_count, scratch);
        break;
    case BALANCER_LEAST_REQUEST:
    case BALANCER_EWMA:
        fill_shares(endpoints, count, places);
        break;
    default:
        fill_maglev(endpoints, count, places, scratch);
        break;
    }
}
