/* The worker pool as its two files see it. */
#ifndef WEIR_RUNTIME_POOL_H
#define WEIR_RUNTIME_POOL_H

#include <weir/pool.h>

#include "runtime/future.h"

/* Eight steps to each power of two, up to 2^44 ns. */
enum { WAIT_STEPS = 8, WAIT_SLOTS = 42 * WAIT_STEPS };

struct pool_job {
    long (*fn)(void *arg); /* NULL: taken back, done is still to be called */
    void *arg;
    void (*done)(void *arg, long result);
    struct future *future;
    int64_t deadline_ns;
    int64_t since_ns;    /* of its submission, when its wait is measured */
    uint64_t stands_for; /* so many jobs' waits; 0: it is not */
};

/* Two locks, so that submitting and taking do not share a cache line: `lock` is that of the pool
 * and of the queue's tail, taken after that of a future; `take_lock`, the inner one, is that of the
 * queue's head. Jobs have numbers; a job's place in the ring is its number & mask. */
struct weir_pool {
    /* Written rarely. */
    const char *name; /* constant, as is the next */
    bool threads;
    struct list node;             /* in the list of all pools, under its lock */
    struct pool_job *ring;        /* changed under both locks, */
    size_t mask;                  /* as is this: places - 1 */
    atomic_uint workers, running; /* limit, and those that have been started and not ended: under
                                     the lock; workers read them without */

    /* Under the lock. */
    CACHE_ALIGNED struct spinlock lock;
    bool closed;
    unsigned unmeasured;    /* submissions since the last whose wait is measured */
    _Atomic(uint64_t) tail; /* number of the next job */
    uint64_t head_seen;     /* head, some time ago */
    size_t limit;           /* of the queue */
    size_t queued_max;
    uint64_t submitted, rejected;
    struct list submitters; /* wait for room */
    size_t submitters_count;
    struct list drainers; /* wait until no worker runs */

    /* Under the take_lock. */
    CACHE_ALIGNED struct spinlock take_lock;
    unsigned active;        /* workers that have begun */
    _Atomic(uint64_t) head; /* number of the oldest job */
    uint64_t tail_seen;     /* tail, some time ago */
    size_t admit_below;     /* a queue that is shorter lets those in who wait; 0: nobody does */
    size_t dead;            /* jobs taken back that have no callback */
    uint64_t completed, panicked, cancelled, expired;
    int64_t begun_sum_ns; /* the sum of the times when the active ones began */
    int64_t spent_ns;     /* by workers that have ended */
    uint64_t wait_count;
    int64_t wait_sum_ns, wait_max_ns;
    uint64_t waits[WAIT_SLOTS];
};

/* Coroutines to be made runnable after unlocking. */
struct wakes {
    struct co *first;
};

static inline void wake_later(struct wakes *w, struct co *co)
{
    co->next = w->first;
    w->first = co;
}

static inline void unlock_and_wake(struct weir_pool *p, struct wakes *w)
{
    struct co *co;

    spin_unlock(&p->lock); /* from here the pool may be gone */
    while ((co = w->first) != NULL) {
        w->first = co->next;
        park_run(co);
    }
}

/* Under the lock: never too few. Under both: exact. */
static inline size_t queue_len(const struct weir_pool *p)
{
    return atomic_load_explicit(&p->tail, memory_order_relaxed) -
           atomic_load_explicit(&p->head, memory_order_acquire);
}

/* For those who hold the lock, and as a hint to others. */
static inline unsigned pool_running(const struct weir_pool *p)
{
    return atomic_load_explicit(&p->running, memory_order_relaxed);
}

static inline unsigned pool_workers(const struct weir_pool *p)
{
    return atomic_load_explicit(&p->workers, memory_order_relaxed);
}

static inline struct pool_job *place(struct weir_pool *p, uint64_t number)
{
    return &p->ring[number & p->mask];
}

/* Taken back, and nobody wants to hear of it. */
static inline bool is_dead(const struct pool_job *job)
{
    return job->fn == NULL && job->done == NULL;
}

/* pool.c, under the lock: lets those in who wait for room, first come first. */
void pool_admit(struct weir_pool *p, struct wakes *w);
/* Frees one that is idle. NULL is fine. */
void pool_destroy(struct weir_pool *p);

/* pool_work.c. Under the lock: starts one more worker, if there may be one. False: none can be had.
 */
bool pool_start_worker(struct weir_pool *p, struct wakes *w);
/* Waits until no worker runs. */
int pool_wait_idle(struct weir_pool *p, unsigned flags);

/* pool_stats.c */
void pool_record_wait(struct weir_pool *p, int64_t wait_ns, uint64_t stands_for);
void pool_register(struct weir_pool *p);
void pool_unregister(struct weir_pool *p);

/* Adds the sums over all pools. */
struct weir_stats;
void pool_add_stats(struct weir_stats *stats);

/* At the end of the runtime: the shared pool. */
void pool_stop(void);

#endif
