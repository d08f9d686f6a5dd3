/* Rate limiters: how often something may happen.
 *
 * Decisions, not waiting: each call takes the time as an argument and answers at once, so that the
 * same code runs under a real clock and under a test's. Nothing here parks, allocates or locks; the
 * objects may be shared by any number of coroutines and threads. now_ns is monotonic time, as
 * weir_now() gives it; time that stands still or goes backwards only makes a limiter stricter.
 */
#ifndef WEIR_LIMITER_H
#define WEIR_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

/* count events per period. count 0: none but the first burst. per_ns 0: no limit. */
struct weir_rate {
    uint64_t count;
    int64_t per_ns;
    uint32_t burst; /* that may come at once; at least 1 */
};

/* Token bucket, full at the start: what it admits in any span of d nanoseconds is at most
 * burst + count * d / per_ns. Kept as one word, the theoretical arrival time of the generic cell
 * rate algorithm (ITU-T I.371), in sixteenths of a nanosecond. */
struct weir_bucket {
    uint64_t word_;     /* arrival time << 2 | which of the rates holds */
    uint64_t apart_[7]; /* what all read is not in the cache line that all write */
    int64_t birth_ns_;
    struct {
        uint64_t step_;  /* between two events; 0: no limit or no refill */
        uint64_t depth_; /* of a full bucket; without refill: events */
        uint32_t kind_;
    } rates_[4];
    uint32_t lock_; /* of those who change the rate */
};

/* -EINVAL: per_ns negative, burst 0, or the rate outside one per 100 days to one per 1/16 ns, or a
 * burst that takes longer than a year to refill. */
WEIR_API int weir_bucket_init(struct weir_bucket *b, const struct weir_rate *rate, int64_t now_ns);

/* Takes n tokens, or none. 0; -EAGAIN: not now, *ret_retry_after_ns (may be NULL) says when it
 * would have succeeded, INT64_MAX: never. n 0 always succeeds. */
WEIR_API int weir_bucket_take(struct weir_bucket *b, uint32_t n, int64_t now_ns,
                              int64_t *ret_retry_after_ns);

struct weir_reservation {
    int64_t at_ns; /* when the caller may act */
    uint64_t stamp_;
    uint32_t n_;
};

/* Takes n tokens of now or of the future, when the wait for them is at most max_wait_ns. 0, or
 * -EAGAIN as above. */
WEIR_API int weir_bucket_reserve(struct weir_bucket *b, uint32_t n, int64_t max_wait_ns,
                                 int64_t now_ns, struct weir_reservation *ret,
                                 int64_t *ret_retry_after_ns);

/* Gives a reservation back, less what others have reserved behind it. Nothing happens once its time
 * has come, or after the rate has changed. */
WEIR_API void weir_bucket_cancel(struct weir_bucket *b, const struct weir_reservation *r,
                                 int64_t now_ns);

/* Changes rate and burst. What has been used of the old bucket stays used in the new one: the
 * tokens there now carry over, up to the new burst. -EINVAL as weir_bucket_init(). */
WEIR_API int weir_bucket_set(struct weir_bucket *b, const struct weir_rate *rate, int64_t now_ns);

/* Tokens that could be taken now; UINT32_MAX without a limit. */
WEIR_API uint32_t weir_bucket_tokens(const struct weir_bucket *b, int64_t now_ns);

/* Leaky bucket as a queue: grants turns that are never closer than interval_ns, however long it
 * was idle before, to at most capacity callers that wait (0: only whoever need not wait). */
struct weir_pacer {
    int64_t next_ns_;
    int64_t interval_ns_;
    uint32_t capacity_;
};

/* -EINVAL: interval_ns is not positive, or capacity * interval_ns does not fit. */
WEIR_API int weir_pacer_init(struct weir_pacer *p, int64_t interval_ns, uint32_t capacity);

/* Takes the next turn: wait until *ret_at_ns, which is >= now_ns. -EAGAIN: capacity callers wait
 * already, or the turn would come after deadline_ns; *ret_at_ns then says when to ask again. */
WEIR_API int weir_pacer_turn(struct weir_pacer *p, int64_t now_ns, int64_t deadline_ns,
                             int64_t *ret_at_ns);

/* Gives a turn back that was not used. Only the last one given out can be used by somebody else;
 * spacing is kept rather than a turn saved. */
WEIR_API void weir_pacer_cancel(struct weir_pacer *p, int64_t at_ns);

/* Sliding window: at most limit events in any span of window_ns, to within the length of one of
 * its ten slices: an event counts for at least window_ns and at most a tenth longer. */
struct weir_sliding {
    uint64_t slice_; /* number of the newest one */
    int64_t birth_ns_;
    int64_t slice_ns_;
    uint32_t counts_[11]; /* by number of the slice */
    uint32_t sum_;
    uint32_t limit_;
    uint32_t lock_;
};

/* -EINVAL: window_ns under 10 ns, or limit 0. */
WEIR_API int weir_sliding_init(struct weir_sliding *w, uint32_t limit, int64_t window_ns,
                               int64_t now_ns);
/* 0, or -EAGAIN as weir_bucket_take(). */
WEIR_API int weir_sliding_take(struct weir_sliding *w, uint32_t n, int64_t now_ns,
                               int64_t *ret_retry_after_ns);

#endif
