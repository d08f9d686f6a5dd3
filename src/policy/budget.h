/* The retry budget's word: calls in flight (32, low) | retries (32). */
#ifndef WEIR_POLICY_BUDGET_H
#define WEIR_POLICY_BUDGET_H

#include "base/assert.h"
#include "policy/atomic.h"

#define BUDGET_ONE_RETRY (UINT64_C(1) << 32)

static inline uint64_t budget_allowed(uint64_t word, uint32_t percent, uint32_t min)
{
    uint64_t share = (word & UINT32_MAX) * percent / 100;

    return MAX(share, (uint64_t)min);
}

static inline void budget_enter(uint64_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

static inline void budget_leave(uint64_t *word)
{
    uint64_t was = __atomic_fetch_sub(word, 1, __ATOMIC_RELAXED);

    ASSERT_HOT((uint32_t)was != 0);
    (void)was;
}

static inline bool budget_take(uint64_t *word, uint32_t percent, uint32_t min)
{
    uint64_t was = relaxed_load(word);

    do {
        if (was >> 32 >= budget_allowed(was, percent, min))
            return false;
    } while (!__atomic_compare_exchange_n(word, &was, was + BUDGET_ONE_RETRY, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static inline void budget_give(uint64_t *word)
{
    uint64_t was = __atomic_fetch_sub(word, BUDGET_ONE_RETRY, __ATOMIC_RELAXED);

    ASSERT_HOT(was >> 32 != 0);
    (void)was;
}

#endif
