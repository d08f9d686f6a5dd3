/* The second half of a park, after the switch. A file of its own so that tests/explore can compile
 * it with atomic operations of its own. */
#ifndef WEIR_RUNTIME_FINISH_PARK_H
#define WEIR_RUNTIME_FINISH_PARK_H

#include "runtime/sched.h"

/* Finishes the park of a coroutine that has left its stack. Only from here on can a waker make it
 * run; one that claimed it before left that to us, and so did a canceller that came too early. */
static inline void finish_park(struct m *m, struct co *co, struct spinlock *unlock)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);
    bool waits = false;

    while ((c & CLAIM_PREPARE) != 0 && !waits)
        waits =
            atomic_compare_exchange_weak_explicit(&co->claim, &c, c + CLAIM_WAITING - CLAIM_PREPARE,
                                                  memory_order_seq_cst, memory_order_relaxed);
    if (unlock != NULL)
        spin_unlock(unlock);
    if (!waits) {
        sched_ready_last(m, co);
        return;
    }
    stat_add(&m->p->parks, 1);
    fence_after_rmw();
    if (co_cancelled(co) && (c & CLAIM_SHIELD) == 0)
        park_wake((c >> 32 << 32) | (uint64_t)co->index << 8, RESULT_CANCELLED);
}

/* The same when all who can end the wait hold the lock first. */
static inline void finish_park_held(struct m *m, struct co *co, struct spinlock *unlock)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);

    ASSERT_HOT((c & CLAIM_PREPARE) != 0);
    atomic_store_explicit(&co->claim, c + CLAIM_WAITING - CLAIM_PREPARE, memory_order_release);
    spin_unlock(unlock);
    stat_add(&m->p->parks, 1);
}

#endif
