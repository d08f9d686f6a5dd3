/* The bookkeeping of attempts: see attempt.h. */
#include "gateway/attempt.h"

#include "base/assert.h"
#include "gateway/gateway_impl.h"
#include "gateway/hash_key.h"
#include "runtime/here.h"

static struct access_attempt *last_record(struct exchange *x)
{
    uint32_t n = x->record.attempt_count;

    return &x->record.attempts[MIN(n, (uint32_t)ACCESS_ATTEMPTS_MAX) - 1];
}

static bool tried(const struct exchange *x, const struct endpoint *e)
{
    for (uint32_t i = 0; i < x->tried_count; i++) {
        if (x->tried[i] == e)
            return true;
    }
    return false;
}

static bool avoid_unusable(void *arg, uint32_t index)
{
    struct exchange *x = arg;

    return !endpoint_usable(x->route->upstream->endpoints[index], here_now_ns());
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
    const struct hash_input in = {&x->request, x->path, x->query, stream_peer(x->reader->stream)};
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

    if (u->config->balance == BALANCE_CONSISTENT_HASH)
        q.hash = hash_of(x);
    index = balancer_pick(u->balancer, &q);
    return index < 0 ? NULL : u->endpoints[index];
}

bool attempt_begin(struct exchange *x, bool same)
{
    struct access_attempt *record;

    if (!same)
        x->endpoint = pick(x);
    if (x->endpoint == NULL)
        return false;
    if (!tried(x, x->endpoint) && x->tried_count < ARRAY_LEN(x->tried))
        x->tried[x->tried_count++] = x->endpoint;
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

/* Whether this failure says anything about the endpoint: not what the client or we did, and not a
 * kept connection that the endpoint had closed in its own good time. */
static bool blames_endpoint(const struct exchange *x, enum retry_failure failure)
{
    return failure != RETRY_CLIENT && failure != RETRY_REFUSED_LOCALLY &&
           !(failure == RETRY_CLOSED && x->record.upstream_reused);
}

int attempt_fail(struct exchange *x, enum retry_failure failure, enum cause cause)
{
    x->failure = failure;
    x->attempt_cause = cause;
    if (x->endpoint != NULL && blames_endpoint(x, failure))
        upstream_note_failure(x->route->upstream, x->endpoint, cause_name(cause).ptr);
    attempt_end(x);
    exchange_drop_upstream(x, false);
    return 0;
}
