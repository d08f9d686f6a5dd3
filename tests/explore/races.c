/* The races between the runtime's operations, as small programs whose every outcome is known:
 * wake-up against timeout and cancellation, select against several senders, close against all. */
#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/select.h>
#include <weir/sync.h>

#include "base/base.h"
#include "tests/explore/explorer.h"

static struct weir_chan *a, *b;
static int sent, received, timed_out, cancelled, closed;

static void begin(void)
{
    a = weir_chan_new(sizeof(int), 0);
    b = weir_chan_new(sizeof(int), 0);
    EXPECT(a != NULL && b != NULL);
    sent = received = timed_out = cancelled = closed = 0;
}

static void begin_buffered(void)
{
    begin();
    weir_chan_free(a);
    a = weir_chan_new(sizeof(int), 1);
}

static void end(void)
{
    weir_chan_free(a);
    weir_chan_free(b);
}

static void count(int r, int *done)
{
    *done += r == 0;
    timed_out += r == -ETIMEDOUT;
    cancelled += r == -ECANCELED;
    closed += r == -EPIPE;
    EXPECT(r == 0 || r == -ETIMEDOUT || r == -ECANCELED || r == -EPIPE);
}

/* ---- one waits for a while, another for ever ---- */

static void receive_for_a_while(void)
{
    int v, r;

    WEIR_DEADLINE (weir_now() + 5 * WEIR_US) {
        r = weir_chan_recv(a, &v);
        count(r == 1 ? 0 : r, &received);
    }
}

static void receive_one(void)
{
    int v = 0, r = weir_chan_recv(a, &v);

    EXPECT(r == 1 && v == 7);
    received++;
}

static void send_one(void)
{
    int v = 7, r;

    WEIR_DEADLINE (weir_now() + WEIR_S) { /* nobody may be left to take it */
        r = weir_chan_send(a, &v);
        count(r, &sent);
    }
}

static void send_two(void)
{
    int v = 7;

    EXPECT(weir_chan_send(a, &v) == 0);
    sent++;
    send_one();
}

/* Whoever waits without a deadline gets one of the two in any case, and the first is taken. */
static void check_nothing_lost(void)
{
    EXPECT(received == sent);
    end();
}

/* ---- select ---- */

static void select_until_closed(void)
{
    for (;;) {
        int v = 0, rb = -1, i;

        i = WEIR_SELECT(WEIR_RECV(a, &v), WEIR_RECV_RESULT(b, &v, &rb), WEIR_AFTER(5 * WEIR_US));
        EXPECT(i >= 0 && i <= 2);
        if (i == 1 && rb == 0)
            return;
        received += i != 2;
    }
}

static void send_on(struct weir_chan *c)
{
    int v = 7, r;

    WEIR_DEADLINE (weir_now() + 20 * WEIR_US) {
        r = weir_chan_send(c, &v);
        count(r, &sent);
    }
}

static void send_on_a(void)
{
    send_on(a);
    send_on(a);
}

static void send_on_b(void)
{
    send_on(b);
    send_on(b);
    weir_chan_close(b);
}

/* Two selects, each once: each gets at most one. */
static void select_once(void)
{
    int v = 0, i;

    i = WEIR_SELECT(WEIR_RECV(a, &v), WEIR_RECV(b, &v), WEIR_AFTER(20 * WEIR_US));
    EXPECT(i == 2 || ((i == 0 || i == 1) && v == 7));
    received += i != 2;
}

static void send_once_on_a(void)
{
    send_on(a);
}

static void send_once_on_b(void)
{
    send_on(b);
}

/* ---- cancellation ---- */

static void wait_to_receive(void *arg)
{
    int v, r = weir_chan_recv(a, &v);

    count(r == 1 ? 0 : r, &received);
}

static void wait_in_select(void *arg)
{
    int v, i = WEIR_SELECT(WEIR_RECV(a, &v), WEIR_RECV(b, &v));

    count(i >= 0 ? 0 : i, &received);
}

static void cancel_receivers(void)
{
    WEIR_SCOPE (s) {
        EXPECT(weir_scope_go(s, "receiver", wait_to_receive, NULL) == 0);
        EXPECT(weir_scope_go(s, "selector", wait_in_select, NULL) == 0);
        weir_yield();
        weir_scope_cancel(s);
    }
    EXPECT(received + cancelled == 2);
    weir_chan_close(a);
}

static void send_while_open(void)
{
    int v = 7, r = weir_chan_send(a, &v);

    EXPECT(r == 0 || r == -EPIPE);
    sent += r == 0;
}

/* ---- close ---- */

static void close_it(void)
{
    weir_chan_close(a);
}

static void receive_until_closed(void)
{
    int v;

    while (weir_chan_recv(a, &v) == 1) {
        EXPECT(v == 7);
        received++;
    }
}

/* What was buffered when it was closed is received all the same. */
static void check_drained(void)
{
    EXPECT(received == sent);
    EXPECT(weir_chan_len(a) == 0);
    end();
}

static const struct explorer_case cases[] = {
    {.name = "late_receiver_does_not_swallow_the_wake_up",
     .begin = begin,
     .threads = {receive_for_a_while, receive_one, send_two},
     .check = check_nothing_lost,
     .preemptions = 1,
     .step_ns = 10 * 1000},
    {.name = "select_gets_each_element_once",
     .begin = begin,
     .threads = {select_until_closed, send_on_a, send_on_b},
     .check = check_nothing_lost,
     .preemptions = 1,
     .step_ns = 10 * 1000},
    {.name = "select_happens_once",
     .begin = begin,
     .threads = {select_once, select_once, send_once_on_a, send_once_on_b},
     .check = check_nothing_lost,
     .preemptions = 1,
     .step_ns = 10 * 1000},
    {.name = "cancelled_or_served",
     .begin = begin,
     .threads = {cancel_receivers, send_while_open, send_while_open},
     .check = check_nothing_lost,
     .preemptions = 0},
    {.name = "closed_and_drained",
     .begin = begin_buffered,
     .threads = {receive_until_closed, send_while_open, send_while_open, close_it},
     .check = check_drained,
     .preemptions = 1},
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
