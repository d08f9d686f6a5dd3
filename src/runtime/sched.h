/* The scheduler as the runtime's own files see it: processors, threads, making coroutines runnable,
 * parking. G, P and M of Go under their usual letters: struct co, struct p, struct m. */
#ifndef WEIR_RUNTIME_SCHED_H
#define WEIR_RUNTIME_SCHED_H

#include <pthread.h>

#include "base/hash.h"
#include "runtime/explore.h"
#include "runtime/profile.h"
#include "runtime/runq.h"
#include "runtime/sanitize.h"
#include "runtime/stack.h"

enum {
    WORKERS_MAX = 256, /* seats */
    SPARES_MAX = 256,  /* processors that stand in for those whose threads are stuck */
    PROCESSORS_MAX = WORKERS_MAX + SPARES_MAX,
    POLL_EVENTS = 256,
    GLOBAL_EVERY = 61,  /* picks between looks at the global queue, the clock and the poller */
    DELAY_BUCKETS = 24, /* of delays from runnable to running: below 1 us, below 2^i us, others */
};

struct poll_fd;

/* What a processor's thread does. */
enum stage {
    STAGE_AWAY, /* it waits for a turn, attends to sockets and timers only, or there is none */
    STAGE_LOOP, /* it is in the scheduler loop: looks for work, or sleeps */
    STAGE_RUN,  /* it runs coroutines */
};

/* The monitor's notes on a processor. */
struct watch {
    unsigned tick;      /* its pick counter at the last look */
    int64_t since_ns;   /* when that was first seen */
    int64_t report_ns;  /* the age at which it is reported next */
    bool hog;           /* it is counted as one */
    int64_t ran_ns;     /* processor time of its thread when that began */
    int64_t stuck_ns;   /* and the time */
    uint64_t word;      /* a home: its mandate at the last look */
    int64_t blocked_ns; /* a home: when this announced block was first seen */
};

/* A processor: what is needed to run coroutines. A home has a seat, with sockets and timers; a
 * spare stands in for a home whose thread is stuck. See mandate.c. */
struct p {
    struct place place;

    /* A home: constant, its own. A spare: those of the home that it stands in for; written by the
     * monitor between two turns. */
    struct p *home;
    struct world_poller *poller;
    struct wheel *wheel;

    /* Its thread. */
    struct m *m; /* constant */
    struct stack_cache stacks;
    uint64_t next_id, end_id; /* numbers for new coroutines */
    int64_t oldest_ns;        /* when the oldest of the newborn had its turn */
    int64_t trim_ns;          /* when to think of trimming; 0: not */
    unsigned quiet;           /* looks since somebody was seen without work */

    /* The pick: its thread counts, the monitor may move the next round up (sched_prod()). */
    atomic_uint tick;       /* picks */
    atomic_uint round_tick; /* pick at which the next round is due at the latest */

    /* Written by its thread, read by all. */
    CACHE_ALIGNED _Atomic(int64_t) polled_ns; /* a home: written by whoever polls for it */
    atomic_bool firing;      /* takes watches away and starts their coroutines: see join_all() */
    atomic_bool idle;        /* on the idle list; written under rt.idle_lock */
    struct list idle_node;   /* under rt.idle_lock */
    atomic_uchar stage;      /* enum stage */
    atomic_bool in_block;    /* between weir_block_enter() and weir_block_exit() */
    atomic_bool has_sockets; /* a home: has or had some */
    atomic_bool slice_over;  /* set by the monitor: the coroutine has run for long enough */
    atomic_bool active;      /* may run coroutines and steal; counted in rt.active */
    _Atomic(uint64_t) started, ended, parks, unparks, steals, polls, events, fired;
    _Atomic(uint64_t) delays[DELAY_BUCKETS], delay_sum_ns;

    struct runq q;

    /* A home. */
    unsigned seat; /* constant: its place among rt.homes */
    struct mandate mandate;
    struct wheel home_wheel;

    /* A spare: under spares.lock (mandate.c). */
    struct p *next_spare;

    struct watch watch; /* the monitor */

    /* Anybody: who polls, and sockets closed since the last poll. */
    CACHE_ALIGNED struct spinlock poll_lock;
    _Atomic(struct poll_fd *) retired;
};

