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

struct weir_pool {
    /* Constant. */
    const char *name;
    bool threads;
    struct list node; /* in the list of all pools, under its lock */

    /* All under the lock, after that of a future. */
    CACHE_ALIGNED struct spinlock lock;
    bool closed;
    unsigned workers;    /* limit */
    unsigned running;    /* workers that have begun and not ended */
    size_t limit;        /* of the queue */
    size_t mask;         /* places in the ring - 1 */
    uint64_t head, tail; /* numbers of the oldest job and of the next; a job's place is its */
    size_t dead;         /* number & mask. Jobs taken back that have no callback */
    struct pool_job *ring;
    struct list submitters; /* wait for room */
    struct list drainers;   /* wait until no worker runs */

    /* Statistics, also under the lock. */
    size_t submitters_count, queued_max;
    uint64_t submitted, completed, rejected, panicked, cancelled, expired;
    unsigned unmeasured;  /* submissions since the last whose wait is measured */
    unsigned active;      /* workers that have begun: */
    int64_t begun_sum_ns; /* the sum of the times when they did */
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

/* The ring, under the lock. */
static inline size_t queue_len(const struct weir_pool *p)
{
    return p->tail - p->head;
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

/* pool_work.c. Under the lock: starts one more worker, if there may be one and there is work for
 * it. False: none can be had. */
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
