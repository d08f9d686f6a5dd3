/* The runnable ones: each processor's ring and slot (runq.h), the global queue behind them. Those
 * of the simulated world are in bag.c. */
#include "runtime/profile.h"
#include "runtime/sched.h"

static void global_append(struct co *first, struct co *last, unsigned count)
{
    last->next = NULL;
    spin_lock(&rt.global_lock);
    if (rt.global_last != NULL)
        rt.global_last->next = first;
    else
        rt.global_first = first;
    rt.global_last = last;
    atomic_fetch_add_explicit(&rt.global_len, count, memory_order_relaxed);
    spin_unlock(&rt.global_lock);
}

struct co *ready_take_global(struct p *p, unsigned max)
{
    unsigned n = atomic_load_explicit(&rt.global_len, memory_order_relaxed);
    struct co *first, *co;

    if (n == 0)
        return NULL;
    spin_lock(&rt.global_lock);
    n = atomic_load_explicit(&rt.global_len, memory_order_relaxed);
    max = MIN(max, (unsigned)RUNQ_SIZE / 2);
    if (n > 1)
        n = n / sched_workers() + 1 < n ? n / sched_workers() + 1 : n;
    n = MIN(n, max);
    first = rt.global_first;
    co = first;
    for (unsigned i = 1; i < n; i++)
        co = co->next;
    if (n > 0) {
        rt.global_first = co->next;
        if (co->next == NULL)
            rt.global_last = NULL;
        atomic_fetch_sub_explicit(&rt.global_len, n, memory_order_relaxed);
    }
    spin_unlock(&rt.global_lock);
    if (n == 0)
        return NULL;
    co = first->next;
    for (unsigned i = 1; i < n; i++) {
        struct co *next = co->next;

        if (!runq_push(&p->q, co))
            global_append(co, co, 1);
        co = next;
    }
    return first;
}

static void push_ring(struct p *p, struct co *co)
{
    while (unlikely(!runq_push(&p->q, co))) {
        struct co *first, *last;
        unsigned n = runq_take_half(&p->q, &first, &last);

        if (n > 0)
            global_append(first, last, n);
    }
}

void ready_surrender(struct p *p)
{
    struct co *co;
    bool any = false;

    while ((co = runq_get(&p->q)) != NULL) {
        global_append(co, co, 1);
        any = true;
    }
    if (any) {
        full_fence();
        sched_wake_one();
    }
}

/* ---- delays ---- */

NOINLINE void ready_note_time(struct co *co)
{
    co->ready_ns = world_now_ns(rt.world);
}

void ready_note_delay(struct p *p, struct co *co)
{
    int64_t delay_ns = MAX(world_now_ns(rt.world) - co->ready_ns, 0);
    uint64_t us = (uint64_t)(delay_ns / NS_PER_US);
    unsigned bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

    co->ready_ns = 0;
    stat_add(&p->delays[MIN(bucket, DELAY_BUCKETS - 1U)], 1);
    stat_add(&p->delay_sum_ns, (uint64_t)delay_ns);
    if (profile_on(WEIR_PROFILE_SCHED))
        profile_delay(co, delay_ns);
}

/* ---- making runnable ---- */

/* What co does may be the end of the runtime, which waits until we are out of here. */
static void ready_foreign(struct co *co)
{
    atomic_fetch_add(&rt.foreign_busy, 1);
    global_append(co, co, 1);
    full_fence();
    sched_wake_one();
    atomic_fetch_sub(&rt.foreign_busy, 1);
}

/* What the slot held goes where it belongs. Out of line, as is all that is not done each time. */
static NOINLINE void requeue(struct p *p, struct co *old)
{
    if (old->newborn) {
        runq_push_newborn(&p->q, old);
        if (unlikely(brood_len(&p->q.brood) >= BROOD_MANY))
            monitor_want_checkpoints();
    } else
        push_ring(p, old);
}

/* Published, then look whether somebody sleeps; who goes to sleep does the reverse. */
static NOINLINE void offer(void)
{
    full_fence();
    sched_wake_one();
}

static NOINLINE void ready_elsewhere(struct m *m, struct co *co)
{
    if (m == NULL)
        ready_foreign(co);
    else
        bag_put(co);
}

/* What is rare in sched_ready_next(): out of line and called last, so that it needs no frame. */
static NOINLINE void ready_next_in_the_open(struct p *p, struct co *co)
{
    struct co *old;

    if (ready_sampled(p))
        ready_note_time(co);
    old = runq_swap_next(&p->q, co);
    if (old != NULL)
        requeue(p, old);
    if (sched_crowded())
        offer();
}

/* Alone there is nobody to offer it to: who is without work later looks at this queue himself. */
void sched_ready_next(struct m *m, struct co *co)
{
    struct p *p;
    struct co *old;

    if (unlikely(m == NULL || rt.simulated)) {
        ready_elsewhere(m, co);
        return;
    }
    p = m->p;
    if (unlikely(ready_sampled(p)) || !lone_enter(&p->q.lone)) {
        ready_next_in_the_open(p, co);
        return;
    }
    old = runq_swap_(&p->q, co, true);
    lone_leave(&p->q.lone);
    if (old != NULL)
        requeue(p, old);
}

void sched_ready_last(struct m *m, struct co *co)
{
    if (unlikely(m == NULL))
        ready_foreign(co);
    else if (unlikely(rt.simulated))
        bag_put(co);
    else
        push_ring(m->p, co);
}

void sched_ready_yielded(struct m *m, struct co *co)
{
    if (unlikely(rt.simulated) || unlikely(!runq_push_yielded(&m->p->q, co, sched_tick(m->p))))
        sched_ready_last(m, co);
}
