/* Switching from stack to stack. */
#include "runtime/sched.h"

/* switch_*.S */
void co_switch(void **save_sp, void *load_sp);
void co_entry(void);
NORETURN void co_main(struct co *co);

enum {
    COLOUR_STEP = 320, /* tops of equal slots would share one cache set: spread them over 1 KiB, */
    COLOUR_MASK = 1023 /* so that control block and first frames stay within one page */
};

void switch_prepare(struct co *co)
{
    uintptr_t top = (uintptr_t)co - (co->index * COLOUR_STEP & COLOUR_MASK) - 16;
    uintptr_t *sp = (uintptr_t *)(top & ~(uintptr_t)15);

#if defined(__x86_64__)
    *--sp = (uintptr_t)co_entry;
    sp -= 6; /* rbp rbx r12 r13 r14 r15, from the top */
    sp[5] = 0;
    sp[4] = 0;
    sp[3] = (uintptr_t)co;
    sp[2] = sp[1] = sp[0] = 0;
#elif defined(__aarch64__)
    sp -= 20; /* x19 ... x30, d8 ... d15, from the bottom */
    memset(sp, 0, 20 * sizeof(*sp));
    sp[0] = (uintptr_t)co;
    sp[11] = (uintptr_t)co_entry;
#else
#error "no context switch for this machine"
#endif
    co->sp = sp;
}

/* Finishes the park of a coroutine that has left its stack. Only from here on can a waker make it
 * run; one that claimed it before left that to us, and so did a canceller that came too early. */
static void finish_park(struct m *m, struct co *co, struct spinlock *unlock)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);
    bool waits = false;

    while ((c & CLAIM_PREPARE) != 0 && !waits)
        waits =
            atomic_compare_exchange_weak_explicit(&co->claim, &c, c + CLAIM_WAITING - CLAIM_PREPARE,
                                                  memory_order_seq_cst, memory_order_relaxed);
    if (unlock != NULL)
        spin_unlock(unlock);
    if (!waits) {
        sched_ready_last(m, co);
        return;
    }
    stat_add(&m->p->parks, 1);
    fence_after_rmw();
    if (unlikely(atomic_load_explicit(&co->cancelled, memory_order_relaxed)) &&
        (c & CLAIM_SHIELD) == 0)
        park_wake((c >> 32 << 32) | (uint64_t)co->index << 8, RESULT_CANCELLED);
}

static void switch_after(struct m *m)
{
    enum after after = m->after;
    struct co *co = m->after_co;

    m->after = AFTER_NOTHING;
    if (after == AFTER_PARK)
        finish_park(m, co, m->after_unlock);
    else if (after == AFTER_YIELD)
        sched_ready_last(m, co);
    else if (after == AFTER_EXIT)
        spawn_free(m, co);
}

static struct stack_bounds bounds_of(struct m *m, struct co *co)
{
    if (co == &m->g0)
        return m->bounds;
    return (struct stack_bounds){stack_low(co), (size_t)((char *)co - stack_low(co))};
}

/* Without a guard (src/runtime/README.md) this is what notices an overflow. */
static void check_depth(struct co *co)
{
    ASSERT((char *)__builtin_frame_address(0) > stack_low(co));
}

NOINLINE void switch_away(struct m *m, struct co *from, struct co *to, enum after after,
                          struct spinlock *unlock)
{
    if (from != &m->g0)
        check_depth(from);
    m->after = after;
    m->after_co = from;
    m->after_unlock = unlock;
    to->m = m;
    to->budget = BUDGET_OPS;
    sanitize_leave(from, to, bounds_of(m, to), after == AFTER_EXIT);
    co_switch(&from->sp, to->sp);
    sanitize_arrive(from, false);
    switch_after(from->m);
}

void switch_bounds(struct m *m)
{
    pthread_attr_t attr;
    void *low;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &low, &m->bounds.size) == 0)
        m->bounds.low = low;
    pthread_attr_destroy(&attr);
}

/* The first function on every stack; co_entry calls it. */
NORETURN void co_main(struct co *co)
{
    sanitize_arrive(co, true);
    switch_after(co->m);
    if (co->cause == CO_PLAIN)
        co->fn.plain(co->arg);
    else
        co->fn.watch(co->arg, (enum poll_watch_cause)co->cause);
    spawn_ended(co);
    switch_away(co->m, co, sched_pick(co->m), AFTER_EXIT, NULL);
    __builtin_trap();
}
