/* Work is not left alone: what becomes runnable is run soon, by whoever has time for it. */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/scope.h>

#include "base/base.h"
#include "check.h"
#include "runtime/poller.h"
#include "runtime/runtime.h"
#include "runtime/sched.h"

/* ---- a looker does not wait for the kernel ---- */

static int make_heavy_fence(void *arg)
{
    if (rt.can_be_alone)
        CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
    return 0;
}

/* Registered while there is one thread: later that takes 15 ms, for which the first who runs out of
 * work would have to wait. The first test here, since a process is registered once. */
static void the_heavy_fence_is_ready_from_the_start(void)
{
    run_on(2, make_heavy_fence, NULL);
}

/* ---- surplus is shared ---- */

enum { SLEEPERS = 64, WORK_NS = 2 * 1000 * 1000 };

static int64_t wake_up_ns;
static atomic_int working, working_max;

static void note_working(void)
{
    int now = atomic_fetch_add(&working, 1) + 1, max = atomic_load(&working_max);
    int64_t end = weir_now() + WORK_NS;

    while (now > max && !atomic_compare_exchange_weak(&working_max, &max, now))
        ;
    while (weir_now() < end)
        ;
    atomic_fetch_sub(&working, 1);
}

/* The other thread may have got no processor of the machine's while the first one worked. */
static void expect_two_at_work(int (*fn)(void *arg))
{
    atomic_store(&working_max, 0);
    for (int attempt = 0; attempt < 10 && atomic_load(&working_max) < 2; attempt++)
        run_on(2, fn, NULL);
    CHECK(atomic_load(&working_max) > 1);
}

/* Those whose timers are on one processor wake together, while the other one sleeps. */
static void sleep_and_work(void *arg)
{
    unsigned group = runtime_processor_index() % 2;

    CHECK_EQ(weir_sleep(wake_up_ns + group * 500 * WEIR_MS - weir_now()), 0);
    note_working();
}

static int sleep_together(void *arg)
{
    wake_up_ns = weir_now() + 200 * WEIR_MS;
    WEIR_SCOPE (s) {
        for (int i = 0; i < SLEEPERS; i++)
            CHECK_EQ(weir_scope_go(s, "sleeper", sleep_and_work, NULL), 0);
    }
    return 0;
}

static void timers_that_expire_together_are_shared(void)
{
    expect_two_at_work(sleep_together);
}

/* ---- who runs out of work after all were busy ---- */

enum { BUSY_ONES = 8, BUSY_YIELDS = 20000 / SLOWER, BUSY_WORKS = 4 };

/* Both processors go on for long enough to take no notice of each other. Then the first on each of
 * them end; nearly all are on one, as a rule, and the other has to find the rest. */
static atomic_uint ended_on[2];

static void be_busy_and_work(void *arg)
{
    for (int i = 0; i < BUSY_YIELDS; i++)
        CHECK_EQ(weir_yield(), 0);
    if (atomic_fetch_add(&ended_on[runtime_processor_index() % 2], 1) < 2)
        return;
    for (int i = 0; i < BUSY_WORKS; i++) {
        note_working();
        CHECK_EQ(weir_yield(), 0);
    }
}

static int be_busy_together(void *arg)
{
    for (int i = 0; i < 2; i++)
        atomic_store(&ended_on[i], 0);
    WEIR_SCOPE (s) {
        for (int i = 0; i < BUSY_ONES; i++)
            CHECK_EQ(weir_scope_go(s, "busy", be_busy_and_work, NULL), 0);
    }
    return 0;
}

static void work_is_shared_after_all_were_busy(void)
{
    expect_two_at_work(be_busy_together);
}

/* ---- sockets get their turn ---- */

enum { YIELDERS = 600 }; /* more than a ring holds */

struct crowd {
    atomic_bool over;
    struct poll_fd *pf;
};

static void yield_until_over(void *arg)
{
    struct crowd *c = arg;

    while (!atomic_load(&c->over))
        CHECK_EQ(weir_yield(), 0);
}

static void wait_for_byte(void *arg)
{
    struct crowd *c = arg;

    WEIR_DEADLINE (weir_now() + CHECK_WAITS_SECONDS * WEIR_S) {
        CHECK_EQ(poll_fd_wait(c->pf, POLL_READ), 0);
    }
    atomic_store(&c->over, true);
}

static int read_in_a_crowd(void *arg)
{
    struct crowd c = {0};
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(poll_fd_new(pair[0], &c.pf), 0);
    WEIR_SCOPE (s) {
        for (int i = 0; i < YIELDERS; i++)
            CHECK_EQ(weir_scope_go(s, "yielder", yield_until_over, &c), 0);
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
        CHECK_EQ(weir_scope_go(s, "reader", wait_for_byte, &c), 0);
        CHECK_EQ(write(pair[1], "x", 1), 1);
    }
    poll_fd_close(c.pf, false);
    close(pair[1]);
    return 0;
}

static void sockets_are_polled_while_the_global_queue_is_never_empty(void)
{
    run_on(1, read_in_a_crowd, NULL);
    run_on(2, read_in_a_crowd, NULL);
}

/* ---- other threads ---- */

enum { FOREIGN_THREADS = 3, FOREIGN_STARTS = 1200 / SLOWER };

static void answer(void *arg)
{
    atomic_store((atomic_int *)arg, 1);
}

/* Each starts the next coroutine when the last one has run, so that the processors go to sleep all
 * the time. What is left alone runs when a later start happens to wake somebody, so all of them end
 * only if each wakes for itself. */
static void *start_one_by_one(void *arg)
{
    for (int i = 0; i < FOREIGN_STARTS; i++) {
        atomic_int answered = 0;
        int64_t begin = weir_now();

        CHECK_EQ(weir_go_foreign("answer", answer, &answered), 0);
        while (!atomic_load(&answered)) {
            CHECK(weir_now() - begin < CHECK_WAITS_SECONDS * WEIR_S);
            sched_yield();
        }
    }
    atomic_fetch_sub((atomic_int *)arg, 1);
    return NULL;
}

static long join_thread(void *arg)
{
    pthread_t *threads = arg;

    for (int i = 0; i < FOREIGN_THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int serve_foreign_threads(void *arg)
{
    pthread_t threads[FOREIGN_THREADS];
    atomic_int left = FOREIGN_THREADS;

    for (int i = 0; i < FOREIGN_THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, start_one_by_one, &left), 0);
    CHECK_EQ(weir_blocking(join_thread, threads), 0);
    CHECK_EQ(left, 0);
    return 0;
}

static void every_foreign_start_wakes_a_sleeper(void)
{
    run_on_all(serve_foreign_threads, NULL);
}

static const struct test tests[] = {
    TEST_REAL(the_heavy_fence_is_ready_from_the_start, "real threads"),
    TEST_REAL(timers_that_expire_together_are_shared, "two processors at a time"),
    TEST_REAL(work_is_shared_after_all_were_busy, "two processors at a time"),
    TEST_REAL(sockets_are_polled_while_the_global_queue_is_never_empty, "real sockets"),
    TEST_REAL(every_foreign_start_wakes_a_sleeper, "other threads"),
};
RUN_TESTS(tests)
