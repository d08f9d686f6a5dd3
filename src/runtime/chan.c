/* Channels: making, sending, receiving, closing. What happens under the lock is in chan.h. */
#include "runtime/chan.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

#include "runtime/explore.h"

enum { PAUSES_MIN = 32, PAUSES_MAX = 256 }; /* 1 us to 6 us, where a pause takes 25 ns */

/* How far it is from there to the next cache line. */
static size_t bytes_to_line(uintptr_t address)
{
    return -address % CACHE_LINE;
}

struct weir_chan *weir_chan_new(size_t elem_bytes, size_t cap)
{
    size_t bytes, skipped_bytes;
    struct weir_chan *c;
    char *block;

    if (cap > UINT32_MAX || __builtin_mul_overflow(elem_bytes, cap, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*c), &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    /* Not posix_memalign(): that goes past the allocator's thread caches, and splits a block and
     * joins it again each time. */
    block = malloc(bytes + CACHE_LINE - alignof(max_align_t));
    if (block == NULL)
        return NULL;
    skipped_bytes = bytes_to_line((uintptr_t)block);
    c = (void *)(block + skipped_bytes);
    *c = (struct weir_chan){
        .skipped_bytes = (uint8_t)skipped_bytes, .elem_bytes = elem_bytes, .cap = (uint32_t)cap};
    return c;
}

void weir_chan_free(struct weir_chan *c)
{
    if (c == NULL)
        return;
    ASSERT(waitq_empty(&c->senders) && waitq_empty(&c->receivers));
    park_lock_ends();
    free((char *)c - c->skipped_bytes);
}

/* Somebody on another core is at it, and as a rule will be again in some twenty nanoseconds: each
 * time the lock changes cores, its line, the ring and the queues of waiters go along, at ten times
 * the cost of an operation. So the loser stays away, without a look at the line, for as long as the
 * winner takes for a few dozen operations (Agarwal and Cherian, "Adaptive backoff synchronization
 * techniques", 1989). A holder that is still not through then may have been taken off its processor
 * by the system: let other coroutines run rather than spin, and when there are none, other threads.
 */
static NOINLINE void lock_slow(struct weir_chan *c, struct co *co)
{
    for (int pauses = PAUSES_MIN; pauses <= PAUSES_MAX; pauses *= 2) {
        for (int i = 0; i < pauses; i++)
            spin_pause();
        if (spin_trylock(&c->lock))
            return;
    }
    do {
        park_yield(co);
        sched_yield();
    } while (!spin_trylock(&c->lock));
}

static inline bool try_lock(struct weir_chan *c)
{
    return likely(atomic_exchange_explicit(&c->lock.held, 1, memory_order_seq_cst) == 0);
}

static inline void lock(struct weir_chan *c, struct co *co)
{
    if (!try_lock(c))
        lock_slow(c, co);
}

static inline struct waitq *queue_of(struct weir_chan *c, enum wait_reason reason)
{
    return reason == WAIT_CHAN_SEND ? &c->senders : &c->receivers;
}

/* The result of a wait: 0: served; -EPIPE: closed; or its error. */
static inline int end_wait(struct weir_chan *c, struct chan_waiter *w, struct waitq *queue, int r)
{
    if (likely(r == 0))
        return likely(w->fate == CHAN_SERVED) ? 0 : -EPIPE;
    spin_lock(&c->lock);
    waitq_remove(queue, &w->waiter);
    spin_unlock(&c->lock);
    return r;
}

/* Under the lock, which it gives up. */
static NOINLINE int wait_in(struct weir_chan *c, struct co *co, enum wait_reason reason, void *elem,
                            int64_t at_ns)
{
    struct chan_waiter w = {.waiter.ticket = park_prepare(co, reason, c, 0), .elem = elem};
    struct waitq *queue = queue_of(c, reason);

    waitq_push_last(queue, &w.waiter);
    return end_wait(c, &w, queue, park(co, at_ns, &c->lock));
}

/* The same after park_prepare_locked(). */
static inline int wait_locked(struct weir_chan *c, struct co *co, enum wait_reason reason,
                              void *elem)
{
    struct chan_waiter w;
    struct waitq *queue = queue_of(c, reason);

    w.locked = co;
    w.elem = elem;
    w.fate = CHAN_WAITS;
    w.selects = false;
    waitq_push_last(queue, &w.waiter);
    return end_wait(c, &w, queue, park_held(co, &c->lock));
}

static int wait_for_nothing(struct co *co, enum wait_reason reason, int64_t at_ns)
{
    park_prepare(co, reason, NULL, 0);
    return park(co, at_ns, NULL);
}

/* What has a way of its own, out of the way of all others. */
static inline bool unusual(const struct weir_chan *c, const struct co *co)
{
    return unlikely(co == NULL) || unlikely(explore_active) || unlikely(c == NULL) || co_ended(co);
}

/* Nobody is at the other end of an unbuffered channel: the operation waits, or is about to find
 * that somebody came. Under the lock: it waits. */
static inline bool would_wait(const struct weir_chan *c, const struct waitq *others)
{
    return c->cap == 0 && waitq_empty(others) && !chan_closed(c);
}

static inline int finish(struct weir_chan *c, struct co *co, struct co *wake, int r)
{
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run_on(co->m, wake);
    co_spend(co);
    return r;
}

/* ---- sending ---- */

/* Under the lock, which it gives up. */
static inline int send_with_lock(struct weir_chan *c, struct co *co, const void *elem,
                                 int64_t at_ns)
{
    struct co *wake;
    int r = chan_send_now(c, elem, &wake);

    if (r == -EAGAIN)
        return wait_in(c, co, WAIT_CHAN_SEND, (void *)(uintptr_t)elem, at_ns);
    return finish(c, co, wake, r);
}

static NOINLINE int send_locking(struct weir_chan *c, struct co *co, const void *elem,
                                 int64_t at_ns)
{
    lock(c, co);
    return send_with_lock(c, co, elem, at_ns);
}

static NOINLINE int send_after_all(struct weir_chan *c, struct co *co, const void *elem,
                                   bool locked)
{
    park_abandon(co);
    if (!locked)
        lock_slow(c, co);
    return send_with_lock(c, co, elem, NS_NEVER);
}

/* Both sides of this wait do without atomic exchanges but the lock's. */
static NOINLINE int send_waits(struct weir_chan *c, struct co *co, const void *elem)
{
    bool locked;

    park_prepare_locked(co, WAIT_CHAN_SEND, c, &c->lock);
    locked = try_lock(c);
    fence_after_rmw();
    if (unlikely(!locked || !would_wait(c, &c->receivers)))
        return send_after_all(c, co, elem, locked);
    return wait_locked(c, co, WAIT_CHAN_SEND, (void *)(uintptr_t)elem);
}

static inline int send_from(struct weir_chan *c, struct co *co, const void *elem, int64_t at_ns)
{
    if (at_ns == NS_NEVER && would_wait(c, &c->receivers) && park_can_be_held(co, 0))
        return send_waits(c, co, elem);
    return send_locking(c, co, elem, at_ns);
}

static NOINLINE int send_unusually(struct weir_chan *c, const void *elem, int64_t at_ns)
{
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    explore_point("send", c);
    r = co_check(co);
    if (r < 0)
        return r;
    if (unlikely(c == NULL))
        return wait_for_nothing(co, WAIT_CHAN_SEND, at_ns);
    return send_from(c, co, elem, at_ns);
}

static inline int send_at(struct weir_chan *c, const void *elem, int64_t at_ns)
{
    struct co *co = co_self();

    return unusual(c, co) ? send_unusually(c, elem, at_ns) : send_from(c, co, elem, at_ns);
}

/* ---- receiving ---- */

static inline int recv_result(int r)
{
    return likely(r == 0) ? 1 : r == -EPIPE ? 0 : r;
}

static inline int recv_with_lock(struct weir_chan *c, struct co *co, void *elem, int64_t at_ns)
{
    struct co *wake;
    int r = chan_recv_now(c, elem, &wake);

    if (r == -EAGAIN)
        return recv_result(wait_in(c, co, WAIT_CHAN_RECV, elem, at_ns));
    return finish(c, co, wake, r);
}

static NOINLINE int recv_locking(struct weir_chan *c, struct co *co, void *elem, int64_t at_ns)
{
    lock(c, co);
    return recv_with_lock(c, co, elem, at_ns);
}

static NOINLINE int recv_after_all(struct weir_chan *c, struct co *co, void *elem, bool locked)
{
    park_abandon(co);
    if (!locked)
        lock_slow(c, co);
    return recv_with_lock(c, co, elem, NS_NEVER);
}

static NOINLINE int recv_waits(struct weir_chan *c, struct co *co, void *elem)
{
    bool locked;

    park_prepare_locked(co, WAIT_CHAN_RECV, c, &c->lock);
    locked = try_lock(c);
    fence_after_rmw();
    if (unlikely(!locked || !would_wait(c, &c->senders)))
        return recv_after_all(c, co, elem, locked);
    return recv_result(wait_locked(c, co, WAIT_CHAN_RECV, elem));
}

static inline int recv_from(struct weir_chan *c, struct co *co, void *elem, int64_t at_ns)
{
    if (at_ns == NS_NEVER && would_wait(c, &c->senders) && park_can_be_held(co, 0))
        return recv_waits(c, co, elem);
    return recv_locking(c, co, elem, at_ns);
}

static NOINLINE int recv_unusually(struct weir_chan *c, void *elem, int64_t at_ns)
{
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    explore_point("receive", c);
    r = co_check(co);
    if (r < 0)
        return r;
    if (unlikely(c == NULL))
        return wait_for_nothing(co, WAIT_CHAN_RECV, at_ns);
    return recv_from(c, co, elem, at_ns);
}

static inline int recv_at(struct weir_chan *c, void *elem, int64_t at_ns)
{
    struct co *co = co_self();

    return unusual(c, co) ? recv_unusually(c, elem, at_ns) : recv_from(c, co, elem, at_ns);
}

int weir_chan_send(struct weir_chan *c, const void *elem)
{
    return send_at(c, elem, NS_NEVER);
}

int weir_chan_send_until(struct weir_chan *c, const void *elem, int64_t at_ns)
{
    return send_at(c, elem, at_ns);
}

int weir_chan_recv(struct weir_chan *c, void *elem)
{
    return recv_at(c, elem, NS_NEVER);
}

int weir_chan_recv_until(struct weir_chan *c, void *elem, int64_t at_ns)
{
    return recv_at(c, elem, at_ns);
}

int weir_chan_try_send(struct weir_chan *c, const void *elem)
{
    struct co *wake;
    int r;

    explore_point("try send", c);
    if (c == NULL || !chan_can_send(c))
        return -EAGAIN;
    spin_lock(&c->lock);
    r = chan_send_now(c, elem, &wake);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    return r;
}

int weir_chan_try_recv(struct weir_chan *c, void *elem)
{
    struct co *wake;
    int r;

    explore_point("try receive", c);
    if (c == NULL || !chan_can_recv(c))
        return -EAGAIN;
    spin_lock(&c->lock);
    r = chan_recv_now(c, elem, &wake);
    spin_unlock(&c->lock);
    if (wake != NULL)
        park_run(wake);
    return r;
}

static void close_queue(struct waitq *queue, struct wake_list *wakes)
{
    struct chan_waiter *w;
    struct co *co;

    while ((w = chan_claim_first(queue, &co)) != NULL) {
        w->fate = CHAN_CLOSED;
        wake_list_add(wakes, co);
    }
}

void weir_chan_close(struct weir_chan *c)
{
    WAKE_LIST(wakes);

    ASSERT(c != NULL);
    explore_point("close", c);
    spin_lock(&c->lock);
    atomic_store_explicit(&c->closed, true, memory_order_release);
    close_queue(&c->receivers, &wakes);
    close_queue(&c->senders, &wakes);
    spin_unlock(&c->lock);
    wake_list_run(&wakes);
}

size_t weir_chan_len(const struct weir_chan *c)
{
    return c != NULL ? chan_len(c) : 0;
}

size_t weir_chan_cap(const struct weir_chan *c)
{
    return c != NULL ? c->cap : 0;
}
