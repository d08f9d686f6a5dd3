/* The same behaviours against the real world and the simulated one: what holds here is what the
 * layers above may rely on in both. */
#include "pair.h"

#include <pthread.h>
#include <unistd.h>

static int open_real(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    env_open(e, world_real());
    *state = e;
    return 0;
}

static int close_real(void **state)
{
    struct env *e = *state;

    world_poller_free(e->w, e->p);
    free(e);
    return 0;
}

static int open_sim(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    env_open(e, sim_new(7));
    *state = e;
    return 0;
}

static int close_sim(void **state)
{
    struct env *e = *state;
    struct sim_stats stats;

    sim_get_stats(e->w, &stats);
    world_poller_free(e->w, e->p);
    sim_free(e->w);
    free(e);
    assert_int_equal(stats.open_sockets, 0);
    return 0;
}

static void connects_and_echoes(void **state)
{
    struct env *e = *state;
    struct pair t;

    pair_open(e, &t);
    assert_int_equal(send_text(e, &t.client, "ping"), 4);
    expect_text(e, &t.server, "ping");
    assert_int_equal(send_text(e, &t.server, "pong"), 4);
    expect_text(e, &t.client, "pong");
    pair_close(e, &t);
}

static void unix_sockets_echo(void **state)
{
    struct env *e = *state;
    struct pair t;
    char path[64];

    snprintf(path, sizeof(path), "unix:/tmp/weir-contract-%d.sock", (int)getpid());
    listen_at(e, &t, path);
    dial(e, &t);
    assert_int_equal(send_text(e, &t.client, "ping"), 4);
    expect_text(e, &t.server, "ping");
    pair_close(e, &t);
    unlink(path + 5);
}

static void both_ends_agree_on_addresses(void **state)
{
    struct env *e = *state;
    struct addr local, peer;
    struct pair t;

    listen_at(e, &t, "127.0.0.1:0");
    assert_int_not_equal(addr_port(&t.addr), 0);
    ear_open(e, &t.client, world_connect(e->w, &t.addr));
    await(e, &t.listener, WORLD_READABLE);
    ear_open(e, &t.server, world_accept(e->w, t.listener.sock, &peer));
    assert_int_equal(world_local_addr(e->w, t.client.sock, &local), 0);
    assert_true(addr_eq(&local, &peer));
    assert_int_equal(world_local_addr(e->w, t.server.sock, &local), 0);
    assert_true(addr_eq(&local, &t.addr));
    pair_close(e, &t);
}

static void refuses_where_nobody_listens(void **state)
{
    struct env *e = *state;
    struct pair t;

    listen_at(e, &t, "127.0.0.1:0");
    ear_close(e, &t.listener);
    ear_open(e, &t.client, world_connect(e->w, &t.addr));
    await(e, &t.client, WORLD_WRITABLE | WORLD_HANGUP);
    assert_int_equal(world_connect_result(e->w, t.client.sock), -ECONNREFUSED);
    ear_close(e, &t.client);
}

static void one_listener_per_address(void **state)
{
    struct env *e = *state;
    struct pair t;

    listen_at(e, &t, "127.0.0.1:0");
    assert_int_equal(world_listen(e->w, &t.addr, 16), -EADDRINUSE);
    ear_close(e, &t.listener);
    ear_open(e, &t.listener, world_listen(e->w, &t.addr, 16));
    ear_close(e, &t.listener);
}

static void accept_says_when_nobody_waits(void **state)
{
    struct env *e = *state;
    struct pair t;

    listen_at(e, &t, "127.0.0.1:0");
    assert_int_equal(world_accept(e->w, t.listener.sock, NULL), -EAGAIN);
    ear_close(e, &t.listener);
}

static void closed_listener_resets_those_who_waited(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    listen_at(e, &t, "127.0.0.1:0");
    ear_open(e, &t.client, world_connect(e->w, &t.addr));
    await(e, &t.client, WORLD_WRITABLE);
    ear_close(e, &t.listener);
    assert_int_equal(recv_next(e, &t.client, &byte, 1), -ECONNRESET);
    ear_close(e, &t.client);
}

