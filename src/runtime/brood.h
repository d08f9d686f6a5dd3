/* The newborn of one processor: coroutines that have been started and have never run, beyond the
 * one in the slot of its run queue.
 *
 * The owner takes the newest, so that a tree of coroutines is walked in depth and few of its nodes
 * are alive at a time; first in, first out, a million leaves would be, each with a page of stack.
 * Thieves take the oldest, which have the largest parts of the tree below them (Blumofe and
 * Leiserson, "Scheduling multithreaded computations by work stealing", 1999). Unlike the deques of
 * the literature it is a list under a lock, since thieves are rare, and the lock is left out while
 * there are none.
 *
 * What has run before is queued elsewhere, in order, but for those that yield to the newborn: they
 * wait here, in order, until these have run, or twice as many picks have passed. */
#ifndef WEIR_RUNTIME_BROOD_H
#define WEIR_RUNTIME_BROOD_H

#include "runtime/co.h"

enum {
    BROOD_TURN = 16,  /* picks from elsewhere before the newest gets its turn */
    BROOD_STEAL = 16, /* at most so many change processors at a time */
    BROOD_MANY = 256  /* from here on those that start more are asked to let them run */
};

struct brood {
    struct spinlock lock;
    atomic_uint len; /* of both lists; changed under the lock, read by all */
    struct co *newest, *oldest;
    struct co *first_yielded, *last_yielded;

    /* The owner. */
    unsigned passed; /* picks since a newborn had its turn */
    unsigned due;    /* the pick from which on those that yielded have theirs */
};

static inline unsigned brood_len(const struct brood *b)
{
    return atomic_load_explicit(&b->len, memory_order_relaxed);
}

static inline void brood_set_len_(struct brood *b, unsigned len)
{
    atomic_store_explicit(&b->len, len, memory_order_release);
}

static inline void brood_push_(struct brood *b, struct co *co)
{
    co->next = b->newest;
    co->prev = NULL;
    if (b->newest != NULL)
        b->newest->prev = co;
    else
        b->oldest = co;
    b->newest = co;
    brood_set_len_(b, brood_len(b) + 1);
}

static inline void brood_push_yielded_(struct brood *b, struct co *co)
{
    co->next = NULL;
    if (b->last_yielded != NULL)
        b->last_yielded->next = co;
    else
        b->first_yielded = co;
    b->last_yielded = co;
    brood_set_len_(b, brood_len(b) + 1);
}

static inline struct co *brood_pop_yielded_(struct brood *b)
{
    struct co *co = b->first_yielded;

    if (co == NULL)
        return NULL;
    b->first_yielded = co->next;
    if (co->next == NULL)
        b->last_yielded = NULL;
    brood_set_len_(b, brood_len(b) - 1);
    return co;
}

static inline struct co *brood_pop_(struct brood *b)
{
    struct co *co = b->newest;

    if (co == NULL)
        return brood_pop_yielded_(b);
    b->newest = co->next;
    if (co->next != NULL)
        co->next->prev = NULL;
    else
        b->oldest = NULL;
    brood_set_len_(b, brood_len(b) - 1);
    return co;
}

static inline struct co *brood_pop_oldest_(struct brood *b)
{
    struct co *co = b->oldest;

    if (co == NULL)
        return brood_pop_yielded_(b);
    b->oldest = co->prev;
    if (co->prev != NULL)
        co->prev->next = NULL;
    else
        b->newest = NULL;
    brood_set_len_(b, brood_len(b) - 1);
    return co;
}

/* The owner's. lone: there are no thieves for the time being (mandate.h). */

static inline void brood_push(struct brood *b, struct co *co, bool lone)
{
    if (!lone)
        spin_lock(&b->lock);
    brood_push_(b, co);
    if (!lone)
        spin_unlock(&b->lock);
}

/* tick: the number of the pick. */
static inline void brood_push_yielded(struct brood *b, struct co *co, unsigned tick, bool lone)
{
    if (!lone)
        spin_lock(&b->lock);
    if (b->first_yielded == NULL)
        b->due = tick + 2 * brood_len(b);
    brood_push_yielded_(b, co);
    if (!lone)
        spin_unlock(&b->lock);
}

static inline struct co *brood_pop(struct brood *b, bool lone)
{
    struct co *co;

    if (brood_len(b) == 0)
        return NULL;
    if (!lone)
        spin_lock(&b->lock);
    co = brood_pop_(b);
    if (!lone)
        spin_unlock(&b->lock);
    return co;
}

/* For the turn of those that wait for long: who has yielded, if due, or else the oldest. */
static inline struct co *brood_pop_long(struct brood *b, unsigned tick, bool oldest, bool lone)
{
    struct co *co = NULL;

    if (brood_len(b) == 0)
        return NULL;
    if (!lone)
        spin_lock(&b->lock);
    if (b->first_yielded != NULL && (int)(tick - b->due) >= 0)
        co = brood_pop_yielded_(b);
    else if (oldest)
        co = brood_pop_oldest_(b);
    if (!lone)
        spin_unlock(&b->lock);
    return co;
}

/* Thief: the oldest half moves to its own brood, in the same order, but the oldest of all, which is
 * returned. (Who has yielded counts there as born last, and so runs soon.) NULL: none, or somebody
 * else is at it. */
static inline struct co *brood_steal(struct brood *own, struct brood *victim)
{
    struct co *batch[BROOD_STEAL];
    unsigned n, count = 0;

    if (brood_len(victim) == 0 || !spin_trylock(&victim->lock))
        return NULL;
    n = brood_len(victim);
    n = MIN(n - n / 2, (unsigned)BROOD_STEAL);
    while (count < n)
        batch[count++] = brood_pop_oldest_(victim);
    spin_unlock(&victim->lock);
    if (count == 0)
        return NULL;
    spin_lock(&own->lock);
    for (unsigned i = 1; i < count; i++)
        brood_push_(own, batch[i]);
    spin_unlock(&own->lock);
    return batch[0];
}

#endif
