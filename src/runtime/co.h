/* A coroutine's control block, and the claim word that decides who ends its wait. */
#ifndef WEIR_RUNTIME_CO_H
#define WEIR_RUNTIME_CO_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "runtime/poller.h"
#include "runtime/runtime.h"
#include "runtime/timer.h"
#include "runtime/unwind.h"

/* What a parked coroutine waits for; one name per kind, shown in dumps. */
enum wait_reason {
    WAIT_NONE,
    WAIT_SLEEP,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_CHAN_SEND,
    WAIT_CHAN_RECV,
    WAIT_MUTEX,
    WAIT_GROUP,
    WAIT_SCOPE,
    WAIT_BLOCKING,
    WAIT_SIGNAL,
    WAIT_SELECT,
    WAIT_SEMAPHORE,
    WAIT_RWMUTEX_READ,
    WAIT_RWMUTEX_WRITE,
    WAIT_COND,
    WAIT_ONCE,
    WAIT_FLIGHT,
    WAIT_POOL,
    WAIT_FUTURE,
    WAIT_FD,
    WAIT_PROCESSOR,
    WAIT_BULKHEAD,
    WAIT_REASON_MAX
};

/* The claim word: number of the wait in the upper half, state below. A wait runs
 *
 *     RUNNING -> PREPARE   the coroutine takes a number and publishes its ticket where wakers look
 *             -> WAITING   it has left its stack; set by the code that runs after the switch
 *             -> claimed   by exactly one of waker, timer, canceller, closer: a CAS from PREPARE or
 *                          WAITING to a result. Who claims from WAITING makes it runnable; a claim
 *                          from PREPARE is found by the code after the switch, which does it.
 *
 * A ticket names one wait of one coroutine; a late claim with an old ticket fails. */
enum {
    CLAIM_RUNNING = 0,
    CLAIM_PREPARE = 1,
    CLAIM_WAITING = 2,
    CLAIM_SHIELD = 4,  /* beside one of the above: cancellers keep off */
    CLAIM_RESULT = 8,  /* claimed; enum claim_result << 4 beside it */
    CLAIM_LOCKED = 64, /* beside the first two: claimed only by holders of wait_lock */
};

enum claim_result { RESULT_WOKEN, RESULT_TIMEOUT, RESULT_CANCELLED, RESULT_CLOSED };

/* wait number << 32 | slot index << 8; the low byte is free for flags of whoever keeps it. */
typedef uint64_t co_ticket;

enum { TICKET_FLAGS = 0xff };

struct weir_deadline;
struct scope;
struct m;

/* How the first function of a coroutine is called. */
union co_fn {
    void (*plain)(void *arg);
    int (*result)(void *arg);
    poll_watch_fn *watch;
};

enum { CO_PLAIN = -1, CO_RESULT = -2 }; /* cause of a coroutine that is not a fired watch */

/* What a processor tells the coroutines on it (here.h). Its thread writes it. */
struct place {
    unsigned processor; /* its index; constant */
    int64_t now_ns;     /* clock of this round */
    struct rng rng;     /* its chance */
};

struct co {
    /* Written by whoever switches to or from it. */
    void *sp;                     /* while it does not run */
    struct m *volatile m;         /* the thread that runs it, and where: read again after every */
    struct place *volatile place; /* call that parks */

    _Atomic(uint64_t) claim; /* any thread, see above */

    struct co *next; /* links of the one queue it is in */
    struct co *prev;
    uint32_t index;   /* its slot */
    uint32_t seq;     /* the coroutine itself: number of its latest wait */
    int64_t ready_ns; /* when it became runnable, if its delay is sampled, else 0 */

    /* The coroutine itself; dumps read them. */
    union co_fn fn;
    void *arg;
    const char *name;
    const void *born_at; /* in the caller of weir_go() or the like; NULL: a fired watch */
    _Atomic(uint64_t) id;
    const void *wait_object; /* not to be followed: the wait may end, and it be freed */
    uint64_t wait_for_id;    /* who held the mutex when the wait for it began, or 0 */
    int64_t wait_since_ns;
    _Atomic(struct spinlock *) wait_lock; /* of the latest locked wait: park_prepare_locked() */
    uint8_t wait_reason;                  /* enum wait_reason */
    int16_t cause;                        /* enum poll_watch_cause, or CO_... */
    _Atomic(uint16_t) budget;             /* operations left before it must let others run */
    int64_t deadline_ns;                  /* in force now */
    int64_t inherited_ns;                 /* given at birth */
    struct weir_deadline *deadline;       /* innermost block */

    bool newborn;          /* has not run yet */
    atomic_bool live;      /* has begun and not ended; read by dumps and the final cancel */
    atomic_bool cancelled; /* in force now; set under family_lock by any thread */

