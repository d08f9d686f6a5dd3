/* The workers of a pool: taking a job, running it, ending; and waiting until they have ended. */
#include "runtime/pool.h"

struct drainer {
    struct list node;
    co_ticket ticket;
};

/* ---- workers ---- */

static void work(void *arg);

/* Under the lock: one more worker, if there may be one and there is work. False: none can be had.
 */
bool pool_start_worker(struct weir_pool *p, struct wakes *w)
{
    struct co *co;

    if (p->running >= p->workers || queue_len(p) == 0)
        return true;
    co = spawn(m_current(), p->name, (union co_fn){.plain = work}, p, CO_PLAIN);
    if (co == NULL)
        return false;
    p->running++;
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
};

/* Under the lock: takes the oldest job and decides whether it is begun. */
static void take(struct weir_pool *p, struct turn *t)
{
    struct pool_job *job = &t->job;
    int64_t now_ns = 0;

    *job = *place(p, p->head++);
    if (job->stands_for != 0 || job->deadline_ns != 0)
        now_ns = world_now_ns(rt.world);
    t->begun = false;
    t->panics = 0;
    t->refusal = -ECANCELED;
    if (job->fn == NULL) { /* counted when it was taken back */
        p->dead -= is_dead(job);
    } else if (weir_cancelled()) { /* the runtime ends */
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

/* Under the lock. The clock is read when a worker begins and ends, not for every job. */
static void begin_worker(struct weir_pool *p, struct turn *t)
{
    t->since_ns = world_now_ns(rt.world);
    p->active++;
    p->begun_sum_ns += t->since_ns;
}

static void end_worker(struct weir_pool *p, const struct turn *t)
{
    p->running--;
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

/* Ends one turn and begins the next. False: the worker is to end, and the pool may be gone. */
static bool next_turn(struct weir_pool *p, struct turn *t)
{
    struct wakes w = {NULL};
    bool go_on;

    spin_lock(&p->lock);
    if (t->since_ns == 0)
        begin_worker(p, t);
    p->completed += t->begun;
    p->panicked += t->panics;
    go_on = queue_len(p) > 0 && p->running <= p->workers;
    if (go_on) {
        take(p, t);
        pool_admit(p, &w);
        pool_start_worker(p, &w);
    } else {
        end_worker(p, t);
        if (p->running == 0)
            wake_drainers(p, &w);
    }
    unlock_and_wake(p, &w);
    return go_on;
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

static bool finish(struct pool_job *job, long result)
{
    struct callback c = {job, result};
    bool panicked = false;

    if (job->done != NULL)
        future_run(NULL, call_back, &c, &panicked);
    return panicked;
}

static void run_job(struct weir_pool *p, struct turn *t)
{
    long result = t->refusal;
    bool panicked = false;

    if (t->begun)
        result = run_with_deadline(p, &t->job, &panicked);
    else if (t->job.future != NULL)
        future_finish(t->job.future, result);
    t->panics = panicked;
    t->panics += finish(&t->job, result);
}

static void work(void *arg)
{
    struct weir_pool *p = arg;
    struct turn t;

    t.since_ns = 0;
    t.begun = false;
    t.panics = 0;

    while (next_turn(p, &t)) {
        run_job(p, &t);
        co_spend(co_self());
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
    if (p->running == 0) {
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
    size_t count = 0;
    bool more = true;

    while (more) {
        struct wakes w = {NULL};

        spin_lock(&p->lock);
        p->panicked += t.panics;
        t.panics = 0;
        more = queue_len(p) > 0;
        if (more) {
            t.job = *place(p, p->head++);
            p->dead -= is_dead(&t.job);
            p->cancelled += t.job.fn != NULL;
            count += t.job.fn != NULL;
        }
        unlock_and_wake(p, &w);
        if (more)
            run_job(p, &t);
    }
    return count;
}
