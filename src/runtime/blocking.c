/* A pool of threads for calls that block. A call is a record on the caller's stack. */
#include <weir/panic.h>

#include "runtime/diagnose.h"
#include "runtime/sched.h"

enum { THREADS_MAX = 64 };
static const int64_t keep_alive_ns = 10 * NS_PER_SEC;

struct call {
    struct list node; /* queued while linked */
    long (*fn)(void *arg);
    void *arg;
    long result;
    bool panicked; /* instead, and how */
    struct weir_panic_info panic;

    /* Under the lock. */
    co_ticket ticket; /* of the caller's wait */
    bool started, finished;
};

static struct {
    pthread_mutex_t lock; /* never held while a coroutine parks */
    pthread_cond_t work;
    pthread_cond_t ended;
    struct list queue;
    unsigned threads, idle, queued;
    bool ready, stop;
    bool has_last; /* the thread that ended last is not joined yet */
    pthread_t last;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Under the lock. False: nothing came for long enough, or the end has. */
static bool wait_for_work(void)
{
    int64_t until_ns = world_now_ns(rt.world) + keep_alive_ns;
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
                             .tv_nsec = (long)(until_ns % NS_PER_SEC)};
    int error = 0;

    pool.idle++;
    while (list_empty(&pool.queue) && !pool.stop && error == 0)
        error = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
    pool.idle--;
    return !list_empty(&pool.queue);
}

/* Under the lock, by a thread that ends: takes over the duty to join the one that ended before it,
 * and leaves the duty to join itself. So nobody waits but for a thread that is about to be gone. */
static void end_thread(void)
{
    bool join = pool.has_last;
    pthread_t before = pool.last;

    pool.last = pthread_self();
    pool.has_last = true;
    pool.threads--;
    pthread_cond_signal(&pool.ended);
    pthread_mutex_unlock(&pool.lock);
    if (join)
        pthread_join(before, NULL);
}

static void run_call(void *arg)
{
    struct call *call = arg;

    call->result = call->fn(call->arg);
}

static void *serve(void *arg)
{
    deadlock_thread_begin();
    pthread_mutex_lock(&pool.lock);
    while (!list_empty(&pool.queue) || wait_for_work()) {
        struct call *call = list_entry(list_pop_front(&pool.queue), struct call, node);

        co_ticket ticket;

        pool.queued--;
        call->started = true;
        pthread_mutex_unlock(&pool.lock);
        call->panicked = weir_try(run_call, call, &call->panic) < 0;
        pthread_mutex_lock(&pool.lock);
        call->finished = true;
        ticket = call->ticket;
        pthread_mutex_unlock(&pool.lock);
        park_wake(ticket, RESULT_WOKEN); /* the record may be gone already */
        pthread_mutex_lock(&pool.lock);
    }
    end_thread();
    deadlock_thread_end();
    return NULL;
}

/* Under the lock. */
static void prepare_pool(void)
{
    pthread_condattr_t attr;

    if (pool.ready)
        return;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the clock of the real world */
    pthread_cond_init(&pool.work, &attr);
    pthread_cond_init(&pool.ended, NULL);
    pthread_condattr_destroy(&attr);
    list_init(&pool.queue);
    pool.ready = true;
}

/* 0, or -EAGAIN when there is no thread and none can be started. */
static int submit(struct call *call)
{
    pthread_t thread;
    int r = 0;

    pthread_mutex_lock(&pool.lock);
    prepare_pool();
    list_push_back(&pool.queue, &call->node);
    pool.queued++;
    if (pool.queued > pool.idle && pool.threads < THREADS_MAX &&
        pthread_create(&thread, NULL, serve, NULL) == 0)
        pool.threads++;
    if (pool.threads == 0) {
        list_remove(&call->node);
        pool.queued--;
        r = -EAGAIN;
    }
    pthread_cond_signal(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    return r;
}

/* A panic on the thread goes on here: it is the coroutine's. */
static long result_of(const struct call *call)
{
    if (unlikely(call->panicked))
        weir_panic_again(&call->panic);
    return call->result;
}

/* The wait ended early, with error r: the call is taken back, or waited for to its end. */
static long interrupted(struct co *co, struct call *call, int r)
{
    bool wait;

    pthread_mutex_lock(&pool.lock);
    if (!call->started) {
        list_remove(&call->node);
        pool.queued--;
        pthread_mutex_unlock(&pool.lock);
        return r;
    }
    wait = !call->finished;
    if (wait)
        call->ticket = park_prepare(co, WAIT_BLOCKING, call->arg, PARK_SHIELDED);
    pthread_mutex_unlock(&pool.lock);
    if (wait)
        park(co, NS_NEVER, NULL);
    return result_of(call);
}

long weir_blocking(long (*fn)(void *arg), void *arg)
{
    struct co *co = co_self();
    struct call call;
    int r;

    ASSERT(co != NULL);
    r = co_check(co);
    if (r < 0)
        return r;
    if (rt.simulated)
        return fn(arg);
    call.fn = fn;
    call.arg = arg;
    call.started = call.finished = false;
    list_init(&call.node);
    call.ticket = park_prepare(co, WAIT_BLOCKING, arg, 0);
    r = submit(&call);
    if (r < 0) {
        park_abandon(co);
        return r;
    }
    r = park(co, NS_NEVER, NULL);
    if (r == 0)
        return result_of(&call);
    return interrupted(co, &call, r);
}

void blocking_counts(uint32_t *ret_threads, uint32_t *ret_queued)
{
    pthread_mutex_lock(&pool.lock);
    *ret_threads = pool.threads;
    *ret_queued = pool.queued;
    pthread_mutex_unlock(&pool.lock);
}

/* Joins the threads, all of them: one that is only about to end still takes signals of the process,
 * with the mask of its creator. */
void blocking_stop(void)
{
    pthread_mutex_lock(&pool.lock);
    if (pool.ready) {
        pool.stop = true;
        pthread_cond_broadcast(&pool.work);
        while (pool.threads > 0)
            pthread_cond_wait(&pool.ended, &pool.lock);
        pool.stop = false;
        if (pool.has_last)
            pthread_join(pool.last, NULL); /* it has joined the others; none needs the lock */
        pool.has_last = false;
    }
    pthread_mutex_unlock(&pool.lock);
}
