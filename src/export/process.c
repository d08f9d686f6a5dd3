/* The collector of process and runtime metrics. proc files are made by the kernel on reading and
 * wait for no disk, so they are read where the metrics are asked for. In the simulated world they
 * are not: their numbers would differ from run to run. */
#include "export/process.h"

#include <pthread.h>

#include "export/procfs.h"
#include "export/sched_metrics.h"
#include "runtime/runtime.h"
#include "telemetry/metric.h"
#include "world/file.h"
#include "world/file_read.h"

#define PROC_FILE_MAX (1 * MIB)

static struct {
    struct metric *coroutines, *coroutines_parked, *coroutines_started, *run_queue, *steals;
    struct metric *polls, *poll_events, *timers, *stacks, *stacks_free, *processors;
    struct metric *cpu, *memory, *fds, *fds_max, *start;
    struct metric *build;
} m;
static bool running;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* start and stop */

static const struct {
    struct metric **series;
    enum metric_id id;
} all[] = {
    {&m.coroutines, METRIC_COROUTINES},
    {&m.coroutines_parked, METRIC_COROUTINES_PARKED},
    {&m.coroutines_started, METRIC_COROUTINES_STARTED},
    {&m.run_queue, METRIC_RUN_QUEUE},
    {&m.steals, METRIC_STEALS},
    {&m.polls, METRIC_POLLS},
    {&m.poll_events, METRIC_POLL_EVENTS},
    {&m.timers, METRIC_TIMERS_FIRED},
    {&m.stacks, METRIC_STACKS},
    {&m.stacks_free, METRIC_STACKS_FREE},
    {&m.processors, METRIC_PROCESSORS},
    {&m.cpu, METRIC_PROCESS_CPU},
    {&m.memory, METRIC_PROCESS_MEMORY},
    {&m.fds, METRIC_PROCESS_FDS},
    {&m.fds_max, METRIC_PROCESS_FDS_MAX},
    {&m.start, METRIC_PROCESS_START},
};

static void collect_runtime(void)
{
    struct runtime_stats s;

    runtime_get_stats(&s);
    metric_set(m.coroutines, s.coroutines_live);
    metric_set(m.coroutines_parked, s.coroutines_parked);
    metric_set(m.coroutines_started, (int64_t)s.coroutines_started);
    metric_set(m.run_queue, s.run_queue_len);
    metric_set(m.steals, (int64_t)s.steals);
    metric_set(m.polls, (int64_t)s.polls);
    metric_set(m.poll_events, (int64_t)s.poll_events);
    metric_set(m.timers, (int64_t)s.timers_fired);
    metric_set(m.stacks, s.stacks_total);
    metric_set(m.stacks_free, s.stacks_free);
    metric_set(m.processors, runtime_processor_count());
}

/* The number behind key in a proc file. */
static bool read_number(const char *path, struct str key, uint64_t *ret)
{
    struct text t = {.max = PROC_FILE_MAX};
    bool found =
        world_file_read(path, &t) == 0 && procfs_find_number(str_n(t.ptr, t.len), key, ret) == 0;

    text_done(&t);
    return found;
}

static void collect_stat(void)
{
    struct text t = {.max = PROC_FILE_MAX};
    struct procfs_stat s;
    uint64_t boot;

    if (world_file_read("/proc/self/stat", &t) == 0 &&
        procfs_parse_stat(str_n(t.ptr, t.len), &s) == 0) {
        metric_set(m.cpu, s.cpu_ns);
        if (read_number("/proc/stat", STR("btime "), &boot))
            metric_set(m.start, (int64_t)boot * NS_PER_SEC + s.start_since_boot_ns);
    }
    text_done(&t);
}

static void collect(void *arg)
{
    uint64_t number;
    int fds;

    collect_runtime();
    sched_metrics_collect();
    if (runtime_world()->simulated)
        return;
    collect_stat();
    if (read_number("/proc/self/status", STR("VmRSS:"), &number))
        metric_set(m.memory, (int64_t)(number * KIB));
    if (read_number("/proc/self/limits", STR("Max open files"), &number))
        metric_set(m.fds_max, (int64_t)number);
    fds = world_dir_count("/proc/self/fd");
    if (fds > 0)
        metric_set(m.fds, fds - 1); /* the one that counted */
}

static void put_series(void)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metric_put(*all[i].series);
    sched_metrics_close();
    metric_put(m.build);
}

int process_metrics_start(struct str version)
{
    int error = 0;

    pthread_mutex_lock(&lock);
    if (!running) {
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            *all[i].series = metric_get(all[i].id, NULL);
        sched_metrics_open();
        m.build = metric_get1(METRIC_BUILD_INFO, version);
        metric_set(m.build, 1);
        error = metric_add_collector(collect, NULL);
        if (error != 0)
            put_series();
        running = error == 0;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

void process_metrics_stop(void)
{
    pthread_mutex_lock(&lock);
    if (running) {
        metric_remove_collector(collect, NULL);
        put_series();
        running = false;
    }
    pthread_mutex_unlock(&lock);
}
