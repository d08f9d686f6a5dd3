/* What is inside the gateway as JSON. */
#include "control/view_json.h"

#include <stdio.h>

#include "export/doc.h"

static json_t *predicates_json(struct doc *d, const struct config_route *r)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < r->predicate_count; i++)
        doc_append(d, list, doc_text(r->predicates[i].text));
    return list;
}

static json_t *filters_json(struct doc *d, const struct config_route *r)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < r->filter_count; i++)
        doc_append(d, list, doc_text(r->filters[i].text));
    return list;
}

static json_t *metadata_json(struct doc *d, const struct config_route *r)
{
    json_t *map = json_object();

    for (uint32_t i = 0; i < r->metadata_count; i++)
        doc_put_named(d, map, r->metadata_keys[i], doc_text(r->metadata_values[i]));
    return map;
}

static json_t *responses_json(struct doc *d, const uint64_t by_class[6])
{
    static const char *const names[6] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    json_t *map = json_object();

    for (int i = 1; i < 6; i++)
        doc_put_count(d, map, names[i], by_class[i]);
    return map;
}

static json_t *route_json(struct doc *d, const struct gateway_route_view *r)
{
    json_t *o = json_object();

    doc_put_text(d, o, "id", r->id);
    doc_put_text(d, o, "uri", r->uri);
    doc_put(d, o, "order", json_integer(r->order));
    if (r->config != NULL) {
        doc_put(d, o, "predicates", predicates_json(d, r->config));
        doc_put(d, o, "filters", filters_json(d, r->config));
        doc_put(d, o, "metadata", metadata_json(d, r->config));
        doc_put_count(d, o, "line", r->config->line);
    }
    doc_put_count(d, o, "requests_total", r->requests_total);
    doc_put(d, o, "responses", responses_json(d, r->by_class));
    doc_put_seconds(d, o, "latency_p50_seconds", r->latency_p50_ns);
    doc_put_seconds(d, o, "latency_p99_seconds", r->latency_p99_ns);
    return o;
}

static json_t *endpoint_json(struct doc *d, const struct gateway_endpoint_view *e)
{
    json_t *o = json_object();

    doc_put_text(d, o, "address", e->address);
    doc_put_count(d, o, "weight", e->weight);
    doc_put_text(d, o, "zone", e->zone);
    doc_put_count(d, o, "priority", e->priority);
    doc_put_text(d, o, "state", e->state);
    doc_put_text(d, o, "reason", e->reason);
    doc_put_seconds(d, o, "state_age_seconds", e->state_age_ns);
    doc_put_text(d, o, "breaker", e->breaker);
    doc_put_text(d, o, "breaker_reason", e->breaker_reason);
    doc_put_seconds(d, o, "breaker_retry_seconds", e->breaker_retry_ns);
    doc_put_count(d, o, "in_flight", e->in_flight);
    doc_put_count(d, o, "connections_open", e->connections_open);
    doc_put_count(d, o, "connections_idle", e->connections_idle);
    doc_put_count(d, o, "requests_total", e->requests_total);
    doc_put_count(d, o, "failures_total", e->failures_total);
    doc_put_count(d, o, "checks_ok_total", e->checks_ok_total);
    doc_put_count(d, o, "checks_failed_total", e->checks_failed_total);
    doc_put_seconds(d, o, "latency_p50_seconds", e->latency_p50_ns);
    doc_put_seconds(d, o, "latency_p99_seconds", e->latency_p99_ns);
    doc_put_seconds(d, o, "latency_ewma_seconds", e->latency_ewma_ns);
    doc_put(d, o, "slow_start_share", json_real(e->share_permille / 1000.0));
    return o;
}

static json_t *upstream_json(struct doc *d, const struct gateway_upstream_view *u)
{
    json_t *o = json_object(), *endpoints = json_array();

    doc_put_text(d, o, "id", u->id);
    doc_put_text(d, o, "balance", u->balance);
    for (uint32_t i = 0; i < u->endpoint_count; i++)
        doc_append(d, endpoints, endpoint_json(d, &u->endpoints[i]));
    doc_put(d, o, "endpoints", endpoints);
    return o;
}

static json_t *config_json(struct doc *d, const struct gateway_view *v)
{
    json_t *o = json_object(), *listeners = json_array(), *causes = json_object();
    char hash[17];

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)v->config_hash);
    doc_put_count(d, o, "generation", v->generation);
    doc_put(d, o, "hash", json_string(hash));
    doc_put_seconds(d, o, "age_seconds", v->config_age_ns);
    for (uint32_t i = 0; i < v->listener_count; i++)
        doc_append(d, listeners, doc_text(v->listeners[i]));
    doc_put(d, o, "listeners", listeners);
    doc_put_count(d, o, "routes", v->route_count);
    doc_put_count(d, o, "upstreams", v->upstream_count);
    doc_put_count(d, o, "connections_open", v->connections_open);
    doc_put_count(d, o, "connections_idle", v->connections_idle);
    doc_put_count(d, o, "requests_total", v->requests_total);
    doc_put_count(d, o, "retries_total", v->retries_total);
    for (uint32_t i = 0; i < v->cause_count; i++)
        doc_put_named(d, causes, v->causes[i].name, json_integer((json_int_t)v->causes[i].count));
    doc_put(d, o, "causes", causes);
    return o;
}

int view_json_routes(const struct gateway_view *v, struct text *out)
{
    struct doc d = {0};
    json_t *root = json_object(), *list = json_array();

    for (uint32_t i = 0; i < v->route_count; i++)
        doc_append(&d, list, route_json(&d, &v->routes[i]));
    doc_put_count(&d, root, "generation", v->generation);
    doc_put(&d, root, "routes", list);
    return doc_write(&d, root, out);
}

int view_json_upstreams(const struct gateway_view *v, struct text *out)
{
    struct doc d = {0};
    json_t *root = json_object(), *list = json_array();

    for (uint32_t i = 0; i < v->upstream_count; i++)
        doc_append(&d, list, upstream_json(&d, &v->upstreams[i]));
    doc_put_count(&d, root, "generation", v->generation);
    doc_put(&d, root, "upstreams", list);
    return doc_write(&d, root, out);
}

int view_json_config(const struct gateway_view *v, struct text *out)
{
    struct doc d = {0};

    return doc_write(&d, config_json(&d, v), out);
}
