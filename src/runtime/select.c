/* Select: several channel operations of which one happens.
 *
 * First without any lock: of the cases that look ready one is drawn, and tried under its channel's
 * lock. When none is, all channels are locked (in the order of their addresses, so that no two
 * selects wait for each other), looked at again, and one record is queued on each, all with the
 * same ticket: the claim word lets exactly one of wakers, time and cancellation win. Then all are
 * unlocked before the coroutine parks; a waker that comes in between claims it early, which park()
 * and the code after the switch notice. Whoever has won the claim copies under the lock of its
 * channel, so after the wait, which takes every lock once more to take the other records out, the
 * one that was served has been copied. */
#include <weir/select.h>

#include <stdlib.h>

#include "runtime/chan.h"
#include "runtime/explore.h"

enum { FEW = 16 /* channels whose records are on the stack */ };

/* What there is besides the channels. */
struct outlook {
    size_t channels; /* that are not NULL */
    int fallback;    /* index of the default, or -1 */
    int timed;       /* index of the earliest time, or -1 */
    int64_t at_ns;   /* which is that, or NS_NEVER */
};

struct record {
    struct chan_waiter w;
    struct weir_chan *chan;
    uint32_t index; /* of its case */
    bool sends;
};

struct wait {
    size_t count;
    struct record *records;
    struct weir_chan **order; /* by address */
};

static inline bool has_channel(const struct weir_case *wc)
{
    return wc->kind <= WEIR_CASE_SEND && wc->chan != NULL;
}

static inline bool looks_ready(const struct weir_case *wc)
{
    if (!has_channel(wc))
        return false;
    return wc->kind == WEIR_CASE_SEND ? chan_can_send(wc->chan) : chan_can_recv(wc->chan);
}

static inline int try_locked(const struct weir_case *wc, struct co **ret_wake)
{
    return wc->kind == WEIR_CASE_SEND ? chan_send_now(wc->chan, wc->elem, ret_wake)
                                      : chan_recv_now(wc->chan, wc->elem, ret_wake);
}

static void report(const struct weir_case *wc, int result)
{
    if (wc->ret_result != NULL)
        *wc->ret_result = result;
}

/* Draws one of those that look ready and does it, until one is done or none is ready. A draw in
 * vain takes records of ended waits out of the way, or somebody else was faster. */
static int do_ready(struct co *co, const struct weir_case *cases, size_t count, bool locked,
                    struct co **ret_wake)
{
    for (;;) {
        const struct weir_case *drawn = NULL;
        uint64_t ready = 0;
        int r;

        for (size_t i = 0; i < count; i++) {
            if (looks_ready(&cases[i]) && (++ready == 1 || rng_below(&co->place->rng, ready) == 0))
                drawn = &cases[i];
        }
        if (drawn == NULL)
            return -EAGAIN;
        if (!locked)
            spin_lock(&drawn->chan->lock);
        r = try_locked(drawn, ret_wake);
        if (!locked)
            spin_unlock(&drawn->chan->lock);
        if (r != -EAGAIN) {
            report(drawn, r);
            return (int)(drawn - cases);
        }
    }
}

static int finish(struct co *co, int index, struct co *wake)
{
    if (wake != NULL)
        park_run(wake);
    co_spend(co);
    return index;
}

static struct outlook look_at(const struct weir_case *cases, size_t count)
{
    struct outlook o = {.fallback = -1, .timed = -1, .at_ns = NS_NEVER};
    int64_t now_ns = 0;

    for (size_t i = 0; i < count; i++) {
        const struct weir_case *wc = &cases[i];
        int64_t at_ns = wc->ns;

        o.channels += has_channel(wc);
        if (wc->kind == WEIR_CASE_DEFAULT)
            o.fallback = (int)i;
        if (wc->kind != WEIR_CASE_AFTER && wc->kind != WEIR_CASE_UNTIL)
            continue;
        if (wc->kind == WEIR_CASE_AFTER) {
            now_ns = now_ns != 0 ? now_ns : world_now_ns(rt.world);
            if (__builtin_add_overflow(now_ns, MAX(wc->ns, 0), &at_ns))
                at_ns = NS_NEVER;
        }
        if (o.timed < 0 || at_ns < o.at_ns) {
            o.timed = (int)i;
            o.at_ns = at_ns;
        }
    }
    return o;
}

/* ---- all at once ---- */

static int compare_addresses(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (struct weir_chan *const *)a;
    uintptr_t y = (uintptr_t) * (struct weir_chan *const *)b;

    return (x > y) - (x < y);
}

