/* What coroutines cost: resident memory while they are parked, and after they are gone. */
#include <stdio.h>

#include <weir/chan.h>
#include <weir/scope.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

/* Under sanitizers and emulators memory is not what it is; there only the mechanism is tested. */
#if defined(WEIR_SANITIZED) || defined(__aarch64__)
#define MEASURED 0
enum { MANY = 1000, BURST = 1000 };
#else
#define MEASURED 1
enum { MANY = 100 * 1000, BURST = 10 * 1000 };
#endif

static long status_kib(const char *key)
{
    char line[256];
    long value = -1;
    FILE *f = fopen("/proc/self/status", "r");

    CHECK(f != NULL);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    }
    fclose(f);
    CHECK(value >= 0);
    return value;
}

static long memory_kib(void)
{
    return status_kib("VmRSS:") + status_kib("VmPTE:");
}

static void wait_for_close(void *arg)
{
    char v;

    CHECK_EQ(weir_chan_recv(arg, &v), 0);
}

static void start_waiters(struct weir_scope *s, struct weir_chan *c, int count)
{
    for (int i = 0; i < count; i++) {
        CHECK_EQ(weir_scope_go(s, "waiter", wait_for_close, c), 0);
        if (i % 64 == 0)
            weir_yield();
    }
    settle();
}

static int park_many(void *arg)
{
    struct weir_chan *c = weir_chan_new(1, 0);
    struct runtime_stats stats;
    long before = memory_kib(), after;

    WEIR_SCOPE (s) {
        start_waiters(s, c, MANY);
        after = memory_kib();
        runtime_get_stats(&stats);
        CHECK_EQ(stats.coroutines_live, MANY + 1);
        CHECK_EQ(stats.coroutines_parked, MANY);
        weir_chan_close(c);
    }
    fprintf(stderr, "%d parked: %ld bytes each with page tables\n", MANY,
            (after - before) * 1024 / MANY);
    CHECK(!MEASURED || (after - before) * 1024 / MANY <= 4700);
    weir_chan_free(c);
    return 0;
}

static void parked_coroutine_costs_little_more_than_a_page(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = MANY + 1000};

    CHECK_EQ(weir_main(park_many, NULL, &o), 0);
}

static int burst(void *arg)
{
    struct weir_chan *c = weir_chan_new(1, 0);
    long before = memory_kib(), during, after = 0;

    WEIR_SCOPE (s) {
        start_waiters(s, c, BURST);
        during = memory_kib();
        weir_chan_close(c);
    }
    weir_chan_free(c);
    for (int i = 0; i < 100; i++) { /* some seconds of rest at most */
        struct runtime_stats stats;

        CHECK_EQ(weir_sleep(100 * WEIR_MS), 0);
        runtime_get_stats(&stats);
        after = memory_kib();
        if (after - before < (during - before) / 4 || (!MEASURED && i > 25))
            break;
    }
    CHECK(!MEASURED || during - before > BURST * 4);
    CHECK(!MEASURED || after - before < (during - before) / 4);
    WEIR_SCOPE (s) { /* and the slots work again */
        c = weir_chan_new(1, 0);
        start_waiters(s, c, BURST);
        weir_chan_close(c);
    }
    weir_chan_free(c);
    return 0;
}

static void memory_of_a_burst_goes_back_when_idle(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = BURST + 1000};

    CHECK_EQ(weir_main(burst, NULL, &o), 0);
    o.workers = 2;
    CHECK_EQ(weir_main(burst, NULL, &o), 0);
}

static const struct test tests[] = {
    TEST_REAL(parked_coroutine_costs_little_more_than_a_page, "measures memory"),
    TEST_REAL(memory_of_a_burst_goes_back_when_idle, "measures memory"),
};
RUN_TESTS(tests)