static void close_is_end_of_stream_after_all_bytes(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    pair_open(e, &t);
    assert_int_equal(send_text(e, &t.server, "last words"), 10);
    ear_close(e, &t.server);
    expect_text(e, &t.client, "last words");
    await(e, &t.client, WORLD_READABLE | WORLD_WRITABLE | WORLD_HANGUP);
    assert_int_equal(recv_next(e, &t.client, &byte, 1), 0);
    assert_int_equal(recv_next(e, &t.client, &byte, 1), 0);
    pair_close(e, &t);
}

static void reset_is_reported_once_then_the_stream_is_over(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    pair_open(e, &t);
    world_reset(e->w, t.server.sock);
    t.server.sock = -1;
    await(e, &t.client, WORLD_READABLE | WORLD_WRITABLE | WORLD_HANGUP);
    assert_int_equal(world_recv(e->w, t.client.sock, &byte, 1), -ECONNRESET);
    assert_int_equal(world_recv(e->w, t.client.sock, &byte, 1), 0);
    assert_int_equal(send_text(e, &t.client, "x"), -EPIPE);
    pair_close(e, &t);
}

static void bytes_before_a_reset_can_be_read(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    pair_open(e, &t);
    assert_int_equal(send_text(e, &t.server, "half"), 4);
    await(e, &t.client, WORLD_READABLE);
    world_reset(e->w, t.server.sock);
    t.server.sock = -1;
    await(e, &t.client, WORLD_HANGUP);
    expect_text(e, &t.client, "half");
    assert_int_equal(world_recv(e->w, t.client.sock, &byte, 1), -ECONNRESET);
    pair_close(e, &t);
}

static void closing_with_unread_bytes_resets(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    pair_open(e, &t);
    assert_int_equal(send_text(e, &t.client, "unread"), 6);
    await(e, &t.server, WORLD_READABLE);
    ear_close(e, &t.server);
    assert_int_equal(recv_next(e, &t.client, &byte, 1), -ECONNRESET);
    pair_close(e, &t);
}

static void sending_to_a_closed_peer_ends_in_a_broken_pipe(void **state)
{
    struct env *e = *state;
    struct pair t;

    pair_open(e, &t);
    ear_close(e, &t.server);
    await(e, &t.client, WORLD_HANGUP);
    assert_int_equal(send_text(e, &t.client, "x"), 1); /* nobody has said no yet */
    await(e, &t.client, WORLD_HANGUP);
    assert_int_equal(send_text(e, &t.client, "x"), -EPIPE);
    pair_close(e, &t);
}

static void half_close_leaves_the_other_direction(void **state)
{
    struct env *e = *state;
    struct pair t;
    char byte;

    pair_open(e, &t);
    assert_int_equal(send_text(e, &t.client, "question"), 8);
    assert_int_equal(world_shutdown_send(e->w, t.client.sock), 0);
    expect_text(e, &t.server, "question");
    assert_int_equal(recv_next(e, &t.server, &byte, 1), 0);
    assert_int_equal(send_text(e, &t.server, "answer"), 6);
    expect_text(e, &t.client, "answer");
    assert_int_equal(send_text(e, &t.client, "x"), -EPIPE);
    pair_close(e, &t);
}

static void peek_leaves_the_bytes(void **state)
{
    struct env *e = *state;
    struct pair t;
    char got[8];

    pair_open(e, &t);
    assert_int_equal(world_peek(e->w, t.server.sock, got, 8), -EAGAIN);
    assert_int_equal(send_text(e, &t.client, "abcd"), 4);
    await(e, &t.server, WORLD_READABLE);
    assert_int_equal(world_peek(e->w, t.server.sock, got, 2), 2);
    assert_memory_equal(got, "ab", 2);
    expect_text(e, &t.server, "abcd");
    ear_close(e, &t.client);
    await(e, &t.server, WORLD_HANGUP);
    assert_int_equal(world_peek(e->w, t.server.sock, got, 8), 0);
    pair_close(e, &t);
}

