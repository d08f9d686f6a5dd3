/* What only the simulated world does: virtual time, and a network that misbehaves as told. */
#include "base/hash.h"
#include "pair.h"

static struct env sim_env(uint64_t seed)
{
    struct env e;

    env_open(&e, sim_new(seed));
    return e;
}

/* Nothing may be left open. */
static void sim_env_done(struct env *e)
{
    struct sim_stats stats;

    sim_get_stats(e->w, &stats);
    assert_int_equal(stats.open_sockets, 0);
    world_poller_free(e->w, e->p);
    sim_free(e->w);
}

static void quiet(struct env *e, struct pair *t)
{
    while (pump(e, NS_PER_SEC) > 0)
        ;
    t->client.seen = t->server.seen = t->listener.seen = 0;
}

static void time_moves_only_by_waiting(void **state)
{
    struct env e = sim_env(1);
    int64_t start_ns = world_now_ns(e.w), wall_ns = world_wall_ns(e.w);

    for (int i = 0; i < 1000; i++)
        assert_int_equal(pump(&e, 0), 0);
    assert_int_equal(world_now_ns(e.w), start_ns);
    assert_int_equal(pump(&e, 24 * 3600 * NS_PER_SEC), 0);
    assert_int_equal(world_now_ns(e.w) - start_ns, 24 * 3600 * NS_PER_SEC);
    assert_int_equal(world_wall_ns(e.w) - wall_ns, 24 * 3600 * NS_PER_SEC);
    assert_int_equal(pump(&e, NS_NEVER), -EDEADLK);
    world_poller_wake(e.w, e.p);
    assert_int_equal(pump(&e, NS_NEVER), 0);
    sim_env_done(&e);
}

