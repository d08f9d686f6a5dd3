/* The gateway as a whole: made, configured, stopped. */
#include "gateway/gateway_impl.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/log.h"
#include "telemetry/cause.h"

static void collect(void *arg);

static void get_metrics(struct gateway *g)
{
    g->connections_active = metric_get1(METRIC_CONNECTIONS, STR("active"));
    g->connections_idle = metric_get1(METRIC_CONNECTIONS, STR("idle"));
    g->connections_accepted = metric_get(METRIC_CONNECTIONS_ACCEPTED, NULL);
    g->connections_refused = metric_get(METRIC_CONNECTIONS_REFUSED, NULL);
    g->accept_pauses = metric_get(METRIC_ACCEPT_PAUSES, NULL);
    g->requests_in_flight = metric_get(METRIC_REQUESTS_IN_FLIGHT, NULL);
}

static void put_metrics(struct gateway *g)
{
    metric_put(g->connections_active);
    metric_put(g->connections_idle);
    metric_put(g->connections_accepted);
    metric_put(g->connections_refused);
    metric_put(g->accept_pauses);
    metric_put(g->requests_in_flight);
}

int gateway_new(struct gateway **ret)
{
    size_t size = (sizeof(struct gateway) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct gateway *g = aligned_alloc(CACHE_LINE, size);
    int rc;

    if (g == NULL)
        return -ENOMEM;
    memset(g, 0, sizeof(*g));
    cause_setup();
    get_metrics(g);
    g->pseudonym_number = (uint32_t)runtime_random();
    workspaces_init(&g->workspaces);
    upstream_registry_init(&g->upstreams);
    policies_init(&g->policies, g->upstreams.hash_key);
    shedding_init(&g->shedding);
    for (unsigned i = 0; i < CONN_SHARDS; i++)
        list_init(&g->conn_shards[i].conns);
    list_init(&g->listenings);
    rc = metric_add_collector(collect, g);
    if (rc < 0) {
        upstream_registry_done(&g->upstreams);
        shedding_done(&g->shedding);
        put_metrics(g);
        free(g);
        return rc;
    }
    *ret = g;
    return 0;
}

/* -- listeners -- */

static struct listening *find_listening(struct gateway *g, const struct addr *a)
{
    list_for_each (pos, &g->listenings) {
        struct listening *l = list_entry(pos, struct listening, link);

        if (addr_eq(&l->addr, a))
            return l;
    }
    return NULL;
}

/* Opens what is new into opened; on failure closes it again. */
static int open_listeners(struct gateway *g, const struct config *c, struct list *opened,
                          struct weir_error **ret_error)
{
    int rc = 0;

    for (uint32_t i = 0; i < c->listener_count && rc == 0; i++) {
        struct str text = c->listeners[i].address.text;
        struct listening *l = NULL;
        struct addr a;

        rc = addr_parse(text, &a);
        if (rc == 0 && (l = find_listening(g, &a)) != NULL) {
            l->wanted = true;
            continue;
        }
        if (rc == 0)
            rc = listening_open(g, &a, &l);
        if (rc == 0)
            list_push_back(opened, &l->link);
        else
            *ret_error = weir_error_new(rc, "listen on " STR_FMT, STR_ARG(text));
    }
    return rc;
}

static void close_listeners(struct gateway *g, struct list *from, bool unwanted_only)
{
    struct list closing = LIST_INIT(closing), *pos;

    spin_lock(&g->view_lock);
    list_for_each_safe (node, from) {
        struct listening *l = list_entry(node, struct listening, link);

        if (unwanted_only && l->wanted)
            continue;
        list_remove(node);
        list_push_back(&closing, node);
    }
    spin_unlock(&g->view_lock);
    while ((pos = list_pop_front(&closing)) != NULL)
        listening_close(list_entry(pos, struct listening, link));
}

static int start_listeners(struct gateway *g, struct list *opened, struct weir_error **ret_error)
{
    list_for_each (pos, opened) {
        struct listening *l = list_entry(pos, struct listening, link);
        int rc = listening_start(l);

        if (rc < 0) {
            *ret_error = weir_error_new(rc, "accept on " STR_FMT, STR_ARG(l->text));
            return rc;
        }
        l->wanted = true;
    }
    spin_lock(&g->view_lock);
    list_for_each_safe (pos, opened) {
        list_remove(pos);
        list_push_back(&g->listenings, pos);
    }
    spin_unlock(&g->view_lock);
    return 0;
}

static void want_listeners(struct gateway *g, bool wanted)
{
    list_for_each (pos, &g->listenings) {
        list_entry(pos, struct listening, link)->wanted = wanted;
    }
}

/* -- health checks -- */

/* Checkers run for the endpoints of the published generation; an endpoint that it shares with the
 * one before keeps its checker unless it is to be checked in another way. */
static void start_checkers(struct generation *gen, struct upstream *u)
{
    const struct config_health *settings = &u->config->health;

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        struct endpoint *e = u->endpoints[i];

        if (e->checker != NULL && health_checker_same(e->checker, settings))
            continue;
        health_checker_stop(TAKE(e->checker));
        if (!settings->enabled) {
            health_reset(&e->health);
            continue;
        }
        if (health_checker_start(e, gen->config, settings, &e->checker) < 0)
            log_error("health_check", "endpoint " STR_FMT " cannot be checked: out of memory",
                      STR_ARG(e->address));
    }
}

