/* Select, timed channel operations, channels with a type. */
#include <stdatomic.h>

#include <weir/select.h>
#include <weir/sync.h>

#include "base/base.h"
#include "check.h"
#include "runtime/runtime.h"

#define LOOPS(n) ((n) / SLOWER + 2)

WEIR_CHAN_TYPE(numbers, long);

static int select_ready(void *arg)
{
    struct numbers a = numbers_new(1), b = numbers_new(1), none = {NULL};
    long x = 0, y = 7;
    int result = 99;

    CHECK_EQ(WEIR_SELECT(WEIR_RECV(a.chan, &x), WEIR_DEFAULT), 1);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV(none.chan, &x), WEIR_SEND(none.chan, &y), WEIR_DEFAULT), 2);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV(a.chan, &x), WEIR_SEND_RESULT(b.chan, &y, &result)), 1);
    CHECK_EQ(result, 0);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV(a.chan, &x), WEIR_SEND(b.chan, &y), WEIR_DEFAULT), 2);
    CHECK_EQ(WEIR_SELECT(WEIR_AFTER(WEIR_S), WEIR_RECV_RESULT(b.chan, &x, &result)), 1);
    CHECK_EQ(x, 7);
    CHECK_EQ(result, 1);
    numbers_close(a);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV_RESULT(a.chan, &x, &result), WEIR_RECV(b.chan, &x)), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(WEIR_SELECT(WEIR_RECV(b.chan, &x), WEIR_SEND_RESULT(a.chan, &x, &result)), 1);
    CHECK_EQ(result, -EPIPE);
    numbers_free(a);
    numbers_free(b);
    return 0;
}

static void what_is_ready_happens_without_waiting(void)
{
    run_on(1, select_ready, NULL);
}

static int select_until_time(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(long), 0);
    int64_t start = weir_now();
    long x;

    CHECK_EQ(WEIR_SELECT(WEIR_RECV(c, &x), WEIR_AFTER(3 * WEIR_MS), WEIR_AFTER(WEIR_S)), 1);
    CHECK(weir_now() - start >= 3 * WEIR_MS);
    CHECK_EQ(WEIR_SELECT(WEIR_UNTIL(start), WEIR_RECV(c, &x)), 0); /* long past */
    CHECK_EQ(WEIR_SELECT(WEIR_AFTER(-5)), 0);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(WEIR_SELECT(WEIR_RECV(c, &x), WEIR_AFTER(WEIR_S)), -ETIMEDOUT);
        CHECK_EQ(WEIR_SELECT(WEIR_RECV(c, &x), WEIR_DEFAULT), -ETIMEDOUT);
        CHECK_EQ(weir_select(NULL, 0), -ETIMEDOUT);
    }
    WEIR_SCOPE (s) {
        weir_scope_cancel(s);
        CHECK_EQ(WEIR_SELECT(WEIR_RECV(c, &x), WEIR_DEFAULT), -ECANCELED);
    }
    weir_chan_free(c);
    return 0;
}

static void times_and_deadlines_end_a_select(void)
{
    run_on_all(select_until_time, NULL);
}

static int timed_operations(void *arg)
{
    struct numbers c = numbers_new(1), none = {NULL};
    int64_t start = weir_now();
    long x = 0;

    CHECK_EQ(numbers_send_until(c, 1, start - 1), 0); /* needs no time */
    CHECK_EQ(numbers_send_until(c, 2, start + WEIR_MS), -ETIMEDOUT);
    CHECK(weir_now() - start >= WEIR_MS);
    CHECK_EQ(numbers_recv_until(c, &x, start), 1);
    CHECK_EQ(x, 1);
    CHECK_EQ(numbers_recv_until(c, &x, start), -ETIMEDOUT);
    CHECK_EQ(numbers_recv_until(none, &x, weir_now() + WEIR_MS), -ETIMEDOUT);
    CHECK_EQ(numbers_try_recv(none, &x), -EAGAIN);
    CHECK_EQ(numbers_try_send(none, x), -EAGAIN);
    CHECK_EQ(weir_chan_len(none.chan), 0);
    CHECK_EQ(weir_chan_cap(c.chan), 1);
    numbers_free(c);
    return 0;
}

static void operations_give_up_at_their_time(void)
{
    run_on_all(timed_operations, NULL);
}

static void count_up(void *arg)
{
    struct numbers *c = arg;

    for (long i = 0; i < 10; i++)
        CHECK_EQ(numbers_send(*c, i), 0);
    numbers_close(*c);
}

static int range(void *arg)
{
    struct numbers c = numbers_new(3);
    long expected = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "count", count_up, &c);
        WEIR_CHAN_EACH(c.chan, long, i)
        {
            CHECK_EQ(i, expected++);
        }
    }
    CHECK_EQ(expected, 10);
    numbers_free(c);
    return 0;
}

static void ranging_ends_when_closed_and_empty(void)
{
    run_on_all(range, NULL);
}

enum { WAYS = 8, DRAWS = 4000 };

