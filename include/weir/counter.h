/* Counters that any coroutine and any thread may change. Zero-initialised. Nothing here parks. */
#ifndef WEIR_COUNTER_H
#define WEIR_COUNTER_H

#include <weir/runtime.h>

/* One word: each change has its place in one order, and is seen together with what was written
 * before it (acquire and release). */
struct weir_counter {
    int64_t value_;
};

/* Returns the new value. */
static inline int64_t weir_counter_add(struct weir_counter *c, int64_t n)
{
    return __atomic_add_fetch(&c->value_, n, __ATOMIC_ACQ_REL);
}

static inline int64_t weir_counter_get(const struct weir_counter *c)
{
    return __atomic_load_n(&c->value_, __ATOMIC_ACQUIRE);
}

static inline void weir_counter_set(struct weir_counter *c, int64_t value)
{
    __atomic_store_n(&c->value_, value, __ATOMIC_RELEASE);
}

/* Sets it to value when it is expected; true when it did. */
static inline bool weir_counter_replace(struct weir_counter *c, int64_t expected, int64_t value)
{
    return __atomic_compare_exchange_n(&c->value_, &expected, value, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* Raises it to value when it is lower. */
static inline void weir_counter_raise(struct weir_counter *c, int64_t value)
{
    int64_t now = __atomic_load_n(&c->value_, __ATOMIC_RELAXED);

    while (now < value && !__atomic_compare_exchange_n(&c->value_, &now, value, true,
                                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
}

/* For what is counted often and read seldom: processors count on cache lines of their own. 1 KiB.
 */
enum { WEIR_TALLY_SHARDS = 16 };

struct weir_tally {
    struct {
        int64_t value_;
        int64_t pad_[7];
    } shards_[WEIR_TALLY_SHARDS];
};

WEIR_API void weir_tally_add(struct weir_tally *t, int64_t n);
/* The sum: exact when nobody counts meanwhile, else that of some moments in between. */
WEIR_API int64_t weir_tally_sum(const struct weir_tally *t);

#endif
