/* An explanation for programs. */
#include "cli/explain.h"

#include <jansson.h>
#include <stdlib.h>

#include "config/print.h"

/* Jansson's calls take what they are given and fail when it is NULL; one flag remembers that. */
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

/* Bytes that are not UTF-8 become U+FFFD. */
static json_t *text_json(struct str s)
{
    struct text quoted = {0};
    json_t *value;

    text_printf(&quoted, "[\"");
    text_put_json(&quoted, s);
    text_printf(&quoted, "\"]");
    json_t *list = quoted.overflow ? NULL : json_loadb(quoted.ptr, quoted.len, 0, NULL);
    value = json_incref(json_array_get(list, 0));
    json_decref(list);
    text_done(&quoted);
    return value;
}

static void put_text(struct build *b, json_t *object, const char *key, struct str s)
{
    if (s.ptr != NULL)
        put(b, object, key, text_json(s));
}

struct settings {
    struct build *build;
    json_t *object;
};

/* Values stay in the spelling of the file: "250ms", "20%". */
static void put_setting(void *arg, const char *section, const char *key, struct str value)
{
    struct settings *s = arg;
    json_t *object = s->object;

    if (section[0] != '\0' && key[0] == '\0') {
        put_text(s->build, object, section, value);
        return;
    }
    if (section[0] != '\0') {
        if (json_object_get(object, section) == NULL)
            put(s->build, object, section, json_object());
        object = json_object_get(object, section);
    }
    put_text(s->build, object, key, value);
}

static json_t *request_json(struct build *b, const struct explanation *e)
{
    json_t *o = json_object();

    put_text(b, o, "method", e->method);
    put_text(b, o, "path", e->path);
    put_text(b, o, "query", e->query);
    put_text(b, o, "host", e->host);
    if (e->host.ptr != NULL)
        put(b, o, "port", json_integer(e->port));
    return o;
}

static json_t *routes_json(struct build *b, const struct explanation *e)
{
    static const char *const verdicts[] = {
        [EXPLAIN_SERVES] = "serves", [EXPLAIN_FAILS] = "fails", [EXPLAIN_LATER] = "later"};
    json_t *list = json_array();

    for (uint32_t i = 0; i < e->route_count; i++) {
        const struct explain_route *r = &e->routes[i];
        json_t *o = json_object();

        put_text(b, o, "id", r->config->id);
        put(b, o, "line", json_integer(r->config->line));
        put(b, o, "verdict", json_string(verdicts[r->verdict]));
        put_text(b, o, "predicate", r->predicate);
        put_text(b, o, "seen", r->seen);
        append(b, list, o);
    }
    return list;
}

static json_t *vars_json(struct build *b, const struct explanation *e)
{
    json_t *o = json_object();

    for (uint32_t i = 0; i < e->vars.count; i++) {
        struct str name = e->vars.items[i].name;

        if (json_object_setn_new(o, name.ptr, name.len, text_json(e->vars.items[i].value)) < 0)
            b->failed = true;
    }
    return o;
}

static json_t *chain_json(struct build *b, const struct explanation *e)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < e->step_count; i++) {
        const struct explain_step *step = &e->steps[i];
        json_t *o = json_object();
        struct settings args = {b, json_object()};

        put_text(b, o, "filter", step->name);
        if (step->config != NULL) {
            put_text(b, o, "text", step->config->text);
            config_print_filter(step->config, put_setting, &args);
            put(b, o, "args", json_incref(args.object));
        }
        json_decref(args.object);
        append(b, list, o);
    }
    return list;
}

static json_t *endpoints_json(struct build *b, const struct config_upstream *u)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < u->endpoint_count; i++) {
        struct settings s = {b, json_object()};

        config_print_endpoint(&u->endpoints[i], put_setting, &s);
        append(b, list, s.object);
    }
    return list;
}

static json_t *upstream_json(struct build *b, const struct explanation *e)
{
    struct settings s = {b, json_object()};
    const struct config_upstream *u = e->upstream;

    put_text(b, s.object, "id", u->id);
    config_print_upstream(u, put_setting, &s);
    config_print_timeouts(&e->route->config->timeouts, put_setting, &s); /* the route's hold */
    if (u->balance == BALANCE_CONSISTENT_HASH && u->hash_on != HASH_CLIENT_IP)
        put_text(b, s.object, "hash_key", e->hash_key);
    if (e->hash_endpoint >= 0)
        put_text(b, s.object, "hash_endpoint", u->endpoints[e->hash_endpoint].address.text);
    put(b, s.object, "endpoints", endpoints_json(b, u));
    return s.object;
}

static json_t *refusal_json(struct build *b, enum cause cause, struct str why)
{
    json_t *o = json_object();

    put_text(b, o, "cause", cause_name(cause));
    put(b, o, "status", json_integer(cause_status(cause)));
    put_text(b, o, "why", why);
    return o;
}

static void put_outcome(struct build *b, json_t *o, const struct explanation *e)
{
    json_t *sent = json_object();

    if (e->route != NULL) {
        put_text(b, o, "route", e->route->config->id);
        put(b, o, "variables", vars_json(b, e));
        put(b, o, "chain", chain_json(b, e));
    }
    if (e->answered != 0) {
        put(b, o, "answered", json_integer(e->answered));
        put_text(b, o, "location", e->location);
    }
    if (e->upstream != NULL) {
        put_text(b, sent, "path", e->sent_path);
        put_text(b, sent, "query", e->sent_query);
        put_text(b, sent, "host", e->sent_host);
        put(b, o, "sent", json_incref(sent));
        put(b, o, "upstream", upstream_json(b, e));
    }
    json_decref(sent);
}

int explain_write_json(const struct explanation *e, struct text *out)
{
    struct build b = {0};
    json_t *o = json_object();
    char *text;

    put(&b, o, "request", request_json(&b, e));
    if (e->refused != CAUSE_NONE) {
        put(&b, o, "refused", refusal_json(&b, e->refused, e->why));
    } else {
        put(&b, o, "routes", routes_json(&b, e));
        if (e->route == NULL && e->answered == 0)
            put(&b, o, "refused", refusal_json(&b, CAUSE_ROUTE_NOT_FOUND, STR("no route matches")));
        put_outcome(&b, o, e);
    }
    text = b.failed ? NULL : json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    if (text == NULL)
        return -ENOMEM;
    text_printf(out, "%s\n", text);
    free(text);
    return out->overflow ? -ENOMEM : 0;
}
