/* Streams over sockets of the world: optimistic calls, and a memory of what they found, so that a
 * request costs one receive and one send and no call that finds nothing. */
#include "net/stream.h"

#include <stdlib.h>

#include "base/assert.h"
#include "net/stream_impl.h"
#include "runtime/here.h"

/* Calls in a row that may succeed without waiting before others get a turn. */
enum { STREAK_MAX = 64 };

enum { IOV_BATCH = 64 };

/* Ready calls do not park, so they must see the end of their scope, and let others run, by
 * themselves. Two loads when there is nothing to do. */
static int take_turn(uint8_t *streak)
{
    if (likely(++*streak < STREAK_MAX && !here_cancelled()))
        return 0;
    *streak = 0;
    return weir_yield();
}

int stream_new(int sock, const struct addr *peer, struct stream **ret)
{
    struct stream *s = malloc(sizeof(*s));
    int error;

    if (s == NULL)
        return -ENOMEM;
    *s = (struct stream){.peer = *peer};
    error = poll_fd_new(sock, &s->pf);
    if (error != 0) {
        free(s);
        return error;
    }
    *ret = s;
    return 0;
}

static int wait_connected(struct stream *s)
{
    int r;

    do {
        r = poll_fd_wait(s->pf, POLL_WRITE);
        if (r == 0)
            r = world_connect_result(runtime_world(), poll_fd_sock(s->pf));
    } while (r == -EINPROGRESS);
    return r;
}

int stream_dial(const struct addr *a, struct stream **ret)
{
    struct stream *s;
    int sock = world_connect(runtime_world(), a);
    int error;

    if (sock < 0)
        return sock;
    error = stream_new(sock, a, &s);
    if (error != 0) {
        world_close(runtime_world(), sock);
        return error;
    }
    error = wait_connected(s);
    if (error != 0) {
        stream_close(s);
        return error;
    }
    *ret = s;
    return 0;
}

/* One receive, and what it says about the next one. */
static ssize_t recv_now(struct stream *s, void *data, size_t size)
{
    ssize_t n = world_recv(runtime_world(), poll_fd_sock(s->pf), data, size);

    s->rest = n != -EAGAIN && (n <= 0 || (size_t)n == size);
    return n;
}

ssize_t stream_read(struct stream *s, void *data, size_t size)
{
    int r = take_turn(&s->read_streak);

    ASSERT_HOT(size > 0);
    while (r == 0) {
        ssize_t n;

        if (!s->rest) {
            s->read_streak = 0;
            r = poll_fd_wait(s->pf, POLL_READ);
            if (r != 0)
                break;
        }
        n = recv_now(s, data, size);
        if (n != -EAGAIN)
            return n;
    }
    return r;
}

ssize_t stream_try_read(struct stream *s, void *data, size_t size)
{
    ASSERT_HOT(size > 0);
    return recv_now(s, data, size);
}

/* Drops the bytes that have been sent, and pieces without any. */
static void iov_advance(struct iovec **iov, int *count, size_t bytes)
{
    while (*count > 0 && bytes >= (*iov)->iov_len) {
        bytes -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (bytes > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

static size_t iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

int stream_writev(struct stream *s, struct iovec *iov, int count, size_t *ret_sent)
{
    int sock = poll_fd_sock(s->pf);
    size_t sent = 0;
    int r = take_turn(&s->write_streak);

    if (unlikely(count > 0 && iov->iov_len == 0))
        iov_advance(&iov, &count, 0);
    while (r == 0 && count > 0) {
        int batch = MIN(count, (int)IOV_BATCH);
        size_t size = iov_size(iov, batch);
        ssize_t n = world_sendv(runtime_world(), sock, iov, batch);

        if (likely(n == (ssize_t)size && batch == count)) {
            sent += size;
            break;
        }
        if (n < 0 && n != -EAGAIN) {
            r = (int)n;
            break;
        }
        n = MAX(n, 0);
        sent += (size_t)n;
        iov_advance(&iov, &count, (size_t)n);
        if ((size_t)n < size) {
            s->write_streak = 0;
            r = poll_fd_wait(s->pf, POLL_WRITE);
        }
    }
    if (ret_sent != NULL)
        *ret_sent = sent;
    return r;
}

int stream_write(struct stream *s, const void *data, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};

    return stream_writev(s, &iov, 1, NULL);
}

int stream_shutdown(struct stream *s)
{
    return world_shutdown_send(runtime_world(), poll_fd_sock(s->pf));
}

/* A watch that need not wait: bytes are there of which no event will tell any more. */
struct ready_watch {
    poll_watch_fn *fn;
    void *arg;
};

static void run_ready_watch(void *arg)
{
    struct ready_watch *w = arg;
    poll_watch_fn *fn = w->fn;
    void *fn_arg = w->arg;

    free(w);
    fn(fn_arg, POLL_WATCH_READY);
}

static bool start_ready_watch(const char *name, poll_watch_fn *fn, void *arg)
{
    struct ready_watch *w = malloc(sizeof(*w));

    if (w == NULL)
        return false;
    *w = (struct ready_watch){fn, arg};
    if (weir_go(name, run_ready_watch, w) == 0)
        return true;
    free(w);
    return false;
}

static bool has_rest(struct stream *s)
{
    char byte;

    return s->rest && world_peek(runtime_world(), poll_fd_sock(s->pf), &byte, 1) != -EAGAIN;
}

void stream_watch(struct stream *s, const char *name, poll_watch_fn *fn, void *arg,
                  int64_t deadline_ns)
{
    bool rest = has_rest(s);

    s->watched_rest = rest;
    s->rest = true; /* a watch that fires consumes the event */
    s->read_streak = 0;
    if (!rest)
        poll_fd_watch(s->pf, name, fn, arg, deadline_ns);
    else if (!start_ready_watch(name, fn, arg))
        poll_fd_watch(s->pf, name, fn, arg, here_now_ns()); /* no means: as if too late */
}

bool stream_unwatch(struct stream *s)
{
    if (!poll_fd_unwatch(s->pf))
        return false;
    s->rest = s->watched_rest; /* it has consumed nothing */
    return true;
}

bool stream_unwatch_run(struct stream *s)
{
    return poll_fd_unwatch_run(s->pf);
}

static void end_stream(struct stream *s, bool reset)
{
    if (s == NULL)
        return;
    poll_fd_close(s->pf, reset);
    free(s);
}

void stream_close(struct stream *s)
{
    end_stream(s, false);
}

void stream_reset(struct stream *s)
{
    end_stream(s, true);
}

bool stream_hung_up(const struct stream *s)
{
    return poll_fd_hung_up(s->pf);
}

void stream_on_hangup(struct stream *s, struct poll_hangup *h)
{
    poll_fd_on_hangup(s->pf, h);
}

bool stream_quiet(struct stream *s)
{
    char byte;

    return world_peek(runtime_world(), poll_fd_sock(s->pf), &byte, 1) == -EAGAIN;
}

const struct addr *stream_peer(const struct stream *s)
{
    return &s->peer;
}

int stream_local(const struct stream *s, struct addr *ret)
{
    return world_local_addr(runtime_world(), poll_fd_sock(s->pf), ret);
}
