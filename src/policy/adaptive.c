/* Adaptive concurrency: counting what runs, gathering samples, and three ways to learn. */
#include "policy/adaptive.h"

#include <errno.h>
#include <math.h>

#include "policy/atomic.h"

/* Gradient2 as published; the factor of the long mean is 2 / (600 + 1) after ten samples. */
#define SMOOTHING    0.2
#define QUEUE        4.0
#define LONG_FACTOR  (2.0 / 601.0)
#define LONG_WARM    10
#define LONG_DECAY   0.9
#define GRADIENT_MIN 0.5
/* Vegas */
#define ALPHA_FACTOR 3.0
#define BETA_FACTOR  6.0
/* AIMD */
#define BACKOFF 0.9

struct weir_adaptive_options weir_adaptive_defaults(void)
{
    return (struct weir_adaptive_options){
        .size = sizeof(struct weir_adaptive_options),
        .kind = WEIR_ADAPTIVE_GRADIENT,
        .initial = 20,
        .min = 20,
        .max = 200,
        .window_ns = NS_PER_SEC,
        .window_calls = 10,
        .ignore_below_ns = NS_PER_MS / 10,
    };
}

int weir_adaptive_init(struct weir_adaptive *a, const struct weir_adaptive_options *o,
                       int64_t now_ns)
{
    if (o->size != sizeof(*o) || o->kind > WEIR_ADAPTIVE_AIMD || o->min == 0 || o->min > o->max ||
        o->initial < o->min || o->initial > o->max || o->max > 1000000 || o->window_ns < 0 ||
        o->window_calls == 0 || o->ignore_below_ns < 0 || o->timeout_ns < 0)
        return -EINVAL;
    *a = (struct weir_adaptive){
        .options_ = *o, .limit_ = o->initial, .learned_ = o->initial, .window_began_ns_ = now_ns};
    return 0;
}

/* ---- learning ---- */

static double gradient(struct weir_adaptive *a, const struct adaptive_sample *s)
{
    double long_rtt, g;

    if (a->samples_ <= LONG_WARM)
        a->long_rtt_ns_ += (s->rtt_ns - a->long_rtt_ns_) / (double)a->samples_;
    else
        a->long_rtt_ns_ += (s->rtt_ns - a->long_rtt_ns_) * LONG_FACTOR;
    long_rtt = a->long_rtt_ns_;
    if (long_rtt / s->rtt_ns > 2) /* it was slow for long: forget faster */
        a->long_rtt_ns_ *= LONG_DECAY;
    if (s->running < a->learned_ / 2)
        return a->learned_; /* the callers are the bound, not the limit */
    g = fmax(GRADIENT_MIN, fmin(1.0, long_rtt / s->rtt_ns));
    return (1 - SMOOTHING) * a->learned_ + SMOOTHING * (a->learned_ * g + QUEUE);
}

static double vegas(struct weir_adaptive *a, const struct adaptive_sample *s)
{
    double limit = a->learned_, step = fmax(1.0, log10(limit)), queue;

    if (a->long_rtt_ns_ == 0 || s->rtt_ns < a->long_rtt_ns_)
        a->long_rtt_ns_ = s->rtt_ns; /* the least ever: without a queue */
    if (s->failed)
        return limit - step;
    if (s->running * 2 < limit)
        return limit;
    queue = ceil(limit * (1 - a->long_rtt_ns_ / s->rtt_ns));
    if (queue <= step)
        return limit + BETA_FACTOR * step;
    if (queue < ALPHA_FACTOR * step)
        return limit + step;
    return queue > BETA_FACTOR * step ? limit - step : limit;
}

static double aimd(const struct weir_adaptive *a, const struct adaptive_sample *s)
{
    if (s->failed || (a->options_.timeout_ns != 0 && s->rtt_ns > (double)a->options_.timeout_ns))
        return floor(a->learned_ * BACKOFF);
    return s->running * 2 >= a->learned_ ? a->learned_ + 1 : a->learned_;
}

void adaptive_learn(struct weir_adaptive *a, const struct adaptive_sample *s)
{
    double limit = 0;

    a->samples_++;
    switch (a->options_.kind) {
    case WEIR_ADAPTIVE_GRADIENT:
        limit = gradient(a, s);
        break;
    case WEIR_ADAPTIVE_VEGAS:
        limit = vegas(a, s);
        break;
    case WEIR_ADAPTIVE_AIMD:
        limit = aimd(a, s);
        break;
    }
    a->learned_ = fmax(a->options_.min, fmin(a->options_.max, limit));
    relaxed_store(&a->limit_, (uint32_t)a->learned_);
}

/* ---- what runs, and samples of it ---- */

int weir_adaptive_enter(struct weir_adaptive *a, uint32_t share_percent)
{
    uint32_t running = relaxed_load(&a->running_);
    uint64_t room;

    do {
        room = (uint64_t)relaxed_load(&a->limit_) * MIN(share_percent, 100u);
        if ((uint64_t)running * 100 + 100 > MAX(room, UINT64_C(100)))
            return -EAGAIN;
    } while (!__atomic_compare_exchange_n(&a->running_, &running, running + 1, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return 0;
}

static void gather(struct weir_adaptive *a, bool failed, uint32_t running, int64_t rtt_ns,
                   int64_t now_ns)
{
    struct adaptive_sample s;

    a->calls_++;
    a->rtt_sum_ns_ += rtt_ns;
    a->running_max_ = MAX(a->running_max_, running);
    a->failed_ += failed;
    if (a->calls_ < a->options_.window_calls ||
        now_ns - a->window_began_ns_ < a->options_.window_ns)
        return;
    s = (struct adaptive_sample){.rtt_ns = (double)a->rtt_sum_ns_ / a->calls_,
                                 .running = a->running_max_,
                                 .failed = a->failed_ != 0};
    adaptive_learn(a, &s);
    a->calls_ = a->running_max_ = a->failed_ = 0;
    a->rtt_sum_ns_ = 0;
    a->window_began_ns_ = now_ns;
}

void weir_adaptive_leave(struct weir_adaptive *a, enum weir_adaptive_result result,
                         int64_t start_ns, int64_t now_ns)
{
    uint32_t running = __atomic_fetch_sub(&a->running_, 1, __ATOMIC_ACQ_REL);
    int64_t rtt_ns = MAX(now_ns - start_ns, 1);

    if (result == WEIR_ADAPTIVE_IGNORED ||
        (result == WEIR_ADAPTIVE_OK && rtt_ns < a->options_.ignore_below_ns))
        return;
    word_lock(&a->lock_);
    gather(a, result == WEIR_ADAPTIVE_FAILED, running, rtt_ns, now_ns);
    word_unlock(&a->lock_);
}

void weir_adaptive_reset(struct weir_adaptive *a, int64_t now_ns)
{
    word_lock(&a->lock_);
    a->calls_ = a->running_max_ = a->failed_ = 0;
    a->rtt_sum_ns_ = 0;
    a->window_began_ns_ = now_ns;
    a->learned_ = a->options_.initial;
    a->long_rtt_ns_ = 0;
    a->samples_ = 0;
    relaxed_store(&a->limit_, a->options_.initial);
    word_unlock(&a->lock_);
}

uint32_t weir_adaptive_limit(const struct weir_adaptive *a)
{
    return relaxed_load(&a->limit_);
}

uint32_t weir_adaptive_running(const struct weir_adaptive *a)
{
    return relaxed_load(&a->running_);
}