    struct scope *parent;        /* the scope it belongs to, or NULL */
    struct list sibling;         /* in parent->children, under the family_lock of parent's owner */
    struct spinlock family_lock; /* guards scopes and all that is in them, and doomed */
    bool doomed;                 /* cancelled from outside, for good */
    struct scope *scopes;        /* that it has opened, innermost first */

    struct unwind unwind; /* itself: what a panic must end */

    void *fake_stack; /* of the address sanitizer */
    void *fiber;      /* of the thread sanitizer */
};

/* Space of the control block at the top of a slot. */
enum { CO_BYTES = 448 };
_Static_assert(sizeof(struct co) <= CO_BYTES, "the control block has outgrown its place");

enum { BUDGET_OPS = 128 };

static inline uint64_t co_id(const struct co *co)
{
    return atomic_load_explicit(&co->id, memory_order_relaxed);
}

/* Who sees it sees all that came before the cancelling. The second look is for that order, and for
 * those only who are cancelled. */
static inline bool co_cancelled(const struct co *co)
{
    return unlikely(atomic_load_explicit(&co->cancelled, memory_order_relaxed)) &&
           atomic_load_explicit(&co->cancelled, memory_order_acquire);
}

/* True when the scope that co is in has ended: cancelled, or past its deadline. */
static inline bool co_ended(const struct co *co)
{
    return co_cancelled(co) || unlikely(co->deadline_ns <= co->place->now_ns);
}

/* Numbers a wait and publishes that it begins; how: CLAIM_SHIELD, CLAIM_LOCKED. Its ticket. */
static inline co_ticket co_begin_wait(struct co *co, enum wait_reason reason, const void *object,
                                      uint64_t how)
{
    uint64_t seq = (uint64_t)(co->seq += 1 + (co->seq == UINT32_MAX)) << 32; /* 0 names no wait */

    co->wait_reason = (uint8_t)reason;
    co->wait_object = object;
    co->wait_since_ns = co->place->now_ns;
    atomic_store_explicit(&co->claim, seq | CLAIM_PREPARE | how, memory_order_release);
    return seq | (uint64_t)co->index << 8;
}

/* Tries to end the wait that has this number. CLAIM_LOST: somebody else did, or it is another wait.
 * CLAIM_EARLY: won, and the coroutine finds out by itself. CLAIM_WON: the caller must make it
 * runnable. */
enum claim_outcome { CLAIM_LOST, CLAIM_EARLY, CLAIM_WON };

static inline enum claim_outcome co_claim(struct co *co, uint32_t seq, enum claim_result result)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);
    uint64_t to = (uint64_t)seq << 32 | CLAIM_RESULT | (uint64_t)result << 4;

    do {
        if ((uint32_t)(c >> 32) != seq || (c & (CLAIM_PREPARE | CLAIM_WAITING)) == 0)
            return CLAIM_LOST;
    } while (!atomic_compare_exchange_weak_explicit(&co->claim, &c, to, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return (c & CLAIM_WAITING) != 0 ? CLAIM_WON : CLAIM_EARLY;
}

/* The same for a caller that holds the lock which all hold that can end this wait (park_held()): it
 * needs no atomic exchange. True: the caller must make it runnable. */
static inline bool co_claim_held(struct co *co, uint32_t seq, enum claim_result result)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);

    if ((uint32_t)(c >> 32) != seq || (c & CLAIM_WAITING) == 0)
        return false; /* somebody else did */
    atomic_store_explicit(&co->claim, (uint64_t)seq << 32 | CLAIM_RESULT | (uint64_t)result << 4,
                          memory_order_release);
    return true;
}

/* The same by who has found co in a queue that it leaves only under that lock, so that there is but
 * one wait that it can be in. */
static inline bool co_claim_queued(struct co *co)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_relaxed);

    if (unlikely((c & CLAIM_WAITING) == 0))
        return false;
    atomic_store_explicit(&co->claim, c - CLAIM_WAITING - CLAIM_LOCKED + CLAIM_RESULT,
                          memory_order_release);
    return true;
}
_Static_assert(RESULT_WOKEN == 0, "co_claim_queued() adds no other");

/* Orders what the caller published before what it reads next, against a reader who does the reverse
 * (Dekker). The thread sanitizer knows no fences, but the same from a read-modify-write. */
static inline void full_fence(void)
{
#if defined(__SANITIZE_THREAD__)
    static atomic_uint meeting_point;

    atomic_fetch_add(&meeting_point, 1);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* The same after an atomic read-modify-write with memory_order_seq_cst: nothing to do where that is
 * a full fence itself. */
static inline void fence_after_rmw(void)
{
#if !defined(__x86_64__)
    full_fence();
#endif
}

#endif
