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

enum { WAITED_FOR = 1 /* beside the owner: the queue is not empty; changed under the lock */ };

struct __attribute__((may_alias)) mutex {
    struct spinlock lock; /* the queue */
    uint32_t waited;      /* rwmutex.c */
    struct waitq queue;
    _Atomic(uintptr_t) owner; /* the coroutine that holds it */
};
_Static_assert(sizeof(struct mutex) == sizeof(struct weir_mutex), "struct weir_mutex");
_Static_assert(offsetof(struct mutex, owner) == offsetof(struct weir_mutex, owner_), "for dumps");

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

static struct co *owner_of(uintptr_t word)
{
    return (struct co *)(word & ~(uintptr_t)WAITED_FOR); /* NOLINT(performance-no-int-to-ptr) */
}

struct co *mutex_owner(struct weir_mutex *m)
{
    return owner_of(atomic_load_explicit(&mutex_of(m)->owner, memory_order_relaxed));
}

/* Takes the mutex for co, unless somebody has it. */
static bool take(struct mutex *m, struct co *co)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);

    while (owner_of(word) == NULL) {
        if (atomic_compare_exchange_weak_explicit(&m->owner, &word, (uintptr_t)co | word,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

bool mutex_try_lock(struct weir_mutex *m)
{
    return take(mutex_of(m), co_self());
}

bool weir_mutex_try_lock(struct weir_mutex *m)
{
    explore_point("try lock", m);
    return mutex_try_lock(m);
}

/* Under the lock: takes the mutex, or makes sure that the unlocker looks into the queue. */
static bool take_or_announce(struct mutex *m, struct co *co)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed), to;

    do {
        to = word | (owner_of(word) == NULL ? (uintptr_t)co : WAITED_FOR);
    } while (!atomic_compare_exchange_weak_explicit(&m->owner, &word, to, memory_order_acquire,
                                                    memory_order_relaxed));
    return owner_of(word) == NULL;
}

/* Takes the mutex if it is free, or its owner gives it up within a few microseconds. */
static bool spin_for(struct mutex *m, struct co *co)
{
    unsigned looks = 0;

    do {
        if (take(m, co))
            return true;
    } while (spin_again(owner_of(atomic_load_explicit(&m->owner, memory_order_relaxed)), looks++,
                        SPIN_PAUSES));
    return false;
}

static NOINLINE void lock_slow(struct mutex *m, struct co *co, enum wait_reason reason,
                               const void *object)
{
    struct mutex_waiter w = {.co = co, .since_ns = here_now_ns()};
    bool again = false;

    while (!spin_for(m, co)) {
        spin_lock(&m->lock);
        if (take_or_announce(m, co)) {
            spin_unlock(&m->lock);
            return;
        }
        w.waiter.ticket = park_prepare(co, reason, object, PARK_SHIELDED);
        wait_for_owner(co, owner_of(atomic_load_explicit(&m->owner, memory_order_relaxed)));
        if (again)
            waitq_push_first(&m->queue, &w.waiter);
        else
            waitq_push_last(&m->queue, &w.waiter);
        park(co, NS_NEVER, &m->lock);
        if (w.handed)
            return;
        again = true;
    }
}

static inline void lock(struct weir_mutex *wm, struct co *co, enum wait_reason reason,
                        const void *object)
{
    struct mutex *m = mutex_of(wm);
    uintptr_t word = 0;

    if (likely(atomic_compare_exchange_strong_explicit(&m->owner, &word, (uintptr_t)co,
                                                       memory_order_acquire, memory_order_relaxed)))
        return;
    ASSERT(owner_of(word) != co); /* not recursive */
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
    return here_now_ns() - w->since_ns > STARVING_NS && take(m, w->co);
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
        atomic_fetch_and_explicit(&m->owner, ~(uintptr_t)WAITED_FOR, memory_order_relaxed);
    w->handed = take_for(m, w);
    co = park_claim(w->waiter.ticket);
    spin_unlock(&m->lock);
    ASSERT(co != NULL); /* shielded: nobody else can have claimed it */
    park_run(co);
}

static inline void unlock(struct weir_mutex *wm)
{
    struct mutex *m = mutex_of(wm);

    ASSERT(mutex_owner(wm) != NULL);
    /* Of this builtin gcc makes one instruction. */
    if (unlikely(__atomic_and_fetch((uintptr_t *)&m->owner, WAITED_FOR, __ATOMIC_RELEASE) != 0))
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
