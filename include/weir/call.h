/* A call under policies: timeouts, retries, breaker, limits, shedding, hedging, fallback, in the
 * one order in which they are right together.
 *
 *     static const struct weir_policy policy = {
 *         .size = sizeof(policy), .name = "stock",
 *         .timeout_ns = 3 * WEIR_S, .try_timeout_ns = 900 * WEIR_MS,
 *         .attempts = 3, .backoff = {.base_ns = 100 * WEIR_MS},
 *         .budget = &budget, .breaker = &breaker,
 *         .fallback = stock_from_cache,
 *     };
 *
 *     r = weir_call(&policy, ask_for_stock, &query, NULL);
 *
 * From outside in:
 *
 *     fallback, optional            what is returned when the call fails
 *     shed, throttle                may this call begin at all?
 *     timeout                       of everything inside, with waits
 *     retry, budget, hedge          for each attempt:
 *         breaker                       may this be called?
 *         bucket, pacer                 how often?
 *         bulkhead, adaptive            how many at once?
 *         try_timeout                   of one attempt
 *             fn(arg)
 *
 * Each guard that lets an attempt pass is told exactly once how it went, on every way out. A guard
 * that refuses ends the call: refusals are not retried here, cost no budget, and count nowhere as
 * failures; what the guards before it had given is handed back. Whoever has waited for a turn or a
 * place asks the breaker once more before calling. The guards may be shared by any number of calls
 * and policies; a policy is constant while it is used.
 */
#ifndef WEIR_CALL_H
#define WEIR_CALL_H

#include <weir/adaptive.h>
#include <weir/breaker.h>
#include <weir/bulkhead.h>
#include <weir/limiter.h>
#include <weir/retry.h>
#include <weir/runtime.h>
#include <weir/shed.h>
#include <weir/throttle.h>

/* Why a call ended as it did. */
enum weir_call_reason {
    WEIR_CALL_OK,
    /* attempts were made, and the last one failed */
    WEIR_CALL_FAILED,   /* in a way that is not retried, or retries are off */
    WEIR_CALL_ATTEMPTS, /* all of them failed */
    WEIR_CALL_BUDGET,   /* no more retries are allowed now */
    /* refused by a guard, before the first attempt or before a further one */
    WEIR_CALL_SHED,
    WEIR_CALL_THROTTLE,
    WEIR_CALL_BREAKER, /* open; perhaps through this call's own failures */
    WEIR_CALL_BUCKET,
    WEIR_CALL_PACER,
    WEIR_CALL_BULKHEAD,
    WEIR_CALL_ADAPTIVE,
    /* either */
    WEIR_CALL_DEADLINE,  /* over, or too near for another wait */
    WEIR_CALL_CANCELLED, /* the caller is */
    WEIR_CALL_PANIC,     /* fn has panicked; the panic goes on */
    WEIR_CALL_RESOURCES, /* no coroutine or memory for a hedged attempt */
    WEIR_CALL_REASONS,
};

/* All times are spans; queued_ns is of all attempts together. */
struct weir_call_report {
    enum weir_call_reason reason;
    enum weir_bulkhead_refusal bulkhead; /* with WEIR_CALL_BULKHEAD */
    enum weir_shed_reason shed;          /* with WEIR_CALL_SHED */
    int result;                /* of the last attempt, or the refusal's: before fallback */
    bool fell_back;            /* what is returned is the fallback's */
    bool emptied;              /* the policy's "optional" made an error 0 */
    uint32_t attempts, hedges; /* that called fn; hedges are among the attempts */
    uint32_t winner;           /* the attempt that succeeded, from 1; 0: none */
    int64_t retry_after_ns;    /* refused: when to ask again; 0: not known */
    int64_t took_ns, queued_ns, backoff_ns;
};

/* One attempt that called fn, or that was refused by a guard. */
struct weir_call_attempt {
    const char *policy;
    uint32_t number; /* from 1; a refused one has that of the attempt it would have been */
    bool hedge;
    enum weir_call_reason reason; /* OK, FAILED, PANIC, CANCELLED, DEADLINE; or the guard's */
    enum weir_outcome outcome;    /* what its guards were told */
    int result;
    int64_t took_ns; /* in fn */
};

