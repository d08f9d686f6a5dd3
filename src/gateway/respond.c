/* Responses on their way to the client: see respond.h. */
#include "gateway/respond.h"

#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/forward_head.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "gateway/response_cache.h"
#include "runtime/here.h"

/* True when the request's end has been reached; what is buffered of a small rest is thrown away.
 * Whether the endpoint has its last piece, too, does not matter to the client. */
static bool request_ended(struct exchange *x)
{
    struct str piece;

    if (pump_state(&x->pump) == PUMP_RUNNING)
        return false;
    while (!x->request_body.done && h1_body_try_next(&x->request_body, &piece) > 0)
        ;
    return x->request_body.done;
}

void respond_decide_close(struct exchange *x)
{
    if (!x->request.keep_alive || gateway_stopping(x->gateway) || !request_ended(x))
        x->close = true;
}

int respond_send(struct exchange *x, struct str head, struct str piece, bool last,
                 struct str trailers)
{
    int rc = 0;

    WEIR_DEADLINE (ns_add(here_now_ns(), x->generation->config->client.send_ns)) {
        rc = h1_writer_send(&x->out, head, piece, last, trailers);
    }
    if (likely(rc == 0))
        return 0;
    x->cut = true;
    if (rc == -ECANCELED)
        x->cause = pump_state(&x->pump) == PUMP_FAILED && x->pump.cause != CAUSE_NONE
                       ? x->pump.cause
                       : client_cancel_cause(x);
    else if (rc == -EMSGSIZE)
        x->cause = CAUSE_PROXY_INTERNAL_ERROR;
    else
        x->cause = rc == -ETIMEDOUT ? CAUSE_CLIENT_SEND_TIMEOUT : CAUSE_CLIENT_CLOSED;
    return rc;
}

static bool bodiless(const struct exchange *x)
{
    int status = x->response.status;

    return x->request.method == HTTP_HEAD || status == 204 || status == 304 || status < 200;
}

/* How the body is framed towards this client. Without a length it is chunked, or, for those who do
 * not know chunks, ends with the connection. */
static enum http_body_kind framing(struct exchange *x)
{
    if (bodiless(x))
        return HTTP_BODY_NONE;
    switch (x->response.body) {
    case HTTP_BODY_CHUNKED:
    case HTTP_BODY_CLOSE:
        return x->request.version_minor == 0 ? HTTP_BODY_CLOSE : HTTP_BODY_CHUNKED;
    default:
        return HTTP_BODY_LENGTH;
    }
}

int respond_own(struct exchange *x)
{
    enum http_body_kind kind = bodiless(x) ? HTTP_BODY_NONE : HTTP_BODY_LENGTH;
    struct str head, body = kind == HTTP_BODY_NONE ? STR("") : x->own_body;

    respond_decide_close(x);
    h1_writer_init(&x->out, x->reader->stream, kind, body.len);
    if (forward_head_response(x, kind, body.len, &head) < 0) {
        x->cut = true; /* filters added more than fits: there is nothing sensible to say */
        return -ENOBUFS;
    }
    return respond_send(x, head, body, true, STR(""));
}

static enum cause cause_of_body(struct exchange *x, int rc)
{
    switch (rc) {
    case -ETIMEDOUT:
        return CAUSE_CONNECTION_READ_TIMEOUT;
    case -EBADMSG:
        x->detail = str_of(x->response_body.refusal.name);
        return CAUSE_HTTP_RESPONSE_TRANSFER_CODING;
    case -ECANCELED:
        return pump_state(&x->pump) == PUMP_FAILED && x->pump.cause != CAUSE_NONE
                   ? x->pump.cause
                   : client_cancel_cause(x);
    default:
        return CAUSE_HTTP_RESPONSE_INCOMPLETE;
    }
}

/* The upstream's body broke off. Before a byte of the response is out there is still a status to
 * give; after that only a cut tells the client. */
static int body_failed(struct exchange *x, int rc, bool head_sent)
{
    enum cause cause = cause_of_body(x, rc);

    x->attempt_cause = cause;
    if (rc != -ECANCELED) {
        endpoint_breaker_note(x->route->upstream, x->endpoint);
        upstream_note_failure(x->route->upstream, x->endpoint, cause_name(cause).ptr);
    }
    if (!head_sent && cause_status(cause) != 0)
        return exchange_refuse(x, cause, NULL);
    x->cause = cause;
    x->cut = true;
    return rc;
}

static ssize_t next_piece(struct exchange *x, struct str *head, struct str *piece)
{
    ssize_t n = h1_body_try_next(&x->response_body, piece);
    int rc;

    if (n != -EAGAIN)
        return n;
    if (head->len != 0) { /* the body is not here yet: its head need not wait for it */
        rc = respond_send(x, *head, STR(""), false, STR(""));
        head->len = 0;
        if (rc < 0)
            return -EPIPE;
    }
    WEIR_DEADLINE (ns_add(here_now_ns(), x->route->config->timeouts.read_ns)) {
        n = h1_body_next(&x->response_body, piece);
    }
    return n;
}

/* A small piece is copied behind the head, so that one buffer leaves: gathering two costs the
 * kernel more than a kilobyte costs here. */
#define COPY_MAX (2 * KIB)

static struct str behind(struct exchange *x, struct str head, struct str piece)
{
    char *end = x->space->head_buf + head.len;

    if (head.len == 0 || piece.len == 0 || piece.len > COPY_MAX ||
        x->out.kind != HTTP_BODY_LENGTH || piece.len > x->space->head_bytes - head.len)
        return piece;
    memcpy(end, piece.ptr, piece.len);
    return str_n(end, piece.len);
}

static int relay(struct exchange *x, struct str head)
{
    struct h1_body *body = &x->response_body;
    struct str piece, trailers;

    for (;;) {
        ssize_t n = next_piece(x, &head, &piece);

        if (n == 0 && body->kind == HTTP_BODY_CLOSE && pump_met_reset(&x->pump))
            n = -ECONNRESET;
        if (n < 0)
            return n == -EPIPE ? -EPIPE : body_failed(x, (int)n, head.len == 0);
        if (n == 0)
            piece = STR("");
        if (unlikely(x->cache != NULL))
            response_cache_take(x, piece, body->done);
        trailers = body->done && x->request.te_trailers ? body->trailers : STR("");
        if (respond_send(x, head, behind(x, head, piece), body->done, trailers) < 0)
            return -EPIPE;
        head.len = 0;
        if (body->done)
            return 0;
    }
}

int respond_upstream(struct exchange *x)
{
    enum http_body_kind kind = framing(x);
    uint64_t length = x->response.body == HTTP_BODY_LENGTH ? x->response.content_length : 0;
    struct str head;

    respond_decide_close(x);
    if (kind == HTTP_BODY_CLOSE)
        x->close = true;
    h1_writer_init(&x->out, x->reader->stream, kind, length);
    if (forward_head_response(x, kind, length, &head) < 0)
        return exchange_refuse(x, CAUSE_HTTP_RESPONSE_HEADER_SECTION_SIZE, "too long to be sent");
    if (unlikely(x->cache != NULL) && kind == HTTP_BODY_NONE)
        response_cache_take(x, STR(""), true);
    if (kind == HTTP_BODY_NONE)
        return respond_send(x, head, STR(""), true, STR(""));
    return relay(x, head);
}
