/* How the process is doing: see shedding.h. */
#include "gateway/shedding.h"

#include <unistd.h>

#include <weir/diagnose.h>

#include "base/duration.h"
#include "gateway/gateway_impl.h"
#include "world/file_read.h"

#define SAMPLE_NS (100 * NS_PER_MS)
#define PROC_MAX  (64 * KIB)

/* -- numbers of the process -- */

/* The nth of the texts between blanks, from 0. */
static uint64_t nth_number(struct str s, unsigned n)
{
    struct str part;
    uint64_t value;

    while (str_split(&s, ' ', &part)) {
        if (n-- == 0)
            return str_to_u64(part, UINT64_MAX, &value) == 0 ? value : 0;
    }
    return 0;
}

/* The name of the program stands second, in brackets, and may hold anything. */
uint64_t shedding_parse_ticks(struct str stat)
{
    const char *bracket = stat.len != 0 ? memrchr(stat.ptr, ')', stat.len) : NULL;
    struct str rest;

    if (bracket == NULL || bracket + 2 >= stat.ptr + stat.len)
        return 0;
    rest = str_n(bracket + 2, stat.len - (size_t)(bracket + 2 - stat.ptr));
    return nth_number(rest, 11) + nth_number(rest, 12);
}

uint64_t shedding_parse_pages(struct str statm)
{
    return nth_number(statm, 1);
}

/* The kernel makes these files on reading; no disk is waited for. */
static uint64_t read_proc(const char *path, uint64_t (*parse)(struct str))
{
    struct text t = {.max = PROC_MAX};
    uint64_t n = world_file_read(path, &t) == 0 ? parse(str_n(t.ptr, t.len)) : 0;

    text_done(&t);
    return n;
}

static uint32_t cpu_permille(struct shedding *s, int64_t passed_ns)
{
    uint64_t ticks = read_proc("/proc/self/stat", shedding_parse_ticks), before = s->cpu_ticks;
    int64_t tick_ns = NS_PER_SEC / sysconf(_SC_CLK_TCK);

    s->cpu_ticks = ticks;
    if (passed_ns <= 0 || before == 0 || ticks < before)
        return 0;
    return (uint32_t)MIN((int64_t)(ticks - before) * tick_ns * 1000 /
                             (passed_ns * runtime_processor_count()),
                         INT64_C(1000));
}

/* The mean of the delays that the scheduler has sampled meanwhile. */
static int64_t queue_delay_ns(struct shedding *s)
{
    struct weir_stats stats = {.size = sizeof(stats)};
    uint64_t delays = 0, count, sum_ns;

    if (weir_stats(&stats) < 0)
        return 0;
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++)
        delays += stats.sched_delay[i];
    count = delays - s->delays;
    sum_ns = stats.sched_delay_sum_ns - s->delay_sum_ns;
    s->delays = delays;
    s->delay_sum_ns = stats.sched_delay_sum_ns;
    return count != 0 ? (int64_t)(sum_ns / count) : 0;
}

static void take_sample(struct gateway *g)
{
    struct shedding *s = &g->shedding;
    int64_t now_ns = weir_now();
    struct weir_shed_sample sample = {
        .queue_delay_ns = queue_delay_ns(s),
        .running = atomic_load_explicit(&g->connections_active_count, memory_order_relaxed),
    };

    if (!runtime_world()->simulated) {
        sample.cpu_permille = cpu_permille(s, now_ns - s->sampled_ns);
        sample.memory_bytes =
            read_proc("/proc/self/statm", shedding_parse_pages) * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    s->sampled_ns = now_ns;
    metric_set(s->pressure, weir_shed_feed(&s->shed, &sample, now_ns));
}

static void sample_loop(void *arg)
{
    do {
        take_sample(arg);
    } while (weir_sleep(SAMPLE_NS) == 0);
}

static void release_nothing(void *arg)
{
}

/* -- configuration -- */

/* What is given is where a source is all there is; it begins to count at half of that, the delay at
 * a tenth. */
static struct weir_shed_options options_of(const struct config *c)
{
    struct weir_shed_options o = weir_shed_defaults();

    o.ranges[WEIR_SHED_CPU] =
        (struct weir_shed_range){c->shed.cpu_percent * 5, c->shed.cpu_percent * 10};
    o.ranges[WEIR_SHED_QUEUE] =
        (struct weir_shed_range){c->shed.queue_delay_ns / 10, c->shed.queue_delay_ns};
    o.ranges[WEIR_SHED_MEMORY] =
        (struct weir_shed_range){(int64_t)c->shed.memory_bytes / 2, (int64_t)c->shed.memory_bytes};
    o.ranges[WEIR_SHED_RUNNING] =
        (struct weir_shed_range){c->shed.in_flight / 2, c->shed.in_flight};
    /* How long requests take is the upstreams' doing: Little's law says nothing about the gateway.
     */
    o.capacity_from = WEIR_SHED_NEVER;
    return o;
}

void shedding_init(struct shedding *s)
{
    s->pressure = metric_get(METRIC_SHED_PRESSURE, NULL);
    s->refused = metric_get2(METRIC_POLICY_REFUSED, STR("shed"), STR("load_shedding"));
}

void shedding_done(struct shedding *s)
{
    metric_put(s->pressure);
    metric_put(s->refused);
}

/* Requests of an older generation may still ask: what was learnt stays where it is. */
static int set_options(struct shedding *s, const struct config *c)
{
    struct weir_shed_options o = options_of(c);
    int rc = s->begun ? weir_shed_set(&s->shed, &o, weir_now())
                      : weir_shed_init(&s->shed, &o, weir_now());

    s->begun |= rc == 0;
    return rc;
}

int shedding_configure(struct gateway *g, const struct config *c)
{
    struct shedding *s = &g->shedding;
    int rc;

    if (c == NULL || !c->shed.enabled) {
        task_stop(&s->task);
        s->task = (struct task){0};
        s->sampling = false;
        metric_set(s->pressure, 0);
        return 0;
    }
    rc = set_options(s, c);
    if (rc == 0 && !s->sampling)
        rc = task_start(&s->task, "load shedding", sample_loop, release_nothing, g);
    if (rc == 0)
        s->sampling = true;
    return rc;
}
