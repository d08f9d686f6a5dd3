/* What is inside, copied out for people. */
#include "gateway/gateway_impl.h"
#include "policy/slow_start.h"
#include "telemetry/cause.h"

/* The state, and what brought it about. An ejection ends by time, without anybody noticing. */
static void view_state(struct endpoint *e, int64_t now_ns, struct arena *a,
                       struct gateway_endpoint_view *v)
{
    bool out = eject_is_out(&e->eject, now_ns);
    int64_t since_ns;

    v->state = out ? STR("ejected") : health_state_text(health_state(&e->health));
    spin_lock(&e->lock);
    since_ns = e->reason_ns;
    if (e->reason_ejected && !out) {
        v->reason = STR("the time of its ejection is over");
        since_ns = eject_until_ns(&e->eject);
    } else {
        v->reason = arena_str(a, str_of(e->reason));
    }
    spin_unlock(&e->lock);
    v->state_age_ns = since_ns != 0 ? MAX(now_ns - since_ns, INT64_C(0)) : 0;
}

static void view_breaker(struct endpoint *e, int64_t now_ns, struct gateway_endpoint_view *v)
{
    struct weir_breaker_view b = weir_breaker_view(&e->breaker, now_ns);
    int reason = atomic_load_explicit(&e->breaker_reason, memory_order_relaxed);

    v->breaker = str_of(weir_breaker_state_text(b.state));
    if (reason >= 0)
        v->breaker_reason = str_of(weir_breaker_reason_text((enum weir_breaker_reason)reason));
    if (b.state == WEIR_BREAKER_OPEN)
        v->breaker_retry_ns = MAX(b.until_ns - now_ns, INT64_C(0));
}

/* What balancing makes of it. */
static void view_balance(struct endpoint *e, const struct config_upstream *c, int64_t now_ns,
                         struct gateway_endpoint_view *v)
{
    int64_t since_ns = atomic_load_explicit(&e->since_ns, memory_order_relaxed);

    v->latency_ewma_ns = (int64_t)peak_ns(&e->latency, now_ns);
    v->share_permille = slow_start_share(since_ns, c->slow_start_ns, now_ns);
}

static void view_endpoint(struct endpoint *e, const struct config_endpoint *c, struct arena *a,
                          struct gateway_endpoint_view *v)
{
    int64_t now_ns = weir_now();
    struct metric_snapshot latency;

    *v = (struct gateway_endpoint_view){0};
    v->address = arena_str(a, e->address);
    v->weight = c->weight;
    v->zone = arena_str(a, c->zone);
    v->priority = c->priority;
    view_state(e, now_ns, a, v);
    view_breaker(e, now_ns, v);
    v->in_flight = atomic_load_explicit(&e->in_flight, memory_order_relaxed);
    v->connections_open = atomic_load_explicit(&e->connections, memory_order_relaxed);
    spin_lock(&e->lock);
    v->connections_idle = e->idle_count;
    spin_unlock(&e->lock);
    v->requests_total = (uint64_t)metric_value(e->metrics.requests);
    v->failures_total = (uint64_t)metric_value(e->metrics.failures);
    v->checks_ok_total = (uint64_t)metric_value(e->metrics.checks_passed);
    v->checks_failed_total = (uint64_t)metric_value(e->metrics.checks_failed);
    metric_snapshot(e->metrics.duration, &latency);
    v->latency_p50_ns = metric_snapshot_quantile(&latency, 0.5);
    v->latency_p99_ns = metric_snapshot_quantile(&latency, 0.99);
}

static int view_upstreams(struct generation *gen, struct arena *a, struct gateway_view *v)
{
    v->upstreams = arena_zalloc(a, (gen->upstream_count + 1) * sizeof(*v->upstreams));
    if (v->upstreams == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < gen->upstream_count; i++) {
        struct upstream *u = &gen->upstreams[i];
        struct gateway_upstream_view *uv = &v->upstreams[i];

        uv->id = arena_str(a, u->state->id);
        uv->balance = config_balance_text(u->config->balance);
        uv->endpoints = arena_zalloc(a, (u->endpoint_count + 1) * sizeof(*uv->endpoints));
        if (uv->endpoints == NULL)
            return -ENOMEM;
        for (uint32_t j = 0; j < u->endpoint_count; j++) {
            view_endpoint(u->endpoints[j], &u->config->endpoints[j], a, &uv->endpoints[j]);
            view_balance(u->endpoints[j], u->config, weir_now(), &uv->endpoints[j]);
        }
        uv->endpoint_count = u->endpoint_count;
        v->retries_total += atomic_load_explicit(&u->state->retries_total, memory_order_relaxed);
    }
    v->upstream_count = gen->upstream_count;
    return 0;
}

