/* Accepting connections: see listening.h. */
#include "gateway/listening.h"

#include <stdlib.h>

#include "base/log.h"
#include "gateway/gateway_impl.h"
#include "telemetry/cause.h"

/* Pauses after an accept that failed for want of descriptors or memory: there is nothing to gain
 * from trying again at once, and closing connections need the time. */
#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS (1 * NS_PER_SEC)

int listening_open(struct gateway *g, const struct addr *a, struct listening **ret)
{
    struct listening *l = calloc(1, sizeof(*l));
    struct addr bound;
    struct buf text;
    int rc;

    if (l == NULL)
        return -ENOMEM;
    rc = listener_open(a, BACKLOG_MAX, &l->listener);
    if (rc < 0) {
        free(l);
        return rc;
    }
    l->gateway = g;
    l->addr = *a;
    list_init(&l->link);
    atomic_init(&l->refs, 1);
    text = buf_on(l->text_mem, sizeof(l->text_mem));
    if (listener_local(l->listener, &bound) < 0)
        bound = *a;
    addr_format(&bound, &text);
    l->text = buf_str(&text);
    l->port = addr_port(&bound);
    *ret = l;
    return 0;
}

void listening_unref(struct listening *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

/* Beyond limits.connections a connection is answered and closed at once: a client that sees a
 * status with a cause knows what to do, one that waits in a queue does not. The socket's own buffer
 * takes the answer, so this does not park. */
static void refuse(struct gateway *g, struct stream *s)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                 "X-Weir-Cause: client_limit_reached\r\n"
                                 "Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    metric_inc(g->connections_refused);
    cause_count(CAUSE_CLIENT_LIMIT_REACHED);
    WEIR_DEADLINE (runtime_now_coarse()) {
        (void)stream_write(s, answer, sizeof(answer) - 1);
    }
    stream_close(s);
}

static uint32_t connections_max(struct gateway *g)
{
    struct pin pin = generation_pin(g);
    uint32_t max = pin.generation != NULL ? pin.generation->config->limits.connections : 0;

    generation_unpin(&pin);
    return max;
}

static void take(struct listening *l, struct stream *s)
{
    struct gateway *g = l->gateway;

    metric_inc(g->connections_accepted);
    if (atomic_fetch_add_explicit(&g->connections, 1, memory_order_relaxed) >= connections_max(g)) {
        atomic_fetch_sub_explicit(&g->connections, 1, memory_order_relaxed);
        refuse(g, s);
        return;
    }
    conn_start(g, l, s);
}

static void accept_loop(void *arg)
{
    struct listening *l = arg;
    struct gateway *g = l->gateway;
    int64_t pause_ns = PAUSE_MIN_NS;

    for (;;) {
        struct stream *s;
        int rc = listener_accept(l->listener, &s);

        if (rc == 0) {
            pause_ns = PAUSE_MIN_NS;
            take(l, s);
            continue;
        }
        if (rc == -ECANCELED)
            return;
        if (rc == -ECONNABORTED)
            continue;
        if (pause_ns == PAUSE_MIN_NS)
            log_warn("accept_failed", STR_FMT ": %s, pausing", STR_ARG(l->text), strerror(-rc));
        metric_inc(g->accept_pauses);
        if (weir_sleep(pause_ns) < 0)
            return;
        pause_ns = MIN(pause_ns * 2, PAUSE_MAX_NS);
    }
}

static void release(void *arg)
{
    listening_unref(arg);
}

int listening_start(struct listening *l)
{
    int rc;

    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    rc = task_start(&l->accepting, "accept", accept_loop, release, l);
    if (rc < 0)
        listening_unref(l);
    return rc;
}

void listening_close(struct listening *l)
{
    task_stop(&l->accepting);
    listener_close(l->listener);
    listening_unref(l);
}
