/* Bulkhead: at most so many at once, and a short queue in front.
 *
 *     r = weir_bulkhead_enter(&b, priority, &refusal);
 *     if (r == 0) {
 *         call();
 *         weir_bulkhead_leave(&b);    // exactly once per enter
 *     }
 *
 * So a dependency that has become slow holds so many callers at most, and not the whole process.
 * Who waits is served by priority, higher first, and within a priority in the order of arrival; a
 * place that is left goes to the one who waits, and nobody can overtake. Entering and leaving are a
 * compare-and-swap while nobody waits. May be shared by any number of coroutines.
 */
#ifndef WEIR_BULKHEAD_H
#define WEIR_BULKHEAD_H

#include <weir/runtime.h>

enum { WEIR_BULKHEAD_PRIORITIES = 4 }; /* 0: least, as in <weir/shed.h> */

struct weir_bulkhead_options {
    size_t size;          /* sizeof(struct weir_bulkhead_options) */
    uint32_t running_max; /* at once; at least 1 */
    uint32_t waiting_max; /* 0: nobody waits */
    int64_t max_wait_ns;  /* 0: nobody waits; INT64_MAX: only the caller's deadline ends a wait */
};

enum weir_bulkhead_refusal {
    WEIR_BULKHEAD_ENTERED,
    WEIR_BULKHEAD_FULL,      /* all places are taken, and those to wait in */
    WEIR_BULKHEAD_TIMED_OUT, /* waited for max_wait_ns */
    WEIR_BULKHEAD_DEADLINE,  /* the caller's own deadline came first */
    WEIR_BULKHEAD_CANCELLED,
    WEIR_BULKHEAD_REFUSALS,
};

struct weir_bulkhead {
    uint64_t word_;    /* running * 2, and whether somebody waits */
    uint32_t lock_;    /* of what follows, and of the word while somebody waits */
    uint32_t waiting_; /* in all queues */
    void *queues_[WEIR_BULKHEAD_PRIORITIES][2];
    uint32_t running_max_, waiting_max_;
    int64_t max_wait_ns_;
    uint64_t refused_[WEIR_BULKHEAD_REFUSALS];
};

/* Empty. -EINVAL: size, running_max 0, or a negative time. Needs no runtime and no destructor; its
 * memory may go when nobody is inside or waits. */
WEIR_API int weir_bulkhead_init(struct weir_bulkhead *b,
                                const struct weir_bulkhead_options *options);

/* Takes a place; parks while there is none, for max_wait_ns at most and never beyond the caller's
 * deadline. Only from a coroutine. 0: inside, leave once. Otherwise not, and *ret_refusal (may be
 * NULL) says why: -EAGAIN: full, or timed out; -ETIMEDOUT: the deadline; -ECANCELED. A priority
 * above 3 counts as 3. */
WEIR_API int weir_bulkhead_enter(struct weir_bulkhead *b, unsigned priority,
                                 enum weir_bulkhead_refusal *ret_refusal) WEIR_PARKS;

/* Takes a place if there is one and nobody waits. False: full. From any thread; does not park. */
WEIR_API bool weir_bulkhead_try_enter(struct weir_bulkhead *b);

/* Gives a place back, or to the first who waits. From any thread; does not park. */
WEIR_API void weir_bulkhead_leave(struct weir_bulkhead *b);

/* New bounds. More places go at once to those who wait; when there are fewer, nobody has to leave,
 * and nobody enters until enough have. Who waits already keeps its place and its time. -EINVAL as
 * above: nothing changed. From any thread; does not park. */
WEIR_API int weir_bulkhead_set(struct weir_bulkhead *b,
                               const struct weir_bulkhead_options *options);

struct weir_bulkhead_view {
    uint32_t running, waiting, running_max, waiting_max;
    uint64_t refused[WEIR_BULKHEAD_REFUSALS]; /* by enum weir_bulkhead_refusal */
};

/* Looking changes nothing. From any thread; does not park. */
WEIR_API struct weir_bulkhead_view weir_bulkhead_view(const struct weir_bulkhead *b);
/* "entered", "full", "timed_out", "deadline", "cancelled". */
WEIR_API const char *weir_bulkhead_refusal_text(enum weir_bulkhead_refusal refusal);

#endif
