/* Pools: bounds, back-pressure, rejection, deadlines, cancellation, callbacks, panics, resizing,
 * closing, statistics; on coroutines and on threads. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/panic.h>
#include <weir/pool.h>
#include <weir/scope.h>
#include <weir/sync.h>

static struct weir_pool *new_pool(unsigned workers, size_t queue)
{
    struct weir_pool_options o = {
        .size = sizeof(o), .name = "test", .workers = workers, .queue = queue};
    struct weir_pool *p = weir_pool_new(&o);

    CHECK(p != NULL);
    return p;
}

static struct weir_pool_stats stats_of(struct weir_pool *p)
{
    struct weir_pool_stats s = {.size = sizeof(s)};

    weir_pool_get_stats(p, &s);
    return s;
}

/* A job that waits until it is let go, so that workers can be kept busy. */
struct gate {
    struct weir_chan *open;
    atomic_int inside, most, passed;
    atomic_bool handed_in; /* all jobs that come */
};

static long pass_gate(void *arg)
{
    struct gate *g = arg;
    int inside = 1 + atomic_fetch_add(&g->inside, 1), most = atomic_load(&g->most);

    while (inside > most && !atomic_compare_exchange_weak(&g->most, &most, inside))
        ;
    weir_chan_recv(g->open, &(char){0});
    atomic_fetch_sub(&g->inside, 1);
    atomic_fetch_add(&g->passed, 1);
    return 0;
}

static void wait_inside(struct gate *g, int count)
{
    WAIT_UNTIL(atomic_load(&g->inside) >= count);
}

static long count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 7;
}

static int runs_every_job(void *arg)
{
    struct weir_pool *p = new_pool(3, 10);
    atomic_int count = 0;
    struct weir_pool_stats s;
    int jobs = 20000 / SLOWER;
    uint64_t in_buckets = 0;

    (void)arg;
    for (int i = 0; i < jobs; i++)
        CHECK_EQ(weir_pool_go(p, count_up, &count), 0); /* parks when full */
    CHECK_EQ(weir_pool_drain(p), 0);
    CHECK_EQ(atomic_load(&count), jobs);
    s = stats_of(p);
    CHECK_EQ(s.submitted, jobs);
    CHECK_EQ(s.completed, jobs);
    CHECK_EQ(s.rejected + s.panicked + s.cancelled + s.expired, 0);
    CHECK_EQ(s.busy, 0);
    CHECK_EQ(s.queued, 0);
    CHECK(s.queued_max >= 1 && s.queued_max <= 10);
    CHECK(s.wait_max_ns >= s.wait_p99_ns && s.wait_p99_ns >= s.wait_p50_ns);
    CHECK(s.busy_ns > 0 && strcmp(s.name, "test") == 0);
    for (int i = 0; i < WEIR_POOL_WAIT_BUCKETS; i++)
        in_buckets += s.wait_buckets[i];
    CHECK(in_buckets > 0 && in_buckets <= (uint64_t)jobs + 7 * 8); /* some stand for others */
    CHECK(in_buckets >= (uint64_t)jobs / 2);
    weir_pool_free(p);
    return 0;
}

static int keeps_its_bounds(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct weir_pool *p = new_pool(3, 5);
    struct weir_pool_stats s;

    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weir_pool_try_go(p, pass_gate, &g), 0);
    wait_inside(&g, 3);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weir_pool_try_go(p, pass_gate, &g), 0);
    CHECK_EQ(weir_pool_try_go(p, pass_gate, &g), -EAGAIN);
    s = stats_of(p);
    CHECK_EQ(s.busy, 3);
    CHECK_EQ(s.queued, 5);
    CHECK_EQ(s.rejected, 1);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_pool_go(p, pass_gate, &g), -ETIMEDOUT);
    }
    CHECK_EQ(stats_of(p).submitters, 0);
    weir_chan_close(g.open);
    weir_pool_free(p);
    CHECK_EQ(atomic_load(&g.passed), 8);
    CHECK_EQ(atomic_load(&g.most), 3);
    weir_chan_free(g.open);
    return 0;
}

