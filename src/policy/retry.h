/* May a failed attempt be tried again, where, and after how long? A pure decision from facts about
 * the attempt (RFC 9110 section 9.2.2), and the budget that keeps retries from becoming the load
 * (Envoy's retry budget: retries at once <= max(floor, percent of the requests in flight)). */
#ifndef WEIR_POLICY_RETRY_H
#define WEIR_POLICY_RETRY_H

#include <stdatomic.h>

#include "base/text.h"

/* How the attempt failed. */
enum retry_failure {
    RETRY_REFUSED_LOCALLY, /* the endpoint's own bound here (connections_max): nothing was tried */
    RETRY_CONNECT,         /* refused, unroutable, or the connect timed out */
    RETRY_CLOSED,          /* connection lost before the first byte of the response */
    RETRY_TIMEOUT,         /* no response in time */
    RETRY_BROKEN,          /* the response began and broke off, or was not HTTP */
    RETRY_STATUS,          /* a response came, with a status that is to be retried */
    RETRY_CLIENT,          /* not the upstream's doing: client gone, body broken, stopping */
    RETRY_FAILURE_MAX,
};

struct retry_options {
    uint32_t attempts;       /* sends in all; 0 and 1: no retry */
    int64_t backoff_ns;      /* before the 2nd send to the same endpoint; doubles with every one */
    int64_t backoff_max_ns;  /* 0: 10 * backoff_ns */
    uint32_t factor;         /* of one wait to the next; 0: 2 */
    bool from_previous;      /* the wait as it was, jitter included, times factor */
    bool backoff_everywhere; /* also before another endpoint */
    uint32_t jitter_percent; /* 0: exact; 100: uniform in (0, backoff] */
    int64_t reserve_ns;      /* an attempt is not worth starting with less time left than this */
    uint32_t budget_percent; /* of the requests in flight */
    uint32_t budget_min;     /* retries at once that are always allowed: 3 */
};

struct retry_attempt {
    enum retry_failure failure;
    uint32_t attempts;     /* made so far, this one included */
    uint64_t sent_bytes;   /* of this attempt's request, head included, given to the connection */
    bool idempotent;       /* the method */
    bool reused;           /* the connection had served a request before */
    bool response_started; /* towards the client: even a byte */
    bool body_replayable;  /* no body, or all of it can still be sent */
    bool others;           /* an endpoint that was not tried yet is usable */
    bool retry_in_front;   /* a gateway in front has sent it before */
    int64_t wait_ns;       /* the endpoint asked for (Retry-After); 0: nothing */
    int64_t previous_ns;   /* the wait before the last attempt; 0: none */
    bool same_refuses;     /* the breaker of the endpoint that failed is open */
    int64_t now_ns;
    int64_t deadline_ns; /* of the whole request; NS_NEVER: none */
    uint64_t random;     /* chance for the jitter */
};

enum retry_verdict {
    /* yes; a slot of the budget is taken */
    RETRY_SAME,  /* the same endpoint, on a fresh connection */
    RETRY_OTHER, /* an endpoint not tried yet */
    /* no, because ... */
    RETRY_NO_OFF,            /* attempts <= 1 */
    RETRY_NO_ATTEMPTS,       /* all of them made */
    RETRY_NO_STARTED,        /* the client has part of a response */
    RETRY_NO_FAILURE,        /* this kind of failure is not retried */
    RETRY_NO_NOT_IDEMPOTENT, /* the upstream may have acted on it */
    RETRY_NO_BODY,           /* the body is gone */
    RETRY_NO_DEADLINE,       /* no time left for backoff and attempt */
    RETRY_NO_BUDGET,         /* too many retries are running */
    RETRY_NO_AGAIN,          /* it is a retry already, of a gateway in front */
    RETRY_NO_CIRCUIT,        /* no other endpoint, and the breaker of this one is open */
    RETRY_VERDICT_MAX,
};

struct retry_decision {
    enum retry_verdict verdict;
    int64_t backoff_ns; /* to wait before; 0 with RETRY_OTHER and after a stale connection */
};

static inline bool retry_yes(enum retry_verdict v)
{
    return v <= RETRY_OTHER;
}

/* Timeless: no window, two counts in one word. Kept with the upstream across generations. */
struct retry_budget {           /* zero-initialised */
    atomic_uint_least64_t word; /* requests in flight (32, low) | retries (32, high) */
};

/* Around every request (not attempt) to the upstream. */
void retry_budget_enter(struct retry_budget *b);
void retry_budget_leave(struct retry_budget *b);
/* True: a retry may run, its slot is taken, from before the backoff until the attempt ended. */
bool retry_budget_take(struct retry_budget *b, uint32_t percent, uint32_t min);
void retry_budget_give(struct retry_budget *b);

/* Decides. On yes a slot of the budget is taken: call retry_budget_give() once when that retry has
 * ended. Any thread, does not park. */
struct retry_decision retry_decide(const struct retry_attempt *a, const struct retry_options *o,
                                   struct retry_budget *b);

/* The wait before send number n (n >= 2) to one endpoint: base * 2^(n-2), at most the maximum, less
 * the jitter. Never negative, saturates. */
int64_t retry_backoff_ns(const struct retry_options *o, uint32_t n, uint64_t random);

/* "same_endpoint", "other_endpoint", "off", "attempts", "response_started", "failure_kind",
 * "not_idempotent", "body_gone", "deadline", "budget", "retried_in_front", "circuit_open". */
struct str retry_verdict_text(enum retry_verdict v);

#endif
