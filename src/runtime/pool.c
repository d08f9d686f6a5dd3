/* Worker pools: a ring of jobs, and workers that live as long as there is something in it.
 *
 * A worker is started under the pool's lock when a job comes and fewer run than may, and takes jobs
 * until the queue is empty or it is one too many. So there is no state "idle" to be woken from, and
 * one rule serves submission, resizing and the end: who takes a job and leaves more behind starts
 * the next worker. */
#include "runtime/pool.h"

#include <stdlib.h>

enum {
    WORKERS_PER_PROCESSOR = 4,
    THREADS_DEFAULT = 16,
    QUEUE_DEFAULT = 1024,
    QUEUE_MAX = 1 << 24,
    MEASURE_EVERY = 16, /* jobs, while all workers are busy */
    ADMIT_MAX = 16,     /* places that become free before those who wait for room are let in */
};

/* Somebody who waits for room, with what is to be put there. */
struct submitter {
    struct list node;
    co_ticket ticket;
    struct pool_job job;
    bool served; /* false after a wake: the pool was closed */
};

/* ---- the ring, under the lock ---- */

static void put(struct weir_pool *p, const struct pool_job *job)
{
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

    if (job->future != NULL)
        job->future->number = tail;
    *place(p, tail) = *job;
    atomic_store_explicit(&p->tail, ++tail, memory_order_release);
    p->submitted++;
    if (tail - p->head_seen > p->queued_max) {
        p->head_seen = atomic_load_explicit(&p->head, memory_order_acquire);
        p->queued_max = MAX(p->queued_max, tail - p->head_seen);
    }
}

/* Jobs that were taken back hold places until their turn comes: in a queue that is full of requests
 * that have timed out, that would keep the living out. An eighth of them must be dead to make it
 * worth the while. Under both locks. */
static void bury_dead(struct weir_pool *p)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed), to = head;
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

    if (p->dead == 0 || p->dead * 8 < tail - head)
        return;
    for (uint64_t i = head; i != tail; i++) {
        struct pool_job *job = place(p, i);

        if (is_dead(job))
            continue;
        *place(p, to) = *job;
        if (job->future != NULL)
            job->future->number = to;
        to++;
    }
    atomic_store_explicit(&p->tail, to, memory_order_relaxed);
    p->tail_seen = to;
    p->dead = 0;
}

/* Those who wait for room are let in when a few places are free: one at a time, a single submitter
 * would park and be woken for every job. */
static size_t admit_below(const struct weir_pool *p)
{
    return p->limit + 1 - MAX(MIN(p->limit / 8, (size_t)ADMIT_MAX), (size_t)1);
}

/* Of a queue that seems to be full. If it is, workers shall know that somebody waits. */
static NOINLINE bool has_room_after_all(struct weir_pool *p, bool wait)
{
    bool room;

    spin_lock(&p->take_lock);
    if (queue_len(p) >= p->limit)
        bury_dead(p);
    room = queue_len(p) < p->limit && list_empty(&p->submitters);
    if (!room && wait)
        p->admit_below = admit_below(p);
    spin_unlock(&p->take_lock);
    return room;
}

/* For a newcomer: nobody is overtaken. */
static bool has_room(struct weir_pool *p, bool wait)
{
    uint64_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);

    if (unlikely(!list_empty(&p->submitters)))
        return has_room_after_all(p, wait);
    if (likely(tail - p->head_seen < p->limit))
        return true;
    p->head_seen = atomic_load_explicit(&p->head, memory_order_acquire);
    return likely(tail - p->head_seen < p->limit) || has_room_after_all(p, wait);
}

/* First come first. */
void pool_admit(struct weir_pool *p, struct wakes *w)
{
    if (queue_len(p) >= admit_below(p))
        return;
    while (!list_empty(&p->submitters) && queue_len(p) < p->limit) {
        struct submitter *s = list_entry(list_pop_front(&p->submitters), struct submitter, node);
        struct co *co = park_claim(s->ticket);

        p->submitters_count--;
        if (co == NULL)
            continue; /* its scope has ended */
        s->served = true;
        put(p, &s->job);
        wake_later(w, co);
    }
    spin_lock(&p->take_lock);
    p->admit_below = list_empty(&p->submitters) ? 0 : admit_below(p);
    spin_unlock(&p->take_lock);
}

