/* The scheduler as the runtime's own files see it: processors, threads, making coroutines runnable,
 * parking. G, P and M of Go under their usual letters: struct co, struct p, struct m. */
#ifndef WEIR_RUNTIME_SCHED_H
#define WEIR_RUNTIME_SCHED_H

#include <pthread.h>

#include "base/hash.h"
#include "runtime/explore.h"
#include "runtime/runq.h"
#include "runtime/sanitize.h"
#include "runtime/stack.h"

enum {
    PROCESSORS_MAX = 256,
    POLL_EVENTS = 256,
    GLOBAL_EVERY = 61, /* picks between looks at the global queue, the clock and the poller */
};

struct poll_fd;

/* A processor: the right to run coroutines, and what goes with it. */
struct p {
    struct place place;
    struct world_poller *poller; /* constant */

    /* The thread that holds it. */
    struct m *m;
    unsigned round_tick; /* pick at which the next round is due at the latest */
    struct stack_cache stacks;
    uint64_t next_id;
    struct co **bag; /* simulated world: the runnable ones, drawn by chance */
    uint32_t bag_len, bag_cap;
    int64_t trim_ns; /* when to think of trimming; 0: not */

    /* Written by the holder, read by all. */
    CACHE_ALIGNED _Atomic(int64_t) polled_ns;
    atomic_uint tick;      /* picks */
    atomic_bool firing;    /* takes watches away and starts their coroutines: see join_all() */
    atomic_bool idle;      /* on the idle list; written under rt.idle_lock */
    struct list idle_node; /* under rt.idle_lock */
    _Atomic(uint64_t) started, ended, parks, unparks, steals, polls, events, fired;

    struct runq q;
    struct wheel wheel;

    /* Anybody: who polls, and sockets closed since the last poll. */
    CACHE_ALIGNED struct spinlock poll_lock;
    _Atomic(struct poll_fd *) retired;
};

/* What to do with the coroutine that was left, on the stack that was switched to. */
enum after { AFTER_NOTHING, AFTER_PARK, AFTER_YIELD, AFTER_EXIT };

/* A thread. */
struct m {
    struct co g0; /* the thread's own stack: the scheduler loop */
    struct p *p;
    enum after after;
    struct co *after_co;
    struct spinlock *after_unlock;
    bool spinning; /* looks for work of others; counted in rt.spinning */
    pthread_t thread;
    struct stack_bounds bounds; /* of the thread's own stack */
    struct world_event events[POLL_EVENTS];
};

struct runtime {
    /* Constant while it runs. */
    struct world *world;
    bool simulated;
    unsigned p_count;
    struct p *ps[PROCESSORS_MAX];
    struct m *ms[PROCESSORS_MAX];

    /* Start and end. */
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
    struct co *main_co;
    atomic_bool stop;     /* threads leave their loops */
    atomic_bool ending;   /* fn has returned; whatever starts now is born cancelled */
    atomic_bool deadlock; /* the simulated world found one */

    /* The global queue: overflow, and what other threads made runnable. */
    CACHE_ALIGNED struct spinlock global_lock;
    atomic_uint global_len;
    struct co *global_first, *global_last;

    /* Who sleeps, who looks for work. */
    CACHE_ALIGNED struct spinlock idle_lock;
    struct list idle_list;
    atomic_uint idle_count;
    atomic_uint spinning;
    atomic_bool lookout; /* a sleeper watches over the processors that work */

    _Atomic(uint64_t) foreign_unparks, foreign_started;
    atomic_uint next_poller;
};

extern struct runtime rt;

/* m.c: this thread, when it is one of the runtime's; looked up through thread-local storage by a
 * function that is never inlined. For code that does not run on a coroutine. */
struct m *m_this_thread(void);
void m_set_this_thread(struct m *m);

/* A counter with one writer that others read. */
static inline void stat_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* There are other processors. */
static inline bool sched_crowded(void)
{
    return rt.p_count > 1;
}

/* The thread and processor of the caller, on a coroutine or not; NULL on foreign threads. Valid
 * until the next call that parks. */
static inline struct m *m_current(void)
{
    struct co *co = co_self();

    return likely(co != NULL) ? co->m : m_this_thread();
}

/* ready.c */
/* Makes co runnable on this processor: as the next one, and wakes a processor that could take it;
 * or behind all others, waking nobody (the scheduler does, once for a batch). m NULL, a foreign
 * thread: through the global queue. */
void sched_ready_next(struct m *m, struct co *co);
void sched_ready_last(struct m *m, struct co *co);

static inline void ready_last(struct m *m, struct co *co)
{
    if (unlikely(rt.simulated) || unlikely(!runq_push(&m->p->q, co)))
        sched_ready_last(m, co);
}

