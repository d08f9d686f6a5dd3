/* Semaphore: free units and whether somebody waits in one word. With nobody waiting, taking and
 * giving are one compare-and-swap; from the moment somebody waits until nobody does, all changes
 * are made under the lock, and what is given goes to the first in the queue. */
#include "runtime/explore.h"
#include "runtime/waitq.h"

enum { WAITED_FOR = 1, UNIT = 2 };

struct __attribute__((may_alias)) semaphore {
    _Atomic(int64_t) state; /* free units * UNIT, and WAITED_FOR */
    struct spinlock lock;   /* the queue */
    struct waitq queue;
};
_Static_assert(sizeof(struct semaphore) == sizeof(struct weir_semaphore), "weir_semaphore");

struct taker {
    struct waiter waiter;
    int64_t n;
};

static struct semaphore *semaphore_of(const struct weir_semaphore *s)
{
    return (struct semaphore *)(uintptr_t)s;
}

static bool try_take(struct semaphore *s, int64_t n)
{
    int64_t now = atomic_load_explicit(&s->state, memory_order_relaxed);

    while ((now & WAITED_FOR) == 0 && now >= n * UNIT) {
        if (atomic_compare_exchange_weak_explicit(&s->state, &now, now - n * UNIT,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

/* Under the lock, with WAITED_FOR set: serves the queue from its head as far as units last. */
static void serve(struct semaphore *s, struct wake_list *wakes)
{
    int64_t units = atomic_load_explicit(&s->state, memory_order_relaxed) / UNIT;
    struct waiter *w;

    while ((w = waitq_first(&s->queue)) != NULL) {
        int64_t n = container_of(w, struct taker, waiter)->n;
        struct co *co;

        if (units < n)
            break;
        waitq_remove(&s->queue, w);
        if (waiter_claim(w, &co)) {
            units -= n;
            wake_list_add(wakes, co);
        }
    }
    atomic_store_explicit(&s->state, units * UNIT + (w != NULL ? WAITED_FOR : 0),
                          memory_order_release);
}

/* The request of w is taken back; what it held up is served. */
static void take_back(struct semaphore *s, struct taker *t)
{
    WAKE_LIST(wakes);

    spin_lock(&s->lock);
    waitq_remove(&s->queue, &t->waiter);
    if ((atomic_load_explicit(&s->state, memory_order_relaxed) & WAITED_FOR) != 0)
        serve(s, &wakes);
    spin_unlock(&s->lock);
    wake_list_run(&wakes);
}

static NOINLINE int acquire_slow(struct semaphore *s, struct co *co, int64_t n)
{
    struct taker t = {.n = n};
    int64_t now;
    int r;

    spin_lock(&s->lock);
    now = atomic_fetch_or_explicit(&s->state, WAITED_FOR, memory_order_acquire);
    if ((now & WAITED_FOR) == 0 && now >= n * UNIT) {
        atomic_store_explicit(&s->state, now - n * UNIT, memory_order_release);
        spin_unlock(&s->lock);
        return 0;
    }
    t.waiter.ticket = park_prepare(co, WAIT_SEMAPHORE, s, 0);
    waitq_push_last(&s->queue, &t.waiter);
    r = park(co, NS_NEVER, &s->lock);
    if (r < 0)
        take_back(s, &t);
    return r;
}

int weir_semaphore_acquire(struct weir_semaphore *ws, uint32_t n)
{
    struct semaphore *s = semaphore_of(ws);
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    explore_point("acquire", s);
    r = co_check(co);
    if (r < 0)
        return r;
    if (unlikely(!try_take(s, n)))
        return acquire_slow(s, co, n);
    co_spend(co);
    return 0;
}

bool weir_semaphore_try_acquire(struct weir_semaphore *ws, uint32_t n)
{
    explore_point("try acquire", ws);
    return try_take(semaphore_of(ws), n);
}

static NOINLINE void release_slow(struct semaphore *s, int64_t n)
{
    WAKE_LIST(wakes);

    spin_lock(&s->lock);
    if ((atomic_fetch_add_explicit(&s->state, n * UNIT, memory_order_release) & WAITED_FOR) != 0)
        serve(s, &wakes);
    spin_unlock(&s->lock);
    wake_list_run(&wakes);
}

void weir_semaphore_release(struct weir_semaphore *ws, uint32_t n)
{
    struct semaphore *s = semaphore_of(ws);
    int64_t now;

    explore_point("release", s);
    now = atomic_load_explicit(&s->state, memory_order_relaxed);
    do {
        if (unlikely((now & WAITED_FOR) != 0)) {
            release_slow(s, n);
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(&s->state, &now, now + n * (int64_t)UNIT,
                                                    memory_order_release, memory_order_relaxed));
}

int64_t weir_semaphore_available(const struct weir_semaphore *s)
{
    return atomic_load_explicit(&semaphore_of(s)->state, memory_order_relaxed) / UNIT;
}
