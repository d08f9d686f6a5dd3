/* The poller of the simulated world, with the edge-triggered behaviour of epoll: an edge puts a
 * socket on the ready array once; the report tells the levels as they are when it is given, and
 * nothing when they are down again. When nothing is ready, waiting moves the clock. */
#include <stdlib.h>

#include "world/sim_impl.h"

struct world_poller {
    struct sim *sim;
    struct sim_sock **ready; /* unordered: reports are drawn from it by chance */
    size_t ready_count, ready_cap;
    bool woken;
};

int sim_poller_new(struct world *w, struct world_poller **ret)
{
    struct world_poller *p = sim_alloc(sizeof(*p));

    p->sim = sim_of(w);
    *ret = p;
    return 0;
}

void sim_poller_free(struct world_poller *p)
{
    if (p == NULL)
        return;
    for (int h = 0; h < p->sim->handle_cap; h++) {
        if (p->sim->handles[h] != NULL && p->sim->handles[h]->poller == p)
            sim_sock_unwatch(p->sim->handles[h]);
    }
    free(p->ready);
    free(p);
}

void sim_sock_raise(struct sim_sock *sock)
{
    struct world_poller *p = sock->poller;

    if (p == NULL || sock->ready_index != 0)
        return;
    if (p->ready_count == p->ready_cap) {
        p->ready_cap = p->ready_cap != 0 ? p->ready_cap * 2 : 64;
        p->ready = reallocarray(p->ready, p->ready_cap, sizeof(*p->ready));
        ASSERT(p->ready != NULL);
    }
    p->ready[p->ready_count++] = sock;
    sock->ready_index = p->ready_count;
}

static void unready(struct sim_sock *sock)
{
    struct world_poller *p = sock->poller;
    struct sim_sock *last;

    if (sock->ready_index == 0)
        return;
    last = p->ready[--p->ready_count];
    p->ready[sock->ready_index - 1] = last;
    last->ready_index = sock->ready_index;
    sock->ready_index = 0;
}

void sim_sock_unwatch(struct sim_sock *sock)
{
    unready(sock);
    sock->poller = NULL;
    sock->udata = NULL;
}

int sim_poller_add(struct world_poller *p, int sock, void *udata)
{
    struct sim_sock *k = sim_handle_get(&p->sim->world, sock);

    if (k->poller != NULL)
        return -EEXIST;
    k->poller = p;
    k->udata = udata;
    sim_sock_raise(k);
    return 0;
}

int sim_poller_remove(struct world_poller *p, int sock)
{
    struct sim_sock *k = sim_handle_get(&p->sim->world, sock);

    if (k->poller != p)
        return -ENOENT;
    sim_sock_unwatch(k);
    return 0;
}

static int report_ready(struct world_poller *p, struct world_event *events, int max)
{
    int count = 0;

    while (count < max && p->ready_count > 0) {
        struct sim_sock *sock = p->ready[rng_below(&p->sim->net_rng, p->ready_count)];
        uint32_t levels = sim_sock_levels(sock);

        unready(sock);
        if (levels != 0)
            events[count++] = (struct world_event){sock->udata, levels};
    }
    return count;
}

int sim_poll(struct world_poller *p, struct world_event *events, int max, int64_t timeout_ns)
{
    struct sim *s = p->sim;
    int64_t deadline_ns = NS_NEVER;

    if (timeout_ns < NS_NEVER - s->now_ns)
        deadline_ns = s->now_ns + MAX(timeout_ns, 0);
    for (;;) {
        int64_t next_ns;
        int count;

        sim_timer_run_due(s);
        count = report_ready(p, events, max);
        if (count > 0)
            return count;
        if (p->woken || s->now_ns >= deadline_ns)
            break;
        next_ns = MIN(sim_timer_next_ns(s), deadline_ns);
        if (next_ns == NS_NEVER)
            return -EDEADLK;
        s->now_ns = next_ns;
    }
    p->woken = false;
    return 0;
}

void sim_poller_wake(struct world_poller *p)
{
    p->woken = true;
}