static void gathers_several_pieces(void **state)
{
    struct env *e = *state;
    struct iovec iov[] = {
        {(char[]){"one "}, 4}, {NULL, 0}, {(char[]){"two "}, 4}, {(char[]){"three"}, 5}};
    struct pair t;

    pair_open(e, &t);
    assert_int_equal(world_sendv(e->w, t.client.sock, iov, 4), 13);
    expect_text(e, &t.server, "one two three");
    pair_close(e, &t);
}

enum { FLOOD_PIECE = 8192, FLOOD_MAX = 64 << 20 };

static void fill(char *piece, size_t at)
{
    for (size_t i = 0; i < FLOOD_PIECE; i++)
        piece[i] = (char)((at + i) % 251);
}

static size_t send_until_full(struct env *e, struct ear *ear)
{
    static char piece[FLOOD_PIECE];
    size_t sent = 0;

    for (;;) {
        struct iovec iov = {piece, FLOOD_PIECE};
        ssize_t n;

        fill(piece, sent);
        n = world_sendv(e->w, ear->sock, &iov, 1);
        if (n == -EAGAIN)
            return sent;
        assert_true(n > 0);
        sent += (size_t)n;
        assert_true(sent < FLOOD_MAX);
    }
}

static void a_full_peer_holds_the_sender_until_it_reads(void **state)
{
    struct env *e = *state;
    char piece[FLOOD_PIECE];
    size_t sent, got = 0;
    struct pair t;

    pair_open(e, &t);
    sent = send_until_full(e, &t.client);
    pump(e, 0);
    t.client.seen = 0;
    while (got < sent) {
        ssize_t n = recv_next(e, &t.server, piece, sizeof(piece));

        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(piece[i], (char)((got + (size_t)i) % 251));
        got += (size_t)n;
    }
    await(e, &t.client, WORLD_WRITABLE);
    assert_int_equal(send_text(e, &t.client, "more"), 4);
    expect_text(e, &t.server, "more");
    pair_close(e, &t);
}

static void an_edge_is_reported_once(void **state)
{
    struct env *e = *state;
    struct pair t;

    pair_open(e, &t);
    while (pump(e, NS_PER_MS) > 0)
        ;
    assert_int_equal(send_text(e, &t.client, "a"), 1);
    await(e, &t.server, WORLD_READABLE);
    assert_int_equal(pump(e, 5 * NS_PER_MS), 0); /* unread, but not new */
    assert_int_equal(send_text(e, &t.client, "b"), 1);
    await(e, &t.server, WORLD_READABLE);
    expect_text(e, &t.server, "ab");
    assert_int_equal(pump(e, 5 * NS_PER_MS), 0);
    pair_close(e, &t);
}

static void bytes_read_before_the_report_leave_only_writable(void **state)
{
    struct env *e = *state;
    struct pair t;
    char got[4];

    pair_open(e, &t);
    while (pump(e, NS_PER_MS) > 0)
        ;
    t.server.seen = 0;
    assert_int_equal(send_text(e, &t.client, "abcd"), 4);
    await(e, &t.server, WORLD_READABLE);
    assert_int_equal(world_recv(e->w, t.server.sock, got, 4), 4);
    assert_int_equal(send_text(e, &t.client, "abcd"), 4);
    expect_text(e, &t.server, "abcd");
    pump(e, NS_PER_MS);
    assert_int_equal(t.server.seen & WORLD_HANGUP, 0);
    pair_close(e, &t);
}

static void registering_reports_what_is_there_already(void **state)
{
    struct env *e = *state;
    struct pair t;

    pair_open(e, &t);
    assert_int_equal(world_poller_remove(e->w, e->p, t.server.sock), 0);
    assert_int_equal(send_text(e, &t.client, "early"), 5);
    pump(e, 5 * NS_PER_MS);
    t.server.seen = 0;
    assert_int_equal(pump(e, 5 * NS_PER_MS), 0);
    assert_int_equal(world_poller_add(e->w, e->p, t.server.sock, &t.server), 0);
    await(e, &t.server, WORLD_READABLE | WORLD_WRITABLE);
    expect_text(e, &t.server, "early");
    pair_close(e, &t);
}

