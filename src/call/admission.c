/* The guards of one attempt, in order, and how each is told what became of it. Whoever is refused
 * further in hands back what it was given further out. */
#include "call/call.h"

#include <weir/scope.h>

static void ledger(atomic_int *entry, int n)
{
    atomic_fetch_add_explicit(entry, n, memory_order_relaxed);
}

static enum weir_call_reason refuse(struct attempt *a, enum weir_call_reason reason, int result,
                                    int64_t retry_after_ns)
{
    a->result = result;
    a->retry_after_ns = retry_after_ns == INT64_MAX ? 0 : MAX(retry_after_ns, INT64_C(0));
    return reason;
}

static enum weir_call_reason enter_breaker(struct attempt *a)
{
    int64_t retry_after_ns;

    if (weir_breaker_acquire(a->call->policy->breaker, weir_now(), &a->token, &retry_after_ns) < 0)
        return refuse(a, WEIR_CALL_BREAKER, -EAGAIN, retry_after_ns);
    a->holds_breaker = true;
    ledger(&a->call->ledger.breaker, 1);
    return WEIR_CALL_OK;
}

static void leave_breaker(struct attempt *a)
{
    if (!a->holds_breaker)
        return;
    a->holds_breaker = false;
    (void)weir_breaker_report(a->call->policy->breaker, &a->token, a->outcome, weir_now());
    ledger(&a->call->ledger.breaker, -1);
}

static enum weir_call_reason enter_bucket(struct attempt *a)
{
    int64_t retry_after_ns;

    if (weir_bucket_take(a->call->policy->bucket, 1, weir_now(), &retry_after_ns) < 0)
        return refuse(a, WEIR_CALL_BUCKET, -EAGAIN, retry_after_ns);
    return WEIR_CALL_OK;
}

static enum weir_call_reason await_turn(struct attempt *a)
{
    struct weir_pacer *pacer = a->call->policy->pacer;
    int64_t now_ns = weir_now(), at_ns;
    int r = 0;

    if (weir_pacer_turn(pacer, now_ns, weir_deadline_now(), &at_ns) < 0)
        return refuse(a, WEIR_CALL_PACER, -EAGAIN, at_ns - now_ns);
    if (at_ns > now_ns)
        r = weir_sleep(at_ns - now_ns);
    a->queued_ns += MAX(at_ns - now_ns, INT64_C(0));
    if (r == 0)
        return WEIR_CALL_OK;
    weir_pacer_cancel(pacer, at_ns);
    return refuse(a, r == -ECANCELED ? WEIR_CALL_CANCELLED : WEIR_CALL_DEADLINE, r, 0);
}

static enum weir_call_reason enter_bulkhead(struct attempt *a)
{
    const struct weir_policy *p = a->call->policy;
    int64_t began_ns = weir_now();
    int r = weir_bulkhead_enter(p->bulkhead, p->priority, &a->bulkhead);

    a->queued_ns += weir_now() - began_ns;
    if (r == 0) {
        a->holds_bulkhead = true;
        ledger(&a->call->ledger.bulkhead, 1);
        return WEIR_CALL_OK;
    }
    if (a->bulkhead == WEIR_BULKHEAD_CANCELLED)
        return refuse(a, WEIR_CALL_CANCELLED, r, 0);
    return refuse(a, WEIR_CALL_BULKHEAD, r, 0);
}

static enum weir_call_reason enter_adaptive(struct attempt *a)
{
    const struct weir_policy *p = a->call->policy;

    if (weir_adaptive_enter(p->adaptive, p->share_percent != 0 ? p->share_percent : 100) < 0)
        return refuse(a, WEIR_CALL_ADAPTIVE, -EAGAIN, 0);
    a->holds_adaptive = true;
    ledger(&a->call->ledger.adaptive, 1);
    return WEIR_CALL_OK;
}

/* The permit is of before the wait. It may have become void (a lease that is over) or what it was
 * for may have broken since; so it is handed back for one of now. */
static enum weir_call_reason renew_breaker(struct attempt *a)
{
    if (!a->holds_breaker || a->queued_ns == 0)
        return WEIR_CALL_OK;
    leave_breaker(a);
    return enter_breaker(a);
}

enum weir_call_reason admission_enter(struct attempt *a)
{
    const struct weir_policy *p = a->call->policy;
    enum weir_call_reason reason = WEIR_CALL_OK;

    a->outcome = WEIR_OUTCOME_IGNORED; /* what the guards are told until fn has run */
    if (p->breaker != NULL)
        reason = enter_breaker(a);
    if (reason == WEIR_CALL_OK && p->bucket != NULL)
        reason = enter_bucket(a);
    if (reason == WEIR_CALL_OK && p->pacer != NULL)
        reason = await_turn(a);
    if (reason == WEIR_CALL_OK && p->bulkhead != NULL)
        reason = enter_bulkhead(a);
    if (reason == WEIR_CALL_OK)
        reason = renew_breaker(a);
    if (reason == WEIR_CALL_OK && p->adaptive != NULL)
        reason = enter_adaptive(a);
    return reason;
}

void admission_leave(struct attempt *a)
{
    static const enum weir_adaptive_result results[] = {
        [WEIR_OUTCOME_OK] = WEIR_ADAPTIVE_OK,
        [WEIR_OUTCOME_FAILED] = WEIR_ADAPTIVE_FAILED,
        [WEIR_OUTCOME_IGNORED] = WEIR_ADAPTIVE_IGNORED,
    };
    const struct weir_policy *p = a->call->policy;

    if (a->holds_adaptive) {
        a->holds_adaptive = false;
        weir_adaptive_leave(p->adaptive, results[a->outcome], a->start_ns, weir_now());
        ledger(&a->call->ledger.adaptive, -1);
    }
    if (a->holds_bulkhead) {
        a->holds_bulkhead = false;
        weir_bulkhead_leave(p->bulkhead);
        ledger(&a->call->ledger.bulkhead, -1);
    }
    leave_breaker(a);
}