struct log {
    struct weir_mutex mutex;
    int order[64];
    int len;
    struct weir_pool *pool;
    struct weir_wait_group submitted;
};

struct entry {
    struct log *log;
    int number;
};

static long write_entry(void *arg)
{
    struct entry *e = arg;

    weir_mutex_lock(&e->log->mutex);
    e->log->order[e->log->len++] = e->number;
    weir_mutex_unlock(&e->log->mutex);
    return 0;
}

static void submit_entry(void *arg)
{
    struct entry *e = arg;

    CHECK_EQ(weir_pool_go(e->log->pool, write_entry, e), 0);
    weir_wait_group_done(&e->log->submitted);
}

/* Who waits for room gets in, and nothing is lost or done twice. */
static int back_pressure(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct log log = {.pool = new_pool(1, 2)};
    struct entry entries[64];
    bool seen[64] = {false};

    (void)arg;
    CHECK_EQ(weir_pool_go(log.pool, pass_gate, &g), 0);
    wait_inside(&g, 1);
    weir_wait_group_add(&log.submitted, 64);
    for (int i = 0; i < 64; i++) {
        entries[i] = (struct entry){&log, i};
        CHECK_EQ(weir_go("submitter", submit_entry, &entries[i]), 0);
    }
    WAIT_UNTIL(stats_of(log.pool).submitters >= 62);
    CHECK_EQ(stats_of(log.pool).queued, 2);
    weir_chan_close(g.open);
    CHECK_EQ(weir_wait_group_wait(&log.submitted), 0);
    weir_pool_free(log.pool);
    CHECK_EQ(log.len, 64);
    for (int i = 0; i < 64; i++)
        seen[log.order[i]] = true;
    for (int i = 0; i < 64; i++)
        CHECK(seen[i]);
    weir_chan_free(g.open);
    return 0;
}

static void submit_fails(void *arg)
{
    struct log *log = arg;

    CHECK_EQ(weir_pool_go(log->pool, write_entry, NULL), -EPIPE);
    weir_wait_group_done(&log->submitted);
}

static int closing(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct log log = {.pool = new_pool(1, 1)};
    atomic_int count = 0;

    (void)arg;
    CHECK_EQ(weir_pool_go(log.pool, pass_gate, &g), 0);
    wait_inside(&g, 1);
    CHECK_EQ(weir_pool_go(log.pool, count_up, &count), 0);
    weir_wait_group_add(&log.submitted, 1);
    CHECK_EQ(weir_go("late", submit_fails, &log), 0);
    WAIT_UNTIL(stats_of(log.pool).submitters >= 1);
    weir_pool_close(log.pool);
    weir_pool_close(log.pool);
    CHECK_EQ(weir_wait_group_wait(&log.submitted), 0);
    CHECK_EQ(weir_pool_try_go(log.pool, count_up, &count), -EPIPE);
    weir_chan_close(g.open);
    weir_pool_free(log.pool);
    CHECK_EQ(atomic_load(&count), 1); /* what was in the queue has been run */
    weir_chan_free(g.open);
    return 0;
}

struct told {
    atomic_int calls;
    _Atomic(long) result;
    atomic_bool on_coroutine;
    struct weir_future *future;
};

static void tell(void *arg, long result)
{
    struct told *t = arg;

    if (t->future != NULL)
        CHECK(weir_future_ready(t->future, NULL));
    atomic_store(&t->on_coroutine, weir_self_id() != 0);
    atomic_store(&t->result, result);
    atomic_fetch_add(&t->calls, 1);
}

static long answer(void *arg)
{
    (void)arg;
    return 42;
}

static int calls_back(void *arg)
{
    struct weir_pool *p = new_pool(2, 4);
    struct weir_future f = {0};
    struct told t = {.future = &f};
    struct weir_job job = {.fn = answer, .arg = &t, .done = tell, .future = &f};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_pool_submit(p, &job), 0);
    CHECK_EQ(weir_future_wait(&f, &result), 0);
    CHECK_EQ(result, 42);
    weir_pool_drain(p);
    CHECK_EQ(atomic_load(&t.calls), 1);
    CHECK_EQ(atomic_load(&t.result), 42);
    CHECK(atomic_load(&t.on_coroutine));
    CHECK_EQ(weir_pool_call(p, answer, NULL, &result), 0);
    weir_pool_free(p);
    return 0;
}

