/* Counters, read while others count. */
#include <weir/diagnose.h>

#include "runtime/pool.h"
#include "runtime/sched.h"

static uint64_t read_counter(const _Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_processor(struct weir_stats *s, struct p *p, uint64_t *ended, uint64_t *unparks)
{
    *ended += read_counter(&p->ended);
    *unparks += read_counter(&p->unparks);
    s->coroutines_started += read_counter(&p->started);
    s->parks += read_counter(&p->parks);
    s->steals += read_counter(&p->steals);
    s->polls += read_counter(&p->polls);
    s->poll_events += read_counter(&p->events);
    s->timers_fired += read_counter(&p->fired);
    s->run_queue_len += runq_len(&p->q);
    s->run_queue_len += atomic_load_explicit(&p->q.next, memory_order_relaxed) != NULL;
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++)
        s->sched_delay[i] += read_counter(&p->delays[i]);
    s->sched_delay_sum_ns += read_counter(&p->delay_sum_ns);
}
_Static_assert((int)DELAY_BUCKETS == (int)WEIR_DELAY_BUCKETS, "histogram of delays");

static void add_processors(struct weir_stats *s)
{
    unsigned count = atomic_load(&rt.p_count);
    uint64_t ended = 0, unparks = read_counter(&rt.foreign_unparks);

    s->coroutines_started = read_counter(&rt.foreign_started);
    for (unsigned i = 0; i < count; i++)
        add_processor(s, rt.ps[i], &ended, &unparks);
    s->coroutines_live = (uint32_t)(s->coroutines_started - ended);
    s->coroutines_parked = s->parks > unparks ? (uint32_t)(s->parks - unparks) : 0;
}

static void add_monitor(struct weir_stats *s)
{
    struct monitor_stats m;

    monitor_get_stats(&m);
    s->handoffs = m.handoffs;
    s->substitutions = m.substitutions;
    s->hogs = m.hogs;
    s->panics = atomic_load_explicit(&rt.panics, memory_order_relaxed);
}

int weir_stats(struct weir_stats *stats)
{
    struct weir_stats s = {.size = stats->size};

    if (s.size < sizeof(s.size) || s.size > sizeof(s))
        return -EINVAL;
    if (rt.world != NULL) {
        s.processors = sched_workers();
        s.processors_idle = atomic_load(&rt.idle_count);
        s.threads = rt.simulated ? 1 : mandate_threads();
        s.threads_seeking = atomic_load(&rt.spinning);
        s.run_queue_len = s.global_queue_len = atomic_load(&rt.global_len);
        s.stacks_free = stack_free_count();
        s.stacks_total = stack_used_count();
        s.panics = atomic_load(&rt.panics);
        add_processors(&s);
        add_monitor(&s);
        blocking_counts(&s.blocking_threads, &s.blocking_queued);
        pool_add_stats(&s);
    }
    memcpy(stats, &s, s.size);
    return 0;
}

void runtime_get_stats(struct runtime_stats *ret)
{
    struct weir_stats s = {.size = sizeof(s)};

    weir_stats(&s);
    *ret = (struct runtime_stats){
        .coroutines_live = s.coroutines_live,
        .coroutines_parked = s.coroutines_parked,
        .coroutines_started = s.coroutines_started,
        .steals = s.steals,
        .polls = s.polls,
        .poll_events = s.poll_events,
        .timers_fired = s.timers_fired,
        .stacks_free = s.stacks_free,
        .stacks_total = s.stacks_total,
        .run_queue_len = s.run_queue_len,
    };
}
