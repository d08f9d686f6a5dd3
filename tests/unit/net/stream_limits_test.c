/* What a stream costs, and what ends its calls: deadlines, cancellation, and the turn of others. */
#include "lab.h"

/* ---- the cost ---- */

enum { ROUNDS = 200 };

struct serving {
    struct stream *s;
    struct weir_wait_group *ended;
};

static void serve(void *arg)
{
    struct stream *s = arg;
    char buf[512];
    ssize_t n;

    while ((n = stream_read(s, buf, sizeof(buf))) > 0)
        CHECK_EQ(stream_write(s, "response", 8), 0);
    CHECK_EQ(n, 0);
}

static void ask(struct stream *s, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        char buf[512];

        CHECK_EQ(stream_write(s, "request", 7), 0);
        CHECK_EQ(stream_read(s, buf, sizeof(buf)), 8);
    }
}

/* Two messages a round, each sent once and received once. */
static void check_cost(struct lab *lab, unsigned recvs, unsigned sends, unsigned vain)
{
    CHECK_EQ(atomic_load(&lab->counts->recvs) - recvs, 2 * ROUNDS);
    CHECK_EQ(atomic_load(&lab->counts->sends) - sends, 2 * ROUNDS);
    CHECK_EQ(atomic_load(&lab->counts->vain) - vain, 0);
    CHECK_EQ(atomic_load(&lab->counts->peeks), 0);
}

static void cost_body(struct lab *lab)
{
    struct stream *client, *server;

    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        unsigned recvs, sends, vain;

        CHECK_EQ(weir_scope_go(scope, "serve", serve, server), 0);
        recvs = atomic_load(&lab->counts->recvs);
        sends = atomic_load(&lab->counts->sends);
        vain = atomic_load(&lab->counts->vain);
        ask(client, ROUNDS);
        check_cost(lab, recvs, sends, vain);
        stream_close(client);
    }
    stream_close(server);
}

/* A few orders of events are enough for what every one of many rounds must show. */
static void run_cost(void (*body)(struct lab *lab))
{
    lab_run(0, body);
    for (uint64_t seed = 1; seed <= 15; seed++)
        lab_run(seed, body);
}

static void a_message_costs_one_send_and_one_receive(void **state)
{
    run_cost(cost_body);
}

static void serve_watched(void *arg, enum poll_watch_cause cause)
{
    struct serving *v = arg;
    char buf[512];
    ssize_t n;

    CHECK_EQ(cause, POLL_WATCH_READY);
    n = stream_read(v->s, buf, sizeof(buf));
    if (n <= 0) {
        CHECK_EQ(n, 0);
        stream_close(v->s);
        weir_wait_group_done(v->ended);
        return;
    }
    CHECK_EQ(stream_write(v->s, "response", 8), 0);
    stream_watch(v->s, "serve", serve_watched, v, NS_NEVER);
}

static void watched_cost_body(struct lab *lab)
{
    struct weir_wait_group ended = {0};
    struct serving v = {.ended = &ended};
    unsigned recvs, sends, vain;
    struct stream *client;

    lab_pair(lab, &client, &v.s);
    weir_wait_group_add(&ended, 1);
    stream_watch(v.s, "serve", serve_watched, &v, NS_NEVER);
    recvs = atomic_load(&lab->counts->recvs);
    sends = atomic_load(&lab->counts->sends);
    vain = atomic_load(&lab->counts->vain);
    ask(client, ROUNDS);
    check_cost(lab, recvs, sends, vain);
    stream_close(client);
    CHECK_EQ(weir_wait_group_wait(&ended), 0);
}

static void a_watched_connection_costs_no_more(void **state)
{
    run_cost(watched_cost_body);
}

static void not_run(void *arg, enum poll_watch_cause cause)
{
    (void)arg;
    (void)cause;
    CHECK(!"the watch was taken back");
}

/* As in a pool of connections: watched while nobody needs it, then asked at once. */
static void unwatched_cost_body(struct lab *lab)
{
    struct stream *client, *server;

    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        unsigned recvs, sends, vain;

        CHECK_EQ(weir_scope_go(scope, "serve", serve, server), 0);
        recvs = atomic_load(&lab->counts->recvs);
        sends = atomic_load(&lab->counts->sends);
        vain = atomic_load(&lab->counts->vain);
        for (int i = 0; i < ROUNDS; i++) {
            ask(client, 1);
            stream_watch(client, "idle", not_run, NULL, NS_NEVER);
            CHECK(stream_unwatch(client));
        }
        check_cost(lab, recvs, sends, vain);
        stream_close(client);
    }
    stream_close(server);
}

static void a_watch_taken_back_costs_no_more(void **state)
{
    run_cost(unwatched_cost_body);
}

static void read_to_end(void *arg)
{
    struct stream *s = arg;
    char piece[5000]; /* no divisor of the window: a full last read would look once more */
    ssize_t n;

    do {
        n = stream_read(s, piece, sizeof(piece));
        CHECK(n >= 0);
    } while (n > 0);
}

