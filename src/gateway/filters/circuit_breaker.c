/* CircuitBreaker: one for the whole route, around all attempts of a request. It counts what the
 * client would get, once per request; the endpoints' own breakers count attempts. */
#include "base/duration.h"
#include "base/log.h"
#include "gateway/again.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/path.h"
#include "runtime/here.h"

struct route_breaker {
    struct policy policy;
    struct weir_breaker breaker;
    struct metric *fallbacks; /* by fallbackUri */
};

struct breaker_settings {
    const struct config_circuit_breaker *config;
    struct str route_id;
    struct str fallback_path; /* canonical; empty: there is no fallbackUri */
};

static struct route_breaker *breaker_of(const struct policy *p)
{
    return container_of(p, struct route_breaker, policy);
}

/* -- the policy -- */

static void tell(void *arg, const struct weir_breaker_event *event)
{
    struct route_breaker *b = arg;
    const char *why = weir_breaker_reason_text(event->reason);
    char text[32];
    struct buf open = buf_on(text, sizeof(text));

    if (event->to == WEIR_BREAKER_OPEN) {
        duration_format(event->open_ns, &open);
        log_warn("breaker_open", STR_FMT ": open for " STR_FMT ": %s", STR_ARG(b->policy.id),
                 STR_ARG(buf_str(&open)), why);
    } else if (event->reason != WEIR_BREAKER_LEASE_OVER) {
        log_info("breaker_changed", STR_FMT ": %s: %s", STR_ARG(b->policy.id),
                 weir_breaker_state_text(event->to), why);
    }
}

static struct weir_breaker_options options_of(const struct config_circuit_breaker *c)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.consecutive_failures = 0;
    o.failure_percent = (uint32_t)c->failure_percent;
    o.slow_percent = (uint32_t)c->slow_percent;
    o.slow_ns = c->slow_ns;
    o.calls_min = (uint32_t)c->calls_min;
    if (c->window_by_time) {
        o.window_ns = c->window_size * NS_PER_SEC;
    } else {
        o.window_calls = (uint32_t)c->window_size;
        o.calls_min = (uint32_t)MIN(c->calls_min, c->window_size);
    }
    o.open_ns = o.open_max_ns = c->open_ns;
    o.probes = (uint32_t)c->probes;
    o.lease_ns = c->lease_ns;
    o.seed = runtime_random();
    return o;
}

static int init(struct policy *p, const void *settings)
{
    const struct breaker_settings *s = settings;
    struct weir_breaker_options o = options_of(s->config);
    int rc;

    o.on_event = tell;
    o.arg = breaker_of(p);
    rc = weir_breaker_init(&breaker_of(p)->breaker, &o, weir_now());
    if (rc == 0)
        breaker_of(p)->fallbacks = metric_get2(METRIC_FALLBACKS, s->route_id, STR("uri"));
    return rc;
}

static void done(struct policy *p)
{
    metric_put(breaker_of(p)->fallbacks);
}

static void configure(struct policy *p, const void *settings)
{
    const struct breaker_settings *s = settings;
    struct weir_breaker_options o = options_of(s->config);

    (void)weir_breaker_change(&breaker_of(p)->breaker, &o, weir_now()); /* checked by the table */
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct weir_breaker_view v = weir_breaker_view(&breaker_of(p)->breaker, now_ns);

    policy_put_text(w, "state", str_of(weir_breaker_state_text(v.state)));
    policy_put_count(w, "calls", v.calls);
    policy_put_count(w, "failures", v.failures);
    policy_put_count(w, "slow_calls", v.slow_calls);
    policy_put_count(w, "refused", v.refused);
    policy_put_count(w, "fallbacks", (uint64_t)metric_value(breaker_of(p)->fallbacks));
    if (v.state == WEIR_BREAKER_OPEN)
        policy_put_seconds(w, "retry_seconds", MAX(v.until_ns - now_ns, INT64_C(0)));
}

static void operate(struct policy *p, enum policy_action action, int64_t now_ns)
{
    static const enum weir_breaker_state states[] = {
        [POLICY_RESET] = WEIR_BREAKER_CLOSED,
        [POLICY_FORCE_OPEN] = WEIR_BREAKER_FORCED_OPEN,
        [POLICY_DISABLE] = WEIR_BREAKER_DISABLED,
        [POLICY_ENABLE] = WEIR_BREAKER_CLOSED,
    };

    (void)weir_breaker_set(&breaker_of(p)->breaker, states[action], now_ns);
}

