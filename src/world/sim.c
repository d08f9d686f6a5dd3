/* The simulated world itself: its clock, its chance, its table of handles. The network is in
 * sim_net.c (addresses and faults), sim_pipe.c (what travels) and sim_sock.c (the calls). */
#include "world/sim.h"

#include <stdlib.h>

#include "world/sim_impl.h"

/* Any start will do that is not zero: code that takes 0 for "never" shows itself elsewhere. */
#define SIM_START_NS      (1000 * NS_PER_SEC)
#define SIM_WALL_START_NS (INT64_C(1767225600) * NS_PER_SEC) /* 2026-01-01T00:00:00Z */

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size);

    ASSERT(p != NULL);
    return p;
}

/* Draws only when there is something to draw, so that a fault that is off changes no run. */
bool sim_chance(struct sim *s, double probability)
{
    return probability > 0 && rng_unit(&s->net_rng) < probability;
}

/* Like descriptors: the lowest free number, so that a handle used after its close soon names
 * somebody else's socket and the mistake shows. */
int sim_handle_open(struct sim *s, struct sim_sock *sock)
{
    int h = s->handle_hint;

    while (h < s->handle_cap && s->handles[h] != NULL)
        h++;
    if (h - SIM_HANDLE_FIRST >= s->handle_max)
        return -EMFILE;
    if (h >= s->handle_cap) {
        int cap = MAX(64, s->handle_cap * 2);

        s->handles = reallocarray(s->handles, (size_t)cap, sizeof(*s->handles));
        ASSERT(s->handles != NULL);
        memset(s->handles + s->handle_cap, 0, (size_t)(cap - s->handle_cap) * sizeof(*s->handles));
        s->handle_cap = cap;
    }
    s->handles[h] = sock;
    s->handle_hint = h + 1;
    s->stats.open_sockets++;
    sock->handle = h;
    return h;
}

void sim_handle_close(struct sim_sock *sock)
{
    struct sim *s = sock->sim;

    s->handles[sock->handle] = NULL;
    s->handle_hint = MIN(s->handle_hint, sock->handle);
    s->stats.open_sockets--;
    sock->handle = -1;
}

struct sim_sock *sim_handle_get(struct world *w, int handle)
{
    struct sim *s = sim_of(w);

    ASSERT(handle >= SIM_HANDLE_FIRST && handle < s->handle_cap);
    ASSERT(s->handles[handle] != NULL); /* used after its close */
    return s->handles[handle];
}

static int64_t sim_now_ns(struct world *w)
{
    struct sim *s = sim_of(w);

    s->now_ns += s->clock_cost_ns;
    return s->now_ns;
}

static int64_t sim_wall_ns(struct world *w)
{
    return SIM_WALL_START_NS + sim_of(w)->now_ns - SIM_START_NS;
}

static void sim_random(struct world *w, void *out, size_t size)
{
    char *at = out;

    while (size > 0) {
        uint64_t x = rng_next(&sim_of(w)->user_rng);
        size_t n = MIN(size, sizeof(x));

        memcpy(at, &x, n);
        at += n;
        size -= n;
    }
}

static const struct world_ops sim_ops = {
    .now_ns = sim_now_ns,
    .wall_ns = sim_wall_ns,
    .random = sim_random,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .connect_result = sim_connect_result,
    .recv = sim_recv,
    .peek = sim_peek,
    .sendv = sim_sendv,
    .local_addr = sim_local_addr,
    .shutdown_send = sim_shutdown_send,
    .reset = sim_reset,
    .close = sim_close,
    .poller_new = sim_poller_new,
    .poller_free = sim_poller_free,
    .poller_add = sim_poller_add,
    .poller_remove = sim_poller_remove,
    .poll = sim_poll,
    .poller_wake = sim_poller_wake,
};

struct world *sim_new(uint64_t seed)
{
    struct sim *s = sim_alloc(sizeof(*s));

    s->world = (struct world){.ops = &sim_ops, .simulated = true};
    s->now_ns = SIM_START_NS;
    rng_seed(&s->net_rng, seed);
    rng_seed(&s->user_rng, mix64(seed + 1));
    list_init(&s->places);
    list_init(&s->conns);
    s->handle_hint = SIM_HANDLE_FIRST;
    s->handle_max = 65536;
    s->listen_port_next = SIM_LISTEN_PORT_FIRST;
    s->default_link.latency_ns = 50 * NS_PER_US;
    return &s->world;
}

void sim_free(struct world *w)
{
    struct sim *s;
    struct list *node;

    if (w == NULL)
        return;
    s = sim_of(w);
    list_for_each_safe (at, &s->conns)
        sim_conn_free(list_entry(at, struct sim_conn, node));
    while ((node = list_pop_front(&s->places)) != NULL) {
        struct sim_place *place = list_entry(node, struct sim_place, node);

        free(place->listener);
        free(place);
    }
    free(s->handles);
    free(s->heap);
    free(s);
}

void sim_set_socket_max(struct world *w, int max)
{
    sim_of(w)->handle_max = max;
}

void sim_advance(struct world *w, int64_t ns)
{
    sim_of(w)->now_ns += MAX(ns, 0);
}

void sim_set_clock_cost(struct world *w, int64_t ns)
{
    sim_of(w)->clock_cost_ns = ns;
}

int64_t sim_clock_ns(struct world *w)
{
    return sim_of(w)->now_ns;
}

void sim_get_stats(struct world *w, struct sim_stats *ret)
{
    struct sim *s = sim_of(w);

    *ret = s->stats;
    ret->virtual_ns = s->now_ns - SIM_START_NS;
}
