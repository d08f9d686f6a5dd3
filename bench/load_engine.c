/* The loop under the load generator: a ring of idle connections, a schedule that says when the
 * next request is due, and one edge-triggered epoll. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"
#include "tool.h"

enum { EVENTS_MAX = 256, CHUNK_BYTES = 65536, HEAD_MAX = 16384 };

/* A run that gets no answer for so long gives up; a proxy under an instruction counter is slow. */
static const int64_t STALL_NS = 20ll * 1000000000;
/* A run with so many failures has nothing left to measure. */
static const uint64_t FAILURES_MAX = 10000;

/* Connections that have not been answered yet: those that nobody accepts wait in the listener's
 * queue, and the kernel resets some of what finds no room there. */
static const uint64_t OPENING_MAX = 512;

const char *const load_failure_names[LOAD_FAILURES] = {"connect", "status", "length", "closed",
                                                       "stalled"};

struct connection {
    int fd; /* -1: opened by the next request */
    bool busy;
    bool opening; /* not answered yet */
    bool in_body;
    int64_t due_ns;
    size_t sent;        /* bytes of the request the socket has taken */
    size_t head_len;    /* bytes of an unfinished response head in `head` */
    char *head;         /* HEAD_MAX bytes, only while a head is unfinished */
    uint64_t body_left; /* while in_body */
};

struct load {
    int epoll_fd;
    struct sockaddr_in target;
    uint64_t expect_bytes;
    char request[1024];
    size_t request_len;
    struct connection *connections;
    uint64_t connection_count;
    struct connection **idle; /* a ring of connection_count places */
    uint64_t idle_first, idle_count;
    /* The run under way. */
    const struct load_run *run;
    struct load_result *result;
    int64_t start_ns;
    uint64_t in_flight;
    uint64_t opening;
    uint64_t failed;
    char chunk[CHUNK_BYTES];
};

static void push_idle(struct load *load, struct connection *c)
{
    load->idle[(load->idle_first + load->idle_count++) % load->connection_count] = c;
}

static struct connection *pop_idle(struct load *load)
{
    struct connection *c = load->idle[load->idle_first];

    load->idle_first = (load->idle_first + 1) % load->connection_count;
    load->idle_count--;
    return c;
}

static void end_opening(struct load *load, struct connection *c)
{
    load->opening -= c->opening;
    c->opening = false;
}

static void close_connection(struct load *load, struct connection *c)
{
    end_opening(load, c);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->head);
    c->head = NULL;
    c->head_len = 0;
    c->in_body = false;
}

static void end_request(struct load *load, struct connection *c)
{
    c->busy = false;
    load->in_flight--;
    push_idle(load, c);
}

static void fail_request(struct load *load, struct connection *c, enum load_failure why)
{
    load->result->failures[why]++;
    load->failed++;
    close_connection(load, c);
    end_request(load, c);
}

static void succeed_request(struct load *load, struct connection *c)
{
    load->result->ok++;
    histogram_record(&load->result->latency_ns, (uint64_t)(clock_ns() - c->due_ns));
    c->in_body = false;
    end_opening(load, c);
    end_request(load, c);
}

static bool open_connection(struct load *load, struct connection *c)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = c,
    };

    c->fd = connect_to(&load->target);
    if (c->fd < 0)
        c->fd = -1;
    load->result->opened++;
    load->opening++;
    c->opening = true;
    return c->fd >= 0 && epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

/* Sends what is left of the request; a connection still being made takes it later. */
static void send_request(struct load *load, struct connection *c)
{
    ssize_t len = send(c->fd, load->request + c->sent, load->request_len - c->sent, MSG_NOSIGNAL);

    if (len >= 0)
        c->sent += (size_t)len;
    else if (errno != EAGAIN)
        fail_request(load, c, errno == ECONNREFUSED ? LOAD_CONNECT : LOAD_CLOSED);
}

static void start_request(struct load *load, struct connection *c, int64_t due_ns)
{
    load->result->requests++;
    load->in_flight++;
    c->busy = true;
    c->due_ns = due_ns;
    c->sent = 0;
    if (c->fd < 0 && !open_connection(load, c))
        fail_request(load, c, LOAD_CONNECT);
    else
        send_request(load, c);
}

