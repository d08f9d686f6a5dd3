/* The moment at which everybody else waits, looked for in the control blocks: how long it takes
 * until a coroutine has been started, run and parked is the machine's affair. */
#ifndef WEIR_TESTS_SETTLE_H
#define WEIR_TESTS_SETTLE_H

#include "check.h"
#include "runtime/sched.h"

/* False: somebody runs, could run, or is about to end. (Who sleeps waits, and so do those who sleep
 * between two looks of WAIT_UNTIL().) *ret_waits names the waits, so that two
 * equal looks say that there was a moment between them at which all of them waited. */
static inline bool look_at_waits(uint64_t *ret_waits)
{
    uint64_t waits = 0;
    uint32_t live = 1; /* the caller */

    for (uint32_t i = 0; i < stack_used_count(); i++) {
        struct co *co = stack_co(i);
        uint64_t claim;

        if (co == co_self() || !atomic_load(&co->live))
            continue;
        claim = atomic_load(&co->claim);
        if ((claim & CLAIM_WAITING) == 0)
            return false;
        waits = waits * 31 + (claim ^ i);
        live++;
    }
    *ret_waits = waits;
    return live == spawn_live_count();
}

static inline bool all_others_wait(void)
{
    uint64_t first, second;

    return look_at_waits(&first) && look_at_waits(&second) && first == second;
}

/* From a coroutine: until the others have ended; until each of them waits. */
static inline void until_alone(void)
{
    WAIT_UNTIL(spawn_live_count() == 1);
}

static inline void settle(void)
{
    WAIT_UNTIL(all_others_wait());
}

#endif
