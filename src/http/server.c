/* The server: one coroutine accepts and outlives all connections (the keeper); a connection is a
 * coroutine while it has requests, and only a watch while it has none. */
#include "http/server.h"

#include <stdlib.h>

#include "base/duration.h"
#include "http/server_impl.h"

#define SESSIONS_KEPT   64
#define ACCEPT_PAUSE_NS (10 * NS_PER_MS)
#define CONNECTIONS_MAX 1024
#define HEADER_TIMEOUT  (10 * NS_PER_SEC)
#define IDLE_TIMEOUT    (60 * NS_PER_SEC)
#define REQUEST_TIMEOUT (30 * NS_PER_SEC)

static void free_server(struct http_server *s)
{
    listener_close(s->listener);
    pool_done(&s->sessions);
    free(s);
}

static void connection_ready(void *arg, enum poll_watch_cause cause);

/* The last that a connection does; the server may be gone when it returns. */
static void end_connection(struct server_connection *c)
{
    struct http_server *s = c->server;

    weir_mutex_lock(&s->mutex);
    list_remove(&c->node); /* first: a stop touches the streams that it finds in the list */
    s->connection_count--;
    weir_mutex_unlock(&s->mutex);
    if (c->cut)
        stream_reset(c->stream);
    else
        stream_close(c->stream);
    free(c);
    weir_wait_group_done(&s->live);
}

/* Hands the connection to the poller. Under the mutex, so that a stop finds it either busy or
 * watched. False: the server stops. c may be gone when this returns true. */
static bool park_connection(struct server_connection *c)
{
    struct http_server *s = c->server;
    int64_t wait = c->used ? s->options.idle_timeout_ns : s->options.header_timeout_ns;
    bool stopping;

    weir_mutex_lock(&s->mutex);
    stopping = s->stopping;
    if (!stopping) {
        c->busy = NULL;
        stream_watch(c->stream, s->options.name, connection_ready, c, ns_add(weir_now(), wait));
    }
    weir_mutex_unlock(&s->mutex);
    return !stopping;
}

static bool serve_connection(struct server_connection *c)
{
    struct session *session = pool_get(&c->server->sessions);
    bool keep = false;

    if (session == NULL)
        return false;
    session->connection = c;
    h1_reader_init(&session->reader, c->stream, session->buffer, sizeof(session->buffer), NULL);
    keep = session_serve(session);
    pool_put(&c->server->sessions, session);
    return keep;
}

static bool begin_busy(struct server_connection *c, struct weir_scope *scope)
{
    bool stopping;

    weir_mutex_lock(&c->server->mutex);
    c->busy = scope;
    stopping = c->server->stopping;
    weir_mutex_unlock(&c->server->mutex);
    return !stopping;
}

static void end_busy(struct server_connection *c)
{
    weir_mutex_lock(&c->server->mutex);
    c->busy = NULL;
    weir_mutex_unlock(&c->server->mutex);
}

static void connection_ready(void *arg, enum poll_watch_cause cause)
{
    struct server_connection *c = arg;
    bool keep = false;

    if (cause == POLL_WATCH_READY) {
        WEIR_SCOPE (scope) {
            keep = begin_busy(c, scope) && serve_connection(c);
            end_busy(c);
        }
    }
    if (!keep || !park_connection(c))
        end_connection(c);
}

static void take_connection(struct http_server *s, struct stream *stream)
{
    struct server_connection *c = NULL;

    weir_mutex_lock(&s->mutex);
    if (s->connection_count < s->options.connections_max)
        c = calloc(1, sizeof(*c));
    if (c != NULL) {
        c->server = s;
        c->stream = stream;
        list_push_back(&s->connections, &c->node);
        s->connection_count++;
        weir_wait_group_add(&s->live, 1);
    }
    weir_mutex_unlock(&s->mutex);
    if (c == NULL)
        stream_close(stream);
    else if (!park_connection(c))
        end_connection(c);
}

/* Returns when its scope is cancelled. */
static void accept_connections(struct http_server *s)
{
    for (;;) {
        struct stream *stream;
        int r = listener_accept(s->listener, &stream);

        if (r == 0)
            take_connection(s, stream);
        else if (r == -ECANCELED || weir_sleep(ACCEPT_PAUSE_NS) != 0)
            return;
    }
}

