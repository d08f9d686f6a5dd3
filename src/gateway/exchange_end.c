/* The last steps of an exchange: chain, response, record. */
#include "base/assert.h"
#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/gateway_impl.h"
#include "gateway/respond.h"
#include "gateway/response_cache.h"
#include "gateway/serve.h"

/* What a connection that is closed may still send before we let go of it: with unread bytes behind
 * it a close becomes a reset, which can overtake our answer. */
#define LINGER_BYTES (1 * MIB)
#define LINGER_NS    (2 * NS_PER_SEC)

static void run_chain(struct exchange *x)
{
    if (x->source == RESPONSE_NONE && chain_next(x->route->chain, x) < 0)
        return;
    if (x->source == RESPONSE_UPSTREAM)
        (void)respond_upstream(x);
    else if (x->source == RESPONSE_TUNNEL)
        (void)respond_tunnel(x);
}

/* With a body that does not come all at once, its pump lives in a scope around the exchange. What
 * is then left of a response of our own is sent outside: the scope may have been cancelled. */
void exchange_run(struct exchange *x)
{
    if (likely(x->body_whole || x->source != RESPONSE_NONE)) {
        run_chain(x);
    } else {
        WEIR_SCOPE (scope) {
            x->scope = scope;
            run_chain(x);
            if (pump_runs(&x->pump))
                weir_scope_cancel(scope); /* the answer came before the pump has ended */
        }
        x->scope = NULL;
    }
    if (x->source == RESPONSE_OWN && !x->cut)
        (void)respond_own(x);
}

static void linger(struct exchange *x)
{
    struct stream *s = x->reader->stream;
    size_t drained = 0;

    if (x->reader->eof || stream_shutdown(s) < 0)
        return;
    WEIR_DEADLINE (ns_add(runtime_now_coarse(), LINGER_NS)) {
        while (drained < LINGER_BYTES) {
            ssize_t n = stream_read(s, x->reader->buf, x->reader->cap);

            if (n <= 0)
                break;
            drained += (size_t)n;
        }
    }
}

static int status_class(const struct exchange *x)
{
    int class = x->out.started ? x->response.status / 100 : 0;

    return class >= 1 && class <= 5 ? class : 0;
}

static void fill_record(struct exchange *x, struct access_record *r)
{
    int64_t now_wall_ns = world_wall_ns(runtime_world());
    struct http_field *agent = http_head_find_id(&x->request, HTTP_F_USER_AGENT);
    char *mem = arena_alloc(&x->arena, ADDR_TEXT_MAX);
    struct buf client = buf_on(mem, mem != NULL ? ADDR_TEXT_MAX : 0);

    addr_format(stream_peer(x->reader->stream), &client);
    r->request_id = x->request_id;
    r->wall_ns = now_wall_ns - (x->end_ns - x->start_ns);
    r->client = buf_str(&client);
    r->listener = x->conn->listening->text;
    r->method = x->request.method_text;
    r->host = x->request.authority;
    r->path = x->request.path;
    r->query = x->request.query;
    r->user_agent = agent != NULL ? http_field_value(agent) : STR("");
    r->version_minor = x->request.version_minor;
    r->generation = x->generation->number;
    r->route = x->route->config != NULL ? x->route->id : STR("");
    r->fallback_from = x->elsewhere && x->before.route != NULL ? x->before.route->id : STR("");
    r->upstream = x->route->upstream != NULL ? x->route->upstream->state->id : STR("");
    r->endpoint = x->endpoint != NULL ? x->endpoint->address : STR("");
    r->status = x->out.started ? x->response.status : 0;
    if (r->status == 0 && x->cause == CAUSE_CLIENT_CLOSED)
        r->status = cause_status(x->cause);
    r->cause = x->cause;
    r->detail = x->detail.ptr != NULL ? x->detail : STR("");
    r->client_reused = x->conn->served > 1;
    r->total_ns = x->end_ns - x->start_ns;
    r->first_byte_ns = x->response_ns != 0 ? x->response_ns - x->start_ns : -1;
}

static void record(struct exchange *x)
{
    const struct route_metrics *m = &x->route->metrics;

    x->record.bytes_in = x->request_body.wire_bytes + x->tunnel_bytes_in;
    x->record.bytes_out = x->out.sent_bytes + x->interim_bytes;
    metric_inc(m->by_class[status_class(x)]);
    metric_observe(m->duration, x->end_ns - x->start_ns);
    metric_add(m->received, x->record.bytes_in);
    metric_add(m->sent, x->record.bytes_out);
    cause_count(x->cause);
    if (x->cause == CAUSE_NONE && x->upstream_status >= 500 && x->source == RESPONSE_UPSTREAM)
        x->cause = CAUSE_UPSTREAM_ERROR_STATUS; /* told, not counted: the answer was delivered */
    if (access_wanted()) {
        fill_record(x, &x->record);
        access_emit(&x->record);
    }
}

/* (the invariant of reuse) Both messages ended where they should, and nobody asked to close. */
static bool client_reusable(const struct exchange *x)
{
    return !x->close && !x->cut && x->out.done && x->request_body.done && !x->reader->eof;
}

static void close_client(struct exchange *x)
{
    if (x->cut)
        x->conn->reset = true;
    else if (x->out.started && x->source != RESPONSE_TUNNEL &&
             (!x->request_body.done || h1_reader_buffered(x->reader) != 0))
        linger(x);
}

inline void exchange_leave_budget(struct exchange *x)
{
    if (x->in_budget)
        retry_budget_leave(&x->route->upstream->state->budget);
    x->in_budget = false;
}

/* inline: as exchange_begin(). */
inline void exchange_let_go(struct exchange *x)
{
    attempt_end(x);
    exchange_drop_upstream(x, true);
    exchange_release_all(x);
    exchange_leave_budget(x);
    if (unlikely(x->cache != NULL))
        response_cache_leave(x);
}

bool exchange_finish(struct exchange *x, struct serving *s)
{
    bool again = client_reusable(x);

    x->end_ns = s->now_ns = weir_now();
    exchange_let_go(x);
    x->conn->served++;
    if (x->generation != NULL && (x->source != RESPONSE_NONE || x->cause != CAUSE_NONE))
        record(x);
    if (again) {
        ASSERT(x->generation != NULL); /* a response was sent whole */
        s->idle_ns = x->generation->config->client.idle_ns;
        h1_reader_next(x->reader);
    } else {
        close_client(x);
    }
    generation_unpin(&x->pin);
    arena_done(&x->arena);
    return again;
}
