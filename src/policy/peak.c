/* Peak EWMA in one word: see peak.h. */
#include "policy/peak.h"

#include <math.h>

static uint64_t pack(double value_ns, int64_t now_ns)
{
    float f = (float)value_ns;
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    return (uint64_t)bits << 32 | (uint32_t)(now_ns / NS_PER_MS);
}

static double value_of(uint64_t word)
{
    uint32_t bits = (uint32_t)(word >> 32);
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* How much of an old value is left. Clocks of two threads may differ by a round: never negative. */
static double left_of(uint64_t word, int64_t now_ns)
{
    int32_t age_ms = (int32_t)((uint32_t)(now_ns / NS_PER_MS) - (uint32_t)word);

    return age_ms <= 0 ? 1 : exp(-(double)age_ms * NS_PER_MS / PEAK_DECAY_NS);
}

void peak_observe(struct peak *l, int64_t took_ns, bool failed, int64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&l->word, memory_order_relaxed), next;

    do {
        double old = value_of(word), left = left_of(word, now_ns);
        double took = (double)MAX(took_ns, INT64_C(1));

        if (took >= old)
            next = pack(took, now_ns);
        else
            next = pack(failed ? old : old * left + took * (1 - left), now_ns);
    } while (!atomic_compare_exchange_weak_explicit(&l->word, &word, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

double peak_ns(const struct peak *l, int64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&l->word, memory_order_relaxed);

    return value_of(word) * left_of(word, now_ns);
}
