/* The insides of the simulated world. Everything that travels (connects, data, ends, resets) is a
 * segment in the pipe of one direction; everything that is to happen is a timer in one heap. Memory
 * that runs out ends the simulation: it is a test instrument, and its own failures prove nothing.
 */
#ifndef WEIR_WORLD_SIM_IMPL_H
#define WEIR_WORLD_SIM_IMPL_H

#include "base/assert.h"
#include "base/hash.h"
#include "base/list.h"
#include "world/sim.h"

struct sim;

struct sim_timer {
    int64_t due_ns;
    uint64_t tie; /* order among timers of one instant, drawn by chance */
    size_t index; /* place in the heap, counted from 1; 0 when not armed */
    void (*fire)(struct sim *s, struct sim_timer *t);
};

enum sim_sock_kind { SIM_LISTENER, SIM_STREAM };

/* What a handle names; the first member of listeners and ends. */
struct sim_sock {
    struct sim *sim;
    enum sim_sock_kind kind;
    int handle; /* -1: none (closed, or not yet accepted) */
    struct world_poller *poller;
    void *udata;
    size_t ready_index; /* place in the poller's ready array, counted from 1; 0: no edge waits */
};

/* All that is known about an address: what its network does, and who listens. Never freed before
 * the world. */
struct sim_place {
    struct list node;
    struct addr addr;
    bool has_link; /* else the default link holds */
    bool frozen;
    struct sim_link link;
    struct sim_listener *listener; /* NULL: nobody listens */
};

struct sim_listener {
    struct sim_sock sock;
    struct sim_place *place;
    struct list waiting; /* ends to accept, through accept_node */
    int waiting_count;
    int backlog;
};

enum sim_segment_kind { SIM_SYN, SIM_SYN_ACK, SIM_DATA, SIM_FIN, SIM_RST };

struct sim_segment {
    struct list node;
    int64_t due_ns;
    enum sim_segment_kind kind;
    uint32_t len;
    uint32_t taken; /* bytes already read */
    char bytes[];
};

/* One direction of a connection. Its queue is in order of due_ns. */
struct sim_pipe {
    struct list queue;
    int64_t last_due_ns;
    struct sim_timer arrive; /* armed for the head of the queue, unless the connection is held */
    struct sim_timer credit; /* news for the sender that the reader has made room */
    size_t used_bytes;       /* sent and not yet known to be read */
    size_t credit_bytes;
};

enum sim_end_state {
    SIM_ABSENT,     /* the server's end before the connect has come through */
    SIM_CONNECTING, /* the client's end before the answer */
    SIM_OPEN,       /* established, perhaps closed in one or both directions */
    SIM_DEAD,       /* reset; error holds what the next call reports */
    SIM_CLOSED,     /* given back by its user, or refused before anybody had it */
};

struct sim_end {
    struct sim_sock sock;
    struct sim_conn *conn;
    struct sim_pipe out;
    enum sim_end_state state;
    int error;    /* positive errno, reported once */
    bool fin_in;  /* the peer's end of stream has arrived */
    bool fin_out; /* ours has been sent */
    bool blocked; /* a send found too little room: an edge is owed */
    struct list unread;
    size_t unread_bytes;
    struct list accept_node;
    struct addr addr; /* of this end */
};

enum { SIM_CLIENT, SIM_SERVER };

struct sim_conn {
    struct list node;
    struct sim *sim;
    struct sim_place *place;
    struct sim_end ends[2];
    bool held;      /* partitioned or frozen: no timer of its pipes is armed */
    bool half_open; /* was live when its place froze */
    bool refused;   /* chance has decided against it */
};

enum {
    SIM_HANDLE_FIRST = 3,
    SIM_PORT_FIRST = 32768, /* of clients */
    SIM_PORT_COUNT = 28232,
    SIM_LISTEN_PORT_FIRST = 20000,
    SIM_WINDOW_BYTES = 65536,
};

#define SIM_LATENCY_MIN_NS NS_PER_US
#define SIM_SYN_RETRY_NS   NS_PER_SEC

struct sim {
    struct world world;
    int64_t now_ns;
    int64_t clock_cost_ns;
    struct rng net_rng;  /* what the network does */
    struct rng user_rng; /* what world_random() gives */

    struct sim_timer **heap;
    size_t heap_count, heap_cap;

    struct sim_sock **handles;
    int handle_cap, handle_hint; /* nothing below the hint is free */
    int handle_max;