static long blow(void *arg)
{
    (void)arg;
    weir_panic(-EIO, "in a job");
    return 0;
}

static void blow_back(void *arg, long result)
{
    (void)arg, (void)result;
    weir_panic(-EIO, "in a callback");
}

static int contains_panics(void *arg)
{
    struct weir_pool *p = new_pool(2, 4);
    long result = 0;
    atomic_int count = 0;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weir_pool_call(p, blow, NULL, &result), 0);
        CHECK_EQ(result, -ENOTRECOVERABLE);
    }
    CHECK_EQ(weir_pool_submit(p, &(struct weir_job){.fn = answer, .done = blow_back}), 0);
    CHECK_EQ(weir_pool_call(p, count_up, &count, &result), 0);
    CHECK_EQ(result, 7);
    weir_pool_drain(p);
    CHECK_EQ(stats_of(p).panicked, 101);
    CHECK_EQ(stats_of(p).completed, 102);
    weir_pool_free(p);
    return 0;
}

struct trail {
    atomic_int blown, deferred, told, clean;
};

static void blown_defer(void *arg)
{
    atomic_fetch_add(&((struct trail *)arg)->deferred, 1);
}

static long blow_inside_blocks(void *arg)
{
    struct trail *t = arg;

    atomic_fetch_add(&t->blown, 1);
    WEIR_DEFER(blown_defer, t);
    WEIR_DEADLINE (weir_now() - 1) {
        WEIR_SCOPE (s) {
            weir_scope_cancel(s);
            weir_panic(-EIO, "inside of blocks");
        }
    }
    return 0;
}

static void told_of_panic(void *arg, long result)
{
    atomic_fetch_add(&((struct trail *)arg)->told, result == -ENOTRECOVERABLE);
}

static long look_around(void *arg)
{
    atomic_fetch_add(&((struct trail *)arg)->clean, !weir_cancelled() && weir_yield() == 0);
    return 0;
}

/* One worker has them all. */
static int panics_leave_nothing_to_the_next_job(void *arg)
{
    struct weir_pool *p = new_pool(1, 200);
    struct trail t = {0};

    (void)arg;
    for (int i = 0; i < 100; i++) {
        const struct weir_job blows = {.fn = blow_inside_blocks, .arg = &t, .done = told_of_panic};

        CHECK_EQ(weir_pool_submit(p, &blows), 0);
        CHECK_EQ(weir_pool_go(p, look_around, &t), 0);
    }
    CHECK_EQ(weir_pool_drain(p), 0);
    CHECK_EQ(atomic_load(&t.blown), 100);
    CHECK_EQ(atomic_load(&t.deferred), 100);
    CHECK_EQ(atomic_load(&t.told), 100);
    CHECK_EQ(atomic_load(&t.clean), 100);
    CHECK_EQ(stats_of(p).panicked, 100);
    CHECK_EQ(stats_of(p).completed, 200);
    weir_pool_free(p);
    return 0;
}

static long wait_to_end(void *arg)
{
    int r;

    (void)arg;
    r = weir_sleep(3600 * WEIR_S);
    return r;
}

static int keeps_deadlines(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct weir_pool *p = new_pool(1, 4);
    struct weir_future late = {0}, slow = {0};
    struct weir_job job = {.fn = answer, .future = &late, .deadline_ns = weir_now() + WEIR_MS};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_pool_go(p, pass_gate, &g), 0);
    CHECK_EQ(weir_pool_submit(p, &job), 0);
    weir_sleep(2 * WEIR_MS);
    weir_chan_close(g.open);
    CHECK_EQ(weir_future_wait(&late, &result), 0);
    CHECK_EQ(result, -ETIMEDOUT); /* it was not begun */
    CHECK_EQ(stats_of(p).expired, 1);
    job = (struct weir_job){
        .fn = wait_to_end, .future = &slow, .deadline_ns = weir_now() + 5 * WEIR_MS};
    CHECK_EQ(weir_pool_submit(p, &job), 0);
    CHECK_EQ(weir_future_wait(&slow, &result), 0);
    CHECK_EQ(result, -ETIMEDOUT);
    weir_pool_free(p);
    weir_chan_free(g.open);
    return 0;
}

