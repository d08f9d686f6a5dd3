/* Priorities and zones: which group of an upstream's endpoints takes a request. Envoy's scheme: a
 * level is whole while 1/1.4 of its capacity is healthy, below that the next level takes the rest;
 * within a level the gateway's own zone comes first, by the same rule. Capacity is weight.
 *
 * Pure: counts in, shares out. */
#ifndef WEIR_POLICY_LOCALITY_H
#define WEIR_POLICY_LOCALITY_H

#include "base/base.h"

#define LOCALITY_LEVELS 8
#define LOCALITY_GROUPS (2 * LOCALITY_LEVELS) /* of each level: the others, then the own zone */
#define LOCALITY_WHOLE  10000                 /* shares are in 1/10000 */

static inline unsigned locality_group(unsigned priority, bool local)
{
    return 2 * priority + local;
}

/* Weights. */
struct locality_counts {
    uint64_t total[LOCALITY_GROUPS];
    uint64_t healthy[LOCALITY_GROUPS];
};

struct locality_plan {
    uint16_t share[LOCALITY_GROUPS]; /* sum: LOCALITY_WHOLE, or 0 when nothing is healthy */
    uint8_t panic;                   /* bit per level: its health is to be ignored */
};

/* panic_percent: a level with less than this share healthy is used as a whole, healthy or not, once
 * the levels together cannot take the load; 0: never. */
void locality_plan(const struct locality_counts *c, uint32_t panic_percent,
                   struct locality_plan *ret);

/* The group for a chance in [0, LOCALITY_WHOLE); -1: there is none. */
int locality_choose(const struct locality_plan *p, uint32_t chance);

#endif
