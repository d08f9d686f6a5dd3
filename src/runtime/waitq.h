/* A queue of waiting coroutines, guarded by its owner's lock. The records are on the stacks of
 * those who wait: who ends a wait takes its record out, and who finds its wait ended otherwise (by
 * a deadline, a cancellation) takes it out itself before its frame goes. */
#ifndef WEIR_RUNTIME_WAITQ_H
#define WEIR_RUNTIME_WAITQ_H

#include "runtime/sched.h"

struct waiter {
    struct waiter *next, *prev;
    co_ticket ticket;
    bool queued;
};

struct waitq {
    _Atomic(struct waiter *) first; /* written under the lock; may be looked at without */
    struct waiter *last;
};

static inline struct waiter *waitq_first(const struct waitq *q)
{
    return atomic_load_explicit(&q->first, memory_order_acquire);
}

static inline bool waitq_empty(const struct waitq *q)
{
    return waitq_first(q) == NULL;
}

static inline void waitq_set_first(struct waitq *q, struct waiter *w)
{
    atomic_store_explicit(&q->first, w, memory_order_relaxed);
}

static inline void waitq_push_last(struct waitq *q, struct waiter *w)
{
    w->queued = true;
    w->next = NULL;
    w->prev = q->last;
    if (w->prev != NULL)
        w->prev->next = w;
    else
        waitq_set_first(q, w);
    q->last = w;
}

static inline void waitq_push_first(struct waitq *q, struct waiter *w)
{
    w->queued = true;
    w->prev = NULL;
    w->next = waitq_first(q);
    if (w->next != NULL)
        w->next->prev = w;
    else
        q->last = w;
    waitq_set_first(q, w);
}

/* Nothing when it has been taken out already. */
static inline void waitq_remove(struct waitq *q, struct waiter *w)
{
    if (!w->queued)
        return;
    w->queued = false;
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        waitq_set_first(q, w->next);
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        q->last = w->prev;
}

/* Ends the wait of w, which the caller has taken out. False: it has ended otherwise. *ret_co: who
 * must be run when all is in place for it; NULL when it has not left its stack yet and will find
 * out by itself, perhaps at once: then w may be gone as soon as its lock is. */
static inline bool waiter_claim(struct waiter *w, struct co **ret_co)
{
    struct co *co = stack_co((uint32_t)w->ticket >> 8);
    enum claim_outcome outcome = co_claim(co, (uint32_t)(w->ticket >> 32), RESULT_WOKEN);

    *ret_co = outcome == CLAIM_WON ? co : NULL;
    return outcome != CLAIM_LOST;
}

/* Coroutines to run after unlocking, in order. */
struct wake_list {
    struct co *first, **end;
};

#define WAKE_LIST(name) struct wake_list name = {NULL, &name.first}

static inline void wake_list_add(struct wake_list *l, struct co *co)
{
    if (co == NULL)
        return;
    co->next = NULL;
    *l->end = co;
    l->end = &co->next;
}

static inline void wake_list_run(struct wake_list *l)
{
    struct co *co;

    while ((co = l->first) != NULL) {
        l->first = co->next;
        park_run(co);
    }
}

/* Ends the waits of all. */
static inline void waitq_claim_all(struct waitq *q, struct wake_list *wakes)
{
    struct waiter *w;
    struct co *co;

    while ((w = waitq_first(q)) != NULL) {
        waitq_remove(q, w);
        if (waiter_claim(w, &co))
            wake_list_add(wakes, co);
    }
}

/* Waits, having taken lock, which guards q, and made w's ticket. 0, or the error of the wait. */
static inline int waitq_wait(struct waitq *q, struct waiter *w, struct co *co,
                             struct spinlock *lock)
{
    int r;

    waitq_push_last(q, w);
    r = park(co, NS_NEVER, lock);
    if (unlikely(r < 0)) {
        spin_lock(lock);
        waitq_remove(q, w);
        spin_unlock(lock);
    }
    return r;
}

#endif
