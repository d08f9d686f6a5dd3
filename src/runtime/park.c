/* Waiting and waking: the claim word's life (co.h), sleeping, yielding. */
#include "runtime/profile.h"
#include "runtime/sched.h"

/* What can end the wait before anybody else comes: its scope, or a time. */
static void guard_wait(struct co *co, int64_t at_ns)
{
    struct p *p = co->m->p;

    at_ns = MIN(at_ns, co->deadline_ns);
    if (co_cancelled(co))
        co_claim(co, co->seq, RESULT_CANCELLED);
    else if (at_ns <= p->place.now_ns)
        co_claim(co, co->seq, RESULT_TIMEOUT);
    else if (at_ns != NS_NEVER)
        timer_arm(p->wheel, co_timer(co), at_ns,
                  (uint64_t)co->seq << 32 | (uint64_t)co->index << 8);
}

static inline int take_result(struct co *co)
{
    static const int codes[] = {[RESULT_WOKEN] = 0,
                                [RESULT_TIMEOUT] = -ETIMEDOUT,
                                [RESULT_CANCELLED] = -ECANCELED,
                                [RESULT_CLOSED] = -EBADF};
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_acquire);

    ASSERT_HOT((c & CLAIM_RESULT) != 0 && (uint32_t)(c >> 32) == co->seq);
    park_abandon(co);
    if (likely((c >> 4 & 3) == RESULT_WOKEN))
        return 0; /* the table is a cache miss */
    return codes[(c >> 4) & 3];
}

static inline int wait_here(struct co *co, int64_t at_ns, struct spinlock *unlock)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);

    if ((c & CLAIM_SHIELD) == 0)
        guard_wait(co, at_ns);
    c = atomic_load_explicit(&co->claim, memory_order_relaxed);
    if (likely((c & CLAIM_PREPARE) != 0))
        switch_away(co->m, co, sched_pick(co->m), AFTER_PARK, unlock);
    else if (unlock != NULL)
        spin_unlock(unlock);
    return take_result(co);
}

static NOINLINE int park_profiled(struct co *co, int64_t at_ns, struct spinlock *unlock)
{
    int64_t since_ns = world_now_ns(rt.world);
    enum wait_reason reason = co->wait_reason;
    const void *object = co->wait_object;
    int r;

    co->wait_since_ns = since_ns; /* the time of the round is not exact enough */
    r = wait_here(co, at_ns, unlock);
    profile_wait(reason, object, since_ns);
    return r;
}

int park(struct co *co, int64_t at_ns, struct spinlock *unlock)
{
    if (profile_on(WEIR_PROFILE_BLOCK | WEIR_PROFILE_MUTEX))
        return park_profiled(co, at_ns, unlock);
    return wait_here(co, at_ns, unlock);
}

int park_held(struct co *co, struct spinlock *lock)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);

    if (co_cancelled(co) && (c & CLAIM_SHIELD) == 0) {
        spin_unlock(lock);
        park_abandon(co);
        return -ECANCELED;
    }
    switch_away(co->m, co, sched_pick(co->m), AFTER_PARK_HELD, lock);
    return take_result(co);
}

void park_run_on(struct m *m, struct co *co)
{
    if (profile_on(WEIR_PROFILE_MUTEX))
        profile_unlock(co);
    if (likely(m != NULL))
        stat_add(&m->p->unparks, 1);
    else
        atomic_fetch_add(&rt.foreign_unparks, 1);
    sched_ready_next(m, co);
}

void park_run(struct co *co)
{
    park_run_on(m_current(), co);
}

struct co *park_claim(co_ticket ticket)
{
    struct co *co = stack_co((uint32_t)ticket >> 8);
    enum claim_outcome outcome = co_claim(co, (uint32_t)(ticket >> 32), RESULT_WOKEN);

    ASSERT_HOT(outcome != CLAIM_EARLY);
    return outcome == CLAIM_WON ? co : NULL;
}

