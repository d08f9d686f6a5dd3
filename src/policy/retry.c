/* The decision to retry, its backoff and its budget. */
#include "policy/retry.h"

#include <weir/retry.h>

#include "base/assert.h"
#include "base/duration.h"
#include "policy/budget.h"

/* What stands against it, budget and time aside; RETRY_SAME when nothing does. */
static enum retry_verdict objection_to(const struct retry_attempt *a, const struct retry_options *o)
{
    bool unsent =
        a->failure == RETRY_REFUSED_LOCALLY || a->failure == RETRY_CONNECT || a->sent_bytes == 0;

    if (o->attempts <= 1)
        return RETRY_NO_OFF;
    if (a->response_started)
        return RETRY_NO_STARTED;
    if (a->failure == RETRY_BROKEN || a->failure == RETRY_CLIENT)
        return RETRY_NO_FAILURE;
    if (!unsent && !a->idempotent)
        return RETRY_NO_NOT_IDEMPOTENT;
    if (a->retry_in_front && !unsent && !(a->failure == RETRY_CLOSED && a->reused))
        return RETRY_NO_AGAIN;
    if (!a->body_replayable)
        return RETRY_NO_BODY;
    if (a->attempts >= o->attempts)
        return RETRY_NO_ATTEMPTS;
    return RETRY_SAME;
}

static int64_t next_wait_ns(const struct retry_attempt *a, const struct retry_options *o)
{
    struct weir_backoff backoff = {
        .kind = WEIR_BACKOFF_CONSTANT,
        .jitter_percent = o->jitter_percent,
        .max_ns = o->backoff_max_ns,
    };

    if (!o->from_previous || a->previous_ns <= 0)
        return retry_backoff_ns(o, a->attempts + 1, a->random);
    if (__builtin_mul_overflow(a->previous_ns, o->factor != 0 ? o->factor : 2, &backoff.base_ns))
        backoff.base_ns = INT64_MAX;
    return weir_backoff_ns(&backoff, NULL, 1, a->random);
}

struct retry_decision retry_decide(const struct retry_attempt *a, const struct retry_options *o,
                                   struct retry_budget *b)
{
    struct retry_decision d = {.verdict = objection_to(a, o)};
    int64_t ready_ns;

    if (!retry_yes(d.verdict))
        return d;
    /* A kept connection that turns out to be closed says nothing against its endpoint. */
    if (!(a->failure == RETRY_CLOSED && a->reused)) {
        if (a->others)
            d.verdict = RETRY_OTHER;
        else if (a->same_refuses)
            return (struct retry_decision){.verdict = RETRY_NO_CIRCUIT};
        if (!a->others || o->backoff_everywhere)
            d.backoff_ns = next_wait_ns(a, o);
        d.backoff_ns = MAX(d.backoff_ns, a->wait_ns);
    }
    ready_ns = ns_add(ns_add(a->now_ns, d.backoff_ns), o->reserve_ns);
    if (a->now_ns >= a->deadline_ns || ready_ns > a->deadline_ns)
        return (struct retry_decision){.verdict = RETRY_NO_DEADLINE};
    if (!retry_budget_take(b, o->budget_percent, o->budget_min))
        return (struct retry_decision){.verdict = RETRY_NO_BUDGET};
    return d;
}

int64_t retry_backoff_ns(const struct retry_options *o, uint32_t n, uint64_t random)
{
    struct weir_backoff backoff = {
        .multiplier_percent = 100 * o->factor,
        .jitter_percent = o->jitter_percent,
        .base_ns = MAX(o->backoff_ns, INT64_C(0)),
        .max_ns = o->backoff_max_ns,
    };

    if (backoff.max_ns <= 0 && __builtin_mul_overflow(backoff.base_ns, 10, &backoff.max_ns))
        backoff.max_ns = INT64_MAX;
    return weir_backoff_ns(&backoff, NULL, MAX(n, 2u) - 1, random);
}

static uint64_t *word_of(struct retry_budget *b)
{
    return (uint64_t *)&b->word;
}

void retry_budget_enter(struct retry_budget *b)
{
    budget_enter(word_of(b));
}

void retry_budget_leave(struct retry_budget *b)
{
    budget_leave(word_of(b));
}

bool retry_budget_take(struct retry_budget *b, uint32_t percent, uint32_t min)
{
    return budget_take(word_of(b), percent, min);
}

void retry_budget_give(struct retry_budget *b)
{
    budget_give(word_of(b));
}

struct str retry_verdict_text(enum retry_verdict v)
{
    static const char *const texts[] = {
        [RETRY_SAME] = "same_endpoint",
        [RETRY_OTHER] = "other_endpoint",
        [RETRY_NO_OFF] = "off",
        [RETRY_NO_ATTEMPTS] = "attempts",
        [RETRY_NO_STARTED] = "response_started",
        [RETRY_NO_FAILURE] = "failure_kind",
        [RETRY_NO_NOT_IDEMPOTENT] = "not_idempotent",
        [RETRY_NO_BODY] = "body_gone",
        [RETRY_NO_DEADLINE] = "deadline",
        [RETRY_NO_BUDGET] = "budget",
        [RETRY_NO_AGAIN] = "retried_in_front",
        [RETRY_NO_CIRCUIT] = "circuit_open",
    };

    ASSERT(v < RETRY_VERDICT_MAX);
    return str_of(texts[v]);
}
