/* The arithmetic of a token bucket, for one of its own and for tables of them. Times are in units
 * of 1/16 ns since some birth. */
#ifndef WEIR_POLICY_BUCKET_H
#define WEIR_POLICY_BUCKET_H

#include <weir/limiter.h>

enum { UNITS_PER_NS = 16, RATE_BITS = 2, RATE_MASK = 3 };
enum bucket_kind { LIMITED, UNLIMITED, NO_REFILL };

struct bucket_rate {
    uint64_t step;  /* between two events */
    uint64_t depth; /* of a full bucket; without refill: events */
    enum bucket_kind kind;
};

/* -EINVAL as weir_bucket_init(). */
int bucket_compile(const struct weir_rate *rate, struct bucket_rate *ret);

/* The word after n events at now, when the bucket may go ahead of its depth by so many units. 0,
 * or -EAGAIN with the units to wait in *ret_wait (UINT64_MAX: for ever). */
int bucket_advance(const struct bucket_rate *r, uint64_t word, uint64_t now, uint32_t n,
                   uint64_t ahead, uint64_t *ret_word, uint64_t *ret_wait);

/* The time, without the number of the rate, that stands for as many tokens under another rate. */
uint64_t bucket_move(const struct bucket_rate *from, const struct bucket_rate *to, uint64_t word,
                     uint64_t now);

static inline int64_t bucket_ns(uint64_t units)
{
    return (int64_t)((units + UNITS_PER_NS - 1) / UNITS_PER_NS);
}

static inline int64_t bucket_retry_after_ns(uint64_t wait)
{
    return wait == UINT64_MAX ? INT64_MAX : bucket_ns(wait);
}

#endif
