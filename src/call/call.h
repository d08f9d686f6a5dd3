/* A call and its attempts, between the files of this layer. */
#ifndef WEIR_CALL_CALL_H
#define WEIR_CALL_CALL_H

#include <stdatomic.h>

#include <weir/call.h>
#include <weir/panic.h>

#include "base/base.h"

/* Permits taken less permits given back, by guard. All are zero when a call ends, or a permit was
 * lost or given back twice. Attempts of a hedged call run at once. */
struct call_ledger {
    atomic_int breaker, bulkhead, adaptive, budget;
};

struct call {
    const struct weir_policy *policy;
    int (*fn)(void *arg);
    void *arg;
    int64_t began_ns, deadline_ns;
    struct weir_call_report report;
    struct call_ledger ledger;

    /* Written between attempts. */
    struct weir_backoff_state backoff;
    uint32_t numbers;             /* given to attempts */
    uint32_t failures;            /* of attempts, for the ladder */
    int64_t last_took_ns;         /* of the attempt whose result is the call's */
    int64_t hint_ns;              /* what the last result asked to wait */
    bool retryable;               /* the last result is */
    struct weir_panic_info panic; /* of the attempt that ended the call with it */
};

/* Why somebody else has ended an attempt. */
enum attempt_stop {
    STOP_NOT,
    STOP_LOST, /* the other one of a hedge has won, or the caller is cancelled */
    STOP_EXPIRED,
};

struct attempt {
    struct call *call;
    void *arg;
    uint32_t number;
    bool hedge;
    _Atomic(enum attempt_stop) stop;

    /* What it holds. */
    struct weir_breaker_token token;
    bool holds_breaker, holds_bulkhead, holds_adaptive;

    /* How it went. */
    enum weir_call_reason reason;
    enum weir_bulkhead_refusal bulkhead;
    enum weir_outcome outcome;
    int result;
    bool called; /* fn was */
    bool retryable;
    int64_t start_ns, took_ns, queued_ns, retry_after_ns;
    struct weir_panic_info panic;
};

/* attempt.c: asks the guards, calls fn, tells the guards. Everything is handed back when it
 * returns, and nothing goes past it: a panic is in a->panic. */
void attempt_run(struct attempt *a) WEIR_PARKS;

/* admission.c: passes all guards, or fills in the refusal. Then hands back what is held. */
enum weir_call_reason admission_enter(struct attempt *a) WEIR_PARKS;
void admission_leave(struct attempt *a);

/* hedge.c: an attempt, and a second one beside it if that is slow. */
bool hedge_wanted(const struct weir_policy *p);
void hedge_run(struct call *c) WEIR_PARKS;

/* call.c: adds a finished attempt to the report. */
void call_count(struct call *c, const struct attempt *a);
/* Makes its result the call's. */
void call_adopt(struct call *c, const struct attempt *a);

static inline bool call_take_budget(struct call *c)
{
    if (c->policy->budget == NULL)
        return true;
    if (!weir_budget_take(c->policy->budget))
        return false;
    atomic_fetch_add_explicit(&c->ledger.budget, 1, memory_order_relaxed);
    return true;
}

static inline void call_give_budget(struct call *c)
{
    if (c->policy->budget == NULL)
        return;
    weir_budget_give(c->policy->budget);
    atomic_fetch_sub_explicit(&c->ledger.budget, 1, memory_order_relaxed);
}

#endif
