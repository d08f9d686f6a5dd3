/* The run queue of one processor: a ring with one producer (the owner) and many consumers (owner
 * and thieves), and in front of it one slot for the coroutine that was made runnable last, which
 * runs next on the same, warm cache. As in Go's scheduler (runtime/proc.go: runqput, runqget,
 * runqgrab); what differs: the slot is an exchange on both sides, and at most STREAK_MAX picks in a
 * row come from it before the ring gets its turn. Behind the ring stand those that have not run
 * yet, newest first (brood.h): what has begun is finished first. */
#ifndef WEIR_RUNTIME_RUNQ_H
#define WEIR_RUNTIME_RUNQ_H

#include "runtime/brood.h"
#include "runtime/co.h"
#include "runtime/mandate.h"

#ifndef WEIR_RUNQ_SIZE
#define WEIR_RUNQ_SIZE 256 /* a power of two; tests shrink it */
#endif

enum { RUNQ_SIZE = WEIR_RUNQ_SIZE, STREAK_MAX = 3 };
_Static_assert(RUNQ_SIZE >= 4 && (RUNQ_SIZE & (RUNQ_SIZE - 1)) == 0, "ring size");

struct runq {
    /* Owner and thieves. */
    CACHE_ALIGNED atomic_uint head; /* next to take; moved by CAS */
    _Atomic(struct co *) next;      /* the slot */

    /* Written by the owner, read by thieves. */
    CACHE_ALIGNED atomic_uint tail; /* next free; store-release publishes the entry */
    unsigned streak;                /* owner only */
    struct lone lone;               /* no thieves: no atomic exchange is needed */
    _Atomic(struct co *) ring[RUNQ_SIZE];

    CACHE_ALIGNED struct brood brood;
};

/* Without the slot. */
static inline unsigned runq_len(const struct runq *q)
{
    unsigned head = atomic_load_explicit(&q->head, memory_order_acquire);
    unsigned tail = atomic_load_explicit(&q->tail, memory_order_acquire);
    unsigned newborn = atomic_load_explicit(&q->brood.len, memory_order_acquire);

    return ((int)(tail - head) > 0 ? tail - head : 0) + newborn; /* a thief reads two moments */
}

static inline bool runq_empty(const struct runq *q)
{
    return runq_len(q) == 0 && atomic_load_explicit(&q->next, memory_order_acquire) == NULL;
}

/* Owner: how many fit into the ring. */
static inline unsigned runq_room(const struct runq *q)
{
    unsigned head = atomic_load_explicit(&q->head, memory_order_acquire);
    unsigned tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    return RUNQ_SIZE - (tail - head);
}

