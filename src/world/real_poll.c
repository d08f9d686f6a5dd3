/* The poller of the real world: one epoll instance, every socket edge-triggered and registered
 * once, and an eventfd that ends a wait from another thread. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "world/real.h"

enum { POLL_BATCH_MAX = 256 };

/* Who must do what so that a wake is neither lost nor paid for in vain. */
enum wake_state {
    WAKE_NONE,     /* nobody sleeps: a wake only leaves WAKE_PENDING, no system call */
    WAKE_SLEEPING, /* a thread is in, or on its way into, a wait: a wake writes the eventfd */
    WAKE_PENDING,  /* woken: the next wait must not sleep */
};

struct world_poller {
    int epoll_fd; /* constant after creation, as is event_fd */
    int event_fd;
    CACHE_ALIGNED atomic_int wake; /* enum wake_state; any thread */
};

/* epoll_pwait2 (Linux 5.11) waits with nanoseconds. Where it is missing, or a filter forbids it,
 * epoll_wait takes over for good. */
static atomic_bool pwait2_missing;

int real_poller_new(struct world *w, struct world_poller **ret)
{
    struct world_poller *p = NULL;
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    int error;

    if (posix_memalign((void **)&p, CACHE_LINE, sizeof(*p)) != 0)
        return -ENOMEM;
    *p = (struct world_poller){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .event_fd = -1};
    if (p->epoll_fd < 0)
        goto fail;
    p->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->event_fd < 0)
        goto fail;
    e.data.ptr = p; /* no socket's udata can be this pointer */
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->event_fd, &e) != 0)
        goto fail;
    *ret = p;
    return 0;

fail:
    error = -errno;
    real_poller_free(p);
    return error;
}

void real_poller_free(struct world_poller *p)
{
    if (p == NULL)
        return;
    if (p->event_fd >= 0)
        close(p->event_fd);
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    free(p);
}

int real_poller_add(struct world_poller *p, int sock, void *udata)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = udata};

    ASSERT_HOT(udata != p);
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, sock, &e) == 0 ? 0 : -errno;
}

int real_poller_remove(struct world_poller *p, int sock)
{
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, sock, NULL) == 0 ? 0 : -errno;
}

/* Rounds up: a wait that ends a little late costs less than one that spins towards its end. */
static int timeout_to_ms(int64_t timeout_ns)
{
    if (timeout_ns == NS_NEVER)
        return -1;
    if (timeout_ns > INT32_MAX * NS_PER_MS)
        return INT32_MAX;
    return (int)((timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static int wait_events(int epoll_fd, struct epoll_event *out, int max, int64_t timeout_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(timeout_ns / NS_PER_SEC),
                          .tv_nsec = (long)(timeout_ns % NS_PER_SEC)};
    int n;

    if (timeout_ns > 0 && !atomic_load_explicit(&pwait2_missing, memory_order_relaxed)) {
        n = epoll_pwait2(epoll_fd, out, max, timeout_ns == NS_NEVER ? NULL : &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        atomic_store_explicit(&pwait2_missing, true, memory_order_relaxed);
    }
    return epoll_wait(epoll_fd, out, max, timeout_to_ms(timeout_ns));
}

static uint32_t events_of(uint32_t epoll_events)
{
    uint32_t out = 0;

    if (epoll_events & EPOLLIN)
        out |= WORLD_READABLE;
    if (epoll_events & EPOLLOUT)
        out |= WORLD_WRITABLE;
    if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        out |= WORLD_READABLE | WORLD_WRITABLE | WORLD_HANGUP;
    return out;
}

/* The eventfd is edge-triggered and never read: each write is an edge, and its counter cannot fill
 * within the life of a machine. A thread that only looks may draw the edge meant for the one that
 * sleeps, and then passes it on. */
static void pass_wake_on(struct world_poller *p)
{
    if (atomic_load(&p->wake) == WAKE_PENDING)
        eventfd_write(p->event_fd, 1);
}

int real_poll(struct world_poller *p, struct world_event *events, int max, int64_t timeout_ns)
{
    struct epoll_event got[POLL_BATCH_MAX];
    bool sleeps = timeout_ns > 0;
    bool woken = false;
    int count = 0, n, expected = WAKE_NONE;

    if (sleeps && !atomic_compare_exchange_strong(&p->wake, &expected, WAKE_SLEEPING))
        timeout_ns = 0; /* woken before we came */
    n = wait_events(p->epoll_fd, got, MIN(max, (int)POLL_BATCH_MAX), MAX(timeout_ns, 0));
    if (n < 0)
        n = errno == EINTR ? 0 : -errno; /* a signal is as good as a wake */
    if (sleeps)
        atomic_exchange(&p->wake, WAKE_NONE);
    for (int i = 0; i < n; i++) {
        if (got[i].data.ptr == p)
            woken = true;
        else
            events[count++] = (struct world_event){got[i].data.ptr, events_of(got[i].events)};
    }
    if (woken && !sleeps)
        pass_wake_on(p);
    return n < 0 ? n : count;
}

void real_poller_wake(struct world_poller *p)
{
    if (atomic_exchange(&p->wake, WAKE_PENDING) == WAKE_SLEEPING)
        eventfd_write(p->event_fd, 1);
}
