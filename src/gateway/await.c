/* Waiting for the head of a response: see attempt.h. */
#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/forward_head.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "runtime/here.h"

/* Interim responses (1xx) before the final one; beyond, somebody plays games. */
#define INTERIM_MAX 32

/* Until when to wait now. While the request body still flows there is no bound here (the pump has
 * its own), only a time to look again; once it has ended, first-byte counts from its last byte, and
 * so does the total. */
static int64_t wait_until(struct exchange *x)
{
    const struct config_timeouts *t = &x->route->config->timeouts;
    int64_t sent_ns = x->sent_ns;

    if (pump_runs(&x->pump))
        return MIN(ns_add(here_now_ns(), t->first_byte_ns), x->limit_ns);
    if (pump_state(&x->pump) != PUMP_NONE) {
        sent_ns = atomic_load_explicit(&x->pump.progress_ns, memory_order_relaxed);
        x->deadline_ns = MIN(ns_add(sent_ns, t->total_ns), x->limit_ns);
    }
    return MIN(ns_add(sent_ns, t->first_byte_ns), attempt_until_ns(x));
}

/* Reads one head in the time there is. The deadline is looked at again when it has passed, instead
 * of being moved by the pump: it moves at most once per wait. */
static int read_head(struct exchange *x, struct h1_refusal *refusal)
{
    int64_t until_ns = wait_until(x);
    int rc = 0;

    for (;;) {
        WEIR_DEADLINE (until_ns) {
            rc = h1_read_response(&x->upstream_reader, x->request.method, &x->response, refusal);
        }
        if (rc != -ETIMEDOUT)
            return rc;
        until_ns = wait_until(x);
        if (until_ns <= here_now_ns())
            return rc;
    }
}

static int fail(struct exchange *x, enum retry_failure failure, enum cause cause)
{
    attempt_fail(x, failure, cause);
    return -1;
}

static int fail_broken(struct exchange *x, const struct h1_refusal *refusal)
{
    enum cause cause = CAUSE_HTTP_PROTOCOL_ERROR;

    if (strcmp(refusal->name, "long_head") == 0 || strcmp(refusal->name, "many_fields") == 0)
        cause = CAUSE_HTTP_RESPONSE_HEADER_SECTION_SIZE;
    else if (strcmp(refusal->name, "unknown_transfer_coding") == 0 ||
             strcmp(refusal->name, "bad_transfer_encoding") == 0)
        cause = CAUSE_HTTP_RESPONSE_TRANSFER_CODING;
    x->detail = str_of(refusal->name);
    return fail(x, RETRY_BROKEN, cause);
}

/* Somebody cancelled the wait: the pump, because of the client, the client itself, or a stop. */
static int fail_cancelled(struct exchange *x)
{
    if (pump_state(&x->pump) == PUMP_FAILED && x->pump.cause != CAUSE_NONE) {
        if (x->pump.detail != NULL)
            x->detail = str_of(x->pump.detail);
        return fail(x, RETRY_CLIENT, x->pump.cause);
    }
    return fail(x, RETRY_CLIENT, client_cancel_cause(x));
}

static int fail_read(struct exchange *x, int rc, bool begun)
{
    begun |= h1_reader_buffered(&x->upstream_reader) != 0;
    if (rc == -ECANCELED)
        return fail_cancelled(x);
    if (rc == -ETIMEDOUT && MIN(x->deadline_ns, x->limit_ns) <= here_now_ns())
        return fail(x, RETRY_TIMEOUT, CAUSE_DEADLINE_EXCEEDED);
    if (rc == -ETIMEDOUT)
        return fail(x, RETRY_TIMEOUT, CAUSE_HTTP_RESPONSE_TIMEOUT);
    if (begun)
        return fail(x, RETRY_BROKEN, CAUSE_HTTP_RESPONSE_INCOMPLETE);
    return fail(x, RETRY_CLOSED, CAUSE_CONNECTION_TERMINATED);
}

/* Clients of HTTP/1.0 do not know interim responses. */
static int pass_interim(struct exchange *x)
{
    struct str head;
    int rc = 0;

    if (x->request.version_minor == 0)
        return 0;
    if (!attempt_claim(x)) /* another attempt answers: not in the middle of this */
        return -ECANCELED;
    http_head_drop_hop_by_hop(&x->response);
    if (forward_head_interim(x, &head) < 0)
        return -ENOBUFS;
    WEIR_DEADLINE (ns_add(here_now_ns(), x->generation->config->client.send_ns)) {
        rc = stream_write(x->reader->stream, head.ptr, head.len);
    }
    x->interim_bytes += head.len;
    return rc;
}

int attempt_await(struct exchange *x)
{
    struct h1_refusal refusal;
    unsigned interim = 0;

    for (;;) {
        int rc = read_head(x, &refusal);

        if (rc == -EBADMSG)
            return fail_broken(x, &refusal);
        if (rc < 0)
            return fail_read(x, rc, interim != 0);
        if (x->response.status >= 200 || x->response.status == 101)
            return 0;
        if (++interim > INTERIM_MAX) {
            x->detail = STR("too many interim responses");
            return fail(x, RETRY_BROKEN, CAUSE_HTTP_PROTOCOL_ERROR);
        }
        rc = pass_interim(x);
        if (rc == -ECANCELED)
            return fail_cancelled(x);
        if (rc < 0)
            return fail(x, RETRY_CLIENT,
                        rc == -ETIMEDOUT ? CAUSE_CLIENT_SEND_TIMEOUT : CAUSE_CLIENT_CLOSED);
        h1_reader_next(&x->upstream_reader);
    }
}