/* Jobs are taken back at once while they wait, and asked to end while they run. */
static int cancels(void *arg)
{
    struct weir_pool *p = new_pool(1, 8);
    struct weir_future running = {0}, waiting[8] = {{0}};
    struct told t = {.future = NULL};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_pool_submit(p, &(struct weir_job){.fn = wait_to_end, .future = &running}), 0);
    WAIT_UNTIL(stats_of(p).queued == 0);
    for (int i = 0; i < 8; i++) {
        struct weir_job job = {.fn = answer, .future = &waiting[i], .arg = &t};

        job.done = i == 0 ? tell : NULL;
        CHECK_EQ(weir_pool_try_submit(p, &job), 0);
    }
    CHECK_EQ(weir_pool_try_go(p, answer, NULL), -EAGAIN);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(weir_future_cancel(&waiting[i]), 0);
        CHECK(weir_future_ready(&waiting[i], &result));
        CHECK_EQ(result, -ECANCELED);
        CHECK_EQ(weir_future_cancel(&waiting[i]), -EALREADY);
    }
    CHECK_EQ(weir_pool_try_submit(p, &(struct weir_job){.fn = answer, .future = &waiting[1]}), 0);
    CHECK_EQ(stats_of(p).cancelled, 8); /* their places are free again, but that of the callback */
    CHECK_EQ(stats_of(p).queued, 2);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_pool_call(p, answer, NULL, &result), -ETIMEDOUT);
    }
    while (weir_future_cancel(&running) == 0)
        ; /* it had not been seen to begin */
    CHECK_EQ(weir_future_wait(&running, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(weir_future_wait(&waiting[1], &result), 0);
    CHECK_EQ(result, 42);
    weir_pool_free(p);
    CHECK_EQ(atomic_load(&t.calls), 1);
    CHECK_EQ(atomic_load(&t.result), -ECANCELED);
    return 0;
}

/* A call whose scope ends while its job runs is over when the job is. */
static int call_cancels_its_job(void *arg)
{
    struct weir_pool *p = new_pool(1, 8);
    long result = 0;
    int64_t span_ns = 2 * WEIR_MS;
    int r = 0;

    (void)arg;
    do {
        WEIR_DEADLINE (weir_now() + span_ns) {
            r = weir_pool_call(p, wait_to_end, NULL, &result);
        }
        span_ns *= 2;
    } while (r == -ETIMEDOUT); /* the deadline came before the job began */
    CHECK_EQ(r, 0);
    CHECK_EQ(result, -ECANCELED);
    weir_pool_drain(p); /* a job is accounted for after its result is there */
    CHECK(stats_of(p).busy_ns > 0);
    weir_pool_free(p);
    return 0;
}

static int clears(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct weir_pool *p = new_pool(1, 8);
    struct weir_future f = {0};
    struct told t = {.future = NULL};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_pool_go(p, pass_gate, &g), 0);
    wait_inside(&g, 1);
    CHECK_EQ(weir_pool_go(p, answer, NULL), 0);
    CHECK_EQ(weir_pool_submit(p, &(struct weir_job){answer, &t, .done = tell, .future = &f}), 0);
    CHECK_EQ(weir_pool_clear(p), 2);
    CHECK(weir_future_ready(&f, &result));
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(atomic_load(&t.result), -ECANCELED);
    weir_chan_close(g.open);
    weir_pool_free(p);
    CHECK_EQ(atomic_load(&g.passed), 1);
    weir_chan_free(g.open);
    return 0;
}

/* Who waits for room gets in when the queue has been emptied, by clear or by cancelling, and not by
 * workers: even if no job is left to be taken. */
