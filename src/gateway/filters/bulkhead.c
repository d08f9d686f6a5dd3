/* Bulkhead: so many requests of the route at once, from the first attempt to the last byte of the
 * response, and a short queue in front in which what matters more goes first (weir/bulkhead.h). So
 * an upstream that has become slow holds so many coroutines and connections, and not all. */
#include <weir/bulkhead.h>

#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "runtime/here.h"

struct bulkhead {
    struct policy policy;
    struct weir_bulkhead places;
};

static struct bulkhead *bulkhead_of(const struct policy *p)
{
    return container_of(p, struct bulkhead, policy);
}

/* -- the policy -- */

static struct weir_bulkhead_options options_of(const struct config_bulkhead *c)
{
    return (struct weir_bulkhead_options){
        .size = sizeof(struct weir_bulkhead_options),
        .running_max = (uint32_t)c->concurrent_max,
        .waiting_max = (uint32_t)c->waiting_max,
        .max_wait_ns = c->wait_max_ns,
    };
}

static int init(struct policy *p, const void *settings)
{
    struct weir_bulkhead_options o = options_of(settings);

    return weir_bulkhead_init(&bulkhead_of(p)->places, &o);
}

static void configure(struct policy *p, const void *settings)
{
    struct weir_bulkhead_options o = options_of(settings);

    (void)weir_bulkhead_set(&bulkhead_of(p)->places,
                            &o); /* the table of arguments has checked it */
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct weir_bulkhead_view v = weir_bulkhead_view(&bulkhead_of(p)->places);

    policy_put_count(w, "running", v.running);
    policy_put_count(w, "running_max", v.running_max);
    policy_put_count(w, "waiting", v.waiting);
    policy_put_count(w, "waiting_max", v.waiting_max);
    policy_put_count(w, "refused_full", v.refused[WEIR_BULKHEAD_FULL]);
    policy_put_count(w, "refused_timed_out", v.refused[WEIR_BULKHEAD_TIMED_OUT]);
}

static const struct policy_class bulkhead_class = {
    .kind = "bulkhead",
    .size = sizeof(struct bulkhead),
    .init = init,
    .configure = configure,
    .write_state = write_state,
    .actions = 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

int bulkhead_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    *ret_why = "cannot be used";
    return policy_use(m->uses, &bulkhead_class, filter_policy_id(m, s->config), 0, s->config->own,
                      &s->policy);
}

/* -- the filter -- */

static void leave(struct policy *p, struct exchange *x, int64_t since_ns)
{
    weir_bulkhead_leave(&bulkhead_of(p)->places);
}

static int refuse(struct exchange *x, struct policy *p, enum weir_bulkhead_refusal why)
{
    if (why == WEIR_BULKHEAD_CANCELLED)
        return client_cancelled(x);
    metric_inc(p->refused);
    return exchange_refuse(x, CAUSE_BULKHEAD_FULL, STR_FMT ": %s", STR_ARG(p->id),
                           weir_bulkhead_refusal_text(why));
}

/* 0: the request has a place. -ECONNRESET: its client has gone. */
static int queue(struct exchange *x, struct bulkhead *b, enum weir_bulkhead_refusal *ret_why)
{
    int rc = -ECONNRESET;

    if (client_attend(x))
        rc = weir_bulkhead_enter(&b->places, exchange_priority(x), ret_why);
    client_unattend(x);
    return rc;
}

int bulkhead(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);
    enum weir_bulkhead_refusal why;
    int rc = 0;

    if (policy_disabled(s->policy))
        return chain_next(next, x);
    if (!weir_bulkhead_try_enter(&bulkhead_of(s->policy)->places))
        rc = queue(x, bulkhead_of(s->policy), &why);
    if (rc < 0)
        return rc == -ECONNRESET ? client_gone(x) : refuse(x, s->policy, why);
    exchange_hold(x, s->policy, leave, here_now_ns());
    return chain_next(next, x);
}
