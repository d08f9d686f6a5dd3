/* Streams over both worlds: what callers rely on. */
#include "lab.h"

#include <unistd.h>

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
        ssize_t n = stream_read(f->s, piece, size);

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

/* ---- ends ---- */

static void reset_body(struct lab *lab)
{
    struct stream *client, *server;
    char buf[8];

    lab_pair(lab, &client, &server);
    CHECK(!stream_hung_up(client));
    stream_reset(server);
    CHECK_EQ(stream_read(client, buf, sizeof(buf)), -ECONNRESET);
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
    CHECK_EQ(stream_read(client, buf, sizeof(buf)), 0);
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
    CHECK_EQ(stream_read(client, buf, 4), 4);     /* the event came before */
    CHECK_EQ(stream_read(client, buf + 4, 4), 4); /* a full read before: it tries */
    CHECK_EQ(memcmp(buf, "abcdefgh", 8), 0);
    CHECK_EQ(stream_write(server, "ij", 2), 0);
    CHECK_EQ(stream_read(client, buf, 16), 2);
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
        while (!atomic_load(&w.begun))
            CHECK_EQ(weir_sleep(WEIR_MS), 0);
        CHECK_EQ(weir_sleep(20 * WEIR_MS), 0); /* and is parked, or our close would be too early */
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

static void quiet_body(struct lab *lab)
{
    struct stream *client, *server;
    char two[2];

    lab_pair(lab, &client, &server);
    CHECK(stream_quiet(server));
    CHECK_EQ(stream_write(client, "ab", 2), 0);
    while (stream_quiet(server)) /* until it is here */
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
    lab_read_all(server, two, 2);
    CHECK(stream_quiet(server));
    stream_close(client);
    CHECK_EQ(stream_read(server, two, 2), 0);
    CHECK(!stream_quiet(server));
    stream_close(server);
}

static void quiet_is_when_nothing_came(void **state)
{
    run_everywhere(quiet_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_comes_back_whole),
        cmocka_unit_test(both_directions_flow_at_once),
        cmocka_unit_test(more_pieces_than_one_call_takes),
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
        cmocka_unit_test(quiet_is_when_nothing_came),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
