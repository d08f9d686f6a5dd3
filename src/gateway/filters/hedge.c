/* Hedge: an attempt that takes longer than most is joined by another one, and the first answer is
 * taken (Dean and Barroso, "The Tail at Scale", 2013). The first attempt runs here, in the
 * exchange; the others run in children of a scope around it, each after its delay and with an
 * exchange of its own (side_attempt.h). Nobody looks at what became of them before the scope has
 * been left. */
#include <weir/panic.h>
#include <weir/retry.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"
#include "gateway/mishap.h"
#include "gateway/side_attempt.h"
#include "runtime/here.h"

enum outcome { WON, LOST, FAILED, NO_BUDGET, NO_ENDPOINT, OUTCOME_MAX };

static const struct str outcomes[OUTCOME_MAX] = {
    {"won", 3}, {"lost", 4}, {"failed", 6}, {"no_budget", 9}, {"no_endpoint", 11}};

struct hedge_policy {
    struct policy policy; /* first */
    struct weir_latency latency;
    atomic_uint seen;              /* latencies */
    atomic_int_least64_t delay_ns; /* that the percentile gives; 0: not known yet */
    struct metric *by_outcome[OUTCOME_MAX];
};

struct hedge_settings {
    struct config_hedge config;
    struct str route_id;
};

static struct hedge_policy *hedge_of(struct policy *p)
{
    return container_of(p, struct hedge_policy, policy);
}

/* -- the delay -- */

#define LEARN_EVERY 16 /* a power of two: the percentile costs some microseconds */

static void learn(struct hedge_policy *h, const struct config_hedge *c)
{
    int64_t ns = -1;

    if (c->percentile > 0)
        ns = weir_latency_percentile_ns(&h->latency, (uint32_t)c->percentile);
    if (ns >= 0) {
        ns = MIN(ns, c->delay_max_ns);
        ns = MAX(ns, c->delay_min_ns);
    }
    ns = MAX(ns, INT64_C(0));
    atomic_store_explicit(&h->delay_ns, ns, memory_order_relaxed);
}

static void observe(struct hedge_policy *h, const struct config_hedge *c, int64_t took_ns)
{
    unsigned seen = atomic_fetch_add_explicit(&h->seen, 1, memory_order_relaxed) + 1;

    weir_latency_add(&h->latency, took_ns);
    if (seen % LEARN_EVERY == 0)
        learn(h, c);
}

static int64_t delay_of(struct hedge_policy *h, const struct config_hedge *c)
{
    int64_t ns = atomic_load_explicit(&h->delay_ns, memory_order_relaxed);

    return ns != 0 ? ns : c->delay_ns;
}

/* -- the policy -- */

static int init(struct policy *p, const void *settings)
{
    const struct hedge_settings *s = settings;

    for (int i = 0; i < OUTCOME_MAX; i++)
        hedge_of(p)->by_outcome[i] = metric_get2(METRIC_HEDGES, s->route_id, outcomes[i]);
    return 0;
}

static void done(struct policy *p)
{
    for (int i = 0; i < OUTCOME_MAX; i++)
        metric_put(hedge_of(p)->by_outcome[i]);
}

static void configure(struct policy *p, const void *settings)
{
    learn(hedge_of(p), &((const struct hedge_settings *)settings)->config);
}

static void write_state(struct policy *p, int64_t now_ns, struct policy_writer *w)
{
    struct hedge_policy *h = hedge_of(p);
    int64_t delay_ns = atomic_load_explicit(&h->delay_ns, memory_order_relaxed);

    if (delay_ns != 0)
        policy_put_seconds(w, "learnt_delay_seconds", delay_ns);
    policy_put_count(w, "latencies", atomic_load_explicit(&h->seen, memory_order_relaxed));
    for (int i = 0; i < OUTCOME_MAX; i++)
        policy_put_count(w, outcomes[i].ptr, (uint64_t)metric_value(h->by_outcome[i]));
}

static const struct policy_class hedge_class = {
    .kind = "hedge",
    .size = sizeof(struct hedge_policy),
    .init = init,
    .done = done,
    .configure = configure,
    .write_state = write_state,
    .actions = 1u << POLICY_DISABLE | 1u << POLICY_ENABLE,
};

int hedge_make(const struct filter_maker *m, struct filter_settings *s, const char **ret_why)
{
    struct hedge_settings *own = arena_zalloc(m->arena, sizeof(*own));

    if (own == NULL)
        return -ENOMEM;
    own->config = *(const struct config_hedge *)s->config->own;
    own->route_id = m->route->id;
    s->own = own;
    *ret_why = "expected minDelay <= maxDelay";
    if (own->config.delay_min_ns > own->config.delay_max_ns)
        return -EINVAL;
    return policy_use(m->uses, &hedge_class, filter_policy_id(m, s->config), 0, own, &s->policy);
}

/* -- the race -- */

