/* Adaptive concurrency: how many calls may run at once, learned from how long they take.
 *
 * A limit of the queueing kind grows while calls are as fast as usual and shrinks when they get
 * slower, so that a server that has reached its capacity is not driven past it. None of the three
 * ways to learn probes by holding traffic back: what is refused is refused because of load.
 * Decisions only; does not park or allocate; may be shared.
 */
#ifndef WEIR_ADAPTIVE_H
#define WEIR_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

enum weir_adaptive_kind {
    WEIR_ADAPTIVE_GRADIENT, /* long against short round-trip time (Netflix concurrency-limits,
                               Gradient2) */
    WEIR_ADAPTIVE_VEGAS,    /* an estimate of the queue (TCP Vegas, Brakmo and Peterson, 1994) */
    WEIR_ADAPTIVE_AIMD,     /* one more when well, a tenth less when not (Chiu and Jain, 1989) */
};

struct weir_adaptive_options {
    size_t size; /* sizeof(struct weir_adaptive_options) */
    enum weir_adaptive_kind kind;
    uint32_t initial, min, max; /* calls at once */
    int64_t window_ns;          /* least time a sample is gathered over */
    uint32_t window_calls;      /* and least number of calls */
    int64_t ignore_below_ns;    /* calls faster than this say nothing */
    int64_t timeout_ns;         /* AIMD: a slower call counts as failed; 0: only failures do */
};

/* Gradient, 20 to begin with, 20 to 200; a second and ten calls a sample. */
WEIR_API struct weir_adaptive_options weir_adaptive_defaults(void);

struct weir_adaptive {
    struct weir_adaptive_options options_;
    uint32_t limit_, running_, lock_;
    /* The window that is being gathered. */
    int64_t window_began_ns_, rtt_sum_ns_;
    uint32_t calls_, running_max_, failed_;
    /* What was learned. */
    double learned_, long_rtt_ns_;
    uint64_t samples_;
};

/* -EINVAL: an option out of its range. */
WEIR_API int weir_adaptive_init(struct weir_adaptive *a, const struct weir_adaptive_options *o,
                                int64_t now_ns);

/* 0: go ahead, and leave once. -EAGAIN: as many run as may. share_percent is how much of the limit
 * this caller may fill: 100, or less for what is less important. */
WEIR_API int weir_adaptive_enter(struct weir_adaptive *a, uint32_t share_percent);

enum weir_adaptive_result {
    WEIR_ADAPTIVE_OK,
    WEIR_ADAPTIVE_FAILED,  /* dropped or timed out: a sign of too much */
    WEIR_ADAPTIVE_IGNORED, /* says nothing: the caller went away */
};

/* The call that began at start_ns has ended now. */
WEIR_API void weir_adaptive_leave(struct weir_adaptive *a, enum weir_adaptive_result result,
                                  int64_t start_ns, int64_t now_ns);

/* Forgets what was learned: the limit is as in the beginning. What runs stays counted. */
WEIR_API void weir_adaptive_reset(struct weir_adaptive *a, int64_t now_ns);

WEIR_API uint32_t weir_adaptive_limit(const struct weir_adaptive *a);
WEIR_API uint32_t weir_adaptive_running(const struct weir_adaptive *a);

#endif
