/* The life of a client connection between requests: see conn.h.
 *
 * (1) Every open connection is on the list of its shard.
 * (2) Its stream is watched, or a coroutine serves it; never both.
 * (3) It leaves the list, under the shard's lock, before its stream is closed: whoever holds the
 *     lock may touch the streams of the list. */
#include "gateway/conn.h"

#include <stdlib.h>

#include "base/duration.h"
#include "gateway/gateway_impl.h"
#include "runtime/here.h"

static struct conn_shard *shard_of(struct conn *c)
{
    return &c->gateway->conn_shards[c->shard];
}

static int64_t first_idle_ns(struct gateway *g)
{
    struct pin pin = generation_pin(g);
    int64_t ns = pin.generation != NULL ? pin.generation->config->client.idle_ns : 0;

    generation_unpin(&pin);
    return ns;
}

static void conn_free(struct conn *c)
{
    struct gateway *g = c->gateway;
    struct conn_shard *shard = shard_of(c);

    spin_lock(&shard->lock);
    list_remove(&c->link);
    spin_unlock(&shard->lock);
    if (c->reset)
        stream_reset(c->stream);
    else
        stream_close(c->stream);
    listening_unref(c->listening);
    free(c);
    atomic_fetch_sub_explicit(&g->connections, 1, memory_order_release);
}

static void conn_event(void *arg, enum poll_watch_cause cause);

/* Waits for the next request without a coroutine. The connection must not be touched afterwards. A
 * stop that begins meanwhile either finds it watched, or is seen here. */
static void park(struct conn *c, int64_t idle_ns)
{
    struct conn_shard *shard = shard_of(c);
    int64_t deadline_ns = ns_add(here_now_ns(), idle_ns);
    bool stopping;

    spin_lock(&shard->lock);
    stopping = gateway_stopping(c->gateway);
    if (!stopping)
        stream_watch(c->stream, "client", conn_event, c, deadline_ns);
    spin_unlock(&shard->lock);
    if (stopping)
        conn_free(c);
}

static void set_scope(struct conn *c, struct weir_scope *scope)
{
    struct conn_shard *shard = shard_of(c);

    spin_lock(&shard->lock);
    c->scope = scope;
    if (scope != NULL && c->cut)
        weir_scope_cancel(scope);
    spin_unlock(&shard->lock);
}

/* The client has hung up (leaving.h). Called by the thread that polls. */
static void hung_up(struct poll_hangup *h)
{
    struct conn *c = container_of(h, struct conn, hangup);
    struct conn_shard *shard = shard_of(c);

    spin_lock(&shard->lock);
    if (c->scope != NULL && atomic_load(&c->attended)) {
        atomic_store_explicit(&c->left, true, memory_order_relaxed); /* the scope orders it */
        weir_scope_cancel(c->scope);
    }
    spin_unlock(&shard->lock);
}

static void conn_event(void *arg, enum poll_watch_cause cause)
{
    struct conn *c = arg;
    struct gateway *g = c->gateway;
    int64_t idle_ns = 0;
    bool again = false;

    if (cause == POLL_WATCH_READY) {
        atomic_fetch_add_explicit(&g->connections_active_count, 1, memory_order_relaxed);
        WEIR_SCOPE (scope) {
            set_scope(c, scope);
            again = gateway_serve(g, c, &idle_ns);
            set_scope(c, NULL);
        }
        atomic_fetch_sub_explicit(&g->connections_active_count, 1, memory_order_release);
    }
    if (again)
        park(c, idle_ns);
    else
        conn_free(c);
}

void conn_start(struct gateway *g, struct listening *l, struct stream *s)
{
    struct conn *c = malloc(sizeof(*c));
    struct conn_shard *shard;

    if (c == NULL) {
        stream_close(s);
        atomic_fetch_sub_explicit(&g->connections, 1, memory_order_release);
        return;
    }
    *c = (struct conn){.gateway = g, .listening = l, .stream = s, .hangup.fn = hung_up};
    stream_on_hangup(s, &c->hangup);
    c->shard = (uint8_t)(runtime_processor_index() % CONN_SHARDS);
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    shard = shard_of(c);
    spin_lock(&shard->lock);
    list_push_back(&shard->conns, &c->link);
    spin_unlock(&shard->lock);
    park(c, first_idle_ns(g));
}

/* The sum of what visit says of each connection; none ends meanwhile. */
static uint32_t visit_conns(struct gateway *g, uint32_t (*visit)(struct conn *c))
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < CONN_SHARDS; i++) {
        struct conn_shard *shard = &g->conn_shards[i];

        spin_lock(&shard->lock);
        list_for_each (pos, &shard->conns)
            sum += visit(list_entry(pos, struct conn, link));
        spin_unlock(&shard->lock);
    }
    return sum;
}

static uint32_t close_idle(struct conn *c)
{
    return stream_unwatch_run(c->stream);
}

static uint32_t cut(struct conn *c)
{
    c->cut = true;
    if (c->scope != NULL)
        weir_scope_cancel(c->scope);
    return 1;
}

uint32_t conns_close_idle(struct gateway *g)
{
    return visit_conns(g, close_idle);
}

uint32_t conns_cut(struct gateway *g)
{
    return visit_conns(g, cut);
}
