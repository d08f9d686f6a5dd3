/* Metrics: families declared in metrics.def, series (a family with label values) found or created
 * when configuration is compiled, never while a request runs. Recording is one relaxed atomic add
 * in the shard of the processor that runs the caller.
 *
 * One registry per process. Series are counted references: a new generation takes its own before
 * the old one lets go, so a series keeps its counts for as long as any generation has it. */
#ifndef WEIR_TELEMETRY_METRIC_H
#define WEIR_TELEMETRY_METRIC_H

#include <stdatomic.h>

#include "base/text.h"
#include "runtime/here.h"

enum metric_id {
#define METRIC(id, ...) METRIC_##id,
#include "telemetry/metrics.def"
#undef METRIC
    METRIC_ID_MAX,
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_unit { METRIC_NONE, METRIC_SECONDS, METRIC_BYTES };

#define METRIC_LABELS_MAX 4
#define METRIC_SERIES_MAX 65536 /* in the process; then metric_get() hands out the void series */

struct metric_family {
    const char *name;
    const char *help;
    enum metric_kind kind;
    enum metric_unit unit; /* METRIC_SECONDS: values are nanoseconds */
    const char *labels[METRIC_LABELS_MAX];
    unsigned label_count;
};

const struct metric_family *metric_family(enum metric_id id);

#define METRIC_SHARDS      16   /* power of two; processors beyond share */
#define METRIC_CHUNK_CELLS 1024 /* cells of one shard in a chunk of memory (metric.c) */

struct metric {
    atomic_uint_least64_t *cells; /* of shard 0; the next shard's are METRIC_CHUNK_CELLS further */
    /* the rest belongs to the registry */
    enum metric_id id;
    uint32_t refs;
    struct metric *next, *prev; /* of the family, in order of creation */
    struct str labels[METRIC_LABELS_MAX];
    struct str key;
    char text[];
};

/* The series of family id with these label values, as many as the family has labels, in its order;
 * values may be NULL when it has none. Takes a reference. Never NULL: beyond METRIC_SERIES_MAX and
 * when memory is out it is the void series, which takes everything and is never shown (counted in
 * weir_metric_series_refused_total). Not for the request path. Any thread, does not park. */
struct metric *metric_get(enum metric_id id, const struct str *values);
/* One value, two values: for short calls. */
struct metric *metric_get1(enum metric_id id, struct str a);
struct metric *metric_get2(enum metric_id id, struct str a, struct str b);
struct metric *metric_get3(enum metric_id id, struct str a, struct str b, struct str c);

/* Drops the reference; with the last one the series and its counts are gone. NULL is fine. */
void metric_put(struct metric *m);

static inline atomic_uint_least64_t *metric_cells(const struct metric *m)
{
    return m->cells + (size_t)(here_processor() & (METRIC_SHARDS - 1)) * METRIC_CHUNK_CELLS;
}

/* Counters and gauges. Any thread. */
static inline void metric_add(struct metric *m, uint64_t n)
{
    atomic_fetch_add_explicit(metric_cells(m), n, memory_order_relaxed);
}

static inline void metric_inc(struct metric *m)
{
    metric_add(m, 1);
}

/* Gauges that count up and down. */
static inline void metric_sub(struct metric *m, uint64_t n)
{
    metric_add(m, (uint64_t)0 - n);
}

/* For values that somebody else keeps (a gauge computed, a counter read elsewhere): replaces the
 * value. A series is either set or added to, not both. */
void metric_set(struct metric *m, int64_t value);

/* The sum over the shards. Gauges may be negative for a moment. Histograms: how many values. */
int64_t metric_value(const struct metric *m);

/* -- histograms of durations: 21 steps per decade from 10 us to 100 s, at most 14.3 % apart -- */

#define METRIC_HISTOGRAM_BOUNDS 148 /* upper bounds, inclusive */
#define METRIC_HISTOGRAM_CELLS                                                                     \
    (METRIC_HISTOGRAM_BOUNDS + 2) /* and beyond the last, and the sum                              \
                                   */

/* Records a duration; negative ones count as 0. Any thread. */
void metric_observe(struct metric *m, int64_t ns);

struct metric_snapshot {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t buckets[METRIC_HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last: beyond all bounds */
};

/* Sums the shards. count is the sum of the buckets, so the two always agree. */
void metric_snapshot(const struct metric *m, struct metric_snapshot *ret);

/* Adds b's counts to a's. */
void metric_snapshot_add(struct metric_snapshot *a, const struct metric_snapshot *b);

/* Fills the table of bounds, once per process; every series of a histogram has had it done. */
void metric_fill_bounds(void);

/* The upper bound of bucket i < METRIC_HISTOGRAM_BOUNDS, in ns. */
int64_t metric_bound_ns(unsigned i);

/* How many values were <= bound_ns, which must be one of the bounds. */
uint64_t metric_snapshot_count_to(const struct metric_snapshot *s, int64_t bound_ns);

/* An estimate of quantile q in [0, 1], by linear interpolation inside the bucket that holds it:
 * off by at most 14.3 % of the true value within 10 us .. 100 s. 0 when nothing was recorded. */
int64_t metric_snapshot_quantile(const struct metric_snapshot *s, double q);
/* The same of a series. */
int64_t metric_quantile(const struct metric *m, double q);

/* -- for exporters -- */

/* Called before every visit, to set gauges that are computed. Does not park, is brief. */
typedef void metric_collect_fn(void *arg);
int metric_add_collector(metric_collect_fn *fn, void *arg); /* -ENOSPC beyond 16 */
/* When it returns, fn is not running and will not be called again. */
void metric_remove_collector(metric_collect_fn *fn, void *arg);

/* m is NULL once per family before its series, also when it has none. Return false to stop. */
typedef bool metric_visit_fn(void *arg, const struct metric_family *f, const struct metric *m);

/* Runs the collectors, then visits families in table order and their series in order of creation.
 * Series made or dropped meanwhile may or may not be seen. -ENOMEM. Does not park. */
int metric_visit(metric_visit_fn *fn, void *arg);

#endif
