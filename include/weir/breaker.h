/* Circuit breaker: stops calling what fails, and finds out carefully whether it is well again.
 *
 *     struct weir_breaker_token token;
 *     if (weir_breaker_acquire(&b, weir_now(), &token, &retry_after_ns) == 0) {
 *         outcome = call();
 *         weir_breaker_report(&b, &token, outcome, weir_now());    // exactly once per acquire
 *     }
 *
 * Closed: calls pass and are counted. Open: none pass until open_ns are over. Half-open: `probes`
 * calls pass; when all succeed it closes, when one fails it opens again. A probe's permit is a
 * lease: when no verdict has come within lease_ns the permits are given out anew, so a probe that
 * is lost holds nothing up. Every change of state begins a generation, and what calls of an older
 * one report counts for nothing.
 *
 * Decisions only: no call parks, allocates or locks for longer than a few instructions. May be
 * shared by any number of coroutines and threads. now_ns is monotonic time as of weir_now().
 */
#ifndef WEIR_BREAKER_H
#define WEIR_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

enum weir_breaker_state {
    WEIR_BREAKER_CLOSED,
    WEIR_BREAKER_OPEN,
    WEIR_BREAKER_HALF_OPEN,
    WEIR_BREAKER_FORCED_OPEN,  /* by an operator, until set otherwise */
    WEIR_BREAKER_DISABLED,     /* lets everything pass and counts nothing */
    WEIR_BREAKER_METRICS_ONLY, /* lets everything pass and counts */
};

enum weir_breaker_reason {
    WEIR_BREAKER_CONSECUTIVE,     /* so many failures in a row */
    WEIR_BREAKER_FAILURE_RATE,    /* share of failures in the window */
    WEIR_BREAKER_SLOW_RATE,       /* share of slow calls in the window */
    WEIR_BREAKER_RETRY_EXHAUSTED, /* see weir_breaker_ladder() */
    WEIR_BREAKER_PROBE_FAILED,
    WEIR_BREAKER_PROBE_DUE,     /* open_ns are over, the first probe passes */
    WEIR_BREAKER_PROBES_PASSED, /* closes */
    WEIR_BREAKER_LEASE_OVER,    /* half-open still, with new permits */
    WEIR_BREAKER_OPERATOR,
};

enum weir_outcome {
    WEIR_OUTCOME_OK,
    WEIR_OUTCOME_FAILED,
    WEIR_OUTCOME_IGNORED, /* says nothing: the caller went away, a later guard refused */
};

struct weir_breaker_event {
    enum weir_breaker_state from, to;
    enum weir_breaker_reason reason;
    uint32_t generation; /* that began */
    int64_t now_ns;
    int64_t open_ns; /* to WEIR_BREAKER_OPEN: for how long */
};

struct weir_breaker_options {
    size_t size;                   /* sizeof(struct weir_breaker_options) */
    uint32_t consecutive_failures; /* opens on this one; 0: off */
    uint32_t failure_percent;      /* opens at this share or above; 0: off */
    uint32_t slow_percent;         /* of calls slower than slow_ns; 0: off */
    int64_t slow_ns;
    uint32_t calls_min;           /* in the window before a share means anything */
    uint32_t ladder_calls_min;    /* the same for weir_breaker_ladder() */
    int64_t window_ns;            /* of the counts, in ten slices; used when window_calls is 0 */
    uint32_t window_calls;        /* the last so many calls instead, at most 1024 */
    int64_t open_ns;              /* its end is rounded up to the millisecond */
    int64_t open_max_ns;          /* open_ns doubles with each opening in a row up to this */
    uint32_t open_jitter_percent; /* shortens it by up to this share, so that many do not probe at
                                     once */
    uint32_t probes;              /* half-open, at most 31 */
    int64_t lease_ns;             /* of a probe's permit; rounded up to 10 ms */
    int64_t
        recovery_ns; /* once closed again, the admitted share rises from 10 % over this; 0: all */
    uint64_t seed;   /* chance for the jitter */

    /* Told of every change by the call that caused it, after it, outside any lock: may use the
     * breaker. Must not park. NULL: nobody. */
    void (*on_event)(void *arg, const struct weir_breaker_event *event);
    void *arg;
};

/* 5 in a row, or 50 % of at least 20 calls in 10 s; open 30 s; one probe per lease of 10 s. */
WEIR_API struct weir_breaker_options weir_breaker_defaults(void);

enum { WEIR_BREAKER_SHARDS_ = 4 };

