/* Streams over both worlds: what callers rely on. */
#include "lab.h"

#include <unistd.h>

enum { SEEDS = 150 };

/* Over the real world once, and over the simulated one with many seeds. */
static void run_everywhere(void (*body)(struct lab *lab))
{
    lab_run(0, body);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        lab_run(seed, body);
}

static void run_sim(void (*body)(struct lab *lab))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        lab_run(seed, body);
}

/* ---- conversations ---- */

static void echo(void *arg)
{
    struct stream *s = arg;
    char piece[200];
    ssize_t n;

    while ((n = stream_read(s, piece, sizeof(piece))) > 0)
        CHECK_EQ(stream_write(s, piece, (size_t)n), 0);
    CHECK_EQ(n, 0);
    CHECK_EQ(stream_shutdown(s), 0);
}

static void echo_body(struct lab *lab)
{
    struct sim_link link = lab_any_link(&lab->rng);
    struct stream *client, *server;

    link.window_bytes += 1000; /* for one that does not read while it writes: see sim_writable() */
    lab_set_link(lab, &link);
    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        size_t at = 0;

        CHECK_EQ(weir_scope_go(scope, "echo", echo, server), 0);
        for (int i = 0; i < 20; i++) {
            char out[300], in[300];
            size_t size = 1 + rng_below(&lab->rng, sizeof(out));

            lab_fill(out, at, size);
            CHECK_EQ(stream_write(client, out, size), 0);
            lab_read_all(client, in, size);
            lab_verify(in, at, size);
            at += size;
        }
        CHECK_EQ(stream_shutdown(client), 0);
        CHECK_EQ(stream_read(client, (char[1]){0}, 1), 0);
    }
    stream_close(client);
    stream_close(server);
}

static void an_echo_comes_back_whole(void **state)
{
    run_everywhere(echo_body);
}

struct flow {
    struct stream *s;
    size_t size;
    struct rng rng;
};

/* Sends in pieces of many shapes, then says that this was all. */
static void flow_out(void *arg)
{
    struct flow *f = arg;
    size_t at = 0;

    while (at < f->size) {
        char piece[900];
        struct iovec iov[3];
        size_t size = MIN(1 + rng_below(&f->rng, sizeof(piece)), f->size - at), sent = 0;
        size_t cut = rng_below(&f->rng, size + 1);

        lab_fill(piece, at, size);
        iov[0] = (struct iovec){piece, cut};
        iov[1] = (struct iovec){NULL, 0};
        iov[2] = (struct iovec){piece + cut, size - cut};
        CHECK_EQ(stream_writev(f->s, iov, 3, &sent), 0);
        CHECK_EQ(sent, size);
        at += size;
    }
    CHECK_EQ(stream_shutdown(f->s), 0);
}

static void flow_in(void *arg)
{
    struct flow *f = arg;
    size_t at = 0;

    for (;;) {
        char piece[900];
        size_t size = 1 + rng_below(&f->rng, sizeof(piece));
        ssize_t n = rng_below(&f->rng, 2) ? stream_read(f->s, piece, size)
                                          : stream_read_later(f->s, piece, size);

        CHECK(n >= 0);
        if (n == 0)
            break;
        lab_verify(piece, at, (size_t)n);
        at += (size_t)n;
    }
    CHECK_EQ(at, f->size);
}

static void both_ways_body(struct lab *lab)
{
    struct sim_link link = lab_any_link(&lab->rng);
    struct flow flows[4];
    struct stream *client, *server;
    size_t size = lab->sim != NULL ? 5000 : 3 * MIB;

    lab_pair(lab, &client, &server);
    lab_set_link(lab, &link);
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 4; i++) {
            flows[i] = (struct flow){.s = i % 2 == 0 ? client : server, .size = size};
            rng_seed(&flows[i].rng, lab->seed * 4 + (uint64_t)i);
            CHECK_EQ(weir_scope_go(scope, "flow", i < 2 ? flow_out : flow_in, &flows[i]), 0);
        }
    }
    stream_close(client);
    stream_close(server);
}

