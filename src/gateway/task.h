/* A background coroutine that somebody else can end: an accept loop, a health checker. */
#ifndef WEIR_GATEWAY_TASK_H
#define WEIR_GATEWAY_TASK_H

#include <weir/scope.h>
#include <weir/sync.h>

#include "base/lock.h"

struct task { /* zero-initialise */
    struct spinlock lock;
    bool stop;
    struct weir_scope *scope; /* while fn runs */
    void (*fn)(void *arg);
    void (*release)(void *arg); /* called last, in the coroutine: drops its reference to the object
                                   that holds the task */
    void *arg;
    struct weir_mutex running; /* held by the coroutine: waiting for a mutex is what neither
                                  deadline nor cancellation cuts short */
};

/* Starts fn(arg). On failure release is not called. */
int task_start(struct task *t, const char *name, void (*fn)(void *arg), void (*release)(void *arg),
               void *arg);

/* Cancels what fn waits for and waits until it has ended, even when the caller is cancelled itself:
 * what fn uses may be freed afterwards. If it has not begun, it never will. The caller holds a
 * reference of its own. Harmless when it was never started or has ended. */
void task_stop(struct task *t) WEIR_PARKS;

#endif
