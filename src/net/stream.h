/* Byte streams that park a coroutine: TCP and Unix sockets now, TLS later behind the same calls.
 *
 * A stream belongs to one reader and one writer at a time (they may be two coroutines), a listener
 * to one coroutine. Deadlines and cancellation come from the scopes of the caller; calls that find
 * the socket ready see them, too, and let others run now and then. To end a call from outside,
 * cancel its scope: who closes must know that no call is running. */
#ifndef WEIR_NET_STREAM_H
#define WEIR_NET_STREAM_H

#include <sys/socket.h>

#include "runtime/poller.h"
#include "runtime/runtime.h"

struct stream; /* 128 bytes; what an idle connection costs beside the poll_fd */

/* Connects. 0; -ECONNREFUSED, -ETIMEDOUT, -ECANCELED, -EHOSTUNREACH, -EADDRNOTAVAIL, -EMFILE,
 * -EAGAIN (the queue of a Unix listener is full), ... */
int stream_dial(const struct addr *a, struct stream **ret) WEIR_PARKS;

/* At least one byte, 0 at the end, or -ECONNRESET, -ETIMEDOUT, -ECANCELED. size > 0. Waits first
 * unless the last read may have left something, so that a message costs one receive: no call is
 * made that would find nothing. */
ssize_t stream_read(struct stream *s, void *data, size_t size) WEIR_PARKS;

/* What is there now, without parking: -EAGAIN when nothing is. */
ssize_t stream_try_read(struct stream *s, void *data, size_t size);

/* Writes all of it, parking as often as needed. 0, or -EPIPE, -ECONNRESET, -ETIMEDOUT, ...; iov is
 * changed. On an error an unknown part has been sent. *ret_sent (may be NULL) counts bytes taken.
 */
int stream_writev(struct stream *s, struct iovec *iov, int count, size_t *ret_sent) WEIR_PARKS;
int stream_write(struct stream *s, const void *data, size_t size) WEIR_PARKS;

/* Says end of stream; reading goes on. */
int stream_shutdown(struct stream *s);

/* Starts fn(arg, cause) in a new coroutine when bytes (or the end) arrive, or at the deadline. See
 * poll_fd_watch(): the stream costs no stack meanwhile and must not be touched by the caller. Bytes
 * that a full read has left behind are seen. (Then, without memory or a free coroutine to say so,
 * as if the deadline had come.) */
void stream_watch(struct stream *s, const char *name, poll_watch_fn *fn, void *arg,
                  int64_t deadline_ns);
bool stream_unwatch(struct stream *s);
bool stream_unwatch_run(struct stream *s);

/* Frees. close: a clean end. reset: the peer sees that it was cut. NULL is fine. */
void stream_close(struct stream *s);
void stream_reset(struct stream *s);

/* An event has said that the peer closed or reset: do not send a request on it. Not a system call;
 * false proves nothing. */
bool stream_hung_up(const struct stream *s);

/* Has h told when the peer closes, resets or shuts down its sending side: see poll_fd_on_hangup().
 * By the owner, before the stream is used. */
void stream_on_hangup(struct stream *s, struct poll_hangup *h);

/* True when nothing has come that was not read: no byte, no end, no error. One system call, which
 * does not park. */
bool stream_quiet(struct stream *s);

const struct addr *stream_peer(const struct stream *s);
int stream_local(const struct stream *s, struct addr *ret);

/* Listening. */
struct listener;

/* As many connections wait to be accepted as the system allows (net.core.somaxconn). A client whose
 * connection finds no room tries again after a second, or is reset when that goes on. */
#define BACKLOG_MAX SOMAXCONN

int listener_open(const struct addr *a, int backlog, struct listener **ret);
/* Accepts one. Parks until there is one. -EMFILE and the like are returned, not retried: the caller
 * pauses. -ECANCELED: cancelled; or closed while parked here, which is for those who know that no
 * connection comes at the same moment (others cancel the scope and wait first). */
int listener_accept(struct listener *l, struct stream **ret) WEIR_PARKS;
int listener_local(const struct listener *l, struct addr *ret);
void listener_close(struct listener *l);

#endif
