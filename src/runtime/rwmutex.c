/* Readers and writers, in one word that a reader changes by one atomic addition on its way in and
 * one on its way out. Writers first contend for a mutex; only the one that has it keeps readers
 * out.
 *
 * That is the shape of Go's sync.RWMutex, and it matters: a writer that still waits for the mutex
 * holds up nobody. When writers queued together with readers, in one order, a crowd in a tight loop
 * fell into step: each unlocking let the next ones in, who had a turn each and then waited again.
 *
 * A reader that finds a writer has counted itself already; it takes its count back and then waits.
 * Such a passing count may hold up a writer that waits for the last reader, but not for good:
 * whoever brings the count to zero then wakes it, the passing reader included.
 */
#include "runtime/explore.h"
#include "runtime/sync.h"

/* The state is below zero while a writer is pending, so that one addition tells a reader by the
 * sign of what comes out, and needs no value back. */
enum {
    PENDING = -(1 << 30), /* a writer has the mutex: it is in, or waits for the last reader */
    QUEUE = 1,            /* readers wait for it to leave; changed under the lock */
    READER = 2,           /* one reader */
    READERS_MAX = 1 << 28,
};

enum {
    LONG_PAUSES = 8 * SPIN_PAUSES, /* some five microseconds */
    BACK_NS = 2 * 1000,
};

struct __attribute__((may_alias)) rwmutex {
    struct weir_mutex writers;
    atomic_int state;
    struct spinlock lock; /* what follows */
    struct waitq readers;
    co_ticket writer; /* waits for the last reader, or 0 */
};
_Static_assert(sizeof(struct rwmutex) == sizeof(struct weir_rwmutex), "struct weir_rwmutex");

static struct rwmutex *rwmutex_of(struct weir_rwmutex *m)
{
    return (struct rwmutex *)(void *)m;
}

static int state_of(struct rwmutex *m)
{
    return atomic_load_explicit(&m->state, memory_order_acquire);
}

static bool is_pending(int state)
{
    return state < 0;
}

static int readers_in(int state)
{
    return (is_pending(state) ? state - PENDING : state) / READER;
}

static bool change(struct rwmutex *m, int *s, int to)
{
    return atomic_compare_exchange_weak_explicit(&m->state, s, to, memory_order_acq_rel,
                                                 memory_order_acquire);
}

/* ---- readers ---- */

/* Under the lock: the writer that waits, when the last reader has left; or NULL. */
static struct co *next_writer(struct rwmutex *m)
{
    co_ticket ticket = m->writer;

    if (ticket == 0 || readers_in(state_of(m)) > 0)
        return NULL;
    m->writer = 0;
    return park_claim(ticket);
}

static NOINLINE void last_reader_leaves(struct rwmutex *m)
{
    struct co *co;

    spin_lock(&m->lock);
    co = next_writer(m);
    spin_unlock(&m->lock);
    if (co != NULL)
        park_run(co);
}

/* A count was taken back while a writer was pending. Others may have come and gone meanwhile: then
 * the one whose change was the last finds the count at zero. */
static NOINLINE void leave_pending(struct rwmutex *m)
{
    int s;

    explore_point("reader has left a pending writer", m);
    s = state_of(m);
    if (!is_pending(s))
        return;
    /* Who was not in passes the one end with a writer pending, the other without. */
    ASSERT(s >= PENDING && s < PENDING + READERS_MAX * READER);
    if (readers_in(s) == 0)
        last_reader_leaves(m);
}

/* Takes back the count of a reader that leaves, or does not get in. */
static inline void count_off(struct rwmutex *m)
{
    int s = atomic_fetch_sub_explicit(&m->state, READER, memory_order_acq_rel) - READER;

    if (unlikely(is_pending(s)))
        leave_pending(m);
}

/* Unless a writer keeps readers out. */
static bool read_now(struct rwmutex *m)
{
    int s = state_of(m);

    while (!is_pending(s)) {
        if (change(m, &s, s + READER))
            return true;
    }
    return false;
}

static uint32_t clock_ns(void)
{
    return (uint32_t)world_now_ns(rt.world);
}

/* If the writer leaves within a few microseconds. Where a reader meets a writer again as soon as it
 * is back, two processors seem to take turns at this lock; there each stays away for longer. */
static bool spin_to_read(struct rwmutex *m)
{
    unsigned first = SPIN_PAUSES;

    if (!sched_crowded())
        return false;
    if (clock_ns() - __atomic_load_n(&m->writers.waited_, __ATOMIC_RELAXED) < BACK_NS)
        first = LONG_PAUSES;
    for (unsigned looks = 0;
         spin_again(mutex_owner(&m->writers), looks, looks == 0 ? first : (unsigned)SPIN_PAUSES);
         looks++) {
        if (read_now(m)) {
            __atomic_store_n(&m->writers.waited_, clock_ns(), __ATOMIC_RELAXED);
            return true;
        }
    }
    return false;
}

