/* Where and when the caller runs, without a call: for what every request asks a dozen times. Each
 * has its twin in runtime.h, which it falls back on outside of coroutines. */
#ifndef WEIR_RUNTIME_HERE_H
#define WEIR_RUNTIME_HERE_H

#include "runtime/stack.h"

/* runtime_processor_index() */
static inline unsigned here_processor(void)
{
    struct co *co = co_self();

    return likely(co != NULL) ? co->place->processor : runtime_processor_index();
}

/* runtime_now_coarse() */
static inline int64_t here_now_ns(void)
{
    struct co *co = co_self();

    return likely(co != NULL) ? co->place->now_ns : runtime_now_coarse();
}

/* runtime_random() */
static inline uint64_t here_random(void)
{
    struct co *co = co_self();

    return likely(co != NULL) ? rng_next(&co->place->rng) : runtime_random();
}

/* weir_cancelled() */
static inline bool here_cancelled(void)
{
    struct co *co = co_self();

    return co != NULL && co_ended(co);
}

#endif