static int draw(void *arg)
{
    struct weir_chan *c[WAYS];
    struct weir_case cases[WAYS];
    int count[WAYS] = {0};
    long x = 0;

    for (int i = 0; i < WAYS; i++) {
        c[i] = weir_chan_new(sizeof(long), 1);
        cases[i] = WEIR_RECV(c[i], &x);
        weir_chan_send(c[i], &x);
    }
    for (int i = 0; i < DRAWS; i++) {
        int r = weir_select(cases, WAYS);

        CHECK(r >= 0 && r < WAYS);
        count[r]++;
        CHECK_EQ(weir_chan_send(c[r], &x), 0);
    }
    for (int i = 0; i < WAYS; i++) { /* 500 expected, 21 the standard deviation */
        CHECK(count[i] > 350 && count[i] < 650);
        weir_chan_free(c[i]);
    }
    return 0;
}

static void all_that_is_ready_has_the_same_chance(void)
{
    run_on(1, draw, NULL);
}

/* ---- many against many, each value once ---- */

enum { CHANNELS = 5, CROWD = 4, EACH = LOOPS(2000) };

struct market {
    struct weir_chan *c[CHANNELS];
    bool impatient;     /* with times of the order of the traffic */
    atomic_uchar *seen; /* how often each value has arrived */
    atomic_int number, sent, received;
    struct weir_wait_group sellers;
};

static void receive_value(struct market *m, long value)
{
    CHECK(value >= 0 && value < (long)CROWD * EACH);
    CHECK_EQ(atomic_fetch_add(&m->seen[value], 1), 0);
    atomic_fetch_add(&m->received, 1);
}

static void sell(void *arg)
{
    struct market *m = arg;
    long value = (long)atomic_fetch_add(&m->number, 1) * EACH, end = value + EACH;
    struct weir_case cases[CHANNELS + 1];
    int results[CHANNELS];

    for (int i = 0; i < CHANNELS; i++)
        cases[i] = WEIR_SEND_RESULT(m->c[i], &value, &results[i]);
    for (; value < end; value++) {
        int r;

        cases[CHANNELS] = WEIR_AFTER(m->impatient ? value % 7 * 20 * WEIR_US : 3600 * WEIR_S);
        r = weir_select(cases, CHANNELS + 1);
        if (r == CHANNELS)
            continue; /* nobody wanted it in time */
        CHECK(r >= 0 && r < CHANNELS);
        CHECK_EQ(results[r], 0);
        atomic_fetch_add(&m->sent, 1);
    }
    weir_wait_group_done(&m->sellers);
}

/* Until all channels are closed; a closed one is taken out of the select. */
static void buy(void *arg)
{
    struct market *m = arg;
    struct weir_case cases[CHANNELS + 1];
    int open = CHANNELS, result;
    long value;

    for (int i = 0; i < CHANNELS; i++)
        cases[i] = WEIR_RECV_RESULT(m->c[i], &value, &result);
    for (int turn = 0; open > 0; turn++) {
        int r;

        cases[CHANNELS] = WEIR_AFTER(m->impatient ? turn % 5 * 30 * WEIR_US : 3600 * WEIR_S);
        value = -1;
        r = weir_select(cases, CHANNELS + 1);
        if (r == CHANNELS) {
            CHECK_EQ(value, -1);
            continue;
        }
        CHECK(r >= 0 && r < CHANNELS);
        if (result == 1) {
            receive_value(m, value);
        } else {
            CHECK_EQ(result, 0);
            cases[r].chan = NULL;
            open--;
        }
    }
}

/* Plain operations among the selects. */
static void buy_plainly(void *arg)
{
    struct market *m = arg;

    WEIR_CHAN_EACH(m->c[0], long, value)
    {
        receive_value(m, value);
    }
}

static void select_and_be_cancelled(void *arg)
{
    struct market *m = arg;
    long value;
    int r;

    do {
        r = WEIR_SELECT(WEIR_RECV(m->c[1], &value), WEIR_RECV(m->c[2], &value));
        if (r >= 0)
            receive_value(m, value);
    } while (r >= 0);
    CHECK_EQ(r, -ECANCELED);
}

/* Cancels selects again and again while values fly. */
static void disturb(void *arg)
{
    struct market *m = arg;

    for (int i = 0; i < EACH / 8; i++) {
        WEIR_SCOPE (s) {
            for (int k = 0; k < 2; k++)
                weir_scope_go(s, "disturbed", select_and_be_cancelled, m);
            weir_sleep(i % 4 * 10 * WEIR_US);
            weir_scope_cancel(s);
        }
    }
    weir_wait_group_done(&m->sellers);
}

