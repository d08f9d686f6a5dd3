/* The registry of upstreams and endpoints, and how a generation takes part in it: see upstream.h.
 */
#include "gateway/upstream.h"
#include "gateway/upstream_locality.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"

#define UPSTREAMS_MAX 65536

void upstream_registry_init(struct upstream_registry *r)
{
    *r = (struct upstream_registry){0};
    world_random(runtime_world(), r->hash_key, sizeof(r->hash_key));
    map_init(&r->states, r->hash_key, UPSTREAMS_MAX);
}

void upstream_registry_done(struct upstream_registry *r)
{
    ASSERT(r->states.count == 0);
    map_done(&r->states);
}

/* -- endpoints -- */

static void get_metrics(struct endpoint_metrics *m, struct str id, struct str address)
{
    m->requests = metric_get2(METRIC_UPSTREAM_REQUESTS, id, address);
    m->failures = metric_get2(METRIC_UPSTREAM_FAILURES, id, address);
    m->duration = metric_get2(METRIC_UPSTREAM_DURATION, id, address);
    m->connect_duration = metric_get2(METRIC_UPSTREAM_CONNECT_DURATION, id, address);
    m->opened = metric_get2(METRIC_UPSTREAM_CONNECTIONS_OPENED, id, address);
    m->ejections = metric_get2(METRIC_EJECTIONS, id, address);
    m->checks_passed = metric_get3(METRIC_HEALTH_CHECKS, id, address, STR("passed"));
    m->checks_failed = metric_get3(METRIC_HEALTH_CHECKS, id, address, STR("failed"));
    m->in_flight = metric_get2(METRIC_UPSTREAM_IN_FLIGHT, id, address);
    m->connections_active = metric_get3(METRIC_UPSTREAM_CONNECTIONS, id, address, STR("active"));
    m->connections_idle = metric_get3(METRIC_UPSTREAM_CONNECTIONS, id, address, STR("idle"));
    m->breaker_state = metric_get2(METRIC_BREAKER_STATE, id, address);
    for (unsigned i = 0; i < ARRAY_LEN(m->breaker_to); i++)
        m->breaker_to[i] = metric_get3(METRIC_BREAKER_TRANSITIONS, id, address,
                                       str_of(weir_breaker_state_text((enum weir_breaker_state)i)));
    m->up = metric_get2(METRIC_ENDPOINT_UP, id, address);
    m->ejected = metric_get2(METRIC_ENDPOINT_EJECTED, id, address);
}

static void put_metrics(struct endpoint_metrics *m)
{
    struct metric **all = (struct metric **)m;

    _Static_assert(sizeof(*m) % sizeof(struct metric *) == 0, "series and nothing else");
    for (size_t i = 0; i < sizeof(*m) / sizeof(struct metric *); i++)
        metric_put(all[i]);
}

