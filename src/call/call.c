/* A call under policies: what stands around the attempts. The header has the order. */
#include "call/call.h"

#include <weir/scope.h>

#include "base/assert.h"
#include "base/duration.h"
#include "runtime/here.h"

#define RETRY_AFTER_MAX_NS (30 * NS_PER_SEC)

static bool policy_valid(const struct weir_policy *p)
{
    return p->size == sizeof(*p) && p->timeout_ns >= 0 && p->try_timeout_ns >= 0 &&
           p->reserve_ns >= 0 && p->retry_after_max_ns >= 0 && p->hedge_ns >= 0 &&
           p->hedge_percentile <= 100 && (p->hedge_percentile == 0 || p->latency != NULL);
}

/* ---- may it begin? ---- */

static uint32_t running_now(const struct weir_policy *p)
{
    if (p->bulkhead != NULL)
        return weir_bulkhead_view(p->bulkhead).running;
    if (p->adaptive != NULL)
        return weir_adaptive_running(p->adaptive);
    return p->budget != NULL ? weir_budget_view(p->budget).in_flight : 0;
}

static bool refuse(struct call *c, enum weir_call_reason reason, int result)
{
    c->report.reason = reason;
    c->report.result = result;
    return false;
}

static bool may_begin(struct call *c)
{
    const struct weir_policy *p = c->policy;

    if (here_cancelled())
        return weir_deadline_now() <= c->began_ns ? refuse(c, WEIR_CALL_DEADLINE, -ETIMEDOUT)
                                                  : refuse(c, WEIR_CALL_CANCELLED, -ECANCELED);
    if (p->shed != NULL &&
        weir_shed_admit(p->shed, p->priority, running_now(p), &c->report.shed) < 0) {
        c->report.retry_after_ns = NS_PER_SEC;
        return refuse(c, WEIR_CALL_SHED, -EAGAIN);
    }
    if (p->throttle != NULL && !weir_throttle_admit(p->throttle, here_random(), c->began_ns))
        return refuse(c, WEIR_CALL_THROTTLE, -EAGAIN);
    return true;
}

/* ---- attempts ---- */

/* Asks the ladder once for each failed attempt that a retry could follow. */
void call_count(struct call *c, const struct attempt *a)
{
    const struct weir_policy *p = c->policy;

    c->report.attempts += a->called;
    c->report.hedges += a->called && a->hedge;
    c->report.queued_ns += a->queued_ns;
    if (a->outcome == WEIR_OUTCOME_FAILED && a->retryable && p->breaker != NULL && p->attempts > 1)
        (void)weir_breaker_ladder(p->breaker, ++c->failures, weir_now());
}

void call_adopt(struct call *c, const struct attempt *a)
{
    c->report.reason = a->reason;
    c->report.result = a->called || c->report.attempts == 0 ? a->result : c->report.result;
    c->report.bulkhead = a->bulkhead;
    c->report.retry_after_ns = a->reason == WEIR_CALL_OK ? 0 : a->retry_after_ns;
    c->report.winner = a->reason == WEIR_CALL_OK ? a->number : 0;
    c->retryable =
        a->reason == WEIR_CALL_FAILED && a->outcome == WEIR_OUTCOME_FAILED && a->retryable;
    c->hint_ns = a->retry_after_ns;
    c->last_took_ns = a->took_ns;
    if (a->reason == WEIR_CALL_PANIC)
        c->panic = a->panic;
}

static void run_one(struct call *c)
{
    struct attempt a;

    if (hedge_wanted(c->policy)) {
        hedge_run(c);
        return;
    }
    a = (struct attempt){.call = c, .arg = c->arg, .number = ++c->numbers};
    attempt_run(&a);
    call_count(c, &a);
    call_adopt(c, &a);
}

/* Another attempt would be refused: the reason why there is none. */
static bool breaker_open(struct call *c)
{
    struct weir_breaker_view v;
    int64_t now_ns = weir_now();

    if (c->policy->breaker == NULL)
        return false;
    v = weir_breaker_view(c->policy->breaker, now_ns);
    if (v.state != WEIR_BREAKER_FORCED_OPEN &&
        (v.state != WEIR_BREAKER_OPEN || v.until_ns <= now_ns))
        return false;
    c->report.reason = WEIR_CALL_BREAKER;
    c->report.retry_after_ns = v.until_ns == INT64_MAX ? 0 : v.until_ns - now_ns;
    return true;
}

static int64_t wait_before_next(struct call *c, uint32_t attempt)
{
    const struct weir_policy *p = c->policy;
    int64_t max_ns = p->retry_after_max_ns != 0 ? p->retry_after_max_ns : RETRY_AFTER_MAX_NS;
    int64_t backoff_ns = weir_backoff_ns(&p->backoff, &c->backoff, attempt, here_random());

    return MAX(backoff_ns, MIN(c->hint_ns, max_ns));
}

/* Waits for the next attempt, and holds a slot of the budget then. False: there is none, and the
 * report says why. */
