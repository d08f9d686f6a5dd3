/* Asking a compiled configuration about one request: see explain.h. */
#include "gateway/explain.h"

#include <stdlib.h>

#include "gateway/admit.h"
#include "gateway/chain_build.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/hash_key.h"
#include "gateway/upstream_locality.h"

#define SEEN_MAX  512
#define ARENA_MAX (1 * MIB)

struct explainer {
    const struct explain_request *request;
    struct generation *gen;
    struct arena *arena; /* of the caller */
    struct explanation *out;
    struct weir_error **error;
    struct exchange *x; /* without a connection: what plain filters work on */
};

static int fail(struct explainer *e, int rc, const char *message)
{
    *e->error = weir_error_new(rc, "%s", rc == -ENOMEM ? "out of memory" : message);
    return rc;
}

/* -- the request, as bytes, so that the parser judges it -- */

static bool is_line(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return false;
    }
    return true;
}

/* "http://host:port/path" in its two parts; a path alone is for localhost. */
static int split_url(struct str url, struct str *ret_host, struct str *ret_target)
{
    struct str scheme = STR("http://");
    size_t i = scheme.len;

    *ret_host = STR("localhost");
    *ret_target = url;
    if (url.len != 0 && (url.ptr[0] == '/' || str_eq(url, STR("*"))))
        return 0;
    if (url.len <= scheme.len || !str_eq_nocase(str_n(url.ptr, scheme.len), scheme))
        return -EINVAL;
    while (i < url.len && url.ptr[i] != '/' && url.ptr[i] != '?')
        i++;
    *ret_host = str_n(url.ptr + scheme.len, i - scheme.len);
    *ret_target = str_n(url.ptr + i, url.len - i);
    return ret_host->len != 0 ? 0 : -EINVAL;
}

static bool is_host_field(struct str field)
{
    return field.len > 5 && str_eq_nocase(str_n(field.ptr, 5), STR("host:"));
}

static int write_head(struct explainer *e, struct text *out)
{
    const struct explain_request *r = e->request;
    struct str host, target;
    bool names_host = false;

    if (split_url(r->url, &host, &target) < 0)
        return fail(e, -EINVAL, "the URL: expected http://HOST/PATH, or /PATH");
    if (!is_line(r->method) || !is_line(r->url))
        return fail(e, -EINVAL, "method and URL are one line");
    text_printf(out, STR_FMT " %s" STR_FMT " HTTP/1.1\r\n", STR_ARG(r->method),
                target.len == 0 || target.ptr[0] == '?' ? "/" : "", STR_ARG(target));
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (!is_line(r->fields[i]) || str_find(r->fields[i], ':') <= 0)
            return fail(e, -EINVAL, "a header: expected 'Name: value' on one line");
        names_host |= is_host_field(r->fields[i]);
        text_printf(out, STR_FMT "\r\n", STR_ARG(r->fields[i]));
    }
    if (!names_host)
        text_printf(out, "Host: " STR_FMT "\r\n", STR_ARG(host));
    text_printf(out, "\r\n");
    return out->overflow ? fail(e, -ENOMEM, "") : 0;
}

static void refuse(struct explainer *e, enum cause cause, struct str why)
{
    e->out->refused = cause;
    e->out->why = why;
}

/* False: refused. */
static int parse(struct explainer *e, struct http_head *head)
{
    struct text text = {0};
    struct h1_refusal refusal;
    uint32_t scanned = 0;
    struct str copy;
    int rc = write_head(e, &text);

    copy = rc == 0 ? arena_str(e->arena, str_n(text.ptr, text.len)) : STR_NULL;
    text_done(&text);
    if (rc < 0)
        return rc;
    if (copy.ptr == NULL)
        return fail(e, -ENOMEM, "");
    if (h1_parse_request(copy, &scanned, &e->gen->limits, head, &refusal) == -EBADMSG)
        refuse(e, cause_of_refusal(refusal.status), str_of(refusal.text));
    return 0;
}

