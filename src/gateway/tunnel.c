/* After a 101 the two connections are one pipe with two directions. Each has a coroutine; the
 * tunnel ends when both directions have ended, when one has failed, or when nothing has moved
 * either way for client.idle-timeout. */
#include "base/duration.h"
#include "gateway/forward_head.h"
#include "gateway/gateway_impl.h"
#include "gateway/respond.h"

struct tunnel {
    struct exchange *x;
    struct weir_scope *scope;
    int64_t idle_ns;
    atomic_int_least64_t moved_ns; /* when bytes last went either way */
    atomic_bool failed;            /* a direction ended otherwise than by an end of stream */
    uint64_t to_client_bytes;      /* each of its direction's coroutine */
    uint64_t to_upstream_bytes;
};

/* Bytes, 0 at the end, or negative. While the other direction moves, silence here is no reason. */
static ssize_t read_some(struct tunnel *t, struct stream *from, char *buf, size_t size)
{
    for (;;) {
        int64_t until_ns =
            ns_add(atomic_load_explicit(&t->moved_ns, memory_order_relaxed), t->idle_ns);
        ssize_t n = -ETIMEDOUT;

        if (until_ns > runtime_now_coarse()) {
            WEIR_DEADLINE (until_ns) {
                n = stream_read(from, buf, size);
            }
        }
        if (n != -ETIMEDOUT)
            return n;
        if (ns_add(atomic_load_explicit(&t->moved_ns, memory_order_relaxed), t->idle_ns) <=
            runtime_now_coarse())
            return n;
    }
}

/* What the reader already holds goes first, then its buffer serves for the rest. */
static void pump_direction(struct tunnel *t, struct h1_reader *from, struct stream *to,
                           uint64_t *bytes)
{
    char *data = from->buf + from->start;
    ssize_t n = (ssize_t)h1_reader_buffered(from);
    char *room = from->buf + from->floor;
    size_t size = from->cap - from->floor;

    if (n == 0)
        n = read_some(t, from->stream, data = room, size);
    while (n > 0) {
        int rc = 0;

        atomic_store_explicit(&t->moved_ns, runtime_now_coarse(), memory_order_relaxed);
        WEIR_DEADLINE (ns_add(runtime_now_coarse(), t->idle_ns)) {
            rc = stream_write(to, data, (size_t)n);
        }
        if (rc < 0) {
            n = rc;
            break;
        }
        *bytes += (uint64_t)n;
        n = read_some(t, from->stream, data = room, size);
    }
    if (n == 0) {
        (void)stream_shutdown(to);
    } else {
        atomic_store_explicit(&t->failed, true, memory_order_relaxed);
        weir_scope_cancel(t->scope);
    }
}

static void pump_to_upstream(void *arg)
{
    struct tunnel *t = arg;

    pump_direction(t, t->x->reader, t->x->upstream_conn->stream, &t->to_upstream_bytes);
}

int respond_tunnel(struct exchange *x)
{
    struct tunnel t = {.x = x, .idle_ns = x->generation->config->client.idle_ns};
    struct str head;
    int rc;

    x->close = true;
    h1_writer_init(&x->out, x->reader->stream, HTTP_BODY_NONE, 0);
    rc = forward_head_response(x, HTTP_BODY_NONE, 0, &head);
    if (rc == 0)
        rc = respond_send(x, head, STR(""), true, STR(""));
    if (rc < 0)
        return rc;
    atomic_store(&t.moved_ns, runtime_now_coarse());
    WEIR_SCOPE (scope) {
        t.scope = scope;
        rc = weir_scope_go(scope, "tunnel", pump_to_upstream, &t);
        if (rc == 0)
            pump_direction(&t, &x->upstream_reader, x->reader->stream, &t.to_client_bytes);
    }
    x->cut = atomic_load(&t.failed);
    x->tunnel_bytes_in = t.to_upstream_bytes;
    x->out.sent_bytes += t.to_client_bytes;
    return rc;
}
