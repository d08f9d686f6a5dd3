/* From a checked configuration to a generation: everything that requests need is looked up, parsed
 * and allocated here, once. */
#include <stdlib.h>

#include "gateway/chain_build.h"
#include "gateway/gateway_impl.h"

struct compiler {
    struct generation *gen;
    struct weir_error **error;
};

static int fail(struct compiler *c, int rc, const char *what, struct str id, const char *message)
{
    *c->error = weir_error_new(rc, "%s " STR_FMT ": %s", what, STR_ARG(id),
                               rc == -ENOMEM ? "out of memory" : message);
    return rc;
}

static int compile_upstreams(struct compiler *c)
{
    struct generation *gen = c->gen;

    gen->upstreams =
        arena_zalloc(&gen->arena, (gen->config->upstream_count + 1) * sizeof(*gen->upstreams));
    if (gen->upstreams == NULL)
        return fail(c, -ENOMEM, "upstreams", STR(""), "");
    for (uint32_t i = 0; i < gen->config->upstream_count; i++) {
        const struct config_upstream *u = &gen->config->upstreams[i];
        const char *message = "cannot be used";
        int rc = upstream_compile(&gen->gateway->upstreams, u, &gen->arena, &gen->upstreams[i],
                                  &message);

        if (rc < 0)
            return fail(c, rc, "upstream", u->id, message);
        gen->upstream_count++;
    }
    return 0;
}

static void get_route_metrics(struct route_metrics *m, struct str id)
{
    static const struct str classes[6] = {{"none", 4}, {"1xx", 3}, {"2xx", 3},
                                          {"3xx", 3},  {"4xx", 3}, {"5xx", 3}};

    for (int i = 0; i < 6; i++)
        m->by_class[i] = metric_get2(METRIC_REQUESTS, id, classes[i]);
    m->duration = metric_get1(METRIC_REQUEST_DURATION, id);
    m->received = metric_get1(METRIC_RECEIVED_BYTES, id);
    m->sent = metric_get1(METRIC_SENT_BYTES, id);
}

static void put_route_metrics(struct route_metrics *m)
{
    for (int i = 0; i < 6; i++)
        metric_put(m->by_class[i]);
    metric_put(m->duration);
    metric_put(m->received);
    metric_put(m->sent);
}

static int compile_predicates(struct compiler *c, const struct config_route *r,
                              struct route_match *match)
{
    struct arena *a = &c->gen->arena;
    uint32_t vars = 0;

    match->predicates = arena_zalloc(a, r->predicate_count * sizeof(*match->predicates));
    if (match->predicates == NULL)
        return fail(c, -ENOMEM, "route", r->id, "");
    for (uint32_t i = 0; i < r->predicate_count; i++) {
        const char *message = "";
        int rc = predicate_compile(&r->predicates[i], a, &match->predicates[i], &message);

        match->predicate_count++; /* counted first: what was compiled is to be freed */
        if (rc < 0)
            return fail(c, rc, "route", r->id, message);
        vars += predicate_vars(&match->predicates[i]);
    }
    if (vars > VARS_MAX)
        return fail(c, -EINVAL, "route", r->id, "more than 16 variables in its patterns");
    return 0;
}

static int compile_route(struct compiler *c, const struct config_route *r, struct route *route,
                         struct route_match *match)
{
    struct generation *gen = c->gen;
    const struct filter_maker maker = {
        .route = r,
        .match = match,
        .upstream = r->uri_kind != URI_NONE ? &gen->upstreams[r->upstream] : NULL,
        .arena = &gen->arena,
        .uses = &gen->policies,
        .generation = gen,
        .compiled = route,
        .shed = gen->config->shed.enabled,
    };
    const char *message = "";
    int rc = compile_predicates(c, r, match);

    if (rc < 0)
        return rc;
    route->config = r;
    route->priority = r->priority;
    route->id = r->id;
    if (r->uri_kind != URI_NONE)
        route->upstream = &gen->upstreams[r->upstream];
    get_route_metrics(&route->metrics, r->id);
    rc = chain_build(&maker, &route->chain, &message);
    return rc < 0 ? fail(c, rc, "route", r->id, message) : 0;
}

