/* libweir beside libuv, in both arrangements: each with a thread of its own, and libuv's loop run
 * by a coroutine. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include <weir/weir.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { JOBS = 1000 };

/* ---- a thread for each ---- */

struct beside {
    uv_loop_t loop;
    uv_async_t results;     /* a coroutine says: look into done */
    uv_timer_t ticker;      /* hands jobs over from the loop */
    struct weir_chan *jobs; /* of int, bounded: what does not fit waits for the next tick */
    struct weir_chan *done;
    int given, taken, sum;
    pthread_t thread;
};

static void work(void *arg)
{
    struct beside *b = arg;
    int job;

    while (weir_chan_recv(b->jobs, &job) == 1) {
        weir_sleep(job % 5 * 10 * WEIR_US);
        CHECK(weir_chan_send(b->done, &job) == 0);
        CHECK(uv_async_send(&b->results) == 0); /* the one call of libuv that any thread may make */
    }
}

static int serve_jobs(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            CHECK(weir_scope_go(s, "worker", work, arg) == 0);
    }
    return 0;
}

static void *run_weir(void *arg)
{
    CHECK(weir_main(serve_jobs, arg, NULL) == 0);
    return NULL;
}

static void give_jobs(uv_timer_t *timer)
{
    struct beside *b = timer->data;

    while (b->given < JOBS && weir_chan_try_send(b->jobs, &b->given) == 0)
        b->given++;
    if (b->given == JOBS)
        uv_close((uv_handle_t *)timer, NULL);
}

/* Several sends may come as one call: take all there is. */
static void take_results(uv_async_t *async)
{
    struct beside *b = async->data;
    int result;

    while (weir_chan_try_recv(b->done, &result) == 1) {
        b->sum += result;
        b->taken++;
    }
    if (b->taken == JOBS) {
        weir_chan_close(b->jobs);
        uv_close((uv_handle_t *)async, NULL);
    }
}

static void loops_run_beside_each_other(void)
{
    struct beside b = {.jobs = weir_chan_new(sizeof(int), 16),
                       .done = weir_chan_new(sizeof(int), 16)};

    CHECK(uv_loop_init(&b.loop) == 0);
    CHECK(uv_async_init(&b.loop, &b.results, take_results) == 0);
    CHECK(uv_timer_init(&b.loop, &b.ticker) == 0);
    b.results.data = b.ticker.data = &b;
    CHECK(pthread_create(&b.thread, NULL, run_weir, &b) == 0);
    CHECK(uv_timer_start(&b.ticker, give_jobs, 0, 1) == 0);
    CHECK(uv_run(&b.loop, UV_RUN_DEFAULT) == 0);
    pthread_join(b.thread, NULL);
    CHECK(b.sum == JOBS * (JOBS - 1) / 2);
    CHECK(uv_loop_close(&b.loop) == 0);
    weir_chan_free(b.jobs);
    weir_chan_free(b.done);
}

/* ---- the loop in a coroutine ---- */

struct inside {
    uv_loop_t loop;
    uv_timer_t timer;
    struct weir_chan *ticks;
    int count;
};

/* Callbacks run in this coroutine and must not park: they hand over with weir_chan_try_send(). */
static void run_loop(void *arg)
{
    uv_loop_t *loop = arg;

    while (uv_run(loop, UV_RUN_NOWAIT) != 0) {
        int timeout_ms = uv_backend_timeout(loop);

        WEIR_DEADLINE (timeout_ms < 0 ? INT64_MAX : weir_now() + timeout_ms * WEIR_MS) {
            int r = weir_wait_fd(uv_backend_fd(loop), WEIR_FD_READ);

            CHECK(r == WEIR_FD_READ || r == -ETIMEDOUT);
        }
    }
}

static void tick(uv_timer_t *timer)
{
    struct inside *in = timer->data;

    CHECK(weir_chan_try_send(in->ticks, &in->count) == 0);
    if (++in->count == 20)
        uv_close((uv_handle_t *)timer, NULL);
}

static void read_pipe(uv_poll_t *poll, int status, int events)
{
    char byte;

    CHECK(status == 0 && events == UV_READABLE);
    CHECK(read(*(int *)poll->data, &byte, 1) == 1);
    uv_close((uv_handle_t *)poll, NULL);
}

static int use_loop(void *arg)
{
    struct inside in = {.ticks = weir_chan_new(sizeof(int), 20)};
    uv_poll_t poll;
    int fds[2], tick_number;

    CHECK(pipe(fds) == 0);
    CHECK(uv_loop_init(&in.loop) == 0);
    CHECK(uv_timer_init(&in.loop, &in.timer) == 0);
    CHECK(uv_poll_init(&in.loop, &poll, fds[0]) == 0);
    in.timer.data = &in;
    poll.data = &fds[0];
    CHECK(uv_timer_start(&in.timer, tick, 1, 1) == 0);
    CHECK(uv_poll_start(&poll, UV_READABLE, read_pipe) == 0);
    WEIR_SCOPE (s) {
        CHECK(weir_scope_go(s, "uv", run_loop, &in.loop) == 0);
        for (int i = 0; i < 20; i++)
            CHECK(weir_chan_recv(in.ticks, &tick_number) == 1 && tick_number == i);
        CHECK(weir_sleep(WEIR_MS) == 0);
        CHECK(write(fds[1], "x", 1) == 1); /* only this is left for the loop to wait for */
    }
    CHECK(uv_loop_close(&in.loop) == 0);
    close(fds[0]);
    close(fds[1]);
    weir_chan_free(in.ticks);
    return 0;
}

static void a_coroutine_runs_the_loop(void)
{
    CHECK(weir_main(use_loop, NULL, NULL) == 0);
}

int main(void)
{
    fprintf(stderr, "[ run ] loops run beside each other\n");
    loops_run_beside_each_other();
    fprintf(stderr, "[ run ] a coroutine runs the loop\n");
    a_coroutine_runs_the_loop();
    return 0;
}
