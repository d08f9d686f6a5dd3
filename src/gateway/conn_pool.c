/* Connections to endpoints, kept between requests. The list of an endpoint is shared by all
 * processors and used last in, first out: the warmest is taken, the rest age and go.
 *
 * (1) An idle connection is on its endpoint's list and its stream is watched.
 * (2) Whoever takes it off the list, under the lock, tries to take the watch back under the same
 *     lock. If that fails, the watcher has begun: it owns the connection and frees it.
 * (3) The watcher takes the lock before it frees, so (2) never looks at freed memory.
 *
 * An endpoint that says something unasked has lost count of requests and responses: whoever comes
 * next on such a connection would be given somebody else's answer. What is there is closed, and for
 * a while each of its connections serves one request only. */
#include "gateway/upstream.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/log.h"

#define DISTRUST_NS (60 * NS_PER_SEC)
#include "runtime/here.h"

static void conn_free(struct upstream_conn *uc)
{
    struct endpoint *e = uc->endpoint;

    atomic_fetch_sub_explicit(&e->connections, 1, memory_order_relaxed);
    free(uc);
    endpoint_unref(e);
}

void upstream_conn_close(struct upstream_conn *uc, bool reset)
{
    if (uc == NULL)
        return;
    if (reset)
        stream_reset(uc->stream);
    else
        stream_close(uc->stream);
    conn_free(uc);
}

void endpoint_distrust(struct endpoint *e)
{
    int64_t now_ns = runtime_now_coarse();
    int64_t until_ns = atomic_exchange_explicit(&e->distrusted_until_ns,
                                                ns_add(now_ns, DISTRUST_NS), memory_order_relaxed);

    if (until_ns <= now_ns)
        log_warn("endpoint_spoke_unasked",
                 "endpoint " STR_FMT " sent more than it was asked for; no connection to it serves "
                 "twice for a minute",
                 STR_ARG(e->address));
}

static bool distrusted(const struct endpoint *e)
{
    return unlikely(atomic_load_explicit(&e->distrusted_until_ns, memory_order_relaxed) != 0) &&
           atomic_load_explicit(&e->distrusted_until_ns, memory_order_relaxed) >
               runtime_now_coarse();
}

/* Bytes on an idle connection. Some servers say 408 when they close it: that answers nothing. */
static bool spoke_unasked(struct upstream_conn *uc)
{
    char start[12];
    ssize_t n = stream_try_read(uc->stream, start, sizeof(start));

    return n > 0 && !(n == sizeof(start) && memcmp(start, "HTTP/1.", 7) == 0 &&
                      memcmp(start + 8, " 408", 4) == 0);
}

/* The origin closed an idle connection, sent something unasked, or its time is over. */
static void idle_event(void *arg, enum poll_watch_cause cause)
{
    struct upstream_conn *uc = arg;
    struct endpoint *e = uc->endpoint;

    if (cause == POLL_WATCH_READY && spoke_unasked(uc))
        endpoint_distrust(e);

    spin_lock(&e->lock);
    if (!list_empty(&uc->link)) {
        list_remove(&uc->link);
        e->idle_count--;
    }
    spin_unlock(&e->lock);
    upstream_conn_close(uc, false);
}

static struct upstream_conn *take_idle(struct endpoint *e)
{
    struct upstream_conn *uc = NULL;

    spin_lock(&e->lock);
    while (!list_empty(&e->idle)) {
        struct upstream_conn *first = list_entry(e->idle.next, struct upstream_conn, link);

        list_remove(&first->link);
        e->idle_count--;
        if (stream_unwatch(first->stream)) {
            uc = first;
            break;
        }
    }
    spin_unlock(&e->lock);
    return uc;
}

/* The watch tells of what came when its processor polls, and under load the next request may be
 * faster. For most that is a matter of another attempt; who has none asks the socket. */
struct upstream_conn *upstream_conn_take(struct endpoint *e, bool sure)
{
    for (;;) {
        struct upstream_conn *uc = take_idle(e);

        if (uc == NULL || (!distrusted(e) && (!sure || stream_quiet(uc->stream))))
            return uc;
        upstream_conn_close(uc, false);
    }
}

int upstream_conn_open(struct endpoint *e, uint32_t connections_max, struct upstream_conn **ret)
{
    struct upstream_conn *uc;
    int rc;

    if (atomic_fetch_add_explicit(&e->connections, 1, memory_order_relaxed) >= connections_max) {
        atomic_fetch_sub_explicit(&e->connections, 1, memory_order_relaxed);
        return -EAGAIN;
    }
    endpoint_ref(e);
    uc = malloc(sizeof(*uc));
    if (uc == NULL) {
        atomic_fetch_sub_explicit(&e->connections, 1, memory_order_relaxed);
        endpoint_unref(e);
        return -ENOMEM;
    }
    *uc = (struct upstream_conn){.endpoint = e};
    list_init(&uc->link);
    rc = stream_dial(&e->addr, &uc->stream);
    if (rc < 0) {
        conn_free(uc);
        /* Our own bound has a code of its own; the system's -EAGAIN is another matter. */
        return rc == -EAGAIN ? -EADDRNOTAVAIL : rc;
    }
    metric_inc(e->metrics.opened);
    *ret = uc;
    return 0;
}

void upstream_conn_keep(struct upstream_conn *uc, const struct config_pool *pool)
{
    struct endpoint *e = uc->endpoint;
    bool kept = false;

    uc->reused = true;
    spin_lock(&e->lock);
    if (!e->retired && e->idle_count < pool->idle_max && !distrusted(e)) {
        kept = true;
        list_push_front(&e->idle, &uc->link);
        e->idle_count++;
        stream_watch(uc->stream, "idle upstream", idle_event, uc,
                     ns_add(here_now_ns(), pool->idle_timeout_ns));
    }
    spin_unlock(&e->lock);
    if (!kept)
        upstream_conn_close(uc, false);
}

void endpoint_close_idle(struct endpoint *e, bool retire)
{
    struct upstream_conn *uc;

    if (retire) {
        spin_lock(&e->lock);
        e->retired = true;
        spin_unlock(&e->lock);
    }
    while ((uc = take_idle(e)) != NULL)
        upstream_conn_close(uc, false);
}
