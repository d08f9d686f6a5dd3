/* Timers and tickers of programs; scopes whose children can fail. */
#include <stdatomic.h>

#include <weir/scope.h>
#include <weir/select.h>
#include <weir/sync.h>
#include <weir/timer.h>

#include "base/base.h"
#include "check.h"
#include "runtime/runtime.h"

#define LOOPS(n) ((n) / SLOWER + 2)

struct bell {
    struct weir_wait_group rung;
    int64_t rung_ns;
    atomic_int count;
};

static void ring(void *arg)
{
    struct bell *b = arg;

    b->rung_ns = weir_now();
    atomic_fetch_add(&b->count, 1);
    weir_wait_group_done(&b->rung);
}

static int call_later(void *arg)
{
    struct weir_timer t = {0};
    struct bell b = {.count = 0};
    int64_t start = weir_now();

    CHECK(!weir_timer_stop(&t)); /* never started */
    weir_wait_group_add(&b.rung, 1);
    weir_timer_call(&t, 3 * WEIR_MS, ring, &b);
    CHECK_EQ(weir_wait_group_wait(&b.rung), 0);
    CHECK(b.rung_ns - start >= 3 * WEIR_MS);
    CHECK(!weir_timer_stop(&t));

    weir_timer_call(&t, 1000 * WEIR_S, ring, &b);
    CHECK(weir_timer_stop(&t));
    CHECK(!weir_timer_stop(&t));

    weir_wait_group_add(&b.rung, 1);
    start = weir_now();
    CHECK(!weir_timer_reset(&t, 1000 * WEIR_S));
    CHECK(weir_timer_reset(&t, 2000 * WEIR_S));
    CHECK(weir_timer_reset(&t, 2 * WEIR_MS)); /* earlier again */
    CHECK_EQ(weir_wait_group_wait(&b.rung), 0);
    CHECK(b.rung_ns - start >= 2 * WEIR_MS);
    CHECK_EQ(b.count, 2);
    return 0;
}

static void timer_calls_when_it_is_time(void)
{
    run_on_all(call_later, NULL);
}

/* It fires on the thread that armed it, which may take its time. */
static void fire_again(struct weir_timer *t)
{
    do {
        weir_timer_reset(t, 0);
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
    } while (weir_timer_stop(t));
}

static int send_later(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int64_t), 1);
    struct weir_timer t = {0};
    int64_t start = weir_now(), at = 0, x;

    weir_timer_send(&t, 2 * WEIR_MS, c);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV(c, &at), WEIR_AFTER(100 * WEIR_S)), 0);
    CHECK(at - start >= 2 * WEIR_MS && at <= weir_now());
    CHECK(!weir_timer_reset(&t, 0));
    CHECK_EQ(weir_chan_recv(c, &at), 1);
    weir_timer_send(&t, 0, c);
    WAIT_UNTIL(weir_chan_len(c) == 1);
    fire_again(&t); /* the channel is full: dropped */
    CHECK_EQ(weir_chan_recv(c, &at), 1);
    CHECK_EQ(weir_chan_try_recv(c, &x), -EAGAIN);
    weir_chan_close(c);
    fire_again(&t);
    weir_chan_free(c);
    return 0;
}

static void timer_sends_when_it_is_time(void)
{
    run_on_all(send_later, NULL);
}

static int tick_channel(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int64_t), 1);
    struct weir_ticker t = {.period_ns_ = 0};
    int64_t start = weir_now(), at, before;

    weir_ticker_start(&t, 2 * WEIR_MS, c);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(weir_chan_recv(c, &at), 1);
        CHECK(at - start >= i * 2 * WEIR_MS);
    }
    before = at;
    weir_sleep(11 * WEIR_MS); /* slow: one tick is kept, the others are dropped */
    CHECK_EQ(weir_chan_recv(c, &at), 1);
    CHECK(at <= weir_now());
    CHECK_EQ(weir_chan_recv(c, &at), 1);
    CHECK(at - before >= 8 * WEIR_MS);
    weir_ticker_stop(&t);
    while (weir_chan_try_recv(c, &at) == 1)
        ;
    weir_sleep(5 * WEIR_MS);
    CHECK_EQ(weir_chan_try_recv(c, &at), -EAGAIN);
    weir_chan_free(c);
    return 0;
}

static void ticker_drops_what_nobody_takes(void)
{
    run_on_all(tick_channel, NULL);
}

static int tick_wait(void *arg)
{
    struct weir_ticker t = {.period_ns_ = 0};
    int64_t start = weir_now(), ticks = 0;

    weir_ticker_start(&t, 2 * WEIR_MS, NULL);
    for (int i = 0; i < 3; i++) {
        int n = weir_ticker_wait(&t);

        CHECK(n >= 1);
        ticks += n;
        CHECK(weir_now() - start >= ticks * 2 * WEIR_MS);
    }
    weir_sleep(9 * WEIR_MS);
    CHECK(weir_ticker_wait(&t) >= 4); /* slow: counted, not made up for */
    weir_ticker_start(&t, 1000 * WEIR_S, NULL);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_ticker_wait(&t), -ETIMEDOUT);
    }
    weir_ticker_stop(&t);
    return 0;
}

static void ticker_counts_what_was_missed(void)
{
    run_on_all(tick_wait, NULL);
}

