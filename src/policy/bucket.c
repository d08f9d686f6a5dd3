/* Token bucket: the generic cell rate algorithm on one word.
 *
 * The word holds the theoretical arrival time (tat) and, in its two lowest bits, which of four
 * rates it was computed with; so time and rate change together by one CAS, and nobody computes with
 * the depth of one rate and the step of another. A bucket whose tat lies in the past is full. */
#include <weir/limiter.h>

#include <errno.h>

#include "policy/atomic.h"
#include "policy/bucket.h"

#define YEAR_NS  (INT64_C(365) * 24 * 3600 * NS_PER_SEC)
#define STEP_MAX ((uint64_t)(100 * YEAR_NS / 365) * UNITS_PER_NS)

/* Four hours: 8,000 threads that add at the same moment leave the word's 62 bits whole. */
#define FAST_DEPTH_MAX (UINT64_C(1) << 48)

enum { TAKE_BACK_TRIES = 16 };

int bucket_compile(const struct weir_rate *rate, struct bucket_rate *ret)
{
    unsigned __int128 period;

    if (rate->per_ns < 0 || rate->burst == 0)
        return -EINVAL;
    if (rate->per_ns == 0) {
        *ret = (struct bucket_rate){.kind = UNLIMITED};
        return 0;
    }
    if (rate->count == 0) {
        *ret = (struct bucket_rate){.kind = NO_REFILL, .depth = rate->burst};
        return 0;
    }
    /* Rounded up: never more than was asked for. */
    period = ((unsigned __int128)rate->per_ns * UNITS_PER_NS + rate->count - 1) / rate->count;
    if (period > STEP_MAX || rate->count > (unsigned __int128)rate->per_ns * UNITS_PER_NS ||
        period * rate->burst > (unsigned __int128)YEAR_NS * UNITS_PER_NS)
        return -EINVAL;
    *ret = (struct bucket_rate){
        .kind = LIMITED, .step = (uint64_t)period, .depth = (uint64_t)period * rate->burst};
    return 0;
}

static void put_rate(struct weir_bucket *b, unsigned i, const struct bucket_rate *r)
{
    relaxed_store(&b->rates_[i].step_, r->step);
    relaxed_store(&b->rates_[i].depth_, r->depth);
    relaxed_store(&b->rates_[i].kind_, (uint32_t)r->kind);
}

static struct bucket_rate rate_of(const struct weir_bucket *b, uint64_t word)
{
    unsigned i = word & RATE_MASK;

    return (struct bucket_rate){.step = relaxed_load(&b->rates_[i].step_),
                                .depth = relaxed_load(&b->rates_[i].depth_),
                                .kind = relaxed_load(&b->rates_[i].kind_)};
}

/* Time since birth in units; time before it counts as birth. */
static uint64_t units_at(const struct weir_bucket *b, int64_t now_ns)
{
    return now_ns <= b->birth_ns_ ? 0 : (uint64_t)(now_ns - b->birth_ns_) * UNITS_PER_NS;
}

int weir_bucket_init(struct weir_bucket *b, const struct weir_rate *rate, int64_t now_ns)
{
    struct bucket_rate r;
    int error = bucket_compile(rate, &r);

    if (error != 0)
        return error;
    *b = (struct weir_bucket){.birth_ns_ = now_ns};
    put_rate(b, 0, &r);
    return 0;
}

int bucket_advance(const struct bucket_rate *r, uint64_t word, uint64_t now, uint32_t n,
                   uint64_t ahead, uint64_t *ret_word, uint64_t *ret_wait)
{
    uint64_t tat = word >> RATE_BITS, cost, next;

    *ret_wait = UINT64_MAX;
    if (r->kind == NO_REFILL) { /* the word counts events */
        if (tat > r->depth || n > r->depth - tat)
            return -EAGAIN;
        *ret_word = (tat + n) << RATE_BITS | (word & RATE_MASK);
        *ret_wait = 0;
        return 0;
    }
    if (r->kind == UNLIMITED) {
        *ret_word = word;
        *ret_wait = 0;
        return 0;
    }
    if (n > r->depth / r->step)
        return -EAGAIN;
    cost = r->step * n; /* at most depth */
    next = (tat > now ? tat : now) + cost;
    *ret_wait = next - now > r->depth ? next - now - r->depth : 0;
    if (*ret_wait > ahead)
        return -EAGAIN;
    *ret_word = next << RATE_BITS | (word & RATE_MASK);
    return 0;
}

static int take(struct weir_bucket *b, uint32_t n, uint64_t ahead, uint64_t now, uint64_t *ret_word,
                uint64_t *ret_wait)
{
    uint64_t word = acquire_load(&b->word_);

    for (;;) {
        struct bucket_rate r = rate_of(b, word);
        int error = bucket_advance(&r, word, now, n, ahead, ret_word, ret_wait);

        if (unlikely(error != 0)) {
            /* The rate that was read belongs to the word only if that still stands. */
            uint64_t again = acquire_load(&b->word_);

            if (((again ^ word) & RATE_MASK) == 0)
                return error;
            word = again;
            continue;
        }
        if (cas(&b->word_, &word, *ret_word))
            return 0;
    }
}

/* In a bucket in use the arrival time lies ahead, and taking is an addition, which two threads can
 * do at the same moment without one of them trying again. What turns out not to have been allowed
 * is taken back, but only if the word is as the addition left it. Otherwise somebody may have been
 * admitted meanwhile who took the excess for the arrival time, although the true one lay in the
 * past: the bucket would then hold more than its depth. So it stays, as if taken: others may be
 * refused for it, none is admitted. False: decide with care. */
