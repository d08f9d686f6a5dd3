/* Fallback: when the route's upstream fails, or a policy refuses, something else answers: what is
 * stored, another upstream, a fixed page, nothing. FallbackHeaders tells the other upstream why. */
#include "gateway/again.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/response_cache.h"

enum outcome { BY_STALE, BY_UPSTREAM, BY_STATIC, BY_EMPTY, BY_NOTHING, OUTCOME_MAX };

static const struct str outcomes[OUTCOME_MAX] = {
    {"stale", 5}, {"upstream", 8}, {"static", 6}, {"empty", 5}, {"none", 4}};

/* Its policy holds what is counted. */
struct fallback_policy {
    struct policy policy; /* first */
    struct metric *by_outcome[OUTCOME_MAX];
};

struct fallback {
    const struct config_fallback *config;
    struct str route_id;
    struct config_statuses refusals; /* of our own */
    bool causes[CAUSE_MAX];
    bool elsewhere;                                        /* there is a step to an upstream */
    const struct route *routes[CONFIG_FALLBACK_STEPS_MAX]; /* of such steps: the route with it */
};

/* -- making -- */

static int init(struct policy *p, const void *settings)
{
    struct fallback_policy *fp = (struct fallback_policy *)p;
    const struct fallback *f = settings;

    for (int i = 0; i < OUTCOME_MAX; i++)
        fp->by_outcome[i] = metric_get2(METRIC_FALLBACKS, f->route_id, outcomes[i]);
    return 0;
}

static void done(struct policy *p)
{
    struct fallback_policy *fp = (struct fallback_policy *)p;

    for (int i = 0; i < OUTCOME_MAX; i++)
        metric_put(fp->by_outcome[i]);
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct fallback_policy *fp = (struct fallback_policy *)p;

    for (int i = 0; i < OUTCOME_MAX; i++)
        policy_put_count(w, outcomes[i].ptr, (uint64_t)metric_value(fp->by_outcome[i]));
}

static const struct policy_class fallback_class = {
    .kind = "fallback",
    .size = sizeof(struct fallback_policy),
    .init = init,
    .done = done,
    .write_state = write_state,
    .actions = 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

/* The route as it is with the other upstream. */
static const struct route *route_elsewhere(const struct filter_maker *m, uint32_t upstream)
{
    struct config_route *config = arena_zalloc(m->arena, sizeof(*config));
    struct route *route = arena_zalloc(m->arena, sizeof(*route));
    struct upstream *u = &m->generation->upstreams[upstream];

    if (config == NULL || route == NULL)
        return NULL;
    *config = *m->route;
    config->uri_kind = URI_UPSTREAM;
    config->upstream = upstream;
    config->timeouts = u->config->timeouts;
    *route = *m->compiled;
    route->config = config;
    route->upstream = u;
    return route;
}

static int read_when(const struct filter_maker *m, struct fallback *f, const char **ret_why)
{
    for (uint32_t i = 0; i < f->config->when.count; i++) {
        struct str word = f->config->when.items[i];
        enum cause cause = cause_of_name(word);
        uint64_t status;

        if (str_to_u64(word, 599, &status) == 0 && status >= 400) {
            f->refusals.bits[status / 64] |= UINT64_C(1) << (status % 64);
        } else if (cause != CAUSE_NONE) {
            f->causes[cause] = true;
        } else {
            *ret_why = arena_printf(
                m->arena, "when: " STR_FMT " is neither a status from 400 to 599 nor a cause",
                STR_ARG(word));
            return *ret_why != NULL ? -EINVAL : -ENOMEM;
        }
    }
    return 0;
}

int fallback_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    struct fallback *f = arena_zalloc(m->arena, sizeof(*f));
    const struct config_fallback_steps *steps = &s->config->fallback->steps;
    int rc;

    if (f == NULL)
        return -ENOMEM;
    f->config = s->config->fallback;
    f->route_id = m->route->id;
    s->own = f;
    rc = read_when(m, f, ret_why);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < steps->count; i++) {
        if (steps->items[i].kind != FALLBACK_UPSTREAM)
            continue;
        if (m->route->uri_kind == URI_NONE) {
            *ret_why = "a route without an upstream has nothing to run against another one";
            return -EINVAL;
        }
        f->elsewhere = true;
        f->routes[i] = route_elsewhere(m, steps->items[i].upstream);
        if (f->routes[i] == NULL)
            return -ENOMEM;
    }
    return policy_use(m->uses, &fallback_class, filter_policy_id(m, s->config), 0, f, &s->policy);
}

/* -- running -- */

