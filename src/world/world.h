/* The world: the only door to the operating system. Above this layer nothing asks for time,
 * chance, sockets or polling in any other way, so that the whole of weir runs unchanged in the
 * simulated world (virtual time, seeded chance, a network in memory).
 *
 * No function here parks or blocks, except world_poll(), which blocks the thread (in the simulated
 * world it moves virtual time forward instead). All return >= 0 or a negative errno code.
 *
 * A socket is a small integer handle, in the real world a file descriptor. Sockets are always
 * non-blocking and close-on-exec. */
#ifndef WEIR_WORLD_WORLD_H
#define WEIR_WORLD_WORLD_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/base.h"
#include "base/text.h"

/* An address: IPv4, IPv6 or a Unix socket path. */
struct addr {
    socklen_t len;
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

#define ADDR_TEXT_MAX 128

/* "127.0.0.1:80", "[::1]:80", "unix:/path". No names are resolved. -EINVAL. */
int addr_parse(struct str s, struct addr *ret);
/* Appends the form that addr_parse reads. */
void addr_format(const struct addr *a, struct buf *out);
/* The address without port: "127.0.0.1", "::1", "unix". */
void addr_format_host(const struct addr *a, struct buf *out);
uint16_t addr_port(const struct addr *a); /* 0 for Unix sockets */
bool addr_eq(const struct addr *a, const struct addr *b);

enum {
    WORLD_READABLE = 1, /* bytes, a connection to accept, or end of stream */
    WORLD_WRITABLE = 2, /* room to send, or a connect that ended (see world_connect_result) */
    WORLD_HANGUP = 4,   /* the peer closed or reset; comes with the two bits above */
};

struct world_event {
    void *udata;
    uint32_t events;
};

struct world;
struct world_poller;

struct world_ops {
    int64_t (*now_ns)(struct world *w);
    int64_t (*wall_ns)(struct world *w);
    void (*random)(struct world *w, void *out, size_t size);

    int (*listen)(struct world *w, const struct addr *a, int backlog);
    int (*accept)(struct world *w, int listener, struct addr *ret_peer);
    int (*connect)(struct world *w, const struct addr *a);
    int (*connect_result)(struct world *w, int sock);
    ssize_t (*recv)(struct world *w, int sock, void *data, size_t size);
    ssize_t (*peek)(struct world *w, int sock, void *data, size_t size);
    ssize_t (*sendv)(struct world *w, int sock, const struct iovec *iov, int count);
    int (*local_addr)(struct world *w, int sock, struct addr *ret);
    int (*shutdown_send)(struct world *w, int sock);
    void (*reset)(struct world *w, int sock);
    void (*close)(struct world *w, int sock);

