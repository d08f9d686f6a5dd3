/* What the locks of coroutines have in common. */
#ifndef WEIR_RUNTIME_SYNC_H
#define WEIR_RUNTIME_SYNC_H

#include "runtime/waitq.h"

/* For the dumps: whom the wait that has just been prepared is for. */
static inline void wait_for_owner(struct co *co, _Atomic(struct co *) *owner)
{
    struct co *holder = atomic_load_explicit(owner, memory_order_relaxed);

    co->wait_for_id = holder != NULL ? co_id(holder) : 0;
}

enum { SPINS = 40 };

/* Whether to look at a lock once more, after so many looks, before parking: only while its owner
 * may be running on another processor. (A pause takes some 40 ns on recent processors, so this ends
 * within two microseconds.) Control blocks stay readable, so a look at one that has ended does no
 * harm. */
static inline bool spin_worth(_Atomic(struct co *) *owner, unsigned looks)
{
    struct co *holder;

    if (looks >= SPINS || !sched_crowded())
        return false;
    holder = atomic_load_explicit(owner, memory_order_relaxed);
    return holder == NULL ||
           (atomic_load_explicit(&holder->claim, memory_order_relaxed) & CLAIM_WAITING) == 0;
}

/* sync.c: the mutex for those who are made of it. These are no scheduling points of their own (so
 * that mutex_unlock() may stand between park_prepare() and park()), and a wait is shown as one for
 * what its object is. */
void mutex_lock(struct weir_mutex *m, struct co *co, enum wait_reason reason, const void *object);
bool mutex_try_lock(struct weir_mutex *m);
void mutex_unlock(struct weir_mutex *m);
_Atomic(struct co *) *mutex_owner(struct weir_mutex *m);

#endif