static void a_removed_or_closed_socket_is_silent(void **state)
{
    struct env *e = *state;
    struct pair t;

    pair_open(e, &t);
    while (pump(e, NS_PER_MS) > 0)
        ;
    assert_int_equal(send_text(e, &t.client, "x"), 1);
    assert_int_equal(send_text(e, &t.server, "x"), 1);
    ear_close(e, &t.server);
    assert_int_equal(world_poller_remove(e->w, e->p, t.client.sock), 0);
    assert_int_equal(pump(e, 5 * NS_PER_MS), 0);
    assert_int_equal(world_poller_remove(e->w, e->p, t.client.sock), -ENOENT);
    pair_close(e, &t);
}

static void registering_twice_is_an_error(void **state)
{
    struct env *e = *state;
    struct pair t;

    listen_at(e, &t, "127.0.0.1:0");
    assert_int_equal(world_poller_add(e->w, e->p, t.listener.sock, &t), -EEXIST);
    ear_close(e, &t.listener);
}

static void a_wait_ends_no_sooner_than_its_timeout(void **state)
{
    struct env *e = *state;
    int64_t timeouts[] = {1, 700 * NS_PER_US, 1500 * NS_PER_US, 12 * NS_PER_MS};

    for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
        int64_t start_ns = world_now_ns(e->w);

        assert_int_equal(pump(e, timeouts[i]), 0);
        assert_true(world_now_ns(e->w) - start_ns >= timeouts[i]);
        assert_true(world_now_ns(e->w) - start_ns < NS_PER_SEC);
    }
}

static void a_wake_ends_the_next_wait_once(void **state)
{
    struct env *e = *state;
    int64_t start_ns = world_now_ns(e->w);

    world_poller_wake(e->w, e->p);
    world_poller_wake(e->w, e->p);
    assert_int_equal(pump(e, 60 * NS_PER_SEC), 0);
    assert_true(world_now_ns(e->w) - start_ns < 30 * NS_PER_SEC);
    start_ns = world_now_ns(e->w);
    assert_int_equal(pump(e, 2 * NS_PER_MS), 0);
    assert_true(world_now_ns(e->w) - start_ns >= 2 * NS_PER_MS);
}

static void wall_clock_and_chance_are_there(void **state)
{
    struct env *e = *state;
    char a[37] = {0}, b[37] = {0};

    assert_true(world_wall_ns(e->w) > INT64_C(1700000000) * NS_PER_SEC);
    world_random(e->w, a, sizeof(a));
    world_random(e->w, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

/* From here on: the real world alone. */

static void stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct env *e = *state;
    char path[64];
    struct addr a;
    struct pair t;

    snprintf(path, sizeof(path), "unix:/tmp/weir-stale-%d.sock", (int)getpid());
    a = parse(path);
    listen_at(e, &t, path);
    assert_int_equal(world_listen(e->w, &a, 16), -EADDRINUSE);
    ear_close(e, &t.listener);
    assert_int_equal(access(path + 5, F_OK), 0);
    listen_at(e, &t, path);
    ear_close(e, &t.listener);
    unlink(path + 5);
}

static void a_file_that_is_no_socket_is_never_replaced(void **state)
{
    struct env *e = *state;
    char path[64];
    struct addr a;
    FILE *f;

    snprintf(path, sizeof(path), "unix:/tmp/weir-file-%d", (int)getpid());
    f = fopen(path + 5, "w");
    assert_non_null(f);
    fclose(f);
    a = parse(path);
    assert_int_equal(world_listen(e->w, &a, 16), -EADDRINUSE);
    assert_int_equal(access(path + 5, F_OK), 0);
    unlink(path + 5);
}

static void *wake_many(void *arg)
{
    struct env *e = arg;

    for (int i = 0; i < 20000; i++)
        world_poller_wake(e->w, e->p);
    return NULL;
}

/* Whatever the moment, the last wake is not lost: after the thread has ended, one more wait at most
 * returns early, and no wait hangs. A second thread looks meanwhile and must not steal the edge. */
static void wakes_from_another_thread_are_not_lost(void **state)
{
    struct env *e = *state;
    int64_t start_ns = world_now_ns(e->w);

    for (int round = 0; round < 20; round++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, wake_many, e), 0);
        assert_int_equal(pump(e, 60 * NS_PER_SEC), 0);
        pthread_join(thread, NULL);
        while (world_now_ns(e->w) - start_ns < 50 * NS_PER_SEC) {
            int64_t before_ns = world_now_ns(e->w);

            pump(e, NS_PER_MS);
            if (world_now_ns(e->w) - before_ns >= NS_PER_MS)
                break;
        }
    }
    assert_true(world_now_ns(e->w) - start_ns < 30 * NS_PER_SEC);
}