/* A connection that is busy ends by itself or is cut; a watched one is woken to end. */
static void cut_connections(struct http_server *s, bool busy)
{
    weir_mutex_lock(&s->mutex);
    list_for_each (pos, &s->connections) {
        struct server_connection *c = list_entry(pos, struct server_connection, node);

        if (c->busy == NULL)
            stream_unwatch_run(c->stream);
        else if (busy)
            weir_scope_cancel(c->busy);
    }
    weir_mutex_unlock(&s->mutex);
}

static int wait_for_connections(struct http_server *s, int64_t deadline_ns)
{
    int r = 0;

    WEIR_DEADLINE (deadline_ns) {
        r = weir_wait_group_wait(&s->live);
    }
    return r;
}

static bool begin_keeping(struct http_server *s, struct weir_scope *scope)
{
    bool dropped;

    weir_mutex_lock(&s->mutex);
    dropped = s->phase == SERVER_DROPPED;
    if (!dropped) {
        s->phase = SERVER_KEPT;
        s->accepting = scope;
    }
    weir_mutex_unlock(&s->mutex);
    return !dropped;
}

static void stop_accepting(struct http_server *s)
{
    weir_mutex_lock(&s->mutex);
    s->accepting = NULL;
    s->stopping = true;
    weir_mutex_unlock(&s->mutex);
    listener_close(TAKE(s->listener));
}

static void keep_server(void *arg)
{
    struct http_server *s = arg;
    bool kept = false;
    int r;

    weir_mutex_lock(&s->kept);
    WEIR_SCOPE (scope) {
        kept = begin_keeping(s, scope);
        if (kept)
            accept_connections(s);
        if (kept)
            stop_accepting(s);
    }
    if (!kept) {
        weir_mutex_unlock(&s->kept);
        free_server(s);
        return;
    }
    cut_connections(s, false);
    r = wait_for_connections(s, s->stop_deadline_ns);
    if (r == -ETIMEDOUT) {
        cut_connections(s, true);
        r = wait_for_connections(s, NS_NEVER);
    }
    s->abandoned = r != 0;
    weir_mutex_unlock(&s->kept);
}

static void set_defaults(struct http_server_options *o)
{
    if (o->name == NULL)
        o->name = "http-server";
    if (o->connections_max == 0)
        o->connections_max = CONNECTIONS_MAX;
    if (o->header_timeout_ns == 0)
        o->header_timeout_ns = HEADER_TIMEOUT;
    if (o->idle_timeout_ns == 0)
        o->idle_timeout_ns = IDLE_TIMEOUT;
    if (o->request_timeout_ns == 0)
        o->request_timeout_ns = REQUEST_TIMEOUT;
}

int http_server_start_on(struct listener *l, const struct http_server_options *o,
                         struct http_server **ret)
{
    struct http_server *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL) {
        listener_close(l);
        return -ENOMEM;
    }
    s->options = *o;
    set_defaults(&s->options);
    s->stop_deadline_ns = NS_NEVER;
    list_init(&s->connections);
    pool_init(&s->sessions, sizeof(struct session), SESSIONS_KEPT);
    s->listener = l;
    r = listener_local(s->listener, &s->addr);
    if (r == 0)
        r = weir_go(s->options.name, keep_server, s);
    if (r != 0) {
        free_server(s);
        return r;
    }
    *ret = s;
    return 0;
}

int http_server_start(const struct addr *a, const struct http_server_options *o,
                      struct http_server **ret)
{
    struct listener *l;
    int r = listener_open(a, BACKLOG_MAX, &l);

    return r != 0 ? r : http_server_start_on(l, o, ret);
}

int http_server_addr(const struct http_server *s, struct addr *ret)
{
    *ret = s->addr;
    return 0;
}

void http_server_stop(struct http_server *s)
{
    http_server_stop_by(s, weir_cancelled() ? weir_now() : weir_deadline_now());
}

void http_server_stop_by(struct http_server *s, int64_t deadline_ns)
{
    bool kept;

    if (s == NULL)
        return;
    weir_mutex_lock(&s->mutex);
    s->stopping = true;
    s->stop_deadline_ns = deadline_ns;
    kept = s->phase == SERVER_KEPT;
    if (s->accepting != NULL)
        weir_scope_cancel(s->accepting);
    if (!kept) {
        s->phase = SERVER_DROPPED;
        listener_close(TAKE(s->listener));
    }
    weir_mutex_unlock(&s->mutex);
    if (!kept)
        return; /* the keeper has not begun; it frees */
    weir_mutex_lock(&s->kept);
    weir_mutex_unlock(&s->kept);
    if (!s->abandoned)
        free_server(s);
}