bool park_wake(co_ticket ticket, enum claim_result result)
{
    struct co *co = stack_co((uint32_t)ticket >> 8);
    enum claim_outcome outcome = co_claim(co, (uint32_t)(ticket >> 32), result);

    if (outcome == CLAIM_WON)
        park_run(co);
    return outcome != CLAIM_LOST;
}

/* ---- cancelling ---- */

/* Held while a canceller goes to a lock that it has found in a control block: see
 * park_lock_ends(). */
static struct spinlock interrupting;

/* The wait may be over by now, and its lock gone. While the wait goes on the lock is there; and who
 * takes it away afterwards waits for us, or we see here that the wait is over. */
static NOINLINE void interrupt_locked(struct co *co, uint32_t seq)
{
    bool claimed = false;
    struct spinlock *lock;
    uint64_t c;

    spin_lock(&interrupting);
    full_fence();
    lock = atomic_load_explicit(&co->wait_lock, memory_order_acquire);
    c = atomic_load(&co->claim);
    if ((uint32_t)(c >> 32) == seq && (c & (CLAIM_PREPARE | CLAIM_WAITING)) != 0) {
        spin_lock(lock);
        claimed = co_claim_held(co, seq, RESULT_CANCELLED);
        spin_unlock(lock);
    }
    spin_unlock(&interrupting);
    if (claimed)
        park_run(co);
}

void park_interrupt(struct co *co)
{
    uint64_t c;

    full_fence();
    c = atomic_load(&co->claim);
    if ((c & (CLAIM_PREPARE | CLAIM_WAITING)) == 0 || (c & CLAIM_SHIELD) != 0)
        return;
    if ((c & CLAIM_LOCKED) != 0)
        interrupt_locked(co, (uint32_t)(c >> 32));
    else
        park_wake((c >> 32 << 32) | (uint64_t)co->index << 8, RESULT_CANCELLED);
}

void park_lock_ends(void)
{
    full_fence();
    if (unlikely(atomic_load_explicit(&interrupting.held, memory_order_acquire) != 0)) {
        spin_lock(&interrupting);
        spin_unlock(&interrupting);
    }
}

/* ---- yielding and sleeping ---- */

/* The pick of one who yields to a ring that has no thieves. NULL: any other case. */
static inline struct co *pick_rotating(struct p *p, struct co *co)
{
    unsigned tick = sched_tick(p) + 1;
    struct co *next;

    if (unlikely((int)(tick - atomic_load_explicit(&p->round_tick, memory_order_relaxed)) >= 0))
        return NULL;
    next = runq_rotate(&p->q, co);
    if (likely(next != NULL))
        atomic_store_explicit(&p->tick, tick, memory_order_relaxed);
    return next;
}

void park_yield(struct co *co)
{
    struct m *m = co->m;
    struct co *next;

    if (unlikely(explore_active))
        explore_yields(co);
    next = pick_rotating(m->p, co);
    if (likely(next != NULL)) {
        switch_away(m, co, next, AFTER_ROTATE, NULL);
        return;
    }
    next = sched_pick(m);
    if (next == &m->g0 && !sched_round_due(m)) {
        atomic_store_explicit(&co->budget, BUDGET_OPS, memory_order_relaxed); /* nobody else */
        return;
    }
    switch_away(m, co, next, AFTER_YIELD, NULL);
}

int weir_yield(void)
{
    struct co *co = co_self();

    ASSERT(co != NULL);
    park_yield(co);
    return co_check(co);
}

int weir_sleep(int64_t ns)
{
    struct co *co = co_self();
    int64_t at_ns;
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    at_ns = world_now_ns(rt.world);
    if (__builtin_add_overflow(at_ns, MAX(ns, 0), &at_ns))
        at_ns = NS_NEVER;
    park_prepare(co, WAIT_SLEEP, NULL, 0);
    r = park(co, at_ns, NULL);
    if (r == -ETIMEDOUT && at_ns <= co->deadline_ns)
        return 0;
    return r;
}

int64_t weir_now(void)
{
    return world_now_ns(runtime_world());
}
