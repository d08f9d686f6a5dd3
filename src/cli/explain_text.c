/* An explanation for people. */
#include "cli/explain.h"

#include "config/print.h"

#define NAME_WIDTH 18

static void put_request(const struct explanation *e, struct text *out)
{
    text_printf(out, "request\n  %-*s " STR_FMT "\n", NAME_WIDTH, "method", STR_ARG(e->method));
    if (e->path.ptr != NULL)
        text_printf(out, "  %-*s " STR_FMT "\n", NAME_WIDTH, "path", STR_ARG(e->path));
    if (e->query.ptr != NULL)
        text_printf(out, "  %-*s " STR_FMT "\n", NAME_WIDTH, "query", STR_ARG(e->query));
    if (e->host.ptr != NULL)
        text_printf(out, "  %-*s " STR_FMT ", port %u\n", NAME_WIDTH, "host", STR_ARG(e->host),
                    e->port);
}

static void put_routes(const struct explanation *e, struct text *out)
{
    text_printf(out, "\nroutes, in the order in which they are tried\n");
    for (uint32_t i = 0; i < e->route_count; i++) {
        const struct explain_route *r = &e->routes[i];

        text_printf(out, "  %-*.*s ", NAME_WIDTH, STR_ARG(r->config->id));
        if (r->verdict == EXPLAIN_FAILS)
            text_printf(out, STR_FMT ": " STR_FMT "\n", STR_ARG(r->predicate), STR_ARG(r->seen));
        else if (r->verdict == EXPLAIN_SERVES)
            text_printf(out, "serves it\n");
        else
            text_printf(out, "would match, but comes later\n");
    }
}

/* "key value" of one list on one line. */
struct line {
    struct text *out;
    const char *section; /* of the settings on this line; NULL: none yet */
    unsigned count;      /* on it */
};

static void put_pair(void *arg, const char *section, const char *key, struct str value)
{
    struct line *l = arg;

    text_printf(l->out, "%s%s%s" STR_FMT, l->count++ != 0 ? ", " : "", key,
                key[0] != '\0' ? " " : "", STR_ARG(value));
}

/* The settings of a section share a line, the others have one each. */
static void put_setting(void *arg, const char *section, const char *key, struct str value)
{
    struct line *l = arg;

    if (section[0] == '\0' || l->section == NULL || strcmp(l->section, section) != 0) {
        text_printf(l->out, "\n  %-*s ", NAME_WIDTH, section[0] != '\0' ? section : key);
        l->count = 0;
    }
    l->section = section;
    put_pair(l, section, section[0] != '\0' ? key : "", value);
}

static void put_chain(const struct explanation *e, struct text *out)
{
    text_printf(out, "\nchain, from the outside in\n");
    for (uint32_t i = 0; i < e->step_count; i++) {
        const struct explain_step *s = &e->steps[i];
        struct line l = {.out = out};

        text_printf(out, "  %-*.*s ", NAME_WIDTH, STR_ARG(s->name));
        if (s->config != NULL)
            config_print_filter(s->config, put_pair, &l);
        while (out->len != 0 && out->ptr[out->len - 1] == ' ')
            out->len--;
        text_printf(out, "\n");
    }
}

static void put_endpoints(const struct explanation *e, struct text *out)
{
    text_printf(out, "  endpoints\n");
    for (uint32_t i = 0; i < e->upstream->endpoint_count; i++) {
        struct line l = {.out = out};

        text_printf(out, "    ");
        config_print_endpoint(&e->upstream->endpoints[i], put_pair, &l);
        text_printf(out, (int32_t)i == e->hash_endpoint ? "  <- the key falls here\n" : "\n");
    }
}

/* A key of bytes (an address) is not for reading. */
static void put_key(const struct explanation *e, struct text *out)
{
    if (e->upstream->balance != BALANCE_CONSISTENT_HASH)
        return;
    if (e->hash_key.ptr == NULL)
        text_printf(out, "  %-*s none in this request: any endpoint will do\n", NAME_WIDTH,
                    "hash key");
    else if (e->upstream->hash_on == HASH_CLIENT_IP)
        text_printf(out, "  %-*s the client's address\n", NAME_WIDTH, "hash key");
    else
        text_printf(out, "  %-*s " STR_FMT "\n", NAME_WIDTH, "hash key", STR_ARG(e->hash_key));
}

