#include "lab.h"

struct lab *lab_now;

static struct counting_world *counting(struct world *w)
{
    return container_of(w, struct counting_world, world);
}

static struct world *inner(struct world *w)
{
    return counting(w)->inner;
}

static ssize_t count_vain(struct world *w, ssize_t n)
{
    if (n == -EAGAIN)
        atomic_fetch_add(&counting(w)->vain, 1);
    return n;
}

static int64_t c_now_ns(struct world *w)
{
    return world_now_ns(inner(w));
}

static int64_t c_wall_ns(struct world *w)
{
    return world_wall_ns(inner(w));
}

static void c_random(struct world *w, void *out, size_t size)
{
    world_random(inner(w), out, size);
}

static int c_listen(struct world *w, const struct addr *a, int backlog)
{
    return world_listen(inner(w), a, backlog);
}

static int c_accept(struct world *w, int listener, struct addr *ret_peer)
{
    return world_accept(inner(w), listener, ret_peer);
}

static int c_connect(struct world *w, const struct addr *a)
{
    return world_connect(inner(w), a);
}

static int c_connect_result(struct world *w, int sock)
{
    return world_connect_result(inner(w), sock);
}

static ssize_t c_recv(struct world *w, int sock, void *data, size_t size)
{
    atomic_fetch_add(&counting(w)->recvs, 1);
    return count_vain(w, world_recv(inner(w), sock, data, size));
}

static ssize_t c_peek(struct world *w, int sock, void *data, size_t size)
{
    atomic_fetch_add(&counting(w)->peeks, 1);
    return world_peek(inner(w), sock, data, size);
}

static ssize_t c_sendv(struct world *w, int sock, const struct iovec *iov, int count)
{
    atomic_fetch_add(&counting(w)->sends, 1);
    return count_vain(w, world_sendv(inner(w), sock, iov, count));
}

static int c_local_addr(struct world *w, int sock, struct addr *ret)
{
    return world_local_addr(inner(w), sock, ret);
}

static int c_shutdown_send(struct world *w, int sock)
{
    return world_shutdown_send(inner(w), sock);
}

static void c_reset(struct world *w, int sock)
{
    world_reset(inner(w), sock);
}

static void c_close(struct world *w, int sock)
{
    world_close(inner(w), sock);
}

static int c_poller_new(struct world *w, struct world_poller **ret)
{
    return world_poller_new(inner(w), ret);
}

static struct counting_world *counting_new(struct world *to)
{
    struct counting_world *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->inner = to;
    c->ops = *to->ops; /* the calls on a poller go straight through */
    c->ops.now_ns = c_now_ns;
    c->ops.wall_ns = c_wall_ns;
    c->ops.random = c_random;
    c->ops.listen = c_listen;
    c->ops.accept = c_accept;
    c->ops.connect = c_connect;
    c->ops.connect_result = c_connect_result;
    c->ops.recv = c_recv;
    c->ops.peek = c_peek;
    c->ops.sendv = c_sendv;
    c->ops.local_addr = c_local_addr;
    c->ops.shutdown_send = c_shutdown_send;
    c->ops.reset = c_reset;
    c->ops.close = c_close;
    c->ops.poller_new = c_poller_new;
    c->world = (struct world){.ops = &c->ops, .simulated = to->simulated};
    return c;
}

static int main_fn(void *arg)
{
    struct lab *lab = arg;
    struct addr a;

    CHECK_EQ(addr_parse(STR("127.0.0.1:0"), &a), 0);
    CHECK_EQ(listener_open(&a, 64, &lab->listener), 0);
    CHECK_EQ(listener_local(lab->listener, &lab->addr), 0);
    lab->body(lab);
    listener_close(lab->listener);
    return 0;
}

void lab_run(uint64_t seed, void (*body)(struct lab *lab))
{
    struct lab lab = {.seed = seed, .body = body};
    struct weir_options o = {.size = sizeof(o), .workers = 2};

    lab.sim = seed != 0 ? sim_new(seed) : NULL;
    lab.counts = counting_new(lab.sim != NULL ? lab.sim : world_real());
    rng_seed(&lab.rng, seed + 17);
    o.world = &lab.counts->world;
    lab_now = &lab;
    assert_int_equal(weir_main(main_fn, &lab, &o), 0);
    if (lab.sim != NULL) {
        struct sim_stats stats;

        sim_get_stats(lab.sim, &stats);
        assert_int_equal(stats.open_sockets, 0);
        sim_free(lab.sim);
    }
    free(lab.counts);
    lab_now = NULL;
}

struct sim_link lab_any_link(struct rng *r)
{
    return (struct sim_link){
        .latency_ns = (int64_t)rng_below(r, 3 * NS_PER_MS),
        .jitter_ns = (int64_t)rng_below(r, 2) * NS_PER_MS,
        .segment_max = (uint32_t)rng_below(r, 2) * (1 + (uint32_t)rng_below(r, 300)),
        .window_bytes = 1 + (uint32_t)rng_below(r, 2000),
        .stall_chance = rng_unit(r) < 0.3 ? 0.05 : 0,
        .stall_ns = 50 * NS_PER_MS,
        .spurious_chance = rng_unit(r) < 0.3 ? 0.2 : 0,
    };
}

void lab_set_link(struct lab *lab, const struct sim_link *link)
{
    lab->link = *link;
    if (lab->sim != NULL)
        sim_set_link(lab->sim, &lab->addr, link);
}

struct dialer {
    struct lab *lab;
    struct stream *s;
};

static void dial(void *arg)
{
    struct dialer *d = arg;

    CHECK_EQ(stream_dial(&d->lab->addr, &d->s), 0);
}

void lab_pair(struct lab *lab, struct stream **ret_client, struct stream **ret_server)
{
    struct dialer d = {.lab = lab};

    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "dial", dial, &d), 0);
        CHECK_EQ(listener_accept(lab->listener, ret_server), 0);
    }
    *ret_client = d.s;
}

char lab_byte(size_t at)
{
    return (char)(at * 31 % 251);
}

void lab_fill(char *out, size_t at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = lab_byte(at + i);
}

void lab_verify(const char *got, size_t at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(got[i], lab_byte(at + i));
}

void lab_read_all(struct stream *s, char *out, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = stream_read(s, out + len, size - len);

        CHECK(n > 0);
        len += (size_t)n;
    }
}

void run_sim(void (*body)(struct lab *lab))
{
    for (uint64_t seed = 1; seed <= LAB_SEEDS; seed++)
        lab_run(seed, body);
}

void run_everywhere(void (*body)(struct lab *lab))
{
    lab_run(0, body);
    run_sim(body);
}

void wait_for_bytes(void *arg)
{
    struct waiting *w = arg;

    w->result = (int)stream_read(w->s, (char[1]){0}, 1);
}

void wait_for_client(void *arg)
{
    struct waiting *w = arg;

    atomic_store(&w->begun, true);
    w->result = listener_accept(w->lab->listener, &w->s);
}
