/* What filters do to an exchange: see exchange.h. */
#include "gateway/exchange.h"

#include "base/duration.h"
#include "gateway/gateway_impl.h"
#include "gateway/path.h"

static void begin_own_response(struct exchange *x, int status)
{
    exchange_drop_upstream(x, false);
    x->source = RESPONSE_OWN;
    x->own_body = STR("");
    x->response.status = status;
    x->response.field_count = 0;
    x->response.seen = 0;
    x->response.keep_alive = true;
    x->response.te_trailers = false;
}

int exchange_answer(struct exchange *x, int status, struct str body)
{
    begin_own_response(x, status);
    x->own_body = body;
    return 0;
}

/* {"error":"connection_refused","status":502,"request_id":"..."} */
static struct str refusal_body(struct exchange *x, enum cause cause, int status)
{
    struct str name = cause_name(cause);
    size_t cap = name.len + x->request_id.len * 6 + 64;
    char *mem = arena_alloc(&x->arena, cap);
    struct buf out = buf_on(mem, mem != NULL ? cap : 0);

    buf_lit(&out, "{\"error\":\"");
    buf_puts(&out, name);
    buf_lit(&out, "\",\"status\":");
    buf_put_u64(&out, (uint64_t)status);
    buf_lit(&out, ",\"request_id\":\"");
    buf_put_json(&out, x->request_id);
    buf_lit(&out, "\"}\n");
    return out.overflow ? STR("") : buf_str(&out);
}

/* Proxy-Status (RFC 9209), for those who asked for it: it tells about the inside. */
static void add_proxy_status(struct exchange *x, enum cause cause)
{
    struct str error = cause_proxy_error(cause);
    char *text;

    if (!x->generation->config->forward.proxy_status || error.len == 0)
        return;
    if (x->endpoint != NULL)
        text = arena_printf(&x->arena, "weir; error=" STR_FMT "; next-hop=\"" STR_FMT "\"",
                            STR_ARG(error), STR_ARG(x->endpoint->address));
    else
        text = arena_printf(&x->arena, "weir; error=" STR_FMT, STR_ARG(error));
    if (text != NULL)
        http_head_add(&x->response, STR("Proxy-Status"), str_of(text));
}

int exchange_refuse(struct exchange *x, enum cause cause, const char *detail_fmt, ...)
{
    if (exchange_refused(x))
        return 0;
    if (detail_fmt != NULL) {
        char text[160];
        struct buf b = buf_on(text, sizeof(text));
        va_list ap;

        va_start(ap, detail_fmt);
        buf_vprintf(&b, detail_fmt, ap);
        va_end(ap);
        x->detail = arena_str(&x->arena, buf_str(&b));
    }
    begin_own_response(x, cause_status(cause));
    x->cause = cause;
    http_head_add(&x->response, STR("Content-Type"), STR("application/json"));
    http_head_add(&x->response, STR("X-Weir-Cause"), cause_name(cause));
    if (cause_status(cause) == 503)
        http_head_add(&x->response, STR("Retry-After"), STR("1"));
    add_proxy_status(x, cause);
    x->own_body = refusal_body(x, cause, cause_status(cause));
    return 0;
}

void exchange_refusal_status(struct exchange *x, int status)
{
    if (status == x->response.status)
        return;
    x->response.status = status;
    x->own_body = refusal_body(x, x->cause, status);
}

void exchange_refusal_retry_after(struct exchange *x, int64_t after_ns)
{
    int64_t seconds = after_ns / NS_PER_SEC + (after_ns % NS_PER_SEC > 0);
    char *text;

    if (after_ns == INT64_MAX)
        return;
    text = arena_printf(&x->arena, "%lld", (long long)MAX(seconds, INT64_C(1)));
    if (text == NULL)
        return;
    http_head_drop_ids(&x->response, HTTP_F_BIT(HTTP_F_RETRY_AFTER));
    http_head_add(&x->response, STR("Retry-After"), str_of(text));
}

void exchange_release(struct exchange *x, struct exchange_hold *h)
{
    struct policy *p = TAKE(h->policy);

    if (p != NULL)
        h->release(p, x, h->since_ns);
}

void exchange_release_all(struct exchange *x)
{
    while (x->hold_count != 0)
        exchange_release(x, &x->holds[--x->hold_count]);
}

int exchange_set_path(struct exchange *x, struct str path)
{
    int rc = path_canonical(path, &x->arena, &x->path);

    if (rc == -EINVAL)
        exchange_refuse(x, CAUSE_HTTP_REQUEST_ERROR, "a filter made a path that has no safe form");
    else if (rc < 0)
        exchange_refuse(x, CAUSE_RESOURCES_EXHAUSTED, "path: arena full");
    return rc;
}

int exchange_add_request_field(struct exchange *x, struct str name, struct str value)
{
    int rc = http_head_add(&x->request, name, value);

    if (rc < 0)
        exchange_refuse(x, CAUSE_HEADER_TOO_LARGE, "no room for " STR_FMT, STR_ARG(name));
    return rc;
}

int exchange_add_response_field(struct exchange *x, struct str name, struct str value)
{
    int rc = http_head_add(&x->response, name, value);

    if (rc < 0)
        exchange_refuse(x, CAUSE_HTTP_RESPONSE_HEADER_SECTION_SIZE, "no room for " STR_FMT,
                        STR_ARG(name));
    return rc;
}

/* (the invariant of reuse) A connection serves again only if both messages on it ended where they
 * should, nothing came behind the response, and nobody asked to close. */
static bool upstream_reusable(const struct exchange *x)
{
    enum pump_state pump = pump_state(&x->pump);

#ifdef WEIR_PLANTED_BUG_RESPONSE_MIXUP
    /* The test of the simulation: the next request on it would read the rest of this response. */
    if (x->source == RESPONSE_UPSTREAM && x->response.keep_alive && x->pump.writer.done)
        return true;
#endif
    return x->source == RESPONSE_UPSTREAM && x->response_body.done && x->response.keep_alive &&
           (pump == PUMP_NONE || pump == PUMP_SENT) && x->pump.writer.done &&
           h1_reader_buffered(&x->upstream_reader) == 0 && !x->upstream_reader.eof;
}

/* Bytes behind the response: the endpoint has lost count. */
static bool spoke_unasked(const struct exchange *x)
{
    return x->source == RESPONSE_UPSTREAM && x->response_body.done &&
           h1_reader_buffered(&x->upstream_reader) != 0;
}

void exchange_drop_upstream(struct exchange *x, bool keep)
{
    struct upstream_conn *uc;

    if (pump_runs(&x->pump)) {
        weir_scope_cancel(x->scope);
        return;
    }
    uc = TAKE(x->upstream_conn);
    if (uc == NULL)
        return;
    if (unlikely(spoke_unasked(x)))
        endpoint_distrust(uc->endpoint);
    if (keep && upstream_reusable(x))
        upstream_conn_keep(uc, &x->route->upstream->config->pool);
    else
        upstream_conn_close(uc, x->source != RESPONSE_UPSTREAM || !x->response_body.done);
}
