/* What is inside the gateway as JSON.
 *
 * Documents are built as Jansson trees. The json_*_set_new() and json_array_append_new() calls take
 * ownership and fail, releasing the value, when it is NULL; a single flag in the builder remembers
 * that, so the code below reads as the document it makes. */
#include "control/view_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct build {
    bool failed;
};

static void put(struct build *b, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        b->failed = true;
}

static void append(struct build *b, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        b->failed = true;
}

/* Text of a configuration is UTF-8; text that came from elsewhere may not be, and Jansson takes
 * nothing else: such bytes are shown as '?'. */
static json_t *text_json(struct str s)
{
    struct text clean = {0};

    if (s.ptr == NULL)
        return json_string("");
    json_t *value = json_stringn(s.ptr, s.len);
    if (value != NULL || s.len == 0)
        return value;
    for (size_t i = 0; i < s.len; i++)
        text_put(&clean, (unsigned char)s.ptr[i] < 0x80 ? &s.ptr[i] : "?", 1);
    value = clean.overflow ? NULL : json_stringn(clean.ptr, clean.len);
    text_done(&clean);
    return value;
}

static void put_text(struct build *b, json_t *object, const char *key, struct str s)
{
    put(b, object, key, text_json(s));
}

static void put_count(struct build *b, json_t *object, const char *key, uint64_t n)
{
    put(b, object, key, json_integer((json_int_t)n));
}

/* Times leave as seconds, the base unit of every other interface of weir. */
static void put_seconds(struct build *b, json_t *object, const char *key, int64_t ns)
{
    put(b, object, key, json_real((double)ns / NS_PER_SEC));
}

static json_t *predicates_json(struct build *b, const struct config_route *r)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < r->predicate_count; i++)
        append(b, list, text_json(r->predicates[i].text));
    return list;
}

static json_t *filters_json(struct build *b, const struct config_route *r)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < r->filter_count; i++)
        append(b, list, text_json(r->filters[i].text));
    return list;
}

static json_t *metadata_json(struct build *b, const struct config_route *r)
{
    json_t *map = json_object();

    for (uint32_t i = 0; i < r->metadata_count; i++) {
        struct str key = r->metadata_keys[i];

        if (json_object_setn_new(map, key.ptr, key.len, text_json(r->metadata_values[i])) < 0)
            b->failed = true;
    }
    return map;
}

static json_t *responses_json(struct build *b, const uint64_t by_class[6])
{
    static const char *const names[6] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    json_t *map = json_object();

    for (int i = 1; i < 6; i++)
        put_count(b, map, names[i], by_class[i]);
    return map;
}

static json_t *route_json(struct build *b, const struct gateway_route_view *r)
{
    json_t *o = json_object();

    put_text(b, o, "id", r->id);
    put_text(b, o, "uri", r->uri);
    put(b, o, "order", json_integer(r->order));
    if (r->config != NULL) {
        put(b, o, "predicates", predicates_json(b, r->config));
        put(b, o, "filters", filters_json(b, r->config));
        put(b, o, "metadata", metadata_json(b, r->config));
        put_count(b, o, "line", r->config->line);
    }
    put_count(b, o, "requests_total", r->requests_total);
    put(b, o, "responses", responses_json(b, r->by_class));
    put_seconds(b, o, "latency_p50_seconds", r->latency_p50_ns);
    put_seconds(b, o, "latency_p99_seconds", r->latency_p99_ns);
    return o;
}

