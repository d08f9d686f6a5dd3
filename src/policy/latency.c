/* The last latencies, and what share of them was below what: a ring, sorted when asked. */
#include <stdlib.h>

#include <weir/retry.h>

#include "policy/atomic.h"

enum { SEEN = ARRAY_LEN(((struct weir_latency *)0)->took_ns_), SEEN_MIN = 20 };

void weir_latency_add(struct weir_latency *l, int64_t took_ns)
{
    word_lock(&l->lock_);
    l->took_ns_[l->count_++ % SEEN] = MAX(took_ns, INT64_C(0));
    word_unlock(&l->lock_);
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int64_t weir_latency_percentile_ns(struct weir_latency *l, uint32_t percent)
{
    int64_t sorted[SEEN];
    size_t n;

    word_lock(&l->lock_);
    n = (size_t)MIN(l->count_, (uint64_t)SEEN);
    memcpy(sorted, l->took_ns_, n * sizeof(*sorted));
    word_unlock(&l->lock_);
    if (n < SEEN_MIN)
        return -1;
    qsort(sorted, n, sizeof(*sorted), by_length);
    percent = MIN(MAX(percent, 1u), 100u);
    return sorted[(n * percent + 99) / 100 - 1];
}