static void sort(struct weir_chan **order, size_t count)
{
    if (count > FEW) {
        qsort(order, count, sizeof(order[0]), compare_addresses);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct weir_chan *c = order[i];
        size_t at = i;

        for (; at > 0 && (uintptr_t)order[at - 1] > (uintptr_t)c; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
}

static void lock_all(struct wait *wait, const struct weir_case *cases, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (!has_channel(&cases[i]))
            continue;
        wait->order[n] = cases[i].chan;
        wait->records[n++] = (struct record){.w = {.elem = cases[i].elem, .selects = true},
                                             .chan = cases[i].chan,
                                             .index = (uint32_t)i,
                                             .sends = cases[i].kind == WEIR_CASE_SEND};
    }
    sort(wait->order, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || wait->order[i] != wait->order[i - 1])
            spin_lock(&wait->order[i]->lock);
    }
}

static void unlock_all(struct wait *wait)
{
    for (size_t i = wait->count; i-- > 0;) {
        if (i == 0 || wait->order[i] != wait->order[i - 1])
            spin_unlock(&wait->order[i]->lock);
    }
}

static struct waitq *queue_of(struct record *r)
{
    return r->sends ? &r->chan->senders : &r->chan->receivers;
}

static int park_on_all(struct co *co, struct wait *wait, const void *object, int64_t at_ns)
{
    co_ticket ticket = park_prepare(co, WAIT_SELECT, object, 0);

    for (size_t i = 0; i < wait->count; i++) {
        struct record *r = &wait->records[i];

        r->w.waiter.ticket = ticket;
        waitq_push_last(queue_of(r), &r->w.waiter);
    }
    unlock_all(wait);
    return park(co, at_ns, NULL);
}

/* Takes the records out; the index of the case that happened, or -1. */
static int leave_all(struct wait *wait, const struct weir_case *cases)
{
    int happened = -1;

    for (size_t i = 0; i < wait->count; i++) {
        struct record *r = &wait->records[i];

        spin_lock(&r->chan->lock);
        waitq_remove(queue_of(r), &r->w.waiter);
        spin_unlock(&r->chan->lock);
        if (r->w.fate == CHAN_WAITS)
            continue;
        happened = (int)r->index;
        if (r->sends)
            report(&cases[happened], r->w.fate == CHAN_SERVED ? 0 : -EPIPE);
        else
            report(&cases[happened], r->w.fate == CHAN_SERVED);
    }
    return happened;
}

static int select_locked(struct co *co, const struct weir_case *cases, size_t count,
                         const struct outlook *o, struct wait *wait)
{
    struct co *wake;
    int happened, r;

    lock_all(wait, cases, count);
    happened = do_ready(co, cases, count, true, &wake);
    if (happened >= 0 || o->fallback >= 0) {
        unlock_all(wait);
        return happened >= 0 ? finish(co, happened, wake) : o->fallback;
    }
    r = park_on_all(co, wait, cases, o->at_ns);
    happened = leave_all(wait, cases);
    ASSERT_HOT((r == 0) == (happened >= 0));
    if (happened >= 0)
        return happened;
    return r == -ETIMEDOUT && o->timed >= 0 && o->at_ns <= co->deadline_ns ? o->timed : r;
}

static NOINLINE int select_few(struct co *co, const struct weir_case *cases, size_t count,
                               const struct outlook *o)
{
    struct record records[FEW];
    struct weir_chan *order[FEW];
    struct wait wait = {o->channels, records, order};

    return select_locked(co, cases, count, o, &wait);
}

static NOINLINE int select_many(struct co *co, const struct weir_case *cases, size_t count,
                                const struct outlook *o)
{
    struct wait wait = {o->channels, calloc(o->channels, sizeof(struct record)),
                        calloc(o->channels, sizeof(struct weir_chan *))};
    int r = -ENOMEM;

    if (wait.records != NULL && wait.order != NULL)
        r = select_locked(co, cases, count, o, &wait);
    free(wait.records);
    free(wait.order);
    return r;
}

int weir_select(const struct weir_case *cases, size_t count)
{
    struct co *co = co_self(), *wake;
    struct outlook o;
    int r;

    ASSERT(co != NULL);
    explore_point("select", cases);
    r = co_check(co);
    if (r < 0)
        return r;
    r = do_ready(co, cases, count, false, &wake);
    if (r >= 0)
        return finish(co, r, wake);
    o = look_at(cases, count);
    if (o.fallback >= 0 && o.channels <= 1)
        return o.fallback; /* one look at one channel is a moment */
    return o.channels <= FEW ? select_few(co, cases, count, &o) : select_many(co, cases, count, &o);
}
