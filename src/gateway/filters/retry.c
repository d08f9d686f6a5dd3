/* Sends again what may be sent again: policy/retry.h decides, this loops. Every request of the
 * upstream counts towards its budget while it is in flight, every retry against it. */
#include <weir/retry.h>

#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/deadline.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
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

/* What the loop remembers from one attempt to the next. */
struct tries {
    const struct retry_options *options;
    const struct config_retry_filter *rules; /* of the route; NULL: none */
    bool in_front;                           /* the request came as a retry */
    int64_t waited_ns;                       /* before the last attempt */
};

/* May it be repeated though it was acted on? What the operator says, or the client's word that the
 * service sorts repetitions out (draft-ietf-httpapi-idempotency-key-header), or HTTP. */
static bool repeatable(struct exchange *x, const struct config_retry_filter *rules)
{
    if (http_head_find(&x->request, STR("Idempotency-Key")) != NULL)
        return true;
    if (rules == NULL || rules->methods.count == 0)
        return http_method_idempotent(x->request.method);
    for (uint32_t i = 0; i < rules->methods.count; i++) {
        if (str_eq(rules->methods.items[i], x->request.method_text))
            return true;
    }
    return false;
}

/* What the response asks for in Retry-After, which counts in 429 and 503; 0: nothing. A 503 speaks
 * for its endpoint only, so another one need not wait. */
static int64_t asked_to_wait_ns(struct exchange *x, bool others)
{
    int64_t ns, now_s = world_wall_ns(runtime_world()) / NS_PER_SEC;
    struct http_field *f;
    struct str value;

    if (x->response.status != 429 && (x->response.status != 503 || others))
        return 0;
    f = http_head_find_id(&x->response, HTTP_F_RETRY_AFTER);
    if (f == NULL)
        return 0;
    value = http_field_value(f);
    return weir_retry_after_parse(value.ptr, value.len, now_s, NS_NEVER, &ns) < 0 ? 0 : ns;
}

/* Attempts at other upstreams, which do not count here. */
static uint32_t attempts_before(const struct exchange *x)
{
    return x->elsewhere ? x->before.attempts : 0;
}

/* The longest wait that is done for a Retry-After; who asks for more gets no retry. */
#define RETRY_AFTER_MAX_NS (30 * NS_PER_SEC)

static struct retry_decision decide(struct exchange *x, const struct tries *t,
                                    struct retry_budget *budget)
{
    const struct upstream *u = x->route->upstream;
    struct retry_attempt a;

    if (t->options->attempts > 1)
        attempt_ladder(x);
    a = (struct retry_attempt){
        .failure = x->failure,
        .attempts = x->record.attempt_count - attempts_before(x),
        .sent_bytes = sent_bytes(x),
        .idempotent = repeatable(x, t->rules),
        .reused = x->record.upstream_reused,
        .response_started = x->interim_bytes != 0,
        .body_replayable = body_replayable(x),
        .others = attempt_others(x),
        .retry_in_front = t->in_front,
        .previous_ns = t->waited_ns,
        .same_refuses = u->config->breaker.enabled &&
                        !weir_breaker_admits(&x->endpoint->breaker, here_now_ns(), NULL),
        .now_ns = runtime_now_coarse(),
        .deadline_ns = x->deadline_ns,
        .random = runtime_random(),
    };
    if (x->failure == RETRY_STATUS)
        a.wait_ns = asked_to_wait_ns(x, a.others);
    if (a.wait_ns > RETRY_AFTER_MAX_NS)
        return (struct retry_decision){.verdict = RETRY_NO_DEADLINE};
    return retry_decide(&a, t->options, budget);
}

