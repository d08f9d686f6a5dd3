/* The one place that assembles chains, and says why in this order. Every kind of filter has a rank;
 * a chain runs from the first rank to the last, and within one rank in the order of the
 * configuration, default-filters before the route's own. From the outside in:
 *
 *     fallback_uri      around all of it, where a breaker has one: another route answers when this
 *                       one has failed and given back all it holds
 *     prepare_request   first, so that what a client lists in Connection is gone before filters add
 *                       fields that must stay, and filters see the fields that weir makes
 *     fallback          outside all that may refuse or fail: it answers in their place
 *     cache             an answer that is at hand costs nobody's share of anything below
 *     size              refuses for what the request is, before anything is counted for it
 *     shed              the overloaded gateway refuses before it spends anything
 *     rate limit        before the bulkhead: what is refused here must not wait there for a place
 *     bulkhead          around the breaker and all attempts of the request
 *     circuit breaker   of the route: counts what the client would get, once per request
 *     plain             the route's own that change messages; as each wraps the next, the response
 *                       passes them in reverse
 *     retry             inside them: an attempt must not see its path rewritten twice
 *     hedge             around one attempt at a time, which it may join by a second one
 *     forward           inside retry: each attempt picks its endpoint, asks that endpoint's
 *                       breaker, and has its own deadlines
 *
 * Where no upstream is, an answer takes the place of the last two. */
#include "gateway/chain_build.h"

#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/generation.h"

enum rank {
    RANK_FALLBACK,
    RANK_CACHE,
    RANK_SIZE,
    RANK_SHED,
    RANK_RATE_LIMIT,
    RANK_BULKHEAD,
    RANK_CIRCUIT_BREAKER,
    RANK_PLAIN,
    RANK_MAX,
    RANK_RETRY, /* one of each only, the last that is configured: add_attempts() */
    RANK_HEDGE,
};

static const struct {
    filter_fn *run;
    enum rank rank;
    filter_make_fn *make; /* NULL: the filter needs no more than every one has */
} kinds[FILTER_MAX] = {
    [FILTER_STRIP_PREFIX] = {strip_prefix, RANK_PLAIN},
    [FILTER_PREFIX_PATH] = {prefix_path, RANK_PLAIN},
    [FILTER_SET_PATH] = {set_path, RANK_PLAIN},
    [FILTER_REWRITE_PATH] = {rewrite_path, RANK_PLAIN},
    [FILTER_ADD_REQUEST_HEADER] = {add_request_header, RANK_PLAIN},
    [FILTER_SET_REQUEST_HEADER] = {set_request_header, RANK_PLAIN},
    [FILTER_REMOVE_REQUEST_HEADER] = {remove_request_header, RANK_PLAIN},
    [FILTER_ADD_RESPONSE_HEADER] = {add_response_header, RANK_PLAIN},
    [FILTER_SET_RESPONSE_HEADER] = {set_response_header, RANK_PLAIN},
    [FILTER_REMOVE_RESPONSE_HEADER] = {remove_response_header, RANK_PLAIN},
    [FILTER_SET_STATUS] = {set_status, RANK_PLAIN},
    [FILTER_REDIRECT_TO] = {redirect_to, RANK_PLAIN},
    [FILTER_PRESERVE_HOST_HEADER] = {preserve_host_header, RANK_PLAIN},
    [FILTER_PRIORITY] = {set_priority, RANK_SIZE},
    [FILTER_REQUEST_SIZE] = {request_size, RANK_SIZE},
    [FILTER_REQUEST_HEADER_SIZE] = {request_header_size, RANK_SIZE},
    [FILTER_REQUEST_RATE_LIMITER] = {rate_limit, RANK_RATE_LIMIT, rate_limit_make},
    [FILTER_BULKHEAD] = {bulkhead, RANK_BULKHEAD, bulkhead_make},
    [FILTER_ADAPTIVE_CONCURRENCY] = {adaptive_concurrency, RANK_BULKHEAD, adaptive_make},
    [FILTER_CIRCUIT_BREAKER] = {circuit_breaker, RANK_CIRCUIT_BREAKER, circuit_breaker_make},
    [FILTER_RETRY] = {retry, RANK_RETRY, retry_make},
    [FILTER_LOCAL_RESPONSE_CACHE] = {local_response_cache, RANK_CACHE, local_response_cache_make},
    [FILTER_FALLBACK] = {fallback, RANK_FALLBACK, fallback_make},
    [FILTER_FALLBACK_HEADERS] = {fallback_headers, RANK_PLAIN},
    [FILTER_HEDGE] = {hedge, RANK_HEDGE, hedge_make},
};