static void distance_takes_time(void **state)
{
    struct env e = sim_env(1);
    struct sim_link link = {.latency_ns = 10 * NS_PER_MS};
    int64_t start_ns = world_now_ns(e.w);
    struct pair t;

    sim_set_link(e.w, NULL, &link);
    pair_open(&e, &t);
    assert_int_equal(world_now_ns(e.w) - start_ns, 20 * NS_PER_MS); /* connected: there and back */
    send_text(&e, &t.client, "ping");
    expect_text(&e, &t.server, "ping");
    send_text(&e, &t.server, "pong");
    expect_text(&e, &t.client, "pong");
    assert_int_equal(world_now_ns(e.w) - start_ns, 40 * NS_PER_MS);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void a_stall_delays_and_loses_nothing(void **state)
{
    struct env e = sim_env(1);
    struct sim_link link = {.latency_ns = NS_PER_MS, .stall_chance = 1, .stall_ns = NS_PER_SEC};
    int64_t start_ns;
    struct pair t;

    pair_open(&e, &t);
    sim_set_link(e.w, &t.addr, &link);
    start_ns = world_now_ns(e.w);
    send_text(&e, &t.client, "slow");
    expect_text(&e, &t.server, "slow");
    assert_int_equal(world_now_ns(e.w) - start_ns, NS_PER_MS + NS_PER_SEC);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void a_partition_is_silent_and_heals(void **state)
{
    struct env e = sim_env(1);
    struct sim_link cut = {.partitioned = true}, whole = {.latency_ns = NS_PER_MS};
    int64_t healed_ns;
    struct ear late;
    struct pair t;

    pair_open(&e, &t);
    quiet(&e, &t);
    send_text(&e, &t.client, "under way"); /* caught on the road */
    sim_set_link(e.w, &t.addr, &cut);
    ear_open(&e, &late, world_connect(e.w, &t.addr));
    assert_int_equal(pump(&e, 3600 * NS_PER_SEC), 0);
    assert_int_equal(pump(&e, NS_NEVER), -EDEADLK);
    assert_int_equal(world_connect_result(e.w, late.sock), -EINPROGRESS);
    send_text(&e, &t.server, "from the other side");
    world_close(e.w, t.server.sock);
    t.server.sock = -1;
    assert_int_equal(pump(&e, 3600 * NS_PER_SEC), 0);
    sim_set_link(e.w, &t.addr, &whole);
    healed_ns = world_now_ns(e.w);
    expect_text(&e, &t.client, "from the other side");
    assert_int_equal(world_now_ns(e.w) - healed_ns, NS_PER_MS); /* what waited sets out again */
    await(&e, &late, WORLD_WRITABLE);
    assert_int_equal(world_connect_result(e.w, late.sock), 0);
    ear_close(&e, &late);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void a_frozen_machine_is_half_open_until_it_comes_back(void **state)
{
    struct env e = sim_env(1);
    struct ear late;
    struct pair t;
    char byte;

    pair_open(&e, &t);
    quiet(&e, &t);
    sim_freeze(e.w, &t.addr);
    assert_int_equal(send_text(&e, &t.client, "anyone?"), 7);
    ear_open(&e, &late, world_connect(e.w, &t.addr));
    assert_int_equal(pump(&e, 3600 * NS_PER_SEC), 0);
    assert_int_equal(world_connect_result(e.w, late.sock), -EINPROGRESS);
    sim_revive(e.w, &t.addr);
    assert_int_equal(recv_next(&e, &t.client, &byte, 1), -ECONNRESET);
    assert_int_equal(recv_next(&e, &t.server, &byte, 1), -ECONNRESET);
    await(&e, &late, WORLD_WRITABLE);
    assert_int_equal(world_connect_result(e.w, late.sock), 0);
    ear_close(&e, &late);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void connects_are_refused_or_hang_as_told(void **state)
{
    struct env e = sim_env(1);
    struct sim_link links[] = {{.refuse = true}, {.refuse_chance = 1}, {.connect_hang_chance = 1}};
    struct pair t;

    listen_at(&e, &t, "10.1.2.3:80");
    for (int i = 0; i < 2; i++) {
        sim_set_link(e.w, &t.addr, &links[i]);
        ear_open(&e, &t.client, world_connect(e.w, &t.addr));
        await(&e, &t.client, WORLD_WRITABLE | WORLD_HANGUP);
        assert_int_equal(world_connect_result(e.w, t.client.sock), -ECONNREFUSED);
        ear_close(&e, &t.client);
    }
    sim_set_link(e.w, &t.addr, &links[2]);
    ear_open(&e, &t.client, world_connect(e.w, &t.addr));
    assert_int_equal(pump(&e, NS_NEVER), -EDEADLK);
    assert_int_equal(world_connect_result(e.w, t.client.sock), -EINPROGRESS);
    ear_close(&e, &t.client);
    ear_close(&e, &t.listener);
    sim_env_done(&e);
}

static void resets_come_by_chance_or_all_at_once(void **state)
{
    struct env e = sim_env(1);
    struct sim_link link = {.reset_chance = 1};
    struct pair t;
    char byte;

    pair_open(&e, &t);
    assert_int_equal(sim_reset_all(e.w, &t.addr), 1);
    assert_int_equal(sim_reset_all(e.w, &t.addr), 0);
    assert_int_equal(recv_next(&e, &t.client, &byte, 1), -ECONNRESET);
    assert_int_equal(recv_next(&e, &t.server, &byte, 1), -ECONNRESET);
    ear_close(&e, &t.client);
    ear_close(&e, &t.server);
    dial(&e, &t);
    sim_set_link(e.w, &t.addr, &link);
    send_text(&e, &t.client, "x");
    assert_int_equal(recv_next(&e, &t.server, &byte, 1), -ECONNRESET);
    assert_int_equal(recv_next(&e, &t.client, &byte, 1), -ECONNRESET);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void a_small_window_bites_and_a_larger_one_frees(void **state)
{
    struct env e = sim_env(1);
    struct sim_link narrow = {.window_bytes = 10}, wide = {.window_bytes = 1000};
    char text[] = "0123456789abcdefghij";
    struct pair t;

    pair_open(&e, &t);
    sim_set_link(e.w, &t.addr, &narrow);
    quiet(&e, &t);
    assert_int_equal(send_text(&e, &t.client, text), 10);
    assert_int_equal(send_text(&e, &t.client, text + 10), -EAGAIN);
    quiet(&e, &t);
    assert_int_equal(send_text(&e, &t.client, text + 10), -EAGAIN);
    sim_set_link(e.w, &t.addr, &wide);
    await(&e, &t.client, WORLD_WRITABLE);
    assert_int_equal(send_text(&e, &t.client, text + 10), 10);
    expect_text(&e, &t.server, text);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void room_for_a_few_bytes_is_no_edge_yet(void **state)
{
    struct env e = sim_env(1);
    struct sim_link narrow = {.window_bytes = 300};
    char text[301], got[100];
    struct pair t;

    memset(text, 'x', 300);
    text[300] = 0;
    pair_open(&e, &t);
    sim_set_link(e.w, &t.addr, &narrow);
    quiet(&e, &t);
    assert_int_equal(send_text(&e, &t.client, text), 300);
    assert_int_equal(send_text(&e, &t.client, "y"), -EAGAIN);
    await(&e, &t.server, WORLD_READABLE);
    assert_int_equal(world_recv(e.w, t.server.sock, got, 99), 99);
    quiet(&e, &t);
    assert_int_equal(t.client.edges, 1); /* the one of its connect */
    assert_int_equal(world_recv(e.w, t.server.sock, got, 1), 1);
    await(&e, &t.client, WORLD_WRITABLE);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void spurious_events_come_without_a_cause(void **state)
{
    struct env e = sim_env(1);
    struct sim_link link = {.spurious_chance = 1};
    struct pair t;

    pair_open(&e, &t);
    sim_set_link(e.w, &t.addr, &link);
    quiet(&e, &t);
    send_text(&e, &t.client, "x");
    await(&e, &t.client, WORLD_WRITABLE);
    expect_text(&e, &t.server, "x");
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void the_lowest_free_handle_comes_back_at_once(void **state)
{
    struct env e = sim_env(1);
    struct addr a = parse("10.0.0.1:80");
    int socks[5];

    for (int i = 0; i < 5; i++)
        socks[i] = world_connect(e.w, &a);
    assert_int_equal(socks[0], 3);
    assert_int_equal(socks[4], 7);
    world_close(e.w, socks[3]);
    world_close(e.w, socks[1]);
    assert_int_equal(world_connect(e.w, &a), socks[1]);
    assert_int_equal(world_connect(e.w, &a), socks[3]);
    assert_int_equal(world_connect(e.w, &a), 8);
    for (int h = 3; h <= 8; h++)
        world_close(e.w, h);
    sim_env_done(&e);
}

static void handles_run_out_and_the_connection_waits(void **state)
{
    struct env e = sim_env(1);
    struct pair t;

    listen_at(&e, &t, "127.0.0.1:0");
    sim_set_socket_max(e.w, 2);
    ear_open(&e, &t.client, world_connect(e.w, &t.addr));
    assert_int_equal(world_connect(e.w, &t.addr), -EMFILE);
    assert_int_equal(world_listen(e.w, &(struct addr){.in.sin_family = AF_INET}, 1), -EMFILE);
    await(&e, &t.listener, WORLD_READABLE);
    assert_int_equal(world_accept(e.w, t.listener.sock, NULL), -EMFILE);
    sim_set_socket_max(e.w, 3);
    ear_open(&e, &t.server, world_accept(e.w, t.listener.sock, NULL));
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void a_full_backlog_delays_the_connect(void **state)
{
    struct env e = sim_env(1);
    struct addr a = parse("10.0.0.1:80");
    struct ear listener, first, second, server;
    int64_t start_ns = world_now_ns(e.w);

    ear_open(&e, &listener, world_listen(e.w, &a, 1));
    ear_open(&e, &first, world_connect(e.w, &a));
    await(&e, &first, WORLD_WRITABLE);
    ear_open(&e, &second, world_connect(e.w, &a));
    assert_int_equal(pump(&e, 100 * NS_PER_MS), 0);
    assert_int_equal(world_connect_result(e.w, second.sock), -EINPROGRESS);
    ear_open(&e, &server, world_accept(e.w, listener.sock, NULL));
    await(&e, &second, WORLD_WRITABLE);
    assert_int_equal(world_connect_result(e.w, second.sock), 0);
    assert_true(world_now_ns(e.w) - start_ns >= NS_PER_SEC);
    ear_close(&e, &server);
    ear_close(&e, &second);
    ear_close(&e, &first);
    ear_close(&e, &listener);
    sim_env_done(&e);
}

static void a_wildcard_listener_hears_every_address(void **state)
{
    struct env e = sim_env(1);
    struct addr to = parse("10.9.8.7:80"), other = parse("10.9.8.7:81"), local;
    struct pair t;

    listen_at(&e, &t, "0.0.0.0:80");
    t.addr = to;
    dial(&e, &t);
    assert_int_equal(world_local_addr(e.w, t.server.sock, &local), 0);
    assert_true(addr_eq(&local, &to));
    ear_close(&e, &t.client);
    ear_open(&e, &t.client, world_connect(e.w, &other));
    await(&e, &t.client, WORLD_HANGUP);
    assert_int_equal(world_connect_result(e.w, t.client.sock), -ECONNREFUSED);
    pair_close(&e, &t);
    sim_env_done(&e);
}

static void client_addresses_differ_and_are_reused(void **state)
{
    struct env e = sim_env(1);
    struct addr to = parse("10.0.0.1:80"), a, b;
    int keep = world_connect(e.w, &to);

    assert_int_equal(world_local_addr(e.w, keep, &a), 0);
    for (int i = 0; i < 70000; i++) {
        int s = world_connect(e.w, &to);

        assert_int_equal(world_local_addr(e.w, s, &b), 0);
        assert_false(addr_eq(&a, &b));
        world_close(e.w, s);
    }
    world_close(e.w, keep);
    sim_env_done(&e);
}

/* A conversation that obeys the edge-triggered discipline and nothing else: after -EAGAIN or a
 * short count it does nothing until the next event. An edge too few is a deadlock. */
struct talker {
    struct ear ear;
    size_t to_send, sent, received;
    bool can_send, can_recv, ended, broken;
};

enum { TALK_BYTES = 3000, TALK_PIECE = 257 };

static char byte_at(size_t at)
{
    return (char)(at * 31 % 251);
}

static void talk_send(struct env *e, struct talker *k)
{
    while (k->can_send && !k->broken && k->sent < k->to_send) {
        char piece[TALK_PIECE];
        size_t size = MIN((size_t)TALK_PIECE, k->to_send - k->sent);
        struct iovec iov[2] = {{piece, size / 3}, {piece + size / 3, size - size / 3}};
        ssize_t n;

        for (size_t i = 0; i < size; i++)
            piece[i] = byte_at(k->sent + i);
        n = world_sendv(e->w, k->ear.sock, iov, 2);
        k->can_send = n == (ssize_t)size;
        k->broken |= n < 0 && n != -EAGAIN;
        k->sent += n > 0 ? (size_t)n : 0;
        if (k->sent == k->to_send)
            assert_int_equal(world_shutdown_send(e->w, k->ear.sock), 0);
    }
}

static void talk_recv(struct env *e, struct talker *k)
{
    while (k->can_recv && !k->broken && !k->ended) {
        char piece[TALK_PIECE];
        ssize_t n = world_recv(e->w, k->ear.sock, piece, sizeof(piece));

        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(piece[i], byte_at(k->received + (size_t)i));
        k->ended = n == 0;
        k->broken |= n < 0 && n != -EAGAIN;
        k->received += n > 0 ? (size_t)n : 0;
        /* After a hang-up no edge comes for the end itself. */
        k->can_recv = n == sizeof(piece) || (n > 0 && (k->ear.seen & WORLD_HANGUP));
    }
}

static void talk(struct env *e, struct talker *k)
{
    if (k->ear.edges == 0)
        return;
    k->ear.edges = 0;
    k->can_recv |= (k->ear.seen & WORLD_READABLE) != 0;
    k->can_send |= (k->ear.seen & WORLD_WRITABLE) != 0;
    k->ear.seen &= WORLD_HANGUP;
    talk_recv(e, k);
    talk_send(e, k);
}

static bool talk_done(const struct talker *k)
{
    return k->broken || (k->ended && k->sent == k->to_send);
}

static struct sim_link any_link(struct rng *r)
{
    struct sim_link link = {
        .latency_ns = (int64_t)rng_below(r, 3 * NS_PER_MS),
        .jitter_ns = (int64_t)rng_below(r, 2) * NS_PER_MS,
        .segment_max = (uint32_t)rng_below(r, 2) * (1 + (uint32_t)rng_below(r, 300)),
        .window_bytes = 1 + (uint32_t)rng_below(r, 2000),
        .stall_chance = rng_unit(r) < 0.3 ? 0.05 : 0,
        .stall_ns = 50 * NS_PER_MS,
        .spurious_chance = rng_unit(r) < 0.3 ? 0.2 : 0,
        .reset_chance = rng_unit(r) < 0.2 ? 0.01 : 0,
    };

    return link;
}

/* Runs one conversation and returns a hash of everything that could be seen of it. */
static uint64_t converse(uint64_t seed)
{
    struct env e = sim_env(seed);
    struct rng r;
    struct pair t;
    struct talker a = {.to_send = TALK_BYTES}, b = {.to_send = TALK_BYTES};
    struct sim_link link;
    struct sim_stats stats;
    int64_t cut_at_ns, heal_at_ns;

    rng_seed(&r, seed ^ 99);
    link = any_link(&r);
    pair_open(&e, &t);
    sim_set_link(e.w, &t.addr, &link);
    assert_int_equal(world_poller_remove(e.w, e.p, t.client.sock), 0);
    assert_int_equal(world_poller_remove(e.w, e.p, t.server.sock), 0);
    ear_open(&e, &a.ear, t.client.sock);
    ear_open(&e, &b.ear, t.server.sock);
    cut_at_ns = world_now_ns(e.w) + (int64_t)rng_below(&r, 20 * NS_PER_MS);
    heal_at_ns = rng_unit(&r) < 0.5 ? cut_at_ns + NS_PER_SEC : cut_at_ns;
    while (!talk_done(&a) || !talk_done(&b)) {
        bool cut = world_now_ns(e.w) >= cut_at_ns && world_now_ns(e.w) < heal_at_ns;

        if (cut != link.partitioned) {
            link.partitioned = cut;
            sim_set_link(e.w, &t.addr, &link);
        }
        assert_true(pump(&e, cut ? 10 * NS_PER_MS : NS_NEVER) >= 0); /* -EDEADLK: an edge lost */
        talk(&e, &a);
        talk(&e, &b);
    }
    if (!a.broken && !b.broken) {
        assert_int_equal(a.received, TALK_BYTES);
        assert_int_equal(b.received, TALK_BYTES);
    } else {
        assert_true(link.reset_chance > 0);
    }
    sim_get_stats(e.w, &stats);
    pair_close(&e, &t);
    sim_env_done(&e);
    return mix64((uint64_t)stats.virtual_ns) ^ mix64(stats.segments * 7919 + stats.bytes);
}

static void any_link_delivers_all_bytes_in_order_by_edges_alone(void **state)
{
    for (uint64_t seed = 1; seed <= 3000; seed++)
        converse(seed);
}

static void a_seed_repeats_its_run_exactly(void **state)
{
    int different = 0;

    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t first = converse(seed);

        assert_int_equal(converse(seed), first);
        different += first != converse(seed + 1);
    }
    assert_true(different >= 45);
}

static void chance_repeats_with_the_seed(void **state)
{
    struct env a = sim_env(5), b = sim_env(5), c = sim_env(6);
    uint64_t x[3], y[3], z[3];

    world_random(a.w, x, sizeof(x));
    world_random(b.w, y, sizeof(y));
    world_random(c.w, z, sizeof(z));
    assert_memory_equal(x, y, sizeof(x));
    assert_memory_not_equal(x, z, sizeof(x));
    sim_env_done(&a);
    sim_env_done(&b);
    sim_env_done(&c);
}

/* The order among sockets with events of one instant is drawn: either one comes first. */
static void events_of_one_instant_come_in_any_order(void **state)
{
    int first_client = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct env e = sim_env(seed);
        struct world_event events[2];
        struct pair t;

        pair_open(&e, &t);
        quiet(&e, &t);
        send_text(&e, &t.client, "x");
        send_text(&e, &t.server, "x");
        assert_int_equal(world_poll(e.w, e.p, events, 2, NS_PER_SEC), 2);
        first_client += events[0].udata == &t.client;
        pair_close(&e, &t);
        sim_env_done(&e);
    }
    assert_in_range(first_client, 8, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_moves_only_by_waiting),
        cmocka_unit_test(distance_takes_time),
        cmocka_unit_test(a_stall_delays_and_loses_nothing),
        cmocka_unit_test(a_partition_is_silent_and_heals),
        cmocka_unit_test(a_frozen_machine_is_half_open_until_it_comes_back),
        cmocka_unit_test(connects_are_refused_or_hang_as_told),
        cmocka_unit_test(resets_come_by_chance_or_all_at_once),
        cmocka_unit_test(a_small_window_bites_and_a_larger_one_frees),
        cmocka_unit_test(room_for_a_few_bytes_is_no_edge_yet),
        cmocka_unit_test(spurious_events_come_without_a_cause),
        cmocka_unit_test(the_lowest_free_handle_comes_back_at_once),
        cmocka_unit_test(handles_run_out_and_the_connection_waits),
        cmocka_unit_test(a_full_backlog_delays_the_connect),
        cmocka_unit_test(a_wildcard_listener_hears_every_address),
        cmocka_unit_test(client_addresses_differ_and_are_reused),
        cmocka_unit_test(any_link_delivers_all_bytes_in_order_by_edges_alone),
        cmocka_unit_test(a_seed_repeats_its_run_exactly),
        cmocka_unit_test(chance_repeats_with_the_seed),
        cmocka_unit_test(events_of_one_instant_come_in_any_order),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
