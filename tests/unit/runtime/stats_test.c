/* Counters, the line of the trace, the dump on SIGQUIT. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/diagnose.h>

#include "base/base.h"
#include "check.h"

static void receive_one(void *arg)
{
    int got;

    weir_chan_recv(arg, &got);
}

enum { WAITERS = 100 };

static int count(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    struct weir_stats s = {.size = sizeof(s)};
    uint64_t delays = 0;

    CHECK_EQ(weir_stats(&s), 0);
    CHECK_EQ(s.size, sizeof(s));
    CHECK_EQ(s.coroutines_live, 1);
    CHECK_EQ(s.coroutines_started, 1);
    CHECK_EQ(s.processors, *(unsigned *)arg);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(weir_go("waiter", receive_one, c), 0);
    do {
        weir_sleep(NS_PER_MS);
        CHECK_EQ(weir_stats(&s), 0);
    } while (s.coroutines_parked < WAITERS);
    CHECK_EQ(s.coroutines_live, 1 + WAITERS);
    CHECK_EQ(s.coroutines_started, 1 + WAITERS);
    CHECK(s.parks > WAITERS && s.polls > 0 && s.timers_fired > 0);
    CHECK(s.threads >= s.processors);
    for (int i = 0; i < 64 * 10; i++)
        weir_sleep(1);
    weir_chan_close(c);
    do {
        weir_sleep(NS_PER_MS);
        CHECK_EQ(weir_stats(&s), 0);
    } while (s.coroutines_live > 1);
    for (int i = 0; i < WEIR_DELAY_BUCKETS; i++)
        delays += s.sched_delay[i];
    CHECK(delays >= 1);
    weir_chan_free(c);
    return 0;
}

static void counters_count(void)
{
    for (unsigned workers = 1; workers <= 2; workers++)
        run_on(workers, count, &workers);
}

static void sizes_of_earlier_versions_are_honoured(void)
{
    struct weir_stats s;

    memset(&s, 0xff, sizeof(s));
    s.size = offsetof(struct weir_stats, threads);
    CHECK_EQ(weir_stats(&s), 0);
    CHECK_EQ(s.processors, 0);
    CHECK_EQ(s.threads, UINT32_MAX);
    s.size = sizeof(s) + 8;
    CHECK_EQ(weir_stats(&s), -EINVAL);
    s.size = 0;
    CHECK_EQ(weir_stats(&s), -EINVAL);
}

/* ---- on stderr ---- */

static int caught; /* the end to read from */

/* What comes on stderr until part is in it. */
static bool comes(const char *part)
{
    static char text[1 << 16];
    size_t len = 0;
    int64_t end = weir_now() + CHECK_WAITS_SECONDS * WEIR_S;

    while (strstr(text, part) == NULL && weir_now() < end) {
        struct pollfd p = {.fd = caught, .events = POLLIN};
        ssize_t n;

        if (len > sizeof(text) / 2) { /* more than fits was printed before */
            memmove(text, text + len / 2, len - len / 2);
            len -= len / 2;
        }
        n = poll(&p, 1, 100) == 1 ? read(caught, text + len, sizeof(text) - 1 - len) : 0;
        CHECK(n >= 0);
        len += (size_t)n;
        text[len] = 0;
    }
    return strstr(text, part) != NULL;
}

static long wait_for_text(void *arg)
{
    return comes(arg);
}

static int quit(void *arg)
{
    kill(getpid(), SIGQUIT);
    CHECK_EQ(weir_blocking(wait_for_text, (char *)(uintptr_t) "1 coroutines: "), 1);
    return 0;
}

static int be_traced(void *arg)
{
    CHECK_EQ(weir_blocking(wait_for_text, (char *)(uintptr_t) " parked 1 queue 0 global 0 ["), 1);
    return 0;
}

static void run_caught(int (*fn)(void *arg))
{
    int old = dup(STDERR_FILENO), ends[2];

    CHECK(old >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    caught = ends[0];
    run_on(2, fn, NULL);
    CHECK(dup2(old, STDERR_FILENO) >= 0);
    close(ends[0]);
    close(ends[1]);
    close(old);
}

static void trace_is_printed(void)
{
    setenv("WEIR_DEBUG", "schedtrace=20", 1);
    run_caught(be_traced);
    unsetenv("WEIR_DEBUG");
}

static void sigquit_dumps_and_goes_on(void)
{
    CHECK_EQ(weir_dump_on_sigquit(), 0);
    CHECK_EQ(weir_dump_on_sigquit(), 0);
    run_caught(quit);
}

static const struct test tests[] = {
    TEST_REAL(counters_count, "two processors"),
    TEST(sizes_of_earlier_versions_are_honoured),
    TEST_REAL(trace_is_printed, "the monitor's thread"),
    TEST_REAL(sigquit_dumps_and_goes_on, "signals"),
};

RUN_TESTS(tests)