const struct chain *chain_no_route(void)
{
    static const struct chain chain[] = {{route_not_found, NULL}};

    return chain;
}

struct str filter_policy_id(const struct filter_maker *m, const struct config_filter *f)
{
    struct str name = STR("");
    unsigned number = 1;

    for (const struct config_filter *g = m->route->filters; g < f; g++)
        number += g->kind == f->kind;
    if (number > 1) {
        char *digits = arena_printf(m->arena, "%u", number);

        if (digits == NULL)
            return STR_NULL;
        name = str_of(digits);
    }
    return policy_id(m->arena, m->route->id, config_filter_text(f->kind), name);
}

/* What arguments may say is checked when the configuration is read (factories.def); why is about
 * what only a compiled route can tell. */
static int make_settings(const struct filter_maker *m, const struct config_filter *f,
                         const struct filter_settings **ret, const char **ret_message)
{
    struct filter_settings *s = arena_zalloc(m->arena, sizeof(*s));
    const char *why = NULL;
    int rc;

    if (s == NULL)
        return -ENOMEM;
    s->config = f;
    rc = template_compile(f->value, m->match, m->arena, &s->value);
    if (rc == 0 && f->kind == FILTER_REWRITE_PATH)
        rc = replacement_compile(f->regex->code, f->value, m->arena, &s->replacement, &why);
    if (rc == 0 && kinds[f->kind].make != NULL)
        rc = kinds[f->kind].make(m, s, &why);
    if (rc == -EINVAL)
        *ret_message = arena_printf(m->arena, "filter " STR_FMT ": %s", STR_ARG(f->text), why);
    *ret = s;
    return rc;
}

/* What answers where there is no upstream: a filter that sets a status or redirects means it. */
static filter_fn *end_without_upstream(const struct config_route *r)
{
    for (uint32_t i = 0; i < r->filter_count; i++) {
        if (r->filters[i].kind == FILTER_SET_STATUS)
            return answer_empty;
    }
    return destination_not_found;
}

/* Appends the route's filters of one rank to the chain. */
static int add_rank(const struct filter_maker *m, enum rank rank, struct chain *chain, size_t *n,
                    const char **ret_message)
{
    for (uint32_t i = 0; i < m->route->filter_count; i++) {
        const struct config_filter *f = &m->route->filters[i];
        const struct filter_settings *s;
        int rc;

        if (kinds[f->kind].rank != rank)
            continue;
        rc = make_settings(m, f, &s, ret_message);
        if (rc < 0)
            return rc;
        chain[(*n)++] = (struct chain){kinds[f->kind].run, s};
    }
    return 0;
}

/* Of the kinds that hold something until the exchange ends, a route has as many as there is room
 * for.
 */
static bool holds_too_much(const struct config_route *r)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < r->filter_count; i++)
        n += kinds[r->filters[i].kind].rank == RANK_BULKHEAD ||
             kinds[r->filters[i].kind].rank == RANK_CIRCUIT_BREAKER;
    return n > EXCHANGE_HOLDS_MAX;
}

