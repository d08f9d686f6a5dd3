/* Readers and writers, in one word that a reader changes by one atomic addition on its way in and
 * one on its way out.
 *
 * A reader that finds a writer, or somebody waiting, has counted itself already; it either sees the
 * obstacle go, and then is in, or takes its count back under the lock. Such a passing count may
 * hold up whom it is the lock's turn to let in, but never for good: whoever brings the count to
 * zero while somebody waits lets the next one in, the passing reader included. Ownership is handed
 * over; only a word of zero lets a writer take it by itself, so nobody is overtaken once there is a
 * queue. */
#include "runtime/explore.h"
#include "runtime/sync.h"

enum {
    WRITER = 1, /* held for writing */
    QUEUE = 2,  /* somebody waits; changed under the lock */
    READER = 4, /* one reader */
};

struct __attribute__((may_alias)) rwmutex {
    atomic_uint state;
    struct spinlock lock; /* the queues */
    struct waitq readers, writers;
    _Atomic(struct co *) owner;
};
_Static_assert(sizeof(struct rwmutex) == sizeof(struct weir_rwmutex), "struct weir_rwmutex");

struct writer {
    struct waiter waiter;
    struct co *co;
};

static struct rwmutex *rwmutex_of(struct weir_rwmutex *m)
{
    return (struct rwmutex *)(void *)m;
}

static unsigned state_of(struct rwmutex *m)
{
    return atomic_load_explicit(&m->state, memory_order_acquire);
}

static bool change(struct rwmutex *m, unsigned *s, unsigned to)
{
    return atomic_compare_exchange_weak_explicit(&m->state, s, to, memory_order_acq_rel,
                                                 memory_order_acquire);
}

/* Under the lock, with somebody waiting. hold: WRITER when the caller gives up holding it for
 * writing (then whatever readers are counted are passing), else 0. */
static void admit_readers(struct rwmutex *m, unsigned hold, struct wake_list *wakes)
{
    unsigned s = state_of(m), count = 0, to;

    for (struct waiter *w = waitq_first(&m->readers); w != NULL; w = w->next)
        count++;
    do {
        to = s - hold + count * READER;
        to = waitq_empty(&m->writers) ? to & ~(unsigned)QUEUE : to;
    } while (!change(m, &s, to));
    waitq_claim_all(&m->readers, wakes);
}

static void admit_writer(struct rwmutex *m, unsigned hold, struct wake_list *wakes)
{
    struct waiter *first = waitq_first(&m->writers);
    struct writer *w = container_of(first, struct writer, waiter);
    unsigned s = state_of(m), to;

    do {
        if (hold == 0 && s >= READER)
            return; /* a passing reader, which will come here */
        to = (s - hold) | WRITER;
        if (first->next == NULL && waitq_empty(&m->readers))
            to &= ~(unsigned)QUEUE;
    } while (!change(m, &s, to));
    waitq_remove(&m->writers, first);
    atomic_store_explicit(&m->owner, w->co, memory_order_relaxed);
    wake_list_add(wakes, park_claim(first->ticket));
}

/* Under the lock: lets the next one in when nobody holds it any more. */
static void readers_have_left(struct rwmutex *m, struct wake_list *wakes)
{
    unsigned s = state_of(m);

    if (s >= READER || (s & WRITER) != 0 || (s & QUEUE) == 0)
        return;
    if (!waitq_empty(&m->writers))
        admit_writer(m, 0, wakes);
    else
        admit_readers(m, 0, wakes);
}

/* ---- readers ---- */

static NOINLINE void read_lock_slow(struct rwmutex *m, struct co *co)
{
    struct waiter w;
    WAKE_LIST(wakes);
    unsigned s = state_of(m);

    for (unsigned i = 0; (s & (WRITER | QUEUE)) == WRITER && spin_worth(&m->owner, i); i++) {
        spin_pause();
        s = state_of(m);
    }
    if ((s & (WRITER | QUEUE)) == 0)
        return;
    spin_lock(&m->lock);
    s = state_of(m);
    do {
        if ((s & (WRITER | QUEUE)) == 0) {
            spin_unlock(&m->lock);
            return;
        }
    } while (!change(m, &s, (s - READER) | QUEUE));
    w.ticket = park_prepare(co, WAIT_RWMUTEX_READ, m, PARK_SHIELDED);
    wait_for_owner(co, &m->owner);
    waitq_push_last(&m->readers, &w);
    readers_have_left(m, &wakes); /* the writers' turn: it does not wake us, see there */
    wake_list_run(&wakes);
    park(co, NS_NEVER, &m->lock);
}

