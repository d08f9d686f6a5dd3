/* Mutex and wait group.
 *
 * The mutex lets newcomers barge in, which keeps it fast while nobody suffers; one that has waited
 * for a millisecond gets it handed over by the next unlock (the idea of Go's sync.Mutex, with the
 * decision moved to the unlocker, so that no mode needs to be stored). Before it parks, a coroutine
 * spins for a moment if the owner runs on another processor. */
#include "runtime/sync.h"

#include "runtime/explore.h"
#include "runtime/here.h"

enum { STARVING_NS = 1000 * 1000 };

/* ---- mutex: struct weir_mutex seen from inside ---- */

enum { LOCKED = 1, WAITED_FOR = 2 /* the queue is not empty; changed under the lock */ };

struct __attribute__((may_alias)) mutex {
    atomic_uint state;
    struct spinlock lock; /* the queue */
    struct waitq queue;
    _Atomic(struct co *) owner;
};
_Static_assert(sizeof(struct mutex) == sizeof(struct weir_mutex), "struct weir_mutex");

struct mutex_waiter {
    struct waiter waiter;
    struct co *co;
    int64_t since_ns; /* of its first attempt */
    bool handed;      /* it has been given the mutex */
};

static struct mutex *mutex_of(struct weir_mutex *m)
{
    return (struct mutex *)(void *)m;
}

bool mutex_try_lock(struct weir_mutex *wm)
{
    struct mutex *m = mutex_of(wm);
    unsigned s = atomic_load_explicit(&m->state, memory_order_relaxed);

    while ((s & LOCKED) == 0) {
        if (atomic_compare_exchange_weak_explicit(&m->state, &s, s | LOCKED, memory_order_acquire,
                                                  memory_order_relaxed)) {
            atomic_store_explicit(&m->owner, co_self(), memory_order_relaxed);
            return true;
        }
    }
    return false;
}

bool weir_mutex_try_lock(struct weir_mutex *m)
{
    explore_point("try lock", m);
    return mutex_try_lock(m);
}

_Atomic(struct co *) *mutex_owner(struct weir_mutex *m)
{
    return &mutex_of(m)->owner;
}

/* Under the lock: takes the mutex, or makes sure that the unlocker looks into the queue. */
static bool take_or_announce(struct mutex *m)
{
    unsigned s = atomic_load_explicit(&m->state, memory_order_relaxed), to;

    do {
        to = (s & LOCKED) == 0 ? s | LOCKED : s | WAITED_FOR;
    } while (!atomic_compare_exchange_weak_explicit(&m->state, &s, to, memory_order_acquire,
                                                    memory_order_relaxed));
    return (s & LOCKED) == 0;
}

/* Takes the mutex if its owner gives it up in the next microsecond or two. */
static bool spin_for(struct mutex *m)
{
    for (unsigned i = 0; spin_worth(&m->owner, i); i++) {
        unsigned s = atomic_load_explicit(&m->state, memory_order_relaxed);

        if ((s & LOCKED) == 0 &&
            atomic_compare_exchange_strong_explicit(&m->state, &s, s | LOCKED, memory_order_acquire,
                                                    memory_order_relaxed))
            return true;
        spin_pause();
    }
    return false;
}

static NOINLINE void lock_slow(struct mutex *m, struct co *co, enum wait_reason reason,
                               const void *object)
{
    struct mutex_waiter w = {.co = co, .since_ns = here_now_ns()};
    bool again = false;

    while (!spin_for(m)) {
        spin_lock(&m->lock);
        if (take_or_announce(m)) {
            spin_unlock(&m->lock);
            break;
        }
        w.waiter.ticket = park_prepare(co, reason, object, PARK_SHIELDED);
        wait_for_owner(co, &m->owner);
        if (again)
            waitq_push_first(&m->queue, &w.waiter);
        else
            waitq_push_last(&m->queue, &w.waiter);
        park(co, NS_NEVER, &m->lock);
        if (w.handed)
            return;
        again = true;
    }
    atomic_store_explicit(&m->owner, co, memory_order_relaxed);
}

static inline void lock(struct weir_mutex *wm, struct co *co, enum wait_reason reason,
                        const void *object)
{
    struct mutex *m = mutex_of(wm);
    unsigned unlocked = 0;

    if (likely(atomic_compare_exchange_strong_explicit(
            &m->state, &unlocked, LOCKED, memory_order_acquire, memory_order_relaxed))) {
        atomic_store_explicit(&m->owner, co, memory_order_relaxed);
        return;
    }
    ASSERT(atomic_load_explicit(&m->owner, memory_order_relaxed) != co); /* not recursive */
    lock_slow(m, co, reason, object);
}