/* The last one of a kind: the route's has the place of the one in default-filters. NULL: none. */
static int make_last(const struct filter_maker *m, enum config_filter_kind kind,
                     const struct filter_settings **ret, const char **ret_message)
{
    for (uint32_t i = m->route->filter_count; i > 0; i--) {
        if (m->route->filters[i - 1].kind == kind)
            return make_settings(m, &m->route->filters[i - 1], ret, ret_message);
    }
    *ret = NULL;
    return 0;
}

/* One Retry, since two of them would multiply, and one Hedge. */
static int add_attempts(const struct filter_maker *m, struct chain *chain, size_t *n,
                        const char **ret_message)
{
    const struct filter_settings *retries, *hedges = NULL;
    int rc = make_last(m, FILTER_RETRY, &retries, ret_message);

    if (rc == 0)
        rc = make_last(m, FILTER_HEDGE, &hedges, ret_message);
    if (rc < 0)
        return rc;
    chain[(*n)++] = (struct chain){retry, retries};
    if (hedges != NULL)
        chain[(*n)++] = (struct chain){hedge, hedges};
    chain[(*n)++] = (struct chain){forward, NULL};
    return 0;
}

static bool has_fallback_uri(const struct config_route *r)
{
    for (uint32_t i = 0; i < r->filter_count; i++) {
        if (r->filters[i].kind == FILTER_CIRCUIT_BREAKER &&
            r->filters[i].circuit_breaker->fallback_uri.len != 0)
            return true;
    }
    return false;
}

/* The settings of the route's breaker, of which there is one. */
static const void *breaker_settings(const struct chain *chain, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (chain[i].run == circuit_breaker)
            return chain[i].settings;
    }
    return NULL;
}

int chain_build(const struct filter_maker *m, const struct chain **ret, const char **ret_message)
{
    const struct config_route *r = m->route;
    struct chain *chain = arena_alloc(m->arena, (r->filter_count + 5) * sizeof(*chain));
    size_t n = 0;

    if (chain == NULL)
        return -ENOMEM;
    if (holds_too_much(r)) {
        *ret_message =
            "more than 8 filters of the kinds Bulkhead, AdaptiveConcurrency and CircuitBreaker";
        return -EINVAL;
    }
    if (has_fallback_uri(r))
        chain[n++] = (struct chain){fallback_uri, NULL};
    chain[n++] = (struct chain){prepare_request, NULL};
    for (enum rank rank = 0; rank < RANK_MAX; rank++) {
        int rc;

        if (rank == RANK_PLAIN && r->uri_kind != URI_NONE)
            m->compiled->inner = chain + n;
        rc = add_rank(m, rank, chain, &n, ret_message);

        if (rank == RANK_SHED && m->shed)
            chain[n++] = (struct chain){shed_load, NULL};
        if (rc < 0)
            return rc;
    }
    if (r->uri_kind == URI_NONE) {
        chain[n++] = (struct chain){end_without_upstream(r), NULL};
    } else {
        int rc = add_attempts(m, chain, &n, ret_message);

        if (rc < 0)
            return rc;
    }
    if (chain[0].run == fallback_uri)
        chain[0].settings = breaker_settings(chain, n);
    *ret = chain;
    return 0;
}

/* Those that are in chains without being configured. */
static const struct {
    filter_fn *run;
    const char *name;
    bool last;
} fixtures[] = {
    {fallback_uri, "fallback_uri", false},
    {prepare_request, "prepare_request", false},
    {retry, "retry", false},
    {forward, "forward", true},
    {route_not_found, "route_not_found", true},
    {destination_not_found, "destination_not_found", true},
    {answer_empty, "answer_empty", true},
};

void chain_describe(const struct chain *c, struct chain_step *ret)
{
    const struct filter_settings *s = c->settings;

    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        if (fixtures[i].run == c->run) {
            *ret = (struct chain_step){.name = str_of(fixtures[i].name), .last = fixtures[i].last};
            return;
        }
    }
    *ret = (struct chain_step){
        .name = config_filter_text(s->config->kind),
        .config = s->config,
        .plain = kinds[s->config->kind].rank == RANK_PLAIN,
    };
}
