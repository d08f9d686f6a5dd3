/* The decision to retry, its backoff and its budget. */
#include "policy/retry.h"

#include "base/assert.h"
#include "base/duration.h"

#define ONE_RETRY (UINT64_C(1) << 32)

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
    if (!a->body_replayable)
        return RETRY_NO_BODY;
    if (a->attempts >= o->attempts)
        return RETRY_NO_ATTEMPTS;
    return RETRY_SAME;
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
        else
            d.backoff_ns = retry_backoff_ns(o, a->attempts + 1, a->random);
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
    int64_t base = MAX(o->backoff_ns, INT64_C(0));
    int64_t max = o->backoff_max_ns;
    int64_t wait = base;
    uint64_t span;

    if (max <= 0 && __builtin_mul_overflow(base, 10, &max))
        max = INT64_MAX;
    for (uint32_t i = 2; i < n && wait < max && wait != 0; i++)
        wait = wait > INT64_MAX / 2 ? INT64_MAX : wait * 2;
    wait = MIN(wait, max);
    span = (uint64_t)(((unsigned __int128)(uint64_t)wait * MIN(o->jitter_percent, 100u)) / 100);
    return wait - (int64_t)(((unsigned __int128)span * random) >> 64);
}

void retry_budget_enter(struct retry_budget *b)
{
    atomic_fetch_add_explicit(&b->word, 1, memory_order_relaxed);
}

void retry_budget_leave(struct retry_budget *b)
{
    uint64_t was = atomic_fetch_sub_explicit(&b->word, 1, memory_order_relaxed);

    ASSERT_HOT((uint32_t)was != 0);
    (void)was;
}

bool retry_budget_take(struct retry_budget *b, uint32_t percent, uint32_t min)
{
    uint64_t word = atomic_load_explicit(&b->word, memory_order_relaxed);

    do {
        uint64_t allowed = (word & UINT32_MAX) * percent / 100;

        if (word >> 32 >= MAX(allowed, (uint64_t)min))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &word, word + ONE_RETRY,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void retry_budget_give(struct retry_budget *b)
{
    uint64_t was = atomic_fetch_sub_explicit(&b->word, ONE_RETRY, memory_order_relaxed);

    ASSERT_HOT(was >> 32 != 0);
    (void)was;
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
    };

    ASSERT(v < RETRY_VERDICT_MAX);
    return str_of(texts[v]);
}