static int trade(void *arg)
{
    struct market m = {.impatient = *(bool *)arg};
    int arrived = 0;

    m.seen = calloc((size_t)CROWD * EACH, 1);
    for (int i = 0; i < CHANNELS; i++)
        m.c[i] = weir_chan_new(sizeof(long), (size_t)i); /* c[0] is unbuffered */
    weir_wait_group_add(&m.sellers, CROWD + 1);
    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++) {
            weir_scope_go(s, "seller", sell, &m);
            weir_scope_go(s, "buyer", buy, &m);
        }
        weir_scope_go(s, "plain buyer", buy_plainly, &m);
        weir_scope_go(s, "disturber", disturb, &m);
        CHECK_EQ(weir_wait_group_wait(&m.sellers), 0);
        for (int i = 0; i < CHANNELS; i++)
            weir_chan_close(m.c[i]); /* while selects wait on it and others take it out */
    }
    for (long i = 0; i < (long)CROWD * EACH; i++)
        arrived += m.seen[i];
    CHECK_EQ(m.received, m.sent);
    CHECK_EQ(arrived, m.sent);
    if (!m.impatient)
        CHECK_EQ(m.sent, CROWD * EACH);
    for (int i = 0; i < CHANNELS; i++)
        weir_chan_free(m.c[i]);
    free(m.seen);
    return 0;
}

static void every_value_arrives_once(void)
{
    run_on_all(trade, &(bool){false});
}

static void times_cancellations_and_values_never_both_win(void)
{
    run_on_all(trade, &(bool){true});
}

/* ---- closing while senders select ---- */

struct closing {
    struct weir_chan *a, *b;
    atomic_int sent, received;
};

static void send_until_closed(void *arg)
{
    struct closing *x = arg;
    long v = 1;
    int ra = 0, rb = 0;

    for (;;) {
        int r = WEIR_SELECT(WEIR_SEND_RESULT(x->a, &v, &ra), WEIR_SEND_RESULT(x->b, &v, &rb));

        CHECK(r == 0 || r == 1);
        if ((r == 0 ? ra : rb) == -EPIPE)
            return;
        atomic_fetch_add(&x->sent, 1);
    }
}

static void receive_until_closed(void *arg)
{
    struct closing *x = arg;

    WEIR_CHAN_EACH(x->a, long, v)
    {
        atomic_fetch_add(&x->received, 1);
        CHECK_EQ(v, 1);
    }
}

static int close_under_senders(void *arg)
{
    for (int round = 0; round < LOOPS(200); round++) {
        struct closing x = {weir_chan_new(sizeof(long), 0), weir_chan_new(sizeof(long), 2)};
        long v;

        WEIR_SCOPE (s) {
            for (int i = 0; i < 3; i++)
                weir_scope_go(s, "sender", send_until_closed, &x);
            weir_scope_go(s, "receiver", receive_until_closed, &x);
            if (round % 3 == 0)
                weir_sleep(round % 5 * 20 * WEIR_US);
            else
                weir_yield();
            weir_chan_close(x.a);
            weir_chan_close(x.b);
        }
        while (weir_chan_try_recv(x.b, &v) == 1)
            x.received++;
        CHECK_EQ(x.sent, x.received);
        weir_chan_free(x.a);
        weir_chan_free(x.b);
    }
    return 0;
}

static void what_is_sent_before_a_close_arrives(void)
{
    run_on_all(close_under_senders, NULL);
}

/* ---- selects that meet selects ---- */

enum { RINGS = 20 /* more than have a place on the stack */, LAPS = LOOPS(300) };

static void pass_on(void *arg)
{
    struct weir_chan **c = arg;
    struct weir_case cases[2 * RINGS];
    long in = 0, out = 1;

    for (int i = 0; i < RINGS; i++) { /* in opposite orders, and each channel twice */
        cases[i] = WEIR_RECV(c[i], &in);
        cases[2 * RINGS - 1 - i] = WEIR_SEND(c[i], &out);
    }
    for (int i = 0; i < LAPS; i++)
        CHECK(weir_select(cases, ARRAY_LEN(cases)) >= 0);
}

/* An even number of coroutines, each of which sends or receives as often: as long as two are left
 * they meet; the last one would wait, so there is one that always helps. */
static void help(void *arg)
{
    struct weir_chan **c = arg;
    long in, out = 1;

    while (WEIR_SELECT(WEIR_RECV(c[0], &in), WEIR_SEND(c[1], &out)) >= 0)
        ;
}

static int meet(void *arg)
{
    struct weir_chan *c[RINGS];

    for (int i = 0; i < RINGS; i++)
        c[i] = weir_chan_new(sizeof(long), 0);
    WEIR_SCOPE (outer) {
        weir_scope_go(outer, "helper", help, c);
        WEIR_SCOPE (s) {
            for (int i = 0; i < 4; i++)
                weir_scope_go(s, "passer", pass_on, c);
        }
        weir_scope_cancel(outer);
    }
    for (int i = 0; i < RINGS; i++)
        weir_chan_free(c[i]);
    return 0;
}

static void selects_on_the_same_channels_meet(void)
{
    run_on_all(meet, NULL);
}

static const struct test tests[] = {
    TEST(what_is_ready_happens_without_waiting),
    TEST(times_and_deadlines_end_a_select),
    TEST(operations_give_up_at_their_time),
    TEST(ranging_ends_when_closed_and_empty),
    TEST_REAL(all_that_is_ready_has_the_same_chance, "statistics take many draws"),
    TEST(every_value_arrives_once),
    TEST(times_cancellations_and_values_never_both_win),
    TEST(what_is_sent_before_a_close_arrives),
    TEST(selects_on_the_same_channels_meet),
};
RUN_TESTS(tests)
