/* Mutex and wait group. Waiters queue in records on their own stacks.
 *
 * The mutex lets newcomers barge in, which keeps it fast while nobody suffers; one that has waited
 * for a millisecond gets it handed over by the next unlock (the idea of Go's sync.Mutex, with the
 * decision moved to the unlocker, so that no mode needs to be stored). */
#include "runtime/sched.h"

enum { STARVING_NS = 1000 * 1000 };

struct sync_waiter {
    struct sync_waiter *next;
    co_ticket ticket;
    struct co *co;
    int64_t since_ns; /* of its first attempt */
    bool handed;      /* it has been given the mutex */
};

struct sync_queue {
    struct sync_waiter *first, *last;
};

static void push_last(struct sync_queue *q, struct sync_waiter *w)
{
    w->next = NULL;
    if (q->last != NULL)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
}

static void push_first(struct sync_queue *q, struct sync_waiter *w)
{
    w->next = q->first;
    q->first = w;
    if (q->last == NULL)
        q->last = w;
}

static struct sync_waiter *pop_first(struct sync_queue *q)
{
    struct sync_waiter *w = q->first;

    if (w != NULL) {
        q->first = w->next;
        if (q->first == NULL)
            q->last = NULL;
    }
    return w;
}

static void remove_waiter(struct sync_queue *q, struct sync_waiter *w)
{
    struct sync_waiter **at = &q->first, *prev = NULL;

    while (*at != NULL && *at != w) {
        prev = *at;
        at = &prev->next;
    }
    if (*at == NULL)
        return;
    *at = w->next;
    if (q->last == w)
        q->last = prev;
}

/* ---- mutex: struct weir_mutex seen from inside ---- */

enum { LOCKED = 1, WAITED_FOR = 2 /* the queue is not empty; changed under the lock */ };

struct __attribute__((may_alias)) mutex {
    atomic_uint state;
    struct spinlock lock; /* the queue */
    struct sync_queue queue;
    _Atomic(struct co *) owner;
};
_Static_assert(sizeof(struct mutex) == sizeof(struct weir_mutex), "struct weir_mutex");

static struct mutex *mutex_of(struct weir_mutex *m)
{
    return (struct mutex *)(void *)m;
}

bool weir_mutex_try_lock(struct weir_mutex *wm)
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

static void lock_slow(struct mutex *m, struct co *co)
{
    struct sync_waiter w = {.co = co, .since_ns = world_now_ns(rt.world)};
    struct co *owner;
    bool again = false;

    for (;;) {
        spin_lock(&m->lock);
        if (take_or_announce(m)) {
            spin_unlock(&m->lock);
            break;
        }
        owner = atomic_load_explicit(&m->owner, memory_order_relaxed);
        co->wait_for_id = owner != NULL ? co_id(owner) : 0;
        w.ticket = park_prepare(co, WAIT_MUTEX, m, PARK_SHIELDED);
        if (again)
            push_first(&m->queue, &w);
        else
            push_last(&m->queue, &w);
        park(co, NS_NEVER, &m->lock);
        if (w.handed)
            return;
        again = true;
    }
    atomic_store_explicit(&m->owner, co, memory_order_relaxed);
}

void weir_mutex_lock(struct weir_mutex *wm)
{
    struct mutex *m = mutex_of(wm);
    struct co *co = co_self();
    unsigned unlocked = 0;

    ASSERT(co != NULL);
    if (likely(atomic_compare_exchange_strong_explicit(
            &m->state, &unlocked, LOCKED, memory_order_acquire, memory_order_relaxed))) {
        atomic_store_explicit(&m->owner, co, memory_order_relaxed);
        return;
    }
    ASSERT(atomic_load_explicit(&m->owner, memory_order_relaxed) != co); /* not recursive */
    lock_slow(m, co);
}

static void unlock_slow(struct mutex *m)
{
    struct sync_waiter *w;
    struct co *co;
    bool hand;

    spin_lock(&m->lock);
    w = pop_first(&m->queue);
    ASSERT(w != NULL);
    if (m->queue.first == NULL)
        atomic_fetch_and_explicit(&m->state, ~(unsigned)WAITED_FOR, memory_order_relaxed);
    hand = world_now_ns(rt.world) - w->since_ns > STARVING_NS;
    w->handed = hand;
    if (hand)
        atomic_store_explicit(&m->owner, w->co, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&m->state, ~(unsigned)LOCKED, memory_order_release);
    co = park_claim(w->ticket);
    spin_unlock(&m->lock);
    ASSERT(co != NULL); /* shielded: nobody else can have claimed it */
    park_run(co);
}

void weir_mutex_unlock(struct weir_mutex *wm)
{
    struct mutex *m = mutex_of(wm);
    unsigned locked = LOCKED;

    ASSERT((atomic_load_explicit(&m->state, memory_order_relaxed) & LOCKED) != 0);
    atomic_store_explicit(&m->owner, NULL, memory_order_relaxed);
    if (unlikely(!atomic_compare_exchange_strong_explicit(
            &m->state, &locked, 0, memory_order_release, memory_order_relaxed)))
        unlock_slow(m);
}

/* ---- wait group ---- */

struct __attribute__((may_alias)) wait_group {
    int64_t count; /* all under the lock */
    struct spinlock lock;
    struct sync_queue queue;
};
_Static_assert(sizeof(struct wait_group) == sizeof(struct weir_wait_group), "weir_wait_group");

static struct wait_group *group_of(struct weir_wait_group *wg)
{
    return (struct wait_group *)(void *)wg;
}

void weir_wait_group_add(struct weir_wait_group *wwg, int64_t n)
{
    struct wait_group *wg = group_of(wwg);
    struct co *first = NULL, *co;

    spin_lock(&wg->lock);
    wg->count += n;
    ASSERT(wg->count >= 0);
    while (wg->count == 0 && wg->queue.first != NULL) {
        co = park_claim(pop_first(&wg->queue)->ticket);
        if (co != NULL) {
            co->next = first;
            first = co;
        }
    }
    spin_unlock(&wg->lock);
    while ((co = first) != NULL) {
        first = co->next;
        park_run(co);
    }
}

void weir_wait_group_done(struct weir_wait_group *wg)
{
    weir_wait_group_add(wg, -1);
}

int weir_wait_group_wait(struct weir_wait_group *wwg)
{
    struct wait_group *wg = group_of(wwg);
    struct co *co = co_self();
    struct sync_waiter w = {.co = co};
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&wg->lock);
    if (wg->count == 0) {
        spin_unlock(&wg->lock);
        return 0;
    }
    w.ticket = park_prepare(co, WAIT_GROUP, wg, 0);
    push_last(&wg->queue, &w);
    r = park(co, NS_NEVER, &wg->lock);
    if (r < 0) {
        spin_lock(&wg->lock);
        remove_waiter(&wg->queue, &w);
        spin_unlock(&wg->lock);
    }
    return r;
}