/* Ends the checkers of endpoints that next does not name. */
static void stop_orphans(struct generation *old, struct generation *next)
{
    for (uint32_t i = 0; i < old->upstream_count; i++) {
        struct upstream *u = &old->upstreams[i];

        for (uint32_t j = 0; j < u->endpoint_count; j++) {
            if (next == NULL || !generation_names(next, u->endpoints[j]))
                health_checker_stop(TAKE(u->endpoints[j]->checker));
        }
    }
}

static void replace_generation(struct gateway *g, struct generation *next)
{
    struct pin old = generation_pin(g);

    if (next != NULL)
        policy_uses_publish(&next->policies);
    if (shedding_configure(g, next != NULL ? next->config : NULL) < 0)
        log_error("load_shedding", "load cannot be shed: out of memory");
    generation_publish(g, next);
    if (old.generation != NULL)
        stop_orphans(old.generation, next);
    generation_unpin(&old);
    for (uint32_t i = 0; next != NULL && i < next->upstream_count; i++)
        start_checkers(next, &next->upstreams[i]);
    for (uint32_t i = 0; next != NULL && i < next->upstream_count; i++)
        upstream_configure_breakers(&next->upstreams[i]);
}

/* -- applying -- */

static int apply(struct gateway *g, struct config *c, struct weir_error **ret_error)
{
    struct list opened = LIST_INIT(opened);
    struct generation *gen;
    bool first = g->generation_number == 0;
    int rc = generation_compile(g, c, &gen, ret_error);

    if (rc < 0)
        return rc;
    want_listeners(g, false);
    rc = open_listeners(g, c, &opened, ret_error);
    if (rc < 0) {
        close_listeners(g, &opened, false);
        generation_free(gen);
        return rc;
    }
    gen->number = ++g->generation_number;
    /* What can fail comes before the swap. Only the first generation goes before its doors, so that
     * whoever comes in finds it; a failure then ends the gateway anyway. */
    if (first)
        replace_generation(g, gen);
    rc = start_listeners(g, &opened, ret_error);
    if (rc < 0) {
        close_listeners(g, &opened, false);
        if (!first)
            generation_free(gen);
        return rc;
    }
    if (!first)
        replace_generation(g, gen);
    close_listeners(g, &g->listenings, true);
    return 0;
}

int gateway_apply(struct gateway *g, struct config *c, struct weir_error **ret_error)
{
    struct weir_error *error = NULL;
    int rc;

    weir_mutex_lock(&g->apply_mutex);
    if (gateway_stopping(g)) {
        error = weir_error_new(-ESHUTDOWN, "the gateway is stopping");
        rc = -ESHUTDOWN;
    } else {
        rc = apply(g, c, &error);
    }
    weir_mutex_unlock(&g->apply_mutex);
    if (rc < 0 && ret_error != NULL)
        *ret_error = error;
    else
        weir_error_free(error);
    return rc;
}

