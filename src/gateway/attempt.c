/* The bookkeeping of attempts: see attempt.h. */
#include "gateway/attempt.h"

#include "base/assert.h"
#include "gateway/gateway_impl.h"
#include "gateway/hash_key.h"
#include "gateway/upstream_locality.h"
#include "runtime/here.h"

static struct access_attempt *last_record(struct exchange *x)
{
    uint32_t n = x->record.attempt_count;

    return &x->record.attempts[MIN(n, (uint32_t)ACCESS_ATTEMPTS_MAX) - 1];
}

/* Its place among those tried; tried_count: it was not. */
static uint32_t index_of(const struct exchange *x, const struct endpoint *e)
{
    uint32_t i = 0;

    while (i < x->tried_count && x->tried[i] != e)
        i++;
    return i;
}

static bool tried(const struct exchange *x, const struct endpoint *e)
{
    return index_of(x, e) != x->tried_count;
}

static void note_tried(struct exchange *x, struct endpoint *e)
{
    if (x->tried_count == ARRAY_LEN(x->tried) || tried(x, e))
        return;
    x->failed[x->tried_count] = 0;
    x->tried[x->tried_count++] = e;
}

/* -- permits: one per attempt from the endpoint's breaker, reported exactly once -- */

static bool take_permit(struct exchange *x)
{
    struct endpoint *e = x->endpoint;

    if (unlikely(!x->route->upstream->config->breaker.enabled))
        return true;
    x->permit_held = weir_breaker_acquire(&e->breaker, here_now_ns(), &x->permit, NULL) == 0;
    return x->permit_held;
}

void attempt_report(struct exchange *x, enum weir_outcome outcome)
{
    if (!x->permit_held)
        return;
    x->permit_held = false;
    if (likely(outcome != WEIR_OUTCOME_FAILED)) {
        (void)weir_breaker_report(&x->endpoint->breaker, &x->permit, outcome, here_now_ns());
        return;
    }
    if (tried(x, x->endpoint))
        x->failed[index_of(x, x->endpoint)]++;
    endpoint_breaker_failed(x->route->upstream, x->endpoint, &x->permit);
}

void attempt_ladder(struct exchange *x)
{
    uint32_t i = index_of(x, x->endpoint);

    if (x->route->upstream->config->breaker.enabled && i != x->tried_count && x->failed[i] != 0)
        endpoint_breaker_ladder(x->route->upstream, x->endpoint, x->failed[i]);
}

static bool avoid_unusable(void *arg, uint32_t index)
{
    struct exchange *x = arg;

    const struct upstream *u = x->route->upstream;

    return !endpoint_admits(u, u->endpoints[index], here_now_ns());
}

/* All that counts when health is to be ignored. */
static bool avoid_again(void *arg, uint32_t index)
{
    struct exchange *x = arg;

    return tried(x, x->route->upstream->endpoints[index]);
}

static bool avoid_tried(void *arg, uint32_t index)
{
    struct exchange *x = arg;

    return tried(x, x->route->upstream->endpoints[index]) || avoid_unusable(arg, index);
}

bool attempt_others(struct exchange *x)
{
    const struct upstream *u = x->route->upstream;

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        if (!avoid_tried(x, i))
            return true;
    }
    return false;
}

/* A request without a key may go anywhere. */
static uint64_t hash_of(struct exchange *x)
{
    static const struct addr nobody;
    const struct addr *client = x->conn != NULL ? stream_peer(x->reader->stream) : &nobody;
    const struct hash_input in = {&x->request, x->path, x->query, client};
    struct str key = hash_key(x->route->upstream->config, &in);

    return key.ptr != NULL ? balancer_hash(key) : runtime_random();
}

static struct endpoint *pick(struct exchange *x)
{
    const struct upstream *u = x->route->upstream;
    struct balancer_query q = {
        .random = here_random(),
        .avoid = x->tried_count != 0 ? avoid_tried : avoid_unusable,
        .avoid_arg = x,
    };
    int index;

    if (u->config->balance == BALANCE_CONSISTENT_HASH) {
        q.hash = hash_of(x);
        q.bound_percent = u->config->hash_bound;
    } else {
        q.slow_start_ns = u->config->slow_start_ns;
        q.now_ns = here_now_ns();
    }
    if (unlikely(u->locality != NULL))
        index =
            upstream_locality_pick(u, &q, x->tried_count != 0 ? avoid_again : NULL, here_now_ns());
    else
        index = balancer_pick(u->balancer, &q);
    return index < 0 ? NULL : u->endpoints[index];
}

/* Somebody may take the permit that was there when the endpoint was picked, and a breaker that
 * recovers lets a share pass only: then another one. */
#define PICKS_MAX 4

static bool choose(struct exchange *x)
{
    for (int i = 0; i < PICKS_MAX; i++) {
        x->endpoint = pick(x);
        if (x->endpoint == NULL)
            return false;
        note_tried(x, x->endpoint);
        if (likely(take_permit(x)))
            return true;
    }
    x->endpoint = NULL;
    return false;
}

