/* The socket calls of the simulated world, with the answers that Linux gives. */
#include <stdlib.h>

#include "world/sim_impl.h"

static uint32_t end_levels(struct sim_end *e)
{
    uint32_t levels = 0;

    switch (e->state) {
    case SIM_OPEN:
        if (e->unread_bytes > 0)
            levels |= WORLD_READABLE;
        if (e->fin_out || sim_writable(e))
            levels |= WORLD_WRITABLE;
        else
            e->blocked = true;
        if (e->fin_in)
            levels |= WORLD_READABLE | WORLD_WRITABLE | WORLD_HANGUP;
        return levels;
    case SIM_DEAD:
        return WORLD_READABLE | WORLD_WRITABLE | WORLD_HANGUP;
    default:
        return 0;
    }
}

uint32_t sim_sock_levels(struct sim_sock *sock)
{
    if (sock->kind == SIM_STREAM)
        return end_levels(sim_end_of(sock));
    return sim_listener_of(sock)->waiting_count > 0 ? WORLD_READABLE : 0;
}

static struct sim_end *end_get(struct world *w, int handle)
{
    return sim_end_of(sim_handle_get(w, handle));
}

static void set_port(struct addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->in.sin_port = htons(port);
    else
        a->in6.sin6_port = htons(port);
}

int sim_listen(struct world *w, const struct addr *a, int backlog)
{
    struct sim *s = sim_of(w);
    struct sim_listener *l;
    struct sim_place *place;
    struct addr at = *a;
    int handle;

    if (at.sa.sa_family != AF_UNIX && addr_port(&at) == 0) {
        do {
            set_port(&at, s->listen_port_next++);
        } while (sim_place_get(s, &at)->listener != NULL);
    }
    place = sim_place_get(s, &at);
    if (place->listener != NULL)
        return -EADDRINUSE;
    l = sim_alloc(sizeof(*l));
    l->sock = (struct sim_sock){.sim = s, .kind = SIM_LISTENER};
    handle = sim_handle_open(s, &l->sock);
    if (handle < 0) {
        free(l);
        return handle;
    }
    l->place = place;
    l->backlog = MAX(backlog, 1);
    list_init(&l->waiting);
    place->listener = l;
    return handle;
}

int sim_accept(struct world *w, int listener, struct addr *ret_peer)
{
    struct sim *s = sim_of(w);
    struct sim_listener *l = sim_listener_of(sim_handle_get(w, listener));
    struct sim_end *e;
    int handle;

    if (list_empty(&l->waiting))
        return -EAGAIN;
    e = list_entry(l->waiting.next, struct sim_end, accept_node);
    handle = sim_handle_open(s, &e->sock);
    if (handle < 0)
        return handle;
    list_remove(&e->accept_node);
    l->waiting_count--;
    s->stats.accepts++;
    if (ret_peer != NULL)
        *ret_peer = sim_peer_of(e)->addr;
    return handle;
}

int sim_connect(struct world *w, const struct addr *a)
{
    struct sim *s = sim_of(w);
    struct sim_conn *c;
    struct sim_end *e;
    int handle;
    int error = sim_conn_new(s, a, &c);

    if (error != 0)
        return error;
    e = &c->ends[SIM_CLIENT];
    handle = sim_handle_open(s, &e->sock);
    if (handle < 0) {
        sim_conn_free(c);
        return handle;
    }
    s->stats.connects++;
    c->refused = sim_chance(s, sim_link_of(c)->refuse_chance);
    if (!sim_chance(s, sim_link_of(c)->connect_hang_chance))
        sim_send(e, SIM_SYN, "", 0);
    return handle;
}

static int error_take(struct sim_end *e)
{
    int error = -e->error;

    e->error = 0;
    return error;
}

int sim_connect_result(struct world *w, int sock)
{
    struct sim_end *e = end_get(w, sock);

    if (e->error != 0)
        return error_take(e);
    return e->state == SIM_OPEN ? 0 : -EINPROGRESS;
}

/* Copies what is there; takes it when asked to. */
static size_t copy_unread(struct sim_end *e, char *out, size_t size, bool take)
{
    size_t done = 0;

    list_for_each_safe (node, &e->unread) {
        struct sim_segment *g = list_entry(node, struct sim_segment, node);
        uint32_t n = (uint32_t)MIN((size_t)(g->len - g->taken), size - done);

        if (done == size)
            break;
        memcpy(out + done, g->bytes + g->taken, n);
        done += n;
        if (!take)
            continue;
        g->taken += n;
        if (g->taken == g->len) {
            list_remove(node);
            free(g);
        }
    }
    return done;
}

