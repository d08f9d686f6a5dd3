/* Trying again: how long to wait, how much of it is allowed, and what the other side asked for.
 *
 * The parts that weir_call() (<weir/call.h>) puts together, for who puts them together otherwise.
 * Decisions only: nothing here parks, allocates or asks for time or chance; random is any 64 bits
 * of chance. May be shared by coroutines and threads, but for struct weir_backoff_state.
 */
#ifndef WEIR_RETRY_H
#define WEIR_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

enum weir_backoff_kind {
    WEIR_BACKOFF_EXPONENTIAL, /* base, base * m, base * m^2, ... */
    WEIR_BACKOFF_CONSTANT,    /* base, base, ... */
    WEIR_BACKOFF_LINEAR,      /* base, 2 * base, 3 * base, ... */
    /* Spread so that the waits of many callers cover the time evenly (the second formula of
     * Polly's contributed strategies); has its own jitter, doubles on average. */
    WEIR_BACKOFF_DECORRELATED,
};

/* How much of a wait is left to chance, in percent; other values do, too. Without jitter all who
 * failed together come back together. */
enum {
    WEIR_JITTER_NONE = 0,
    WEIR_JITTER_EQUAL = 50, /* half of it is sure */
    WEIR_JITTER_FULL = 100, /* anything down to nothing */
};

struct weir_backoff {
    enum weir_backoff_kind kind;
    uint32_t multiplier_percent; /* exponential: 200 doubles; 0: 200 */
    uint32_t jitter_percent;
    int64_t base_ns;
    int64_t max_ns; /* 0: none */
};

/* What decorrelated waits remember; zero-initialised, one for each call. */
struct weir_backoff_state {
    double previous_;
};

/* The wait after failed attempt number `attempt` (1, 2, ...). Never negative, never above max_ns;
 * what would be larger than an int64_t is INT64_MAX. state may be NULL for other kinds than
 * decorrelated, where attempts must come in order. */
WEIR_API int64_t weir_backoff_ns(const struct weir_backoff *options,
                                 struct weir_backoff_state *state, uint32_t attempt,
                                 uint64_t random);

/* Retry budget: of the calls in flight, at most so many percent may be retries, but always a few
 * (Envoy's retry budget). Timeless: two counts in one word. A call counts as in flight while it
 * retries, so the budget does not shrink when everything fails. */
struct weir_budget {
    uint64_t word_; /* in flight (32, low) | retries (32) */
    uint32_t percent_, floor_;
};

/* 20 and 3 are usual. */
WEIR_API void weir_budget_init(struct weir_budget *b, uint32_t percent, uint32_t floor);
/* Around every call, whatever becomes of it. */
WEIR_API void weir_budget_enter(struct weir_budget *b);
WEIR_API void weir_budget_leave(struct weir_budget *b);
/* True: one more retry may run; give its slot back once, when it has ended. To be taken before the
 * wait: waiting retries are load to come. */
WEIR_API bool weir_budget_take(struct weir_budget *b);
WEIR_API void weir_budget_give(struct weir_budget *b);

struct weir_budget_view {
    uint32_t in_flight, retries, allowed;
};
WEIR_API struct weir_budget_view weir_budget_view(const struct weir_budget *b);

/* The value of a Retry-After field (RFC 9110 section 10.2.3): seconds, or a date in one of the
 * three forms of HTTP, which needs unix_now_s, the wall clock's seconds since 1970. *ret_ns is how
 * long to wait: 0 for a date in the past, at most max_ns. -EINVAL: it is neither. */
WEIR_API int weir_retry_after_parse(const char *text, size_t length, int64_t unix_now_s,
                                    int64_t max_ns, int64_t *ret_ns);

/* How long calls took lately: the last 128 of them, for hedging. Zero-initialised. */
struct weir_latency {
    int64_t took_ns_[128];
    uint64_t count_;
    uint32_t lock_;
};

/* Adds a call. */
WEIR_API void weir_latency_add(struct weir_latency *l, int64_t took_ns);
/* So many percent (1..100) of the calls seen took no longer than this. -1: fewer than 20 were
 * seen. Sorts 128 numbers: some microseconds. */
WEIR_API int64_t weir_latency_percentile_ns(struct weir_latency *l, uint32_t percent);

#endif
