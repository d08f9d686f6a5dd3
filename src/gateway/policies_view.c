/* The policies as operators see them: those of routes, which stand in the registry, and the
 * breakers of endpoints, which stand in the endpoints. */
#include "gateway/gateway_impl.h"

struct listing {
    const struct str *id; /* NULL: all */
    int64_t now_ns;
    struct text *out;
    unsigned count;
};

static bool begin_item(struct listing *l, struct str id)
{
    if (l->id != NULL && !str_eq(*l->id, id))
        return false;
    text_puts(l->out, l->count++ == 0 ? STR("\n  ") : STR(",\n  "));
    return true;
}

static bool list_policy(void *arg, struct policy *p)
{
    struct listing *l = arg;

    if (begin_item(l, p->id))
        policy_write(p, l->now_ns, l->out);
    return true;
}

static void list_shedding(struct listing *l, struct gateway *g)
{
    struct policy_writer w = {l->out};
    struct weir_shed_view v = weir_shed_view(&g->shedding.shed);

    if (!begin_item(l, STR("shed")))
        return;
    text_puts(l->out, STR("{\"id\": \"shed\", \"kind\": \"load_shedding\""));
    policy_put_count(&w, "pressure", v.pressure);
    policy_put_text(&w, "worst", str_of(weir_shed_source_text(v.source)));
    policy_put_count(&w, "admitted_from_priority", v.admitted_priority);
    policy_put_count(&w, "refused_total", v.refused_by_priority);
    text_puts(l->out, STR("}"));
}

/* -- breakers of endpoints -- */

typedef bool breaker_fn(void *arg, struct endpoint *e, struct str id);

/* Calls fn with the endpoints of the published generation that have a breaker. -ENOMEM. */
static int visit_breakers(struct gateway *g, breaker_fn *fn, void *arg)
{
    struct pin pin = generation_pin(g);
    struct generation *gen = pin.generation;
    bool more = true;
    int rc = 0;

    for (uint32_t i = 0; more && gen != NULL && i < gen->upstream_count; i++) {
        struct upstream *u = &gen->upstreams[i];

        for (uint32_t j = 0; more && u->config->breaker.enabled && j < u->endpoint_count; j++) {
            struct endpoint *e = u->endpoints[j];
            struct text id = {0};

            text_printf(&id, "upstreams/" STR_FMT "/" STR_FMT, STR_ARG(u->state->id),
                        STR_ARG(e->address));
            rc = id.overflow ? -ENOMEM : rc;
            more = rc == 0 && fn(arg, e, str_n(id.ptr, id.len));
            text_done(&id);
        }
    }
    generation_unpin(&pin);
    return rc;
}

static bool list_breaker(void *arg, struct endpoint *e, struct str id)
{
    struct listing *l = arg;
    struct policy_writer w = {l->out};
    struct weir_breaker_view v = weir_breaker_view(&e->breaker, l->now_ns);

    if (!begin_item(l, id))
        return true;
    text_puts(l->out, STR("{\"id\": \""));
    text_put_json(l->out, id);
    text_puts(l->out, STR("\", \"kind\": \"endpoint_breaker\""));
    policy_put_text(&w, "state", str_of(weir_breaker_state_text(v.state)));
    policy_put_count(&w, "calls", v.calls);
    policy_put_count(&w, "failures", v.failures);
    policy_put_count(&w, "failures_in_a_row", v.consecutive_failures);
    policy_put_count(&w, "refused_total", v.refused);
    if (v.until_ns != INT64_MAX)
        policy_put_seconds(&w, "until_seconds", MAX(v.until_ns - l->now_ns, INT64_C(0)));
    text_puts(l->out, STR("}"));
    return true;
}

struct breaker_wish {
    struct str id;
    enum policy_action action;
    int rc;
};

static bool operate_breaker(void *arg, struct endpoint *e, struct str id)
{
    static const enum weir_breaker_state states[POLICY_ACTION_MAX] = {
        [POLICY_RESET] = WEIR_BREAKER_CLOSED,
        [POLICY_FORCE_OPEN] = WEIR_BREAKER_FORCED_OPEN,
        [POLICY_DISABLE] = WEIR_BREAKER_DISABLED,
        [POLICY_ENABLE] = WEIR_BREAKER_CLOSED,
    };
    struct breaker_wish *w = arg;

    if (!str_eq(id, w->id))
        return true;
    w->rc = weir_breaker_set(&e->breaker, states[w->action], weir_now());
    return false;
}

int gateway_write_policies(struct gateway *g, const struct str *id, struct text *out)
{
    struct listing l = {.id = id, .now_ns = weir_now(), .out = out};
    int rc;

    text_puts(out, STR("{\"policies\": ["));
    rc = policies_visit(&g->policies, list_policy, &l);
    if (rc == 0)
        rc = visit_breakers(g, list_breaker, &l);
    if (g->shedding.sampling)
        list_shedding(&l, g);
    text_puts(out, STR("\n]}\n"));
    if (rc < 0)
        return rc;
    if (out->overflow)
        return -ENOMEM;
    return id != NULL && l.count == 0 ? -ENOENT : 0;
}

/* Load shedding has nothing to operate: what it knows is what it measures. */
static bool is_shedding(const struct gateway *g, struct str id)
{
    return g->shedding.sampling && str_eq(id, STR("shed"));
}

int gateway_operate_policy(struct gateway *g, struct str id, enum policy_action action,
                           unsigned *ret_actions)
{
    struct breaker_wish w = {.id = id, .action = action, .rc = -ENOENT};
    int rc = policies_operate(&g->policies, id, action, weir_now());

    if (rc == -ENOTSUP)
        (void)policies_actions(&g->policies, id, ret_actions);
    if (rc != -ENOENT)
        return rc;
    if (is_shedding(g, id)) {
        *ret_actions = 0;
        return -ENOTSUP;
    }
    rc = visit_breakers(g, operate_breaker, &w);
    return rc < 0 ? rc : w.rc;
}
