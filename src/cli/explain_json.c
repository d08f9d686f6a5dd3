/* An explanation for programs. */
#include "cli/explain.h"

#include "config/print.h"
#include "export/doc.h"

/* What an explanation leaves out is not in the document. */
static void put_text(struct doc *d, json_t *object, const char *key, struct str s)
{
    if (s.ptr != NULL)
        doc_put_text(d, object, key, s);
}

struct settings {
    struct doc *doc;
    json_t *object;
};

/* Values stay in the spelling of the file: "250ms", "20%". */
static void put_setting(void *arg, const char *section, const char *key, struct str value)
{
    struct settings *s = arg;
    json_t *object = s->object;

    if (section[0] != '\0' && key[0] == '\0') {
        put_text(s->doc, object, section, value);
        return;
    }
    if (section[0] != '\0') {
        if (json_object_get(object, section) == NULL)
            doc_put(s->doc, object, section, json_object());
        object = json_object_get(object, section);
    }
    put_text(s->doc, object, key, value);
}

static json_t *request_json(struct doc *d, const struct explanation *e)
{
    json_t *o = json_object();

    put_text(d, o, "method", e->method);
    put_text(d, o, "path", e->path);
    put_text(d, o, "query", e->query);
    put_text(d, o, "host", e->host);
    if (e->host.ptr != NULL)
        doc_put(d, o, "port", json_integer(e->port));
    return o;
}

static json_t *routes_json(struct doc *d, const struct explanation *e)
{
    static const char *const verdicts[] = {
        [EXPLAIN_SERVES] = "serves", [EXPLAIN_FAILS] = "fails", [EXPLAIN_LATER] = "later"};
    json_t *list = json_array();

    for (uint32_t i = 0; i < e->route_count; i++) {
        const struct explain_route *r = &e->routes[i];
        json_t *o = json_object();

        put_text(d, o, "id", r->config->id);
        doc_put(d, o, "line", json_integer(r->config->line));
        doc_put(d, o, "verdict", json_string(verdicts[r->verdict]));
        put_text(d, o, "predicate", r->predicate);
        put_text(d, o, "seen", r->seen);
        doc_append(d, list, o);
    }
    return list;
}

static json_t *vars_json(struct doc *d, const struct explanation *e)
{
    json_t *o = json_object();

    for (uint32_t i = 0; i < e->vars.count; i++)
        doc_put_named(d, o, e->vars.items[i].name, doc_text(e->vars.items[i].value));
    return o;
}

static json_t *chain_json(struct doc *d, const struct explanation *e)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < e->step_count; i++) {
        const struct explain_step *step = &e->steps[i];
        json_t *o = json_object();
        struct settings args = {d, json_object()};

        put_text(d, o, "filter", step->name);
        if (step->config != NULL) {
            put_text(d, o, "text", step->config->text);
            config_print_filter(step->config, put_setting, &args);
            doc_put(d, o, "args", json_incref(args.object));
        }
        json_decref(args.object);
        doc_append(d, list, o);
    }
    return list;
}

static json_t *endpoints_json(struct doc *d, const struct config_upstream *u)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        struct settings s = {d, json_object()};

        config_print_endpoint(&u->endpoints[i], put_setting, &s);
        doc_append(d, list, s.object);
    }
    return list;
}

static json_t *upstream_json(struct doc *d, const struct explanation *e)
{
    struct settings s = {d, json_object()};
    const struct config_upstream *u = e->upstream;

    put_text(d, s.object, "id", u->id);
    config_print_upstream(u, put_setting, &s);
    config_print_timeouts(&e->route->config->timeouts, put_setting, &s); /* the route's hold */
    if (u->balance == BALANCE_CONSISTENT_HASH && u->hash_on != HASH_CLIENT_IP)
        put_text(d, s.object, "hash_key", e->hash_key);
    if (e->hash_endpoint >= 0)
        put_text(d, s.object, "hash_endpoint", u->endpoints[e->hash_endpoint].address.text);
    doc_put(d, s.object, "endpoints", endpoints_json(d, u));
    return s.object;
}

static json_t *refusal_json(struct doc *d, enum cause cause, struct str why)
{
    json_t *o = json_object();

    put_text(d, o, "cause", cause_name(cause));
    doc_put(d, o, "status", json_integer(cause_status(cause)));
    put_text(d, o, "why", why);
    return o;
}

static json_t *fallback_json(struct doc *d, const struct explanation *e)
{
    json_t *o = json_object();

    put_text(d, o, "path", e->fallback_path);
    if (e->fallback != NULL)
        put_text(d, o, "route", e->fallback->config->id);
    return o;
}

static void put_outcome(struct doc *d, json_t *o, const struct explanation *e)
{
    json_t *sent = json_object();

    if (e->route != NULL) {
        put_text(d, o, "route", e->route->config->id);
        doc_put(d, o, "variables", vars_json(d, e));
        doc_put(d, o, "chain", chain_json(d, e));
        if (e->fallback_path.ptr != NULL)
            doc_put(d, o, "fallback", fallback_json(d, e));
    }
    if (e->answered != 0) {
        doc_put(d, o, "answered", json_integer(e->answered));
        put_text(d, o, "location", e->location);
    }
    if (e->upstream != NULL) {
        put_text(d, sent, "path", e->sent_path);
        put_text(d, sent, "query", e->sent_query);
        put_text(d, sent, "host", e->sent_host);
        doc_put(d, o, "sent", json_incref(sent));
        doc_put(d, o, "upstream", upstream_json(d, e));
    }
    json_decref(sent);
}

int explain_write_json(const struct explanation *e, struct text *out)
{
    struct doc d = {0};
    json_t *o = json_object();

    doc_put(&d, o, "request", request_json(&d, e));
    if (e->refused != CAUSE_NONE) {
        doc_put(&d, o, "refused", refusal_json(&d, e->refused, e->why));
    } else {
        doc_put(&d, o, "routes", routes_json(&d, e));
        if (e->route == NULL && e->answered == 0)
            doc_put(&d, o, "refused",
                    refusal_json(&d, CAUSE_ROUTE_NOT_FOUND, STR("no route matches")));
        put_outcome(&d, o, e);
    }
    return doc_write(&d, o, out);
}
