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

extern HIDDEN bool explore_active; /* constant while a runtime runs */

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

/* main.c, around a run: gives options a simulated world when a schedule is asked for; and what the
 * run returned in the end. */
int explore_begin(struct weir_options *o);
int explore_end(int result);
/* One line on stderr that says how to get here again. */
void explore_print_schedule(void);

/* park.c: an explicit yield. */
void explore_yields(struct co *co);

/* bag.c: the runnable ones of the simulated world, which has one processor. */
void bag_put(struct co *co);
bool bag_empty(void);
struct co *bag_draw(struct p *p); /* NULL: empty */
struct co *bag_pick(struct p *p); /* NULL also when a round is due first */
void bag_done(void);

#endif
