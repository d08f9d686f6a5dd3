/* Futures: a result, who waits for it, and how to stop who makes it. */
#include "runtime/future.h"

#include <weir/panic.h>

struct future_waiter {
    struct list node;
    co_ticket ticket;
    long result;
};

/* ---- the result ---- */

/* Under the lock, which it drops. */
static void complete(struct future *f, long result)
{
    struct co *first = NULL, **last = &first, *co;
    struct list *node;

    f->state = FUTURE_DONE;
    f->result = result;
    while (f->waiters.next != NULL && (node = list_pop_front(&f->waiters)) != NULL) {
        struct future_waiter *w = list_entry(node, struct future_waiter, node);

        w->result = result; /* there until it has had the lock, or runs */
        co = park_claim(w->ticket);
        if (co == NULL)
            continue;
        co->next = NULL;
        *last = co;
        last = &co->next;
    }
    spin_unlock(&f->lock);
    while ((co = first) != NULL) {
        first = co->next;
        park_run(co);
    }
}

void future_finish(struct future *f, long result)
{
    spin_lock(&f->lock);
    ASSERT(f->state == FUTURE_QUEUED || f->state == FUTURE_RUNNING);
    complete(f, result);
}

int weir_future_set(struct weir_future *wf, long result)
{
    struct future *f = future_of(wf);

    spin_lock(&f->lock);
    if (f->state != FUTURE_PROMISE) {
        spin_unlock(&f->lock);
        return -EALREADY;
    }
    complete(f, result);
    return 0;
}

/* ---- waiting ---- */

/* Under the lock, which it drops. */
static int wait_done(struct future *f, struct co *co, unsigned flags, long *ret_result)
{
    struct future_waiter w;
    int r;

    if (f->waiters.next == NULL)
        list_init(&f->waiters);
    co->wait_for_id = f->state == FUTURE_RUNNING ? f->number : 0;
    w.ticket = park_prepare(co, WAIT_FUTURE, f, flags);
    list_push_back(&f->waiters, &w.node);
    r = park(co, NS_NEVER, &f->lock);
    if (r < 0) {
        spin_lock(&f->lock);
        list_remove(&w.node);
        spin_unlock(&f->lock);
        return r;
    }
    if (ret_result != NULL)
        *ret_result = w.result;
    return 0;
}

bool weir_future_ready(struct weir_future *wf, long *ret_result)
{
    struct future *f = future_of(wf);
    bool ready;

    spin_lock(&f->lock); /* who completed it may still be about to unlock */
    ready = f->state == FUTURE_DONE;
    if (ready && ret_result != NULL)
        *ret_result = f->result;
    spin_unlock(&f->lock);
    return ready;
}

int weir_future_wait(struct weir_future *wf, long *ret_result)
{
    struct future *f = future_of(wf);
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&f->lock);
    if (f->state != FUTURE_DONE)
        return wait_done(f, co, 0, ret_result);
    if (ret_result != NULL)
        *ret_result = f->result;
    spin_unlock(&f->lock);
    co_spend(co);
    return 0;
}

/* ---- stopping ---- */

int weir_future_cancel(struct weir_future *wf)
{
    struct future *f = future_of(wf);
    int r = 0;

    spin_lock(&f->lock);
    switch ((enum future_state)f->state) {
    case FUTURE_PROMISE:
        complete(f, -ECANCELED);
        return 0;
    case FUTURE_QUEUED:
        if (f->pool != NULL && pool_take_back(f->pool, f)) {
            complete(f, -ECANCELED);
            return 0;
        }
        f->asked = true;
        break;
    case FUTURE_RUNNING:
        weir_scope_cancel(f->scope);
        r = -EINPROGRESS;
        break;
    case FUTURE_DONE:
        r = -EALREADY;
        break;
    }
    spin_unlock(&f->lock);
    return r;
}

void weir_future_end(struct weir_future *wf)
{
    struct future *f = future_of(wf);

    weir_future_cancel(wf);
    spin_lock(&f->lock);
    if (f->state != FUTURE_DONE)
        wait_done(f, co_self(), PARK_SHIELDED, NULL);
    else
        spin_unlock(&f->lock);
}

/* ---- the work ---- */

enum future_state future_submit(struct future *f, struct weir_pool *pool)
{
    enum future_state before;

    spin_lock(&f->lock);
    before = f->state;
    ASSERT(before == FUTURE_PROMISE || before == FUTURE_DONE);
    f->state = FUTURE_QUEUED;
    f->asked = false;
    f->pool = pool;
    f->number = 0;
    spin_unlock(&f->lock);
    return before;
}

void future_unsubmit(struct future *f, enum future_state before)
{
    spin_lock(&f->lock);
    f->state = (uint8_t)before;
    spin_unlock(&f->lock);
}

/* From QUEUED to RUNNING, inside scope. False: it has been cancelled. */
static bool begin(struct future *f, struct weir_scope *scope)
{
    bool asked;

    spin_lock(&f->lock);
    ASSERT(f->state == FUTURE_QUEUED);
    asked = f->asked;
    if (!asked) {
        f->state = FUTURE_RUNNING;
        f->scope = scope;
        f->number = weir_self_id();
    }
    spin_unlock(&f->lock);
    return !asked;
}

struct work {
    long (*fn)(void *arg);
    void *arg;
    long result;
};

static void do_work(void *arg)
{
    struct work *w = arg;

    w->result = w->fn(w->arg);
}

static long contain(long (*fn)(void *arg), void *arg, bool *ret_panicked)
{
    struct work w = {.fn = fn, .arg = arg};

    if (weir_try(do_work, &w, NULL) < 0) {
        *ret_panicked = true;
        return -ENOTRECOVERABLE;
    }
    return w.result;
}

long future_run(struct future *f, long (*fn)(void *arg), void *arg, bool *ret_panicked)
{
    struct weir_scope scope;
    long result = -ECANCELED;

    *ret_panicked = false;
    if (f == NULL)
        return contain(fn, arg, ret_panicked);
    weir_scope_enter(&scope); /* what weir_future_cancel() cancels */
    if (begin(f, &scope))
        result = contain(fn, arg, ret_panicked);
    future_finish(f, result);
    scope.done = true;
    weir_scope_leave(&scope);
    return result;
}

static void run_go(void *arg)
{
    struct future *f = arg;
    bool panicked;

    future_run(f, f->fn, (void *)(uintptr_t)f->number, &panicked);
}

int weir_future_go(struct weir_future *wf, const char *name, long (*fn)(void *arg), void *arg)
{
    struct future *f = future_of(wf);
    enum future_state before = future_submit(f, NULL);
    int r;

    f->fn = fn;
    f->number = (uintptr_t)arg;
    r = weir_go(name, run_go, f);
    if (r < 0)
        future_unsubmit(f, before);
    return r;
}