/* -- stopping -- */

static bool connections_gone(struct gateway *g)
{
    return atomic_load_explicit(&g->connections, memory_order_acquire) == 0;
}

/* Waits for the connections to end by themselves. They are looked at now and then, which costs
 * nothing while the gateway serves. */
static void await_connections(struct gateway *g, int64_t deadline_ns)
{
    int64_t pause_ns = NS_PER_MS;

    while (!connections_gone(g) && weir_now() < deadline_ns) {
        if (weir_sleep(MIN(pause_ns, MAX(deadline_ns - weir_now(), 0))) < 0)
            return;
        pause_ns = MIN(pause_ns * 2, 50 * NS_PER_MS);
    }
}

int gateway_stop(struct gateway *g, int64_t deadline_ns)
{
    int cut = 0;

    weir_mutex_lock(&g->apply_mutex);
    atomic_store(&g->stopping, true);
    close_listeners(g, &g->listenings, false);
    conns_close_idle(g);
    await_connections(g, deadline_ns);
    if (!connections_gone(g)) {
        cut = (int)conns_cut(g);
        await_connections(g, NS_NEVER);
    }
    replace_generation(g, NULL);
    weir_mutex_unlock(&g->apply_mutex);
    return cut;
}

void gateway_free(struct gateway *g)
{
    int64_t pause_ns = NS_PER_MS;

    if (g == NULL)
        return;
    ASSERT(gateway_stopping(g) && connections_gone(g));
    metric_remove_collector(collect, g);
    /* The last pins go with coroutines that are about to end. */
    while (atomic_load_explicit(&g->generations_live, memory_order_acquire) != 0 &&
           weir_sleep(pause_ns) == 0)
        ;
    upstream_registry_done(&g->upstreams);
    policies_done(&g->policies);
    shedding_done(&g->shedding);
    workspaces_done(&g->workspaces);
    put_metrics(g);
    free(g);
}

bool gateway_ready(struct gateway *g)
{
    bool listening;

    spin_lock(&g->view_lock);
    listening = !list_empty(&g->listenings);
    spin_unlock(&g->view_lock);
    return listening && !gateway_stopping(g) && atomic_load(&g->current) != NULL;
}

/* -- gauges that are computed when somebody looks -- */

static void collect_endpoint(struct endpoint *e, int64_t now_ns)
{
    uint32_t open = atomic_load_explicit(&e->connections, memory_order_relaxed), idle;

    spin_lock(&e->lock);
    idle = e->idle_count;
    spin_unlock(&e->lock);
    metric_set(e->metrics.in_flight, atomic_load_explicit(&e->in_flight, memory_order_relaxed));
    metric_set(e->metrics.connections_idle, idle);
    metric_set(e->metrics.connections_active, open > idle ? open - idle : 0);
    metric_set(e->metrics.up, health_usable(&e->health));
    metric_set(e->metrics.ejected, eject_is_out(&e->eject, now_ns));
    metric_set(e->metrics.breaker_state, weir_breaker_view(&e->breaker, now_ns).state);
}

static void collect(void *arg)
{
    struct gateway *g = arg;
    struct pin pin = generation_pin(g);
    struct generation *gen = pin.generation;
    uint32_t open = atomic_load_explicit(&g->connections, memory_order_relaxed);
    uint32_t active = atomic_load_explicit(&g->connections_active_count, memory_order_relaxed);
    int64_t now_ns = runtime_now_coarse();

    metric_set(g->connections_active, active);
    metric_set(g->connections_idle, open > active ? open - active : 0);
    metric_set(g->requests_in_flight, active);
    for (uint32_t i = 0; gen != NULL && i < gen->upstream_count; i++) {
        for (uint32_t j = 0; j < gen->upstreams[i].endpoint_count; j++)
            collect_endpoint(gen->upstreams[i].endpoints[j], now_ns);
    }
    generation_unpin(&pin);
}