static void full_window_body(struct lab *lab)
{
    static char big[500000];
    struct stream *client, *server;

    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "read", read_to_end, server), 0);
        CHECK_EQ(stream_write(client, big, sizeof(big)), 0);
        CHECK_EQ(atomic_load(&lab->counts->vain), 0);
        CHECK_EQ(stream_shutdown(client), 0);
    }
    stream_close(client);
    stream_close(server);
}

static void a_full_window_costs_no_send_in_vain(void **state)
{
    run_sim(full_window_body);
}

/* ---- deadlines and cancellation ---- */

static void partition_body(struct lab *lab)
{
    struct sim_link cut = {.partitioned = true}, whole = {0};
    struct stream *client, *server, *late;
    char buf[16];
    int64_t at_ns;

    lab_pair(lab, &client, &server);
    lab_set_link(lab, &cut);
    CHECK_EQ(stream_write(server, "held", 4), 0);
    at_ns = weir_now() + 70 * WEIR_MS;
    WEIR_DEADLINE (at_ns) {
        CHECK_EQ(stream_read(client, buf, sizeof(buf)), -ETIMEDOUT);
        CHECK_EQ(stream_read(client, buf, sizeof(buf)), -ETIMEDOUT);
        CHECK_EQ(stream_write(client, "x", 1), -ETIMEDOUT);
    }
    CHECK(weir_now() >= at_ns && weir_now() < at_ns + WEIR_MS);
    WEIR_DEADLINE (weir_now() + 30 * WEIR_MS) {
        CHECK_EQ(stream_dial(&lab->addr, &late), -ETIMEDOUT);
    }
    lab_set_link(lab, &whole);
    lab_read_all(client, buf, 4);
    stream_close(client);
    stream_close(server);
}

static void a_partition_ends_in_the_deadline(void **state)
{
    run_sim(partition_body);
}

/* Writes until the sockets are full and the time is over; on a busy machine it may be over before
 * anything is written, then the time is doubled. Returns how much was written. */
static size_t write_until_deadline(struct stream *client, struct iovec *iov)
{
    size_t sent = 0;

    for (int64_t ns = 50 * WEIR_MS; sent == 0; ns *= 2) {
        int64_t at_ns = weir_now() + ns;

        WEIR_DEADLINE (at_ns) {
            CHECK_EQ(stream_writev(client, iov, 1, &sent), -ETIMEDOUT);
        }
        CHECK(weir_now() >= at_ns);
    }
    return sent;
}

static void slow_reader_body(struct lab *lab)
{
    static char big[16 << 20]; /* more than any socket takes */
    struct stream *client, *server;
    struct iovec iov = {big, sizeof(big)};
    char buf[4096];
    size_t sent;

    lab_pair(lab, &client, &server);
    sent = write_until_deadline(client, &iov);
    CHECK(sent < sizeof(big));
    CHECK_EQ((char *)iov.iov_base - big, sent);
    CHECK_EQ(stream_shutdown(client), 0);
    for (;;) {
        ssize_t n = stream_read(server, buf, sizeof(buf));

        CHECK(n >= 0);
        if (n == 0)
            break;
        sent -= (size_t)n;
    }
    CHECK_EQ(sent, 0); /* what was counted is what arrived */
    stream_close(client);
    stream_close(server);
}

static void a_reader_that_sleeps_ends_in_the_deadline(void **state)
{
    lab_run(0, slow_reader_body);
    for (uint64_t seed = 1; seed <= 5; seed++)
        lab_run(seed, slow_reader_body);
}

static void cancel_while(struct lab *lab, void (*fn)(void *arg), struct stream *s)
{
    struct waiting w = {.lab = lab, .s = s, .result = 1};

    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "wait", fn, &w), 0);
        CHECK_EQ(weir_sleep((int64_t)rng_below(&lab->rng, WEIR_MS)), 0);
        weir_scope_cancel(scope);
        CHECK_EQ(weir_scope_join(scope), -ECANCELED);
    }
    CHECK_EQ(w.result, -ECANCELED);
}

static void cancel_body(struct lab *lab)
{
    struct stream *client, *server;
    char buf[8];

    lab_pair(lab, &client, &server);
    cancel_while(lab, wait_for_bytes, client);
    cancel_while(lab, wait_for_client, NULL);
    CHECK_EQ(stream_write(server, "after", 5), 0); /* the stream has come to no harm */
    lab_read_all(client, buf, 5);
    stream_close(client);
    stream_close(server);
}

static void cancelling_ends_a_wait_and_leaves_the_stream(void **state)
{
    run_everywhere(cancel_body);
}

static void wait_for_answer(void *arg)
{
    struct waiting *w = arg;

    w->result = stream_dial(&w->lab->addr, &w->s);
}

static void wait_for_room(void *arg)
{
    struct waiting *w = arg;
    static char big[1 << 20];

    w->result = stream_write(w->s, big, sizeof(big));
}

