/* Durations counted in slots whose width grows with their magnitude (see histogram.h). */
#include "histogram.h"

/* Values below HISTOGRAM_STEPS have a slot each; above, the leading bit chooses the row and the
 * bits behind it the step. */
static unsigned slot_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned row = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return (row + 1) * HISTOGRAM_STEPS + (unsigned)(value >> row) - HISTOGRAM_STEPS;
}

static uint64_t top_of(unsigned slot)
{
    if (slot < HISTOGRAM_STEPS)
        return slot;
    unsigned row = slot / HISTOGRAM_STEPS - 1;
    uint64_t step = slot % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return (step << row) + ((uint64_t)1 << row) - 1;
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->count++;
    h->slots[slot_of(value)]++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
    uint64_t rank = (uint64_t)(fraction * (double)h->count + 0.5);
    uint64_t seen = 0;

    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        seen += h->slots[slot];
        if (seen > 0 && seen >= rank)
            return top_of(slot) < h->max ? top_of(slot) : h->max;
    }
    return h->max;
}
