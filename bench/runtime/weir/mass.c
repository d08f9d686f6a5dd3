/* Very many coroutines at once: asleep, parked, or one for each small task. */
#include <stdio.h>
#include <stdlib.h>

#include <weir/chan.h>
#include <weir/pool.h>
#include <weir/scope.h>
#include <weir/sync.h>
#include <weir/timer.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

/* ---- timers, and coroutines that sleep ---- */

enum { SPREAD_US = 1000 * 1000, SPREAD_STEP = 7919 };

static struct weir_wait_group to_come;

static int64_t span_ns(uint64_t i)
{
    return (int64_t)(i * SPREAD_STEP % SPREAD_US) * WEIR_US;
}

static void fire(void *arg)
{
    weir_wait_group_done(&to_come);
}

void test_timers(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();
    struct weir_timer *timers = calloc(count, sizeof(*timers));

    meter_expect(timers != NULL, "memory for the timers");
    weir_wait_group_add(&to_come, (int64_t)count);
    for (uint64_t i = 0; i < count; i++) {
        weir_timer_call(&timers[i], span_ns(i), fire, NULL);
        weir_checkpoint();
    }
    weir_wait_group_wait(&to_come);
    meter_print(meter_end(m), 1, "");
    free(timers);
}

static void sleep_once(void *arg)
{
    weir_sleep(span_ns((uintptr_t)arg));
    weir_wait_group_done(&to_come);
}

void test_sleepers(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();

    weir_wait_group_add(&to_come, (int64_t)count);
    for (uint64_t i = 0; i < count; i++) {
        meter_expect(weir_go("sleeper", sleep_once, (void *)(uintptr_t)i) == 0, "a sleeper");
        weir_checkpoint();
    }
    weir_wait_group_wait(&to_come);
    meter_print(meter_end(m), 1, "");
}

/* ---- memory ---- */

static struct weir_chan *gate;
static struct weir_wait_group parked;

static void wait_at_gate(void *arg)
{
    int64_t nothing;

    weir_wait_group_done(&parked);
    weir_chan_recv(gate, &nothing);
}

void test_memory(uint64_t count, unsigned workers)
{
    struct meter m;
    char more[80];

    gate = weir_chan_new(sizeof(int64_t), 0);
    weir_wait_group_add(&parked, (int64_t)count);
    m = meter_begin();
    WEIR_SCOPE (s) {
        for (uint64_t i = 0; i < count; i++) {
            meter_expect(weir_scope_go(s, "parked", wait_at_gate, NULL) == 0, "one more started");
            weir_checkpoint();
        }
        weir_wait_group_wait(&parked);
        m = meter_end(m);
        snprintf(more, sizeof(more), ", \"bytes\": %.1f", (double)m.memory / (double)count);
        weir_chan_close(gate);
    }
    weir_chan_free(gate);
    meter_print(m, count, more);
}

/* ---- small tasks: a coroutine for each, or a pool ---- */

enum { POOL_WORKERS_EACH = 4, POOL_QUEUE = 1024 };

/* When each task was submitted, and, once it has begun, how long that took. */
static int64_t *delays_ns;

static long run_task(void *arg)
{
    int64_t *delay_ns = arg;

    *delay_ns = meter_now_ns() - *delay_ns;
    meter_expect(meter_task((uint64_t)(delay_ns - delays_ns) + 1) != 0, "the task's result");
    return 0;
}

static void run_task_alone(void *arg)
{
    run_task(arg);
}

static struct meter begin_tasks(uint64_t count)
{
    delays_ns = calloc(count, sizeof(*delays_ns));
    meter_expect(delays_ns != NULL, "memory for the delays");
    for (uint64_t i = 0; i < count; i++)
        delays_ns[i] = -1; /* touched before memory is measured */
    return meter_begin();
}

static void end_tasks(struct meter m, uint64_t count)
{
    int64_t peak = meter_memory_peak() - m.memory;
    char delays[80], more[160];

    m = meter_end(m);
    meter_quantiles(delays_ns, count, delays);
    snprintf(more, sizeof(more), ", \"peak_bytes\": %lld%s", (long long)peak, delays);
    meter_print(m, count, more);
    free(delays_ns);
}

void test_tasks(uint64_t count, unsigned workers)
{
    struct meter m = begin_tasks(count);

    WEIR_SCOPE (s) {
        for (uint64_t i = 0; i < count; i++) {
            delays_ns[i] = meter_now_ns();
            meter_expect(weir_scope_go(s, "task", run_task_alone, &delays_ns[i]) == 0, "a task");
            weir_checkpoint();
        }
    }
    end_tasks(m, count);
}

static struct weir_wait_group meeting;

static long meet(void *arg)
{
    weir_wait_group_done(&meeting);
    weir_wait_group_wait(&meeting);
    return 0;
}

/* One task for each worker, which ends when all have begun: what the workers need is there then,
 * and not counted as the tasks'. */
static void bring_up(struct weir_pool *pool, unsigned workers)
{
    weir_wait_group_add(&meeting, workers);
    for (unsigned i = 0; i < workers; i++)
        meter_expect(weir_pool_go(pool, meet, NULL) == 0, "a job for a worker");
    weir_pool_drain(pool);
}

void test_pool(uint64_t count, unsigned workers)
{
    struct weir_pool_options o = {.size = sizeof(o),
                                  .name = "task",
                                  .workers = POOL_WORKERS_EACH * workers,
                                  .queue = POOL_QUEUE};
    struct weir_pool *pool = weir_pool_new(&o);
    struct meter m;

    bring_up(pool, o.workers);
    m = begin_tasks(count);
    for (uint64_t i = 0; i < count; i++) {
        delays_ns[i] = meter_now_ns();
        meter_expect(weir_pool_go(pool, run_task, &delays_ns[i]) == 0, "a job");
    }
    weir_pool_drain(pool);
    end_tasks(m, count);
    weir_pool_free(pool);
}