    struct list places;
    struct list conns;
    struct sim_link default_link;
    uint8_t ports_used[(SIM_PORT_COUNT + 7) / 8];
    uint32_t port_next;
    uint16_t listen_port_next;
    struct sim_stats stats;
};

static inline struct sim *sim_of(struct world *w)
{
    ASSERT(w->simulated);
    return container_of(w, struct sim, world);
}

static inline struct sim_end *sim_end_of(struct sim_sock *sock)
{
    ASSERT(sock->kind == SIM_STREAM);
    return container_of(sock, struct sim_end, sock);
}

static inline struct sim_listener *sim_listener_of(struct sim_sock *sock)
{
    ASSERT(sock->kind == SIM_LISTENER);
    return container_of(sock, struct sim_listener, sock);
}

static inline struct sim_end *sim_peer_of(struct sim_end *e)
{
    return e == &e->conn->ends[SIM_CLIENT] ? &e->conn->ends[SIM_SERVER]
                                           : &e->conn->ends[SIM_CLIENT];
}

/* sim.c: memory, chance, handles */
void *sim_alloc(size_t size); /* zeroed, never NULL */
bool sim_chance(struct sim *s, double probability);
int sim_handle_open(struct sim *s, struct sim_sock *sock); /* the lowest free one, or -EMFILE */
void sim_handle_close(struct sim_sock *sock);
struct sim_sock *sim_handle_get(struct world *w, int handle);

/* sim_timer.c */
void sim_timer_arm(struct sim *s, struct sim_timer *t, int64_t due_ns);
void sim_timer_cancel(struct sim *s, struct sim_timer *t);
int64_t sim_timer_next_ns(const struct sim *s); /* NS_NEVER: none */
void sim_timer_run_due(struct sim *s);

/* sim_net.c: addresses, links, connections */
struct sim_place *sim_place_get(struct sim *s, const struct addr *a);
struct sim_listener *sim_listener_find(struct sim *s, struct sim_place *place);
const struct sim_link *sim_link_of(const struct sim_conn *c);
int sim_conn_new(struct sim *s, const struct addr *to, struct sim_conn **ret);
void sim_conn_free(struct sim_conn *c);
void sim_conn_free_if_done(struct sim_conn *c); /* when neither end has a user any more */
void sim_conn_reset(struct sim_conn *c);        /* both ends, at once */

/* sim_pipe.c: what travels */
void sim_pipe_init(struct sim_pipe *p);
void sim_pipe_purge(struct sim *s, struct sim_pipe *p);
void sim_pipe_hold(struct sim_conn *c, bool hold);
void sim_send(struct sim_end *from, enum sim_segment_kind kind, const char *bytes, uint32_t len);
size_t sim_room(const struct sim_end *e);
bool sim_writable(const struct sim_end *e);
void sim_took(struct sim_end *reader, size_t bytes);
void sim_room_grew(struct sim_end *sender); /* gives the edge that is owed, if one is */
void sim_end_reset(struct sim_end *e);

/* sim_sock.c */
uint32_t sim_sock_levels(struct sim_sock *sock);
int sim_listen(struct world *w, const struct addr *a, int backlog);
int sim_accept(struct world *w, int listener, struct addr *ret_peer);
int sim_connect(struct world *w, const struct addr *a);
int sim_connect_result(struct world *w, int sock);
ssize_t sim_recv(struct world *w, int sock, void *data, size_t size);
ssize_t sim_peek(struct world *w, int sock, void *data, size_t size);
ssize_t sim_sendv(struct world *w, int sock, const struct iovec *iov, int count);
int sim_local_addr(struct world *w, int sock, struct addr *ret);
int sim_shutdown_send(struct world *w, int sock);
void sim_reset(struct world *w, int sock);
void sim_close(struct world *w, int sock);

/* sim_poll.c */
void sim_sock_raise(struct sim_sock *sock); /* an edge */
void sim_sock_unwatch(struct sim_sock *sock);
int sim_poller_new(struct world *w, struct world_poller **ret);
void sim_poller_free(struct world_poller *p);
int sim_poller_add(struct world_poller *p, int sock, void *udata);
int sim_poller_remove(struct world_poller *p, int sock);
int sim_poll(struct world_poller *p, struct world_event *events, int max, int64_t timeout_ns);
void sim_poller_wake(struct world_poller *p);

#endif
