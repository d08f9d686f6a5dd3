/* The circuit breaker of each endpoint: its numbers, when it may open, and what is told about it.
 * The permits of attempts are in attempt.c. */
#include "base/duration.h"
#include "base/log.h"
#include "gateway/gateway_impl.h"
#include "gateway/upstream.h"
#include "runtime/here.h"

/* Runs on the worker whose call changed the state; e is in use, and with it its upstream's state.
 */
static void tell(void *arg, const struct weir_breaker_event *event)
{
    struct endpoint *e = arg;
    const char *why = weir_breaker_reason_text(event->reason);
    char text[32];
    struct buf open = buf_on(text, sizeof(text));

    if (event->reason == WEIR_BREAKER_LEASE_OVER)
        return;
    atomic_store_explicit(&e->breaker_reason, (int)event->reason, memory_order_relaxed);
    if (event->to == WEIR_BREAKER_CLOSED) /* it was out, and takes its share slowly */
        endpoint_begins(e, event->now_ns);
    if ((size_t)event->to < ARRAY_LEN(e->metrics.breaker_to))
        metric_inc(e->metrics.breaker_to[event->to]);
    if (event->to == WEIR_BREAKER_OPEN) {
        duration_format(event->open_ns, &open);
        log_warn("breaker_open",
                 "upstream " STR_FMT ": endpoint " STR_FMT ": open for " STR_FMT ": %s",
                 STR_ARG(e->upstream->id), STR_ARG(e->address), STR_ARG(buf_str(&open)), why);
    } else {
        log_info("breaker_changed", "upstream " STR_FMT ": endpoint " STR_FMT ": %s: %s",
                 STR_ARG(e->upstream->id), STR_ARG(e->address), weir_breaker_state_text(event->to),
                 why);
    }
}

void endpoint_breaker_init(struct endpoint *e)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.on_event = tell;
    o.arg = e;
    o.seed = runtime_random();
    atomic_init(&e->breaker_reason, -1);
    (void)weir_breaker_init(&e->breaker, &o, weir_now()); /* the defaults are in range */
}

/* Where the configuration takes breakers away nothing stays open behind its back. */
void upstream_configure_breakers(struct upstream *u)
{
    const struct config_breaker *c = &u->config->breaker;
    struct weir_breaker_options o = weir_breaker_defaults();
    int64_t now_ns = weir_now();

    o.consecutive_failures = c->failures;
    o.failure_percent = c->failure_percent;
    o.calls_min = c->min_calls;
    o.slow_percent = c->slow_percent;
    o.slow_ns = c->slow_ns;
    o.window_ns = c->window_ns;
    o.open_ns = c->open_ns;
    o.open_max_ns = c->open_max_ns;
    o.probes = c->probes;
    o.lease_ns = c->lease_ns;
    o.recovery_ns = c->recovery_ns;
    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        struct weir_breaker *b = &u->endpoints[i]->breaker;

        (void)weir_breaker_change(b, &o, now_ns); /* the table's ranges are within its own */
        if (!c->enabled && weir_breaker_view(b, now_ns).state != WEIR_BREAKER_CLOSED)
            (void)weir_breaker_set(b, WEIR_BREAKER_CLOSED, now_ns);
    }
}

/* May failures in a row, or those of one call, take e out? A single bad request, sent again and
 * again, must not take them all: as many may be out as eject.percent_max allows, at least one, and
 * never the last one that works. Beyond that the share of failures among all calls decides. An
 * upstream of one endpoint has nobody to stand in and nothing to spare: there they may. */
static bool may_open(const struct upstream *u, const struct endpoint *e, int64_t now_ns)
{
    uint64_t allowed = MAX((uint64_t)u->endpoint_count * u->eject.percent_max / 100, UINT64_C(1));
    uint64_t out = 1;
    bool other = false;

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        const struct endpoint *o = u->endpoints[i];

        if (o == e)
            continue;
        if (eject_is_out(&o->eject, now_ns) || !weir_breaker_admits(&o->breaker, now_ns, NULL) ||
            atomic_load_explicit(&o->may_open, memory_order_acquire) != 0)
            out++;
        else
            other |= health_usable(&o->health);
    }
    return u->endpoint_count == 1 || (other && out <= allowed);
}

/* Looks and claims at once: until the claim is given back, e counts as out for the others. So of
 * several endpoints that fail at the same moment only as many go as may. The lock is the one under
 * which endpoints are ejected. */
static bool claim(struct upstream *u, struct endpoint *e, int64_t now_ns)
{
    bool may;

    spin_lock(&u->state->eject_lock);
    may = may_open(u, e, now_ns);
    if (may)
        atomic_fetch_add_explicit(&e->may_open, 1, memory_order_relaxed);
    spin_unlock(&u->state->eject_lock);
    return may;
}

/* What the breaker has become is to be seen before the claim is gone. */
static void give_back(struct endpoint *e)
{
    atomic_fetch_sub_explicit(&e->may_open, 1, memory_order_release);
}

void endpoint_breaker_failed(struct upstream *u, struct endpoint *e,
                             const struct weir_breaker_token *token)
{
    int64_t now_ns = here_now_ns();

    if (!claim(u, e, now_ns)) {
        (void)weir_breaker_report_share(&e->breaker, token, WEIR_OUTCOME_FAILED, now_ns);
        return;
    }
    (void)weir_breaker_report(&e->breaker, token, WEIR_OUTCOME_FAILED, now_ns);
    give_back(e);
}

void endpoint_breaker_ladder(struct upstream *u, struct endpoint *e, uint32_t failed_attempts)
{
    int64_t now_ns = here_now_ns();

    if (!claim(u, e, now_ns))
        return;
    (void)weir_breaker_ladder(&e->breaker, failed_attempts, now_ns);
    give_back(e);
}

void endpoint_breaker_note(struct upstream *u, struct endpoint *e)
{
    struct weir_breaker_token token;

    if (u->config->breaker.enabled &&
        weir_breaker_acquire(&e->breaker, here_now_ns(), &token, NULL) == 0)
        endpoint_breaker_failed(u, e, &token);
}

bool upstream_circuit_open(const struct upstream *u, int64_t now_ns, int64_t *ret_after_ns)
{
    int64_t first_ns = INT64_MAX;
    bool open = false;

    for (uint32_t i = 0; u->config->breaker.enabled && i < u->endpoint_count; i++) {
        const struct endpoint *e = u->endpoints[i];
        int64_t after_ns;

        if (!health_usable(&e->health) || weir_breaker_admits(&e->breaker, now_ns, &after_ns))
            continue;
        open = true;
        first_ns = MIN(first_ns, after_ns);
    }
    if (open)
        *ret_after_ns = first_ns;
    return open;
}