static json_t *endpoint_json(struct build *b, const struct gateway_endpoint_view *e)
{
    json_t *o = json_object();

    put_text(b, o, "address", e->address);
    put_count(b, o, "weight", e->weight);
    put_text(b, o, "zone", e->zone);
    put_count(b, o, "priority", e->priority);
    put_text(b, o, "state", e->state);
    put_text(b, o, "reason", e->reason);
    put_seconds(b, o, "state_age_seconds", e->state_age_ns);
    put_text(b, o, "breaker", e->breaker);
    put_text(b, o, "breaker_reason", e->breaker_reason);
    put_seconds(b, o, "breaker_retry_seconds", e->breaker_retry_ns);
    put_count(b, o, "in_flight", e->in_flight);
    put_count(b, o, "connections_open", e->connections_open);
    put_count(b, o, "connections_idle", e->connections_idle);
    put_count(b, o, "requests_total", e->requests_total);
    put_count(b, o, "failures_total", e->failures_total);
    put_count(b, o, "checks_ok_total", e->checks_ok_total);
    put_count(b, o, "checks_failed_total", e->checks_failed_total);
    put_seconds(b, o, "latency_p50_seconds", e->latency_p50_ns);
    put_seconds(b, o, "latency_p99_seconds", e->latency_p99_ns);
    put_seconds(b, o, "latency_ewma_seconds", e->latency_ewma_ns);
    put(b, o, "slow_start_share", json_real(e->share_permille / 1000.0));
    return o;
}

static json_t *upstream_json(struct build *b, const struct gateway_upstream_view *u)
{
    json_t *o = json_object(), *endpoints = json_array();

    put_text(b, o, "id", u->id);
    put_text(b, o, "balance", u->balance);
    for (uint32_t i = 0; i < u->endpoint_count; i++)
        append(b, endpoints, endpoint_json(b, &u->endpoints[i]));
    put(b, o, "endpoints", endpoints);
    return o;
}

static json_t *config_json(struct build *b, const struct gateway_view *v)
{
    json_t *o = json_object(), *listeners = json_array(), *causes = json_object();
    char hash[17];

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)v->config_hash);
    put_count(b, o, "generation", v->generation);
    put(b, o, "hash", json_string(hash));
    put_seconds(b, o, "age_seconds", v->config_age_ns);
    for (uint32_t i = 0; i < v->listener_count; i++)
        append(b, listeners, text_json(v->listeners[i]));
    put(b, o, "listeners", listeners);
    put_count(b, o, "routes", v->route_count);
    put_count(b, o, "upstreams", v->upstream_count);
    put_count(b, o, "connections_open", v->connections_open);
    put_count(b, o, "connections_idle", v->connections_idle);
    put_count(b, o, "requests_total", v->requests_total);
    put_count(b, o, "retries_total", v->retries_total);
    for (uint32_t i = 0; i < v->cause_count; i++) {
        struct str name = v->causes[i].name;

        if (json_object_setn_new(causes, name.ptr, name.len,
                                 json_integer((json_int_t)v->causes[i].count)) < 0)
            b->failed = true;
    }
    put(b, o, "causes", causes);
    return o;
}

/* Writes the document and lets go of it. */
static int write_document(const struct build *b, json_t *doc, struct text *out)
{
    char *dump =
        b->failed || doc == NULL ? NULL : json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    json_decref(doc);
    if (dump == NULL)
        return -ENOMEM;
    text_puts(out, str_of(dump));
    text_put(out, "\n", 1);
    free(dump);
    return out->overflow ? -ENOMEM : 0;
}

int view_json_routes(const struct gateway_view *v, struct text *out)
{
    struct build b = {0};
    json_t *doc = json_object(), *list = json_array();

    for (uint32_t i = 0; i < v->route_count; i++)
        append(&b, list, route_json(&b, &v->routes[i]));
    put_count(&b, doc, "generation", v->generation);
    put(&b, doc, "routes", list);
    return write_document(&b, doc, out);
}

int view_json_upstreams(const struct gateway_view *v, struct text *out)
{
    struct build b = {0};
    json_t *doc = json_object(), *list = json_array();

    for (uint32_t i = 0; i < v->upstream_count; i++)
        append(&b, list, upstream_json(&b, &v->upstreams[i]));
    put_count(&b, doc, "generation", v->generation);
    put(&b, doc, "upstreams", list);
    return write_document(&b, doc, out);
}

int view_json_config(const struct gateway_view *v, struct text *out)
{
    struct build b = {0};

    return write_document(&b, config_json(&b, v), out);
}
