/* Deadlocks in the real world: found when there is one, and only then. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/diagnose.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/sanitize.h"
#include "settle.h"

static char report[1 << 16];

/* Runs fn with stderr going to report; returns what weir_main() returned. */
static int run_quietly(int (*fn)(void *arg), void *arg, unsigned workers, unsigned deadlock)
{
    struct weir_options o = {.size = sizeof(o),
                             .workers = workers,
                             .coroutines_max = TEST_COROUTINES_MAX,
                             .deadlock = deadlock};
    int fd = memfd_create("stderr", MFD_CLOEXEC), old = dup(STDERR_FILENO), r;
    ssize_t n;

    CHECK(fd >= 0 && old >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    r = weir_main(fn, arg, &o);
    CHECK(dup2(old, STDERR_FILENO) >= 0);
    n = pread(fd, report, sizeof(report) - 1, 0);
    CHECK(n >= 0);
    report[n] = 0;
    close(fd);
    close(old);
    return r;
}

/* Emulators have threads of their own in the process, which are nobody's; the thread sanitizer has
 * one as soon as there is a second thread. */
static unsigned detect(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;

    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
#if defined(WEIR_TSAN)
    count++;
#endif
    return count == 1 ? WEIR_DEADLOCK_AUTO : WEIR_DEADLOCK_ALWAYS;
}

static atomic_int cleaned;

static void wait_for_ever(void *arg)
{
    int got;

    CHECK_EQ(weir_chan_recv(arg, &got), -ECANCELED);
    atomic_fetch_add(&cleaned, 1);
}

/* All from one place, whatever the compiler does to loops. */
static __attribute__((noinline)) int start_waiter(struct weir_chan *c)
{
    int r = weir_go("waiter", wait_for_ever, c);

    __asm__ volatile(""); /* no tail call, or it would be from the caller */
    return r;
}

static int forgotten_channel(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int got;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(start_waiter(c), 0);
    CHECK_EQ(weir_chan_recv(c, &got), -ECANCELED);
    while (atomic_load(&cleaned) < 3)
        CHECK_EQ(weir_yield(), -ECANCELED);
    weir_chan_free(c);
    return 0;
}

static void all_wait_and_are_cancelled(void)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        atomic_store(&cleaned, 0);
        CHECK_EQ(run_quietly(forgotten_channel, NULL, workers, detect()), -EDEADLK);
        CHECK_EQ(atomic_load(&cleaned), 3);
        CHECK(strstr(report, "weir: deadlock: all coroutines wait") != NULL);
        /* In one group as a rule, in two when the compiler has copied the wait: see dump_test. */
        CHECK(strstr(report, "4 coroutines: 4 waiting, 0 runnable") != NULL);
        CHECK(strstr(report, "'waiter': wait") != NULL);
        CHECK(strstr(report, "coroutine 1 'main': waits for channel receive") != NULL);
    }
    CHECK_EQ(weir_exit_status(-EDEADLK), 2);
    CHECK_EQ(weir_exit_status(-ENOMEM), 1);
    CHECK_EQ(weir_exit_status(3), 3);
}

static struct weir_mutex a, b;

static void b_then_a(void *arg)
{
    weir_mutex_lock(&b);
    weir_chan_send(arg, &(int){1});
    weir_mutex_lock(&a);
}

static int embrace(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int got;

    weir_mutex_lock(&a);
    CHECK_EQ(weir_go("other", b_then_a, c), 0);
    CHECK_EQ(weir_chan_recv(c, &got), 1);
    weir_chan_free(c);
    weir_mutex_lock(&b);
    CHECK(false);
    return 0;
}

/* Waits for a mutex are not cancelled; the run is given up. */
static void two_that_hold_what_the_other_wants(void)
{
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    CHECK_EQ(run_quietly(embrace, NULL, 2, detect()), -EDEADLK);
    CHECK(strstr(report, "deadlock:\n  coroutine ") != NULL);
    CHECK(strstr(report, "'other' waits for mutex 0x") != NULL);
}

/* ---- what is none ---- */

static void *send_later(void *arg)
{
    usleep(300 * 1000);
    CHECK_EQ(weir_chan_try_send(arg, &(int){7}), 0);
    return NULL;
}

static int woken_by_a_thread(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 1);
    pthread_t thread;
    int got = 0;

    CHECK_EQ(pthread_create(&thread, NULL, send_later, c), 0);
    CHECK_EQ(weir_chan_recv(c, &got), 1);
    CHECK_EQ(got, 7);
    pthread_join(thread, NULL);
    weir_chan_free(c);
    return 0;
}

static void threads_of_others_may_wake(void)
{
    CHECK_EQ(run_quietly(woken_by_a_thread, NULL, 2, WEIR_DEADLOCK_AUTO), 0);
    CHECK(strstr(report, "deadlock") == NULL);
    CHECK_EQ(run_quietly(woken_by_a_thread, NULL, 2, WEIR_DEADLOCK_OFF), 0);
    CHECK(strstr(report, "deadlock") == NULL);
}

static void *wait_for_end(void *arg)
{
    char byte;

    CHECK_EQ(read(*(int *)arg, &byte, 1), 0);
    return NULL;
}

/* The program has a thread, and says that it wakes nobody. */
static void threads_of_others_may_be_declared_harmless(void)
{
    pthread_t thread;
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_end, &ends[0]), 0);
    atomic_store(&cleaned, 0);
    CHECK_EQ(run_quietly(forgotten_channel, NULL, 2, WEIR_DEADLOCK_ALWAYS), -EDEADLK);
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
}

static long slowly(void *arg)
{
    usleep(150 * 1000);
    return 1;
}

static void receive_one(void *arg)
{
    int got;

    CHECK_EQ(weir_chan_recv(arg, &got), 1);
}

/* Timers and blocking calls, longer than the monitor takes to find that nothing happens. */
static int slow_but_alive(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);

    CHECK_EQ(weir_go("receiver", receive_one, c), 0);
    CHECK_EQ(weir_blocking(slowly, NULL), 1);
    CHECK_EQ(weir_sleep(150 * NS_PER_MS), 0);
    CHECK_EQ(weir_chan_send(c, &(int){1}), 0);
    until_alone();
    weir_chan_free(c);
    return 0;
}

static void who_sleeps_or_blocks_is_not_dead(void)
{
    CHECK_EQ(run_quietly(slow_but_alive, NULL, 1, detect()), 0);
    CHECK(strstr(report, "deadlock") == NULL);
    CHECK_EQ(run_quietly(slow_but_alive, NULL, 2, detect()), 0);
    CHECK(strstr(report, "deadlock") == NULL);
}

static const struct test tests[] = {
    TEST(all_wait_and_are_cancelled),
    TEST(two_that_hold_what_the_other_wants),
    TEST_REAL(threads_of_others_may_wake, "other threads"),
    TEST_REAL(threads_of_others_may_be_declared_harmless, "other threads"),
    TEST_REAL(who_sleeps_or_blocks_is_not_dead, "blocks a thread"),
};

RUN_TESTS(tests)