/* When attempts failed for several causes, none of them is the whole truth. */
static enum cause cause_of_all(const struct exchange *x, enum retry_verdict verdict)
{
    uint32_t n = MIN(x->record.attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    if (verdict != RETRY_NO_ATTEMPTS || x->attempt_cause == CAUSE_DEADLINE_EXCEEDED)
        return x->attempt_cause;
    for (uint32_t i = attempts_before(x); i < n; i++) {
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

/* The response is not passed on. Its connection is kept when the body is here already. */
static void drop_response(struct exchange *x)
{
    struct str piece;
    ssize_t n = 1;

    for (int i = 0; i < 16 && n > 0; i++)
        n = h1_body_try_next(&x->response_body, &piece);
    attempt_end(x);
    exchange_drop_upstream(x, true);
    x->source = RESPONSE_NONE;
}

/* A response that is to be retried, and is not: it goes to the client. */
static int pass_on(struct exchange *x, enum retry_verdict verdict)
{
    uint32_t n = MIN(x->record.attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    x->record.attempts[n - 1].not_again = retry_verdict_text(verdict);
    if (verdict != RETRY_NO_OFF)
        metric_inc(x->route->upstream->state->retries_refused[verdict]);
    return 0;
}

static bool status_is_failure(const struct exchange *x, const struct tries *t)
{
    return t->rules != NULL && x->source == RESPONSE_UPSTREAM &&
           (config_statuses_has(&t->rules->statuses, x->response.status) ||
            config_statuses_has(&t->rules->series, x->response.status));
}

/* The next attempt has been decided on: waits for its time. False: the exchange is refused. */
static bool prepare_again(struct exchange *x, struct tries *t, struct retry_decision d)
{
    struct upstream_state *state = x->route->upstream->state;
    int rc;

    if (x->failure == RETRY_STATUS)
        drop_response(x);
    metric_inc(state->retries);
    atomic_fetch_add_explicit(&state->retries_total, 1, memory_order_relaxed);
    x->fresh = d.verdict == RETRY_SAME;
    t->waited_ns = d.backoff_ns;
    if (attempt_number(x, x->record.attempt_count + 1) < 0)
        return false;
    rc = back_off(x, d.backoff_ns);
    if (rc == 0)
        return deadline_pass_on(x);
    if (rc == -ETIMEDOUT)
        exchange_refuse(x, CAUSE_DEADLINE_EXCEEDED, NULL);
    else
        client_cancelled(x);
    return false;
}

/* Without settings: what every upstream does; with them: a Retry filter's. */
static struct tries tries_of(const struct exchange *x, const struct filter_settings *s)
{
    return (struct tries){
        .options = s != NULL ? s->own : &x->route->upstream->retry,
        .rules = s != NULL ? s->config->retry : NULL,
    };
}

static bool is_done(const struct exchange *x, const struct tries *t, int rc)
{
    return rc < 0 || (x->attempt_cause == CAUSE_NONE && !status_is_failure(x, t));
}

static int again(struct exchange *x, const struct chain *next)
{
    struct retry_budget unlimited = {0}, *charged;
    struct tries t = tries_of(x, chain_settings(next));
    int rc;

    t.in_front = attempt_came_again(x);
    do {
        struct retry_decision d;

        if (x->attempt_cause == CAUSE_NONE)
            x->failure = RETRY_STATUS;
        else if (x->endpoint == NULL)
            return attempt_refuse(x);
        charged = is_free(x) ? &unlimited : &x->route->upstream->state->budget;
        d = decide(x, &t, charged);
        if (!retry_yes(d.verdict))
            return x->failure == RETRY_STATUS ? pass_on(x, d.verdict) : give_up(x, d.verdict);
        if (!prepare_again(x, &t, d)) {
            retry_budget_give(charged);
            return 0;
        }
        rc = chain_next(next, x);
        retry_budget_give(charged);
    } while (!is_done(x, &t, rc));
    return rc;
}

int retry(struct exchange *x, const struct chain *next)
{
    struct tries t = tries_of(x, chain_settings(next));
    int64_t begun_ns;
    int rc;

    retry_budget_enter(&x->route->upstream->state->budget);
    x->in_budget = true;
    begun_ns = unlikely(x->elsewhere) ? x->before.until_ns : x->start_ns;
    x->deadline_ns =
        x->body_whole ? ns_add(begun_ns, x->route->config->timeouts.total_ns) : NS_NEVER;
    deadline_begin(x);
    if (x->body_whole)
        x->deadline_ns = MIN(x->deadline_ns, x->limit_ns);
    if (!deadline_pass_on(x))
        return 0;
    if (unlikely(!client_attend(x))) {
        client_unattend(x);
        return client_gone(x);
    }
    rc = chain_next(next, x);
    if (unlikely(!is_done(x, &t, rc)))
        rc = again(x, next);
    client_unattend(x);
    return rc;
}

int retry_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    const struct config_retry_filter *c = s->config->retry;
    struct retry_options *o = arena_zalloc(m->arena, sizeof(*o));

    if (o == NULL)
        return -ENOMEM;
    *o = m->upstream->retry;
    o->attempts = (uint32_t)c->retries + 1;
    if (c->first_backoff_ns != 0) {
        o->backoff_ns = c->first_backoff_ns;
        o->backoff_max_ns = c->max_backoff_ns;
        o->factor = (uint32_t)c->factor;
        o->from_previous = c->based_on_previous;
        o->jitter_percent = (uint32_t)c->jitter_percent;
        o->backoff_everywhere = true;
    }
    s->own = o;
    return 0;
}
