/* Condition under a mutex. The waiter is in the queue before it unlocks the mutex, so a signal
 * that is sent between that and its park finds it. */
#include "runtime/explore.h"
#include "runtime/sync.h"

struct __attribute__((may_alias)) cond {
    struct spinlock lock;
    struct waitq queue;
};
_Static_assert(sizeof(struct cond) == sizeof(struct weir_cond), "struct weir_cond");

static struct cond *cond_of(struct weir_cond *c)
{
    return (struct cond *)(void *)c;
}

int weir_cond_wait(struct weir_cond *wc, struct weir_mutex *m)
{
    struct cond *c = cond_of(wc);
    struct co *co = co_self();
    struct waiter w;
    int r;

    ASSERT(co != NULL);
    explore_point("wait for condition", c);
    r = co_check(co);
    if (r < 0)
        return r;
    spin_lock(&c->lock);
    w.ticket = park_prepare(co, WAIT_COND, c, 0);
    waitq_push_last(&c->queue, &w);
    spin_unlock(&c->lock);
    mutex_unlock(m);
    r = park(co, NS_NEVER, NULL);
    if (r < 0) {
        spin_lock(&c->lock);
        waitq_remove(&c->queue, &w);
        spin_unlock(&c->lock);
    }
    weir_mutex_lock(m);
    return r;
}

void weir_cond_signal(struct weir_cond *wc)
{
    struct cond *c = cond_of(wc);
    struct waiter *w;
    struct co *co = NULL;

    explore_point("signal", c);
    if (waitq_empty(&c->queue))
        return;
    spin_lock(&c->lock);
    while ((w = waitq_first(&c->queue)) != NULL) {
        waitq_remove(&c->queue, w);
        if (waiter_claim(w, &co))
            break;
    }
    spin_unlock(&c->lock);
    if (co != NULL)
        park_run(co);
}

void weir_cond_broadcast(struct weir_cond *wc)
{
    struct cond *c = cond_of(wc);
    WAKE_LIST(wakes);

    explore_point("broadcast", c);
    if (waitq_empty(&c->queue))
        return;
    spin_lock(&c->lock);
    waitq_claim_all(&c->queue, &wakes);
    spin_unlock(&c->lock);
    wake_list_run(&wakes);
}