/* Checks a complete head; false when it fails the request. */
static bool take_head(struct load *load, struct connection *c, const char *head, size_t len)
{
    uint64_t length;

    if (len < 13 || memcmp(head, "HTTP/1.1 200 ", 13) != 0) {
        fail_request(load, c, LOAD_STATUS);
        return false;
    }
    if (!find_content_length(head, len, &length) || length != load->expect_bytes) {
        fail_request(load, c, LOAD_LENGTH);
        return false;
    }
    c->body_left = length;
    c->in_body = true;
    return true;
}

/* Keeps an unfinished head, now `len` bytes at `bytes`, for the next read. */
static void keep_head(struct load *load, struct connection *c, const char *bytes, size_t len)
{
    if (c->head == NULL)
        c->head = malloc(HEAD_MAX);
    if (c->head == NULL || len >= HEAD_MAX) {
        fail_request(load, c, LOAD_LENGTH);
        return;
    }
    memmove(c->head, bytes, len);
    c->head_len = len;
}

/* Takes the bytes of an answer, `len` of them, that begin with its head or go on with its body. */
static void take_bytes(struct load *load, struct connection *c, const char *bytes, size_t len)
{
    if (!c->in_body) {
        const char *end = memmem(bytes, len, "\r\n\r\n", 4);
        if (end == NULL) {
            keep_head(load, c, bytes, len);
            return;
        }
        size_t head_len = (size_t)(end - bytes) + 4;
        if (!take_head(load, c, bytes, head_len))
            return;
        bytes += head_len;
        len -= head_len;
    }
    if (len > c->body_left) {
        fail_request(load, c, LOAD_LENGTH);
        return;
    }
    c->body_left -= len;
    if (c->body_left > 0)
        return;
    free(c->head);
    c->head = NULL;
    c->head_len = 0;
    succeed_request(load, c);
}

/* Reads until the answer is whole or the socket empty; a short read has emptied it. */
static void read_answer(struct load *load, struct connection *c)
{
    while (c->busy) {
        bool joins_head = c->head != NULL && !c->in_body;
        char *bytes = joins_head ? c->head : load->chunk;
        size_t kept = joins_head ? c->head_len : 0;
        size_t room = (joins_head ? (size_t)HEAD_MAX : sizeof(load->chunk)) - kept;
        ssize_t len = recv(c->fd, bytes + kept, room, 0);
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0) {
            fail_request(load, c, LOAD_CLOSED);
            return;
        }
        take_bytes(load, c, bytes, kept + (size_t)len);
        if ((size_t)len < room)
            return;
    }
}

static void serve_event(struct load *load, struct connection *c, uint32_t events)
{
    if (c->fd < 0)
        return; /* closed earlier in this batch */
    if (c->busy && c->sent < load->request_len && (events & EPOLLOUT) != 0)
        send_request(load, c);
    if (c->busy && (events & EPOLLIN) != 0)
        read_answer(load, c);
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0 || c->fd < 0)
        return;
    if (c->busy)
        fail_request(load, c, LOAD_CLOSED);
    else
        close_connection(load, c); /* the next request on it opens a new one */
}

static volatile sig_atomic_t told_to_end;

void load_end(void)
{
    told_to_end = 1;
}

static bool may_start(const struct load *load, int64_t now_ns)
{
    const struct load_run *run = load->run;

    return told_to_end == 0 && load->result->requests < run->requests &&
           load->failed < FAILURES_MAX &&
           (run->duration_ns == 0 || now_ns < load->start_ns + run->duration_ns);
}

/* When the next request is due: now, or when the schedule says, whether or not it can be sent. */
static int64_t next_due(const struct load *load, int64_t now_ns)
{
    if (load->run->rate == 0)
        return now_ns;
    double offset = (double)load->result->requests * 1e9 / (double)load->run->rate;
    return load->start_ns + (int64_t)offset;
}

/* There is a connection that waits for a request, or may be opened for it. */
static bool has_idle(const struct load *load)
{
    return load->idle_count > 0 &&
           (load->idle[load->idle_first]->fd >= 0 || load->opening < OPENING_MAX);
}