/* Moves up to max coroutines from the global queue to the processor and returns the first. */
struct co *ready_take_global(struct p *p, unsigned max);
/* The simulated world has one processor, and its runnable coroutines are drawn by chance. */
struct co *ready_draw(struct p *p);

/* sched.c */
void sched_loop(struct m *m);
/* Wakes a sleeper to look for work, unless somebody looks already. */
void sched_wake_one(void);
void sched_wake_all(void);
/* A coroutine to switch to, or the scheduler loop of this thread. */
struct co *sched_pick(struct m *m);
/* True when sched_pick() gave the loop because it is time for a look around, not for want of work.
 */
bool sched_round_due(struct m *m);

/* park.c: waiting. A wait is
 *
 *     ticket = park_prepare(co, WAIT_X, object, flags);
 *     ... publish the ticket where wakers look, perhaps under a lock ...
 *     result = park(co, at_ns, lock or NULL);
 *
 * park() unlocks lock only after the stack has been left, so whoever holds it sees WAITING. */
enum { PARK_SHIELDED = 1 }; /* neither deadline nor cancellation ends it */

co_ticket park_prepare(struct co *co, enum wait_reason reason, const void *object, unsigned flags);
/* 0; -ETIMEDOUT: at_ns or the deadline in force; -ECANCELED; -EBADF (RESULT_CLOSED). */
int park(struct co *co, int64_t at_ns, struct spinlock *unlock);
/* Takes a prepared wait back that was not published. */
void park_abandon(struct co *co);

/* Ends the wait that the ticket names. True: this call did it. Any thread. */
bool park_wake(co_ticket ticket, enum claim_result result);
/* The same from the scheduler loop of m: behind all others, so that a batch runs in order. */
static inline bool park_wake_last(struct m *m, co_ticket ticket, enum claim_result result)
{
    struct co *co = stack_co((uint32_t)ticket >> 8);
    enum claim_outcome outcome = co_claim(co, (uint32_t)(ticket >> 32), result);

    if (likely(outcome == CLAIM_WON)) {
        stat_add(&m->p->unparks, 1);
        ready_last(m, co);
    }
    return outcome != CLAIM_LOST;
}

/* In two steps, for a waker that holds the lock under which the ticket was published: the claim
 * (the coroutine, or NULL when another won), and, when all is in place for it, the run. */
struct co *park_claim(co_ticket ticket);
void park_run(struct co *co);

/* -ECANCELED, -ETIMEDOUT when the scope of co has ended, else 0. */
static inline int co_check(const struct co *co)
{
    if (unlikely(atomic_load_explicit(&co->cancelled, memory_order_relaxed)))
        return -ECANCELED;
    if (unlikely(co->deadline_ns <= co->m->p->place.now_ns))
        return -ETIMEDOUT;
    return 0;
}

/* Lets others run without looking at scopes. */
void park_yield(struct co *co);

/* After an operation that did not park: the budget for fairness. */
static inline void co_spend(struct co *co)
{
    if (unlikely(--co->budget == 0))
        park_yield(co);
}

/* spawn.c */
/* A coroutine that is not runnable yet. NULL at the limit. m NULL: a foreign thread. */
struct co *spawn(struct m *m, const char *name, union co_fn fn, void *arg, int cause);
void spawn_ended(struct co *co);                /* by itself, its function has returned */
void spawn_discard(struct m *m, struct co *co); /* instead of making it runnable */
void spawn_free(struct m *m, struct co *co);    /* after it has ended and its stack has been left */
uint32_t spawn_live_count(void);

/* switch.c: leaves from, whose thread is m, does to it what after says once it has been left, and
 * runs the coroutine that sched_pick() gives. Returns when from runs again, perhaps on another
 * thread. The one call site of co_switch(). */
void switch_away(struct m *m, struct co *from, struct co *to, enum after after,
                 struct spinlock *unlock);
void switch_bounds(struct m *m);

/* scope.c */
void scope_child_ended(struct co *co);
/* What the function of a child has returned, before it ends: the first negative one (or
 * -ENOTRECOVERABLE for a panic) becomes the scope's error and cancels what is in it. */
void scope_child_result(struct co *co, int result);
/* Cancels a coroutine for good, with all scopes it has opened. */
void scope_doom(struct co *co);

/* poller.c */
void poller_event(struct m *m, struct poll_fd *pf, uint32_t events);
void poller_timeout(struct m *m, struct timer *t, uint64_t ticket);
void poller_recycle(struct p *p);
void poller_cancel_watches(void);
void poller_retry_starved(struct m *m);
bool poller_has_starved(void);
void poller_done(void);

/* timers of coroutines and of watches are told apart by the low bit of the ticket */
enum { TICKET_WATCH = 1 };

/* blocking.c */
void blocking_stop(void);

/* main.c: the simulated world says that nothing will ever happen again. */
void runtime_deadlocked(void);
/* signal.c */
void signal_stop(void);

#endif
