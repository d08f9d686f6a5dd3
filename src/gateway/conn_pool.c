/* Connections to endpoints, kept between requests. The list of an endpoint is shared by all
 * processors and used last in, first out: the warmest is taken, the rest age and go.
 *
 * (1) An idle connection is on its endpoint's list and its stream is watched.
 * (2) Whoever takes it off the list, under the lock, tries to take the watch back under the same
 *     lock. If that fails, the watcher has begun: it owns the connection and frees it.
 * (3) The watcher takes the lock before it frees, so (2) never looks at freed memory.
 * (4) Nobody is given a connection on which anything has come since its last response. */
#include "gateway/upstream.h"

#include <stdlib.h>

#include "base/duration.h"
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

/* The origin closed an idle connection, sent something unasked, or its time is over: all the same.
 */
static void idle_event(void *arg, enum poll_watch_cause cause)
{
    struct upstream_conn *uc = arg;
    struct endpoint *e = uc->endpoint;

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

/* The watch tells of what came only when its processor has polled again, and under load the next
 * request is faster than that. An answer that nobody asked for would then be taken for the answer
 * to this request, and all that follow would be answered by one another. */
struct upstream_conn *upstream_conn_take(struct endpoint *e)
{
    for (;;) {
        struct upstream_conn *uc = take_idle(e);

        if (uc == NULL || stream_quiet(uc->stream))
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
    if (!e->retired && e->idle_count < pool->idle_max) {
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