/* Starts what is due. Returns how long to wait for the next, STALL_NS when only an answer can
 * bring one, or 0 when the run is over. */
static int64_t start_due_requests(struct load *load)
{
    int64_t now_ns = clock_ns();

    while (may_start(load, now_ns) && has_idle(load) && load->in_flight < load->run->window) {
        int64_t due_ns = next_due(load, now_ns);
        if (due_ns > now_ns)
            return due_ns - now_ns;
        start_request(load, pop_idle(load), due_ns);
        now_ns = clock_ns();
    }
    return load->in_flight > 0 ? STALL_NS : 0;
}

static void fail_all_in_flight(struct load *load)
{
    for (uint64_t i = 0; i < load->connection_count; i++) {
        if (load->connections[i].busy)
            fail_request(load, &load->connections[i], LOAD_STALLED);
    }
    load->failed = FAILURES_MAX; /* and begin no more */
}

static int wait_asleep(struct load *load, struct epoll_event *events, int64_t wait_ns)
{
    struct timespec timeout = {wait_ns / 1000000000, wait_ns % 1000000000};

    return epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
}

/* Never sleeps, so that no proxy pays for waking this process; lets the origin run instead. */
static int wait_awake(struct load *load, struct epoll_event *events, int64_t wait_ns)
{
    int64_t until_ns = clock_ns() + wait_ns;
    int count;

    while ((count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, 0)) == 0 &&
           clock_ns() < until_ns)
        sched_yield();
    return count;
}

void load_make(struct load *load, const struct load_run *run, struct load_result *ret_result)
{
    struct epoll_event events[EVENTS_MAX];

    memset(ret_result, 0, sizeof(*ret_result));
    load->run = run;
    load->result = ret_result;
    load->failed = 0;
    load->start_ns = clock_ns();
    for (int64_t wait_ns; (wait_ns = start_due_requests(load)) > 0;) {
        int count =
            run->awake ? wait_awake(load, events, wait_ns) : wait_asleep(load, events, wait_ns);
        for (int i = 0; i < count; i++)
            serve_event(load, events[i].data.ptr, events[i].events);
        if (count == 0 && wait_ns == STALL_NS)
            fail_all_in_flight(load);
    }
    ret_result->duration_ns = clock_ns() - load->start_ns;
}

/* What a browser would send, or (path NULL) the least that is a request. */
static void format_request(struct load *load, const char *path)
{
    static const char fields[] =
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\r\n"
        "Accept: application/json,text/html;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-GB,en;q=0.5\r\n"
        "Accept-Encoding: gzip, deflate\r\n";
    int len = snprintf(load->request, sizeof(load->request),
                       "GET %s HTTP/1.1\r\nHost: shop.example.org\r\n%s\r\n",
                       path != NULL ? path : "/", path != NULL ? fields : "");

    if (len < 0 || (size_t)len >= sizeof(load->request))
        die("the path is too long");
    load->request_len = (size_t)len;
}

struct load *load_new(const char *target, const char *path, uint64_t connections,
                      uint64_t expect_bytes)
{
    struct load *load = calloc(1, sizeof(*load));

    if (load == NULL ||
        (load->connections = calloc(connections, sizeof(*load->connections))) == NULL ||
        (load->idle = calloc(connections, sizeof(struct connection *))) == NULL)
        die("no memory for %llu connections", (unsigned long long)connections);
    load->target = parse_endpoint(target);
    load->expect_bytes = expect_bytes;
    load->connection_count = connections;
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    format_request(load, path);
    for (uint64_t i = 0; i < connections; i++) {
        load->connections[i].fd = -1;
        push_idle(load, &load->connections[i]);
    }
    prctl(PR_SET_TIMERSLACK, 1000ul); /* the schedule is finer than the usual 50 us of slack */
    return load;
}

void load_free(struct load *load)
{
    for (uint64_t i = 0; i < load->connection_count; i++)
        close_connection(load, &load->connections[i]);
    close(load->epoll_fd);
    free(load->connections);
    free(load->idle);
    free(load);
}