/* The route's own timeouts take the place of the upstream's. */
struct upstream_lines {
    struct line line;
    const struct explanation *explanation;
    bool timeouts_put;
};

static void put_upstream_setting(void *arg, const char *section, const char *key, struct str value)
{
    struct upstream_lines *u = arg;

    if (strcmp(section, "timeouts") != 0) {
        put_setting(&u->line, section, key, value);
    } else if (!u->timeouts_put) {
        u->timeouts_put = true;
        config_print_timeouts(&u->explanation->route->config->timeouts, put_setting, &u->line);
    }
}

static void put_upstream(const struct explanation *e, struct text *out)
{
    struct upstream_lines u = {.line = {.out = out}, .explanation = e};

    text_printf(out, "\nsent on\n  %-*s " STR_FMT "\n", NAME_WIDTH, "path", STR_ARG(e->sent_path));
    if (e->sent_query.ptr != NULL)
        text_printf(out, "  %-*s " STR_FMT "\n", NAME_WIDTH, "query", STR_ARG(e->sent_query));
    text_printf(out, "  %-*s " STR_FMT "\n\nupstream " STR_FMT, NAME_WIDTH, "host",
                STR_ARG(e->sent_host.ptr != NULL ? e->sent_host : STR("the endpoint's address")),
                STR_ARG(e->upstream->id));
    config_print_upstream(e->upstream, put_upstream_setting, &u);
    text_printf(out, "\n");
    put_key(e, out);
    put_endpoints(e, out);
}

static void put_answer(const struct explanation *e, struct text *out)
{
    text_printf(out, "\nanswered by the gateway\n  %-*s %d\n", NAME_WIDTH, "status", e->answered);
    if (e->location.ptr != NULL)
        text_printf(out, "  %-*s " STR_FMT "\n", NAME_WIDTH, "location", STR_ARG(e->location));
}

static void put_fallback(const struct explanation *e, struct text *out)
{
    text_printf(out,
                "\nfallback, when the breaker refuses or the request fails\n"
                "  %-*s " STR_FMT "\n  %-*s ",
                NAME_WIDTH, "path", STR_ARG(e->fallback_path), NAME_WIDTH, "route");
    if (e->fallback != NULL)
        text_printf(out, STR_FMT "\n", STR_ARG(e->fallback->config->id));
    else
        text_printf(out, "none: the failure stands\n");
}

static void put_route(const struct explanation *e, struct text *out)
{
    const struct config_route *r = e->route->config;

    text_printf(out, "\nroute " STR_FMT "\n  %-*s %u\n  %-*s " STR_FMT "\n", STR_ARG(r->id),
                NAME_WIDTH, "line", r->line, NAME_WIDTH, "uri", STR_ARG(r->uri));
    for (uint32_t i = 0; i < e->vars.count; i++)
        text_printf(out, "  {" STR_FMT "}%*s " STR_FMT "\n", STR_ARG(e->vars.items[i].name),
                    MAX(NAME_WIDTH - 2 - (int)e->vars.items[i].name.len, 0), "",
                    STR_ARG(e->vars.items[i].value));
    put_chain(e, out);
    if (e->fallback_path.ptr != NULL)
        put_fallback(e, out);
}

void explain_write_text(const struct explanation *e, struct text *out)
{
    put_request(e, out);
    if (e->refused != CAUSE_NONE) {
        text_printf(
            out, "\nrefused before any route\n  %-*s " STR_FMT "\n  %-*s %d\n  %-*s " STR_FMT "\n",
            NAME_WIDTH, "cause", STR_ARG(cause_name(e->refused)), NAME_WIDTH, "status",
            cause_status(e->refused), NAME_WIDTH, "why", STR_ARG(e->why));
        return;
    }
    if (e->route_count != 0)
        put_routes(e, out);
    if (e->route != NULL)
        put_route(e, out);
    else if (e->answered == 0)
        text_printf(out, "\nno route matches: " STR_FMT ", %d\n",
                    STR_ARG(cause_name(CAUSE_ROUTE_NOT_FOUND)),
                    cause_status(CAUSE_ROUTE_NOT_FOUND));
    if (e->answered != 0)
        put_answer(e, out);
    if (e->upstream != NULL)
        put_upstream(e, out);
}
