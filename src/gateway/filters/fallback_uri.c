/* What a CircuitBreaker's fallbackUri asks for: the request goes through the gateway once more,
 * with another path and as the client sent it, and the route that this finds answers. Stands
 * outside the whole chain, so that the first route has seen its failure, and whatever it holds is
 * given back, before the other one begins. */
#include "base/duration.h"
#include "gateway/again.h"
#include "gateway/deadline.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/response_cache.h"
#include "runtime/here.h"

/* How long the client waits, as the route that has failed has it. What has no whole body has a
 * total from its last byte on only, which has not been sent. */
static int64_t deadline_of(struct exchange *x)
{
    int64_t total_ns = NS_NEVER;

    deadline_begin(x);
    if (x->route->upstream != NULL && x->body_whole)
        total_ns = ns_add(x->start_ns, x->route->config->timeouts.total_ns);
    return MIN(total_ns, x->limit_ns);
}

/* NULL: the path leads nowhere, or back, or there is no time left to go anywhere. */
static const struct route *find_route(struct exchange *x, struct str path, int64_t deadline_ns)
{
    const struct match_input in = {&x->request, path, x->host, x->port, &x->arena};
    int32_t index = route_index_find(x->generation->index, &in, &x->vars);
    const struct route *route = index >= 0 ? &x->generation->routes[index] : x->route;

    if (route == x->route || (route->upstream != NULL && deadline_ns <= here_now_ns()))
        return NULL;
    return route;
}

static void go_to(struct exchange *x, const struct route *route, struct str path,
                  int64_t deadline_ns)
{
    const struct route *left = x->route;

    x->before.cause = x->source == RESPONSE_OWN ? x->cause : CAUSE_UPSTREAM_ERROR_STATUS;
    x->before.detail = x->detail;
    exchange_go_elsewhere(x, route);
    response_cache_leave(x);
    x->before.route = left;
    x->before.deadline_ns = deadline_ns;
    x->path = path;
    x->priority = route->priority;
    x->body_max = 0;
    (void)http_head_drop(&x->request, STR("X-Weir-Cause"));
    (void)http_head_add(&x->request, STR("X-Weir-Cause"), cause_name(x->before.cause));
}

int fallback_uri(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct str path = *circuit_breaker_fallback_path(s);
    const struct route *route;
    struct request_mark mark;
    int64_t deadline_ns;
    int rc;

    request_mark(x, &mark);
    rc = chain_next(next, x);
    if (likely(!x->fallback_due))
        return rc;
    x->fallback_due = false;
    request_restore(x, &mark);
    deadline_ns = deadline_of(x);
    route = find_route(x, path, deadline_ns);
    if (route == NULL)
        return rc;
    circuit_breaker_count_fallback(s);
    go_to(x, route, path, deadline_ns);
    return chain_next(route->chain, x);
}
