/* The breaker's window.
 *
 * Over a time: ten slices of two words, each with the number of its slice beside its counts, so
 * that the first call of a slice replaces what stood there ten slices ago by the same CAS that
 * counts it, and no sweep is needed; four times, so that those who run at once seldom meet. Over a
 * number of calls: one bit a call under a short lock. (A packed sum with concurrent evictions can
 * borrow from its neighbour.) */
#include "policy/window.h"

#include "policy/atomic.h"

enum {
    SLICES = 10,
    NUMBER_BITS = 20, /* number of the slice, above two counts of 22 bits */
    COUNT_BITS = 22,
    COUNT_MAX = (1 << COUNT_BITS) - 1,
    SLACK = 4096, /* more than can add at the same moment */
    NUMBER_MASK = (1 << NUMBER_BITS) - 1,
};

/* The number of the slice that runs is kept, since a multiplication is cheaper than a division. */
static uint64_t slice_at(const struct weir_breaker *b, int64_t age_ns)
{
    uint64_t slice_ns = relaxed_load(&b->window_.slice_ns_), age = (uint64_t)MAX(age_ns, 0);
    uint64_t number = relaxed_load(&b->window_.current_);

    return likely(age - number * slice_ns < slice_ns) ? number : age / slice_ns;
}

void window_init(struct weir_breaker *b)
{
    b->window_.slice_ns_ = (uint64_t)(b->options_.window_ns + SLICES - 1) / SLICES;
}

static unsigned number_of(uint64_t word)
{
    return (unsigned)(word >> (2 * COUNT_BITS));
}

/* Saturates: four million calls a slice. The common case is an addition, which two threads can do
 * at once; should the slice end between look and addition, the call counts for the next one. */
static void slice_add(uint64_t *word, uint64_t slice, bool second)
{
    uint64_t old = relaxed_load(word), one = 1 + (second ? UINT64_C(1) << COUNT_BITS : 0);
    uint64_t fresh = (slice & NUMBER_MASK) << (2 * COUNT_BITS);

    while (unlikely(number_of(old) != (slice & NUMBER_MASK)))
        if (cas(word, &old, fresh + one))
            return;
    if (likely((old & COUNT_MAX) < COUNT_MAX - SLACK))
        __atomic_fetch_add(word, one, __ATOMIC_RELAXED);
}

/* Coroutines and threads that run at the same time have stacks far from each other. */
static unsigned shard_here(void)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);

    return (unsigned)((stack >> 16) * UINT32_C(0x9e3779b9) >> 16) % WEIR_BREAKER_SHARDS_;
}

static void sum_slice(const uint64_t *words, unsigned number, struct window_counts *c)
{
    uint64_t calls = relaxed_load(&words[0]), slow = relaxed_load(&words[1]);

    if (number_of(calls) == number) {
        c->calls += (uint32_t)(calls & COUNT_MAX);
        c->failures += (uint32_t)(calls >> COUNT_BITS & COUNT_MAX);
    }
    if (number_of(slow) == number)
        c->slow += (uint32_t)(slow & COUNT_MAX);
}

static struct window_counts sum_slices(const struct weir_breaker *b, uint64_t now)
{
    uint64_t from = relaxed_load(&b->window_.from_);
    struct window_counts c = {0};

    for (uint64_t age = 0; age < SLICES && age <= now && now - age >= from; age++) {
        uint64_t slice = now - age;

        for (unsigned i = 0; i < WEIR_BREAKER_SHARDS_; i++)
            sum_slice(b->window_.shards_[i].slices_[slice % SLICES], slice & NUMBER_MASK, &c);
    }
    return c;
}

static void set_bit(uint64_t *words, uint32_t i, bool on, uint32_t *count)
{
    uint64_t bit = UINT64_C(1) << (i % 64), *word = &words[i / 64];

    *count += on;
    *count -= (*word & bit) != 0;
    *word = on ? *word | bit : *word & ~bit;
}

static __attribute__((noinline)) void add_call(struct weir_breaker *b, bool failed, bool slow)
{
    word_lock(&b->window_.lock_);
    set_bit(b->window_.failed_, b->window_.next_, failed, &b->window_.failures_);
    set_bit(b->window_.slow_, b->window_.next_, slow, &b->window_.slows_);
    b->window_.next_ = (b->window_.next_ + 1) % b->options_.window_calls;
    b->window_.calls_ = MIN(b->window_.calls_ + 1, b->options_.window_calls);
    word_unlock(&b->window_.lock_);
}

void window_add(struct weir_breaker *b, int64_t age_ns, bool failed, bool slow)
{
    uint64_t now;
    uint64_t *words;

    if (b->options_.window_calls != 0) {
        add_call(b, failed, slow);
        return;
    }
    now = slice_at(b, age_ns);
    if (unlikely(now != relaxed_load(&b->window_.current_)))
        relaxed_store(&b->window_.current_, now);
    words = b->window_.shards_[shard_here()].slices_[now % SLICES];
    slice_add(&words[0], now, failed);
    if (slow)
        slice_add(&words[1], now, false);
}

struct window_counts window_counts(const struct weir_breaker *b, int64_t age_ns)
{
    if (b->options_.window_calls == 0)
        return sum_slices(b, slice_at(b, age_ns));
    return (struct window_counts){relaxed_load(&b->window_.calls_),
                                  relaxed_load(&b->window_.failures_),
                                  relaxed_load(&b->window_.slows_)};
}

void window_clear(struct weir_breaker *b, int64_t age_ns)
{
    uint64_t now = b->options_.window_calls == 0 ? slice_at(b, age_ns) : 0; /* else no slices */

    word_lock(&b->window_.lock_);
    relaxed_store(&b->window_.from_, now);
    for (unsigned i = 0; i < WEIR_BREAKER_SHARDS_; i++) {
        relaxed_store(&b->window_.shards_[i].slices_[now % SLICES][0], 0);
        relaxed_store(&b->window_.shards_[i].slices_[now % SLICES][1], 0);
    }
    for (int i = 0; i < 16; i++)
        b->window_.failed_[i] = b->window_.slow_[i] = 0;
    b->window_.next_ = b->window_.calls_ = b->window_.failures_ = b->window_.slows_ = 0;
    word_unlock(&b->window_.lock_);
}

/* Numbers of slices of the old length mean nothing any more. */
void window_resize(struct weir_breaker *b, int64_t age_ns)
{
    relaxed_store(&b->window_.slice_ns_, (uint64_t)(b->options_.window_ns + SLICES - 1) / SLICES);
    for (unsigned i = 0; i < WEIR_BREAKER_SHARDS_; i++)
        for (unsigned j = 0; j < SLICES; j++) {
            relaxed_store(&b->window_.shards_[i].slices_[j][0], 0);
            relaxed_store(&b->window_.shards_[i].slices_[j][1], 0);
        }
    window_clear(b, age_ns);
}