static const struct policy_class circuit_breaker_class = {
    .kind = "circuit_breaker",
    .size = sizeof(struct route_breaker),
    .init = init,
    .done = done,
    .configure = configure,
    .write_state = write_state,
    .operate = operate,
    .actions =
        1u << POLICY_RESET | 1u << POLICY_FORCE_OPEN | 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

#define FORWARD "forward:"

/* The path behind "forward:", as routes see paths. */
static int read_fallback_uri(const struct filter_maker *m, struct breaker_settings *own,
                             const char **ret_why)
{
    struct str uri = own->config->fallback_uri;
    int rc;

    if (uri.len == 0)
        return 0;
    uri = str_n(uri.ptr + strlen(FORWARD), uri.len - strlen(FORWARD)); /* checked by the table */
    rc = path_canonical(uri, m->arena, &own->fallback_path);
    if (rc == -EINVAL)
        *ret_why = "fallbackUri: the path has no safe form";
    return rc;
}

static int make_own(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    struct breaker_settings *own = arena_zalloc(m->arena, sizeof(*own));

    if (own == NULL)
        return -ENOMEM;
    own->config = s->config->circuit_breaker;
    own->route_id = m->route->id;
    s->own = own;
    return read_fallback_uri(m, own, ret_why);
}

int circuit_breaker_make(const struct filter_maker *m, struct filter_settings *s,
                         const char **ret_why)
{
    const struct config_circuit_breaker *c = s->config->circuit_breaker;
    struct str id = policy_id(m->arena, m->route->id, STR("CircuitBreaker"),
                              c->name.ptr != NULL ? c->name : STR(""));
    int rc;

    for (const struct config_filter *f = m->route->filters; f < s->config; f++) {
        if (f->kind == FILTER_CIRCUIT_BREAKER) {
            *ret_why = "a route has one CircuitBreaker at most, that of default-filters included";
            return -EINVAL;
        }
    }
    rc = make_own(m, s, ret_why);
    if (rc < 0)
        return rc;
    *ret_why = "cannot be used";
    return policy_use(m->uses, &circuit_breaker_class, id,
                      c->window_by_time ? 0 : (uint64_t)c->window_size, s->own, &s->policy);
}

const struct str *circuit_breaker_fallback_path(const struct filter_settings *s)
{
    return &((const struct breaker_settings *)s->own)->fallback_path;
}

void circuit_breaker_count_fallback(const struct filter_settings *s)
{
    metric_inc(breaker_of(s->policy)->fallbacks);
}

/* -- the filter -- */

static void report(struct policy *p, struct exchange *x, int64_t since_ns)
{
    weir_breaker_report(&breaker_of(p)->breaker, &x->route_permit, x->route_outcome, here_now_ns());
}

/* What becomes of the request, as far as it is the service's doing. */
static enum weir_outcome outcome_of(const struct exchange *x, const struct config_statuses *bad)
{
    if (x->source == RESPONSE_UPSTREAM || x->source == RESPONSE_TUNNEL)
        return config_statuses_has(bad, x->response.status) ? WEIR_OUTCOME_FAILED : WEIR_OUTCOME_OK;
    if (cause_who(x->cause) == CAUSE_BY_UPSTREAM || x->cause == CAUSE_DEADLINE_EXCEEDED ||
        x->cause == CAUSE_RETRY_EXHAUSTED || x->cause == CAUSE_DESTINATION_UNAVAILABLE)
        return WEIR_OUTCOME_FAILED;
    return WEIR_OUTCOME_IGNORED;
}

/* One fallbackUri is followed, not that of the route it leads to; and not for who has left. */
static void ask_for_fallback(struct exchange *x, const struct filter_settings *s)
{
    x->fallback_due = circuit_breaker_fallback_path(s)->len != 0 && !x->elsewhere && !x->cut &&
                      exchange_has_request(x);
}

int circuit_breaker(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct exchange_hold *hold;
    int64_t after_ns;
    int rc;

    if (weir_breaker_acquire(&breaker_of(s->policy)->breaker, here_now_ns(), &x->route_permit,
                             &after_ns) < 0) {
        metric_inc(s->policy->refused);
        (void)exchange_refuse(x, CAUSE_CIRCUIT_OPEN, STR_FMT, STR_ARG(s->policy->id));
        exchange_refusal_retry_after(x, after_ns);
        ask_for_fallback(x, s);
        return 0;
    }
    x->route_outcome = WEIR_OUTCOME_FAILED; /* should a panic take the way back */
    hold = exchange_hold(x, s->policy, report, here_now_ns());
    rc = chain_next(next, x);
    x->route_outcome =
        rc < 0 ? WEIR_OUTCOME_IGNORED : outcome_of(x, &s->config->circuit_breaker->statuses);
    if (unlikely(x->route_outcome == WEIR_OUTCOME_FAILED))
        ask_for_fallback(x, s);
    exchange_release(x, hold);
    return rc;
}
