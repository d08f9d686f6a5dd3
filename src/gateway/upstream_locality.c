/* Groups of endpoints by priority and zone, each with a balancer of its own in which the others
 * have no weight; policy/locality.h says which group is to be used. Its plan is made anew by the
 * first pick after PLAN_NS, so that ejections, which end by time, need nobody to notice. */
#include "gateway/upstream_locality.h"

#include "base/hash.h"
#include "policy/locality.h"

#define PLAN_NS (10 * NS_PER_MS)

struct upstream_locality {
    struct balancer *groups[LOCALITY_GROUPS]; /* NULL: nobody is in it */
    atomic_int_least64_t planned_ns;
    /* The plan. Read while it is written it is a mixture of two, which is a plan, too. */
    _Atomic uint16_t share[LOCALITY_GROUPS];
    _Atomic uint8_t panic;
};

static unsigned group_of(const struct config_endpoint *e)
{
    return locality_group(e->priority, e->local);
}

static bool differ(const struct config_upstream *c)
{
    for (uint32_t i = 1; i < c->endpoint_count; i++) {
        if (group_of(&c->endpoints[i]) != group_of(&c->endpoints[0]))
            return true;
    }
    return false;
}

static int make_group(struct upstream *u, unsigned group, const struct balancer_endpoint *list,
                      struct arena *a)
{
    enum balancer_kind kind = (enum balancer_kind)u->config->balance;
    struct balancer_endpoint *members = arena_alloc(a, u->endpoint_count * sizeof(*members));
    bool any = false;
    size_t size;
    void *mem;

    if (members == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        members[i] = list[i];
        if (group_of(&u->config->endpoints[i]) != group)
            members[i].weight = 0;
        any |= members[i].weight != 0;
    }
    if (!any)
        return 0;
    size = balancer_bytes(kind, members, u->endpoint_count);
    mem = arena_alloc(a, size);
    if (mem == NULL)
        return -ENOMEM;
    return balancer_init(kind, members, u->endpoint_count, runtime_random(), mem, size,
                         &u->locality->groups[group]);
}

int upstream_locality_make(struct upstream *u, const struct balancer_endpoint *list,
                           struct arena *a)
{
    int rc = 0;

    if (!differ(u->config) && u->config->panic_percent == 0)
        return 0;
    u->locality = arena_zalloc(a, sizeof(*u->locality));
    if (u->locality == NULL)
        return -ENOMEM;
    for (unsigned g = 0; g < LOCALITY_GROUPS && rc == 0; g++)
        rc = make_group(u, g, list, a);
    return rc;
}

static void plan(const struct upstream *u, int64_t now_ns)
{
    struct locality_counts counts = {{0}, {0}};
    struct locality_plan p;

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        const struct config_endpoint *c = &u->config->endpoints[i];

        counts.total[group_of(c)] += c->weight;
        if (endpoint_admits(u, u->endpoints[i], now_ns))
            counts.healthy[group_of(c)] += c->weight;
    }
    locality_plan(&counts, u->config->panic_percent, &p);
    for (unsigned g = 0; g < LOCALITY_GROUPS; g++)
        atomic_store_explicit(&u->locality->share[g], p.share[g], memory_order_relaxed);
    atomic_store_explicit(&u->locality->panic, p.panic, memory_order_relaxed);
}

static void plan_if_due(const struct upstream *u, int64_t now_ns)
{
    int64_t then_ns = atomic_load_explicit(&u->locality->planned_ns, memory_order_relaxed);

    if (then_ns != 0 && now_ns - then_ns < PLAN_NS)
        return;
    if (atomic_compare_exchange_strong_explicit(&u->locality->planned_ns, &then_ns, now_ns,
                                                memory_order_relaxed, memory_order_relaxed))
        plan(u, now_ns);
}

int upstream_locality_pick(const struct upstream *u, const struct balancer_query *q,
                           balancer_avoid_fn *tried, int64_t now_ns)
{
    bool hashed = u->config->balance == BALANCE_CONSISTENT_HASH;
    uint64_t chance = mix64(hashed ? q->hash : q->random) % LOCALITY_WHOLE;
    struct locality_plan p;
    struct balancer_query in_group = *q;
    int group, pick = -ENOENT;

    plan_if_due(u, now_ns);
    for (unsigned g = 0; g < LOCALITY_GROUPS; g++)
        p.share[g] = atomic_load_explicit(&u->locality->share[g], memory_order_relaxed);
    p.panic = atomic_load_explicit(&u->locality->panic, memory_order_relaxed);
    group = locality_choose(&p, (uint32_t)chance);
    if (group >= 0 && (p.panic >> (group / 2) & 1) != 0)
        in_group.avoid = tried;
    if (group >= 0 && u->locality->groups[group] != NULL)
        pick = balancer_pick(u->locality->groups[group], &in_group);
    return pick >= 0 ? pick : balancer_pick(u->balancer, q);
}
