/* Sliding window: ten whole slices and the one that runs, under a lock of a few instructions. */
#include <errno.h>

#include <weir/limiter.h>

#include "policy/atomic.h"

enum { SLICES = 11 };

int weir_sliding_init(struct weir_sliding *w, uint32_t limit, int64_t window_ns, int64_t now_ns)
{
    if (limit == 0 || window_ns < SLICES - 1)
        return -EINVAL;
    *w = (struct weir_sliding){
        .birth_ns_ = now_ns, .slice_ns_ = (window_ns + SLICES - 2) / (SLICES - 1), .limit_ = limit};
    return 0;
}

/* Time that goes back leaves the newest slice in its place. */
static void forget_old(struct weir_sliding *w, int64_t now_ns)
{
    uint64_t slice =
        now_ns > w->birth_ns_ ? (uint64_t)(now_ns - w->birth_ns_) / (uint64_t)w->slice_ns_ : 0;

    for (int i = 0; w->slice_ < slice && i < SLICES; i++) {
        uint32_t *oldest = &w->counts_[++w->slice_ % SLICES];

        w->sum_ -= *oldest;
        *oldest = 0;
    }
    w->slice_ = MAX(w->slice_, slice);
}

/* When enough of the old slices are forgotten for n more. */
static int64_t room_at_ns(const struct weir_sliding *w, uint32_t n)
{
    uint32_t sum = w->sum_;

    for (unsigned age = 1; age <= SLICES; age++) {
        uint64_t number = w->slice_ + age; /* its beginning forgets the slice eleven before it */

        sum -= w->counts_[number % SLICES];
        if (n <= w->limit_ - sum)
            return w->birth_ns_ + (int64_t)number * w->slice_ns_;
    }
    return INT64_MAX;
}

int weir_sliding_take(struct weir_sliding *w, uint32_t n, int64_t now_ns,
                      int64_t *ret_retry_after_ns)
{
    int64_t at_ns = INT64_MAX;
    bool room;

    word_lock(&w->lock_);
    forget_old(w, now_ns);
    room = n <= w->limit_ - w->sum_;
    if (room) {
        w->counts_[w->slice_ % SLICES] += n;
        w->sum_ += n;
    } else if (n <= w->limit_) {
        at_ns = room_at_ns(w, n);
    }
    word_unlock(&w->lock_);
    if (!room && ret_retry_after_ns != NULL)
        *ret_retry_after_ns = at_ns == INT64_MAX ? at_ns : at_ns - now_ns;
    return room ? 0 : -EAGAIN;
}
