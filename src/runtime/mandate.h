/* Who may run coroutines, as a state machine: the mandate of a seat, and the queue that nobody but
 * its owner looks at for the time being. Free of the rest of the runtime, so that a test can
 * compile it with atomic operations of its own and explore the orders in which they can happen. */
#ifndef WEIR_RUNTIME_MANDATE_H
#define WEIR_RUNTIME_MANDATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- mandates ----
 *
 * A seat has one mandate at all times, held by one processor: the one whose seat it is, or one that
 * stands in for it because its thread is stuck. It changes hands by one CAS:
 *
 *     given     by the monitor, from a holder that has been stuck since an earlier look
 *     reclaimed by the processor whose seat it is, when its thread is back
 *
 * Who has lost it finds out at its next look and then runs no further coroutine; until then it
 * finishes the one it runs, which does no harm but to the count of running threads. The turn makes
 * sure that a word seen twice means: nothing has happened in between. */
struct mandate {
    _Atomic(uint64_t) word; /* turn << 32 | MANDATE_BLOCKED | holder's index */
};

enum {
    MANDATE_HOLDER = 0xffff,
    MANDATE_BLOCKED = 1 << 16, /* the holder is in an announced block; given away without ado */
};

static inline uint64_t mandate_next_(uint64_t word, unsigned low)
{
    return ((word >> 32) + 1) << 32 | low;
}

static inline void mandate_init(struct mandate *m, unsigned holder)
{
    atomic_init(&m->word, holder);
}

static inline uint64_t mandate_look(const struct mandate *m)
{
    return atomic_load_explicit(&m->word, memory_order_acquire);
}

static inline unsigned mandate_holder(uint64_t word)
{
    return word & MANDATE_HOLDER;
}

static inline bool mandate_held_by(const struct mandate *m, unsigned self)
{
    return mandate_holder(mandate_look(m)) == self;
}

/* The monitor gives it to another one, if nothing has happened since it saw this word. So two that
 * see the same stuck holder replace it once. */
static inline bool mandate_give(struct mandate *m, uint64_t seen, unsigned to)
{
#ifdef WEIR_PLANTED_BUG_DOUBLE_RETAKE /* looks for the same holder, not for the same turn */
    uint64_t now = mandate_look(m);

    if ((now & (MANDATE_HOLDER | MANDATE_BLOCKED)) == (seen & (MANDATE_HOLDER | MANDATE_BLOCKED))) {
        atomic_store_explicit(&m->word, mandate_next_(now, to), memory_order_seq_cst);
        return true;
    }
    return false;
#endif
    return atomic_compare_exchange_strong_explicit(&m->word, &seen, mandate_next_(seen, to),
                                                   memory_order_seq_cst, memory_order_relaxed);
}

/* The processor whose seat it is takes it back. Returns who held it until now. */
static inline unsigned mandate_reclaim(struct mandate *m, unsigned self)
{
    uint64_t w = mandate_look(m);

    while (mandate_holder(w) != self &&
           !atomic_compare_exchange_weak_explicit(&m->word, &w, mandate_next_(w, self),
                                                  memory_order_seq_cst, memory_order_acquire))
        ;
    return mandate_holder(w);
}

/* The holder announces that it may block. False: it does not hold the mandate (any more). */
static inline bool mandate_block(struct mandate *m, unsigned self)
{
    uint64_t w = atomic_load_explicit(&m->word, memory_order_relaxed);

    return mandate_holder(w) == self && atomic_compare_exchange_strong_explicit(
                                            &m->word, &w, mandate_next_(w, self | MANDATE_BLOCKED),
                                            memory_order_seq_cst, memory_order_relaxed);
}

/* It is back. False: it has been given away meanwhile. */
static inline bool mandate_unblock(struct mandate *m, unsigned self)
{
    uint64_t w = atomic_load_explicit(&m->word, memory_order_relaxed);

    return mandate_holder(w) == self &&
           atomic_compare_exchange_strong_explicit(&m->word, &w, mandate_next_(w, self),
                                                   memory_order_seq_cst, memory_order_relaxed);
}