/* What to do with the coroutine that was left, on the stack that was switched to. */
enum after { AFTER_NOTHING, AFTER_PARK, AFTER_PARK_HELD, AFTER_YIELD, AFTER_ROTATE, AFTER_EXIT };

/* A thread. */
struct m {
    struct co g0; /* the thread's own stack: the scheduler loop */
    struct p *p;
    enum after after;
    struct co *after_co;
    struct spinlock *after_unlock;
    bool spinning;                /* looks for work of others; counted in rt.spinning */
    _Atomic(struct co *) running; /* this one; for the monitor */

    /* The thread: see mandate.c. */
    pthread_t thread;
    pthread_cond_t turn; /* a spare waits for its turn; under spares.lock, as is what follows */
    bool taken;          /* its turn is being prepared */
    bool has_turn;       /* it may begin */
    bool ended;          /* the thread has, or is about to */
    bool has_thread;     /* to be joined */
    atomic_int tid;
    struct stack_bounds bounds; /* of the thread's own stack */
    void *signal_stack;         /* fault.c */
    struct world_event events[POLL_EVENTS];
};

struct runtime {
    /* Constant while it runs. */
    struct world *world;
    bool simulated;
    bool panic_aborts;
    _Atomic(uint64_t) panics; /* coroutines that have ended by one */
    bool can_be_alone;        /* there is a heavy fence: see mandate.h */
    int64_t hog_ns;
    weir_hog_fn *hog_fn;
    void *hog_arg;

    /* All processors, and of these the homes by seat. They only grow in number (release). */
    atomic_uint p_count, home_count;
    struct p *ps[PROCESSORS_MAX];
    struct m *ms[PROCESSORS_MAX]; /* ms[i] is the thread of ps[i] */
    struct p *homes[WORKERS_MAX];
    atomic_uint workers;        /* seats whose holders may run coroutines: the first so many */
    atomic_uint workers_wanted; /* what they shall be; the monitor follows */
    atomic_bool workers_fixed;  /* chosen, not counted from the machine */

    /* Start and end. */
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
    struct co *main_co;
    atomic_bool stop;     /* threads leave their loops */
    atomic_bool ending;   /* fn has returned; whatever starts now is born cancelled */
    atomic_bool deadlock; /* one was found */

    /* The global queue: overflow, and what other threads made runnable. */
    CACHE_ALIGNED struct spinlock global_lock;
    atomic_uint global_len;
    struct co *global_first, *global_last;

    /* Who sleeps, who looks for work. */
    CACHE_ALIGNED struct spinlock idle_lock;
    struct list idle_list;
    atomic_uint idle_count;
    atomic_bool monitor_sleeps; /* until somebody finds work; set under idle_lock */
    atomic_uint spinning;
    atomic_uint active; /* processors that may steal */
    atomic_uint alone;  /* queues that nobody but the owner looks at: changed under */
    pthread_mutex_t alone_lock;
    atomic_bool blocks; /* a block has been announced since the monitor's last look */

    _Atomic(uint64_t) foreign_unparks, foreign_started;
    atomic_uint foreign_busy; /* calls of foreign threads that have made something runnable */
    _Atomic(uint64_t) next_ids;
    atomic_uint next_poller;
};

extern HIDDEN struct runtime rt;

/* m.c: this thread, when it is one of the runtime's; looked up through thread-local storage by a
 * function that is never inlined. For code that does not run on a coroutine. */
struct m *m_this_thread(void);
void m_set_this_thread(struct m *m);
/* For code on a thread's own stack. */
struct unwind *m_this_unwind(void);

/* A counter with one writer that others read. */
static inline void stat_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* There are others that may steal. */
static inline bool sched_crowded(void)
{
    return atomic_load_explicit(&rt.active, memory_order_relaxed) > 1;
}

static inline unsigned sched_workers(void)
{
    return atomic_load_explicit(&rt.workers, memory_order_relaxed);
}

static inline unsigned sched_tick(const struct p *p)
{
    return atomic_load_explicit(&p->tick, memory_order_relaxed);
}

static inline void sched_set_stage(struct p *p, enum stage stage)
{
    atomic_store_explicit(&p->stage, (unsigned char)stage, memory_order_release);
}