/* A writer has the mutex; the reader has counted itself nevertheless. */
static NOINLINE void read_lock_slow(struct rwmutex *m)
{
    struct waiter w;
    struct co *co = co_self();
    int s;

    ASSERT(co != NULL);
#ifdef WEIR_PLANTED_BUG_LOST_LAST_READER /* a writer may wait for this count alone */
    atomic_fetch_sub_explicit(&m->state, READER, memory_order_release);
#else
    count_off(m);
#endif
    explore_point("read lock again", m);
    if (spin_to_read(m))
        return;
    spin_lock(&m->lock);
    do {
        if (read_now(m)) {
            spin_unlock(&m->lock);
            return;
        }
        s = state_of(m);
    } while (!is_pending(s) || !change(m, &s, s | QUEUE));
    w.ticket = park_prepare(co, WAIT_RWMUTEX_READ, m, PARK_SHIELDED);
    wait_for_owner(co, mutex_owner(&m->writers));
    waitq_push_last(&m->readers, &w);
    park(co, NS_NEVER, &m->lock);
}

static inline void read_lock(struct rwmutex *m)
{
    int s = atomic_fetch_add_explicit(&m->state, READER, memory_order_acquire) + READER;

    if (unlikely(is_pending(s)))
        read_lock_slow(m);
}

/* Tail calls out of the fast paths, which so need to save no register. */
static NOINLINE void read_lock_explored(struct rwmutex *m)
{
    explore_point_slow("read lock", m);
    read_lock(m);
}

void weir_rwmutex_read_lock(struct weir_rwmutex *m)
{
    if (unlikely(explore_active))
        read_lock_explored(rwmutex_of(m));
    else
        read_lock(rwmutex_of(m));
}

bool weir_rwmutex_try_read_lock(struct weir_rwmutex *m)
{
    explore_point("try read lock", m);
    return read_now(rwmutex_of(m));
}

static NOINLINE void read_unlock_explored(struct rwmutex *m)
{
    explore_point_slow("read unlock", m);
    count_off(m);
}

void weir_rwmutex_read_unlock(struct weir_rwmutex *m)
{
    if (unlikely(explore_active))
        read_unlock_explored(rwmutex_of(m));
    else
        count_off(rwmutex_of(m));
}

/* ---- writers ---- */

/* If the readers leave within a microsecond. Here the looks are close to each other, since nobody
 * gets in meanwhile. */
static bool spin_for_readers(struct rwmutex *m)
{
    for (int i = 0; i < 16 && sched_crowded(); i++) {
        spin_pause();
        spin_pause();
        if (readers_in(state_of(m)) == 0)
            return true;
    }
    return false;
}

/* Waits until the readers that came before have left. */
static NOINLINE void wait_for_readers(struct rwmutex *m, struct co *co)
{
    if (spin_for_readers(m))
        return;
    spin_lock(&m->lock);
    if (readers_in(state_of(m)) == 0) {
        spin_unlock(&m->lock);
        return;
    }
    m->writer = park_prepare(co, WAIT_RWMUTEX_WRITE, m, PARK_SHIELDED);
    park(co, NS_NEVER, &m->lock);
}

void weir_rwmutex_lock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    struct co *co = co_self();

    ASSERT(co != NULL);
    explore_point("write lock", m);
    mutex_lock(&m->writers, co, WAIT_RWMUTEX_WRITE, m);
    if (unlikely(atomic_fetch_add_explicit(&m->state, PENDING, memory_order_acquire) >= READER))
        wait_for_readers(m, co);
}

bool weir_rwmutex_try_lock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    int none = 0;

    explore_point("try write lock", m);
    if (!mutex_try_lock(&m->writers))
        return false;
    if (atomic_compare_exchange_strong_explicit(&m->state, &none, PENDING, memory_order_acquire,
                                                memory_order_relaxed))
        return true;
    mutex_unlock(&m->writers);
    return false;
}

/* Readers have come meanwhile: all are let in. Those that are passing see that nobody is pending.
 */
static NOINLINE void admit_readers(struct rwmutex *m)
{
    int s, count = 0;
    WAKE_LIST(wakes);

    spin_lock(&m->lock);
    for (struct waiter *w = waitq_first(&m->readers); w != NULL; w = w->next)
        count++;
    s = state_of(m);
    while (!change(m, &s, s - PENDING - QUEUE + count * READER))
        ;
    waitq_claim_all(&m->readers, &wakes);
    spin_unlock(&m->lock);
    wake_list_run(&wakes);
}

void weir_rwmutex_unlock(struct weir_rwmutex *wm)
{
    struct rwmutex *m = rwmutex_of(wm);
    int s = PENDING;

    explore_point("write unlock", m);
    ASSERT(is_pending(state_of(m)));
    while ((s & QUEUE) == 0 && !change(m, &s, s - PENDING))
        ;
    if (unlikely((s & QUEUE) != 0))
        admit_readers(m);
    mutex_unlock(&m->writers);
}
