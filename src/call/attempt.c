/* One attempt: guards, the function, what its result means, guards again. */
#include <weir/scope.h>

#include "call/call.h"
#include "runtime/stack.h"

static enum weir_outcome plain_outcome(int result)
{
    if (result >= 0)
        return WEIR_OUTCOME_OK;
    return result == -ECANCELED ? WEIR_OUTCOME_IGNORED : WEIR_OUTCOME_FAILED;
}

static bool plain_retryable(int result)
{
    switch (result) {
    case -ETIMEDOUT:
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
        return true;
    default:
        return false;
    }
}

static int call_in_time(struct attempt *a)
{
    const struct call *c = a->call;
    int result = 0;

    if (c->policy->try_timeout_ns == 0)
        return c->fn(a->arg);
    WEIR_DEADLINE (a->start_ns + c->policy->try_timeout_ns) {
        result = c->fn(a->arg);
    }
    return result;
}

/* The caller's functions, all of which may panic. */
static void call_and_classify(void *arg)
{
    struct attempt *a = arg;
    const struct weir_policy *p = a->call->policy;

    a->result = call_in_time(a);
    a->took_ns = weir_now() - a->start_ns;
    a->outcome = p->classify != NULL ? p->classify(a->result, a->arg) : plain_outcome(a->result);
    if (a->outcome != WEIR_OUTCOME_FAILED)
        return;
    a->retryable =
        p->retryable != NULL ? p->retryable(a->result, a->arg) : plain_retryable(a->result);
    if (a->retryable && p->retry_after_ns != NULL)
        a->retry_after_ns = p->retry_after_ns(a->result, a->arg);
}

static bool caller_cancelled(void)
{
    return atomic_load_explicit(&co_self()->cancelled, memory_order_relaxed);
}

/* The time of the whole call was up. The callee's fault, unless we made it wait here. */
static void expire(struct attempt *a)
{
    bool queued = a->call->report.queued_ns + a->queued_ns > 0;

    a->reason = WEIR_CALL_DEADLINE;
    a->result = -ETIMEDOUT;
    a->outcome = queued ? WEIR_OUTCOME_IGNORED : WEIR_OUTCOME_FAILED;
}

/* What the end of fn means, beside what its result says. */
static void judge(struct attempt *a)
{
    enum attempt_stop stop = atomic_load_explicit(&a->stop, memory_order_acquire);

    if (stop == STOP_LOST) {
        a->reason = WEIR_CALL_CANCELLED;
        a->outcome = WEIR_OUTCOME_IGNORED;
    } else if (a->outcome == WEIR_OUTCOME_OK) {
        a->reason = WEIR_CALL_OK;
    } else if (stop == STOP_EXPIRED) {
        expire(a);
    } else if (caller_cancelled()) {
        a->reason = WEIR_CALL_CANCELLED;
        a->outcome = WEIR_OUTCOME_IGNORED;
    } else if (a->result == -ETIMEDOUT && weir_now() >= a->call->deadline_ns) {
        expire(a);
    } else {
        a->reason = WEIR_CALL_FAILED;
    }
}

static void tell(const struct attempt *a)
{
    const struct weir_policy *p = a->call->policy;
    struct weir_call_attempt event = {
        .policy = p->name,
        .number = a->number,
        .hedge = a->hedge,
        .reason = a->reason,
        .outcome = a->outcome,
        .result = a->result,
        .took_ns = a->took_ns,
    };

    if (p->on_attempt != NULL)
        p->on_attempt(&event, p->event_arg);
}

void attempt_run(struct attempt *a)
{
    int code;

    a->reason = admission_enter(a);
    if (a->reason == WEIR_CALL_OK) {
        a->called = true;
        a->start_ns = weir_now();
        code = weir_try(call_and_classify, a, &a->panic);
        if (code < 0) {
            a->took_ns = weir_now() - a->start_ns;
            a->reason = WEIR_CALL_PANIC;
            a->result = code;
            a->outcome = WEIR_OUTCOME_FAILED;
        } else {
            judge(a);
        }
    }
    admission_leave(a);
    tell(a);
}
