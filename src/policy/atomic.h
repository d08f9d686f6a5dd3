/* Atomic words inside public structs: those are plain integers there, so that the headers can also
 * be read by C++, and become atomic by how they are used. */
#ifndef WEIR_POLICY_ATOMIC_H
#define WEIR_POLICY_ATOMIC_H

#include "base/base.h"
#include "base/lock.h"

#define relaxed_load(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define relaxed_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define acquire_load(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define release_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

static inline uint64_t fetch_add(uint64_t *word, uint64_t n)
{
    return __atomic_fetch_add(word, n, __ATOMIC_ACQ_REL);
}

/* Failing, it stores what it saw. */
static inline bool cas(uint64_t *word, uint64_t *expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(word, expected, desired, true, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* For a few instructions, seldom contended. */
static inline void word_lock(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
        while (relaxed_load(lock) != 0)
            spin_pause();
}

static inline void word_unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
