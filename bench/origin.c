/* The origin server of the proxy benchmark: answers every request on a keep-alive connection with
 * the same 200 response, and costs so little that the proxy in front of it stays the bottleneck. A
 * request for "/" gets a head of three fields, any other one of eight.
 *
 *   origin ADDRESS:PORT [--body-bytes N] [--echo] [--awake]
 *
 * --echo answers with the request's head as the body, which shows a test what a proxy sent.
 * --awake yields instead of sleeping, so that no proxy pays for waking this process. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

enum { EVENTS_MAX = 256, HEAD_MAX = 16384, BODY_BYTES_DEFAULT = 1024 };

struct client {
    int fd;
    size_t head_len;      /* bytes of an unfinished request head in `head` */
    uint64_t body_left;   /* bytes of the current request's body still to be skipped */
    char *head;           /* HEAD_MAX bytes, only while a head is unfinished */
    char *unsent;         /* the response being written, or NULL: reading waits for it */
    size_t unsent_len;    /* bytes of it */
    size_t unsent_offset; /* bytes of it the socket has taken */
};

struct origin {
    int epoll_fd;
    int listener;
    bool echo;
    bool awake;
    char *response;
    size_t response_len;
    char *plain; /* the same body behind a head of three fields */
    size_t plain_len;
    char chunk[HEAD_MAX]; /* where requests are read when none is unfinished */
};

static const char head_format[] = "HTTP/1.1 200 OK\r\n"
                                  "Server: origin\r\n"
                                  "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Length: %zu\r\n"
                                  "Cache-Control: max-age=60\r\n"
                                  "ETag: \"5f3c-61a2b4\"\r\n"
                                  "Vary: Accept-Encoding\r\n"
                                  "X-Request-Cost: 1\r\n"
                                  "\r\n";
static const char plain_format[] = "HTTP/1.1 200 OK\r\n"
                                   "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                                   "Content-Type: text/plain\r\n"
                                   "Content-Length: %zu\r\n"
                                   "\r\n";

static char *make_response(const char *format, const char *body, size_t body_len, size_t *ret_len)
{
    char head[sizeof(head_format) + 32];
    size_t head_len = (size_t)snprintf(head, sizeof(head), format, body_len);
    char *response = malloc(head_len + body_len);

    if (response == NULL)
        return NULL;
    memcpy(response, head, head_len);
    memcpy(response + head_len, body, body_len);
    *ret_len = head_len + body_len;
    return response;
}

static void close_client(struct client *client)
{
    close(client->fd);
    free(client->head);
    free(client->unsent);
    free(client);
}

/* Writes once and keeps a copy of what the socket did not take; false when the client is gone. */
static bool send_response(struct client *client, const char *response, size_t len)
{
    ssize_t sent = send(client->fd, response, len, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        return false;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == len)
        return true;
    client->unsent_len = len - (size_t)sent;
    client->unsent_offset = 0;
    client->unsent = malloc(client->unsent_len);
    if (client->unsent == NULL)
        return false;
    memcpy(client->unsent, response + sent, client->unsent_len);
    return true;
}