/* Owner. False when the ring is full. */
static inline bool runq_push(struct runq *q, struct co *co)
{
    unsigned head = atomic_load_explicit(&q->head, memory_order_acquire);
    unsigned tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    if (unlikely(tail - head >= RUNQ_SIZE))
        return false;
    atomic_store_explicit(&q->ring[tail % RUNQ_SIZE], co, memory_order_relaxed);
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

/* What the owner does, with thieves about or (lone) without. */

static inline struct co *runq_swap_(struct runq *q, struct co *co, bool lone)
{
    struct co *old;

    if (!lone)
        return atomic_exchange_explicit(&q->next, co, memory_order_acq_rel);
    old = atomic_load_explicit(&q->next, memory_order_relaxed);
    atomic_store_explicit(&q->next, co, memory_order_release);
    return old;
}

static inline struct co *runq_pop_(struct runq *q, bool lone)
{
    unsigned head = atomic_load_explicit(&q->head, memory_order_acquire);
    unsigned tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    while (head != tail) {
        struct co *co = atomic_load_explicit(&q->ring[head % RUNQ_SIZE], memory_order_relaxed);

        if (lone) {
            atomic_store_explicit(&q->head, head + 1, memory_order_release);
            return co;
        }
        if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return co;
    }
    return NULL;
}

static inline struct co *runq_get_old_(struct runq *q, bool lone)
{
    struct co *co;

    if (atomic_load_explicit(&q->next, memory_order_relaxed) != NULL) {
        if (q->streak < STREAK_MAX || (co = runq_pop_(q, lone)) == NULL) {
            co = runq_swap_(q, NULL, lone);
            if (likely(co != NULL)) { /* else a thief has it */
                q->streak++;
                return co;
            }
            co = runq_pop_(q, lone);
        }
    } else {
        co = runq_pop_(q, lone);
    }
    q->streak = 0;
    return co;
}

static inline struct co *runq_get_(struct runq *q, bool lone)
{
    struct co *co;

    if (likely(brood_len(&q->brood) == 0))
        return runq_get_old_(q, lone);
    if (++q->brood.passed < BROOD_TURN && (co = runq_get_old_(q, lone)) != NULL)
        return co;
    q->brood.passed = 0;
    co = brood_pop(&q->brood, lone);
    return co != NULL ? co : runq_get_old_(q, lone);
}

/* Owner. Puts co into the slot; what was there (or NULL) must go into the ring. */
static inline struct co *runq_swap_next(struct runq *q, struct co *co)
{
    struct co *old;

    if (!lone_enter(&q->lone))
        return runq_swap_(q, co, false);
    old = runq_swap_(q, co, true);
    lone_leave(&q->lone);
    return old;
}

/* Owner: co, which was displaced from the slot, has never run. */
static inline void runq_push_newborn(struct runq *q, struct co *co)
{
    bool lone = lone_enter(&q->lone);

    brood_push(&q->brood, co, lone);
    if (lone)
        lone_leave(&q->lone);
}

/* Owner: co lets all others run. tick numbers the picks. False: the ring is full. */
static inline bool runq_push_yielded(struct runq *q, struct co *co, unsigned tick)
{
    bool lone;

    if (likely(brood_len(&q->brood) == 0))
        return runq_push(q, co);
    lone = lone_enter(&q->lone);
    brood_push_yielded(&q->brood, co, tick, lone);
    if (lone)
        lone_leave(&q->lone);
    return true;
}

/* Owner: what it is about to put into the slot would be its next pick. Counts as that pick. */
static inline bool runq_hand_over(struct runq *q)
{
    if (atomic_load_explicit(&q->next, memory_order_relaxed) != NULL)
        return false;
    if (q->streak >= STREAK_MAX && runq_len(q) != 0)
        return false;
    q->streak++;
    return true;
}

/* Owner, now and then: who has yielded and waited for long enough; or, with oldest, who has waited
 * for its first run longest. */
static inline struct co *runq_get_long(struct runq *q, unsigned tick, bool oldest)
{
    bool lone = lone_enter(&q->lone);
    struct co *co = brood_pop_long(&q->brood, tick, oldest, lone);

    if (lone)
        lone_leave(&q->lone);
    return co;
}

/* Out of line, so that the other way stays short where it is inlined. */
static NOINLINE struct co *runq_get_shared_(struct runq *q)
{
    return runq_get_(q, false);
}

/* Owner, alone: co, which still has its stack to leave, goes behind all others, and who is first
 * comes out. Thieves are kept off until runq_rotated(). NULL: there is more to it than that. */
static inline struct co *runq_rotate(struct runq *q, struct co *co)
{
    unsigned head, tail;
    struct co *first;

    if (!lone_enter(&q->lone))
        return NULL;
    head = atomic_load_explicit(&q->head, memory_order_relaxed);
    tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    if (head == tail || brood_len(&q->brood) != 0 ||
        atomic_load_explicit(&q->next, memory_order_relaxed) != NULL) {
        lone_leave(&q->lone);
        return NULL;
    }
    first = atomic_load_explicit(&q->ring[head % RUNQ_SIZE], memory_order_relaxed);
    atomic_store_explicit(&q->head, head + 1, memory_order_release);
    atomic_store_explicit(&q->ring[tail % RUNQ_SIZE], co, memory_order_relaxed);
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    q->streak = 0;
    return first;
}

/* On the other stack. */
static inline void runq_rotated(struct runq *q)
{
    lone_leave(&q->lone);
}

/* Owner. The slot first, but not more than STREAK_MAX times in a row when the ring has some. */
static inline struct co *runq_get(struct runq *q)
{
    struct co *co;

    if (!lone_enter(&q->lone))
        return runq_get_shared_(q);
    co = runq_get_(q, true);
    lone_leave(&q->lone);
    return co;
}

/* Owner: takes half of a full ring out, linked by ->next, for the global queue. Returns how many.
 */
static inline unsigned runq_take_half(struct runq *q, struct co **ret_first, struct co **ret_last)
{
    unsigned head = atomic_load_explicit(&q->head, memory_order_acquire);
    unsigned tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    unsigned n = RUNQ_SIZE / 2;
    struct co *batch[RUNQ_SIZE / 2];

    if (tail - head != RUNQ_SIZE)
        return 0; /* a thief made room */
    for (unsigned i = 0; i < n; i++)
        batch[i] = atomic_load_explicit(&q->ring[(head + i) % RUNQ_SIZE], memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&q->head, &head, head + n, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return 0;
    for (unsigned i = 0; i + 1 < n; i++)
        batch[i]->next = batch[i + 1];
    batch[n - 1]->next = NULL;
    *ret_first = batch[0];
    *ret_last = batch[n - 1];
    return n;
}

/* Thief: takes half of victim's ring. One is returned, the rest goes into the thief's own ring,
 * which must be empty. With none in the ring, the same with the newborn. */
static inline struct co *runq_steal(struct runq *own, struct runq *victim)
{
    unsigned tail = atomic_load_explicit(&own->tail, memory_order_relaxed);

    for (;;) {
        unsigned head = atomic_load_explicit(&victim->head, memory_order_acquire);
        unsigned end = atomic_load_explicit(&victim->tail, memory_order_acquire);
        unsigned n = end - head;
        struct co *co = NULL;

        n -= n / 2;
        if (n == 0)
            return brood_steal(&own->brood, &victim->brood);
        if (n > RUNQ_SIZE / 2) /* head and tail are of two moments */
            continue;
        for (unsigned i = 0; i < n; i++) {
            co = atomic_load_explicit(&victim->ring[(head + i) % RUNQ_SIZE], memory_order_relaxed);
            if (i + 1 < n)
                atomic_store_explicit(&own->ring[(tail + i) % RUNQ_SIZE], co, memory_order_relaxed);
        }
        if (!atomic_compare_exchange_strong_explicit(&victim->head, &head, head + n,
                                                     memory_order_acq_rel, memory_order_relaxed))
            continue;
        atomic_store_explicit(&own->tail, tail + n - 1, memory_order_release);
        return co;
    }
}

/* Thief: takes what stands in victim's slot. */
static inline struct co *runq_steal_next(struct runq *victim)
{
    if (atomic_load_explicit(&victim->next, memory_order_relaxed) == NULL)
        return NULL;
    return atomic_exchange_explicit(&victim->next, NULL, memory_order_acq_rel);
}

#endif
