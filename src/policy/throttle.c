/* Client-side throttling: requests and accepts of the last two minutes, in slices of ten seconds.
 */
#include <weir/throttle.h>

#include <errno.h>

#include "policy/atomic.h"

enum { SLICES = 13, SLICE_SECONDS = 10, PPM = 1000000 };

int weir_throttle_init(struct weir_throttle *t, uint32_t k_percent, int64_t now_ns)
{
    if (k_percent < 100)
        return -EINVAL;
    *t = (struct weir_throttle){.birth_ns_ = now_ns, .k_percent_ = k_percent};
    return 0;
}

static void forget_old(struct weir_throttle *t, int64_t now_ns)
{
    int64_t age_ns = MAX(now_ns - t->birth_ns_, 0);
    uint64_t slice = (uint64_t)(age_ns / (SLICE_SECONDS * NS_PER_SEC));

    for (int i = 0; t->slice_ < slice && i < SLICES; i++) {
        unsigned oldest = ++t->slice_ % SLICES;

        t->requests_sum_ -= t->requests_[oldest];
        t->accepted_sum_ -= t->accepted_[oldest];
        t->requests_[oldest] = t->accepted_[oldest] = 0;
    }
    t->slice_ = MAX(t->slice_, slice);
}

static uint32_t refused_ppm(const struct weir_throttle *t)
{
    uint64_t asked = (uint64_t)t->requests_sum_ * 100;
    uint64_t granted = (uint64_t)t->accepted_sum_ * t->k_percent_;

    if (asked <= granted)
        return 0;
    return (uint32_t)((asked - granted) * (PPM / 100) / ((uint64_t)t->requests_sum_ + 1));
}

bool weir_throttle_admit(struct weir_throttle *t, uint64_t random, int64_t now_ns)
{
    bool admit;

    word_lock(&t->lock_);
    forget_old(t, now_ns);
    admit = (uint32_t)((random >> 32) * PPM >> 32) >= refused_ppm(t);
    t->requests_[t->slice_ % SLICES]++;
    t->requests_sum_++;
    word_unlock(&t->lock_);
    return admit;
}

void weir_throttle_accepted(struct weir_throttle *t, int64_t now_ns)
{
    word_lock(&t->lock_);
    forget_old(t, now_ns);
    t->accepted_[t->slice_ % SLICES]++;
    t->accepted_sum_++;
    word_unlock(&t->lock_);
}

uint32_t weir_throttle_refused_ppm(struct weir_throttle *t, int64_t now_ns)
{
    uint32_t ppm;

    word_lock(&t->lock_);
    forget_old(t, now_ns);
    ppm = refused_ppm(t);
    word_unlock(&t->lock_);
    return ppm;
}