static bool applies(const struct fallback *f, const struct exchange *x)
{
    if (x->fallback_due || x->cut) /* another route answers, or nobody is there to be answered */
        return false;
    if (x->source == RESPONSE_UPSTREAM)
        return config_statuses_has(&f->config->statuses, x->response.status);
    return exchange_refused(x) && cause_who(x->cause) != CAUSE_BY_CLIENT &&
           (f->causes[x->cause] || config_statuses_has(&f->refusals, x->response.status));
}

static enum cause cause_now(const struct exchange *x)
{
    return x->source == RESPONSE_OWN ? x->cause : CAUSE_UPSTREAM_ERROR_STATUS;
}

static bool answer_stale(struct exchange *x)
{
    const struct http_freshness *f;

    if (x->cache == NULL || x->cache->entry == NULL)
        return false;
    f = &x->cache->entry->freshness;
    if (f->stale_forbidden || f->stale_forbidden_unless_said)
        return false;
    cache_answer_stale(x, false);
    return true;
}

/* When the refusal said it is worth asking again. Our own fields outlive the answer: they are in
 * the arena. */
static struct str retry_after(struct exchange *x)
{
    struct http_field *f =
        exchange_refused(x) ? http_head_find_id(&x->response, HTTP_F_RETRY_AFTER) : NULL;

    return f != NULL ? http_field_value(f) : STR("1");
}

/* The cause stays: in the header, the record and the metric. */
static bool answer_fixed(struct exchange *x, int status, struct str type, struct str body)
{
    enum cause cause = cause_now(x);
    struct str after = retry_after(x);

    exchange_discard(x);
    exchange_answer(x, status, body);
    x->cause = cause;
    if (type.len != 0)
        (void)http_head_add(&x->response, STR("Content-Type"), type);
    (void)http_head_add(&x->response, STR("X-Weir-Cause"), cause_name(cause));
    if (status == 503)
        (void)http_head_add(&x->response, STR("Retry-After"), after);
    return true;
}

/* Runs what is left of the chain against the other upstream. True: it has answered. */
static bool ask_elsewhere(struct exchange *x, const struct fallback *f, const struct route *route,
                          const struct request_mark *mark, int *ret_rc)
{
    const struct chain *inner = x->route->inner;

    if (!x->elsewhere) {
        x->before.cause = cause_now(x);
        x->before.detail = x->detail;
    }
    exchange_go_elsewhere(x, route);
    request_restore(x, mark);
    (void)http_head_drop(&x->request, STR("X-Weir-Cause"));
    (void)http_head_add(&x->request, STR("X-Weir-Cause"), cause_name(x->before.cause));
    *ret_rc = chain_next(inner, x);
    return *ret_rc < 0 || !applies(f, x);
}

static enum outcome fall_back(struct exchange *x, const struct fallback *f,
                              const struct request_mark *mark, int *ret_rc)
{
    const struct config_fallback *c = f->config;

    for (uint32_t i = 0; i < c->steps.count; i++) {
        switch (c->steps.items[i].kind) {
        case FALLBACK_STALE:
            if (answer_stale(x))
                return BY_STALE;
            break;
        case FALLBACK_UPSTREAM:
            if (exchange_may_go_elsewhere(x) && ask_elsewhere(x, f, f->routes[i], mark, ret_rc))
                return BY_UPSTREAM;
            break;
        case FALLBACK_STATIC:
            answer_fixed(x, (int)c->status, c->content_type, c->body);
            return BY_STATIC;
        }
    }
    if (!c->optional)
        return BY_NOTHING;
    answer_fixed(x, 204, STR(""), STR(""));
    return BY_EMPTY;
}

int fallback(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    const struct fallback *f = s->own;
    struct request_mark mark;
    int rc;

    if (f->elsewhere)
        request_mark(x, &mark);
    rc = chain_next(next, x);
    if (likely(rc < 0 || !applies(f, x)) || policy_disabled(s->policy))
        return rc;
    metric_inc(((struct fallback_policy *)s->policy)->by_outcome[fall_back(x, f, &mark, &rc)]);
    return rc;
}

/* Inside: it runs again for the other upstream, and has something to say only then. */
int fallback_headers(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    const struct config_fallback_headers *c = s->config->fallback_headers;
    struct str detail;

    http_head_drop(&x->request, c->type);
    http_head_drop(&x->request, c->message);
    if (!x->elsewhere)
        return chain_next(next, x);
    detail = x->before.detail;
    if (exchange_add_request_field(x, c->type, cause_name(x->before.cause)) < 0)
        return 0;
    if (detail.len != 0 && exchange_add_request_field(x, c->message, detail) < 0)
        return 0;
    return chain_next(next, x);
}
