/* The last filter: one attempt at one endpoint, up to the head of its response. The body follows
 * when the exchange answers (respond.c), after the filters have had their say about the head. */
#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/filters/filters.h"
#include "gateway/forward_head.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "runtime/here.h"

/* An idle connection, or a new one. A second attempt at the same endpoint wants a new one: what was
 * wrong with the last may be wrong with all idle ones. */
static int get_connection(struct exchange *x)
{
    const struct config_timeouts *t = &x->route->config->timeouts;
    uint32_t max = x->route->upstream->config->pool.connections_max;
    int64_t begun_ns;
    int rc = 0;

    x->record.upstream_reused = false;
    if (!x->fresh)
        x->upstream_conn =
            upstream_conn_take(x->endpoint, !http_method_idempotent(x->request.method));
    if (x->upstream_conn != NULL) {
        x->record.upstream_reused = true;
        x->record.connect_ns = 0;
        return 0;
    }
    begun_ns = weir_now();
    WEIR_DEADLINE (MIN(ns_add(begun_ns, t->connect_ns), attempt_until_ns(x))) {
        rc = upstream_conn_open(x->endpoint, max, &x->upstream_conn);
    }
    x->record.connect_ns = weir_now() - begun_ns;
    if (rc == 0)
        metric_observe(x->endpoint->metrics.connect_duration, x->record.connect_ns);
    return rc;
}

static int fail_connect(struct exchange *x, int rc)
{
    if (rc == -EAGAIN)
        return attempt_fail(x, RETRY_REFUSED_LOCALLY, CAUSE_CONNECTION_LIMIT_REACHED);
    if (rc == -ECANCELED)
        return attempt_fail(x, RETRY_CLIENT, client_cancel_cause(x));
    if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -ENOBUFS)
        return attempt_fail(x, RETRY_REFUSED_LOCALLY, CAUSE_RESOURCES_EXHAUSTED);
    return attempt_fail(x, RETRY_CONNECT, cause_of_connect_error(rc));
}

static int fail_send(struct exchange *x, int rc)
{
    if (rc == -ECANCELED)
        return attempt_fail(x, RETRY_CLIENT, client_cancel_cause(x));
    if (rc == -ETIMEDOUT)
        return attempt_fail(x, RETRY_TIMEOUT, CAUSE_CONNECTION_WRITE_TIMEOUT);
    return attempt_fail(x, RETRY_CLOSED, CAUSE_CONNECTION_TERMINATED);
}

/* The head, and the body with it when it is all here. */
static int send_request(struct exchange *x)
{
    struct stream *stream = x->upstream_conn->stream;
    struct str head;
    int rc = forward_head_request(x, &head);

    if (rc < 0)
        return rc;
    h1_reader_init(&x->upstream_reader, stream, x->space->upstream_buf, x->space->reader_bytes,
                   x->reader->limits);
    h1_writer_init(&x->pump.writer, stream, x->request.body, x->request.content_length);
    WEIR_DEADLINE (
        MIN(ns_add(here_now_ns(), x->route->config->timeouts.read_ns), attempt_until_ns(x))) {
        rc = h1_writer_send(&x->pump.writer, head, x->body_piece, x->body_whole, STR(""));
    }
    x->sent_ns = here_now_ns();
    return rc;
}

/* An upgrade is what we asked for, and nothing else. */
static bool upgrade_fits(struct exchange *x)
{
    struct http_field *f = http_head_find_id(&x->response, HTTP_F_UPGRADE);

    if (x->upgrade.ptr == NULL || f == NULL || !http_list_has(x->upgrade, http_field_value(f)))
        return false;
    x->upgrade = http_field_value(f);
    return true;
}

static int take_response(struct exchange *x)
{
    x->response_ns = weir_now();
    x->upstream_status = x->response.status;
    if (unlikely(x->response.status == 101)) {
        if (!upgrade_fits(x))
            return attempt_fail(x, RETRY_BROKEN, CAUSE_HTTP_UPGRADE_FAILED);
        x->source = RESPONSE_TUNNEL;
    } else {
        x->source = RESPONSE_UPSTREAM;
    }
    h1_body_init(&x->response_body, &x->upstream_reader, &x->response);
    http_head_drop_hop_by_hop(&x->response);
    http_head_drop_ids(&x->response, HTTP_F_BIT(HTTP_F_X_REQUEST_ID)); /* ours follows */
    if (x->response.status >= 500) {
        attempt_report(x, WEIR_OUTCOME_FAILED);
        upstream_note_failure(x->route->upstream, x->endpoint, "a status of 5xx");
    } else {
        attempt_report(x, WEIR_OUTCOME_OK);
        upstream_note_success(x->endpoint);
    }
    upstream_note_latency(x->route->upstream, x->endpoint, x->response_ns - x->attempt_start_ns,
                          x->response.status >= 500);
    return 0;
}

int forward(struct exchange *x, const struct chain *next)
{
    int rc;

    if (!x->attempt_running && !attempt_begin(x, x->fresh)) /* hedge begins its own */
        return attempt_fail(x, RETRY_REFUSED_LOCALLY, CAUSE_DESTINATION_UNAVAILABLE);
    rc = get_connection(x);
    if (rc < 0)
        return fail_connect(x, rc);
    rc = send_request(x);
    if (rc == -ENOBUFS)
        return attempt_fail(x, RETRY_CLIENT, CAUSE_HEADER_TOO_LARGE);
    if (rc < 0)
        return fail_send(x, rc);
    if (!x->body_whole && pump_start(x) < 0)
        return attempt_fail(x, RETRY_CLIENT, CAUSE_RESOURCES_EXHAUSTED);
    if (attempt_await(x) < 0)
        return 0;
    return take_response(x);
}