static int emptying_makes_room(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct log log = {.pool = new_pool(1, 2)};
    struct entry entry = {&log, 1};
    struct weir_future waiting[2] = {{0}};
    struct weir_job job = {.fn = answer};

    (void)arg;
    for (int cancel = 0; cancel < 2; cancel++) {
        CHECK_EQ(weir_pool_go(log.pool, pass_gate, &g), 0);
        wait_inside(&g, 1);
        for (int i = 0; i < 2; i++) {
            job.future = cancel ? &waiting[i] : NULL;
            CHECK_EQ(weir_pool_submit(log.pool, &job), 0);
        }
        weir_wait_group_add(&log.submitted, 1);
        CHECK_EQ(weir_go("submitter", submit_entry, &entry), 0);
        WAIT_UNTIL(stats_of(log.pool).submitters == 1);
        if (cancel) {
            for (int i = 0; i < 2; i++)
                CHECK_EQ(weir_future_cancel(&waiting[i]), 0);
            CHECK_EQ(weir_pool_try_go(log.pool, answer, NULL), -EAGAIN); /* nobody is overtaken */
            weir_chan_send(g.open, &(char){0});
            CHECK_EQ(weir_wait_group_wait(&log.submitted), 0);
        } else {
            CHECK_EQ(weir_pool_clear(log.pool), 2);
            CHECK_EQ(weir_wait_group_wait(&log.submitted), 0); /* while the worker is busy */
            weir_chan_send(g.open, &(char){0});
        }
        CHECK_EQ(weir_pool_drain(log.pool), 0);
        CHECK_EQ(log.len, cancel + 1);
    }
    weir_pool_free(log.pool);
    weir_chan_free(g.open);
    return 0;
}

/* Who submits a little at a time is let on before the workers have nothing left to do. */
static int refills_before_empty(void *arg)
{
    struct weir_pool *p = new_pool(8, 64);
    atomic_int count = 0;
    int left = 0;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        for (int n = 0; n < 32; n++)
            CHECK_EQ(weir_pool_go(p, count_up, &count), 0);
        weir_yield();
        left += stats_of(p).queued > 0;
    }
    CHECK(left > 25);
    CHECK_EQ(weir_pool_drain(p), 0);
    CHECK_EQ(atomic_load(&count), 50 * 32);
    weir_pool_free(p);
    return 0;
}

static int resizes(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};
    struct weir_pool *p = new_pool(2, 100);

    (void)arg;
    CHECK_EQ(weir_pool_resize(p, 0), -EINVAL);
    CHECK_EQ(weir_pool_resize_queue(p, 0), -EINVAL);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weir_pool_go(p, pass_gate, &g), 0);
    wait_inside(&g, 2);
    CHECK_EQ(weir_pool_resize(p, 20), 0); /* up: at once */
    wait_inside(&g, 20);
    CHECK_EQ(stats_of(p).busy, 20);
    CHECK_EQ(stats_of(p).queued, 30);
    CHECK_EQ(weir_pool_resize_queue(p, 10), 0); /* smaller than what waits: nothing is lost */
    CHECK_EQ(weir_pool_try_go(p, pass_gate, &g), -EAGAIN);
    CHECK_EQ(weir_pool_resize_queue(p, 1000), 0);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weir_pool_try_go(p, pass_gate, &g), 0);
    CHECK_EQ(weir_pool_resize(p, 1), 0); /* down: after the jobs in hand */
    for (int i = 0; i < 30; i++)
        weir_chan_send(g.open, &(char){0});
    WAIT_UNTIL(stats_of(p).busy <= 1);
    CHECK_EQ(atomic_load(&g.most), 20);
    weir_chan_close(g.open);
    weir_pool_free(p);
    CHECK_EQ(atomic_load(&g.passed), 100);
    CHECK_EQ(atomic_load(&g.inside), 0);
    weir_chan_free(g.open);
    return 0;
}

struct churn {
    struct weir_pool *pool;
    atomic_int done, resizing;
    struct weir_wait_group all;
};

