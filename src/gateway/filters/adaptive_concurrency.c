/* AdaptiveConcurrency: as many requests of the route at once as its upstream can take, learnt from
 * how long they take to the head of the response (policy/adaptive.c). What matters less may fill
 * less of the limit, so that under load there is room left for what matters more. */
#include <weir/adaptive.h>

#include "base/hash.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "runtime/here.h"

struct adaptive {
    struct policy policy;
    struct weir_adaptive limit;
};

static const uint32_t share_percent[] = {50, 70, 90, 100};

static struct adaptive *adaptive_of(const struct policy *p)
{
    return container_of(p, struct adaptive, policy);
}

/* -- the policy -- */

static int init(struct policy *p, const void *settings)
{
    const struct config_adaptive *c = settings;
    struct weir_adaptive_options o = weir_adaptive_defaults();

    o.kind = (enum weir_adaptive_kind)c->kind;
    o.initial = (uint32_t)c->initial;
    o.min = (uint32_t)c->min;
    o.max = (uint32_t)c->max;
    o.window_ns = c->window_ns;
    o.timeout_ns = c->timeout_ns;
    return weir_adaptive_init(&adaptive_of(p)->limit, &o, weir_now());
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    policy_put_count(w, "limit", weir_adaptive_limit(&adaptive_of(p)->limit));
    policy_put_count(w, "running", weir_adaptive_running(&adaptive_of(p)->limit));
}

static void operate(struct policy *p, enum policy_action action, int64_t now_ns)
{
    if (action == POLICY_RESET)
        weir_adaptive_reset(&adaptive_of(p)->limit, now_ns);
}

static const struct policy_class adaptive_class = {
    .kind = "adaptive_concurrency",
    .size = sizeof(struct adaptive),
    .init = init,
    .write_state = write_state,
    .operate = operate,
    .actions = 1u << POLICY_RESET | 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

int adaptive_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    const struct config_adaptive *c = s->config->own;
    uint64_t shape = mix64((uint64_t)c->initial << 34 ^ (uint64_t)c->min << 2 ^ (uint64_t)c->kind);

    shape =
        mix64(mix64(shape ^ (uint64_t)c->max) ^ (uint64_t)c->window_ns) ^ (uint64_t)c->timeout_ns;
    *ret_why = "expected min <= initial <= max";
    return policy_use(m->uses, &adaptive_class, filter_policy_id(m, s->config), shape, c,
                      &s->policy);
}

/* -- the filter -- */

/* The upstream's failures that tell of too much; what it refuses at once does not. */
static enum weir_adaptive_result result_of(const struct exchange *x)
{
    switch (x->cause) {
    case CAUSE_NONE:
        break;
    case CAUSE_CONNECTION_TIMEOUT:
    case CAUSE_HTTP_RESPONSE_TIMEOUT:
    case CAUSE_CONNECTION_WRITE_TIMEOUT:
    case CAUSE_DEADLINE_EXCEEDED:
    case CAUSE_RETRY_EXHAUSTED:
        return WEIR_ADAPTIVE_FAILED;
    default:
        return WEIR_ADAPTIVE_IGNORED;
    }
    if (x->upstream_status == 503 || x->upstream_status == 504 || x->upstream_status == 429)
        return WEIR_ADAPTIVE_FAILED;
    return x->upstream_status != 0 ? WEIR_ADAPTIVE_OK : WEIR_ADAPTIVE_IGNORED;
}

static void leave(struct policy *p, struct exchange *x, int64_t since_ns)
{
    enum weir_adaptive_result result = result_of(x);
    int64_t end_ns = result == WEIR_ADAPTIVE_OK ? x->response_ns : here_now_ns();

    weir_adaptive_leave(&adaptive_of(p)->limit, result, since_ns, MAX(end_ns, since_ns));
}

int adaptive_concurrency(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    struct exchange_hold *held;
    int rc;

    if (policy_disabled(s->policy))
        return chain_next(next, x);
    rc = weir_adaptive_enter(&adaptive_of(s->policy)->limit, share_percent[exchange_priority(x)]);
    if (unlikely(rc < 0)) {
        metric_inc(s->policy->refused);
        return exchange_refuse(x, CAUSE_OVERLOADED, STR_FMT, STR_ARG(s->policy->id));
    }
    held = exchange_hold(x, s->policy, leave, here_now_ns());
    rc = chain_next(next, x);
    exchange_release(x, held);
    return rc;
}
