/* What travels in the simulated network: segments with a time of arrival, in the pipe of one
 * direction, and the news for the sender that room has been made. */
#include <stdlib.h>

#include "world/sim_impl.h"

static void arrive_fired(struct sim *s, struct sim_timer *t);
static void credit_fired(struct sim *s, struct sim_timer *t);

void sim_pipe_init(struct sim_pipe *p)
{
    list_init(&p->queue);
    p->arrive.fire = arrive_fired;
    p->credit.fire = credit_fired;
}

static struct sim_segment *queue_head(struct sim_pipe *p)
{
    return list_empty(&p->queue) ? NULL : list_entry(p->queue.next, struct sim_segment, node);
}

static void arm_head(struct sim *s, struct sim_pipe *p)
{
    struct sim_segment *g = queue_head(p);

    if (g != NULL)
        sim_timer_arm(s, &p->arrive, g->due_ns);
}

void sim_pipe_purge(struct sim *s, struct sim_pipe *p)
{
    struct list *node;

    sim_timer_cancel(s, &p->arrive);
    sim_timer_cancel(s, &p->credit);
    while ((node = list_pop_front(&p->queue)) != NULL)
        free(list_entry(node, struct sim_segment, node));
}

static int64_t latency_of(const struct sim_link *link)
{
    return MAX(link->latency_ns, SIM_LATENCY_MIN_NS);
}

/* While held nothing arrives. Released, everything that waited comes a latency from now, in its
 * order: senders repeat what was lost. */
void sim_pipe_hold(struct sim_conn *c, bool hold)
{
    int64_t soonest_ns = c->sim->now_ns + latency_of(sim_link_of(c));

    if (c->held == hold)
        return;
    c->held = hold;
    for (int i = 0; i < 2; i++) {
        struct sim_pipe *p = &c->ends[i].out;

        sim_timer_cancel(c->sim, &p->arrive);
        sim_timer_cancel(c->sim, &p->credit);
        if (hold)
            continue;
        list_for_each (node, &p->queue) {
            struct sim_segment *g = list_entry(node, struct sim_segment, node);

            g->due_ns = MAX(g->due_ns, soonest_ns);
            p->last_due_ns = MAX(p->last_due_ns, g->due_ns);
        }
        arm_head(c->sim, p);
        if (p->credit_bytes > 0)
            sim_timer_arm(c->sim, &p->credit, soonest_ns);
    }
}

static void enqueue(struct sim_end *from, enum sim_segment_kind kind, const char *bytes,
                    uint32_t len)
{
    struct sim *s = from->conn->sim;
    const struct sim_link *link = sim_link_of(from->conn);
    struct sim_segment *g = sim_alloc(sizeof(*g) + len);
    int64_t due_ns = s->now_ns + latency_of(link);

    if (link->jitter_ns > 0)
        due_ns += (int64_t)rng_below(&s->net_rng, (uint64_t)link->jitter_ns);
    if (sim_chance(s, link->stall_chance))
        due_ns = MAX(due_ns, from->out.last_due_ns) + link->stall_ns;
    from->out.last_due_ns = MAX(due_ns, from->out.last_due_ns);
    g->due_ns = from->out.last_due_ns;
    g->kind = kind;
    g->len = len;
    if (len > 0)
        memcpy(g->bytes, bytes, len);
    list_push_back(&from->out.queue, &g->node);
    if (!from->conn->held && from->out.arrive.index == 0)
        arm_head(s, &from->out);
}

void sim_send(struct sim_end *from, enum sim_segment_kind kind, const char *bytes, uint32_t len)
{
    uint32_t piece_max = sim_link_of(from->conn)->segment_max;

    from->out.used_bytes += len;
    do {
        uint32_t piece = len;

        if (piece_max > 0 && len > 0)
            piece = MIN(len, 1 + (uint32_t)rng_below(&from->conn->sim->net_rng, piece_max));
        enqueue(from, kind, bytes, piece);
        bytes += piece;
        len -= piece;
    } while (len > 0);
}

size_t sim_room(const struct sim_end *e)
{
    uint32_t window = sim_link_of(e->conn)->window_bytes;
    size_t size = window > 0 ? window : SIM_WINDOW_BYTES;

    return size > e->out.used_bytes ? size - e->out.used_bytes : 0;
}