static void submit_many(void *arg)
{
    struct churn *c = arg;
    int sent = 0;

    for (int i = 0; i < 2000 / SLOWER; i++) {
        struct weir_future f = {0};
        struct weir_job job = {.fn = count_up, .arg = &c->done, .future = &f};

        CHECK_EQ(weir_pool_submit(c->pool, &job), 0);
        if (i % 3 == 0 && weir_future_cancel(&f) == 0)
            sent--;
        sent++;
        weir_future_end(&f);
    }
    (void)sent;
    weir_wait_group_done(&c->all);
}

static void resize_all_the_time(void *arg)
{
    struct churn *c = arg;

    for (unsigned i = 0; atomic_load(&c->resizing); i++) {
        CHECK_EQ(weir_pool_resize(c->pool, 1 + i % 7), 0);
        CHECK_EQ(weir_pool_resize_queue(c->pool, 1 + i % 13), 0);
        weir_yield();
    }
    weir_wait_group_done(&c->all);
}

/* Submission, cancellation and resizing at once: every job is run once or taken back. */
static int survives_churn(void *arg)
{
    struct churn c = {.pool = new_pool(2, 4), .resizing = 1};
    struct weir_pool_stats s;

    (void)arg;
    weir_wait_group_add(&c.all, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weir_go("submit", submit_many, &c), 0);
    CHECK_EQ(weir_go("resize", resize_all_the_time, &c), 0);
    CHECK_EQ(weir_wait_group_wait(&c.all), 0);
    weir_wait_group_add(&c.all, 1);
    atomic_store(&c.resizing, 0);
    CHECK_EQ(weir_wait_group_wait(&c.all), 0);
    CHECK_EQ(weir_pool_drain(c.pool), 0);
    s = stats_of(c.pool);
    CHECK_EQ(s.submitted, 4 * (2000 / SLOWER));
    CHECK_EQ(s.completed + s.cancelled, s.submitted);
    CHECK(atomic_load(&c.done) <= (int)s.completed);
    weir_pool_free(c.pool);
    return 0;
}

static long on_which_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return weir_self_id() == 0 ? 1 : 0;
}

static long sleep_on_thread(void *arg)
{
    usleep(2000);
    atomic_fetch_add((atomic_int *)arg, 1);
    return 9;
}

static int runs_on_threads(void *arg)
{
    struct weir_pool_options o = {.size = sizeof(o), .workers = 4, .threads = true};
    struct weir_pool *p = weir_pool_new(&o);
    struct told t = {.future = NULL};
    atomic_int count = 0;
    pthread_t thread;
    long result = 0;

    (void)arg;
    CHECK(p != NULL);
    CHECK_EQ(weir_pool_call(p, on_which_thread, &thread, &result), 0);
    CHECK_EQ(result, 1); /* not on a coroutine */
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weir_pool_go(p, sleep_on_thread, &count), 0);
    CHECK_EQ(weir_pool_submit(p, &(struct weir_job){answer, &t, .done = tell}), 0);
    CHECK_EQ(weir_pool_call(p, blow, NULL, &result), 0);
    CHECK_EQ(result, -ENOTRECOVERABLE);
    CHECK_EQ(weir_pool_drain(p), 0);
    CHECK_EQ(atomic_load(&count), 20);
    CHECK_EQ(atomic_load(&t.result), 42);
    CHECK(atomic_load(&t.on_coroutine));
    CHECK_EQ(stats_of(p).panicked, 1);
    weir_pool_free(p);
    return 0;
}

static int offloads(void *arg)
{
    struct told t = {.future = NULL};

    (void)arg;
    CHECK_EQ(weir_offload(answer, &t, tell), 0);
    CHECK_EQ(weir_offload(answer, &t, NULL), 0);
    CHECK_EQ(weir_pool_drain(weir_pool_shared()), 0);
    CHECK_EQ(atomic_load(&t.calls), 1);
    CHECK_EQ(atomic_load(&t.result), 42);
    return 0;
}

struct foreign {
    struct weir_pool *pool;
    atomic_int count;
    int sent;
    struct weir_future promise;
};

static void *submit_from_thread(void *arg)
{
    struct foreign *f = arg;

    for (int i = 0; i < 1000 / SLOWER; i++)
        f->sent += weir_pool_try_go(f->pool, count_up, &f->count) == 0;
    weir_future_set(&f->promise, 1);
    return NULL;
}