bool pool_take_back(struct weir_pool *p, struct future *f)
{
    struct pool_job *job;
    bool taken;

    spin_lock(&p->lock);
    spin_lock(&p->take_lock);
    job = place(p, f->number);
    taken = f->number - atomic_load_explicit(&p->head, memory_order_relaxed) < queue_len(p) &&
            job->future == f;
    if (taken) {
        job->fn = NULL;
        job->future = NULL;
        p->cancelled++;
        p->dead += is_dead(job);
    }
    spin_unlock(&p->take_lock);
    spin_unlock(&p->lock);
    return taken;
}

/* ---- submitting ---- */

static struct pool_job job_of(const struct weir_job *j)
{
    ASSERT(j->fn != NULL);
    return (struct pool_job){
        .fn = j->fn,
        .arg = j->arg,
        .done = j->done,
        .future = j->future != NULL ? future_of(j->future) : NULL,
        .deadline_ns = j->deadline_ns,
    };
}

/* Under the lock. While all workers are busy, what one job waits is what its neighbours wait, and
 * reading the clock would cost as much as all the rest. */
static void measure(struct weir_pool *p, struct pool_job *job)
{
    if (pool_running(p) < pool_workers(p))
        job->stands_for = 1;
    else if (++p->unmeasured % MEASURE_EVERY == 0)
        job->stands_for = MEASURE_EVERY;
    if (job->stands_for != 0)
        job->since_ns = world_now_ns(rt.world);
}

/* Under the lock. -EAGAIN: full; -EPIPE; -ENOMEM: nobody can run it. */
static int accept_job(struct weir_pool *p, struct pool_job *job, bool wait, struct wakes *w)
{
    if (p->closed)
        return -EPIPE;
    if (!has_room(p, wait))
        return -EAGAIN;
    measure(p, job);
    if (!pool_start_worker(p, w) && pool_running(p) == 0)
        return -ENOMEM;
    put(p, job);
    return 0;
}

/* Under the lock, which it drops: waits until it is let in. */
static int wait_for_room(struct weir_pool *p, const struct pool_job *job)
{
    struct co *co = co_self();
    struct submitter s = {.job = *job, .ticket = park_prepare(co, WAIT_POOL, p, 0)};
    int r;

    s.job.stands_for = 1;
    s.job.since_ns = world_now_ns(rt.world);
    list_push_back(&p->submitters, &s.node);
    p->submitters_count++;
    r = park(co, NS_NEVER, &p->lock);
    if (r == 0)
        return s.served ? 0 : -EPIPE;
    spin_lock(&p->lock);
    if (!list_empty(&s.node)) {
        list_remove(&s.node);
        p->submitters_count--;
    }
    spin_unlock(&p->lock);
    return r;
}

static int submit(struct weir_pool *p, const struct weir_job *j, bool wait)
{
    struct pool_job job = job_of(j);
    enum future_state before = FUTURE_PROMISE;
    struct wakes w = {NULL};
    int r;

    if (job.future != NULL)
        before = future_submit(job.future, p);
    spin_lock(&p->lock);
    r = accept_job(p, &job, wait, &w);
    if (r == -EAGAIN && wait) {
        r = wait_for_room(p, &job);
    } else {
        p->rejected += r == -EAGAIN || r == -EPIPE;
        unlock_and_wake(p, &w);
    }
    if (r < 0 && job.future != NULL)
        future_unsubmit(job.future, before);
    return r == -ENOMEM ? -EAGAIN : r;
}

int weir_pool_submit(struct weir_pool *p, const struct weir_job *job)
{
    struct co *co = co_self();
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    r = submit(p, job, true);
    co_spend(co);
    return r;
}

int weir_pool_try_submit(struct weir_pool *p, const struct weir_job *job)
{
    return submit(p, job, false);
}

int weir_pool_go(struct weir_pool *p, long (*fn)(void *arg), void *arg)
{
    return weir_pool_submit(p, &(struct weir_job){.fn = fn, .arg = arg});
}

int weir_pool_try_go(struct weir_pool *p, long (*fn)(void *arg), void *arg)
{
    return weir_pool_try_submit(p, &(struct weir_job){.fn = fn, .arg = arg});
}

int weir_pool_call(struct weir_pool *p, long (*fn)(void *arg), void *arg, long *ret_result)
{
    struct weir_future f = {0};
    int r = weir_pool_submit(p, &(struct weir_job){.fn = fn, .arg = arg, .future = &f});

    if (r < 0)
        return r;
    r = weir_future_wait(&f, ret_result);
    if (r == 0)
        return 0;
    if (weir_future_cancel(&f) == 0) { /* it never begins */
        weir_future_end(&f);
        return r;
    }
    weir_future_end(&f);
    weir_future_ready(&f, ret_result);
    return 0;
}