static bool prepare_retry(struct call *c, uint32_t attempt)
{
    const struct weir_policy *p = c->policy;
    int64_t now_ns = weir_now(), wait_ns;
    int r;

    if (!c->retryable || p->attempts <= 1)
        return false;
    c->report.reason = WEIR_CALL_ATTEMPTS;
    if (attempt >= p->attempts || breaker_open(c))
        return false;
    wait_ns = wait_before_next(c, attempt);
    c->report.reason = WEIR_CALL_DEADLINE;
    if (ns_add(now_ns, wait_ns) >= c->deadline_ns ||
        ns_add(ns_add(now_ns, wait_ns), p->reserve_ns) > c->deadline_ns)
        return false;
    c->report.reason = WEIR_CALL_BUDGET;
    if (!call_take_budget(c))
        return false;
    c->report.backoff_ns = ns_add(c->report.backoff_ns, wait_ns);
    r = wait_ns > 0 ? weir_sleep(wait_ns) : 0;
    if (r == 0)
        return true;
    call_give_budget(c);
    c->report.reason = r == -ECANCELED ? WEIR_CALL_CANCELLED : WEIR_CALL_DEADLINE;
    return false;
}

static void run_attempts(struct call *c)
{
    run_one(c);
    for (uint32_t attempt = 1; prepare_retry(c, attempt); attempt++) {
        run_one(c);
        call_give_budget(c);
    }
}

/* ---- the end ---- */

static void tell_guards(const struct call *c)
{
    const struct weir_policy *p = c->policy;
    int64_t now_ns = weir_now();

    ASSERT(atomic_load(&c->ledger.breaker) == 0 && atomic_load(&c->ledger.bulkhead) == 0 &&
           atomic_load(&c->ledger.adaptive) == 0 && atomic_load(&c->ledger.budget) == 0);
    if (c->report.reason != WEIR_CALL_OK)
        return;
    if (p->throttle != NULL)
        weir_throttle_accepted(p->throttle, now_ns);
    if (p->shed != NULL)
        weir_shed_done(p->shed, c->last_took_ns, now_ns);
    if (p->latency != NULL)
        weir_latency_add(p->latency, c->last_took_ns);
}

/* What the caller gets. */
static int returned(struct call *c)
{
    const struct weir_policy *p = c->policy;
    enum weir_call_reason reason = c->report.reason;
    int result = c->report.result;

    if (reason == WEIR_CALL_OK || reason == WEIR_CALL_CANCELLED || reason == WEIR_CALL_PANIC)
        return result;
    if (p->fallback != NULL) {
        result = p->fallback(c->arg, &c->report);
        c->report.fell_back = true;
    }
    if (p->optional && result < 0) {
        result = 0;
        c->report.emptied = true;
    }
    return result;
}

static int finish(struct call *c, struct weir_call_report *ret_report)
{
    const struct weir_policy *p = c->policy;
    int result;

    tell_guards(c);
    c->report.took_ns = weir_now() - c->began_ns;
    result = returned(c);
    if (p->on_call != NULL)
        p->on_call(p, &c->report, p->event_arg);
    if (ret_report != NULL)
        *ret_report = c->report;
    if (c->report.reason == WEIR_CALL_PANIC)
        weir_panic_again(&c->panic);
    return result;
}

int weir_call(const struct weir_policy *policy, int (*fn)(void *arg), void *arg,
              struct weir_call_report *ret_report)
{
    struct call c = {.policy = policy, .fn = fn, .arg = arg, .began_ns = weir_now()};
    int64_t span_ns = policy->timeout_ns;

    if (!policy_valid(policy))
        return -EINVAL;
    if (may_begin(&c)) {
        if (policy->budget != NULL)
            weir_budget_enter(policy->budget);
        WEIR_DEADLINE (span_ns > 0 ? ns_add(c.began_ns, span_ns) : NS_NEVER) {
            c.deadline_ns = weir_deadline_now();
            run_attempts(&c);
        }
        if (policy->budget != NULL)
            weir_budget_leave(policy->budget);
    }
    return finish(&c, ret_report);
}

const char *weir_call_reason_text(enum weir_call_reason reason)
{
    static const char *const texts[] = {
        [WEIR_CALL_OK] = "ok",
        [WEIR_CALL_FAILED] = "failed",
        [WEIR_CALL_ATTEMPTS] = "attempts",
        [WEIR_CALL_BUDGET] = "budget",
        [WEIR_CALL_SHED] = "shed",
        [WEIR_CALL_THROTTLE] = "throttle",
        [WEIR_CALL_BREAKER] = "breaker",
        [WEIR_CALL_BUCKET] = "bucket",
        [WEIR_CALL_PACER] = "pacer",
        [WEIR_CALL_BULKHEAD] = "bulkhead",
        [WEIR_CALL_ADAPTIVE] = "adaptive",
        [WEIR_CALL_DEADLINE] = "deadline",
        [WEIR_CALL_CANCELLED] = "cancelled",
        [WEIR_CALL_PANIC] = "panic",
        [WEIR_CALL_RESOURCES] = "resources",
    };

    ASSERT((unsigned)reason < WEIR_CALL_REASONS);
    return texts[reason];
}
