/* What the locks of coroutines have in common. */
#ifndef WEIR_RUNTIME_SYNC_H
#define WEIR_RUNTIME_SYNC_H

#include "runtime/waitq.h"

/* For the dumps: whom the wait that has just been prepared is for. */
static inline void wait_for_owner(struct co *co, const struct co *owner)
{
    co->wait_for_id = owner != NULL ? co_id(owner) : 0;
}

enum { SPIN_LOOKS = 3, SPIN_PAUSES = 32 };

/* Before parking for a lock: waits for the time of some hundred instructions and says that another
 * look at the lock is worth it; false when there have been enough looks, or its owner (NULL: not
 * known) does not run on another processor. A pause took 22 ns where it was measured, so 32 take
 * 0.7 us; on aarch64 it may take next to nothing, and the looks are close to each other then.
 * Control blocks stay readable, so a look at one that has ended does no harm.
 *
 * The looks are rare on purpose: each one wants the lock's cache line from who works with it. With
 * two workers on an empty section a look every pause took four times as long an operation. */
static inline bool spin_again(const struct co *owner, unsigned looks, unsigned pauses)
{
    if (looks >= SPIN_LOOKS || !sched_crowded())
        return false;
    if (owner != NULL &&
        (atomic_load_explicit(&owner->claim, memory_order_relaxed) & CLAIM_WAITING) != 0)
        return false;
    for (unsigned i = 0; i < pauses; i++)
        spin_pause();
    return true;
}

/* Beside the owner in a mutex's word. */
enum { MUTEX_FLAGS = 3 };

/* sync.c: the mutex for those who are made of it. These are no scheduling points of their own (so
 * that mutex_unlock() may stand between park_prepare() and park()), and a wait is shown as one for
 * what its object is. */
void mutex_lock(struct weir_mutex *m, struct co *co, enum wait_reason reason, const void *object);
bool mutex_try_lock(struct weir_mutex *m);
void mutex_unlock(struct weir_mutex *m);
struct co *mutex_owner(struct weir_mutex *m);

#endif
