/* The state machine of active checks. */
#include "policy/health.h"

#include "base/assert.h"

enum needs { ONE, RISE, FALL }; /* results in a row that take the edge */

/* Every edge there is; a result without one ends the other side's streak. */
static const struct edge {
    enum health_state from;
    bool passed;
    enum needs needs;
    enum health_state to;
} edges[] = {
    {HEALTH_UNKNOWN, true, ONE, HEALTH_HEALTHY},
    {HEALTH_UNKNOWN, false, ONE, HEALTH_UNHEALTHY},
    {HEALTH_HEALTHY, false, FALL, HEALTH_UNHEALTHY},
    {HEALTH_UNHEALTHY, true, RISE, HEALTH_HEALTHY},
};

static uint32_t count_needed(const struct health_options *o, enum needs needs)
{
    uint32_t count = needs == RISE ? o->rise : needs == FALL ? o->fall : 1;

    return MAX(count, 1u);
}

bool health_report(struct health *h, const struct health_options *o, bool passed, int64_t now_ns)
{
    enum health_state state = health_state(h);

    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        const struct edge *e = &edges[i];

        if (e->from != state || e->passed != passed)
            continue;
        if (++h->streak < count_needed(o, e->needs))
            return false;
        h->streak = 0;
        atomic_store_explicit(&h->since_ns, now_ns, memory_order_relaxed);
        atomic_store_explicit(&h->state, e->to, memory_order_relaxed);
        return true;
    }
    h->streak = 0;
    return false;
}

void health_reset(struct health *h)
{
    h->streak = 0;
    atomic_store_explicit(&h->since_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&h->state, HEALTH_UNKNOWN, memory_order_relaxed);
}

/* Uniform in [0, span). */
static int64_t part_of(int64_t span, uint64_t random)
{
    return (int64_t)(((unsigned __int128)random * (uint64_t)span) >> 64);
}

int64_t health_first_delay(int64_t interval_ns, uint64_t random)
{
    return part_of(MIN(MAX(interval_ns, INT64_C(0)), NS_PER_SEC), random);
}

int64_t health_next_delay(int64_t interval_ns, uint64_t random)
{
    int64_t tenth = MAX(interval_ns, INT64_C(0)) / 10;

    return interval_ns - tenth + part_of(2 * tenth + 1, random);
}

struct str health_state_text(enum health_state s)
{
    static const char *const texts[] = {"unknown", "healthy", "unhealthy"};

    ASSERT(s < HEALTH_STATE_MAX);
    return str_of(texts[s]);
}
