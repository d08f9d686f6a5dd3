/* Shares of priorities and zones: see locality.h. */
#include "policy/locality.h"

#define OVERPROVISIONED 14000 /* 1.4: capacity that a group is taken to have in reserve */

static uint32_t availability(uint64_t healthy, uint64_t total)
{
    return total == 0 ? 0
                      : (uint32_t)MIN(OVERPROVISIONED * healthy / total, (uint64_t)LOCALITY_WHOLE);
}

struct level {
    uint64_t healthy, total;
    uint32_t available, load;
};

/* Splits the level's load between its two groups by their capacity, the own zone first. */
static void split(const struct locality_counts *c, unsigned priority, uint32_t load, bool panic,
                  struct locality_plan *ret)
{
    unsigned far = locality_group(priority, false), near = locality_group(priority, true);
    const uint64_t *capacity = panic ? c->total : c->healthy;
    uint32_t local = load;

    if (capacity[far] != 0)
        local = (uint32_t)((uint64_t)load * availability(capacity[near], c->total[near]) /
                           LOCALITY_WHOLE);
    ret->share[near] = (uint16_t)local;
    ret->share[far] = (uint16_t)(load - local);
}

/* Load by availability, what is left over by rounding to the first level that has any. */
static void spread(struct level levels[static LOCALITY_LEVELS], uint32_t sum)
{
    uint32_t left = LOCALITY_WHOLE;

    for (unsigned p = 0; p < LOCALITY_LEVELS; p++) {
        levels[p].load =
            MIN(left, (uint32_t)((uint64_t)levels[p].available * LOCALITY_WHOLE / sum));
        left -= levels[p].load;
    }
    for (unsigned p = 0; p < LOCALITY_LEVELS && left != 0; p++) {
        if (levels[p].available != 0) {
            levels[p].load += left;
            left = 0;
        }
    }
}

/* Nothing is healthy: the first level that has endpoints, if health may be ignored at all. */
static void spread_blindly(struct level levels[static LOCALITY_LEVELS], uint32_t panic_percent)
{
    unsigned p = 0;

    while (p < LOCALITY_LEVELS && levels[p].total == 0)
        p++;
    if (p < LOCALITY_LEVELS && panic_percent != 0)
        levels[p].load = LOCALITY_WHOLE;
}

void locality_plan(const struct locality_counts *c, uint32_t panic_percent,
                   struct locality_plan *ret)
{
    struct level levels[LOCALITY_LEVELS] = {{0}};
    uint32_t sum = 0;

    *ret = (struct locality_plan){{0}, 0};
    for (unsigned p = 0; p < LOCALITY_LEVELS; p++) {
        unsigned far = locality_group(p, false), near = locality_group(p, true);

        levels[p].total = c->total[far] + c->total[near];
        levels[p].healthy = c->healthy[far] + c->healthy[near];
        levels[p].available = availability(levels[p].healthy, levels[p].total);
        sum = MIN(sum + levels[p].available, (uint32_t)LOCALITY_WHOLE);
    }
    if (sum != 0)
        spread(levels, sum);
    else
        spread_blindly(levels, panic_percent);
    for (unsigned p = 0; p < LOCALITY_LEVELS; p++) {
        bool panic =
            sum < LOCALITY_WHOLE && levels[p].healthy * 100 < levels[p].total * panic_percent;

        ret->panic |= (uint8_t)(panic << p);
        split(c, p, levels[p].load, panic, ret);
    }
}

int locality_choose(const struct locality_plan *p, uint32_t chance)
{
    uint32_t until = 0;

    for (unsigned g = 0; g < LOCALITY_GROUPS; g++) {
        until += p->share[g];
        if (chance < until)
            return (int)g;
    }
    return -1;
}