enum { FIRST = 1 }; /* exchange.racer of the first attempt; the others follow */

struct hedging;

struct turn { /* of one more attempt */
    struct hedging *hedging;
    unsigned index; /* in sides[] */
};

struct hedging {
    struct race race;
    struct exchange *first;
    const struct chain *next; /* that each attempt runs */
    struct hedge_policy *policy;
    const struct config_hedge *config;
    struct weir_scope *scope;
    struct weir_semaphore called_off; /* has units when those that wait need not any more */
    int64_t delay_ns;
    struct turn turns[CONFIG_HEDGES_MAX];

    /* Written by the turns, one after the other. */
    struct exchange *sides[CONFIG_HEDGES_MAX]; /* those that have begun, before the NULLs */
};

static bool has_response(const struct exchange *x)
{
    return x->attempt_cause == CAUSE_NONE && x->source == RESPONSE_UPSTREAM;
}

/* Good enough to end the race. What overload and faults look like is not: another endpoint may have
 * a better answer. */
static bool acceptable(const struct exchange *x)
{
    return has_response(x) && x->response.status < 500 && x->response.status != 429;
}

static unsigned winner_of(struct hedging *h)
{
    return atomic_load(&h->race.winner);
}

/* True: its time has come, and nobody has answered. */
static bool wait_for_turn(struct hedging *h)
{
    int64_t at_ns = ns_add(here_now_ns(), h->delay_ns);
    int rc = 0;

    WEIR_DEADLINE (at_ns) {
        rc = weir_semaphore_acquire(&h->called_off, 1);
    }
    return rc == -ETIMEDOUT && weir_now() >= at_ns && winner_of(h) == 0;
}

static void count(struct hedging *h, enum outcome o)
{
    metric_inc(h->policy->by_outcome[o]);
}

/* The budget is the retries': a hedge is load of the same kind. */
static struct exchange *begin(struct hedging *h, unsigned index)
{
    const struct upstream *u = h->first->route->upstream;
    struct exchange *side;

    if (!retry_budget_take(&u->state->budget, u->retry.budget_percent, u->retry.budget_min)) {
        count(h, NO_BUDGET);
        return NULL;
    }
    side = side_attempt_new(h->first, index > 0 ? h->sides[index - 1] : NULL, index + 2);
    if (side == NULL) {
        retry_budget_give(&u->state->budget);
        count(h, NO_ENDPOINT);
        return NULL;
    }
    side->race = &h->race;
    side->racer = (uint8_t)(FIRST + 1 + index);
    return side;
}

struct side_run {
    const struct chain *next;
    struct exchange *side;
};

static void run_side(void *arg)
{
    const struct side_run *r = arg;

    (void)chain_next(r->next, r->side);
}

static void take_turn(void *arg);

static void next_turn(struct hedging *h, unsigned index)
{
    if (index >= (unsigned)h->config->hedges_max || index >= ARRAY_LEN(h->turns))
        return;
    h->turns[index] = (struct turn){h, index};
    /* If it cannot be had there is no further attempt, which is no failure of the request. */
    (void)weir_scope_go(h->scope, "hedge", take_turn, &h->turns[index]);
}

/* A panic here costs this attempt: the others go on. */
static void take_turn(void *arg)
{
    const struct turn *t = arg;
    struct hedging *h = t->hedging;
    struct weir_panic_info panic;
    struct side_run run = {.next = h->next};
    struct exchange *side;

    if (!wait_for_turn(h))
        return;
    run.side = side = begin(h, t->index);
    if (side == NULL)
        return;
    h->sides[t->index] = side;
    next_turn(h, t->index + 1);
    if (unlikely(weir_try(run_side, &run, &panic) < 0)) {
        mishap_log(side, &panic);
        side->source = RESPONSE_NONE;
        side->attempt_cause = CAUSE_PROXY_INTERNAL_ERROR;
    }
    retry_budget_give(&h->first->route->upstream->state->budget);
    if (acceptable(side) && attempt_claim(side))
        weir_scope_cancel(h->scope);
}

/* The first attempt has come to its end. If it is the answer that is all; if it failed by itself,
 * those that have been sent may still have one. */
static void first_is_over(struct hedging *h)
{
    struct exchange *x = h->first;

    if ((acceptable(x) && attempt_claim(x)) || winner_of(h) != 0)
        return;
    if (!has_response(x) && x->failure == RETRY_CLIENT)
        return;
    weir_semaphore_release(&h->called_off, CONFIG_HEDGES_MAX);
    (void)weir_scope_join(h->scope); /* ends early when one of them wins */
}

/* -- settling, when all have ended -- */

/* It would have gone on, or was as good as the one that was taken. */
static bool gave_way(const struct exchange *x)
{
    return x->attempt_cause == CAUSE_STOPPING || x->attempt_cause == CAUSE_CLIENT_CLOSED ||
           acceptable(x);
}