static void both_directions_flow_at_once(void **state)
{
    run_everywhere(both_ways_body);
}

static void many_pieces_body(struct lab *lab)
{
    struct stream *client, *server;
    struct iovec iov[300];
    char out[900], in[900];
    size_t size = 0, sent = 0;
    unsigned sends;

    lab_pair(lab, &client, &server);
    for (int i = 0; i < 300; i++) {
        iov[i] = (struct iovec){out + size, (size_t)(i % 4)};
        size += (size_t)(i % 4);
    }
    lab_fill(out, 0, size);
    CHECK_EQ(stream_writev(client, iov, 300, &sent), 0);
    CHECK_EQ(sent, size);
    lab_read_all(server, in, size);
    lab_verify(in, 0, size);
    sends = atomic_load(&lab->counts->sends);
    CHECK_EQ(stream_writev(client, iov, 0, &sent), 0);
    CHECK_EQ(sent, 0);
    CHECK_EQ(stream_write(client, "", 0), 0);
    CHECK_EQ(atomic_load(&lab->counts->sends), sends); /* nothing to send costs nothing */
    stream_close(client);
    stream_close(server);
}

static void more_pieces_than_one_call_takes(void **state)
{
    run_everywhere(many_pieces_body);
}

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
        CHECK_EQ(stream_read_later(s, buf, sizeof(buf)), 8);
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

