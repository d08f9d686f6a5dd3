/* The real world: the clocks, chance and sockets of Linux. Its poller is in real_poll.c. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "world/real.h"

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t real_now_ns(struct world *w)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t real_wall_ns(struct world *w)
{
    return clock_ns(CLOCK_REALTIME);
}

static void real_random(struct world *w, void *out, size_t size)
{
    char *at = out;

    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);

        ASSERT(n > 0 || errno == EINTR); /* the kernel always has chance once it has booted */
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static int open_socket(const struct addr *a)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd >= 0 ? fd : -errno;
}

static void set_flag(int sock, int level, int option)
{
    int on = 1;

    /* Cannot fail for a socket of the right family, and nothing depends on it but speed. */
    (void)setsockopt(sock, level, option, &on, sizeof(on));
}

static void set_nodelay(int sock, const struct addr *a)
{
    if (a->sa.sa_family != AF_UNIX)
        set_flag(sock, IPPROTO_TCP, TCP_NODELAY);
}

/* True when the path holds a socket on which nobody listens. */
static bool unix_path_stale(const struct addr *a)
{
    struct stat st;
    int fd;
    bool refused;

    if (lstat(a->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = open_socket(a);
    if (fd < 0)
        return false;
    refused = connect(fd, &a->sa, a->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_socket(int sock, const struct addr *a)
{
    if (bind(sock, &a->sa, a->len) == 0)
        return 0;
    if (errno != EADDRINUSE || a->sa.sa_family != AF_UNIX)
        return -errno;
    if (!unix_path_stale(a))
        return -EADDRINUSE;
    if (unlink(a->un.sun_path) != 0 && errno != ENOENT)
        return -errno;
    return bind(sock, &a->sa, a->len) == 0 ? 0 : -errno;
}

static int real_listen(struct world *w, const struct addr *a, int backlog)
{
    int sock = open_socket(a);
    int error;

    if (sock < 0)
        return sock;
    if (a->sa.sa_family != AF_UNIX)
        set_flag(sock, SOL_SOCKET, SO_REUSEADDR);
    if (a->sa.sa_family == AF_INET6)
        set_flag(sock, IPPROTO_IPV6, IPV6_V6ONLY); /* an address means itself and no other */
    set_nodelay(sock, a); /* accepted sockets inherit it: a system call less for each */
    error = bind_socket(sock, a);
    if (error == 0 && listen(sock, backlog) != 0)
        error = -errno;
    if (error != 0) {
        close(sock);
        return error;
    }
    return sock;
}

static int real_accept(struct world *w, int listener, struct addr *ret_peer)
{
    struct addr peer;
    int sock;

    do {
        peer.len = sizeof(peer) - offsetof(struct addr, sa);
        sock = accept4(listener, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (sock < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (sock < 0)
        return -errno;
    if (ret_peer != NULL)
        *ret_peer = peer;
    return sock;
}

int real_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return copy >= 0 ? copy : -errno;
}

static int real_connect(struct world *w, const struct addr *a)
{
    int sock = open_socket(a);

    if (sock < 0)
        return sock;
    set_nodelay(sock, a);
    if (connect(sock, &a->sa, a->len) != 0 && errno != EINPROGRESS && errno != EINTR) {
        int error = -errno;

        close(sock);
        return error;
    }
    return sock;
}

/* A connected socket has a peer name: one system call when all is well. */
static int real_connect_result(struct world *w, int sock)
{
    struct addr peer;
    int error = 0;
    socklen_t size = sizeof(error);

    peer.len = sizeof(peer) - offsetof(struct addr, sa);
    if (getpeername(sock, &peer.sa, &peer.len) == 0)
        return 0;
    if (errno != ENOTCONN)
        return -errno;
    if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return error != 0 ? -error : -EINPROGRESS;
}

/* The library's recv(), send() and sendmsg() are points at which a thread may be cancelled, which
 * costs each of them more than the rest of this path as soon as there are two threads. Nobody
 * cancels threads here. Sanitizers want to see the library's calls. */
#if defined(WEIR_SANITIZED)
#define RECV(sock, data, size, flags) recv(sock, data, size, flags)
#define SEND(sock, data, size, flags) send(sock, data, size, flags)
#define SENDMSG(sock, msg, flags)     sendmsg(sock, msg, flags)
#else
#define RECV(sock, data, size, flags) syscall(SYS_recvfrom, sock, data, size, flags, NULL, NULL)
#define SEND(sock, data, size, flags) syscall(SYS_sendto, sock, data, size, flags, NULL, 0)
#define SENDMSG(sock, msg, flags)     syscall(SYS_sendmsg, sock, msg, flags)
#endif

static ssize_t recv_flags(int sock, void *data, size_t size, int flags)
{
    ssize_t n;

    do {
        n = RECV(sock, data, size, flags);
    } while (unlikely(n < 0 && errno == EINTR));
    return n >= 0 ? n : -errno;
}

static ssize_t real_recv(struct world *w, int sock, void *data, size_t size)
{
    return recv_flags(sock, data, size, 0);
}

static ssize_t real_peek(struct world *w, int sock, void *data, size_t size)
{
    return recv_flags(sock, data, size, MSG_PEEK);
}

static ssize_t real_sendv(struct world *w, int sock, const struct iovec *iov, int count)
{
    struct msghdr m;
    ssize_t n;

    if (likely(count == 1)) {
        do {
            n = SEND(sock, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
        } while (unlikely(n < 0 && errno == EINTR));
        return n >= 0 ? n : -errno;
    }
    m = (struct msghdr){.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    do {
        n = SENDMSG(sock, &m, MSG_NOSIGNAL);
    } while (unlikely(n < 0 && errno == EINTR));
    return n >= 0 ? n : -errno;
}

static int real_local_addr(struct world *w, int sock, struct addr *ret)
{
    struct addr a;

    a.len = sizeof(a) - offsetof(struct addr, sa);
    if (getsockname(sock, &a.sa, &a.len) != 0)
        return -errno;
    *ret = a;
    return 0;
}

static int real_shutdown_send(struct world *w, int sock)
{
    return shutdown(sock, SHUT_WR) == 0 ? 0 : -errno;
}

static void real_close(struct world *w, int sock)
{
    close(sock); /* after EINTR the descriptor is gone all the same */
}

static void real_reset(struct world *w, int sock)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(sock, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    real_close(w, sock);
}

static const struct world_ops real_ops = {
    .now_ns = real_now_ns,
    .wall_ns = real_wall_ns,
    .random = real_random,
    .listen = real_listen,
    .accept = real_accept,
    .connect = real_connect,
    .connect_result = real_connect_result,
    .recv = real_recv,
    .peek = real_peek,
    .sendv = real_sendv,
    .local_addr = real_local_addr,
    .shutdown_send = real_shutdown_send,
    .reset = real_reset,
    .close = real_close,
    .poller_new = real_poller_new,
    .poller_free = real_poller_free,
    .poller_add = real_poller_add,
    .poller_remove = real_poller_remove,
    .poll = real_poll,
    .poller_wake = real_poller_wake,
};

struct world *world_real(void)
{
    static struct world real = {.ops = &real_ops};

    return &real;
}
