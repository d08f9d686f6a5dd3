/* What active checks say about an endpoint: unknown, healthy or unhealthy, by a table of edges
 * (health.c). The first check decides at once; later `fall` failures or `rise` passes in a row
 * change the state. An endpoint is usable unless it is known to be unhealthy.
 *
 * Pure: time and chance come as arguments. One checker reports; anybody may read the state. */
#ifndef WEIR_POLICY_HEALTH_H
#define WEIR_POLICY_HEALTH_H

#include <stdatomic.h>

#include "base/text.h"

enum health_state {
    HEALTH_UNKNOWN,   /* no check has ended yet; counts as usable */
    HEALTH_HEALTHY,   /* the last state change was a pass */
    HEALTH_UNHEALTHY, /* fall checks in a row failed, or the first one did */
    HEALTH_STATE_MAX,
};

struct health_options {
    uint32_t fall; /* failures in a row that make it unhealthy; 0 counts as 1 */
    uint32_t rise; /* passes in a row that make it healthy again; 0 counts as 1 */
};

struct health { /* zero-initialised: unknown */
    atomic_uint state;
    atomic_int_least64_t since_ns; /* when it came into that state; 0 before the first check */
    uint32_t streak;               /* the reporter's: results in a row that speak against it */
};

/* Enters one check's result. Returns true when the state changed (the caller logs and counts).
 * One caller at a time per endpoint. */
bool health_report(struct health *h, const struct health_options *o, bool passed, int64_t now_ns);

/* Forgets everything: checks were switched off. */
void health_reset(struct health *h);

static inline enum health_state health_state(const struct health *h)
{
    return (enum health_state)atomic_load_explicit(&h->state, memory_order_relaxed);
}

static inline bool health_usable(const struct health *h)
{
    return health_state(h) != HEALTH_UNHEALTHY;
}

static inline int64_t health_since_ns(const struct health *h)
{
    return atomic_load_explicit(&h->since_ns, memory_order_relaxed);
}

/* When to make the first check, from now: uniform in [0, min(interval, 1 s)), so that thousands of
 * endpoints are not checked in one burst at start, and all are known soon. */
int64_t health_first_delay(int64_t interval_ns, uint64_t random);

/* The time to the next check: interval +- 10 %, so that checkers which started together drift
 * apart. */
int64_t health_next_delay(int64_t interval_ns, uint64_t random);

struct str health_state_text(enum health_state s); /* "unknown", "healthy", "unhealthy" */

#endif
