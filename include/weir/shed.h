/* Load shedding: when there is more to do than can be done, refuse what matters least, early.
 *
 * Two rules. By pressure: how the process is doing (CPU, how long a coroutine waits until it runs,
 * memory, calls in flight) becomes one number from 0 to 1000, smoothed, and each priority is
 * refused from a pressure of its own on until the pressure has fallen well below that again. By
 * capacity: under pressure, no more calls at once than the best rate of completions seen lately
 * times the shortest time a call took lately (Little's law at the best observed point: the system
 * rule of Alibaba's Sentinel, which takes it from BBR).
 *
 * Whoever has the numbers feeds them ten times a second or so:
 *
 *     weir_shed_feed(&s, &(struct weir_shed_sample){.cpu_permille = 830}, weir_now());
 *     if (weir_shed_admit(&s, priority, running, &reason) < 0)
 *         refuse();
 *
 * Limits for single hot values of a parameter (a client, an article) are in <weir/keyed.h>.
 *
 * Decisions only: nothing here parks, allocates or asks for the time. May be shared by coroutines
 * and threads; admitting costs a load or two. now_ns is monotonic time as of weir_now().
 */
#ifndef WEIR_SHED_H
#define WEIR_SHED_H

#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

enum {
    WEIR_SHED_PRIORITIES = 4, /* 0: sheddable first ... 3: last */
    WEIR_SHED_NEVER = 1001,   /* a threshold that no pressure reaches */
};

enum weir_shed_source {
    WEIR_SHED_CPU,
    WEIR_SHED_QUEUE,
    WEIR_SHED_MEMORY,
    WEIR_SHED_RUNNING,
    WEIR_SHED_SOURCES,
};

/* Where a source begins to count (pressure 0) and where it is all there is (pressure 1000); between
 * them it is linear. full 0: the source is not used. */
struct weir_shed_range {
    int64_t calm, full;
};

struct weir_shed_options {
    size_t size; /* sizeof(struct weir_shed_options) */
    /* CPU in thousandths of what the process may use, delay of the run queue in nanoseconds,
     * memory in bytes, calls in flight. */
    struct weir_shed_range ranges[WEIR_SHED_SOURCES];
    int64_t smooth_ns;                          /* time constant; 0: none */
    uint32_t refuse_from[WEIR_SHED_PRIORITIES]; /* pressure; none may be below the one before */
    uint32_t hysteresis;    /* a priority is admitted again below refuse_from - hysteresis */
    uint32_t capacity_from; /* pressure from which the capacity rule holds; WEIR_SHED_NEVER: off */
};

/* CPU 500 to 1000 and queue delay 1 to 50 ms are used, memory and calls are not; one second;
 * refused from 600, 750, 900 and never; hysteresis 100; capacity from 600. */
WEIR_API struct weir_shed_options weir_shed_defaults(void);

struct weir_shed_sample {
    uint32_t cpu_permille;
    int64_t queue_delay_ns;
    uint64_t memory_bytes;
    uint64_t running;
};

struct weir_shed {
    struct weir_shed_options options_;
    uint32_t lock_;     /* of those who feed */
    uint32_t admitted_; /* the lowest priority that passes */
    uint32_t pressure_; /* 0..1000 */
    uint32_t source_;   /* the largest */
    uint32_t capacity_; /* UINT32_MAX: not known, or the rule does not hold now */
    int64_t fed_ns_;    /* INT64_MIN: never */
    int64_t smoothed_;  /* pressure * 2^20 */
    uint64_t refused_[2];
    uint64_t slices_[10][2]; /* number (24) | calls (40), number (24) | shortest in us (40) */
    int64_t birth_ns_;
};

/* Pressure 0: everything passes. -EINVAL: a range whose full is not above its calm, thresholds in
 * descending order or above 1001, a negative time. */
WEIR_API int weir_shed_init(struct weir_shed *s, const struct weir_shed_options *options,
                            int64_t now_ns);

/* Takes new options; pressure and what was learned stay. -EINVAL as above: nothing changed. */
WEIR_API int weir_shed_set(struct weir_shed *s, const struct weir_shed_options *options,
                           int64_t now_ns);

/* How things are now. The pressure is that of the worst source, moved towards by dt / (dt +
 * smooth_ns) where dt is the time since the last sample. Returns the new pressure. */
WEIR_API uint32_t weir_shed_feed(struct weir_shed *s, const struct weir_shed_sample *sample,
                                 int64_t now_ns);

/* The load that a call has put on the system is known now: it ran and took so long. Only needed for
 * the capacity rule. */
WEIR_API void weir_shed_done(struct weir_shed *s, int64_t took_ns, int64_t now_ns);

enum weir_shed_reason {
    WEIR_SHED_ADMITTED,
    WEIR_SHED_BY_PRIORITY,
    WEIR_SHED_BY_CAPACITY,
};

/* 0: go ahead. -EAGAIN: refused; *ret_reason (may be NULL) tells by which rule. priority above 3
 * counts as 3; running: calls at once without this one. When to ask again is not known; a second is
 * a fair answer. The capacity rule refuses whatever the priority, because more calls at once than
 * that only wait for each other; but never the first two. */
WEIR_API int weir_shed_admit(struct weir_shed *s, unsigned priority, uint32_t running,
                             enum weir_shed_reason *ret_reason);

struct weir_shed_view {
    uint32_t pressure;
    enum weir_shed_source source; /* the worst in the last sample */
    unsigned admitted_priority;   /* the lowest that passes; 4: none */
    uint32_t capacity;            /* UINT32_MAX: not limited now */
    uint64_t refused_by_priority, refused_by_capacity;
};

/* Looking changes nothing. */
WEIR_API struct weir_shed_view weir_shed_view(const struct weir_shed *s);
/* "cpu", "queue", "memory", "running"; "admitted", "priority", "capacity". */
WEIR_API const char *weir_shed_source_text(enum weir_shed_source source);
WEIR_API const char *weir_shed_reason_text(enum weir_shed_reason reason);

#endif