static int takes_from_other_threads(void *arg)
{
    struct foreign f = {.pool = new_pool(2, 100)};
    pthread_t thread;

    (void)arg;
    CHECK_EQ(pthread_create(&thread, NULL, submit_from_thread, &f), 0);
    CHECK_EQ(weir_future_wait(&f.promise, NULL), 0);
    pthread_join(thread, NULL);
    weir_pool_free(f.pool);
    CHECK_EQ(atomic_load(&f.count), f.sent);
    CHECK(f.sent > 0);
    return 0;
}

/* What still waits when the runtime ends is taken back, callbacks called. */
static struct told last;

static int ends_with_jobs_waiting(void *arg)
{
    struct weir_job job = {.fn = answer, .arg = &last, .done = tell};

    (void)arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weir_pool_submit(weir_pool_shared(), &job), 0);
    return 0;
}

static void freed_while_cancelled(void *arg)
{
    struct weir_pool *p = new_pool(1, 8);
    struct gate *g = arg;

    CHECK_EQ(weir_pool_go(p, pass_gate, g), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weir_pool_go(p, pass_gate, g), 0);
    atomic_store(&g->handed_in, true);
    weir_chan_recv(g->open, &(char){0});
    weir_pool_free(p);
    atomic_fetch_add(&g->passed, 100);
}

static int free_takes_back_when_cancelled(void *arg)
{
    struct gate g = {.open = weir_chan_new(1, 0)};

    (void)arg;
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "owner", freed_while_cancelled, &g), 0);
        wait_inside(&g, 1);
        WAIT_UNTIL(atomic_load(&g.handed_in));
        weir_scope_cancel(s);
        weir_chan_close(g.open); /* the job in hand is waited for */
    }
    CHECK(atomic_load(&g.passed) >= 101 && atomic_load(&g.passed) <= 106);
    weir_chan_free(g.open);
    return 0;
}

#define ON_ALL(fn)                                                                                 \
    static void test_##fn(void)                                                                    \
    {                                                                                              \
        run_on_all(fn, NULL);                                                                      \
    }

ON_ALL(runs_every_job)
ON_ALL(keeps_its_bounds)
ON_ALL(back_pressure)
ON_ALL(closing)
ON_ALL(calls_back)
ON_ALL(contains_panics)
ON_ALL(panics_leave_nothing_to_the_next_job)
ON_ALL(keeps_deadlines)
ON_ALL(cancels)
ON_ALL(call_cancels_its_job)
ON_ALL(clears)
ON_ALL(emptying_makes_room)
ON_ALL(resizes)
ON_ALL(survives_churn)
ON_ALL(runs_on_threads)
ON_ALL(offloads)
ON_ALL(takes_from_other_threads)
ON_ALL(free_takes_back_when_cancelled)

static void test_ends_with_jobs_waiting(void)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        atomic_store(&last.calls, 0);
        run_on(workers, ends_with_jobs_waiting, NULL);
        CHECK_EQ(atomic_load(&last.calls), 10);
    }
}

static void test_refills_before_empty(void)
{
    run_on(1, refills_before_empty, NULL);
}

static const struct test tests[] = {
    TEST(test_runs_every_job),
    TEST(test_keeps_its_bounds),
    TEST(test_back_pressure),
    TEST(test_closing),
    TEST(test_calls_back),
    TEST(test_contains_panics),
    TEST(test_panics_leave_nothing_to_the_next_job),
    TEST(test_keeps_deadlines),
    TEST(test_cancels),
    TEST(test_call_cancels_its_job),
    TEST(test_clears),
    TEST(test_emptying_makes_room),
    TEST_REAL(test_refills_before_empty, "the order of a real processor"),
    TEST(test_resizes),
    TEST(test_survives_churn),
    TEST_REAL(test_runs_on_threads, "threads"),
    TEST(test_offloads),
    TEST_REAL(test_takes_from_other_threads, "other threads"),
    TEST(test_free_takes_back_when_cancelled),
    TEST(test_ends_with_jobs_waiting),
};

RUN_TESTS(tests)
