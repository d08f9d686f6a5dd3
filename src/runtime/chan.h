/* The inside of a channel, for its own operations and for select: one lock, a ring, two queues of
 * waiters. Who finds somebody waiting copies straight to or from that one's stack (Go's hchan does
 * the same). */
#ifndef WEIR_RUNTIME_CHAN_H
#define WEIR_RUNTIME_CHAN_H

#include "runtime/waitq.h"

enum chan_fate {
    CHAN_WAITS,
    CHAN_SERVED, /* the element has been copied */
    CHAN_CLOSED, /* the wait ended because the channel was closed */
};

struct chan_waiter {
    struct waiter waiter;
    void *elem;          /* to copy from (send; never written) or to */
    enum chan_fate fate; /* under the channel's lock */
    bool selects;        /* waits elsewhere, too */
    struct co *locked;   /* whose wait was prepared by park_prepare_locked(), or NULL */
};

/* Invariants: receivers wait only while nothing is buffered, senders only while the ring is full;
 * and nobody waits once it is closed. */
struct weir_chan {
    struct spinlock lock; /* all that is not constant; atomic is what is looked at without it */
    atomic_bool closed;
    uint8_t skipped_bytes; /* of its block; constant, as are elem_bytes and cap */
    size_t elem_bytes;
    uint32_t cap;
    uint32_t head; /* index of the oldest buffered element */
    atomic_uint len;
    struct waitq senders, receivers;
    char ring[];
};

static inline uint32_t chan_len(const struct weir_chan *c)
{
    return atomic_load_explicit(&c->len, memory_order_acquire);
}

static inline void chan_set_len(struct weir_chan *c, uint32_t len)
{
    atomic_store_explicit(&c->len, len, memory_order_relaxed);
}

static inline bool chan_closed(const struct weir_chan *c)
{
    return atomic_load_explicit(&c->closed, memory_order_acquire);
}

/* Without the lock: true when the operation would not wait; when it is false, there was a moment
 * since the call at which it would have had to. (So closed is read last: an open channel does not
 * become ready by what closing takes away.) */
static inline bool chan_can_send(const struct weir_chan *c)
{
    if (c->cap > 0 ? chan_len(c) < c->cap : !waitq_empty(&c->receivers))
        return true;
    return chan_closed(c);
}

static inline bool chan_can_recv(const struct weir_chan *c)
{
    if (c->cap > 0 ? chan_len(c) > 0 : !waitq_empty(&c->senders))
        return true;
    return chan_closed(c);
}

static inline void chan_copy(const struct weir_chan *c, void *to, const void *from)
{
    if (likely(c->elem_bytes == sizeof(void *)))
        memcpy(to, from, sizeof(void *));
    else if (c->elem_bytes > 0)
        memcpy(to, from, c->elem_bytes);
}

static inline void *chan_slot(struct weir_chan *c, uint32_t i)
{
    uint64_t at = (uint64_t)c->head + i;

    return c->ring + (at >= c->cap ? at - c->cap : at) * c->elem_bytes;
}

static inline bool chan_claim(struct waiter *w, struct co **ret_co)
{
    struct co *co = container_of(w, struct chan_waiter, waiter)->locked;

    if (co == NULL)
        return waiter_claim(w, ret_co);
    if (unlikely(!co_claim_queued(co)))
        return false;
    *ret_co = co;
    return true;
}

/* Takes the first waiter whose wait has not ended otherwise; NULL: none. */
static inline struct chan_waiter *chan_claim_first(struct waitq *q, struct co **ret_co)
{
    struct waiter *w;

    while ((w = waitq_first(q)) != NULL) {
        waitq_remove(q, w);
        if (likely(chan_claim(w, ret_co)))
            return container_of(w, struct chan_waiter, waiter);
#ifdef WEIR_PLANTED_BUG_SELECT_TWICE
        if (container_of(w, struct chan_waiter, waiter)->selects)
            return container_of(w, struct chan_waiter, waiter);
#endif
#ifdef WEIR_PLANTED_BUG_LOST_WAKEUP
        return NULL; /* and whoever waits behind it sleeps on */
#endif
    }
    return NULL;
}

/* Under the lock. 0: done, and *ret_wake must be run after unlocking when it is not NULL; -EPIPE:
 * closed; -EAGAIN. */
static inline int chan_send_now(struct weir_chan *c, const void *elem, struct co **ret_wake)
{
    struct chan_waiter *w;
    uint32_t len = chan_len(c);

    *ret_wake = NULL;
    if (unlikely(chan_closed(c)))
        return -EPIPE;
    w = chan_claim_first(&c->receivers, ret_wake);
    if (w != NULL) {
        chan_copy(c, w->elem, elem);
        w->fate = CHAN_SERVED;
        return 0;
    }
    if (len == c->cap)
        return -EAGAIN;
    chan_copy(c, chan_slot(c, len), elem);
    chan_set_len(c, len + 1);
    return 0;
}

/* Under the lock. 1: got one, *ret_wake as above; 0: closed and empty; -EAGAIN. */
static inline int chan_recv_now(struct weir_chan *c, void *elem, struct co **ret_wake)
{
    struct chan_waiter *w;
    uint32_t len = chan_len(c);

    *ret_wake = NULL;
    if (len == 0 && c->cap > 0)
        return chan_closed(c) ? 0 : -EAGAIN;
    if (len > 0) {
        chan_copy(c, elem, chan_slot(c, 0));
        c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
        len--;
    }
    w = chan_claim_first(&c->senders, ret_wake);
    if (w != NULL) {
        w->fate = CHAN_SERVED;
        chan_copy(c, c->cap == 0 ? elem : chan_slot(c, len++), w->elem);
    } else if (c->cap == 0) {
        return chan_closed(c) ? 0 : -EAGAIN;
    }
    chan_set_len(c, len);
    return 1;
}

#endif