static int endpoint_new(struct upstream_state *s, struct str address, struct endpoint **ret)
{
    struct endpoint *e;
    struct addr addr;
    char *text;

    if (addr_parse(address, &addr) < 0)
        return -EINVAL;
    e = aligned_alloc(CACHE_LINE, (sizeof(*e) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    text = malloc(address.len + 1);
    if (e == NULL || text == NULL) {
        free(e);
        free(text);
        return -ENOMEM;
    }
    memcpy(text, address.ptr, address.len);
    memset(e, 0, sizeof(*e));
    e->upstream = s;
    e->addr = addr;
    e->address = str_n(text, address.len);
    e->host = addr.sa.sa_family == AF_UNIX ? STR("localhost") : e->address;
    atomic_init(&e->refs, 1);
    list_init(&e->idle);
    endpoint_breaker_init(e);
    get_metrics(&e->metrics, s->id, e->address);
    *ret = e;
    return 0;
}

void endpoint_ref(struct endpoint *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
}

void endpoint_unref(struct endpoint *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    ASSERT(list_empty(&e->idle));
    put_metrics(&e->metrics);
    free((char *)(uintptr_t)e->address.ptr);
    free(e);
}

void endpoint_set_reason(struct endpoint *e, bool ejected, const char *fmt, ...)
{
    char text[ENDPOINT_REASON_MAX];
    struct buf b = buf_on(text, sizeof(text) - 1);
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    text[b.len] = 0;
    spin_lock(&e->lock);
    memcpy(e->reason, text, b.len + 1);
    e->reason_ns = runtime_now_coarse();
    e->reason_ejected = ejected;
    spin_unlock(&e->lock);
}

void upstream_note_failure(struct upstream *u, struct endpoint *e, const char *what)
{
    metric_inc(e->metrics.failures);
    if (!u->config->eject.enabled)
        return;
    switch (eject_failure(&e->eject, &u->eject_group, &u->eject, runtime_now_coarse())) {
    case EJECT_EJECTED:
        endpoint_begins(e, eject_until_ns(&e->eject));
        metric_inc(e->metrics.ejections);
        endpoint_set_reason(e, true, "%u failures in a row, the last: %s", u->eject.failures, what);
        log_warn("endpoint_ejected",
                 "upstream " STR_FMT ": endpoint " STR_FMT ": %u failures in a row, the last: %s",
                 STR_ARG(u->state->id), STR_ARG(e->address), u->eject.failures, what);
        break;
    default:
        break;
    }
}

/* -- states -- */

static struct upstream_state *state_new(struct upstream_registry *r, struct str id)
{
    struct upstream_state *s = calloc(1, sizeof(*s) + id.len + 1);

    if (s == NULL)
        return NULL;
    memcpy(s->id_text, id.ptr, id.len);
    s->id = str_n(s->id_text, id.len);
    map_init(&s->endpoints, r->hash_key, BALANCER_ENDPOINTS_MAX);
    s->retries = metric_get1(METRIC_UPSTREAM_RETRIES, s->id);
    s->breaker_refused = metric_get1(METRIC_BREAKER_REFUSED, s->id);
    for (int v = 0; v < RETRY_VERDICT_MAX; v++) {
        if (!retry_yes((enum retry_verdict)v))
            s->retries_refused[v] = metric_get2(METRIC_UPSTREAM_RETRIES_REFUSED, s->id,
                                                retry_verdict_text((enum retry_verdict)v));
    }
    return s;
}

static void state_free(struct upstream_state *s)
{
    map_done(&s->endpoints);
    metric_put(s->retries);
    metric_put(s->breaker_refused);
    for (int v = 0; v < RETRY_VERDICT_MAX; v++)
        metric_put(s->retries_refused[v]);
    free(s);
}

/* Only gateway_apply() adds, one at a time, so what is missing here cannot appear before it is put;
 * it is made outside the lock. */
static int take_state(struct upstream_registry *r, struct str id, struct upstream_state **ret)
{
    struct upstream_state *s;
    int rc = 0;

    spin_lock(&r->lock);
    s = map_get(&r->states, id);
    if (s != NULL)
        s->uses++;
    spin_unlock(&r->lock);
    if (s == NULL) {
        s = state_new(r, id);
        if (s == NULL)
            return -ENOMEM;
        s->uses = 1;
        spin_lock(&r->lock);
        rc = map_put(&r->states, s->id, s);
        spin_unlock(&r->lock);
    }
    if (rc < 0)
        state_free(s);
    else
        *ret = s;
    return rc;
}

static void drop_state(struct upstream_registry *r, struct upstream_state *s)
{
    bool last;

    spin_lock(&r->lock);
    last = --s->uses == 0;
    if (last)
        map_remove(&r->states, s->id);
    spin_unlock(&r->lock);
    if (last)
        state_free(s);
}

static int take_endpoint(struct upstream_registry *r, struct upstream_state *s, struct str address,
                         struct endpoint **ret)
{
    struct endpoint *e;
    int rc;

    spin_lock(&r->lock);
    e = map_get(&s->endpoints, address);
    if (e != NULL)
        e->uses++;
    spin_unlock(&r->lock);
    if (e == NULL) {
        rc = endpoint_new(s, address, &e);
        if (rc < 0)
            return rc;
        e->uses = 1;
        if (s->uses > 1) /* an upstream in use gets another one */
            endpoint_begins(e, runtime_now_coarse());
        spin_lock(&r->lock);
        rc = map_put(&s->endpoints, e->address, e);
        spin_unlock(&r->lock);
        if (rc < 0) {
            endpoint_unref(e);
            return rc;
        }
    }
    *ret = e;
    return 0;
}

static void drop_endpoint(struct upstream_registry *r, struct endpoint *e)
{
    bool last;

    spin_lock(&r->lock);
    last = --e->uses == 0;
    if (last)
        map_remove(&e->upstream->endpoints, e->address);
    spin_unlock(&r->lock);
    if (last) {
        endpoint_close_idle(e, true);
        endpoint_unref(e);
    }
}

/* -- the view of a generation -- */

static int make_balancer(struct upstream *u, struct arena *a)
{
    struct balancer_endpoint *list = arena_zalloc(a, u->endpoint_count * sizeof(*list));
    size_t size;
    void *mem;
    int rc;

    if (list == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        list[i].weight = u->config->endpoints[i].weight;
        list[i].key = balancer_hash(u->endpoints[i]->address);
        list[i].in_flight = &u->endpoints[i]->in_flight;
        list[i].latency = &u->endpoints[i]->latency;
        list[i].since_ns = &u->endpoints[i]->since_ns;
    }
    size = balancer_bytes((enum balancer_kind)u->config->balance, list, u->endpoint_count);
    mem = arena_alloc(a, size);
    if (mem == NULL)
        return -ENOMEM;
    rc = balancer_init((enum balancer_kind)u->config->balance, list, u->endpoint_count,
                       runtime_random(), mem, size, &u->balancer);
    return rc == 0 ? upstream_locality_make(u, list, a) : rc;
}

static int make_eject_group(struct upstream *u, struct arena *a)
{
    struct eject_member *members = arena_zalloc(a, u->endpoint_count * sizeof(*members));

    if (members == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        members[i].eject = &u->endpoints[i]->eject;
        members[i].health = u->config->health.enabled ? &u->endpoints[i]->health : NULL;
    }
    u->eject_group = (struct eject_group){&u->state->eject_lock, members, u->endpoint_count};
    return 0;
}

static void set_options(struct upstream *u)
{
    const struct config_upstream *c = u->config;

    u->retry = (struct retry_options){
        .attempts = c->retry.attempts,
        .backoff_ns = c->retry.backoff_ns,
        .jitter_percent = 50,
        .reserve_ns = NS_PER_MS,
        .budget_percent = c->retry.budget_percent,
        .budget_min = 3,
    };
    u->eject = (struct eject_options){
        .failures = c->eject.failures,
        .time_ns = c->eject.time_ns,
        .time_max_ns = c->eject.time_max_ns,
        .percent_max = c->eject.percent_max,
    };
}

int upstream_compile(struct upstream_registry *r, const struct config_upstream *c, struct arena *a,
                     struct upstream *ret, const char **ret_message)
{
    int rc;

    *ret = (struct upstream){.config = c};
    ret->endpoints = arena_alloc(a, c->endpoint_count * sizeof(struct endpoint *));
    if (ret->endpoints == NULL)
        return -ENOMEM;
    rc = take_state(r, c->id, &ret->state);
    for (uint32_t i = 0; i < c->endpoint_count && rc == 0; i++) {
        rc = take_endpoint(r, ret->state, c->endpoints[i].address.text, &ret->endpoints[i]);
        if (rc < 0)
            *ret_message =
                arena_printf(a, "endpoint " STR_FMT, STR_ARG(c->endpoints[i].address.text));
        else
            ret->endpoint_count++;
    }
    set_options(ret);
    if (rc == 0)
        rc = make_balancer(ret, a);
    if (rc == 0)
        rc = make_eject_group(ret, a);
    if (rc < 0)
        upstream_drop(r, ret);
    return rc;
}

void upstream_drop(struct upstream_registry *r, struct upstream *u)
{
    for (uint32_t i = 0; i < u->endpoint_count; i++)
        drop_endpoint(r, u->endpoints[i]);
    u->endpoint_count = 0;
    if (u->state != NULL)
        drop_state(r, u->state);
    u->state = NULL;
}
