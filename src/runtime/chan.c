/* Channels: one lock, a ring, two queues of waiters whose records are on their own stacks. Who
 * finds somebody waiting copies straight to or from that one's stack (Go's hchan does the same). */
#include <stdlib.h>

#include "runtime/sched.h"

struct waiter {
    struct list node; /* unlinked by whoever ends the wait */
    co_ticket ticket;
    void *elem;  /* to copy from (send; never written) or to */
    bool served; /* false after a wake: the channel was closed */
};

struct weir_chan {
    size_t elem_bytes; /* constant, as is cap */
    size_t cap;

    struct spinlock lock; /* all below */
    bool closed;
    size_t head; /* index of the oldest buffered element */
    size_t len;
    struct list senders, receivers;
    char ring[];
};

struct weir_chan *weir_chan_new(size_t elem_bytes, size_t cap)
{
    size_t bytes;
    struct weir_chan *c;

    if (__builtin_mul_overflow(elem_bytes, cap, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*c), &bytes))
        return NULL;
    c = malloc(bytes);
    if (c == NULL)
        return NULL;
    *c = (struct weir_chan){.elem_bytes = elem_bytes, .cap = cap};
    list_init(&c->senders);
    list_init(&c->receivers);
    return c;
}

void weir_chan_free(struct weir_chan *c)
{
    if (c == NULL)
        return;
    ASSERT(list_empty(&c->senders) && list_empty(&c->receivers));
    free(c);
}

static void copy(struct weir_chan *c, void *to, const void *from)
{
    if (likely(c->elem_bytes == sizeof(void *)))
        memcpy(to, from, sizeof(void *));
    else if (c->elem_bytes > 0)
        memcpy(to, from, c->elem_bytes);
}

static void *slot(struct weir_chan *c, size_t i)
{
    size_t at = c->head + i;

    return c->ring + (at >= c->cap ? at - c->cap : at) * c->elem_bytes;
}

/* Takes the first waiter whose wait has not ended otherwise. The winner of the claim may write to
 * the waiter's stack until it calls park_run(). */
static struct waiter *claim_first(struct list *queue, struct co **ret_co)
{
    struct list *node;

    while ((node = list_pop_front(queue)) != NULL) {
        struct waiter *w = list_entry(node, struct waiter, node);
        struct co *co = park_claim(w->ticket);

        if (co != NULL) {
            *ret_co = co;
            return w;
        }
    }
    return NULL;
}

/* Waits in queue; unlocks. 0: served; -EPIPE: closed; or the error of the wait. */
static int wait_in(struct weir_chan *c, struct co *co, struct list *queue, enum wait_reason reason,
                   void *elem)
{
    struct waiter w = {.elem = elem, .ticket = park_prepare(co, reason, c, 0)};
    int r;

    list_push_back(queue, &w.node);
    r = park(co, NS_NEVER, &c->lock);
    if (likely(r == 0))
        return w.served ? 0 : -EPIPE;
    spin_lock(&c->lock);
    list_remove(&w.node);
    spin_unlock(&c->lock);
    return r;
}

/* Under the lock. 0: done, *ret_wake must be run after unlocking when it is not NULL. -EAGAIN. */
static int send_now(struct weir_chan *c, const void *elem, struct co **ret_wake)
{
    struct waiter *w;

    *ret_wake = NULL;
    if (c->closed)
        return -EPIPE;
    w = claim_first(&c->receivers, ret_wake);
    if (w != NULL) {
        copy(c, w->elem, elem);
        w->served = true;
        return 0;
    }
    if (c->len == c->cap)
        return -EAGAIN;
    copy(c, slot(c, c->len), elem);
    c->len++;
    return 0;
}

/* Under the lock. 1: got one, *ret_wake as above; 0: closed and empty; -EAGAIN. */
static int recv_now(struct weir_chan *c, void *elem, struct co **ret_wake)
{
    struct waiter *w;

    *ret_wake = NULL;
    if (c->len > 0) {
        copy(c, elem, slot(c, 0));
        c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
        c->len--;
    } else if (c->cap > 0) {
        return c->closed ? 0 : -EAGAIN;
    }
    w = claim_first(&c->senders, ret_wake);
    if (c->cap == 0 && w == NULL)
        return c->closed ? 0 : -EAGAIN;
    if (w != NULL) {
        w->served = true;
        if (c->cap == 0)
            copy(c, elem, w->elem);
        else
            copy(c, slot(c, c->len++), w->elem);
    }
    return 1;
}

int weir_chan_send(struct weir_chan *c, const void *elem)
{
    struct co *co = co_self(), *wake;
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&c->lock);
    r = send_now(c, elem, &wake);
    if (r == -EAGAIN)
        return wait_in(c, co, &c->senders, WAIT_CHAN_SEND, (void *)elem);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    co_spend(co);
    return r;
}

int weir_chan_recv(struct weir_chan *c, void *elem)
{
    struct co *co = co_self(), *wake;
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&c->lock);
    r = recv_now(c, elem, &wake);
    if (r == -EAGAIN) {
        r = wait_in(c, co, &c->receivers, WAIT_CHAN_RECV, elem);
        return r == 0 ? 1 : r == -EPIPE ? 0 : r;
    }
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    co_spend(co);
    return r;
}

int weir_chan_try_send(struct weir_chan *c, const void *elem)
{
    struct co *wake;
    int r;

    spin_lock(&c->lock);
    r = send_now(c, elem, &wake);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    return r;
}

int weir_chan_try_recv(struct weir_chan *c, void *elem)
{
    struct co *wake;
    int r;

    spin_lock(&c->lock);
    r = recv_now(c, elem, &wake);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    return r;
}

void weir_chan_close(struct weir_chan *c)
{
    struct co *first = NULL, *co;

    spin_lock(&c->lock);
    c->closed = true;
    while (claim_first(&c->receivers, &co) != NULL || claim_first(&c->senders, &co) != NULL) {
        co->next = first;
        first = co;
    }
    spin_unlock(&c->lock);
    while ((co = first) != NULL) {
        first = co->next;
        park_run(co);
    }
}

size_t weir_chan_len(struct weir_chan *c)
{
    size_t len;

    spin_lock(&c->lock);
    len = c->len;
    spin_unlock(&c->lock);
    return len;
}
