/* Coroutines that take turns, begin and end, and talk through channels. */
#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/select.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

enum { BUFFER = 128, CROWD = 8 };

/* What one coroutine of a test is given. */
struct part {
    struct weir_chan *in, *out;
    uint64_t count;
    uint64_t sum;
};

/* ---- switch ---- */

static void yield_many(void *arg)
{
    for (uint64_t n = *(uint64_t *)arg; n > 0; n--)
        weir_yield();
}

void test_switch(uint64_t count, unsigned workers)
{
    uint64_t each = count / (2 * workers);
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (unsigned i = 0; i < 2 * workers; i++)
            weir_scope_go(s, "yielder", yield_many, &each);
    }
    meter_print(meter_end(m), each * 2 * workers, "");
}

/* ---- spawn and join ---- */

static void nothing(void *arg)
{
}

static void spawn_many(void *arg)
{
    WEIR_SCOPE (s) {
        for (uint64_t n = *(uint64_t *)arg; n > 0; n--) {
            weir_scope_go(s, "child", nothing, NULL);
            weir_scope_join(s);
        }
    }
}

void test_spawn(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (unsigned i = 0; i < workers; i++)
            weir_scope_go(s, "parent", spawn_many, &each);
    }
    meter_print(meter_end(m), each * workers, "");
}

/* ---- unbuffered ping-pong ---- */

static void return_balls(void *arg)
{
    struct part *p = arg;
    int64_t ball;

    while (weir_chan_recv(p->in, &ball) == 1)
        weir_chan_send(p->out, &ball);
}

static void play(void *arg)
{
    uint64_t count = *(uint64_t *)arg;
    struct part other = {.in = weir_chan_new(sizeof(int64_t), 0),
                         .out = weir_chan_new(sizeof(int64_t), 0)};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "return", return_balls, &other);
        for (int64_t i = 0, back; i < (int64_t)count; i++) {
            weir_chan_send(other.in, &i);
            weir_chan_recv(other.out, &back);
            meter_expect(back == i, "the ball that came back");
        }
        weir_chan_close(other.in);
    }
    weir_chan_free(other.in);
    weir_chan_free(other.out);
}

void test_pingpong(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (unsigned i = 0; i < workers; i++)
            weir_scope_go(s, "play", play, &each);
    }
    meter_print(meter_end(m), each * workers, "");
}

/* ---- buffered channel ---- */

static void produce(void *arg)
{
    struct part *p = arg;

    for (int64_t i = 0; i < (int64_t)p->count; i++)
        weir_chan_send(p->out, &i);
}

static void consume(void *arg)
{
    struct part *p = arg;
    int64_t i;

    while (weir_chan_recv(p->in, &i) == 1)
        p->sum += (uint64_t)i;
}

/* So many producers send `each` elements through one channel to as many consumers. */
static void pass_through(uint64_t each, unsigned pairs)
{
    struct weir_chan *c = weir_chan_new(sizeof(int64_t), BUFFER);
    struct part producers[CROWD], consumers[CROWD];
    uint64_t sum = 0;

    WEIR_SCOPE (all) {
        for (unsigned i = 0; i < pairs; i++) {
            consumers[i] = (struct part){.in = c};
            weir_scope_go(all, "consumer", consume, &consumers[i]);
        }
        WEIR_SCOPE (s) {
            for (unsigned i = 0; i < pairs; i++) {
                producers[i] = (struct part){.out = c, .count = each};
                weir_scope_go(s, "producer", produce, &producers[i]);
            }
        }
        weir_chan_close(c);
    }
    for (unsigned i = 0; i < pairs; i++)
        sum += consumers[i].sum;
    meter_expect(sum == pairs * (each * (each - 1) / 2), "the sum of what was received");
    weir_chan_free(c);
}

static void pass_one_to_one(void *arg)
{
    pass_through(*(uint64_t *)arg, 1);
}

void test_chan11(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (unsigned i = 0; i < workers; i++)
            weir_scope_go(s, "pair", pass_one_to_one, &each);
    }
    meter_print(meter_end(m), each * workers, "");
}

void test_chan88(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();

    pass_through(count / CROWD, CROWD);
    meter_print(meter_end(m), count / CROWD * CROWD, "");
}

/* ---- select: one that receives from eight unbuffered channels with a sender each ---- */

static void receive_any(struct weir_chan **c, uint64_t count, uint64_t *ret_sum)
{
    int64_t v = 0;

    while (count-- > 0) {
        int r = WEIR_SELECT(WEIR_RECV(c[0], &v), WEIR_RECV(c[1], &v), WEIR_RECV(c[2], &v),
                            WEIR_RECV(c[3], &v), WEIR_RECV(c[4], &v), WEIR_RECV(c[5], &v),
                            WEIR_RECV(c[6], &v), WEIR_RECV(c[7], &v));

        meter_expect(r >= 0, "a case that happened");
        *ret_sum += (uint64_t)v;
    }
}

static void select_many(void *arg)
{
    uint64_t each = *(uint64_t *)arg, sum = 0;
    struct weir_chan *c[CROWD];
    struct part senders[CROWD];

    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++) {
            c[i] = weir_chan_new(sizeof(int64_t), 0);
            senders[i] = (struct part){.out = c[i], .count = each};
            weir_scope_go(s, "sender", produce, &senders[i]);
        }
        receive_any(c, each * CROWD, &sum);
    }
    for (int i = 0; i < CROWD; i++)
        weir_chan_free(c[i]);
    meter_expect(sum == CROWD * (each * (each - 1) / 2), "the sum of what was received");
}

void test_select(uint64_t count, unsigned workers)
{
    uint64_t each = count / workers / CROWD;
    struct meter m = meter_begin();

    WEIR_SCOPE (s) {
        for (unsigned i = 0; i < workers; i++)
            weir_scope_go(s, "select", select_many, &each);
    }
    meter_print(meter_end(m), each * CROWD * workers, "");
}