/* ---- stopping against firing ---- */

struct toggled {
    struct weir_timer t;
    atomic_int fired;
    int started, stopped;
};

static void count_fired(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void toggle(void *arg)
{
    atomic_int *fired = arg;
    int started = 0, stopped = 0;

    for (int i = 0; i < LOOPS(500); i++) {
        struct weir_timer *t = calloc(1, sizeof(*t));

        weir_timer_call(t, (int64_t)(runtime_random() % 300) * WEIR_US, count_fired, fired);
        started++;
        if (i % 3 == 0) {
            weir_sleep((int64_t)(runtime_random() % 300) * WEIR_US);
            started += !weir_timer_reset(t, (int64_t)(runtime_random() % 200) * WEIR_US);
        }
        weir_sleep((int64_t)(runtime_random() % 300) * WEIR_US);
        stopped += weir_timer_stop(t);
        free(t); /* nobody touches it any more */
    }
    WAIT_UNTIL(*fired == started - stopped);
}

static int toggle_together(void *arg)
{
    atomic_int fired[4] = {0};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 4; i++)
            weir_scope_go(s, "toggler", toggle, &fired[i]);
    }
    return 0;
}

static void timer_is_stopped_or_fires(void)
{
    run_on_all(toggle_together, NULL);
}

static void stop_it(void *arg)
{
    struct toggled *x = arg;

    x->stopped += weir_timer_stop(&x->t);
}

static int stop_from_elsewhere(void *arg)
{
    for (int i = 0; i < LOOPS(200); i++) {
        struct toggled x = {.stopped = 0};

        weir_timer_call(&x.t, i % 10 * 20 * WEIR_US, count_fired, &x.fired);
        WEIR_SCOPE (s) {
            weir_sleep(i % 7 * 20 * WEIR_US);
            weir_scope_go(s, "stopper", stop_it, &x);
        }
        WAIT_UNTIL(x.fired + x.stopped > 0);
        CHECK_EQ(x.fired + x.stopped, 1);
    }
    return 0;
}

static void anybody_may_stop_a_timer(void)
{
    run_on_all(stop_from_elsewhere, NULL);
}

/* ---- scopes with an error ---- */

struct task {
    int64_t sleep_ns;
    int result;
    atomic_int *cancelled;
};

static int work(void *arg)
{
    struct task *t = arg;

    if (weir_sleep(t->sleep_ns) < 0) {
        atomic_fetch_add(t->cancelled, 1);
        return -ECANCELED;
    }
    return t->result;
}

static int first_error(void *arg)
{
    atomic_int cancelled = 0;
    struct task good = {0, 5, &cancelled}, bad = {2 * WEIR_MS, -EIO, &cancelled},
                slow = {1000 * WEIR_S, -ENOENT, &cancelled};
    int64_t start = weir_now();

    WEIR_SCOPE (outer) {
        WEIR_SCOPE (s) {
            CHECK_EQ(weir_scope_try(s, "good", work, &good), 0);
            CHECK_EQ(weir_scope_wait(s), 0);
            CHECK_EQ(weir_scope_error(s), 0);
            for (int i = 0; i < 3; i++)
                CHECK_EQ(weir_scope_try(s, "slow", work, &slow), 0);
            CHECK_EQ(weir_scope_try(s, "bad", work, &bad), 0);
            CHECK_EQ(weir_scope_wait(s), -EIO); /* not the -ECANCELED of the others */
            CHECK_EQ(weir_scope_error(s), -EIO);
            CHECK_EQ(weir_scope_try(s, "late", work, &good), -ECANCELED);
            CHECK_EQ(weir_sleep(1), -ECANCELED);
        }
        CHECK_EQ(weir_sleep(1), 0); /* the scope around it is as it was */
    }
    CHECK_EQ(cancelled, 3);
    CHECK(weir_now() - start < 500 * WEIR_S);
    return 0;
}

static void first_error_cancels_the_siblings(void)
{
    run_on_all(first_error, NULL);
}

static int deadline_over_children(void *arg)
{
    atomic_int cancelled = 0;
    struct task slow = {1000 * WEIR_S, 0, &cancelled};

    WEIR_DEADLINE (weir_now() + 50 * WEIR_MS) {
        WEIR_SCOPE (s) {
            CHECK_EQ(weir_scope_try(s, "slow", work, &slow), 0);
            CHECK_EQ(weir_scope_try(s, "slow", work, &slow), 0);
            CHECK_EQ(weir_scope_wait(s), -ECANCELED); /* what the children made of it */
        }
    }
    CHECK_EQ(cancelled, 2);
    return 0;
}

static void deadline_reaches_the_children_that_are_waited_for(void)
{
    run_on_all(deadline_over_children, NULL);
}

static const struct test tests[] = {
    TEST(timer_calls_when_it_is_time),      TEST(timer_sends_when_it_is_time),
    TEST(ticker_drops_what_nobody_takes),   TEST(ticker_counts_what_was_missed),
    TEST(timer_is_stopped_or_fires),        TEST(anybody_may_stop_a_timer),
    TEST(first_error_cancels_the_siblings), TEST(deadline_reaches_the_children_that_are_waited_for),
};
RUN_TESTS(tests)
