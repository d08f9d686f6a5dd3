/* Futures as the pool sees them. */
#ifndef WEIR_RUNTIME_FUTURE_H
#define WEIR_RUNTIME_FUTURE_H

#include <weir/future.h>
#include <weir/scope.h>

#include "runtime/sched.h"

enum future_state {
    FUTURE_PROMISE, /* zero: nobody works on it, or somebody of whom it knows nothing */
    FUTURE_QUEUED,  /* a job of pool, or a coroutine that has not begun */
    FUTURE_RUNNING, /* inside scope */
    FUTURE_DONE,    /* result holds, for good */
};

/* What struct weir_future holds. Its lock is taken before a pool's. Whoever completes it does not
 * touch it after unlocking: it may be gone. */
struct __attribute__((may_alias)) future {
    uint8_t state; /* enum future_state; all under the lock but number */
    bool asked;    /* to stop, after it left the queue and before it began */
    struct spinlock lock;
    long result;
    struct list waiters;      /* zero before the first */
    struct weir_pool *pool;   /* QUEUED: as a job of this pool, or NULL */
    struct weir_scope *scope; /* RUNNING */
    long (*fn)(void *arg);    /* of weir_future_go(), whose argument is in number until it begins */
    uint64_t number; /* QUEUED: of the job, under the pool's lock; RUNNING: of the coroutine */
};
_Static_assert(sizeof(struct future) == sizeof(struct weir_future), "struct weir_future");

static inline struct future *future_of(struct weir_future *f)
{
    return (struct future *)(void *)f;
}

/* From PROMISE or DONE to QUEUED; returns what it was, which future_unsubmit() restores. */
enum future_state future_submit(struct future *f, struct weir_pool *pool);
void future_unsubmit(struct future *f, enum future_state before);

/* Runs fn(arg), a panic contained, as the work of f, which it finishes; f NULL: as nobody's. */
long future_run(struct future *f, long (*fn)(void *arg), void *arg, bool *ret_panicked);
/* Gives a QUEUED one its result. */
void future_finish(struct future *f, long result);

/* pool.c: takes the job back whose future this is, under the future's lock. False: too late. */
bool pool_take_back(struct weir_pool *p, struct future *f);

#endif