static bool take_fast(struct weir_bucket *b, uint32_t n, uint64_t now)
{
    uint64_t word = acquire_load(&b->word_), tat = word >> RATE_BITS, cost, old, added;
    struct bucket_rate r = rate_of(b, word);

    if (r.kind != LIMITED || r.depth > FAST_DEPTH_MAX || tat < now)
        return false;
    if (__builtin_mul_overflow(r.step, n, &cost) || cost > r.depth || tat - now > r.depth - cost)
        return false;
    old = fetch_add(&b->word_, cost << RATE_BITS);
    tat = old >> RATE_BITS;
    if (likely(((old ^ word) & RATE_MASK) == 0 && tat >= now && tat - now + cost <= r.depth))
        return true;
    added = old + (cost << RATE_BITS);
    for (int i = 0; i < TAKE_BACK_TRIES; i++) {
        word = added;
        if (cas(&b->word_, &word, old))
            break;
        spin_pause(); /* others who take theirs back */
    }
    return false;
}

int weir_bucket_take(struct weir_bucket *b, uint32_t n, int64_t now_ns, int64_t *ret_retry_after_ns)
{
    uint64_t now = units_at(b, now_ns), word, wait;
    int error = take_fast(b, n, now) ? 0 : take(b, n, 0, now, &word, &wait);

    if (unlikely(error != 0) && ret_retry_after_ns != NULL)
        *ret_retry_after_ns = bucket_retry_after_ns(wait);
    return error;
}

int weir_bucket_reserve(struct weir_bucket *b, uint32_t n, int64_t max_wait_ns, int64_t now_ns,
                        struct weir_reservation *ret, int64_t *ret_retry_after_ns)
{
    uint64_t ahead, word, wait;
    int error;

    max_wait_ns = MAX(MIN(max_wait_ns, YEAR_NS), 0);
    ahead = (uint64_t)max_wait_ns * UNITS_PER_NS;
    error = take(b, n, ahead, units_at(b, now_ns), &word, &wait);
    if (error != 0) {
        if (ret_retry_after_ns != NULL)
            *ret_retry_after_ns = bucket_retry_after_ns(wait == UINT64_MAX ? wait : wait - ahead);
        return error;
    }
    *ret = (struct weir_reservation){.at_ns = now_ns + bucket_ns(wait), .stamp_ = word, .n_ = n};
    return 0;
}

void weir_bucket_cancel(struct weir_bucket *b, const struct weir_reservation *r, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_);

    for (;;) {
        struct bucket_rate rate = rate_of(b, word);
        uint64_t behind, back;

        if (r->at_ns <= now_ns || ((word ^ r->stamp_) & RATE_MASK) != 0 || rate.kind != LIMITED)
            return;
        /* What others have reserved after it stays reserved. */
        behind = (word >> RATE_BITS) - (r->stamp_ >> RATE_BITS);
        if (behind >= rate.step * r->n_)
            return;
        back = rate.step * r->n_ - behind;
        if (cas(&b->word_, &word, word - (back << RATE_BITS)))
            return;
    }
}

/* Tokens times step: how full, in units of a rate; without refill: events. */
static uint64_t fill_of(const struct bucket_rate *r, uint64_t word, uint64_t now)
{
    uint64_t tat = word >> RATE_BITS;
    uint64_t used = r->kind == NO_REFILL ? tat : tat > now ? tat - now : 0;

    return used < r->depth ? r->depth - used : 0;
}

uint64_t bucket_move(const struct bucket_rate *from, const struct bucket_rate *to, uint64_t word,
                     uint64_t now)
{
    uint64_t from_step = from->kind == LIMITED ? from->step : 1;
    uint64_t to_step = to->kind == LIMITED ? to->step : 1;
    unsigned __int128 fill = (unsigned __int128)fill_of(from, word, now) * to_step / from_step;
    uint64_t used;

    if (to->kind == UNLIMITED)
        return 0;
    if (from->kind == UNLIMITED || fill > to->depth)
        fill = to->depth;
    used = to->depth - (uint64_t)fill;
    return to->kind == NO_REFILL ? used : now + used;
}

int weir_bucket_set(struct weir_bucket *b, const struct weir_rate *rate, int64_t now_ns)
{
    uint64_t now = units_at(b, now_ns), word, to_word;
    struct bucket_rate from, to;
    int error = bucket_compile(rate, &to);

    if (error != 0)
        return error;
    word_lock(&b->lock_);
    word = acquire_load(&b->word_);
    from = rate_of(b, word);
    put_rate(b, (word + 1) & RATE_MASK, &to);
    do
        to_word = bucket_move(&from, &to, word, now) << RATE_BITS | ((word + 1) & RATE_MASK);
    while (!cas(&b->word_, &word, to_word));
    word_unlock(&b->lock_);
    return 0;
}

uint32_t weir_bucket_tokens(const struct weir_bucket *b, int64_t now_ns)
{
    uint64_t word = acquire_load(&b->word_);
    struct bucket_rate r = rate_of(b, word);

    if (r.kind == UNLIMITED)
        return UINT32_MAX;
    return (uint32_t)(fill_of(&r, word, units_at(b, now_ns)) / (r.kind == LIMITED ? r.step : 1));
}
