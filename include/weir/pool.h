/* Worker pools: at most so many jobs at once, at most so many waiting.
 *
 *     struct weir_pool *p = weir_pool_new(&(struct weir_pool_options){
 *         .size = sizeof(struct weir_pool_options), .name = "resize", .workers = 8, .queue = 100});
 *
 *     weir_pool_go(p, resize_picture, picture);    // submit and go on
 *
 * A job is a function with an argument. The worker that runs it is a coroutine, so jobs may park;
 * a pool made with .threads runs them on threads that may block instead (fsync, getaddrinfo, a
 * library that knows nothing of coroutines). Jobs start in the order of their submission. When the
 * queue is full, weir_pool_go() and weir_pool_submit() park until there is room (back-pressure) and
 * their try_ forms say -EAGAIN (rejection).
 *
 * A job inherits nothing from who submits it, neither deadline nor cancellation: it outlives the
 * request that it belongs to. A panic in a job (or in its callback) is contained: the worker goes
 * on, the future's result is -ENOTRECOVERABLE, and the statistics count it.
 *
 * There are no idle workers: a worker is started when a job comes and fewer run than may, and ends
 * when the queue is empty. A start costs what waking a sleeping worker would, a pool at rest
 * costs nothing, and changing the number of workers needs no negotiation. A job takes no memory but
 * its place in the queue's ring. A job that waits for another of the same pool can wait forever:
 * all workers may be doing so. */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <weir/future.h>

struct weir_pool;

struct weir_pool_options {
    size_t size;      /* sizeof(struct weir_pool_options); fields may be added at the end */
    const char *name; /* of the workers in dumps; text that outlives the pool, or NULL */
    unsigned workers; /* jobs that run at once; 0: 4 for each processor, with threads 16 */
    size_t queue;     /* jobs that wait; 0: 1,024 */
    bool threads;     /* run them on threads that may block: weir_blocking() with its limits */
};

struct weir_job {
    long (*fn)(void *arg);
    void *arg;
    /* Called when the job is over, with its argument and its result, or NULL. It runs in the
     * worker, always a coroutine, after the future has its result: it may park, and as long as it
     * does the worker does nothing else. Also called, with -ECANCELED, for a job that was taken
     * back. */
    void (*done)(void *arg, long result);
    struct weir_future *future; /* gets the result, or NULL */
    int64_t deadline_ns;        /* as WEIR_DEADLINE() in the job; 0: none. Past it, the job is not
                                   begun, and its result is -ETIMEDOUT */
};

/* NULL when memory is out. options may be NULL. Only while the runtime runs; pools end before it
 * does, by weir_pool_free(). */
WEIR_API struct weir_pool *weir_pool_new(const struct weir_pool_options *options);

/* Closes, waits until the queue is empty and no job runs, and frees. When the caller's scope has
 * ended or ends meanwhile, what has not begun is taken back; what runs is waited for in any case.
 * NULL is fine. */
WEIR_API void weir_pool_free(struct weir_pool *p) WEIR_PARKS;

/* Submits a job, copied. 0; -EPIPE: the pool is closed; -ECANCELED, -ETIMEDOUT: the caller's scope
 * ended while it waited for room; -EAGAIN: no worker runs and none can be started. Only from a
 * coroutine. After an error nothing has been submitted and the future is as it was. */
WEIR_API int weir_pool_submit(struct weir_pool *p, const struct weir_job *job) WEIR_PARKS;

/* The same without waiting: -EAGAIN when the queue is full. From any coroutine or thread. */
WEIR_API int weir_pool_try_submit(struct weir_pool *p, const struct weir_job *job);

/* Slow work off the request path: submits fn(arg), its result to be forgotten, and goes on. Errors
 * as weir_pool_submit() and weir_pool_try_submit(). */
WEIR_API int weir_pool_go(struct weir_pool *p, long (*fn)(void *arg), void *arg) WEIR_PARKS;
WEIR_API int weir_pool_try_go(struct weir_pool *p, long (*fn)(void *arg), void *arg);

