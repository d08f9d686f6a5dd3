/* Sockets that coroutines wait for.
 *
 * A poll_fd is registered once, edge-triggered, with the poller of one processor (given out in
 * turn), and stays there until it is closed. It is part of the object that owns the socket, but its
 * memory is type-stable: poll_fd_new() and poll_fd_close() recycle it, because an event fetched
 * before a close may be looked at after it.
 *
 * Nobody waiting: an event sets a ready bit, which the next wait consumes. One coroutine at a time
 * may wait per direction. Or the read direction is watched: the first event (or the deadline)
 * starts a coroutine, which is how an idle connection holds neither stack nor buffer. */
#ifndef WEIR_RUNTIME_POLLER_H
#define WEIR_RUNTIME_POLLER_H

#include "base/base.h"
#include "runtime/runtime.h"

enum poll_dir { POLL_READ, POLL_WRITE };

struct poll_fd;

/* Registers the socket. -ENOMEM, or what the world said. */
int poll_fd_new(int sock, struct poll_fd **ret);

int poll_fd_sock(const struct poll_fd *pf);

/* Parks until there has been an event for this direction that nobody has consumed yet, and consumes
 * it: of all events that came before, one return. 0: try the system call now; -ETIMEDOUT,
 * -ECANCELED (also at once, when the scope has ended); -EBADF after poll_fd_close().
 *
 * The rule that loses no wake-up is "consume, then try": readiness is cleared before the system
 * call whose outcome decides whether to wait again, never after it. An edge that comes between the
 * two is then either seen by the system call or still there for the next wait. So net does
 *
 *     for (;;) {
 *         if (s->drained) {                       // the last read took all there was
 *             r = poll_fd_wait(pf, POLL_READ);    // consumes
 *             if (r < 0) return r;
 *             s->drained = false;
 *         } else {
 *             poll_fd_clear(pf, POLL_READ);       // optional: see there
 *         }
 *         n = world_recv(...);
 *         s->drained = n == -EAGAIN || (n > 0 && n < size);
 *         if (n != -EAGAIN) return n;
 *     }
 *
 * and the same for sending. A watch that fires with POLL_WATCH_READY has consumed, too: set
 * drained = false and read. A return of 0 does not promise that the call will succeed (an event may
 * be older than the last read); -EAGAIN then means: wait again.
 *
 * After a hang-up the read direction stays ready for good: no further edge comes after the one that
 * brought both the last bytes and the end of the stream, so a short read followed by a wait goes
 * straight on to the read that returns 0 or the error. (Do not wait again after that.) */
int poll_fd_wait(struct poll_fd *pf, enum poll_dir dir) WEIR_PARKS;

/* The same for a set of directions (1 << POLL_READ | 1 << POLL_WRITE): until there has been an
 * event for one of them. Returns those that had one. */
int poll_fd_wait_any(struct poll_fd *pf, unsigned dirs) WEIR_PARKS;

/* Forgets events that came before now. Only right immediately before the system call; never after
 * it. It is never needed: without it, an event that an optimistic call has used up costs one more
 * -EAGAIN later. A load when there is nothing to forget. Does not park. */
void poll_fd_clear(struct poll_fd *pf, enum poll_dir dir);

/* True when the peer has hung up or reset (an event said so). */
bool poll_fd_hung_up(const struct poll_fd *pf);

/* Somebody who wants to be told that the peer has hung up, whatever the owner waits for then. fn is
 * called by the thread that polls, perhaps several times, under a lock of the poll_fd: it must
 * neither park nor close. Whoever begins to care looks at poll_fd_hung_up() afterwards: what came
 * before is not told again. */
struct poll_hangup {
    void (*fn)(struct poll_hangup *h);
};

/* Once, by the owner, before anybody else knows the poll_fd. h is told until the poll_fd is closed
 * or released, and not touched afterwards. */
void poll_fd_on_hangup(struct poll_fd *pf, struct poll_hangup *h);

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

/* The same, but the socket stays open: it is somebody else's. */
void poll_fd_release(struct poll_fd *pf);

#endif
