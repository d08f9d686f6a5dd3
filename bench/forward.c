/* The floor of the proxy benchmark: a byte forwarder that does the least a proxy can do. It opens
 * one connection to the origin per client connection, registers both once, edge-triggered, and
 * moves a request with exactly four socket calls: read, write, read, write. It parses nothing,
 * so what a proxy costs beyond it is the price of knowing HTTP. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

enum { EVENTS_MAX = 256, CHUNK_BYTES = 65536 };

/* One of the two sockets of a forwarded connection. */
struct end {
    struct pair *pair;
    struct end *peer;
    int fd;
    bool hung_up;      /* its end of stream is in the socket: no further edge will tell */
    bool at_eof;       /* and has been read */
    bool told_eof;     /* and the peer's socket has been told */
    char *unsent;      /* bytes for this end that its socket did not take, or NULL */
    size_t unsent_len; /* while there are any, the peer is not read */
};

struct pair {
    struct end client, origin;
    struct pair *next_closed; /* freed after the batch: later events may still name it */
    bool closed;
};

struct forwarder {
    int epoll_fd;
    int listener;
    struct sockaddr_in origin;
    struct pair *closed;
    char chunk[CHUNK_BYTES]; /* shared: between two calls nothing stays in it */
};

static void close_pair(struct forwarder *f, struct pair *pair)
{
    if (pair->closed)
        return;
    pair->closed = true;
    close(pair->client.fd);
    close(pair->origin.fd);
    pair->next_closed = f->closed;
    f->closed = pair;
}

static void free_closed(struct forwarder *f)
{
    while (f->closed != NULL) {
        struct pair *pair = f->closed;
        f->closed = pair->next_closed;
        free(pair->client.unsent);
        free(pair->origin.unsent);
        free(pair);
    }
}

/* Keeps what the socket did not take. False when there is no memory for it. */
static bool keep_unsent(struct end *to, const char *bytes, size_t len)
{
    char *copy = malloc(len);

    if (copy == NULL)
        return false;
    memcpy(copy, bytes, len);
    free(to->unsent);
    to->unsent = copy;
    to->unsent_len = len;
    return true;
}

/* Writes once; false when the connection is broken. */
static bool send_bytes(struct end *to, const char *bytes, size_t len)
{
    ssize_t sent = send(to->fd, bytes, len, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        return false;
    if (sent < 0)
        sent = 0;
    return (size_t)sent == len || keep_unsent(to, bytes + sent, len - (size_t)sent);
}

static bool flush_unsent(struct end *to)
{
    if (to->unsent == NULL)
        return true;
    ssize_t sent = send(to->fd, to->unsent, to->unsent_len, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    to->unsent_len -= (size_t)sent;
    memmove(to->unsent, to->unsent + sent, to->unsent_len);
    if (to->unsent_len == 0) {
        free(to->unsent);
        to->unsent = NULL;
    }
    return true;
}

/* Moves what has arrived at `from`. A read that does not fill the buffer has emptied the socket,
 * and the next arrival is a new edge, so no read is spent on learning EAGAIN; only after a hang-up
 * it reads on until the end shows. */
static bool move_bytes(struct forwarder *f, struct end *from)
{
    while (!from->at_eof && from->peer->unsent == NULL) {
        ssize_t len = recv(from->fd, f->chunk, sizeof(f->chunk), 0);
        if (len < 0)
            return errno == EAGAIN;
        if (len == 0) {
            from->at_eof = true;
            break;
        }
        if (!send_bytes(from->peer, f->chunk, (size_t)len))
            return false;
        if ((size_t)len < sizeof(f->chunk) && !from->hung_up)
            break;
    }
    return true;
}

/* Passes an end of stream on. False when both directions have ended. */
static bool pass_eof(struct end *from)
{
    if (from->at_eof && !from->told_eof && from->peer->unsent == NULL) {
        shutdown(from->peer->fd, SHUT_WR);
        from->told_eof = true;
    }
    return !(from->told_eof && from->peer->told_eof);
}

static void serve_end(struct forwarder *f, struct end *end, uint32_t events)
{
    bool was_blocked = end->unsent != NULL;
    bool alive = (events & EPOLLERR) == 0;

    end->hung_up = end->hung_up || (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if (alive && (events & EPOLLOUT) != 0)
        alive = flush_unsent(end);
    if (alive && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0)
        alive = move_bytes(f, end);
    /* A peer that read nothing while this end was blocked may have missed its edge. */
    if (alive && was_blocked && end->unsent == NULL)
        alive = move_bytes(f, end->peer);
    if (!alive || !pass_eof(end) || !pass_eof(end->peer))
        close_pair(f, end->pair);
}

static bool watch_end(struct forwarder *f, struct end *end)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = end,
    };
    return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, end->fd, &event) == 0;
}

static void open_pair(struct forwarder *f, int client_fd)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int origin_fd = pair != NULL ? connect_to(&f->origin) : -ENOMEM;

    if (origin_fd < 0) {
        close(client_fd);
        free(pair);
        return;
    }
    pair->client = (struct end){.pair = pair, .peer = &pair->origin, .fd = client_fd};
    pair->origin = (struct end){.pair = pair, .peer = &pair->client, .fd = origin_fd};
    if (!watch_end(f, &pair->origin) || !watch_end(f, &pair->client))
        close_pair(f, pair);
}

static void accept_clients(struct forwarder *f)
{
    for (;;) {
        int fd = accept_from(f->listener);
        if (fd >= 0)
            open_pair(f, fd);
        else if (fd != -ECONNABORTED)
            return;
    }
}

static void run_forwarder(struct forwarder *f)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int count = epoll_wait(f->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct end *end = events[i].data.ptr;
            if (end == NULL)
                accept_clients(f);
            else if (!end->pair->closed)
                serve_end(f, end, events[i].events);
        }
        free_closed(f);
    }
}

int main(int argc, char **argv)
{
    static struct forwarder forwarder;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};

    if (argc != 3)
        die("usage: forward LISTEN-ADDRESS:PORT ORIGIN-ADDRESS:PORT");
    struct sockaddr_in address = parse_endpoint(argv[1]);
    forwarder.origin = parse_endpoint(argv[2]);
    raise_file_limit();
    forwarder.listener = listen_on(&address);
    forwarder.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (forwarder.epoll_fd < 0 ||
        epoll_ctl(forwarder.epoll_fd, EPOLL_CTL_ADD, forwarder.listener, &event) != 0)
        die("epoll: %s", strerror(errno));
    run_forwarder(&forwarder);
}
