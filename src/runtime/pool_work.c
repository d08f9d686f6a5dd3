/* The workers of a pool: taking a job, running it, ending; and waiting until they have ended. */
#include "runtime/pool.h"

#include <weir/panic.h>

enum { SCARCE_EACH = 2 }; /* fewer waiting jobs for each worker are few */

struct drainer {
    struct list node;
    co_ticket ticket;
};

/* ---- workers ---- */

static void work(void *arg);

/* Under the lock. */
static void count_running(struct weir_pool *p, int change)
{
    atomic_store_explicit(&p->running, pool_running(p) + (unsigned)change, memory_order_relaxed);
}

bool pool_start_worker(struct weir_pool *p, struct wakes *w)
{
    struct co *co;

    if (pool_running(p) >= pool_workers(p))
        return true;
    co = spawn(m_current(), p->name, (union co_fn){.plain = work}, p, CO_PLAIN);
    if (co == NULL)
        return false;
    count_running(p, 1);
    wake_later(w, co);
    return true;
}

/* What a worker does between two looks at the queue. */
struct turn {
    int64_t since_ns; /* when the worker began; 0: it is about to */
    struct pool_job job;
    bool begun;   /* else it was not, */
    long refusal; /* for this reason */
    unsigned panics;
    bool scarce; /* few jobs were left */
};

/* Under the take_lock: the oldest job. */
static void take_oldest(struct weir_pool *p, struct pool_job *ret)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

    *ret = *place(p, head);
    atomic_store_explicit(&p->head, head + 1, memory_order_release);
}

/* Under the take_lock: takes the oldest job and decides whether it is begun. */
static void take(struct weir_pool *p, struct turn *t)
{
    struct pool_job *job = &t->job;
    int64_t now_ns = 0;

    take_oldest(p, job);
    if (job->stands_for != 0 || job->deadline_ns != 0)
        now_ns = world_now_ns(rt.world);
    t->begun = false;
    t->panics = 0;
    t->refusal = -ECANCELED;
    if (job->fn == NULL) { /* counted when it was taken back */
        p->dead -= is_dead(job);
    } else if (co_check(co_self()) < 0) { /* the runtime ends */
        p->cancelled++;
    } else if (job->deadline_ns != 0 && job->deadline_ns <= now_ns) {
        p->expired++;
        t->refusal = -ETIMEDOUT;
    } else {
        t->begun = true;
        if (job->stands_for != 0)
            pool_record_wait(p, now_ns - job->since_ns, job->stands_for);
    }
}

/* Under the take_lock. The clock is read when a worker begins and ends, not for every job. */
static void begin_worker(struct weir_pool *p, struct turn *t)
{
    t->since_ns = world_now_ns(rt.world);
    p->active++;
    p->begun_sum_ns += t->since_ns;
}

static void end_worker(struct weir_pool *p, const struct turn *t)
{
    p->active--;
    p->begun_sum_ns -= t->since_ns;
    p->spent_ns += world_now_ns(rt.world) - t->since_ns;
}

/* Under the lock: the last worker has ended. */
static void wake_drainers(struct weir_pool *p, struct wakes *w)
{
    struct list *node;

    while ((node = list_pop_front(&p->drainers)) != NULL) {
        struct co *co = park_claim(list_entry(node, struct drainer, node)->ticket);

        if (co != NULL)
            wake_later(w, co);
    }
}

/* Under the take_lock: jobs that wait. The tail is looked up, and its cache line fetched from who
 * submits, only when that could make a difference. */
static size_t jobs_left(struct weir_pool *p)
{
    uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
    size_t left = p->tail_seen - head;

    if (left == 0 || left < p->admit_below)
        p->tail_seen = atomic_load_explicit(&p->tail, memory_order_acquire);
    return p->tail_seen - head;
}

/* Under the lock: ends the worker, or takes a job after all. */
static bool take_or_end(struct weir_pool *p, struct turn *t)
{
    bool go_on;

    spin_lock(&p->take_lock);
    go_on = jobs_left(p) > 0 && pool_running(p) <= pool_workers(p);
    t->scarce = false;
    if (go_on)
        take(p, t);
    else
        end_worker(p, t);
    spin_unlock(&p->take_lock);
    return go_on;
}

/* What concerns more than the queue's head. Only under the lock is it certain that there is nothing
 * left to do: who submits starts a worker under it, or relies on those who run. */
static NOINLINE bool next_turn_locked(struct weir_pool *p, struct turn *t, bool go_on)
{
    struct wakes w = {NULL};

    spin_lock(&p->lock);
    pool_admit(p, &w);
    if (!go_on)
        go_on = take_or_end(p, t);
    if (!go_on)
        count_running(p, -1);
    if (queue_len(p) > 0)
        pool_start_worker(p, &w);
    if (pool_running(p) == 0)
        wake_drainers(p, &w);
    unlock_and_wake(p, &w);
    return go_on;
}

/* Ends one turn and begins the next. False: the worker is to end, and the pool may be gone. */
static bool next_turn(struct weir_pool *p, struct turn *t)
{
    unsigned running = pool_running(p), workers = pool_workers(p);
    bool go_on, more = false;

    spin_lock(&p->take_lock);
    if (t->since_ns == 0)
        begin_worker(p, t);
    p->completed += t->begun;
    p->panicked += t->panics;
    go_on = jobs_left(p) > 0 && running <= workers;
    if (go_on) {
        size_t left;

        take(p, t);
        left = jobs_left(p);
        more = left < p->admit_below || (running < workers && left > 0);
        t->scarce = left > 0 && left < SCARCE_EACH * running;
    }
    spin_unlock(&p->take_lock);
    return likely(go_on && !more) || next_turn_locked(p, t, go_on);
}

