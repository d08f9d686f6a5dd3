/* Request bodies on their way to the endpoint: see pump.h. */
#include "gateway/pump.h"

#include "base/duration.h"
#include "gateway/exchange.h"
#include "gateway/gateway_impl.h"
#include "gateway/mishap.h"

static void end(struct pump *p, enum pump_state state)
{
    atomic_store_explicit(&p->progress_ns, runtime_now_coarse(), memory_order_relaxed);
    atomic_store_explicit(&p->state, state, memory_order_release);
}

static void fail(struct exchange *x, enum cause cause, const char *detail)
{
    x->pump.cause = cause;
    x->pump.detail = detail;
    end(&x->pump, PUMP_FAILED);
}

/* The client's part is broken: there is nothing to wait for any more. */
static void client_failed(struct exchange *x, int rc)
{
    enum cause cause = CAUSE_CLIENT_CLOSED;
    const char *detail = "the body ended early";

    if (rc == -EBADMSG) {
        cause = CAUSE_CLIENT_BODY_ERROR;
        detail = x->request_body.refusal.name;
    } else if (rc == -ETIMEDOUT) {
        cause = CAUSE_CLIENT_BODY_TIMEOUT;
        detail = "the client stopped sending the body";
    } else if (rc == -EFBIG) {
        cause = CAUSE_BODY_TOO_LARGE;
        detail = "more than limits.body_size or RequestSize allows";
    } else if (rc == -ECANCELED) {
        cause = CAUSE_NONE; /* whoever cancelled knows why */
        detail = NULL;
    }
    fail(x, cause, detail);
    if (rc != -ECANCELED)
        weir_scope_cancel(x->scope);
}

static void endpoint_failed(struct exchange *x, int rc)
{
    enum cause cause = CAUSE_CONNECTION_TERMINATED;

    if (rc == -ETIMEDOUT)
        cause = CAUSE_CONNECTION_WRITE_TIMEOUT;
    else if (rc == -ECANCELED)
        cause = CAUSE_NONE;
    x->pump.error = rc;
    fail(x, cause, "the endpoint took no more of the body");
}

/* The stricter one of what the configuration and the route allow; 0: no limit. */
static uint64_t body_max(const struct exchange *x)
{
    uint64_t max = x->generation->config->limits.body_bytes;

    return max == 0 || (x->body_max != 0 && x->body_max < max) ? x->body_max : max;
}

static ssize_t next_piece(struct exchange *x, struct str *piece)
{
    uint64_t max = body_max(x);
    ssize_t n = h1_body_try_next(&x->request_body, piece);

    if (n == -EAGAIN) {
        WEIR_DEADLINE (ns_add(runtime_now_coarse(), x->generation->config->client.body_ns)) {
            n = h1_body_next(&x->request_body, piece);
        }
    }
    if (n == 0)
        *piece = STR("");
    if (n >= 0 && max != 0 && x->request_body.received > max)
        return -EFBIG;
    return n;
}

static int send_piece(struct exchange *x, struct str piece)
{
    int rc = 0;

    if (x->request_body.done)
        atomic_store_explicit(&x->pump.state, PUMP_LAST, memory_order_release);
    atomic_store_explicit(&x->pump.sending, true, memory_order_seq_cst);
    WEIR_DEADLINE (ns_add(runtime_now_coarse(), x->route->config->timeouts.read_ns)) {
        rc = h1_writer_send(&x->pump.writer, STR(""), piece, x->request_body.done,
                            x->request_body.trailers);
    }
    return rc;
}

static void send_body(void *arg)
{
    struct exchange *x = arg;
    struct str piece;

    for (;;) {
        ssize_t n = next_piece(x, &piece);
        int rc;

        if (n < 0) {
            client_failed(x, (int)n);
            return;
        }
        rc = send_piece(x, piece);
        if (rc < 0) {
            endpoint_failed(x, rc);
            return;
        }
        atomic_store_explicit(&x->pump.sending, false, memory_order_release);
        atomic_store_explicit(&x->pump.progress_ns, runtime_now_coarse(), memory_order_relaxed);
        if (x->request_body.done)
            break;
    }
    end(&x->pump, PUMP_SENT);
}

/* A panic here is the exchange's: its coroutine is told, as when the client's part breaks. */
static void pump_main(void *arg)
{
    struct weir_panic_info panic;
    struct exchange *x = arg;

    if (likely(weir_try(send_body, x, &panic) == 0))
        return;
    mishap_log(x, &panic);
    fail(x, CAUSE_PROXY_INTERNAL_ERROR, "sending the body panicked");
    weir_scope_cancel(x->scope);
}

/* A pump that is still sending after so many turns waits for room: it has been told nothing. */
#define TURNS_MAX 64

bool pump_met_reset(struct pump *p)
{
    for (int i = 0;
         i < TURNS_MAX && pump_runs(p) && atomic_load_explicit(&p->sending, memory_order_acquire);
         i++)
        (void)weir_yield();
    return pump_state(p) == PUMP_FAILED && p->error == -ECONNRESET;
}

int pump_start(struct exchange *x)
{
    int rc;

    atomic_store_explicit(&x->pump.progress_ns, runtime_now_coarse(), memory_order_relaxed);
    atomic_store_explicit(&x->pump.state, PUMP_RUNNING, memory_order_relaxed);
    rc = weir_scope_go(x->scope, "request body", pump_main, x);
    if (rc < 0)
        atomic_store_explicit(&x->pump.state, PUMP_FAILED, memory_order_relaxed);
    return rc;
}