/* Some calls take a part only, as when the rest comes a moment later: with an edge of its own. */
static size_t perhaps_short(struct sim_end *e, size_t size)
{
    struct rng *r = &e->conn->sim->net_rng;

    if (sim_link_of(e->conn)->segment_max == 0 || size < 2 || rng_below(r, 8) != 0)
        return size;
    sim_sock_raise(&e->sock);
    return 1 + rng_below(r, size - 1);
}

/* What a read finds when no bytes are left. */
static ssize_t end_of_bytes(struct sim_end *e)
{
    if (e->fin_in)
        return 0;
    if (e->error != 0)
        return error_take(e);
    return e->state == SIM_DEAD ? 0 : -EAGAIN;
}

ssize_t sim_recv(struct world *w, int sock, void *data, size_t size)
{
    struct sim_end *e = end_get(w, sock);

    if (size == 0)
        return 0;
    if (e->unread_bytes == 0)
        return end_of_bytes(e);
    size = perhaps_short(e, MIN(size, e->unread_bytes));
    size = copy_unread(e, data, size, true);
    e->unread_bytes -= size;
    sim_took(e, size);
    return (ssize_t)size;
}

ssize_t sim_peek(struct world *w, int sock, void *data, size_t size)
{
    struct sim_end *e = end_get(w, sock);

    if (size == 0)
        return 0;
    return e->unread_bytes > 0 ? (ssize_t)copy_unread(e, data, size, false) : end_of_bytes(e);
}

static size_t iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

ssize_t sim_sendv(struct world *w, int sock, const struct iovec *iov, int count)
{
    struct sim_end *e = end_get(w, sock);
    size_t size = iov_size(iov, count);
    size_t room = sim_room(e);
    size_t left;

    if (e->error != 0)
        return error_take(e);
    if (e->state == SIM_DEAD || e->fin_out)
        return -EPIPE;
    if (e->state != SIM_OPEN || (room == 0 && size > 0)) {
        e->blocked = true;
        return -EAGAIN;
    }
    if (room < size)
        e->blocked = true;
    size = perhaps_short(e, MIN(size, room));
    left = size;
    for (int i = 0; i < count && left > 0; i++) {
        uint32_t n = (uint32_t)MIN(left, iov[i].iov_len);

        if (n > 0)
            sim_send(e, SIM_DATA, iov[i].iov_base, n);
        left -= n;
    }
    return (ssize_t)size;
}

int sim_local_addr(struct world *w, int sock, struct addr *ret)
{
    struct sim_sock *k = sim_handle_get(w, sock);

    *ret = k->kind == SIM_STREAM ? sim_end_of(k)->addr : sim_listener_of(k)->place->addr;
    return 0;
}

int sim_shutdown_send(struct world *w, int sock)
{
    struct sim_end *e = end_get(w, sock);

    if (e->state != SIM_OPEN)
        return -ENOTCONN;
    if (!e->fin_out)
        sim_send(e, SIM_FIN, "", 0);
    e->fin_out = true;
    sim_sock_raise(&e->sock);
    return 0;
}

/* Linux resets, too, when the user closes without having read everything. */
static void end_close(struct sim_end *e, bool reset)
{
    if (e->state == SIM_OPEN) {
        if (reset || e->unread_bytes > 0)
            sim_send(e, SIM_RST, "", 0);
        else if (!e->fin_out)
            sim_send(e, SIM_FIN, "", 0);
        e->state = reset || e->unread_bytes > 0 ? SIM_ABSENT : SIM_CLOSED;
    } else {
        e->state = SIM_CLOSED;
    }
    sim_conn_free_if_done(e->conn);
}

static void listener_close(struct sim_listener *l)
{
    struct list *node;

    while ((node = list_pop_front(&l->waiting)) != NULL)
        end_close(list_entry(node, struct sim_end, accept_node), true);
    l->place->listener = NULL;
    free(l);
}

static void sock_close(struct world *w, int sock, bool reset)
{
    struct sim_sock *k = sim_handle_get(w, sock);

    sim_sock_unwatch(k);
    sim_handle_close(k);
    if (k->kind == SIM_LISTENER)
        listener_close(sim_listener_of(k));
    else
        end_close(sim_end_of(k), reset);
}

void sim_reset(struct world *w, int sock)
{
    sock_close(w, sock, true);
}

void sim_close(struct world *w, int sock)
{
    sock_close(w, sock, false);
}
