/* Other threads: starting and waking from outside, blocking calls, signals. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/panic.h>
#include <weir/scope.h>
#include <weir/signal.h>
#include <weir/sync.h>

#include "base/base.h"
#include "check.h"
#include "runtime/runtime.h"

enum { STARTS = 300 };

static void done(void *arg)
{
    weir_wait_group_done(arg);
}

static void *start_from_outside(void *arg)
{
    for (int i = 0; i < STARTS; i++)
        CHECK_EQ(weir_go_foreign("foreign", done, arg), 0);
    return NULL;
}

static int take_foreign(void *arg)
{
    struct weir_wait_group wg = {0};
    pthread_t threads[2];

    weir_wait_group_add(&wg, 2 * STARTS);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, start_from_outside, &wg), 0);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void foreign_threads_start_coroutines(void)
{
    run_on_all(take_foreign, NULL);
}

static void *close_from_outside(void *arg)
{
    int v = 5;

    while (weir_chan_try_send(arg, &v) == -EAGAIN)
        usleep(100);
    weir_chan_close(arg);
    return NULL;
}

static int wake_from_outside(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    pthread_t thread;
    int v = 0;

    CHECK_EQ(pthread_create(&thread, NULL, close_from_outside, c), 0);
    CHECK_EQ(weir_chan_recv(c, &v), 1);
    CHECK_EQ(v, 5);
    CHECK_EQ(weir_chan_recv(c, &v), 0);
    pthread_join(thread, NULL);
    weir_chan_free(c);
    return 0;
}

static void foreign_threads_wake_sleepers(void)
{
    run_on_all(wake_from_outside, NULL);
}

static long join_thread(void *arg)
{
    return pthread_join(*(pthread_t *)arg, NULL);
}

static long send_and_panic(void *arg)
{
    static const int seven = 7;

    if (arg == NULL)
        weir_panic(-EDOM, "asked for");
    CHECK_EQ(weir_sleep(WEIR_MS), 0); /* it may park */
    return weir_chan_send(arg, &seven);
}

static void no_report(const struct weir_panic_info *info, void *arg)
{
}

static void *call_from_outside(void *arg)
{
    CHECK_EQ(weir_call_foreign("panics", send_and_panic, NULL), -ENOTRECOVERABLE);
    for (int i = 0; i < STARTS / 10; i++)
        CHECK_EQ(weir_call_foreign("sends", send_and_panic, arg), 0);
    weir_chan_close(arg);
    CHECK_EQ(weir_call_foreign("sends", send_and_panic, arg), -EPIPE);
    return NULL;
}

static int answer_calls(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int v, count = 0;
    pthread_t thread;

    weir_set_panic_hook(no_report, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, call_from_outside, c), 0);
    while (weir_chan_recv(c, &v) == 1)
        count += v;
    CHECK_EQ(count, 7 * (STARTS / 10));
    /* While it is joined its last call needs a worker: this one must not hold the only one. */
    CHECK_EQ(weir_blocking(join_thread, &thread), 0);
    weir_chan_free(c);
    weir_set_panic_hook(NULL, NULL);
    return 0;
}

static void foreign_threads_call_what_parks(void)
{
    run_on_all(answer_calls, NULL);
}

static atomic_int inside, inside_max;

static long block_thread(void *arg)
{
    int now = atomic_fetch_add(&inside, 1) + 1, max = atomic_load(&inside_max);

    while (now > max && !atomic_compare_exchange_weak(&inside_max, &max, now))
        ;
    usleep(2000);
    atomic_fetch_sub(&inside, 1);
    return (long)(intptr_t)arg * 2;
}

static void call_blocking(void *arg)
{
    atomic_long *sum = arg;

    atomic_fetch_add(sum, weir_blocking(block_thread, (void *)(intptr_t)21));
}

static int block_a_lot(void *arg)
{
    atomic_long sum = 0;

    WEIR_SCOPE (s) {
        for (int i = 0; i < 100; i++)
            weir_scope_go(s, "blocker", call_blocking, &sum);
    }
    CHECK_EQ(sum, 4200);
    CHECK(inside_max > 1); /* not one after the other */
    return 0;
}

static void blocking_calls_run_side_by_side(void)
{
    run_on_all(block_a_lot, NULL);
}

struct gate {
    atomic_int entered;
    atomic_bool open;
};

static long pass_gate(void *arg)
{
    struct gate *g = arg;

    atomic_fetch_add(&g->entered, 1);
    while (!atomic_load(&g->open))
        usleep(200);
    return 7;
}

static void blocker(void *arg)
{
    CHECK_EQ(weir_blocking(pass_gate, arg), 7); /* it has begun: it is waited for */
    CHECK_EQ(weir_yield(), -ECANCELED);
    CHECK_EQ(weir_blocking(pass_gate, arg), -ECANCELED);
}

static int interrupt_blocking(void *arg)
{
    struct gate g = {0};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 64; i++)
            weir_scope_go(s, "blocker", blocker, &g);
        WAIT_UNTIL(atomic_load(&g.entered) == 64);
        WEIR_DEADLINE (weir_now() + 2 * WEIR_MS) { /* all threads taken: it can be taken back */
            CHECK_EQ(weir_blocking(pass_gate, &g), -ETIMEDOUT);
        }
        weir_scope_cancel(s);
        atomic_store(&g.open, true);
    }
    CHECK_EQ(g.entered, 64);
    return 0;
}

static void blocking_call_that_has_begun_is_waited_for(void)
{
    run_on_all(interrupt_blocking, NULL);
}

/* A thread that is only about to end would take the signal with the mask of its creator, which does
 * not block it, and end the process. */
static void no_thread_is_left_when_main_has_returned(void)
{
    sigset_t set, old;
    int signo;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    for (int i = 0; i < 20; i++) {
        atomic_store(&inside_max, 0);
        CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, &old), 0);
        run_on(2, block_a_lot, NULL);
        CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
        kill(getpid(), SIGHUP);
        CHECK_EQ(sigwait(&set, &signo), 0);
        CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    }
}

static int take_signals(void *arg)
{
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_signal_wait(), -ETIMEDOUT);
    }
    kill(getpid(), SIGHUP);
    CHECK_EQ(weir_signal_wait(), SIGHUP);
    kill(getpid(), SIGTERM);
    CHECK_EQ(weir_sleep(5 * WEIR_MS), 0); /* it comes while nobody waits */
    CHECK_EQ(weir_signal_wait(), SIGTERM);
    return 0;
}

static void signals_arrive_as_events(void)
{
    weir_signal_block();
    run_on(1, take_signals, NULL);
    run_on(2, take_signals, NULL);
}

static const struct test tests[] = {
    TEST_REAL(signals_arrive_as_events,
              "other threads"), /* first: blocks them before other threads exist */
    TEST_REAL(foreign_threads_start_coroutines, "other threads"),
    TEST_REAL(foreign_threads_wake_sleepers, "other threads"),
    TEST_REAL(foreign_threads_call_what_parks, "other threads"),
    TEST_REAL(blocking_calls_run_side_by_side, "other threads"),
    TEST_REAL(blocking_call_that_has_begun_is_waited_for, "other threads"),
    TEST_REAL(no_thread_is_left_when_main_has_returned, "other threads"),
};
RUN_TESTS(tests)
