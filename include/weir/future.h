/* Futures: the result of work that somebody else does.
 *
 *     struct weir_future sum = {0};
 *
 *     weir_future_go(&sum, "sum", add_up, &numbers);
 *     ... something else meanwhile ...
 *     weir_future_wait(&sum, &total);
 *
 * A future is the caller's memory, zero-initialised, no destructor. It must stay where it is until
 * the work is over: a future on the stack is ended on every way out of its block, for instance by
 * __attribute__((cleanup(weir_future_end))).
 *
 * The result of the work is a number; by convention 0 or more, or a negative code. These codes come
 * from the library: -ENOTRECOVERABLE (the work panicked), -ECANCELED (taken back before it began),
 * -ETIMEDOUT (a job's deadline passed before it began). */
#ifndef WEIR_FUTURE_H
#define WEIR_FUTURE_H

#include <weir/runtime.h>

struct weir_future {
    uint32_t state_, lock_;
    long result_;
    void *waiters_[2];
    void *work_[3];
    uint64_t number_;
};

/* Starts fn(arg) as a coroutine whose result the future will have. 0, or -EAGAIN as weir_go(). Does
 * not park. Only from a coroutine. For work with a bound on how much of it runs: <weir/pool.h>. */
WEIR_API int weir_future_go(struct weir_future *f, const char *name, long (*fn)(void *arg),
                            void *arg);

/* Waits for the result. 0, and the result in *ret_result (which may be NULL); -ECANCELED or
 * -ETIMEDOUT when the caller's own scope ended first: the work goes on, and the future may be
 * waited for again. Any number of coroutines may wait. */
WEIR_API int weir_future_wait(struct weir_future *f, long *ret_result) WEIR_PARKS;

/* True when there is a result, which *ret_result (may be NULL) then has. Does not park. */
WEIR_API bool weir_future_ready(struct weir_future *f, long *ret_result);

/* Gives the future its result by hand, as its maker's promise; whoever waits goes on. The first
 * result stays: 0, or -EALREADY when there is one or when it is the result of a running function.
 * From any coroutine or thread. Does not park. */
WEIR_API int weir_future_set(struct weir_future *f, long result);

/* Asks the work to stop. 0: it had not begun and never will, the result is -ECANCELED. -EALREADY:
 * it is over. -EINPROGRESS: it runs, and its next call that parks returns -ECANCELED (a function on
 * a blocking thread runs to its end); what it then returns is the result. A promise is given the
 * result -ECANCELED. From any coroutine or thread. Does not park. */
WEIR_API int weir_future_cancel(struct weir_future *f);

/* Cancels, and waits until the work is over, whatever happens to the caller's scope; the future's
 * memory may then go. Nothing to do for one that was never used. */
WEIR_API void weir_future_end(struct weir_future *f) WEIR_PARKS;

#endif