    int (*poller_new)(struct world *w, struct world_poller **ret);
    void (*poller_free)(struct world_poller *p);
    int (*poller_add)(struct world_poller *p, int sock, void *udata);
    int (*poller_remove)(struct world_poller *p, int sock);
    int (*poll)(struct world_poller *p, struct world_event *events, int max, int64_t timeout_ns);
    void (*poller_wake)(struct world_poller *p);
};

struct world {
    const struct world_ops *ops;
    bool simulated; /* the scheduler takes its order from world_random() and runs on one thread */
};

/* The real world: Linux, epoll, CLOCK_MONOTONIC, getrandom. One per process, never freed. */
struct world *world_real(void);

/* Monotonic nanoseconds; only differences mean anything. */
static inline int64_t world_now_ns(struct world *w)
{
    return w->ops->now_ns(w);
}

/* Nanoseconds since 1970, for what people read. */
static inline int64_t world_wall_ns(struct world *w)
{
    return w->ops->wall_ns(w);
}

static inline void world_random(struct world *w, void *out, size_t size)
{
    w->ops->random(w, out, size);
}

/* Listens (SO_REUSEADDR; for a Unix path a stale socket file is replaced). */
static inline int world_listen(struct world *w, const struct addr *a, int backlog)
{
    return w->ops->listen(w, a, backlog);
}

/* A connected socket (TCP_NODELAY set), or -EAGAIN, -EMFILE, ... ret_peer may be NULL. */
static inline int world_accept(struct world *w, int listener, struct addr *ret_peer)
{
    return w->ops->accept(w, listener, ret_peer);
}

/* Starts connecting and returns the socket; it becomes writable when the attempt has ended. Some
 * failures are known at once: -EAGAIN (queue of a Unix listener full), -ENOENT, -EADDRNOTAVAIL. */
static inline int world_connect(struct world *w, const struct addr *a)
{
    return w->ops->connect(w, a);
}

/* How the connect ended: 0, -EINPROGRESS, -ECONNREFUSED, ... */
static inline int world_connect_result(struct world *w, int sock)
{
    return w->ops->connect_result(w, sock);
}

/* Bytes (> 0), 0 at the end of the stream, -EAGAIN, -ECONNRESET, ... */
static inline ssize_t world_recv(struct world *w, int sock, void *data, size_t size)
{
    return w->ops->recv(w, sock, data, size);
}

/* Like recv, and leaves the bytes there. */
static inline ssize_t world_peek(struct world *w, int sock, void *data, size_t size)
{
    return w->ops->peek(w, sock, data, size);
}

/* Bytes taken (may be fewer than given, then an edge tells of room), -EAGAIN, -EPIPE (never a
 * signal), ... At most IOV_MAX pieces: -EMSGSIZE. */
static inline ssize_t world_sendv(struct world *w, int sock, const struct iovec *iov, int count)
{
    return w->ops->sendv(w, sock, iov, count);
}

static inline int world_local_addr(struct world *w, int sock, struct addr *ret)
{
    return w->ops->local_addr(w, sock, ret);
}

/* Says end of stream to the peer; reading goes on. */
static inline int world_shutdown_send(struct world *w, int sock)
{
    return w->ops->shutdown_send(w, sock);
}

/* Closes so that the peer sees a reset, not a clean end. Frees the handle. */
static inline void world_reset(struct world *w, int sock)
{
    w->ops->reset(w, sock);
}

static inline void world_close(struct world *w, int sock)
{
    w->ops->close(w, sock);
}

static inline int world_poller_new(struct world *w, struct world_poller **ret)
{
    return w->ops->poller_new(w, ret);
}

static inline void world_poller_free(struct world *w, struct world_poller *p)
{
    w->ops->poller_free(p);
}

/* Registers once, edge-triggered, both directions; what is there already counts as an edge.
 * -EEXIST. A report tells all levels as they are when it is given. Closing the socket removes it.
 * udata must stay valid for as long as a world_poll() that began before the close can return it. */
static inline int world_poller_add(struct world *w, struct world_poller *p, int sock, void *udata)
{
    return w->ops->poller_add(p, sock, udata);
}

/* -ENOENT when it is not registered. */
static inline int world_poller_remove(struct world *w, struct world_poller *p, int sock)
{
    return w->ops->poller_remove(p, sock);
}

/* One thread at a time waits; others may look (timeout 0) meanwhile.
 * Waits for events, at most timeout_ns (0: only looks; NS_NEVER: no limit). Returns how many; 0 on
 * timeout or after world_poller_wake(). In the simulated world waiting moves the virtual clock to
 * the next thing that happens, and -EDEADLK says that nothing ever will (no timeout, no event). A
 * signal ends the wait like a wake. */
static inline int world_poll(struct world *w, struct world_poller *p, struct world_event *events,
                             int max, int64_t timeout_ns)
{
    return w->ops->poll(p, events, max, timeout_ns);
}

/* Makes the running or the next world_poll() on p return at once. From any thread. */
static inline void world_poller_wake(struct world *w, struct world_poller *p)
{
    w->ops->poller_wake(p);
}

#endif