struct looker {
    struct env *e;
    bool stop;
};

static void *look_on(void *arg)
{
    struct looker *l = arg;
    struct world_event events[4];

    while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE))
        world_poll(l->e->w, l->e->p, events, 4, 0);
    return NULL;
}

static void *wake_once(void *arg)
{
    struct env *e = arg;

    world_poller_wake(e->w, e->p);
    return NULL;
}

static void a_thread_that_only_looks_does_not_steal_a_wake(void **state)
{
    struct env *e = *state;
    struct looker l = {.e = e};
    int64_t start_ns = world_now_ns(e->w);
    pthread_t looker, waker;

    assert_int_equal(pthread_create(&looker, NULL, look_on, &l), 0);
    for (int round = 0; round < 200; round++) {
        assert_int_equal(pthread_create(&waker, NULL, wake_once, e), 0);
        assert_int_equal(pump(e, 60 * NS_PER_SEC), 0);
        pthread_join(waker, NULL);
    }
    __atomic_store_n(&l.stop, true, __ATOMIC_RELEASE);
    pthread_join(looker, NULL);
    assert_true(world_now_ns(e->w) - start_ns < 50 * NS_PER_SEC);
}

#define BOTH(f)                                                                                    \
    {"real: " #f, f, open_real, close_real, NULL},                                                 \
    {                                                                                              \
        "sim: " #f, f, open_sim, close_sim, NULL                                                   \
    }
#define REAL(f)                                                                                    \
    {                                                                                              \
        "real: " #f, f, open_real, close_real, NULL                                                \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(connects_and_echoes),
        BOTH(unix_sockets_echo),
        BOTH(both_ends_agree_on_addresses),
        BOTH(refuses_where_nobody_listens),
        BOTH(one_listener_per_address),
        BOTH(accept_says_when_nobody_waits),
        BOTH(closed_listener_resets_those_who_waited),
        BOTH(close_is_end_of_stream_after_all_bytes),
        BOTH(reset_is_reported_once_then_the_stream_is_over),
        BOTH(bytes_before_a_reset_can_be_read),
        BOTH(closing_with_unread_bytes_resets),
        BOTH(sending_to_a_closed_peer_ends_in_a_broken_pipe),
        BOTH(half_close_leaves_the_other_direction),
        BOTH(peek_leaves_the_bytes),
        BOTH(gathers_several_pieces),
        BOTH(a_full_peer_holds_the_sender_until_it_reads),
        BOTH(an_edge_is_reported_once),
        BOTH(bytes_read_before_the_report_leave_only_writable),
        BOTH(registering_reports_what_is_there_already),
        BOTH(a_removed_or_closed_socket_is_silent),
        BOTH(registering_twice_is_an_error),
        BOTH(a_wait_ends_no_sooner_than_its_timeout),
        BOTH(a_wake_ends_the_next_wait_once),
        BOTH(wall_clock_and_chance_are_there),
        REAL(stale_unix_socket_is_replaced_and_a_live_one_is_not),
        REAL(a_file_that_is_no_socket_is_never_replaced),
        REAL(wakes_from_another_thread_are_not_lost),
        REAL(a_thread_that_only_looks_does_not_steal_a_wake),
    };

    return cmocka_run_group_tests_name("world", tests, NULL, NULL);
}
