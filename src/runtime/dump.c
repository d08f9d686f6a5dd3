/* What people see of the runtime: a list of coroutines, counters. */
#include <stdio.h>

#include "runtime/sched.h"

static const char *const reason_text[WAIT_REASON_MAX] = {
    [WAIT_NONE] = "nothing",
    [WAIT_SLEEP] = "sleep",
    [WAIT_READ] = "socket read",
    [WAIT_WRITE] = "socket write",
    [WAIT_CHAN_SEND] = "channel send",
    [WAIT_CHAN_RECV] = "channel receive",
    [WAIT_MUTEX] = "mutex",
    [WAIT_GROUP] = "wait group",
    [WAIT_SCOPE] = "children",
    [WAIT_BLOCKING] = "blocking call",
    [WAIT_SIGNAL] = "signal",
    [WAIT_SELECT] = "select",
    [WAIT_SEMAPHORE] = "semaphore",
    [WAIT_RWMUTEX_READ] = "rwmutex (read)",
    [WAIT_RWMUTEX_WRITE] = "rwmutex (write)",
    [WAIT_COND] = "condition",
    [WAIT_ONCE] = "once",
    [WAIT_FLIGHT] = "single flight",
    [WAIT_POOL] = "room in a pool",
    [WAIT_FUTURE] = "future",
    [WAIT_FD] = "file descriptor",
    [WAIT_PROCESSOR] = "processor",
};

/* Others may run meanwhile: each line is true of some moment, not all of the same. */
static void dump_co(int fd, struct co *co, int64_t now_ns)
{
    uint64_t c = atomic_load(&co->claim);
    const char *cancelled = atomic_load(&co->cancelled) ? ", cancelled" : "";
    enum wait_reason reason = co->wait_reason;
    const void *object = co->wait_object;

    if ((c & CLAIM_WAITING) == 0 || reason >= WAIT_REASON_MAX) {
        dprintf(fd, "coroutine %llu %s: %s%s\n", (unsigned long long)co_id(co), co->name,
                co == co_self() ? "running, here" : "runnable", cancelled);
        return;
    }
    dprintf(fd, "coroutine %llu %s: waits for %s %p, %lld ms%s", (unsigned long long)co_id(co),
            co->name, reason_text[reason], object,
            (long long)((now_ns - co->wait_since_ns) / NS_PER_MS), cancelled);
    if (reason == WAIT_MUTEX && co->wait_for_id != 0)
        dprintf(fd, ", held by coroutine %llu", (unsigned long long)co->wait_for_id);
    dprintf(fd, "\n");
}

void runtime_dump(int fd)
{
    int64_t now_ns = world_now_ns(runtime_world());
    uint32_t used;

    if (stack_arena.base == 0)
        return;
    used = stack_used_count();
    for (uint32_t i = 0; i < used; i++) {
        struct co *co = stack_co(i);

        if (atomic_load_explicit(&co->live, memory_order_acquire))
            dump_co(fd, co, now_ns);
    }
}

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