/* ---- life ---- */

static size_t ring_places(size_t jobs)
{
    size_t n = 1;

    while (n < jobs)
        n *= 2;
    return n;
}

struct weir_pool *weir_pool_new(const struct weir_pool_options *options)
{
    struct weir_pool_options o = {0};
    struct weir_pool *p = NULL;
    size_t places;

    if (options != NULL)
        memcpy(&o, options, MIN(options->size, sizeof(o)));
    if (o.workers == 0)
        o.workers = o.threads ? (unsigned)THREADS_DEFAULT : weir_workers() * WORKERS_PER_PROCESSOR;
    if (o.queue == 0)
        o.queue = QUEUE_DEFAULT;
    o.queue = MIN(o.queue, (size_t)QUEUE_MAX);
    places = ring_places(o.queue);
    if (posix_memalign((void **)&p, CACHE_LINE, sizeof(*p)) != 0)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->name = o.name != NULL ? o.name : "pool";
    p->threads = o.threads;
    atomic_init(&p->workers, o.workers);
    p->limit = o.queue;
    p->mask = places - 1;
    p->ring = malloc(places * sizeof(*p->ring));
    if (p->ring == NULL) {
        free(p);
        return NULL;
    }
    list_init(&p->submitters);
    list_init(&p->drainers);
    pool_register(p);
    return p;
}

void pool_destroy(struct weir_pool *p)
{
    if (p == NULL)
        return;
    pool_unregister(p);
    free(p->ring);
    free(p);
}

void weir_pool_close(struct weir_pool *p)
{
    struct wakes w = {NULL};
    struct list *node;

    spin_lock(&p->lock);
    p->closed = true;
    while ((node = list_pop_front(&p->submitters)) != NULL) {
        struct co *co = park_claim(list_entry(node, struct submitter, node)->ticket);

        p->submitters_count--;
        if (co != NULL)
            wake_later(&w, co);
    }
    unlock_and_wake(p, &w);
}

void weir_pool_free(struct weir_pool *p)
{
    if (p == NULL)
        return;
    ASSERT(co_self() != NULL);
    weir_pool_close(p);
    while (weir_pool_drain(p) < 0) {
        weir_pool_clear(p);
        if (pool_wait_idle(p, PARK_SHIELDED) == 0)
            break;
    }
    pool_destroy(p);
}

/* ---- resizing ---- */

int weir_pool_resize(struct weir_pool *p, unsigned workers)
{
    struct wakes w = {NULL};

    if (workers == 0)
        return -EINVAL;
    spin_lock(&p->lock);
    atomic_store_explicit(&p->workers, workers, memory_order_relaxed);
    if (queue_len(p) > 0)
        pool_start_worker(p, &w);
    unlock_and_wake(p, &w);
    return 0;
}

/* Under the lock. Returns what is to be freed: the ring there was, or, when that is to serve on
 * because what waits needs its places, the new one. */
static struct pool_job *replace_ring(struct weir_pool *p, struct pool_job *ring, size_t places)
{
    struct pool_job *old = ring;

    spin_lock(&p->take_lock);
    if (queue_len(p) <= places) {
        for (uint64_t i = atomic_load(&p->head); i != atomic_load(&p->tail); i++)
            ring[i & (places - 1)] = *place(p, i);
        old = p->ring;
        p->ring = ring;
        p->mask = places - 1;
    }
    spin_unlock(&p->take_lock);
    return old;
}

int weir_pool_resize_queue(struct weir_pool *p, size_t queue)
{
    size_t places = ring_places(MIN(queue, (size_t)QUEUE_MAX));
    struct pool_job *ring, *old;
    struct wakes w = {NULL};

    if (queue == 0 || queue > QUEUE_MAX)
        return -EINVAL;
    ring = malloc(places * sizeof(*ring));
    if (ring == NULL)
        return -ENOMEM;
    spin_lock(&p->lock);
    p->limit = queue;
    old = replace_ring(p, ring, places);
    pool_admit(p, &w);
    if (queue_len(p) > 0)
        pool_start_worker(p, &w);
    unlock_and_wake(p, &w);
    free(old);
    return 0;
}
