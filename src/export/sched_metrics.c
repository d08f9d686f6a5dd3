/* Metrics of the scheduler: what weir_stats() counts. */
#include "export/sched_metrics.h"

#include <weir/diagnose.h>

#include "base/base.h"
#include "telemetry/metric.h"

enum source_kind { U32, U64 };

/* One number of struct weir_stats. */
static const struct source {
    enum metric_id id;
    enum source_kind kind;
    size_t offset;
} sources[] = {
#define NOW(id_, field_)                                                                           \
    {                                                                                              \
        METRIC_RUNTIME_##id_, U32, offsetof(struct weir_stats, field_)                             \
    }
#define COUNTED(id_, field_)                                                                       \
    {                                                                                              \
        METRIC_RUNTIME_##id_, U64, offsetof(struct weir_stats, field_)                             \
    }
    NOW(PROCESSORS_IDLE, processors_idle),
    NOW(THREADS, threads),
    NOW(GLOBAL_QUEUE, global_queue_len),
    NOW(BLOCKING_THREADS, blocking_threads),
    NOW(BLOCKING_QUEUED, blocking_queued),
    NOW(POOL_WORKERS, pool_workers),
    NOW(POOL_ACTIVE, pool_active),
    NOW(POOL_QUEUED, pool_queued),
    NOW(POOL_CAPACITY, pool_capacity),
    COUNTED(PARKS, parks),
    COUNTED(HANDOFFS, handoffs),
    COUNTED(SUBSTITUTIONS, substitutions),
    COUNTED(HOGS, hogs),
    COUNTED(PANICS, panics),
    COUNTED(SCHED_DELAY_SUM, sched_delay_sum_ns),
    COUNTED(POOL_SUBMITTED, pool_submitted),
    COUNTED(POOL_COMPLETED, pool_completed),
    COUNTED(POOL_REJECTED, pool_rejected),
    COUNTED(POOL_WAIT, pool_wait_ns),
#undef NOW
#undef COUNTED
};

static struct metric *series[ARRAY_LEN(sources)];
static struct metric *delays[WEIR_DELAY_BUCKETS];

void sched_metrics_open(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        series[i] = metric_get(sources[i].id, NULL);
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++) {
        char mem[32];
        struct buf le = buf_on(mem, sizeof(mem));

        if (i == WEIR_DELAY_BUCKETS - 1)
            buf_lit(&le, "+Inf");
        else
            buf_printf(&le, "%.6f", (double)(1U << i) / 1e6);
        delays[i] = metric_get1(METRIC_RUNTIME_SCHED_DELAYS, buf_str(&le));
    }
}

void sched_metrics_close(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        metric_put(series[i]);
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++)
        metric_put(delays[i]);
}

static int64_t read_source(const struct weir_stats *s, const struct source *source)
{
    const char *at = (const char *)s + source->offset;
    uint32_t u32;
    uint64_t u64;

    if (source->kind == U32) {
        memcpy(&u32, at, sizeof(u32));
        return u32;
    }
    memcpy(&u64, at, sizeof(u64));
    return (int64_t)u64;
}

void sched_metrics_collect(void)
{
    struct weir_stats s = {.size = sizeof(s)};
    uint64_t sum = 0;

    if (weir_stats(&s) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        metric_set(series[i], read_source(&s, &sources[i]));
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++) {
        sum += s.sched_delay[i];
        metric_set(delays[i], (int64_t)sum);
    }
}