struct weir_breaker {
    uint64_t word_; /* state, generation, and what the state needs: policy/breaker.c */
    int64_t birth_ns_;
    int64_t closed_ns_; /* when it closed last; for the recovery */
    uint32_t trips_;    /* in a row */
    uint32_t armed_;    /* the share is reached, only calls are missing */
    uint32_t ramp_;
    uint64_t refused_, late_;
    struct weir_breaker_options options_;
    struct {
        struct {
            uint64_t slices_[10][2];
        } __attribute__((aligned(64))) shards_[WEIR_BREAKER_SHARDS_];
        uint64_t from_, current_, slice_ns_;
        uint64_t failed_[16], slow_[16];
        uint32_t next_, calls_, failures_, slows_;
        uint32_t lock_;
    } window_;
} __attribute__((aligned(64)));

/* Closed. -EINVAL when an option is out of its range. The breaker must stay where it is. */
WEIR_API int weir_breaker_init(struct weir_breaker *b, const struct weir_breaker_options *options,
                               int64_t now_ns);

/* Other numbers from now on, while calls run; state and counts stay, but for the counts when
 * window_ns changes. on_event, arg and seed stay as they were. -EINVAL: out of range, or another
 * window_calls. One caller at a time. */
WEIR_API int weir_breaker_change(struct weir_breaker *b, const struct weir_breaker_options *options,
                                 int64_t now_ns);

struct weir_breaker_token {
    int64_t start_ns_;
    uint32_t generation_;
};

/* 0: go ahead, and report once. -EAGAIN: refused; *ret_retry_after_ns (may be NULL) says when it
 * may be worth while to ask again, INT64_MAX: when an operator has changed it. */
WEIR_API int weir_breaker_acquire(struct weir_breaker *b, int64_t now_ns,
                                  struct weir_breaker_token *ret, int64_t *ret_retry_after_ns);

WEIR_API bool weir_breaker_admits_(const struct weir_breaker *b, int64_t now_ns,
                                   int64_t *ret_retry_after_ns);

/* Whether acquire would let a call pass now (a recovery aside); changes nothing. False:
 * *ret_retry_after_ns (may be NULL) as of acquire. For choosing among several before one is
 * acquired. */
static inline bool weir_breaker_admits(const struct weir_breaker *b, int64_t now_ns,
                                       int64_t *ret_retry_after_ns)
{
    return __atomic_load_n(&b->word_, __ATOMIC_RELAXED) >> 61 == WEIR_BREAKER_CLOSED ||
           weir_breaker_admits_(b, now_ns, ret_retry_after_ns);
}

/* Open: the next call is a probe, without waiting for the end of open_ns. For who has learnt in
 * another way that it may be well again. */
WEIR_API void weir_breaker_hasten(struct weir_breaker *b, int64_t now_ns);

/* How the call went; it was slow when it began more than slow_ns ago. True: the breaker is open
 * now, or was already. */
WEIR_API bool weir_breaker_report(struct weir_breaker *b, const struct weir_breaker_token *token,
                                  enum weir_outcome outcome, int64_t now_ns);

/* The same where nobody could stand in for what the breaker guards: failures in a row, which one
 * bad request repeated can bring about, do not open it; the share of failures among all calls
 * does. */
WEIR_API bool weir_breaker_report_share(struct weir_breaker *b,
                                        const struct weir_breaker_token *token,
                                        enum weir_outcome outcome, int64_t now_ns);

/* Breaker and retry together: after the failed attempt of this number (1, 2, ...) of one call at
 * one endpoint has been reported. Opens after the first when more than 50 % of at least
 * ladder_calls_min calls failed, after the second above 70 %, after the third in any case. True:
 * open; do not retry here. */
WEIR_API bool weir_breaker_ladder(struct weir_breaker *b, uint32_t failed_attempts, int64_t now_ns);

/* An operator's word: CLOSED resets, FORCED_OPEN, DISABLED, METRICS_ONLY. -EINVAL for others. */
WEIR_API int weir_breaker_set(struct weir_breaker *b, enum weir_breaker_state state,
                              int64_t now_ns);

struct weir_breaker_view {
    enum weir_breaker_state state;
    uint32_t generation;
    uint32_t consecutive_failures;
    uint32_t calls, failures, slow_calls; /* in the window */
    uint32_t probes_issued, probes_passed;
    int64_t until_ns;       /* of open_ns or the lease; INT64_MAX: none */
    uint64_t refused, late; /* calls since it began; reports that came too late to count */
};

/* Looking changes nothing. */
WEIR_API struct weir_breaker_view weir_breaker_view(const struct weir_breaker *b, int64_t now_ns);
WEIR_API const char *weir_breaker_state_text(enum weir_breaker_state state);
WEIR_API const char *weir_breaker_reason_text(enum weir_breaker_reason reason);

#endif