static int compile_routes(struct compiler *c)
{
    struct generation *gen = c->gen;
    uint32_t count = gen->config->route_count;
    int rc;

    gen->routes = arena_zalloc(&gen->arena, (count + 1) * sizeof(*gen->routes));
    gen->matches = arena_zalloc(&gen->arena, (count + 1) * sizeof(*gen->matches));
    if (gen->routes == NULL || gen->matches == NULL)
        return fail(c, -ENOMEM, "routes", STR(""), "");
    for (uint32_t i = 0; i < count; i++) {
        gen->route_count++;
        rc = compile_route(c, &gen->config->routes[i], &gen->routes[i], &gen->matches[i]);
        if (rc < 0)
            return rc;
    }
    gen->no_route.id = STR("none");
    gen->no_route.chain = chain_no_route();
    get_route_metrics(&gen->no_route.metrics, gen->no_route.id);
    gen->index = route_index_new(gen->matches, gen->route_count, &gen->arena);
    return gen->index == NULL ? fail(c, -ENOMEM, "routes", STR(""), "") : 0;
}

static int compile_limits(struct compiler *c)
{
    struct generation *gen = c->gen;
    const struct config *config = gen->config;
    int class = workspace_class(config->limits.header_bytes);

    if (class < 0)
        return fail(c, class, "limits", STR("header-bytes"), "more than 1 MiB");
    gen->buffer_class = (uint32_t) class;
    gen->limits = (struct h1_limits){
        .head_bytes = config->limits.header_bytes,
        .target_bytes = config->limits.target_bytes,
        .field_count = MIN(config->limits.header_count, (uint32_t)HTTP_FIELDS_MAX),
        .trailer_bytes = config->limits.trailer_bytes,
        .chunk_line_bytes = h1_limits_default.chunk_line_bytes,
    };
    return 0;
}

static int compile_forwarding(struct compiler *c)
{
    struct generation *gen = c->gen;
    const struct config *config = gen->config;
    struct str name = config->forward.via.len != 0 ? config->forward.via : STR("weir");
    char *via = arena_printf(&gen->arena, "1.1 " STR_FMT "-%08x", STR_ARG(name),
                             gen->gateway->pseudonym_number);

    gen->trusted =
        arena_zalloc(&gen->arena, (config->forward.trusted_count + 1) * sizeof(*gen->trusted));
    if (via == NULL || gen->trusted == NULL)
        return fail(c, -ENOMEM, "forward", STR(""), "");
    gen->via = str_of(via);
    gen->pseudonym = str_n(gen->via.ptr + 4, gen->via.len - 4);
    for (uint32_t i = 0; i < config->forward.trusted_count; i++) {
        if (cidr_parse(config->forward.trusted[i], &gen->trusted[i]) < 0)
            return fail(c, -EINVAL, "forward.trusted", config->forward.trusted[i],
                        "expected a network such as 10.0.0.0/8");
        gen->trusted_count++;
    }
    return 0;
}

int generation_compile(struct gateway *g, struct config *config, struct generation **ret,
                       struct weir_error **ret_error)
{
    size_t size = (sizeof(struct generation) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct generation *gen = aligned_alloc(CACHE_LINE, size);
    struct compiler c = {.gen = gen, .error = ret_error};
    int rc;

    if (gen == NULL) {
        *ret_error = weir_error_new(-ENOMEM, "configuration: out of memory");
        return -ENOMEM;
    }
    memset(gen, 0, sizeof(*gen));
    gen->gateway = g;
    gen->config = config_ref(config);
    arena_init(&gen->arena, NULL, 0, SIZE_MAX);
    gen->policies = (struct policy_uses){.registry = &g->policies, .arena = &gen->arena};
    atomic_fetch_add_explicit(&g->generations_live, 1, memory_order_relaxed);
    rc = compile_limits(&c);
    if (rc == 0)
        rc = compile_forwarding(&c);
    if (rc == 0)
        rc = compile_upstreams(&c);
    if (rc == 0)
        rc = compile_routes(&c);
    if (rc < 0) {
        generation_free(gen);
        return rc;
    }
    *ret = gen;
    return 0;
}

void generation_free(struct generation *gen)
{
    struct gateway *g = gen->gateway;

    for (uint32_t i = 0; i < gen->route_count; i++) {
        put_route_metrics(&gen->routes[i].metrics);
        for (uint32_t j = 0; j < gen->matches[i].predicate_count; j++)
            predicate_done(&gen->matches[i].predicates[j]);
    }
    put_route_metrics(&gen->no_route.metrics);
    for (uint32_t i = 0; i < gen->upstream_count; i++)
        upstream_drop(&g->upstreams, &gen->upstreams[i]);
    policy_uses_drop(&gen->policies);
    config_unref(gen->config);
    arena_done(&gen->arena);
    free(gen);
    atomic_fetch_sub_explicit(&g->generations_live, 1, memory_order_release);
}