/* ---- one job ---- */

struct thread_call {
    struct pool_job *job;
    long result;
    bool begun, panicked;
};

static long on_thread(void *arg)
{
    struct thread_call *call = arg;

    call->begun = true;
    call->result = future_run(NULL, call->job->fn, call->job->arg, &call->panicked);
    return 0;
}

/* As the work of the future, in the worker: the function itself is elsewhere. */
static long call_thread(void *arg)
{
    struct thread_call *call = arg;
    long r = weir_blocking(on_thread, call);

    return call->begun ? call->result : r;
}

static long run_with_deadline(struct weir_pool *p, struct pool_job *job, bool *ret_panicked)
{
    struct thread_call call = {.job = job};
    struct weir_deadline deadline;
    long result;

    if (job->deadline_ns != 0)
        weir_deadline_enter(&deadline, job->deadline_ns);
    if (p->threads) {
        result = future_run(job->future, call_thread, &call, ret_panicked);
        *ret_panicked |= call.panicked;
    } else {
        result = future_run(job->future, job->fn, job->arg, ret_panicked);
    }
    if (job->deadline_ns != 0)
        weir_deadline_leave(&deadline);
    return result;
}

/* Needs nothing around it but what the worker has. */
static bool is_plain(const struct weir_pool *p, const struct pool_job *job)
{
    return job->future == NULL && job->deadline_ns == 0 && !p->threads;
}

struct callback {
    struct pool_job *job;
    long result;
};

static long call_back(void *arg)
{
    struct callback *c = arg;

    c->job->done(c->job->arg, c->result);
    return 0;
}

/* Returns how many panics there were. */
static NOINLINE unsigned finish(struct pool_job *job, long result)
{
    struct callback c = {job, result};
    bool panicked;

    future_run(NULL, call_back, &c, &panicked);
    return panicked;
}

static void end_job(struct turn *t, long result, bool panicked)
{
    t->panics = panicked;
    if (t->job.done != NULL)
        t->panics += finish(&t->job, result);
}

static void run_job(struct weir_pool *p, struct turn *t)
{
    struct pool_job *job = &t->job;
    long result = t->refusal;
    bool panicked = false;

    if (t->begun && likely(is_plain(p, job)))
        result = job->fn(job->arg);
    else if (t->begun)
        result = run_with_deadline(p, job, &panicked);
    else if (job->future != NULL)
        future_finish(job->future, result);
    end_job(t, result, panicked);
}

/* ---- a worker's life ---- */

struct worker {
    struct weir_pool *pool;
    struct turn turn;
};

static void let_others_run(const struct turn *t)
{
    if (t->scarce) /* who submits shall be here before the queue is empty */
        park_yield(co_self());
    else
        co_spend(co_self());
}

static void serve(void *arg)
{
    struct worker *w = arg;

    while (next_turn(w->pool, &w->turn)) {
        run_job(w->pool, &w->turn);
        let_others_run(&w->turn);
    }
}

/* One weir_try() around all plain jobs costs them nothing, and who panics ends only its own. */
static void work(void *arg)
{
    struct worker w;

    w.pool = arg;
    w.turn.since_ns = 0;
    w.turn.begun = false;
    w.turn.panics = 0;
    while (weir_try(serve, &w, NULL) < 0) {
        end_job(&w.turn, -ENOTRECOVERABLE, true);
        let_others_run(&w.turn);
    }
}

/* ---- waiting, clearing ---- */

/* Waits until no worker runs. */
int pool_wait_idle(struct weir_pool *p, unsigned flags)
{
    struct co *co = co_self();
    struct drainer d;
    int r;

    spin_lock(&p->lock);
    if (pool_running(p) == 0) {
        spin_unlock(&p->lock);
        return 0;
    }
    d.ticket = park_prepare(co, WAIT_POOL, p, flags);
    list_push_back(&p->drainers, &d.node);
    r = park(co, NS_NEVER, &p->lock);
    if (r < 0) {
        spin_lock(&p->lock);
        list_remove(&d.node);
        spin_unlock(&p->lock);
    }
    return r;
}

int weir_pool_drain(struct weir_pool *p)
{
    int r;

    ASSERT(co_self() != NULL);
    r = co_check(co_self());
    return r < 0 ? r : pool_wait_idle(p, 0);
}

/* Each in a turn of the caller, as if it were a worker. */
size_t weir_pool_clear(struct weir_pool *p)
{
    struct turn t = {.begun = false, .refusal = -ECANCELED};
    struct wakes w = {NULL};
    size_t count = 0;
    bool more = true;

    while (more) {
        spin_lock(&p->take_lock);
        p->panicked += t.panics;
        t.panics = 0;
        more = jobs_left(p) > 0;
        if (more) {
            take_oldest(p, &t.job);
            p->dead -= is_dead(&t.job);
            p->cancelled += t.job.fn != NULL;
            count += t.job.fn != NULL;
        }
        spin_unlock(&p->take_lock);
        if (more)
            run_job(p, &t);
    }
    spin_lock(&p->lock);
    pool_admit(p, &w);
    if (queue_len(p) > 0)
        pool_start_worker(p, &w);
    unlock_and_wake(p, &w);
    return count;
}
