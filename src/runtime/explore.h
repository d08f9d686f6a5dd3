/* Deterministic runs as the runtime's own files see them: the hook for scheduling points, and what
 * the scheduler asks instead of its queues. See README.md, "Exploring schedules". */
#ifndef WEIR_RUNTIME_EXPLORE_H
#define WEIR_RUNTIME_EXPLORE_H

#include <weir/explore.h>

#include "base/base.h"

struct co;
struct m;
struct p;
struct weir_options;

extern bool explore_active; /* constant while a runtime runs */

void explore_point_slow(const char *what, const void *object);

/* A place where others may run in a deterministic run: before each operation by which coroutines
 * meet, also those that cannot park (close, unlock, try). Not under a spinlock, and not between
 * park_prepare() and park(). what is a literal for the trace: "send", "unlock". Elsewhere it costs
 * a branch that is never taken. */
static inline void explore_point(const char *what, const void *object)
{
    if (unlikely(explore_active))
        explore_point_slow(what, object);
}

/* main.c, around a run: gives options a simulated world when a schedule is asked for. */
int explore_begin(struct weir_options *o);
void explore_end(int result);

#endif