/* -- routes -- */

/* One route by itself; the index has said already which one serves. */
static void judge(struct explainer *e, uint32_t i, int32_t serving, const struct match_input *in)
{
    const struct route_match *match = &e->gen->matches[i];
    struct explain_route *ret = &e->out->routes[i];
    char text[SEEN_MAX];
    struct buf seen = buf_on(text, sizeof(text));
    struct vars vars;
    uint32_t failing = route_failing(match, in, &vars);

    ret->config = e->gen->routes[i].config;
    ret->verdict = (int32_t)i == serving ? EXPLAIN_SERVES : EXPLAIN_LATER;
    if (failing == match->predicate_count)
        return;
    ret->verdict = EXPLAIN_FAILS;
    ret->predicate = match->predicates[failing].config->text;
    predicate_seen(&match->predicates[failing], in, &seen);
    ret->seen = arena_str(e->arena, buf_str(&seen));
}

static int explain_routes(struct explainer *e, const struct match_input *in)
{
    struct explanation *out = e->out;
    int32_t serving = route_index_find(e->gen->index, in, &e->x->vars);

    out->routes = arena_zalloc(e->arena, (e->gen->route_count + 1) * sizeof(*out->routes));
    if (out->routes == NULL)
        return fail(e, -ENOMEM, "");
    out->route_count = e->gen->route_count;
    for (uint32_t i = 0; i < out->route_count; i++)
        judge(e, i, serving, in);
    if (serving < 0)
        return 0;
    out->route = &out->routes[serving];
    e->x->route = &e->gen->routes[serving];
    out->vars = e->x->vars;
    return 0;
}

/* -- the chain -- */

/* Stands in the place of everything behind the plain filters. */
static int stop_here(struct exchange *x, const struct chain *next)
{
    x->source = RESPONSE_UPSTREAM;
    x->response.status = 200;
    return 0;
}

/* Runs those of the chain that only change messages. */
static int run_plain(struct explainer *e, const struct chain *chain, uint32_t count)
{
    struct chain *plain = arena_alloc(e->arena, (count + 1) * sizeof(*plain));
    uint32_t n = 0;

    if (plain == NULL)
        return fail(e, -ENOMEM, "");
    for (uint32_t i = 0; i < count; i++) {
        struct chain_step step;

        chain_describe(&chain[i], &step);
        if (step.plain)
            plain[n++] = chain[i];
    }
    plain[n] = (struct chain){stop_here, NULL};
    (void)chain_next(plain, e->x);
    return 0;
}

static int explain_chain(struct explainer *e)
{
    const struct chain *chain = e->x->route->chain;
    struct explanation *out = e->out;
    struct chain_step step;
    uint32_t count = 0;

    do
        chain_describe(&chain[count++], &step);
    while (!step.last);
    out->steps = arena_zalloc(e->arena, count * sizeof(*out->steps));
    if (out->steps == NULL)
        return fail(e, -ENOMEM, "");
    for (uint32_t i = 0; i < count; i++) {
        chain_describe(&chain[i], &step);
        out->steps[i] = (struct explain_step){step.name, step.config};
    }
    out->step_count = count;
    return run_plain(e, chain, count);
}

/* Where a fallbackUri leads, with the request as it is before filters change it. */
static void explain_fallback(struct explainer *e, const struct match_input *in)
{
    const struct chain *chain = e->x->route->chain;
    struct match_input other = *in;
    struct vars vars;
    int32_t index;

    if (chain->run != fallback_uri)
        return;
    other.path = *circuit_breaker_fallback_path(chain->settings);
    index = route_index_find(e->gen->index, &other, &vars);
    e->out->fallback_path = arena_str(e->arena, other.path);
    if (index >= 0 && &e->gen->routes[index] != e->x->route)
        e->out->fallback = &e->out->routes[index];
}

/* -- what becomes of it -- */