void mutex_lock(struct weir_mutex *m, struct co *co, enum wait_reason reason, const void *object)
{
    lock(m, co, reason, object);
}

/* Tail calls out of the fast paths, which so need to save no register. */
static NOINLINE void lock_explored(struct weir_mutex *m)
{
    explore_point_slow("lock", m);
    lock(m, co_self(), WAIT_MUTEX, m);
}

void weir_mutex_lock(struct weir_mutex *m)
{
    struct co *co = co_self();

    ASSERT(co != NULL);
    if (unlikely(explore_active))
        lock_explored(m);
    else
        lock(m, co, WAIT_MUTEX, m);
}

/* Under the lock, with the mutex given up: takes it for who has waited for too long. False:
 * somebody was faster; then the next unlock tries again. */
static bool take_for(struct mutex *m, struct mutex_waiter *w)
{
    unsigned s = atomic_load_explicit(&m->state, memory_order_relaxed);

    if (here_now_ns() - w->since_ns <= STARVING_NS)
        return false;
    while ((s & LOCKED) == 0) {
        if (atomic_compare_exchange_weak_explicit(&m->state, &s, s | LOCKED, memory_order_acquire,
                                                  memory_order_relaxed)) {
            atomic_store_explicit(&m->owner, w->co, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

/* The mutex has been given up and somebody waits, or did just now. */
static NOINLINE void wake_next(struct mutex *m)
{
    struct mutex_waiter *w;
    struct co *co;

    spin_lock(&m->lock);
    if (waitq_empty(&m->queue)) {
        spin_unlock(&m->lock);
        return;
    }
    w = container_of(waitq_first(&m->queue), struct mutex_waiter, waiter);
    waitq_remove(&m->queue, &w->waiter);
    if (waitq_empty(&m->queue))
        atomic_fetch_and_explicit(&m->state, ~(unsigned)WAITED_FOR, memory_order_relaxed);
    w->handed = take_for(m, w);
    co = park_claim(w->waiter.ticket);
    spin_unlock(&m->lock);
    ASSERT(co != NULL); /* shielded: nobody else can have claimed it */
    park_run(co);
}

static inline void unlock(struct weir_mutex *wm)
{
    struct mutex *m = mutex_of(wm);
    unsigned s;

    atomic_store_explicit(&m->owner, NULL, memory_order_relaxed);
    s = atomic_fetch_sub_explicit(&m->state, LOCKED, memory_order_release);
    ASSERT((s & LOCKED) != 0);
    if (unlikely(s != LOCKED))
        wake_next(m);
}

void mutex_unlock(struct weir_mutex *m)
{
    unlock(m);
}

static NOINLINE void unlock_explored(struct weir_mutex *m)
{
    explore_point_slow("unlock", m);
    unlock(m);
}

void weir_mutex_unlock(struct weir_mutex *m)
{
    if (unlikely(explore_active))
        unlock_explored(m);
    else
        unlock(m);
}

/* ---- wait group ---- */

struct __attribute__((may_alias)) wait_group {
    int64_t count; /* all under the lock */
    struct spinlock lock;
    struct waitq queue;
};
_Static_assert(sizeof(struct wait_group) == sizeof(struct weir_wait_group), "weir_wait_group");

static struct wait_group *group_of(struct weir_wait_group *wg)
{
    return (struct wait_group *)(void *)wg;
}

void weir_wait_group_add(struct weir_wait_group *wwg, int64_t n)
{
    struct wait_group *wg = group_of(wwg);
    WAKE_LIST(wakes);

    explore_point("wait group", wg);
    spin_lock(&wg->lock);
    wg->count += n;
    ASSERT(wg->count >= 0);
    if (wg->count == 0)
        waitq_claim_all(&wg->queue, &wakes);
    spin_unlock(&wg->lock);
    wake_list_run(&wakes);
}

void weir_wait_group_done(struct weir_wait_group *wg)
{
    weir_wait_group_add(wg, -1);
}

int weir_wait_group_wait(struct weir_wait_group *wwg)
{
    struct wait_group *wg = group_of(wwg);
    struct co *co = co_self();
    struct waiter w;
    int r;

    ASSERT(co != NULL);
    explore_point("wait for group", wg);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&wg->lock);
    if (wg->count == 0) {
        spin_unlock(&wg->lock);
        return 0;
    }
    w.ticket = park_prepare(co, WAIT_GROUP, wg, 0);
    return waitq_wait(&wg->queue, &w, co, &wg->lock);
}
