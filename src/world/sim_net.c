/* The simulated network as a whole: what is known of each address, the faults set on it, and the
 * connections that live. */
#include <stdlib.h>

#include "world/sim_impl.h"

struct sim_place *sim_place_get(struct sim *s, const struct addr *a)
{
    struct sim_place *place;

    list_for_each (node, &s->places) {
        place = list_entry(node, struct sim_place, node);
        if (addr_eq(&place->addr, a))
            return place;
    }
    place = sim_alloc(sizeof(*place));
    place->addr = *a;
    list_push_back(&s->places, &place->node);
    return place;
}

static bool is_wildcard_of(const struct addr *wild, const struct addr *a)
{
    if (wild->sa.sa_family != a->sa.sa_family || addr_port(wild) != addr_port(a))
        return false;
    if (wild->sa.sa_family == AF_INET)
        return wild->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return wild->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&wild->in6.sin6_addr);
}

struct sim_listener *sim_listener_find(struct sim *s, struct sim_place *place)
{
    if (place->listener != NULL)
        return place->listener;
    list_for_each (node, &s->places) {
        struct sim_place *other = list_entry(node, struct sim_place, node);

        if (other->listener != NULL && is_wildcard_of(&other->addr, &place->addr))
            return other->listener;
    }
    return NULL;
}

static const struct sim_link *place_link(const struct sim *s, const struct sim_place *place)
{
    return place->has_link ? &place->link : &s->default_link;
}

const struct sim_link *sim_link_of(const struct sim_conn *c)
{
    return place_link(c->sim, c->place);
}

/* Client addresses are distinct among those that live. Clients of Unix sockets have none. */
static int client_addr_take(struct sim *s, const struct addr *to, struct addr *ret)
{
    struct addr a = {.len = sizeof(a.un.sun_family), .un = {.sun_family = AF_UNIX}};
    uint32_t tries = 0;

    if (to->sa.sa_family == AF_UNIX) {
        *ret = a;
        return 0;
    }
    while (s->ports_used[s->port_next / 8] & (1u << s->port_next % 8)) {
        if (++tries == SIM_PORT_COUNT)
            return -EADDRNOTAVAIL;
        s->port_next = (s->port_next + 1) % SIM_PORT_COUNT;
    }
    ASSERT(addr_parse(to->sa.sa_family == AF_INET ? STR("127.0.0.1:0") : STR("[::1]:0"), &a) == 0);
    if (a.sa.sa_family == AF_INET)
        a.in.sin_port = htons((uint16_t)(SIM_PORT_FIRST + s->port_next));
    else
        a.in6.sin6_port = htons((uint16_t)(SIM_PORT_FIRST + s->port_next));
    s->ports_used[s->port_next / 8] |= (uint8_t)(1u << s->port_next % 8);
    s->port_next = (s->port_next + 1) % SIM_PORT_COUNT;
    *ret = a;
    return 0;
}

static void client_addr_give(struct sim *s, const struct addr *a)
{
    uint32_t i = addr_port(a) - (uint32_t)SIM_PORT_FIRST;

    if (a->sa.sa_family != AF_UNIX)
        s->ports_used[i / 8] &= (uint8_t) ~(1u << i % 8);
}

static void end_init(struct sim_conn *c, struct sim_end *e, enum sim_end_state state)
{
    e->sock = (struct sim_sock){.sim = c->sim, .kind = SIM_STREAM, .handle = -1};
    e->conn = c;
    e->state = state;
    sim_pipe_init(&e->out);
    list_init(&e->unread);
    list_init(&e->accept_node);
}

int sim_conn_new(struct sim *s, const struct addr *to, struct sim_conn **ret)
{
    struct addr client;
    struct sim_conn *c;
    int error = client_addr_take(s, to, &client);

    if (error != 0)
        return error;
    c = sim_alloc(sizeof(*c));
    c->sim = s;
    c->place = sim_place_get(s, to);
    c->held = sim_link_of(c)->partitioned || c->place->frozen;
    end_init(c, &c->ends[SIM_CLIENT], SIM_CONNECTING);
    end_init(c, &c->ends[SIM_SERVER], SIM_ABSENT);
    c->ends[SIM_CLIENT].addr = client;
    c->ends[SIM_SERVER].addr = *to;
    list_push_back(&s->conns, &c->node);
    *ret = c;
    return 0;
}

void sim_conn_free(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        struct list *node;

        sim_pipe_purge(c->sim, &c->ends[i].out);
        while ((node = list_pop_front(&c->ends[i].unread)) != NULL)
            free(list_entry(node, struct sim_segment, node));
    }
    client_addr_give(c->sim, &c->ends[SIM_CLIENT].addr);
    list_remove(&c->node);
    free(c);
}

void sim_conn_free_if_done(struct sim_conn *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->ends[i].state != SIM_CLOSED && c->ends[i].state != SIM_ABSENT)
            return;
    }
    sim_conn_free(c);
}

void sim_conn_reset(struct sim_conn *c)
{
    c->sim->stats.resets++;
    for (int i = 0; i < 2; i++) {
        sim_pipe_purge(c->sim, &c->ends[i].out);
        sim_end_reset(&c->ends[i]);
    }
}

static bool is_live(const struct sim_conn *c)
{
    return c->ends[SIM_CLIENT].state == SIM_OPEN || c->ends[SIM_SERVER].state == SIM_OPEN;
}

/* Brings every connection into line with what its link and place now say. */
static void apply_faults(struct sim *s)
{
    list_for_each (node, &s->conns) {
        struct sim_conn *c = list_entry(node, struct sim_conn, node);

        sim_pipe_hold(c, sim_link_of(c)->partitioned || c->place->frozen);
        sim_room_grew(&c->ends[SIM_CLIENT]);
        sim_room_grew(&c->ends[SIM_SERVER]);
    }
}

void sim_set_link(struct world *w, const struct addr *a, const struct sim_link *link)
{
    struct sim *s = sim_of(w);

    if (a == NULL) {
        s->default_link = *link;
    } else {
        struct sim_place *place = sim_place_get(s, a);

        place->link = *link;
        place->has_link = true;
    }
    apply_faults(s);
}

int sim_reset_all(struct world *w, const struct addr *a)
{
    struct sim *s = sim_of(w);
    struct sim_place *place = sim_place_get(s, a);
    int count = 0;

    list_for_each (node, &s->conns) {
        struct sim_conn *c = list_entry(node, struct sim_conn, node);

        if (c->place == place && is_live(c)) {
            sim_conn_reset(c);
            count++;
        }
    }
    return count;
}

void sim_freeze(struct world *w, const struct addr *a)
{
    struct sim *s = sim_of(w);
    struct sim_place *place = sim_place_get(s, a);

    place->frozen = true;
    list_for_each (node, &s->conns) {
        struct sim_conn *c = list_entry(node, struct sim_conn, node);

        if (c->place == place && is_live(c))
            c->half_open = true;
    }
    apply_faults(s);
}

void sim_revive(struct world *w, const struct addr *a)
{
    struct sim *s = sim_of(w);
    struct sim_place *place = sim_place_get(s, a);

    place->frozen = false;
    list_for_each (node, &s->conns) {
        struct sim_conn *c = list_entry(node, struct sim_conn, node);

        if (c->place == place && c->half_open) {
            c->half_open = false;
            sim_conn_reset(c);
        }
    }
    apply_faults(s);
}
