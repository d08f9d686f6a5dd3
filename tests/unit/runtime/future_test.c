/* Futures: results, several waiters, promises, cancellation before and during, ends of scopes,
 * panics. */
#include "settle.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <weir/chan.h>
#include <weir/future.h>
#include <weir/panic.h>
#include <weir/scope.h>
#include <weir/sync.h>

static long add_one(void *arg)
{
    return (long)(intptr_t)arg + 1;
}

static long sleeps_long(void *arg)
{
    int r = weir_sleep(3600 * WEIR_S);

    (void)arg;
    return r == -ECANCELED ? 77 : r;
}

static long panics(void *arg)
{
    (void)arg;
    weir_panic(-EINVAL, "of a future");
    return 0;
}

static int gives_result(void *arg)
{
    struct weir_future f = {0};
    long result = 0;

    (void)arg;
    CHECK(!weir_future_ready(&f, &result));
    for (long i = 0; i < 1000 / SLOWER; i++) { /* one may be used again when it is done */
        CHECK_EQ(weir_future_go(&f, "add", add_one, (void *)i), 0);
        CHECK_EQ(weir_future_wait(&f, &result), 0);
        CHECK_EQ(result, i + 1);
    }
    CHECK_EQ(weir_future_wait(&f, NULL), 0);
    CHECK(weir_future_ready(&f, &result));
    CHECK_EQ(weir_future_set(&f, 5), -EALREADY);
    weir_future_end(&f);
    return 0;
}

struct crowd {
    struct weir_future promise;
    struct weir_wait_group all;
    atomic_long sum;
};

static void wait_in_crowd(void *arg)
{
    struct crowd *c = arg;
    long result = -1;

    CHECK_EQ(weir_future_wait(&c->promise, &result), 0);
    atomic_fetch_add(&c->sum, result);
    weir_wait_group_done(&c->all);
}

static int promise_wakes_all(void *arg)
{
    struct crowd c = {.promise = {0}};

    (void)arg;
    weir_wait_group_add(&c.all, 100);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weir_go("waiter", wait_in_crowd, &c), 0);
    settle();
    CHECK_EQ(weir_future_set(&c.promise, 3), 0);
    CHECK_EQ(weir_future_set(&c.promise, 4), -EALREADY);
    CHECK_EQ(weir_wait_group_wait(&c.all), 0);
    CHECK_EQ(atomic_load(&c.sum), 300);
    return 0;
}

static int wait_ends_with_deadline(void *arg)
{
    struct weir_future f = {0};
    long result = 42;

    (void)arg;
    CHECK_EQ(weir_future_go(&f, "sleeper", sleeps_long, NULL), 0);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_future_wait(&f, &result), -ETIMEDOUT);
    }
    CHECK_EQ(result, 42);
    CHECK(!weir_future_ready(&f, NULL));
    CHECK_EQ(weir_future_cancel(&f), -EINPROGRESS);
    CHECK_EQ(weir_future_wait(&f, &result), 0);
    CHECK_EQ(result, 77); /* it runs on to its end */
    return 0;
}

static int cancel_before_begin(void *arg)
{
    struct weir_future f = {0};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_future_go(&f, "sleeper", sleeps_long, NULL), 0);
    if (weir_future_cancel(&f) == 0) { /* with several workers it may run already */
        CHECK_EQ(weir_future_wait(&f, &result), 0);
        CHECK_EQ(result, -ECANCELED);
    }
    weir_future_end(&f);
    return 0;
}

static int end_stops_and_waits(void *arg)
{
    struct weir_future unused = {0};

    (void)arg;
    weir_future_end(&unused);
    for (int i = 0; i < 1000 / SLOWER; i++) {
        struct weir_future f __attribute__((cleanup(weir_future_end))) = {0};

        CHECK_EQ(weir_future_go(&f, "sleeper", sleeps_long, NULL), 0);
        if (i % 2 == 0)
            weir_yield();
    }
    return 0;
}

static int panic_is_a_result(void *arg)
{
    struct weir_future f = {0};
    long result = 0;

    (void)arg;
    CHECK_EQ(weir_future_go(&f, "panics", panics, NULL), 0);
    CHECK_EQ(weir_future_wait(&f, &result), 0);
    CHECK_EQ(result, -ENOTRECOVERABLE);
    return 0;
}

struct racers {
    struct weir_future f;
    struct weir_wait_group all;
    atomic_int first;
};

static void race_to_set(void *arg)
{
    struct racers *r = arg;

    if (weir_future_set(&r->f, 1) == 0)
        atomic_fetch_add(&r->first, 1);
    weir_wait_group_done(&r->all);
}

static void race_to_cancel(void *arg)
{
    struct racers *r = arg;

    if (weir_future_cancel(&r->f) == 0)
        atomic_fetch_add(&r->first, 1);
    weir_wait_group_done(&r->all);
}

/* Of all who complete a promise exactly one does; who waits sees its result. */
static int one_completes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000 / SLOWER; i++) {
        struct racers r = {.f = {0}};
        long result = 0;

        weir_wait_group_add(&r.all, 3);
        CHECK_EQ(weir_go("set", race_to_set, &r), 0);
        CHECK_EQ(weir_go("cancel", race_to_cancel, &r), 0);
        CHECK_EQ(weir_go("set", race_to_set, &r), 0);
        CHECK_EQ(weir_future_wait(&r.f, &result), 0);
        CHECK(result == 1 || result == -ECANCELED);
        CHECK_EQ(weir_wait_group_wait(&r.all), 0);
        CHECK_EQ(atomic_load(&r.first), 1);
    }
    return 0;
}

static int all_of_it(void *arg)
{
    gives_result(arg);
    promise_wakes_all(arg);
    wait_ends_with_deadline(arg);
    cancel_before_begin(arg);
    end_stops_and_waits(arg);
    panic_is_a_result(arg);
    return one_completes(arg);
}

static void a_future(void)
{
    run_on_all(all_of_it, NULL);
}

static const struct test tests[] = {TEST(a_future)};

RUN_TESTS(tests)