static void a_message_costs_one_send_and_one_receive(void **state)
{
    run_everywhere(cost_body);
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
    run_everywhere(watched_cost_body);
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
        CHECK_EQ(stream_read_later(client, buf, sizeof(buf)), -ETIMEDOUT);
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

static void slow_reader_body(struct lab *lab)
{
    static char big[16 << 20]; /* more than any socket takes */
    struct stream *client, *server;
    struct iovec iov = {big, sizeof(big)};
    size_t sent = 0;
    char buf[4096];
    int64_t at_ns = weir_now() + 50 * WEIR_MS;

    lab_pair(lab, &client, &server);
    WEIR_DEADLINE (at_ns) {
        CHECK_EQ(stream_writev(client, &iov, 1, &sent), -ETIMEDOUT);
    }
    CHECK(weir_now() >= at_ns);
    CHECK(sent > 0 && sent < sizeof(big));
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

struct waiting {
    struct lab *lab;
    struct stream *s;
    int result;
};

static void wait_for_bytes(void *arg)
{
    struct waiting *w = arg;

    w->result = (int)stream_read(w->s, (char[1]){0}, 1);
}

static void wait_for_client(void *arg)
{
    struct waiting *w = arg;

    w->result = listener_accept(w->lab->listener, &w->s);
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

/* A stream that is always ready neither outlives its deadline nor starves others. */
static void busy_body(struct lab *lab)
{
    struct stream *client, *server;
    int turns = 0;

    lab_pair(lab, &client, &server);
    WEIR_SCOPE (scope) {
        ssize_t n = 1;

        CHECK_EQ(weir_scope_go(scope, "flood", flood, server), 0);
        WEIR_DEADLINE (weir_now() + 60 * WEIR_MS) {
            WEIR_SCOPE (inside) {
                CHECK_EQ(weir_scope_go(inside, "count", count_turns, &turns), 0);
                while (n > 0)
                    n = stream_read(client, (char[64]){0}, 64);
            }
        }
        CHECK_EQ(n, -ETIMEDOUT);
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

/* ---- ends ---- */

static void reset_body(struct lab *lab)
{
    struct stream *client, *server;
    char buf[8];

    lab_pair(lab, &client, &server);
    CHECK(!stream_hung_up(client));
    stream_reset(server);
    CHECK_EQ(stream_read_later(client, buf, sizeof(buf)), -ECONNRESET);
    CHECK(stream_hung_up(client));
    CHECK_EQ(stream_read(client, buf, sizeof(buf)), 0);
    CHECK_EQ(stream_write(client, "x", 1), -EPIPE);
    stream_close(client);
}

static void a_reset_is_an_error_and_then_the_end(void **state)
{
    run_everywhere(reset_body);
}

static void write_into_reset(void *arg)
{
    struct waiting *w = arg;
    static char big[16 << 20];

    w->result = stream_write(w->s, big, sizeof(big));
}

static void reset_writer_body(struct lab *lab)
{
    struct waiting w = {.lab = lab};
    struct stream *server;

    lab_pair(lab, &w.s, &server);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "write", write_into_reset, &w), 0);
        CHECK_EQ(weir_sleep(5 * WEIR_MS), 0);
        stream_reset(server);
    }
    CHECK(w.result == -ECONNRESET || w.result == -EPIPE);
    stream_close(w.s);
}

static void a_reset_wakes_the_writer(void **state)
{
    lab_run(0, reset_writer_body);
    for (uint64_t seed = 1; seed <= 5; seed++)
        lab_run(seed, reset_writer_body);
}

static void last_bytes_body(struct lab *lab)
{
    struct stream *client, *server;
    char buf[64];

    lab_pair(lab, &client, &server);
    CHECK_EQ(stream_write(server, "last", 4), 0);
    stream_close(server);
    if (rng_below(&lab->rng, 2))
        CHECK_EQ(weir_sleep(5 * WEIR_MS), 0); /* bytes and end in one report */
    lab_read_all(client, buf, 4);
    CHECK_EQ(stream_read_later(client, buf, sizeof(buf)), 0);
    CHECK_EQ(stream_read(client, buf, sizeof(buf)), 0);
    stream_close(client);
}

static void the_end_follows_the_last_bytes(void **state)
{
    run_everywhere(last_bytes_body);
}

/* Whatever was read before and however much, bytes that are there are found. */
static void later_body(struct lab *lab)
{
    struct stream *client, *server;
    char buf[16];

    lab_pair(lab, &client, &server);
    CHECK_EQ(stream_try_read(client, buf, 4), -EAGAIN);
    CHECK_EQ(stream_write(server, "abcdefgh", 8), 0);
    CHECK_EQ(weir_sleep(5 * WEIR_MS), 0);
    CHECK_EQ(stream_read_later(client, buf, 4), 4);     /* the event came before */
    CHECK_EQ(stream_read_later(client, buf + 4, 4), 4); /* a full read before: it tries */
    CHECK_EQ(memcmp(buf, "abcdefgh", 8), 0);
    CHECK_EQ(stream_write(server, "ij", 2), 0);
    CHECK_EQ(stream_read_later(client, buf, 16), 2);
    CHECK_EQ(stream_write(server, "kl", 2), 0);
    CHECK_EQ(stream_read(client, buf, 16), 2);
    stream_close(client);
    stream_close(server);
}

static void bytes_are_found_whenever_they_came(void **state)
{
    run_everywhere(later_body);
}

/* ---- dialling and listening ---- */

static void refused_body(struct lab *lab)
{
    struct stream *s = NULL;
    struct listener *l;
    struct addr a;

    CHECK_EQ(listener_open(&lab->addr, 1, &l), -EADDRINUSE);
    CHECK_EQ(addr_parse(STR("127.0.0.1:0"), &a), 0);
    CHECK_EQ(listener_open(&a, 1, &l), 0);
    CHECK_EQ(listener_local(l, &a), 0);
    listener_close(l);
    CHECK_EQ(stream_dial(&a, &s), -ECONNREFUSED);
    CHECK(s == NULL);
    stream_close(NULL);
    stream_reset(NULL);
    listener_close(NULL);
}

static void dialling_nobody_is_refused(void **state)
{
    run_everywhere(refused_body);
}

static void unix_body(struct lab *lab)
{
    struct stream *client, *server;
    char text[64], buf[8];
    struct buf b = buf_on(text, sizeof(text));

    buf_printf(&b, "unix:/tmp/weir-net-%d.sock", (int)getpid());
    listener_close(lab->listener);
    CHECK_EQ(addr_parse(buf_str(&b), &lab->addr), 0);
    CHECK_EQ(listener_open(&lab->addr, 64, &lab->listener), 0);
    lab_pair(lab, &client, &server);
    CHECK_EQ(stream_write(client, "request", 7), 0);
    lab_read_all(server, buf, 7);
    stream_close(client);
    CHECK_EQ(stream_read(server, buf, 7), 0);
    stream_close(server);
    unlink(lab->addr.un.sun_path);
}

static void unix_sockets_are_streams_too(void **state)
{
    run_everywhere(unix_body);
}

static void addresses_body(struct lab *lab)
{
    struct stream *client, *server;
    struct addr a;

    lab_pair(lab, &client, &server);
    CHECK(addr_eq(stream_peer(client), &lab->addr));
    CHECK_EQ(stream_local(client, &a), 0);
    CHECK(addr_eq(stream_peer(server), &a));
    CHECK_EQ(stream_local(server, &a), 0);
    CHECK(addr_eq(&a, &lab->addr));
    stream_close(client);
    stream_close(server);
}

static void each_end_knows_both_addresses(void **state)
{
    run_everywhere(addresses_body);
}

static void dial_and_close(void *arg)
{
    struct lab *lab = arg;
    struct stream *s;

    CHECK_EQ(stream_dial(&lab->addr, &s), 0);
    CHECK_EQ(stream_read(s, (char[1]){0}, 1), 0);
    stream_close(s);
}

static void crowd_body(struct lab *lab)
{
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 50; i++)
            CHECK_EQ(weir_scope_go(scope, "dial", dial_and_close, lab), 0);
        for (int i = 0; i < 50; i++) {
            struct stream *s;

            CHECK_EQ(listener_accept(lab->listener, &s), 0);
            stream_close(s);
        }
    }
}

