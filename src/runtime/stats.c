/* Counters, read while others count. */
#include <weir/diagnose.h>

#include "runtime/sched.h"

void runtime_get_stats(struct runtime_stats *ret)
{
    uint64_t parks = 0, unparks, ended = 0;
    struct runtime_stats s = {.coroutines_started = atomic_load(&rt.foreign_started)};

    unparks = atomic_load(&rt.foreign_unparks);
    s.run_queue_len = atomic_load(&rt.global_len);
    for (unsigned i = 0; i < rt.p_count; i++) {
        struct p *p = rt.ps[i];

        ended += atomic_load_explicit(&p->ended, memory_order_relaxed);
        unparks += atomic_load_explicit(&p->unparks, memory_order_relaxed);
        s.coroutines_started += atomic_load_explicit(&p->started, memory_order_relaxed);
        parks += atomic_load_explicit(&p->parks, memory_order_relaxed);
        s.steals += atomic_load_explicit(&p->steals, memory_order_relaxed);
        s.polls += atomic_load_explicit(&p->polls, memory_order_relaxed);
        s.poll_events += atomic_load_explicit(&p->events, memory_order_relaxed);
        s.timers_fired += atomic_load_explicit(&p->fired, memory_order_relaxed);
        s.run_queue_len += runq_len(&p->q);
        s.run_queue_len += atomic_load_explicit(&p->q.next, memory_order_relaxed) != NULL;
    }
    s.coroutines_live = (uint32_t)(s.coroutines_started - ended);
    s.coroutines_parked = parks > unparks ? (uint32_t)(parks - unparks) : 0;
    s.stacks_free = stack_free_count();
    s.stacks_total = stack_used_count();
    *ret = s;
}
