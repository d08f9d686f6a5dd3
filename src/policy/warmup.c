/* Warming up: the longer it was idle, the more permits are stored, and stored permits above a
 * threshold are the dearer the more there are. The price of some of them is the area under a line
 * that falls from the cold interval to the stable one. */
#include <weir/throttle.h>

#include <errno.h>
#include <math.h>

#include "policy/atomic.h"

#define COLD_FACTOR 3.0

int weir_warmup_init(struct weir_warmup *w, uint64_t count, int64_t per_ns, int64_t warmup_ns,
                     int64_t now_ns)
{
    double stable, cold;

    if (count == 0 || per_ns <= 0 || warmup_ns <= 0)
        return -EINVAL;
    stable = (double)per_ns / (double)count;
    cold = stable * COLD_FACTOR;
    *w = (struct weir_warmup){.stable_ns_ = stable, .birth_ns_ = now_ns};
    w->threshold_ = 0.5 * (double)warmup_ns / stable;
    w->stored_max_ = w->threshold_ + 2.0 * (double)warmup_ns / (stable + cold);
    w->slope_ns_ = (cold - stable) / (w->stored_max_ - w->threshold_);
    w->refill_ns_ = (double)warmup_ns / w->stored_max_;
    w->stored_ = w->stored_max_; /* cold */
    return 0;
}

/* What one permit costs when so many above the threshold are stored. */
static double interval_ns(const struct weir_warmup *w, double above)
{
    return w->stable_ns_ + above * w->slope_ns_;
}

/* Spends stored permits, the dearest first; returns what they cost. */
static double spend_stored(struct weir_warmup *w, double permits)
{
    double above = fmax(0, w->stored_ - w->threshold_);
    double dear = fmin(above, permits);
    double cost = dear * (interval_ns(w, above) + interval_ns(w, above - dear)) / 2;

    w->stored_ -= permits;
    return cost + (permits - dear) * w->stable_ns_;
}

int weir_warmup_take(struct weir_warmup *w, uint32_t n, int64_t max_wait_ns, int64_t now_ns,
                     int64_t *ret_at_ns)
{
    double now = (double)MAX(now_ns - w->birth_ns_, 0), wait, stored;

    word_lock(&w->lock_);
    if (now > w->next_ns_) {
        w->stored_ = fmin(w->stored_max_, w->stored_ + (now - w->next_ns_) / w->refill_ns_);
        w->next_ns_ = now;
    }
    wait = w->next_ns_ - now;
    if (wait > (double)max_wait_ns) {
        word_unlock(&w->lock_);
        return -EAGAIN;
    }
    stored = fmin(n, w->stored_);
    w->next_ns_ += spend_stored(w, stored) + (n - stored) * w->stable_ns_;
    word_unlock(&w->lock_);
    *ret_at_ns = now_ns + (int64_t)wait;
    return 0;
}
