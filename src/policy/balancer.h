/* Which endpoint takes the next request. Three ways behind one interface, over endpoints by index;
 * each is a table of indexes filled when a generation is compiled, so that a pick is a few dozen
 * instructions, takes no lock and never waits:
 *
 *  - round robin: the whole period of smooth weighted round robin, walked by one atomic counter;
 *  - least request: power of two choices over requests in flight by weight;
 *  - consistent hash: a Maglev table, with bounded loads if wanted;
 *  - ewma: two choices over peak EWMA latency and requests in flight by weight.
 *
 * Pure: chance and the hash come as arguments, memory from the caller. */
#ifndef WEIR_POLICY_BALANCER_H
#define WEIR_POLICY_BALANCER_H

#include <stdatomic.h>

#include "base/text.h"
#include "policy/peak.h"

enum balancer_kind { /* in the order of enum config_balance */
                     BALANCER_ROUND_ROBIN,
                     BALANCER_LEAST_REQUEST,
                     BALANCER_CONSISTENT_HASH,
                     BALANCER_EWMA,
                     BALANCER_KIND_MAX,
};

#define BALANCER_ENDPOINTS_MAX 65535
#define BALANCER_WEIGHT_MAX    65535

/* An endpoint as the balancer sees it; the array is borrowed for the balancer's life. */
struct balancer_endpoint {
    uint32_t weight;              /* 0: takes no requests */
    uint64_t key;                 /* consistent hash: its identity, balancer_hash(address) */
    const atomic_uint *in_flight; /* requests in flight; NULL counts as 0 */
    const struct peak *latency;   /* ewma: NULL counts as unknown */
    const atomic_int_least64_t *since_ns; /* slow start: when it began; NULL counts as 0 */
};

struct balancer;

/* True: this endpoint must not be picked (tried already, unhealthy, ejected). May be called several
 * times per pick, and for indexes in any order. */
typedef bool balancer_avoid_fn(void *arg, uint32_t index);

struct balancer_query {
    uint64_t random; /* chance, all bits used: runtime_random() */
    uint64_t hash;   /* consistent hash: of what the request is hashed on, balancer_hash() */
    balancer_avoid_fn *avoid; /* NULL: avoids none */
    void *avoid_arg;
    int64_t now_ns;         /* for the following, and for ewma */
    int64_t slow_start_ns;  /* thins the picks of endpoints that began within it (slow_start.h); not
                               with consistent hash. 0: no slow start */
    uint32_t bound_percent; /* consistent hash: no endpoint gets more than this share of the mean
                               load by weight (Mirrokni, Thorup and Zadimoghaddam, 2016); at least
                               100. 0: no bound. A pick then looks at every endpoint once. */
};

/* Bytes that balancer_init() needs for these endpoints. Reads the weights. 0 when count is beyond
 * BALANCER_ENDPOINTS_MAX or kind is none. */
size_t balancer_bytes(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                      uint32_t count);

/* Fills mem (aligned for max_align_t, at least balancer_bytes()) and returns the balancer, which
 * lives in it: nothing to free but mem. start is where round robin begins in its period: chance in
 * service, so that a fleet does not begin at one endpoint together; 0 in tests. -EINVAL: count
 * beyond BALANCER_ENDPOINTS_MAX, a weight beyond BALANCER_WEIGHT_MAX, size too small. Takes up to
 * some milliseconds (consistent hash; hundreds of endpoints with unequal weights). */
int balancer_init(enum balancer_kind kind, const struct balancer_endpoint *endpoints,
                  uint32_t count, uint64_t start, void *mem, size_t size, struct balancer **ret);

/* The index of the endpoint to use; -ENOENT when every one is avoided or has weight 0: whether to
 * ask again with fewer to avoid is the caller's decision. An avoided endpoint is never returned.
 * Any thread, does not park. */
int balancer_pick(struct balancer *b, const struct balancer_query *q);

/* Whether so few endpoints are usable that their health should be ignored and all be used: below
 * panic_percent of them. 0: never (the default: with none usable, requests are refused; failing
 * open sends them to endpoints known to be down, which suits who trusts checks less than odds). */
static inline bool balancer_panics(uint32_t usable, uint32_t total, uint32_t panic_percent)
{
    return (uint64_t)usable * 100 < (uint64_t)total * panic_percent;
}

/* The hash for keys and requests: the same in every process, so that several gateways agree. */
uint64_t balancer_hash(struct str s);

#endif
