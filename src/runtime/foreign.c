/* Calls from threads that are not of the runtime into a coroutine, and back with the result. */
#include <pthread.h>

#include <weir/panic.h>

#include "base/assert.h"
#include "runtime/sched.h"

struct foreign_call { /* on the stack of the thread that waits */
    long (*fn)(void *arg);
    void *arg;
    long result;

    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
};

/* The last that touches the call; the thread may go on when the lock is free. */
static void end_call(void *arg)
{
    struct foreign_call *c = arg;

    pthread_mutex_lock(&c->lock);
    c->has_ended = true;
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->lock);
}

static void run_call(void *arg)
{
    struct foreign_call *c = arg;
    WEIR_DEFER(end_call, c); /* also when it panics */

    c->result = c->fn(c->arg);
}

long weir_call_foreign(const char *name, long (*fn)(void *arg), void *arg)
{
    struct foreign_call c = {
        .fn = fn,
        .arg = arg,
        .result = -ENOTRECOVERABLE,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .ended = PTHREAD_COND_INITIALIZER,
    };
    int r;

    ASSERT(co_self() == NULL); /* a coroutine just calls fn */
    r = weir_go_foreign(name, run_call, &c);
    if (r != 0)
        return r;
    pthread_mutex_lock(&c.lock);
    while (!c.has_ended)
        pthread_cond_wait(&c.ended, &c.lock);
    pthread_mutex_unlock(&c.lock);
    return c.result;
}
