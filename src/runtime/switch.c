/* Switching from stack to stack. */
#include "runtime/exceptions.h"
#include "runtime/fault.h"
#include "runtime/finish_park.h"
#include "runtime/sched.h"

/* A stack to go on with, as the code in switch_*.S takes it in two registers. */
struct resumption {
    void *sp;
    bool newborn;
};

/* switch_*.S */
void co_switch(void **save_sp, void *load_sp, bool newborn);
struct resumption co_main(struct co *co);

/* Each switch is followed by one call of this, by whoever runs next. */
static inline void switch_after(struct m *m)
{
    enum after after = m->after;
    struct co *co = m->after_co;

    if (likely(after == AFTER_PARK_HELD))
        finish_park_held(m, co, m->after_unlock);
    else if (after == AFTER_ROTATE)
        runq_rotated(&m->p->q);
    else if (after == AFTER_PARK)
        finish_park(m, co, m->after_unlock);
    else if (after == AFTER_YIELD)
        sched_ready_yielded(m, co);
    else if (after == AFTER_EXIT)
        spawn_free(m, co);
}

static struct stack_bounds bounds_of(struct m *m, struct co *co)
{
    if (co == &m->g0)
        return m->bounds;
    return (struct stack_bounds){stack_low(co), (size_t)((char *)co - stack_low(co))};
}

/* All but the switch itself. */
static inline void leave(struct m *m, struct co *from, struct co *to, enum after after,
                         struct spinlock *unlock)
{
    if (unlikely(stack_arena.unguarded) && from != &m->g0)
        ASSERT((char *)__builtin_frame_address(0) > stack_low(from));
    m->after = after;
    m->after_co = from;
    m->after_unlock = unlock;
    to->m = m;
    to->place = &m->p->place;
    atomic_store_explicit(&to->budget, BUDGET_OPS, memory_order_relaxed);
    atomic_store_explicit(&m->running, to, memory_order_relaxed);
    if (unlikely(to->ready_ns != 0))
        ready_note_delay(m->p, to);
    sanitize_leave(from, to, bounds_of(m, to), after == AFTER_EXIT);
}

static NOINLINE void switch_with_exceptions(struct m *m, struct co *from, struct co *to,
                                            enum after after, struct spinlock *unlock)
{
    struct exceptions exceptions;
    bool in_flight = exceptions_take(&exceptions);

    leave(m, from, to, after, unlock);
    co_switch(&from->sp, to->sp, to->newborn);
    sanitize_arrive(from, false);
    if (unlikely(in_flight))
        exceptions_restore(&exceptions);
    switch_after(from->m);
}

/* A process uses one of the two ways, so co_switch() has one call site. */
NOINLINE void switch_away(struct m *m, struct co *from, struct co *to, enum after after,
                          struct spinlock *unlock)
{
    if (exceptions_possible()) {
        switch_with_exceptions(m, from, to, after, unlock);
        return;
    }
    leave(m, from, to, after, unlock);
    co_switch(&from->sp, to->sp, to->newborn);
    sanitize_arrive(from, false);
    switch_after(from->m);
}

void switch_bounds(struct m *m)
{
    static struct stack_bounds last; /* simulated: one thread runs schedule after schedule, and */
    static pthread_t last_thread;    /* its bounds are read from /proc/self/maps */
    pthread_attr_t attr;
    void *low;

    fault_begin_thread(m);
    if (rt.simulated && last.low != NULL && pthread_equal(last_thread, pthread_self())) {
        m->bounds = last;
        return;
    }
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &low, &m->bounds.size) == 0)
        m->bounds.low = low;
    pthread_attr_destroy(&attr);
    if (rt.simulated) {
        last = m->bounds;
        last_thread = pthread_self();
    }
}

static inline struct co *next_after_end(struct co *co)
{
    struct co *joiner = spawn_ended(co);

    return joiner != NULL ? sched_pick_after(co->m, joiner) : sched_pick(co->m);
}

NORETURN void co_end(struct co *co)
{
    switch_away(co->m, co, next_after_end(co), AFTER_EXIT, NULL);
    __builtin_trap();
}

/* The first function on every stack; co_entry calls it, and then goes on with what it returns. */
struct resumption co_main(struct co *co)
{
    struct co *next;

    sanitize_arrive(co, true);
    switch_after(co->m);
    co->newborn = false;
    if (co->cause == CO_PLAIN)
        co->fn.plain(co->arg);
    else if (co->cause == CO_RESULT)
        scope_child_result(co, co->fn.result(co->arg));
    else
        co->fn.watch(co->arg, (enum poll_watch_cause)co->cause);
#if defined(WEIR_ASAN) || defined(WEIR_TSAN)
    co_end(co); /* they have been told of the other stack then: no return on this one */
#endif
    next = next_after_end(co);
    leave(co->m, co, next, AFTER_EXIT, NULL);
    return (struct resumption){next->sp, next->newborn};
}
