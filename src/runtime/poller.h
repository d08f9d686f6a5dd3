/* Sockets that coroutines wait for.
 *
 * A poll_fd is registered once, edge-triggered, with the poller of one processor (given out in
 * turn), and stays there until it is closed. It is part of the object that owns the socket, but its
 * memory is type-stable: poll_fd_new() and poll_fd_close() recycle it, because an event fetched
 * before a close may be looked at after it.
 *
 * Nobody waiting: an event sets a ready bit. One coroutine at a time may wait per direction. Or the
 * read direction is watched: the first event (or the deadline) starts a coroutine, which is how an
 * idle connection holds neither stack nor buffer. */
#ifndef WEIR_RUNTIME_POLLER_H
#define WEIR_RUNTIME_POLLER_H

#include "base/base.h"
#include "runtime/runtime.h"

enum poll_dir { POLL_READ, POLL_WRITE };

struct poll_fd;

/* Registers the socket. -ENOMEM, or what the world said. */
int poll_fd_new(int sock, struct poll_fd **ret);

int poll_fd_sock(const struct poll_fd *pf);

/* Parks until an event for this direction has come since the last poll_fd_drained(); returns at
 * once when one has. 0; -ETIMEDOUT, -ECANCELED; -EBADF after poll_fd_close(). */
int poll_fd_wait(struct poll_fd *pf, enum poll_dir dir) WEIR_PARKS;

/* The owner says: reading (writing) has taken all there was (-EAGAIN, or a short count), so the
 * next poll_fd_wait() must wait for a new edge. Must be called before the state can matter again,
 * with the rule "clear, then try the system call" kept inside net: see src/runtime/README.md. */
void poll_fd_drained(struct poll_fd *pf, enum poll_dir dir);

/* True when the peer has hung up or reset (an event said so); a short read is then not the end. */
bool poll_fd_hung_up(const struct poll_fd *pf);

/* What happened to a watched socket. */
enum poll_watch_cause { POLL_WATCH_READY, POLL_WATCH_TIMEOUT, POLL_WATCH_CANCELLED };

typedef void poll_watch_fn(void *arg, enum poll_watch_cause cause) WEIR_PARKS;

/* Watches the read direction: once, when it is or becomes ready, or at deadline_ns, or through
 * poll_fd_unwatch_run(), starts a coroutine that calls fn(arg, cause). Until then nothing but the
 * poll_fd exists. The caller must not touch what fn owns after this call: it may have begun on
 * another processor. name as in weir_go(). If no coroutine can be started (limit), it is tried
 * again when one ends. */
void poll_fd_watch(struct poll_fd *pf, const char *name, poll_watch_fn *fn, void *arg,
                   int64_t deadline_ns);

/* Takes a watch back. True: fn will not run, the caller owns the socket again. False: it has begun
 * or will. Any thread. */
bool poll_fd_unwatch(struct poll_fd *pf);

/* Makes a pending watch run now with POLL_WATCH_CANCELLED (graceful stop). False: none was pending.
 */
bool poll_fd_unwatch_run(struct poll_fd *pf);

/* Unregisters, wakes waiters with -EBADF, recycles. Closes the socket through the world (reset:
 * with a reset instead of a clean end). No watch may be pending. */
void poll_fd_close(struct poll_fd *pf, bool reset);

#endif