static bool flush_unsent(struct client *client)
{
    while (client->unsent != NULL) {
        ssize_t sent = send(client->fd, client->unsent + client->unsent_offset,
                            client->unsent_len - client->unsent_offset, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        client->unsent_offset += (size_t)sent;
        if (client->unsent_offset == client->unsent_len) {
            free(client->unsent);
            client->unsent = NULL;
        }
    }
    return true;
}

static bool answer(struct origin *origin, struct client *client, const char *head, size_t head_len)
{
    static const char root[] = "GET / ";

    if (!origin->echo && memcmp(head, root, sizeof(root) - 1) == 0)
        return send_response(client, origin->plain, origin->plain_len);
    if (!origin->echo)
        return send_response(client, origin->response, origin->response_len);
    size_t len;
    char *response = make_response(head_format, head, head_len, &len);
    bool alive = response != NULL && send_response(client, response, len);
    free(response);
    return alive;
}

/* Answers the requests in `bytes`; what is left is the start of a head, at most `len` long.
 * Returns the bytes used up, or -1 when the client is to be closed. */
static ssize_t serve_requests(struct origin *origin, struct client *client, const char *bytes,
                              size_t len)
{
    size_t used = 0;

    while (used < len && client->unsent == NULL) {
        size_t skipped = client->body_left < len - used ? client->body_left : len - used;
        client->body_left -= skipped;
        used += skipped;
        const char *end = memmem(bytes + used, len - used, "\r\n\r\n", 4);
        if (client->body_left > 0 || end == NULL)
            break;
        size_t head_len = (size_t)(end - (bytes + used)) + 4;
        find_content_length(bytes + used, head_len, &client->body_left);
        if (!answer(origin, client, bytes + used, head_len))
            return -1;
        used += head_len;
    }
    return (ssize_t)used;
}

/* Keeps the unfinished rest of `bytes` for the next read. False when it fits no head. */
static bool keep_rest(struct client *client, const char *rest, size_t len)
{
    if (len == 0) {
        free(client->head);
        client->head = NULL;
    } else {
        if (client->head == NULL && (client->head = malloc(HEAD_MAX)) == NULL)
            return false;
        memmove(client->head, rest, len);
    }
    client->head_len = len;
    return len < HEAD_MAX || client->unsent != NULL;
}

static bool serve_bytes(struct origin *origin, struct client *client, const char *bytes, size_t len)
{
    ssize_t used = serve_requests(origin, client, bytes, len);

    return used >= 0 && keep_rest(client, bytes + used, len - (size_t)used);
}

/* Serves what was kept while the client was blocked, then what has arrived. A read that does not
 * fill the buffer has emptied the socket. False when the client is to be closed. */
static bool serve_client(struct origin *origin, struct client *client, bool was_blocked)
{
    if (was_blocked && client->unsent == NULL && client->head_len > 0 &&
        !serve_bytes(origin, client, client->head, client->head_len))
        return false;
    while (client->unsent == NULL) {
        char *bytes = client->head != NULL ? client->head : origin->chunk;
        size_t room = HEAD_MAX - client->head_len;
        ssize_t len = recv(client->fd, bytes + client->head_len, room, 0);
        if (len <= 0)
            return len < 0 && errno == EAGAIN;
        if (!serve_bytes(origin, client, bytes, client->head_len + (size_t)len))
            return false;
        if ((size_t)len < room)
            break;
    }
    return true;
}

static void accept_clients(struct origin *origin)
{
    for (;;) {
        int fd = accept_from(origin->listener);
        if (fd == -ECONNABORTED)
            continue;
        if (fd < 0)
            return;
        struct client *client = calloc(1, sizeof(*client));
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.ptr = client,
        };
        if (client == NULL) {
            close(fd);
            continue;
        }
        client->fd = fd;
        if (epoll_ctl(origin->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            close_client(client);
    }
}

static void serve_event(struct origin *origin, struct client *client, uint32_t events)
{
    bool was_blocked = client->unsent != NULL;
    bool alive = (events & (EPOLLERR | EPOLLHUP)) == 0 && flush_unsent(client);

    if (alive && (was_blocked || (events & (EPOLLIN | EPOLLRDHUP)) != 0))
        alive = serve_client(origin, client, was_blocked);
    if (!alive || (events & EPOLLRDHUP) != 0)
        close_client(client);
}

static void run_origin(struct origin *origin)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int count = epoll_wait(origin->epoll_fd, events, EVENTS_MAX, origin->awake ? 0 : -1);
        if (count == 0)
            sched_yield();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_clients(origin);
            else
                serve_event(origin, events[i].data.ptr, events[i].events);
        }
    }
}

static size_t parse_options(int argc, char **argv, struct origin *origin)
{
    static const struct option options[] = {{"body-bytes", required_argument, NULL, 'b'},
                                            {"echo", no_argument, NULL, 'e'},
                                            {"awake", no_argument, NULL, 'a'},
                                            {0}};
    size_t body_bytes = BODY_BYTES_DEFAULT;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'b')
            body_bytes = parse_count("--body-bytes", optarg);
        else if (c == 'e')
            origin->echo = true;
        else if (c == 'a')
            origin->awake = true;
        else
            exit(2);
    }
    if (optind != argc - 1)
        die("usage: origin ADDRESS:PORT [--body-bytes N] [--echo] [--awake]");
    return body_bytes;
}

int main(int argc, char **argv)
{
    static struct origin origin;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    size_t body_bytes = parse_options(argc, argv, &origin);
    struct sockaddr_in address = parse_endpoint(argv[optind]);
    char *body = malloc(body_bytes + 1);

    if (body == NULL)
        die("no memory for a body of %zu bytes", body_bytes);
    for (size_t i = 0; i < body_bytes; i++)
        body[i] = (char)((i + 1) % 64 == 0 ? '\n' : 'a' + (int)(i % 26));
    origin.response = make_response(head_format, body, body_bytes, &origin.response_len);
    origin.plain = make_response(plain_format, body, body_bytes, &origin.plain_len);
    free(body);
    if (origin.response == NULL || origin.plain == NULL)
        die("no memory for a body of %zu bytes", body_bytes);
    raise_file_limit();
    origin.listener = listen_on(&address);
    origin.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (origin.epoll_fd < 0 ||
        epoll_ctl(origin.epoll_fd, EPOLL_CTL_ADD, origin.listener, &event) != 0)
        die("epoll: %s", strerror(errno));
    run_origin(&origin);
}