static void a_crowd_is_accepted_one_by_one(void **state)
{
    run_everywhere(crowd_body);
}

static void no_sockets_body(struct lab *lab)
{
    struct stream *client, *server, *s;
    struct waiting w = {.lab = lab};

    lab_pair(lab, &client, &server);
    sim_set_socket_max(lab->sim, 3);
    CHECK_EQ(stream_dial(&lab->addr, &s), -EMFILE);
    stream_close(server);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "accept", wait_for_client, &w), 0);
        CHECK_EQ(stream_dial(&lab->addr, &s), 0);
    }
    CHECK_EQ(w.result, -EMFILE); /* it was told, and may try again */
    stream_close(client);
    CHECK_EQ(listener_accept(lab->listener, &server), 0);
    stream_close(s);
    stream_close(server);
}

static void without_handles_the_caller_is_told(void **state)
{
    run_sim(no_sockets_body);
}

static void close_under_accept_body(struct lab *lab)
{
    struct waiting w = {.lab = lab};

    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "accept", wait_for_client, &w), 0);
        CHECK_EQ(weir_sleep(20 * WEIR_MS), 0);
        listener_close(lab->listener);
        lab->listener = NULL;
    }
    CHECK_EQ(w.result, -ECANCELED);
}

static void closing_wakes_a_parked_accept(void **state)
{
    run_everywhere(close_under_accept_body);
}

/* ---- watches ---- */

struct watcher {
    struct stream *s;
    struct weir_wait_group fired;
    enum poll_watch_cause cause;
    ssize_t got;
    char buf[8];
};

static void on_watch(void *arg, enum poll_watch_cause cause)
{
    struct watcher *w = arg;

    w->cause = cause;
    w->got = cause == POLL_WATCH_READY ? stream_read(w->s, w->buf, 4) : 0;
    weir_wait_group_done(&w->fired);
}

