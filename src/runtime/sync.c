/* Mutex and wait group.
 *
 * The mutex lets newcomers barge in, which keeps it fast while nobody suffers; who was woken after
 * a millisecond of waiting and came too late again gets it handed over by the next unlock (the idea
 * of Go's sync.Mutex). From that waiter's return to the queue until then a bit beside the owner
 * keeps newcomers off, so that nobody can be faster. Before it parks, a coroutine spins for a
 * moment if the owner runs on another processor. */
#include "runtime/sync.h"

#include "runtime/explore.h"

enum { STARVING_NS = 1000 * 1000 };

/* ---- mutex: struct weir_mutex seen from inside ---- */

/* Beside the owner; changed under the lock. */
enum {
    WAITED_FOR = 1, /* the queue is not empty */
    STARVING = 2,   /* and the next unlock hands over to its first */
};
_Static_assert((WAITED_FOR | STARVING) == MUTEX_FLAGS, "for dumps");

struct __attribute__((may_alias)) mutex {
    struct spinlock lock; /* the queue */
    uint32_t waited;      /* rwmutex.c */
    struct waitq queue;
    _Atomic(uintptr_t) owner; /* the coroutine that holds it, and flags */
};
_Static_assert(sizeof(struct mutex) == sizeof(struct weir_mutex), "struct weir_mutex");
_Static_assert(offsetof(struct mutex, owner) == offsetof(struct weir_mutex, owner_), "for dumps");

struct mutex_waiter {
    struct waiter waiter;
    struct co *co;
    int64_t since_ns; /* of its first turn in the queue */
    bool starving;    /* it has waited for too long */
    bool handed;      /* it has been given the mutex */
};

static struct mutex *mutex_of(struct weir_mutex *m)
{
    return (struct mutex *)(void *)m;
}

static struct co *owner_of(uintptr_t word)
{
    return (struct co *)(word & ~(uintptr_t)MUTEX_FLAGS); /* NOLINT(performance-no-int-to-ptr) */
}

struct co *mutex_owner(struct weir_mutex *m)
{
    return owner_of(atomic_load_explicit(&mutex_of(m)->owner, memory_order_relaxed));
}

/* Nobody has it, nor will be given it by an unlock that is under way. */
static bool may_be_taken(uintptr_t word)
{
    return (word & ~(uintptr_t)WAITED_FOR) == 0;
}

/* Takes the mutex for co, if it may be taken. */
static bool take(struct mutex *m, struct co *co)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);

    while (may_be_taken(word)) {
        if (atomic_compare_exchange_weak_explicit(&m->owner, &word, (uintptr_t)co | word,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

bool mutex_try_lock(struct weir_mutex *m)
{
    struct co *co = co_self();

    ASSERT(co != NULL); /* the owner's name is what makes it taken */
    return take(mutex_of(m), co);
}

bool weir_mutex_try_lock(struct weir_mutex *m)
{
    explore_point("try lock", m);
    return mutex_try_lock(m);
}

/* Under the lock: takes the mutex, or makes sure that the unlocker looks into the queue, where w is
 * going to be. */
static bool take_or_announce(struct mutex *m, const struct mutex_waiter *w)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed), to;
    uintptr_t flags = w->starving ? WAITED_FOR | STARVING : WAITED_FOR;

    do {
        to = word | (may_be_taken(word) ? (uintptr_t)w->co : flags);
    } while (!atomic_compare_exchange_weak_explicit(&m->owner, &word, to, memory_order_acquire,
                                                    memory_order_relaxed));
    return may_be_taken(word);
}

/* Takes the mutex if it is free, or its owner gives it up within a few microseconds. The first look
 * is early, for sections that are short; then each is four times as far from the one before. */
static bool spin_for(struct mutex *m, struct co *co)
{
    unsigned pauses = SPIN_PAUSES / 4;

    for (unsigned looks = 0; !take(m, co); looks++, pauses *= 4) {
        uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);

        if (!spin_again(owner_of(word), looks, pauses))
            return false;
    }
    return true;
}

/* Here, since the unlocker's clock may stand still: it is that of a processor which may have done
 * nothing but lock and unlock for a while. */
static void note_time(struct mutex_waiter *w, bool again)
{
    int64_t now_ns = world_now_ns(rt.world);

    if (again)
        w->starving = now_ns - w->since_ns > STARVING_NS;
    else
        w->since_ns = now_ns;
}

static NOINLINE void lock_slow(struct mutex *m, struct co *co, enum wait_reason reason,
                               const void *object)
{
    struct mutex_waiter w = {.co = co};
    bool again = false;

    /* Not recursive. Here, since one assertion is all that the fast path has room for: for two it
     * would set up a frame. */
    ASSERT(owner_of(atomic_load_explicit(&m->owner, memory_order_relaxed)) != co);
    while (!spin_for(m, co)) {
        note_time(&w, again);
        spin_lock(&m->lock);
        if (take_or_announce(m, &w)) {
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

    if (unlikely(!atomic_compare_exchange_strong_explicit(
            &m->owner, &word, (uintptr_t)co, memory_order_acquire, memory_order_relaxed)))
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

/* Under the lock: lets w, the first in the queue, go on, with the mutex if somebody starves. False:
 * this unlock is late, there is an owner again, and its unlock hands over. STARVING is never set
 * while nobody has the mutex, since no unlock might come then. */
static bool let_go(struct mutex *m, struct mutex_waiter *w)
{
    struct waiter *next = w->waiter.next;
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed), to;
    uintptr_t waited_for = next != NULL ? WAITED_FOR : 0;

    do {
        w->handed = (word & STARVING) != 0;
        if (w->handed && owner_of(word) != NULL)
            return false;
        if (!w->handed)
            to = (word & ~(uintptr_t)MUTEX_FLAGS) | waited_for;
        else
            to = (uintptr_t)w->co | waited_for |
                 (next != NULL && container_of(next, struct mutex_waiter, waiter)->starving
                      ? STARVING
                      : 0);
    } while (!atomic_compare_exchange_weak_explicit(&m->owner, &word, to, memory_order_acquire,
                                                    memory_order_relaxed));
    waitq_remove(&m->queue, &w->waiter);
    return true;
}

/* The mutex has been given up and somebody waits, or did just now. */
static NOINLINE void wake_next(struct mutex *m)
{
    struct waiter *first;
    struct mutex_waiter *w;
    struct co *co;

    spin_lock(&m->lock);
    first = waitq_first(&m->queue);
    w = container_of(first, struct mutex_waiter, waiter);
    if (first == NULL || !let_go(m, w)) {
        spin_unlock(&m->lock);
        return;
    }
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
    if (unlikely(__atomic_and_fetch((uintptr_t *)&m->owner, MUTEX_FLAGS, __ATOMIC_RELEASE) != 0))
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
