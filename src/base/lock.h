/* A spinlock for critical sections of a few dozen instructions that never park and never call
 * the operating system. Anything longer takes a weir_mutex. */
#ifndef WEIR_BASE_LOCK_H
#define WEIR_BASE_LOCK_H

#include <sched.h>
#include <stdatomic.h>

#include "base/base.h"

struct spinlock {
    atomic_uint held;
};

static inline void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline bool spin_trylock(struct spinlock *l)
{
    return atomic_load_explicit(&l->held, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&l->held, 1, memory_order_acquire) == 0;
}

/* Spins briefly, then yields the thread: the holder may have been descheduled by the kernel. Out of
 * line, since it would take registers from the function that locks. */
static __attribute__((noinline, cold, unused)) void spin_lock_slow(struct spinlock *l)
{
    do {
        for (int i = 0; atomic_load_explicit(&l->held, memory_order_relaxed) != 0; i++) {
            if (i < 200)
                spin_pause();
            else
                sched_yield();
        }
    } while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0);
}

static inline void spin_lock(struct spinlock *l)
{
    if (unlikely(atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0))
        spin_lock_slow(l);
}

static inline void spin_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->held, 0, memory_order_release);
}

#endif