static void cancel_hung_body(struct lab *lab)
{
    struct sim_link hang = {.connect_hang_chance = 1};
    struct stream *client, *server;
    struct sim_stats before, after;

    lab_pair(lab, &client, &server);
    lab_set_link(lab, &hang);
    sim_get_stats(lab->sim, &before);
    cancel_while(lab, wait_for_answer, NULL);
    cancel_while(lab, wait_for_room, client);
    sim_get_stats(lab->sim, &after);
    CHECK_EQ(after.open_sockets, before.open_sockets); /* the dial has closed its own */
    stream_close(client);
    stream_close(server);
}

static void cancelling_ends_a_dial_and_a_write(void **state)
{
    run_sim(cancel_hung_body);
}

static void flood(void *arg)
{
    struct stream *s = arg;
    char piece[4096] = {0};
    int r;

    while ((r = stream_write(s, piece, sizeof(piece))) == 0)
        ;
    CHECK(r == -EPIPE || r == -ECONNRESET);
}

static void count_turns(void *arg)
{
    int *turns = arg;

    while (weir_sleep(WEIR_MS) == 0)
        ++*turns;
}

/* Reads until the deadline; returns how many turns others had. */
static int read_until_deadline(struct stream *client, int64_t ns)
{
    int turns = 0;
    ssize_t n = 1;

    WEIR_DEADLINE (weir_now() + ns) {
        WEIR_SCOPE (inside) {
            CHECK_EQ(weir_scope_go(inside, "count", count_turns, &turns), 0);
            while (n > 0)
                n = stream_read(client, (char[64]){0}, 64);
        }
    }
    CHECK_EQ(n, -ETIMEDOUT);
    return turns;
}

/* A stream that is always ready neither outlives its deadline nor starves others, though on a slow
 * and busy machine these may need a while for five turns. */
static void busy_body(struct lab *lab)
{
    struct stream *client, *server;
    int turns = 0;

    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "flood", flood, server), 0);
        for (int64_t ns = 10 * WEIR_MS; turns < 5 && ns < 20 * WEIR_S; ns *= 4)
            turns = read_until_deadline(client, ns);
        stream_reset(client);
    }
    CHECK(turns >= 5);
    stream_close(server);
}

static void a_stream_that_never_dries_up_obeys_its_deadline(void **state)
{
    lab_run(0, busy_body);
    for (uint64_t seed = 1; seed <= 20; seed++)
        lab_run(seed, busy_body);
}

static void yield_on(void *arg)
{
    int *turns = arg;

    while (weir_yield() == 0)
        ++*turns;
}

static void ready_body(struct lab *lab)
{
    enum { SIZE = 40000 };
    struct stream *client, *server;
    static char big[SIZE];
    int turns = 0;

    lab_pair(lab, &client, &server);
    CHECK_EQ(stream_write(server, big, SIZE), 0);
    CHECK_EQ(weir_sleep(5 * WEIR_MS), 0);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "turns", yield_on, &turns), 0);
        for (int i = 0; i < SIZE / 40; i++)
            CHECK_EQ(stream_read(client, (char[40]){0}, 40), 40);
        weir_scope_cancel(scope);
    }
    CHECK(turns >= 10); /* of a thousand reads that had nothing to wait for */
    stream_close(client);
    stream_close(server);
}

static void reading_what_is_there_lets_others_run(void **state)
{
    run_sim(ready_body);
}

static void too_late_body(struct lab *lab)
{
    struct stream *client, *server, *s = NULL;

    lab_pair(lab, &client, &server);
    CHECK_EQ(stream_write(client, "x", 1), 0);
    CHECK_EQ(stream_dial(&lab->addr, &s), 0);
    CHECK_EQ(weir_sleep(5 * WEIR_MS), 0);
    WEIR_DEADLINE (weir_now() - WEIR_S) {
        struct stream *late;

        CHECK_EQ(stream_read(server, (char[1]){0}, 1), -ETIMEDOUT);
        CHECK_EQ(stream_write(server, "x", 1), -ETIMEDOUT);
        CHECK_EQ(stream_dial(&lab->addr, &late), -ETIMEDOUT);
        CHECK_EQ(listener_accept(lab->listener, &late), -ETIMEDOUT);
    }
    CHECK_EQ(stream_read(server, (char[1]){0}, 1), 1);
    stream_close(s);
    stream_close(client);
    stream_close(server);
}

static void after_the_deadline_nothing_is_begun(void **state)
{
    run_everywhere(too_late_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_costs_one_send_and_one_receive),
        cmocka_unit_test(a_watched_connection_costs_no_more),
        cmocka_unit_test(a_watch_taken_back_costs_no_more),
        cmocka_unit_test(a_full_window_costs_no_send_in_vain),
        cmocka_unit_test(a_partition_ends_in_the_deadline),
        cmocka_unit_test(a_reader_that_sleeps_ends_in_the_deadline),
        cmocka_unit_test(cancelling_ends_a_wait_and_leaves_the_stream),
        cmocka_unit_test(cancelling_ends_a_dial_and_a_write),
        cmocka_unit_test(a_stream_that_never_dries_up_obeys_its_deadline),
        cmocka_unit_test(reading_what_is_there_lets_others_run),
        cmocka_unit_test(after_the_deadline_nothing_is_begun),
    };

    return cmocka_run_group_tests_name("stream limits", tests, NULL, NULL);
}
