/* Sends again what may be sent again: policy/retry.h decides, this loops. Every request of the
 * upstream counts towards its budget while it is in flight, every retry against it. */
#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "runtime/here.h"

/* Of the attempt that failed. Where there is a pump, the head has been sent, and how much more is
 * the pump's own business while it runs. */
static uint64_t sent_bytes(const struct exchange *x)
{
    return pump_state(&x->pump) == PUMP_NONE ? x->pump.writer.sent_bytes : x->request.head_bytes;
}

/* A body that a pump has begun with may be in its hands in part. */
static bool body_replayable(const struct exchange *x)
{
    return pump_state(&x->pump) == PUMP_NONE && (x->body_whole || x->request_body.received == 0);
}

/* The budget keeps retries from becoming load. What reached nobody has not been load yet, and a
 * kept connection that had gone is a matter of one fresh one: these are not held against it, or the
 * death of one endpoint of two would spend it at once and turn into errors. */
static bool is_free(const struct exchange *x)
{
    return x->failure == RETRY_CONNECT || x->failure == RETRY_REFUSED_LOCALLY ||
           (x->failure == RETRY_CLOSED && (x->record.upstream_reused || sent_bytes(x) == 0));
}

static struct retry_decision decide(struct exchange *x, struct retry_budget *budget)
{
    const struct upstream *u = x->route->upstream;
    struct retry_attempt a;

    if (u->retry.attempts > 1)
        attempt_ladder(x);
    a = (struct retry_attempt){
        .failure = x->failure,
        .attempts = x->record.attempt_count,
        .sent_bytes = sent_bytes(x),
        .idempotent = http_method_idempotent(x->request.method),
        .reused = x->record.upstream_reused,
        .response_started = x->interim_bytes != 0,
        .body_replayable = body_replayable(x),
        .others = attempt_others(x),
        .same_refuses = u->config->breaker.enabled &&
                        !weir_breaker_admits(&x->endpoint->breaker, here_now_ns(), NULL),
        .now_ns = runtime_now_coarse(),
        .deadline_ns = x->deadline_ns,
        .random = runtime_random(),
    };

    return retry_decide(&a, &u->retry, budget);
}

/* When attempts failed for several causes, none of them is the whole truth. */
static enum cause cause_of_all(const struct exchange *x, enum retry_verdict verdict)
{
    uint32_t n = MIN(x->record.attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    if (verdict != RETRY_NO_ATTEMPTS || x->attempt_cause == CAUSE_DEADLINE_EXCEEDED)
        return x->attempt_cause;
    for (uint32_t i = 0; i < n; i++) {
        if (x->record.attempts[i].outcome != x->attempt_cause)
            return CAUSE_RETRY_EXHAUSTED;
    }
    return x->attempt_cause;
}

static int give_up(struct exchange *x, enum retry_verdict verdict)
{
    struct upstream_state *state = x->route->upstream->state;
    enum cause cause = cause_of_all(x, verdict);
    uint32_t n = MIN(x->record.attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    if (n != 0)
        x->record.attempts[n - 1].not_again = retry_verdict_text(verdict);
    if (x->failure != RETRY_CLIENT && verdict != RETRY_NO_OFF && n != 0)
        metric_inc(state->retries_refused[verdict]);
    if (cause_status(cause) == 0 || cause == CAUSE_CLIENT_CLOSED) {
        x->cause = cause; /* nobody is there to be told */
        x->cut = true;
        return -ECONNRESET;
    }
    return exchange_refuse(x, cause, x->detail.ptr != NULL ? STR_FMT : NULL, STR_ARG(x->detail));
}

/* The time before the next attempt. */
static int back_off(struct exchange *x, int64_t ns)
{
    int rc = 0;

    if (ns == 0)
        return 0;
    WEIR_DEADLINE (x->deadline_ns) {
        rc = weir_sleep(ns);
    }
    return rc;
}

int retry(struct exchange *x, const struct chain *next)
{
    struct upstream_state *state = x->route->upstream->state;
    struct retry_budget unlimited = {0}, *charged = NULL;

    retry_budget_enter(&state->budget);
    x->in_budget = true;
    x->deadline_ns =
        x->body_whole ? ns_add(x->start_ns, x->route->config->timeouts.total_ns) : NS_NEVER;
    for (;;) {
        struct retry_decision d;
        int rc = chain_next(next, x);

        if (charged != NULL)
            retry_budget_give(charged);
        if (rc < 0 || x->attempt_cause == CAUSE_NONE)
            return rc;
        if (x->endpoint == NULL)
            return attempt_refuse(x);
        charged = is_free(x) ? &unlimited : &state->budget;
        d = decide(x, charged);
        if (!retry_yes(d.verdict))
            return give_up(x, d.verdict);
        metric_inc(state->retries);
        atomic_fetch_add_explicit(&state->retries_total, 1, memory_order_relaxed);
        x->fresh = d.verdict == RETRY_SAME;
        rc = back_off(x, d.backoff_ns);
        if (rc < 0) {
            retry_budget_give(charged);
            return exchange_refuse(x, rc == -ETIMEDOUT ? CAUSE_DEADLINE_EXCEEDED : CAUSE_STOPPING,
                                   NULL);
        }
    }
}
