/* Once: the first caller runs the function, the others wait for it to return. */
#include <weir/panic.h>

#include "runtime/explore.h"
#include "runtime/sync.h"

enum once_state {
    ONCE_NEW,
    ONCE_RUNS, /* owner runs the function; others queue */
    ONCE_DONE, /* for good; the queue is empty */
};

struct __attribute__((may_alias)) once {
    atomic_uint state; /* written under the lock; DONE may be seen without */
    struct spinlock lock;
    struct waitq queue;
    _Atomic(struct co *) owner;
};
_Static_assert(sizeof(struct once) == sizeof(struct weir_once), "struct weir_once");

struct attempt {
    struct once *once;
    bool returned; /* false when a panic leaves it */
};

static void end_attempt(void *arg)
{
    struct attempt *a = arg;
    struct once *o = a->once;
    WAKE_LIST(wakes);

    explore_point("once", o);
    spin_lock(&o->lock);
    atomic_store_explicit(&o->owner, NULL, memory_order_relaxed);
    atomic_store_explicit(&o->state, a->returned ? ONCE_DONE : ONCE_NEW, memory_order_release);
    waitq_claim_all(&o->queue, &wakes);
    spin_unlock(&o->lock);
    wake_list_run(&wakes);
}

static void run(struct once *o, void (*fn)(void *arg), void *arg)
{
    struct attempt a = {.once = o};

    WEIR_DEFER(end_attempt, &a);
    fn(arg);
    a.returned = true;
}

static NOINLINE int do_slow(struct once *o, struct co *co, void (*fn)(void *arg), void *arg)
{
    struct waiter w;
    int r = 0;

    while (r == 0) {
        spin_lock(&o->lock);
        switch ((enum once_state)atomic_load_explicit(&o->state, memory_order_relaxed)) {
        case ONCE_DONE:
            spin_unlock(&o->lock);
            return 0;
        case ONCE_NEW:
            atomic_store_explicit(&o->owner, co, memory_order_relaxed);
            atomic_store_explicit(&o->state, ONCE_RUNS, memory_order_relaxed);
            spin_unlock(&o->lock);
            run(o, fn, arg);
            return 0;
        case ONCE_RUNS:
            ASSERT(atomic_load_explicit(&o->owner, memory_order_relaxed) != co);
            w.ticket = park_prepare(co, WAIT_ONCE, o, 0);
            wait_for_owner(co, atomic_load_explicit(&o->owner, memory_order_relaxed));
            r = waitq_wait(&o->queue, &w, co, &o->lock);
            break;
        }
    }
    return r;
}

int weir_once_do(struct weir_once *wo, void (*fn)(void *arg), void *arg)
{
    struct once *o = (struct once *)(void *)wo;
    struct co *co = co_self();

    ASSERT(co != NULL);
    explore_point("once", o);
    if (likely(atomic_load_explicit(&o->state, memory_order_acquire) == ONCE_DONE))
        return 0;
    return do_slow(o, co, fn, arg);
}