/* NULL: what the first attempt says holds. */
static struct exchange **choose(struct hedging *h)
{
    unsigned winner = winner_of(h);

    if (winner > FIRST)
        return &h->sides[winner - FIRST - 1];
    if (winner == FIRST || has_response(h->first) || h->first->failure == RETRY_CLIENT)
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(h->sides); i++) {
        if (h->sides[i] != NULL && has_response(h->sides[i]))
            return &h->sides[i];
    }
    return NULL;
}

/* The first attempts are what the percentile is of. One that gave way would have taken longer. */
static void observe_first(struct hedging *h)
{
    struct exchange *x = h->first;

    if (acceptable(x))
        observe(h->policy, h->config, x->response_ns - x->attempt_start_ns);
    else if (winner_of(h) > FIRST && gave_way(x))
        observe(h->policy, h->config, here_now_ns() - x->attempt_start_ns);
}

static void mark(struct access_attempt *a, bool lost)
{
    a->lost = lost;
    if (lost)
        a->outcome = CAUSE_NONE;
}

static void note(struct access_record *r, const struct access_attempt *a)
{
    *access_add_attempt(r) = *a;
}

/* A side attempt that is not the answer. */
static void dismiss(struct hedging *h, struct exchange **side)
{
    struct exchange *s = TAKE(*side);
    bool lost = gave_way(s);

    count(h, lost ? LOST : FAILED);
    attempt_drop(s);
    attempt_merge(h->first, s);
    mark(&s->record.attempts[0], lost);
    s->record.attempts[0].hedge = true;
    note(&h->first->record, &s->record.attempts[0]);
    side_attempt_free(s);
}

static void take_over(struct hedging *h, struct exchange **side)
{
    struct exchange *s = TAKE(*side);

    count(h, WON);
    attempt_merge(h->first, s);
    s->record.attempts[0].hedge = true;
    note(&h->first->record, &s->record.attempts[0]);
    side_attempt_adopt(h->first, s);
    side_attempt_free(s);
}

/* The attempt whose end is still to be recorded stands last, as everywhere. */
static void settle(struct hedging *h)
{
    struct exchange *x = h->first, **best = choose(h);
    struct access_attempt own;
    bool lost;

    observe_first(h);
    if (likely(h->sides[0] == NULL))
        return;
    if (best != NULL) {
        lost = gave_way(x);
        attempt_drop(x);
        mark(&x->record.attempts[0], lost);
    }
    own = x->record.attempts[0];
    if (best == NULL)
        x->record.attempt_count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(h->sides); i++) {
        if (h->sides[i] != NULL && &h->sides[i] != best)
            dismiss(h, &h->sides[i]);
    }
    if (best != NULL)
        take_over(h, best);
    else
        note(&x->record, &own);
}

/* Also when the first attempt has panicked; the scope has been left by then. */
static void clean_up(void *arg)
{
    struct hedging *h = arg;

    h->first->race = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(h->sides); i++)
        side_attempt_free(TAKE(h->sides[i]));
}

static int run_race(struct exchange *x, const struct chain *next, const struct filter_settings *s)
{
    const struct hedge_settings *own = s->own;
    struct hedging h = {
        .first = x,
        .next = next,
        .policy = hedge_of(s->policy),
        .config = &own->config,
        .delay_ns = delay_of(hedge_of(s->policy), &own->config),
    };
    int rc = 0;

    WEIR_DEFER(clean_up, &h);
    if (!attempt_begin(x, false))
        return attempt_fail(x, RETRY_REFUSED_LOCALLY, CAUSE_DESTINATION_UNAVAILABLE);
    x->racer = FIRST;
    x->race = &h.race; // cppcheck-suppress autoVariables; clean_up() takes it back
    WEIR_SCOPE (scope) {
        h.scope = scope;
        next_turn(&h, 0);
        rc = chain_next(next, x);
        first_is_over(&h);
        weir_scope_cancel(scope);
    }
    settle(&h);
    return rc;
}

/* -- the filter -- */

/* Only what does no harm when two endpoints act on it, and is all here. The first attempt of a
 * request only: a retry carries X-Weir-Attempt. */
static bool may_be_hedged(struct exchange *x)
{
    return x->body_whole && x->upgrade.ptr == NULL && x->conn != NULL && !x->elsewhere &&
           x->record.attempt_count == 0 && x->route->upstream->endpoint_count > 1 &&
           (http_method_idempotent(x->request.method) ||
            http_head_find_id(&x->request, HTTP_F_IDEMPOTENCY_KEY) != NULL) &&
           !attempt_came_again(x);
}

int hedge(struct exchange *x, const struct chain *next)
{
    const struct filter_settings *s = chain_settings(next);

    if (policy_disabled(s->policy) || !may_be_hedged(x))
        return chain_next(next, x);
    return run_race(x, next, s);
}
