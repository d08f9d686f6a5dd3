/* Included before the code under test: its atomic operations are scheduling points, its spinlocks
 * wait by yielding. The real runtime around it is compiled without this. */
#ifndef WEIR_TESTS_EXPLORE_ATOMICS_H
#define WEIR_TESTS_EXPLORE_ATOMICS_H

#include <stdatomic.h>

#include "base/lock.h"
#include "tests/explore/explorer.h"

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or_explicit
#undef atomic_thread_fence
#undef atomic_signal_fence

#pragma GCC diagnostic ignored "-Wshadow" /* one of these within another */

#define EXPLORED_TYPE(p) __typeof__((void)0, *(p))

#define atomic_load_explicit(p, order)                                                             \
    ({                                                                                             \
        EXPLORED_TYPE(p) explored_value_;                                                          \
        explorer_step("load " #p, p);                                                              \
        explorer_load(p, &explored_value_, sizeof(explored_value_));                               \
        explored_value_;                                                                           \
    })
#define atomic_store_explicit(p, v, order)                                                         \
    ({                                                                                             \
        EXPLORED_TYPE(p) explored_value_ = (v);                                                    \
        explorer_step("store " #p, p);                                                             \
        explorer_store(p, &explored_value_, sizeof(explored_value_));                              \
        if ((order) == memory_order_seq_cst)                                                       \
            explorer_drain();                                                                      \
    })
/* A read-modify-write: op sees the value as explored_old_ and may write to *explored_p_. */
#define EXPLORED_RMW(what, p, op)                                                                  \
    ({                                                                                             \
        __typeof__(p) explored_p_ = (p);                                                           \
        EXPLORED_TYPE(p) explored_old_;                                                            \
        explorer_step(what " " #p, explored_p_);                                                   \
        explorer_drain();                                                                          \
        explored_old_ = *explored_p_;                                                              \
        op;                                                                                        \
        explored_old_;                                                                             \
    })
#define atomic_exchange_explicit(p, v, order) EXPLORED_RMW("exchange", p, *explored_p_ = (v))
#define atomic_fetch_add_explicit(p, v, order)                                                     \
    EXPLORED_RMW("add", p, *explored_p_ = explored_old_ + (v))
#define atomic_fetch_sub_explicit(p, v, order)                                                     \
    EXPLORED_RMW("subtract", p, *explored_p_ = explored_old_ - (v))
#define atomic_fetch_and_explicit(p, v, order)                                                     \
    EXPLORED_RMW("and", p, *explored_p_ = explored_old_ & (v))
#define atomic_fetch_or_explicit(p, v, order)                                                      \
    EXPLORED_RMW("or", p, *explored_p_ = explored_old_ | (v))
#define atomic_compare_exchange_strong_explicit(p, expected, v, order, failure_order)              \
    ({                                                                                             \
        bool explored_ok_ = false;                                                                 \
        __typeof__(expected) explored_expected_ = (expected);                                      \
        EXPLORED_TYPE(p)                                                                           \
        explored_found_ = EXPLORED_RMW("compare and exchange", p, ({                               \
                                           explored_ok_ = explored_old_ == *explored_expected_;    \
                                           if (explored_ok_)                                       \
                                               *explored_p_ = (v);                                 \
                                       }));                                                        \
        if (!explored_ok_)                                                                         \
            *explored_expected_ = explored_found_;                                                 \
        explored_ok_;                                                                              \
    })
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#define atomic_load(p)         atomic_load_explicit(p, memory_order_seq_cst)
#define atomic_store(p, v)     atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_exchange(p, v)  atomic_exchange_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_sub(p, v) atomic_fetch_sub_explicit(p, v, memory_order_seq_cst)
#define atomic_compare_exchange_strong(p, expected, v)                                             \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_seq_cst,                  \
                                            memory_order_seq_cst)
#define atomic_compare_exchange_weak(p, expected, v)                                               \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_seq_cst,                  \
                                            memory_order_seq_cst)
#define atomic_thread_fence(order)                                                                 \
    do {                                                                                           \
        explorer_step("fence", NULL);                                                              \
        explorer_drain();                                                                          \
    } while (0)
#define atomic_signal_fence(order) ((void)0)

/* Spinning would only multiply the schedules: who finds a lock held lets others run. */
static inline bool explored_trylock(struct spinlock *l)
{
    return atomic_exchange_explicit(&l->held, 1u, memory_order_acquire) == 0;
}

static inline void explored_lock(struct spinlock *l)
{
    while (!explored_trylock(l))
        explorer_yield();
}

static inline void explored_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->held, 0u, memory_order_release);
}

#define spin_lock    explored_lock
#define spin_trylock explored_trylock
#define spin_unlock  explored_unlock
#define spin_pause   explorer_yield

#if defined(EXPLORE_UNFENCED) /* the test of the store buffers: this must be found */
#define MANDATE_HEAVY_FENCE() explorer_step("no fence", NULL)
#else
#define MANDATE_HEAVY_FENCE()                                                                      \
    do {                                                                                           \
        explorer_step("heavy fence", NULL);                                                        \
        explorer_drain_all();                                                                      \
    } while (0)
#endif
#define MANDATE_LIGHT_FENCE() ((void)0)

#endif