bool attempt_begin(struct exchange *x, bool same)
{
    struct access_attempt *record;

    if (!(same && take_permit(x)) && !choose(x))
        return false;
    x->attempt_cause = CAUSE_NONE;
    x->attempt_running = true;
    x->attempt_start_ns = here_now_ns();
    x->pump.writer.sent_bytes = 0;
    x->pump.writer.done = false;
    atomic_fetch_add_explicit(&x->endpoint->in_flight, 1, memory_order_relaxed);
    metric_inc(x->endpoint->metrics.requests);
    record = access_add_attempt(&x->record);
    record->endpoint = x->endpoint->address;
    return true;
}

void attempt_end(struct exchange *x)
{
    struct endpoint *e = x->endpoint;
    struct access_attempt *record;
    int64_t took_ns;

    if (!x->attempt_running)
        return;
    ASSERT(e != NULL); /* attempt_begin() ran with one */
    x->attempt_running = false;
    attempt_report(x, WEIR_OUTCOME_IGNORED); /* nothing was said: the client went, or we did */
    took_ns = (x->end_ns != 0 ? x->end_ns : here_now_ns()) - x->attempt_start_ns;
    atomic_fetch_sub_explicit(&e->in_flight, 1, memory_order_relaxed);
    metric_observe(e->metrics.duration, took_ns);
    record = last_record(x);
    record->duration_ns = took_ns;
    record->outcome = x->attempt_cause;
    record->status =
        x->source == RESPONSE_UPSTREAM || x->source == RESPONSE_TUNNEL ? x->upstream_status : 0;
    record->reused = x->record.upstream_reused;
}

/* An attempt that the whole request's deadline cut short says nothing when it had little time: the
 * attempts before it, or the client, had used that up. */
static bool had_its_time(const struct exchange *x)
{
    const struct config_timeouts *t = &x->route->config->timeouts;
    int64_t took_ns = here_now_ns() - x->attempt_start_ns;

    return took_ns >= MIN(t->first_byte_ns, t->total_ns) / 2; /* not what the client allowed */
}

/* Whether this failure says anything about the endpoint: not what the client or we did, and not a
 * kept connection that the endpoint had closed in its own good time. */
static bool blames_endpoint(const struct exchange *x, enum retry_failure failure)
{
    if (x->attempt_cause == CAUSE_DEADLINE_EXCEEDED && !had_its_time(x))
        return false;
    return failure != RETRY_CLIENT && failure != RETRY_REFUSED_LOCALLY &&
           !(failure == RETRY_CLOSED && x->record.upstream_reused);
}

int attempt_fail(struct exchange *x, enum retry_failure failure, enum cause cause)
{
    x->failure = failure;
    x->attempt_cause = cause;
    if (x->endpoint != NULL && blames_endpoint(x, failure)) {
        attempt_report(x, WEIR_OUTCOME_FAILED);
        upstream_note_failure(x->route->upstream, x->endpoint, cause_name(cause).ptr);
        upstream_note_latency(x->route->upstream, x->endpoint, here_now_ns() - x->attempt_start_ns,
                              true);
    }
    attempt_end(x);
    exchange_drop_upstream(x, false);
    return 0;
}

/* Who is behind us, if it is a weir, leaves retrying to us: each layer that retries multiplies. */
#define ATTEMPT_FIELD STR("X-Weir-Attempt")

bool attempt_came_again(struct exchange *x)
{
    struct http_field *f = http_head_find(&x->request, ATTEMPT_FIELD);
    uint64_t n;

    return f != NULL && str_to_u64(http_field_value(f), UINT32_MAX, &n) == 0 && n > 1;
}

int attempt_number(struct exchange *x, uint32_t number)
{
    char *text = arena_printf(&x->arena, "%u", number);

    http_head_drop(&x->request, ATTEMPT_FIELD);
    return exchange_add_request_field(x, ATTEMPT_FIELD, str_of(text != NULL ? text : "2"));
}

void attempt_merge(struct exchange *x, const struct exchange *side)
{
    uint32_t i = index_of(side, side->endpoint), at;

    if (side->endpoint == NULL || i == side->tried_count)
        return;
    note_tried(x, side->endpoint);
    at = index_of(x, side->endpoint);
    if (at != x->tried_count)
        x->failed[at] += side->failed[i];
}

int attempt_refuse(struct exchange *x)
{
    struct upstream *u = x->route->upstream;
    int64_t after_ns;

    if (!upstream_circuit_open(u, here_now_ns(), &after_ns))
        return exchange_refuse(x, CAUSE_DESTINATION_UNAVAILABLE, NULL);
    metric_inc(u->state->breaker_refused);
    (void)exchange_refuse(x, CAUSE_CIRCUIT_OPEN, NULL);
    exchange_refusal_retry_after(x, after_ns);
    return 0;
}