static uint64_t add_route(const struct route_metrics *m, struct gateway_route_view *ret)
{
    struct metric_snapshot latency;

    for (int i = 0; i < 6; i++) {
        ret->by_class[i] = (uint64_t)metric_value(m->by_class[i]);
        ret->requests_total += ret->by_class[i];
    }
    metric_snapshot(m->duration, &latency);
    ret->latency_p50_ns = metric_snapshot_quantile(&latency, 0.5);
    ret->latency_p99_ns = metric_snapshot_quantile(&latency, 0.99);
    return ret->requests_total;
}

static int view_routes(struct generation *gen, struct arena *a, struct gateway_view *v)
{
    struct gateway_route_view unmatched = {0};

    v->routes = arena_zalloc(a, (gen->route_count + 1) * sizeof(*v->routes));
    if (v->routes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < gen->route_count; i++) {
        struct gateway_route_view *rv = &v->routes[i];

        rv->config = gen->routes[i].config;
        rv->id = rv->config->id;
        rv->uri = rv->config->uri;
        rv->order = rv->config->order;
        v->requests_total += add_route(&gen->routes[i].metrics, rv);
    }
    v->route_count = gen->route_count;
    v->requests_total += add_route(&gen->no_route.metrics, &unmatched);
    return 0;
}

static int view_listeners(struct gateway *g, struct arena *a, struct gateway_view *v)
{
    uint32_t count = 0;
    int rc = 0;

    spin_lock(&g->view_lock);
    list_for_each (pos, &g->listenings) {
        count++;
    }
    v->listeners = arena_zalloc(a, (count + 1) * sizeof(*v->listeners));
    if (v->listeners == NULL)
        rc = -ENOMEM;
    list_for_each (pos, &g->listenings) {
        if (rc == 0)
            v->listeners[v->listener_count++] =
                arena_str(a, list_entry(pos, struct listening, link)->text);
    }
    spin_unlock(&g->view_lock);
    return rc;
}

static int view_causes(struct arena *a, struct gateway_view *v)
{
    v->causes = arena_zalloc(a, CAUSE_MAX * sizeof(*v->causes));
    if (v->causes == NULL)
        return -ENOMEM;
    for (unsigned c = 0; c < CAUSE_MAX; c++) {
        uint64_t count = cause_count_value((enum cause)c);

        if (count != 0)
            v->causes[v->cause_count++] =
                (struct gateway_cause_view){cause_name((enum cause)c), count};
    }
    return 0;
}

int gateway_view(struct gateway *g, struct arena *a, struct gateway_view *ret)
{
    struct pin pin = generation_pin(g);
    struct generation *gen = pin.generation;
    struct gateway_view v = {0};
    uint32_t active;
    int rc;

    if (gen == NULL)
        return -ENOENT;
    v.generation = gen->number;
    v.config_hash = gen->config->text_hash;
    v.config_age_ns = weir_now() - gen->since_ns;
    v.connections_open = atomic_load_explicit(&g->connections, memory_order_relaxed);
    active = atomic_load_explicit(&g->connections_active_count, memory_order_relaxed);
    v.connections_idle = v.connections_open > active ? v.connections_open - active : 0;
    rc = view_listeners(g, a, &v);
    if (rc == 0)
        rc = view_routes(gen, a, &v);
    if (rc == 0)
        rc = view_upstreams(gen, a, &v);
    if (rc == 0)
        rc = view_causes(a, &v);
    if (rc == 0) {
        v.config = config_ref(gen->config);
        *ret = v;
    }
    generation_unpin(&pin);
    return rc;
}

void gateway_view_done(struct gateway_view *v)
{
    config_unref(TAKE(v->config));
}