/* As Linux has it: writable again when a third of the buffer is free, not at the first byte. */
bool sim_writable(const struct sim_end *e)
{
    size_t room = sim_room(e);

    return room > 0 && room >= e->out.used_bytes / 2;
}

void sim_took(struct sim_end *reader, size_t bytes)
{
    struct sim_conn *c = reader->conn;
    struct sim_pipe *p = &sim_peer_of(reader)->out;

    p->credit_bytes += bytes;
    if (!c->held && p->credit.index == 0)
        sim_timer_arm(c->sim, &p->credit, c->sim->now_ns + latency_of(sim_link_of(c)));
}

static void credit_fired(struct sim *s, struct sim_timer *t)
{
    struct sim_end *sender = container_of(t, struct sim_end, out.credit);

    sender->out.used_bytes -= sender->out.credit_bytes;
    sender->out.credit_bytes = 0;
    sim_room_grew(sender);
}

void sim_room_grew(struct sim_end *sender)
{
    if (sender->blocked && sim_writable(sender)) {
        sender->blocked = false;
        sim_sock_raise(&sender->sock);
    }
}

void sim_end_reset(struct sim_end *e)
{
    if (e->state == SIM_CONNECTING)
        e->error = ECONNREFUSED;
    else if (e->state == SIM_OPEN)
        e->error = e->fin_in ? EPIPE : ECONNRESET;
    else
        return;
    e->state = SIM_DEAD;
    sim_pipe_purge(e->conn->sim, &e->out);
    sim_sock_raise(&e->sock);
}

/* False: the listener's queue is full, and the connect will be tried again. */
static bool syn_arrived(struct sim_end *server)
{
    struct sim_conn *c = server->conn;
    struct sim_listener *l = sim_listener_find(c->sim, c->place);

    if (l == NULL || c->refused || sim_link_of(c)->refuse) {
        sim_send(server, SIM_RST, "", 0);
        return true;
    }
    if (l->waiting_count >= l->backlog)
        return false;
    server->state = SIM_OPEN;
    list_push_back(&l->waiting, &server->accept_node);
    l->waiting_count++;
    sim_send(server, SIM_SYN_ACK, "", 0);
    sim_sock_raise(&l->sock);
    return true;
}

/* Takes g over. Data and answers that reach an end which its user has closed bring a reset back. */
static void segment_arrived(struct sim_end *to, struct sim_segment *g)
{
    if (to->state == SIM_CLOSED && (g->kind == SIM_DATA || g->kind == SIM_SYN_ACK)) {
        to->state = SIM_ABSENT; /* one reset is enough */
        sim_send(to, SIM_RST, "", 0);
    } else if (g->kind == SIM_RST) {
        to->conn->sim->stats.resets++;
        sim_end_reset(to);
    } else if (to->state == SIM_CONNECTING) {
        to->state = SIM_OPEN; /* a SYN-ACK: nothing else but a reset comes first */
        sim_sock_raise(&to->sock);
    } else if (to->state == SIM_OPEN && g->kind == SIM_FIN) {
        to->fin_in = true;
        sim_sock_raise(&to->sock);
    } else if (to->state == SIM_OPEN) {
        to->conn->sim->stats.bytes += g->len;
        to->unread_bytes += g->len;
        list_push_back(&to->unread, &g->node);
        sim_sock_raise(&to->sock);
        return;
    }
    free(g);
}

static void arrive_fired(struct sim *s, struct sim_timer *t)
{
    struct sim_end *from = container_of(t, struct sim_end, out.arrive);
    struct sim_end *to = sim_peer_of(from);
    struct sim_segment *g = queue_head(&from->out);
    const struct sim_link *link = sim_link_of(from->conn);

    if (g->kind == SIM_SYN && !syn_arrived(to)) {
        g->due_ns = from->out.last_due_ns = s->now_ns + SIM_SYN_RETRY_NS;
        arm_head(s, &from->out);
        return;
    }
    s->stats.segments++;
    if ((g->kind == SIM_DATA || g->kind == SIM_FIN) && sim_chance(s, link->reset_chance)) {
        sim_conn_reset(from->conn);
        return;
    }
    if (sim_chance(s, link->spurious_chance))
        sim_sock_raise(&from->sock);
    list_remove(&g->node);
    arm_head(s, &from->out);
    if (g->kind == SIM_SYN)
        free(g);
    else
        segment_arrived(to, g);
}