struct weir_policy {
    size_t size;      /* sizeof(struct weir_policy); fields may be added at the end */
    const char *name; /* for the events; may be NULL */

    int64_t timeout_ns;     /* of the whole call; 0: only the caller's deadline holds */
    int64_t try_timeout_ns; /* of an attempt; 0: none of its own */

    uint32_t attempts; /* in all; 0 and 1: no retry */
    struct weir_backoff backoff;
    int64_t reserve_ns;         /* a retry is not begun with less than this left after its wait */
    int64_t retry_after_max_ns; /* a longer wait asked for is cut to this; 0: 30 s */
    struct weir_budget *budget; /* each guard: NULL: none */

    struct weir_breaker *breaker;
    struct weir_bucket *bucket;
    struct weir_pacer *pacer;
    struct weir_bulkhead *bulkhead;
    struct weir_adaptive *adaptive;
    struct weir_throttle *throttle;
    struct weir_shed *shed; /* its capacity rule needs a bulkhead, adaptive limit or budget, which
                               know how many run */
    unsigned priority;      /* 0..3, for shed and bulkhead */
    uint32_t share_percent; /* of the adaptive limit; 0: 100 */

    /* Hedging: an attempt that has not answered after hedge_ns, or after hedge_percentile of the
     * latencies in `latency` once enough were seen, is joined by a second one; the first to succeed
     * wins, the other is cancelled and waited for. 0 and 0: off. Each attempt then runs in a
     * coroutine of its own, which has the deadline and the cancellation of the caller. Both get
     * arg; with arg_bytes each gets a copy of so many bytes, and the winner's (or last one's) is
     * copied back. fn must be fit to be run twice at once. */
    int64_t hedge_ns;
    uint32_t hedge_percentile;
    struct weir_latency *latency; /* is told how long successes took; also without hedging */
    size_t arg_bytes;

    /* What a result means. NULL: 0 and more: OK; -ECANCELED: ignored; others: failed. Of a caller
     * that was cancelled everything but success is ignored anyway. */
    enum weir_outcome (*classify)(int result, void *arg);
    /* Whether a failed result is worth another attempt. NULL: timeouts and failures to connect
     * (-ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EHOSTDOWN). */
    bool (*retryable)(int result, void *arg);
    /* What the other side has asked to wait, by Retry-After or otherwise; 0: nothing. A retry waits
     * for that or the backoff, whichever is longer. */
    int64_t (*retry_after_ns)(int result, void *arg);

    /* The result instead, when the call failed or was refused, but not when the caller is cancelled
     * or panics. Runs under the caller's deadline, not the policy's. */
    int (*fallback)(void *arg, const struct weir_call_report *report);
    bool optional; /* whatever error is left becomes 0: callers see "nothing" instead */

    /* After each attempt, on its coroutine, and once after the call; its guards have been told by
     * then. on_attempt must not panic. */
    void (*on_attempt)(const struct weir_call_attempt *attempt, void *event_arg);
    void (*on_call)(const struct weir_policy *policy, const struct weir_call_report *report,
                    void *event_arg);
    void *event_arg;
};

/* Calls fn(arg) under the policy. Returns fn's result, or fallback's; 0 when optional; when no
 * attempt was made: -EAGAIN (refused; *ret_report says by whom and until when), -ETIMEDOUT,
 * -ECANCELED. When all attempts failed, or a guard refused a further one: the last result. -EINVAL:
 * the policy cannot be right (size, a negative time, hedging with a percentile above 100 or without
 * latencies). ret_report may be NULL; it is filled in on every return, and before a panic goes on,
 * but not with -EINVAL. Only from a coroutine.
 *
 * What the guards are told: success: OK; failure, own timeout of an attempt, panic: failed;
 * cancelled, or lost to a hedge: ignored; the deadline of the call ended an attempt: failed, unless
 * part of the time went by in queues here, which is not the callee's fault: ignored. The breaker
 * counts attempts, and after the failed attempt number k of a call that retries it is asked
 * weir_breaker_ladder(k). */
WEIR_API int weir_call(const struct weir_policy *policy, int (*fn)(void *arg), void *arg,
                       struct weir_call_report *ret_report) WEIR_PARKS;

/* "ok", "failed", "attempts", "budget", "shed", ... */
WEIR_API const char *weir_call_reason_text(enum weir_call_reason reason);

#endif