/* ---- alone ----
 *
 * While nobody looks at a queue but its owner, the owner needs no atomic read-modify-writes, and no
 * fences to find out whom to offer work. Those who look are processors without work, that steal or
 * sleep until work is offered. A looker first counts itself among the lookers and then, if any
 * queue is alone, ends that; an owner first counts its queue among those alone and then sees
 * whether there are lookers. Both sides count by read-modify-writes, so one sees the other.
 *
 * The fence between owner and looker is asymmetric (Dekker with membarrier(2) on the rare side; as
 * in Ladan-Mozes, Lee and Vyukov, "Location-based memory fences", 2011): the owner says "busy" and
 * reads "alone" with nothing but the compiler's order between them; the other side clears "alone",
 * makes every running thread pass a fence, and reads "busy". Then either it sees the owner busy, or
 * the owner sees that it is no longer alone, in this operation and all others. An owner that goes
 * from one operation to the next sees so by itself, and says that it has: within a microsecond,
 * where the fence interrupts every core that runs one of our threads. So the looker waits for that
 * first. */
struct lone {
    atomic_bool alone;
    atomic_bool busy; /* the owner is within an operation that relies on it */
    atomic_bool seen; /* the owner knows that it is not alone any more */
    bool counted;     /* as alone; under the lock of those who begin and end */
};

#ifndef MANDATE_HEAVY_FENCE
void mandate_heavy_fence(void);
#define MANDATE_HEAVY_FENCE() mandate_heavy_fence()
#define MANDATE_LIGHT_FENCE() atomic_signal_fence(memory_order_seq_cst)
#endif

/* Owner, around an operation. True: alone until lone_leave(). False: there may be lookers. */
static inline bool lone_enter(struct lone *l)
{
    if (atomic_load_explicit(&l->alone, memory_order_relaxed)) {
        atomic_store_explicit(&l->busy, true, memory_order_relaxed);
        MANDATE_LIGHT_FENCE();
        if (__builtin_expect(atomic_load_explicit(&l->alone, memory_order_relaxed), 1))
            return true;
        atomic_store_explicit(&l->busy, false, memory_order_release);
    }
    atomic_store_explicit(&l->seen, true, memory_order_release);
    return false;
}

static inline void lone_leave(struct lone *l)
{
    atomic_store_explicit(&l->busy, false, memory_order_release);
}

/* Owner, under the lock: it is alone, unless somebody looks. count: of those alone. */
static inline void lone_begin(struct lone *l, atomic_uint *count, bool (*anybody_looks)(void))
{
    if (!l->counted)
        atomic_fetch_add(count, 1);
    l->counted = !anybody_looks();
    atomic_store_explicit(&l->seen, false, memory_order_relaxed);
    atomic_store_explicit(&l->alone, l->counted, memory_order_relaxed);
    if (!l->counted)
        atomic_fetch_sub(count, 1);
}

/* The looker's side, under the lock: it revokes for each queue; waits a little for the owners to
 * see it, and if any does not, makes one fence for all; and asks each whether it is over. True: it
 * was alone until now. */
static inline bool lone_revoke(struct lone *l)
{
    bool was = atomic_load_explicit(&l->alone, memory_order_relaxed);

    if (was)
        atomic_store_explicit(&l->alone, false, memory_order_relaxed);
    return was;
}

/* Its owner has seen that it was revoked, if it was. */
static inline bool lone_is_seen(const struct lone *l)
{
    return !l->counted || atomic_load_explicit(&l->seen, memory_order_acquire);
}

/* False: the owner is in the middle of an operation; ask again later, it will find out when it has
 * finished. */
static inline bool lone_is_over(struct lone *l, atomic_uint *count)
{
    if (!l->counted)
        return true;
    if (atomic_load_explicit(&l->busy, memory_order_acquire))
        return false;
    l->counted = false;
    atomic_fetch_sub(count, 1);
    return true;
}

#endif
