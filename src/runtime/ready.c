/* The runnable ones: each processor's ring and slot (runq.h), the global queue behind them, and the
 * bag of the simulated world. */
#include <stdlib.h>

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
        n = n / rt.p_count + 1 < n ? n / rt.p_count + 1 : n;
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

static void bag_put(struct p *p, struct co *co)
{
    if (p->bag_len == p->bag_cap) {
        p->bag_cap = p->bag_cap != 0 ? p->bag_cap * 2 : 64;
        p->bag = reallocarray(p->bag, p->bag_cap, sizeof(struct co *));
        ASSERT(p->bag != NULL); /* bounded by the number of coroutines */
    }
    p->bag[p->bag_len++] = co;
}

struct co *ready_draw(struct p *p)
{
    uint32_t i;
    struct co *co;

    if (p->bag_len == 0)
        return NULL;
    i = (uint32_t)rng_below(&p->place.rng, p->bag_len);
    co = p->bag[i];
    p->bag[i] = p->bag[--p->bag_len];
    return co;
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

static void ready_foreign(struct co *co)
{
    global_append(co, co, 1);
    full_fence();
    sched_wake_one();
}

void sched_ready_next(struct m *m, struct co *co)
{
    struct co *old;

    if (unlikely(m == NULL)) {
        ready_foreign(co);
        return;
    }
    if (unlikely(rt.simulated)) {
        bag_put(m->p, co);
        return;
    }
    old = runq_swap_next(&m->p->q, co);
    if (old != NULL)
        push_ring(m->p, old);
    if (sched_crowded()) {
        /* Published, then look whether somebody sleeps; who goes to sleep does the reverse. */
        full_fence();
        sched_wake_one();
    }
}

void sched_ready_last(struct m *m, struct co *co)
{
    if (unlikely(m == NULL))
        ready_foreign(co);
    else if (unlikely(rt.simulated))
        bag_put(m->p, co);
    else
        push_ring(m->p, co);
}
