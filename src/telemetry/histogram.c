/* Histograms of durations. The bounds are a preferred-number series: 21 per decade, chosen so that
 * the bounds people put on dashboards (1, 2.5, 5, 7.5 and 10 of every decade) are among them. What
 * Prometheus is told is therefore exact, and quantiles come from the finer steps. */
#include <pthread.h>

#include "base/assert.h"
#include "telemetry/metric.h"

#define STEPS_PER_DECADE 21
#define FIRST_NS         INT64_C(10000)        /* 10 us */
#define LAST_NS          INT64_C(100000000000) /* 100 s */
#define FIRST_OCTAVE     13                    /* 2^13 ns < 10 us < 2^14 ns */
#define LAST_OCTAVE      36                    /* 2^36 ns < 100 s < 2^37 ns */
#define HINTS            ((LAST_OCTAVE - FIRST_OCTAVE + 1) * 8)

static const uint16_t steps[STEPS_PER_DECADE] = {100, 112, 125, 140, 160, 180, 200,
                                                 225, 250, 280, 315, 355, 400, 450,
                                                 500, 560, 630, 690, 750, 820, 900};

static int64_t bounds[METRIC_HISTOGRAM_BOUNDS];
/* For every eighth of an octave the first bucket that may hold its values; the right one is at most
 * two further. */
static uint8_t hints[HINTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    int64_t decade = FIRST_NS / 100;
    unsigned n = 0;

    for (; n < METRIC_HISTOGRAM_BOUNDS; n++) {
        bounds[n] = decade * steps[n % STEPS_PER_DECADE];
        if (n % STEPS_PER_DECADE == STEPS_PER_DECADE - 1)
            decade *= 10;
    }
    ASSERT(bounds[n - 1] == LAST_NS);
    for (unsigned i = 0; i < HINTS; i++) {
        int64_t low = (int64_t)(8 + i % 8) << (FIRST_OCTAVE + i / 8 - 3);
        unsigned at = 0;

        while (at < METRIC_HISTOGRAM_BOUNDS && bounds[at] < low)
            at++;
        hints[i] = (uint8_t)at;
    }
}

void metric_fill_bounds(void)
{
    pthread_once(&once, fill_tables);
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned octave, at;

    if (ns <= (uint64_t)FIRST_NS)
        return 0;
    if (ns > (uint64_t)LAST_NS)
        return METRIC_HISTOGRAM_BOUNDS;
    octave = 63 - (unsigned)__builtin_clzll(ns);
    at = hints[(octave - FIRST_OCTAVE) * 8 + ((ns >> (octave - 3)) & 7)];
    while ((uint64_t)bounds[at] < ns)
        at++;
    return at;
}

void metric_observe(struct metric *m, int64_t ns)
{
    atomic_uint_least64_t *cells = metric_cells(m);
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;

    atomic_fetch_add_explicit(&cells[bucket_of(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[METRIC_HISTOGRAM_CELLS - 1], value, memory_order_relaxed);
}

void metric_snapshot(const struct metric *m, struct metric_snapshot *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t shard = 0; shard < METRIC_SHARDS; shard++) {
        const atomic_uint_least64_t *row = m->cells + shard * METRIC_CHUNK_CELLS;

        for (unsigned i = 0; i <= METRIC_HISTOGRAM_BOUNDS; i++)
            ret->buckets[i] += atomic_load_explicit(&row[i], memory_order_relaxed);
        ret->sum_ns += atomic_load_explicit(&row[METRIC_HISTOGRAM_CELLS - 1], memory_order_relaxed);
    }
    for (unsigned i = 0; i <= METRIC_HISTOGRAM_BOUNDS; i++)
        ret->count += ret->buckets[i];
}

void metric_snapshot_add(struct metric_snapshot *a, const struct metric_snapshot *b)
{
    a->count += b->count;
    a->sum_ns += b->sum_ns;
    for (unsigned i = 0; i <= METRIC_HISTOGRAM_BOUNDS; i++)
        a->buckets[i] += b->buckets[i];
}

int64_t metric_bound_ns(unsigned i)
{
    ASSERT(i < METRIC_HISTOGRAM_BOUNDS);
    metric_fill_bounds();
    return bounds[i];
}

uint64_t metric_snapshot_count_to(const struct metric_snapshot *s, int64_t bound_ns)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < METRIC_HISTOGRAM_BOUNDS && metric_bound_ns(i) <= bound_ns; i++)
        count += s->buckets[i];
    return count;
}

int64_t metric_snapshot_quantile(const struct metric_snapshot *s, double q)
{
    double rank = MIN(MAX(q, 0.0), 1.0) * (double)s->count;
    uint64_t below = 0;

    metric_fill_bounds();
    if (s->count == 0)
        return 0;
    for (unsigned i = 0; i < METRIC_HISTOGRAM_BOUNDS; i++) {
        uint64_t here = s->buckets[i];

        if (here != 0 && (double)(below + here) >= rank) {
            int64_t low = i != 0 ? bounds[i - 1] : 0;
            double part = MAX(rank - (double)below, 0.0) / (double)here;

            return low + (int64_t)(part * (double)(bounds[i] - low));
        }
        below += here;
    }
    return LAST_NS; /* all that is known: longer than that */
}

int64_t metric_quantile(const struct metric *m, double q)
{
    struct metric_snapshot s;

    metric_snapshot(m, &s);
    return metric_snapshot_quantile(&s, q);
}
