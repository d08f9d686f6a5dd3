/* The network: byte streams whose calls park the coroutine instead of blocking the thread.
 *
 *     struct weir_listener *l;
 *     struct weir_conn *c;
 *
 *     weir_listen("127.0.0.1:7000", &l);
 *     while (weir_accept(l, &c) == 0)
 *         weir_go("echo", echo, c);            // echo() reads, writes, closes
 *
 * Deadlines and cancellation come from the scopes of the caller (weir/scope.h): inside
 * WEIR_DEADLINE(...) a call that takes longer returns -ETIMEDOUT. A connection has one reader and
 * one writer at a time; they may be two coroutines. Who closes knows that no call is running on
 * it; to end a call from outside, cancel its scope. Only from coroutines. */
#ifndef WEIR_NET_H
#define WEIR_NET_H

#include <sys/types.h>
#include <sys/uio.h>

#include <weir/runtime.h>

struct weir_listener;
struct weir_conn;

/* Room for any address as text, terminator included. */
#define WEIR_ADDRESS_MAX 128

/* Listens. address is "127.0.0.1:80", "[::1]:80", ":80" (every IPv4 address) or "unix:/path"; port
 * 0 takes a free one, which weir_listener_address() tells. -EINVAL (not an address), -EADDRINUSE,
 * -EACCES, -EMFILE, -ENOMEM. Does not park. */
WEIR_API int weir_listen(const char *address, struct weir_listener **ret);

/* The next connection; parks until there is one. One coroutine at a time. -ECANCELED, -ETIMEDOUT;
 * -EMFILE, -ENFILE and -ENOMEM pass: pause and go on. The caller owns the connection. */
WEIR_API int weir_accept(struct weir_listener *l, struct weir_conn **ret) WEIR_PARKS;

/* The address it listens on, as weir_dial() takes it. 0, or -ENOBUFS. Does not park. */
WEIR_API int weir_listener_address(const struct weir_listener *l, char *out, size_t size);

/* Nobody may be in weir_accept(). NULL is fine. Does not park. */
WEIR_API void weir_listener_close(struct weir_listener *l);

/* Connects. address is one that weir_listen() takes, or "name:80", whose addresses are tried in
 * turn; the name is looked up on a thread of weir_blocking(). -EINVAL (not an address), -ENOENT
 * (no such name), -EAGAIN (the name servers do not answer), -ECONNREFUSED, -ETIMEDOUT, -ECANCELED,
 * -EHOSTUNREACH, -EMFILE, -ENOMEM. The caller owns the connection. */
WEIR_API int weir_dial(const char *address, struct weir_conn **ret) WEIR_PARKS;

/* Reads what there is: 1 to size bytes, or 0 at the end. -ECONNRESET, -ETIMEDOUT, -ECANCELED;
 * -EINVAL when size is 0. Room for more than is expected saves a system call: a read that fills it
 * leaves open whether there is more. */
WEIR_API ssize_t weir_conn_read(struct weir_conn *c, void *data, size_t size) WEIR_PARKS;

/* Reads exactly size bytes. 0; -EPIPE: the end came before the first byte; -ECONNRESET: it came
 * later, or the peer reset; -ETIMEDOUT, -ECANCELED (some bytes may be lost). */
WEIR_API int weir_conn_read_full(struct weir_conn *c, void *data, size_t size) WEIR_PARKS;

/* Writes all of it. 0, or -EPIPE, -ECONNRESET, -ETIMEDOUT, -ECANCELED: an unknown part is out. */
WEIR_API int weir_conn_write(struct weir_conn *c, const void *data, size_t size) WEIR_PARKS;

/* The same for pieces, in as few system calls as there can be. iov is used up: its contents are
 * undefined afterwards. */
WEIR_API int weir_conn_writev(struct weir_conn *c, struct iovec *iov, int count) WEIR_PARKS;

/* Says end of stream; reading goes on. 0, or -ENOTCONN. Does not park. */
WEIR_API int weir_conn_shutdown(struct weir_conn *c);

/* Closes and frees. weir_conn_reset(): so that the peer sees that it was cut. NULL is fine. Do not
 * park. */
WEIR_API void weir_conn_close(struct weir_conn *c);
WEIR_API void weir_conn_reset(struct weir_conn *c);

/* Both ends as text, in the form that weir_dial() takes. 0, or -ENOBUFS. Do not park. */
WEIR_API int weir_conn_peer(const struct weir_conn *c, char *out, size_t size);
WEIR_API int weir_conn_local(const struct weir_conn *c, char *out, size_t size);

/* For weir_wait_fd(). */
enum {
    WEIR_FD_READ = 1,
    WEIR_FD_WRITE = 2,
};

/* Waits for a descriptor of somebody else, such as a socket of libpq or libcurl, until it can be
 * read (or has ended) or written: one or both of WEIR_FD_READ and WEIR_FD_WRITE. Returns those
 * that hold. The descriptor is known to the runtime during the call only, so the library may do
 * with it what it likes in between; it must not close it during the call. Any number of coroutines
 * may wait for the same one. It need not be non-blocking, but what is then done with it blocks the
 * thread if it does. -EPERM: a regular file or a directory, which are always ready and block all
 * the same (use weir_blocking()); -EBADF; -EINVAL: no such event; -ECANCELED, -ETIMEDOUT, -ENOMEM;
 * -ENOSYS in a simulated world. */
WEIR_API int weir_wait_fd(int fd, int events) WEIR_PARKS;

#endif