static void watch(struct watcher *w, int64_t deadline_ns)
{
    weir_wait_group_add(&w->fired, 1);
    stream_watch(w->s, "watch", on_watch, w, deadline_ns);
}

static void expect_fired(struct watcher *w, enum poll_watch_cause cause, ssize_t got)
{
    CHECK_EQ(weir_wait_group_wait(&w->fired), 0);
    CHECK_EQ(w->cause, cause);
    CHECK_EQ(w->got, got);
}

static void watch_body(struct lab *lab)
{
    struct watcher w = {0};
    struct stream *client;
    int64_t at_ns;

    lab_pair(lab, &client, &w.s);
    watch(&w, NS_NEVER);
    CHECK_EQ(stream_write(client, "abcdefghij", 10), 0);
    expect_fired(&w, POLL_WATCH_READY, 4);
    watch(&w, NS_NEVER); /* bytes are left, and their event is spent */
    expect_fired(&w, POLL_WATCH_READY, 4);
    watch(&w, NS_NEVER);
    expect_fired(&w, POLL_WATCH_READY, 2);
    at_ns = weir_now() + 10 * WEIR_MS;
    watch(&w, at_ns);
    expect_fired(&w, POLL_WATCH_TIMEOUT, 0);
    CHECK(weir_now() >= at_ns);
    watch(&w, NS_NEVER);
    CHECK(stream_unwatch_run(w.s));
    expect_fired(&w, POLL_WATCH_CANCELLED, 0);
    watch(&w, NS_NEVER);
    CHECK(stream_unwatch(w.s));
    CHECK(!stream_unwatch(w.s));
    weir_wait_group_done(&w.fired);
    CHECK_EQ(stream_write(client, "kl", 2), 0);
    CHECK_EQ(stream_read(w.s, w.buf, 8), 2); /* ours again */
    watch(&w, NS_NEVER);
    stream_close(client);
    expect_fired(&w, POLL_WATCH_READY, 0);
    stream_close(w.s);
}

static void a_watch_fires_once_for_its_cause(void **state)
{
    run_everywhere(watch_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_comes_back_whole),
        cmocka_unit_test(both_directions_flow_at_once),
        cmocka_unit_test(more_pieces_than_one_call_takes),
        cmocka_unit_test(a_message_costs_one_send_and_one_receive),
        cmocka_unit_test(a_watched_connection_costs_no_more),
        cmocka_unit_test(a_full_window_costs_no_send_in_vain),
        cmocka_unit_test(a_partition_ends_in_the_deadline),
        cmocka_unit_test(a_reader_that_sleeps_ends_in_the_deadline),
        cmocka_unit_test(cancelling_ends_a_wait_and_leaves_the_stream),
        cmocka_unit_test(cancelling_ends_a_dial_and_a_write),
        cmocka_unit_test(a_stream_that_never_dries_up_obeys_its_deadline),
        cmocka_unit_test(reading_what_is_there_lets_others_run),
        cmocka_unit_test(after_the_deadline_nothing_is_begun),
        cmocka_unit_test(a_reset_is_an_error_and_then_the_end),
        cmocka_unit_test(a_reset_wakes_the_writer),
        cmocka_unit_test(the_end_follows_the_last_bytes),
        cmocka_unit_test(bytes_are_found_whenever_they_came),
        cmocka_unit_test(dialling_nobody_is_refused),
        cmocka_unit_test(unix_sockets_are_streams_too),
        cmocka_unit_test(each_end_knows_both_addresses),
        cmocka_unit_test(a_crowd_is_accepted_one_by_one),
        cmocka_unit_test(without_handles_the_caller_is_told),
        cmocka_unit_test(closing_wakes_a_parked_accept),
        cmocka_unit_test(a_watch_fires_once_for_its_cause),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