/* The next pick begins a round. Any thread; forgotten if the processor begins one just now. */
static inline void sched_prod(struct p *p)
{
    atomic_store_explicit(&p->round_tick, sched_tick(p), memory_order_relaxed);
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
/* After a yield: behind those, too, that have not run yet. */
void sched_ready_yielded(struct m *m, struct co *co);

/* Delays from runnable to running are taken of the wake-ups between two of 64 picks. */
static inline bool ready_sampled(const struct p *p)
{
    return sched_tick(p) % 64 == 0;
}

static inline void ready_last(struct m *m, struct co *co)
{
    if (unlikely(ready_sampled(m->p)))
        co->ready_ns = m->p->place.now_ns;
    if (unlikely(rt.simulated) || unlikely(!runq_push(&m->p->q, co)))
        sched_ready_last(m, co);
}

/* Moves up to max coroutines from the global queue to the processor and returns the first. */
struct co *ready_take_global(struct p *p, unsigned max);
/* Moves all of the processor's to the global queue, and wakes somebody. Its thread. */
void ready_surrender(struct p *p);
/* A sampled coroutine becomes runnable; begins to run, having waited for so long. */
void ready_note_time(struct co *co);
void ready_note_delay(struct p *p, struct co *co);

/* sched.c */
void sched_loop(struct m *m);
/* Wakes a sleeper to look for work, unless somebody looks already. */
void sched_wake_one(void);
void sched_wake_all(void);
/* A coroutine to switch to, or the scheduler loop of this thread. */
struct co *sched_pick(struct m *m);
/* The same by a caller that leaves its stack and has just claimed co: sched_ready_next() and then a
 * pick, which as a rule is co. */
struct co *sched_pick_after(struct m *m, struct co *co);
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

static inline co_ticket park_prepare(struct co *co, enum wait_reason reason, const void *object,
                                     unsigned flags)
{
    return co_begin_wait(co, reason, object, (flags & PARK_SHIELDED) != 0 ? CLAIM_SHIELD : 0);
}
/* 0; -ETIMEDOUT: at_ns or the deadline in force; -ECANCELED; -EBADF (RESULT_CLOSED). */
int park(struct co *co, int64_t at_ns, struct spinlock *unlock);
/* The same without a time, for a wait that only holders of the lock can end, cancellers among them:
 * neither side needs an atomic exchange (co_claim_held()). For whom park_can_be_held(). */
int park_held(struct co *co, struct spinlock *lock);
/* No timer will end a wait that co begins now, and nobody watches its waits. */
static inline bool park_can_be_held(const struct co *co, unsigned flags)
{
    return ((flags & PARK_SHIELDED) != 0 || co->deadline_ns == NS_NEVER) &&
           !profile_on(WEIR_PROFILE_BLOCK | WEIR_PROFILE_MUTEX);
}
/* A wait for park_held() of which cancellers do not hold the lock: they find it in the control
 * block and take it. So the wait is prepared before the lock is taken, by an exchange that orders
 * memory (spin_lock_fenced()), and is abandoned if there is nothing to wait for. Until it is parked
 * or abandoned the caller must not park otherwise. */
static inline void park_prepare_locked(struct co *co, enum wait_reason reason, const void *object,
                                       struct spinlock *lock)
{
    atomic_store_explicit(&co->wait_lock, lock, memory_order_release);
    co_begin_wait(co, reason, object, CLAIM_LOCKED);
}
/* Before such a lock goes: cancellers that have found it are through with it. */
void park_lock_ends(void);
/* Ends the wait that co may be in. co->cancelled has been set: a wait that begins now sees it. */
void park_interrupt(struct co *co);
/* Takes a prepared wait back that was not published. */
static inline void park_abandon(struct co *co)
{
    co->wait_reason = WAIT_NONE;
    atomic_store_explicit(&co->claim, (uint64_t)co->seq << 32, memory_order_relaxed);
}

/* Of one who has just been claimed and will run before long, perhaps after a long sleep: the frames
 * that it goes on with are on a page that nobody has touched since. */
static inline void fetch_frames(const struct co *co)
{
    enum { USUAL_BYTES = 5 * CACHE_LINE }; /* from a wait to the first function */

    for (size_t i = 0; i < USUAL_BYTES; i += CACHE_LINE)
        __builtin_prefetch((const char *)co->sp + i, 1);
}

/* Of those who run on p after the next one: the stack of the first, with what it waited for, and
 * the control block of the second, which tells next time where that is. By one who is about to make
 * system calls, during which it arrives. A thief may have either by now: then it is in vain. */
static inline void fetch_upcoming(const struct p *p)
{
#if !defined(WEIR_TSAN) /* would take it for a race */
    enum { WAIT_BYTES = offsetof(struct co, parent) };
    unsigned at = atomic_load_explicit(&p->q.head, memory_order_relaxed) + 1;
    unsigned end = atomic_load_explicit(&p->q.tail, memory_order_relaxed);
    const struct co *co;

    if ((int)(end - at) < 2)
        return;
    co = atomic_load_explicit(&p->q.ring[at % RUNQ_SIZE], memory_order_relaxed);
    fetch_frames(co);
    __builtin_prefetch(co->wait_object, 1);
    co = atomic_load_explicit(&p->q.ring[(at + 1) % RUNQ_SIZE], memory_order_relaxed);
    for (size_t i = 0; i < WAIT_BYTES; i += CACHE_LINE)
        __builtin_prefetch((const char *)co + i, 1);
#endif
}

/* Ends the wait that the ticket names. True: this call did it. Any thread. */
bool park_wake(co_ticket ticket, enum claim_result result);
/* The same from the scheduler loop of m: behind all others, so that a batch runs in order. */
static inline bool park_wake_last(struct m *m, co_ticket ticket, enum claim_result result)
{
    struct co *co = stack_co((uint32_t)ticket >> 8);
    enum claim_outcome outcome = co_claim(co, (uint32_t)(ticket >> 32), result);

    if (likely(outcome == CLAIM_WON)) {
        if (result == RESULT_TIMEOUT) /* who waits for sockets is fetched later: poll_fd_wait() */
            fetch_frames(co);
        stat_add(&m->p->unparks, 1);
        ready_last(m, co);
    }
    return outcome != CLAIM_LOST;
}

/* In two steps, for a waker that holds the lock under which the ticket was published: the claim
 * (the coroutine, or NULL when another won), and, when all is in place for it, the run. */
struct co *park_claim(co_ticket ticket);
void park_run(struct co *co);
void park_run_on(struct m *m, struct co *co); /* m: the caller's */

/* -ECANCELED, -ETIMEDOUT when the scope of co has ended, else 0. */
static inline int co_check(const struct co *co)
{
    if (co_cancelled(co))
        return -ECANCELED;
    if (unlikely(co->deadline_ns <= co->place->now_ns))
        return -ETIMEDOUT;
    return 0;
}

/* Lets others run without looking at scopes. */
void park_yield(struct co *co);

/* After an operation that did not park: the budget for fairness. The monitor may cut it short. */
static inline void co_spend(struct co *co)
{
    unsigned left;

    if (co == NULL)
        __builtin_unreachable(); /* or the compiler warns of it where it can see co_self() */
    left = atomic_load_explicit(&co->budget, memory_order_relaxed) - 1U;

    atomic_store_explicit(&co->budget, (uint16_t)left, memory_order_relaxed);
    if (unlikely((uint16_t)left == 0))
        park_yield(co);
}

/* spawn.c */
/* A coroutine that is not runnable yet. NULL at the limit. m NULL: a foreign thread. */
struct co *spawn(struct m *m, const char *name, union co_fn fn, void *arg, int cause);
/* By itself: its function has returned. Whom that lets go on, claimed and not yet runnable, or
 * NULL. */
struct co *spawn_ended(struct co *co);
void spawn_discard(struct m *m, struct co *co); /* instead of making it runnable */
void spawn_free(struct m *m, struct co *co);    /* after it has ended and its stack has been left */
uint32_t spawn_live_count(void);
void *spawn_stack_top(const struct co *co); /* where its stack begins */

/* switch.c: leaves from, whose thread is m, does to it what after says once it has been left, and
 * runs the coroutine that sched_pick() gives. Returns when from runs again, perhaps on another
 * thread. The one call site of co_switch(). */
void switch_away(struct m *m, struct co *from, struct co *to, enum after after,
                 struct spinlock *unlock);
void switch_bounds(struct m *m);
/* The end of the coroutine that calls it. */
NORETURN void co_end(struct co *co);

/* scope.c */
struct co *scope_child_ended(struct co *co);
/* What the function of a child has returned, before it ends: the first negative one (or
 * -ENOTRECOVERABLE for a panic) becomes the scope's error and cancels what is in it. */
void scope_child_result(struct co *co, int result);
/* Cancels a coroutine for good, with all scopes it has opened. */
void scope_doom(struct co *co);

/* poller.c */
extern HIDDEN atomic_uint poller_starved_count; /* watches that found no room for a coroutine */
static inline bool poller_has_starved(void)
{
    return atomic_load_explicit(&poller_starved_count, memory_order_acquire) != 0;
}
void poller_event(struct m *m, struct poll_fd *pf, uint32_t events);
void poller_timeout(struct m *m, struct timer *t, uint64_t ticket);
void poller_recycle(struct p *p);
void poller_cancel_watches(void);
void poller_retry_starved(struct m *m);
bool poller_has_watches(void);
void poller_done(void);

/* timers of coroutines and of watches are told apart by the low bit of the ticket */
enum { TICKET_WATCH = 1 };

/* mandate.c: seats, spares, and who is active. */
enum duty {
    DUTY_RUN,
    DUTY_ATTEND, /* to sockets and timers only: its seat is beyond the number of workers */
    DUTY_LEAVE,  /* the turn of a spare is over */
};

/* The common case of mandate_duty(): DUTY_RUN. */
static inline bool mandate_may_run(const struct p *p)
{
    return mandate_held_by(&p->home->mandate, p->place.processor) &&
           p->home->seat < sched_workers() &&
           atomic_load_explicit(&p->active, memory_order_relaxed);
}

enum duty mandate_duty(struct m *m);
/* Owner, now and then: its queue is alone from when nobody else has been without work for a while.
 */
void mandate_settle(struct p *p);
/* p, which counts as seeking or idle, before it steals or sleeps: no other queue is alone any more.
 * False: its owner is in the middle of an operation, ask again. */
bool mandate_end_alone(const struct p *p);
/* Monitor: replaces the holder of home's mandate, which has been seen. */
bool mandate_replace(struct p *home, uint64_t seen);
/* Setup, and later the monitor: processors and threads of homes up to count. */
int mandate_open_seats(unsigned count);
int mandate_start_threads(void);
void mandate_resize(unsigned count);
/* The caller's thread is that of the first home until the runtime stops. */
void mandate_run_first(void);
void mandate_stop(void); /* joins all other threads of processors */
/* Before there are threads: later the kernel takes some 15 ms for it. False: no heavy fence here.
 */
bool mandate_fence_open(void);
unsigned mandate_threads(void);

/* monitor.c */
int monitor_start(void);
void monitor_stop(void);
/* From a sleep without a time limit: to look now, or once those that just began have had time. */
void monitor_wake(bool now);
/* The next weir_checkpoint() of everybody takes a look. */
static inline void monitor_want_checkpoints(void)
{
    if (__atomic_load_n(&weir_checkpoint_wanted, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(&weir_checkpoint_wanted, 1, __ATOMIC_RELAXED);
}

struct monitor_stats {
    uint64_t handoffs;      /* mandates given on: from announced blocks */
    uint64_t substitutions; /* and from others that were stuck */
    uint64_t hogs;          /* coroutines that ran for two periods or longer */
    uint64_t wake_ups;      /* of the monitor */
};
void monitor_get_stats(struct monitor_stats *ret);

/* hog.c: the monitor, about the coroutine that p has run for so long. */
void hog_report(struct p *p, int64_t held_ns);
/* Time that the thread has had a processor; 0 when it cannot be told. */
int64_t hog_ran_ns(const struct p *p);
/* The thread runs or would like to: it does not sleep in the kernel. */
bool hog_runs(const struct p *p);
void hog_stop(void);

/* cpus.c: processors that the machine grants this thread, 0: the caller. */
unsigned cpus_count(int tid);

/* main.c: a processor and its thread's record; for this home, or one itself (NULL). */
int processor_new(struct p *home, struct p **ret);

/* blocking.c */
void blocking_stop(void);
void blocking_counts(uint32_t *ret_threads, uint32_t *ret_queued);

/* main.c: nothing will ever happen again, says the simulated world, or the monitor (deadlock.c). */
void runtime_deadlocked(void);
/* What the main coroutine does when its function has returned, or panicked. */
void runtime_main_ended(struct co *self, int result);
/* signal.c */
void signal_stop(void);

#endif