/* The same with a callback, on a pool with threads that all share (weir_pool_shared()). done, when
 * it is not NULL, is called in a coroutine of that pool with the result. */
WEIR_API int weir_offload(long (*fn)(void *arg), void *arg,
                          void (*done)(void *arg, long result)) WEIR_PARKS;

/* Submits fn(arg) and waits for its result: 0 and the result, or an error as above. When the
 * caller's scope ends first: -ECANCELED or -ETIMEDOUT at once if the job has not begun; else the
 * job is cancelled, and when it has returned, this does with its result (the scope's end is then
 * reported by the next call that parks). So arg may be on the caller's stack. */
WEIR_API int weir_pool_call(struct weir_pool *p, long (*fn)(void *arg), void *arg,
                            long *ret_result) WEIR_PARKS;

/* The pool of weir_offload(): threads, 16 workers, 1,024 waiting; made at first use, and ended with
 * the runtime, which takes back what has not begun: drain it before, if that matters. Not to be
 * closed or freed. NULL when memory is out. From any coroutine or thread. */
WEIR_API struct weir_pool *weir_pool_shared(void);

/* From now on submissions fail with -EPIPE, those that wait for room included; what is in the queue
 * is still run. Closing twice is harmless. Does not park. */
WEIR_API void weir_pool_close(struct weir_pool *p);

/* Waits until the queue is empty and no job runs, closed or not. 0, -ECANCELED, -ETIMEDOUT. Not
 * from a job of the pool, which would wait for itself. */
WEIR_API int weir_pool_drain(struct weir_pool *p) WEIR_PARKS;

/* Takes back what has not begun: the result is -ECANCELED, callbacks are called by the caller. Who
 * waits for room is let in then. Returns how many jobs that were. */
WEIR_API size_t weir_pool_clear(struct weir_pool *p) WEIR_PARKS;

/* Changes how many jobs run at once, 1 or more. With more, waiting jobs start now; with fewer, who
 * is too many ends after the job in hand. 0, -EINVAL. Does not park. */
WEIR_API int weir_pool_resize(struct weir_pool *p, unsigned workers);

/* Changes how many jobs may wait, 1 or more. Nothing that waits is lost: a smaller limit holds for
 * new jobs. 0, -EINVAL, -ENOMEM. Does not park. */
WEIR_API int weir_pool_resize_queue(struct weir_pool *p, size_t queue);

enum { WEIR_POOL_WAIT_BUCKETS = 26 };

/* All counts are since the pool was made. */
struct weir_pool_stats {
    size_t size;      /* sizeof(struct weir_pool_stats); fields may be added at the end */
    const char *name; /* from the options, or "" */
    unsigned workers; /* limits in force, as is queue */
    size_t queue;
    unsigned busy;        /* jobs that run now: activity is busy / workers */
    size_t queued;        /* jobs that wait now: fill is queued / queue */
    size_t queued_max;    /* the most that ever waited */
    size_t submitters;    /* coroutines that wait for room now */
    uint64_t submitted;   /* accepted */
    uint64_t completed;   /* begun and returned, panics included */
    uint64_t rejected;    /* try_ found the queue full, or the pool was closed */
    uint64_t panicked;    /* jobs, and callbacks */
    uint64_t cancelled;   /* taken back before they began */
    uint64_t expired;     /* their deadline passed before they began */
    int64_t busy_ns;      /* time that workers have spent on jobs */
    int64_t wait_mean_ns; /* from submission to start, of jobs that began. While all workers are
                             busy one job in eight is measured, and stands for eight. */
    int64_t wait_p50_ns;  /* percentiles are exact to an eighth of their value */
    int64_t wait_p99_ns;
    int64_t wait_max_ns;
    uint64_t wait_buckets[WEIR_POOL_WAIT_BUCKETS]; /* [0]: < 1.024 us; [i]: < 1.024 us << i; the
                                                      last holds all above */
};

/* Fills *ret up to ret->size, which the caller sets. From any coroutine or thread. */
WEIR_API void weir_pool_get_stats(struct weir_pool *p, struct weir_pool_stats *ret);

#endif