static void explain_answer(struct explainer *e)
{
    struct http_field *location = http_head_find_id(&e->x->response, HTTP_F_LOCATION);

    e->out->answered = e->x->response.status;
    if (e->x->source == RESPONSE_OWN && location != NULL)
        e->out->location = arena_str(e->arena, http_field_value(location));
}

static void explain_upstream(struct explainer *e)
{
    struct exchange *x = e->x;
    struct explanation *out = e->out;
    const struct upstream *u = x->route->upstream;
    const struct hash_input in = {&x->request, x->path, x->query, &e->request->client};
    struct balancer_query q = {0};

    out->sent_path = arena_str(e->arena, x->path);
    out->sent_query = x->query.ptr != NULL ? arena_str(e->arena, x->query) : STR_NULL;
    if (x->forward_host.ptr != NULL)
        out->sent_host = arena_str(e->arena, x->forward_host);
    out->upstream = u->config;
    if (u->config->balance != BALANCE_CONSISTENT_HASH)
        return;
    out->hash_key = hash_key(u->config, &in);
    if (out->hash_key.ptr == NULL)
        return;
    q.hash = balancer_hash(out->hash_key);
    out->hash_endpoint = u->locality != NULL ? upstream_locality_pick(u, &q, NULL, weir_now())
                                             : balancer_pick(u->balancer, &q);
    out->hash_key = arena_str(e->arena, out->hash_key);
}

static int explain_admitted(struct explainer *e, const struct match_input *in)
{
    struct exchange *x = e->x;
    int rc;

    x->path = e->out->path = in->path;
    x->host = e->out->host = in->host;
    x->port = e->out->port = in->port;
    rc = explain_routes(e, in);
    if (rc < 0 || e->out->route == NULL)
        return rc;
    explain_fallback(e, in);
    rc = explain_chain(e);
    if (rc < 0)
        return rc;
    if (x->source == RESPONSE_OWN || x->route->upstream == NULL)
        explain_answer(e);
    else
        explain_upstream(e);
    return 0;
}

static int explain(struct explainer *e)
{
    struct exchange *x = e->x;
    struct match_input in = {0};
    enum cause cause;
    const char *why;
    int rc = parse(e, &x->request);

    if (rc < 0 || e->out->refused != CAUSE_NONE)
        return rc;
    x->query = e->out->query = x->request.query;
    switch (request_admit(&x->request, e->gen->config->limits.body_bytes, e->arena, &in, &cause,
                          &why)) {
    case ADMIT_ROUTE:
        return explain_admitted(e, &in);
    case ADMIT_ANSWER:
        e->out->path = STR("*");
        e->out->answered = 204;
        return 0;
    default:
        refuse(e, cause, str_of(why));
        return 0;
    }
}

static int with_exchange(struct explainer *e)
{
    struct exchange *x = calloc(1, sizeof(*x));
    int rc;

    if (x == NULL)
        return fail(e, -ENOMEM, "");
    x->gateway = e->gen->gateway;
    x->generation = e->gen;
    x->request_id = STR("explain");
    x->query = x->forward_host = x->upgrade = STR_NULL;
    arena_init(&x->arena, NULL, 0, ARENA_MAX);
    e->x = x;
    rc = explain(e);
    arena_done(&x->arena);
    free(x);
    return rc;
}

int gateway_explain(struct config *c, const struct explain_request *r, struct arena *a,
                    struct explanation *ret, struct weir_error **ret_error)
{
    struct explanation out = {.method = r->method, .hash_endpoint = -1};
    struct explainer e = {.request = r, .arena = a, .out = &out, .error = ret_error};
    struct gateway *g;
    int rc = gateway_new(&g);

    if (rc < 0)
        return fail(&e, rc, "the gateway could not be made");
    rc = generation_compile(g, c, &e.gen, ret_error);
    if (rc == 0) {
        rc = with_exchange(&e);
        generation_free(e.gen);
    }
    (void)gateway_stop(g, weir_now());
    gateway_free(g);
    if (rc == 0)
        *ret = out;
    return rc;
}