void weir_rwmutex_read_lock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    struct co *co = co_self();
    unsigned s;

    ASSERT(co != NULL);
    explore_point("read lock", m);
    s = atomic_fetch_add_explicit(&m->state, READER, memory_order_acquire);
    if (unlikely((s & (WRITER | QUEUE)) != 0))
        read_lock_slow(m, co);
}

bool weir_rwmutex_try_read_lock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    unsigned s;

    explore_point("try read lock", m);
    s = state_of(m);
    while ((s & (WRITER | QUEUE)) == 0) {
        if (change(m, &s, s + READER))
            return true;
    }
    return false;
}

static NOINLINE void last_reader_leaves(struct rwmutex *m)
{
    WAKE_LIST(wakes);

    spin_lock(&m->lock);
    readers_have_left(m, &wakes);
    spin_unlock(&m->lock);
    wake_list_run(&wakes);
}

void weir_rwmutex_read_unlock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    unsigned s;

    explore_point("read unlock", m);
    s = atomic_fetch_sub_explicit(&m->state, READER, memory_order_release);
    ASSERT(s >= READER);
    if (unlikely((s & QUEUE) != 0) && s < 2 * READER)
        last_reader_leaves(m);
}

/* ---- writers ---- */

static bool try_write(struct rwmutex *m, struct co *co)
{
    unsigned none = 0;

    if (!atomic_compare_exchange_strong_explicit(&m->state, &none, WRITER, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&m->owner, co, memory_order_relaxed);
    return true;
}

static NOINLINE void lock_slow(struct rwmutex *m, struct co *co)
{
    struct writer w = {.co = co};
    unsigned s;

    for (unsigned i = 0; spin_worth(&m->owner, i); i++) {
        if (state_of(m) == 0 && try_write(m, co))
            return;
        spin_pause();
    }
    spin_lock(&m->lock);
    s = state_of(m);
    while (!change(m, &s, s == 0 ? WRITER : s | QUEUE))
        ;
    if (s == 0) {
        spin_unlock(&m->lock);
        atomic_store_explicit(&m->owner, co, memory_order_relaxed);
        return;
    }
    w.waiter.ticket = park_prepare(co, WAIT_RWMUTEX_WRITE, m, PARK_SHIELDED);
    wait_for_owner(co, &m->owner);
    waitq_push_last(&m->writers, &w.waiter);
    park(co, NS_NEVER, &m->lock);
}

void weir_rwmutex_lock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    struct co *co = co_self();

    ASSERT(co != NULL);
    explore_point("write lock", m);
    if (likely(try_write(m, co)))
        return;
    ASSERT(atomic_load_explicit(&m->owner, memory_order_relaxed) != co); /* not recursive */
    lock_slow(m, co);
}

bool weir_rwmutex_try_lock(struct weir_rwmutex *wm)
{
    explore_point("try write lock", wm);
    return try_write(rwmutex_of(wm), co_self());
}

static NOINLINE void unlock_slow(struct rwmutex *m)
{
    WAKE_LIST(wakes);

    spin_lock(&m->lock);
    if (!waitq_empty(&m->readers))
        admit_readers(m, WRITER, &wakes);
    else
        admit_writer(m, WRITER, &wakes);
    spin_unlock(&m->lock);
    wake_list_run(&wakes);
}

void weir_rwmutex_unlock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    unsigned s = WRITER;

    explore_point("write unlock", m);
    ASSERT((state_of(m) & WRITER) != 0);
    atomic_store_explicit(&m->owner, NULL, memory_order_relaxed);
    while ((s & QUEUE) == 0) {
        if (atomic_compare_exchange_weak_explicit(&m->state, &s, s - WRITER, memory_order_release,
                                                  memory_order_relaxed))
            return;
    }
    unlock_slow(m);
}
