/* A log-linear histogram of durations: 128 steps to every power of two, so any value is kept to
 * within 0.8 %, in a fixed table. */
#ifndef WEIR_BENCH_HISTOGRAM_H
#define WEIR_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    HISTOGRAM_SLOTS = (64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS,
};

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_record(struct histogram *h, uint64_t value);

/* The value below which `fraction` (0 to 1) of the records lie: the top of its slot, at most the
 * maximum. 0 when nothing was recorded. */
uint64_t histogram_quantile(const struct histogram *h, double fraction);

#endif
