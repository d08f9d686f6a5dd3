/* Deterministic runs and exploration of schedules.
 *
 * In a deterministic run weir_main() uses one thread, virtual time and a network in memory, and at
 * every scheduling point something seeded chooses who goes on: when the running coroutine parks or
 * yields, and before each operation on a channel, a mutex, ... that might as well not park. The
 * same seed gives the same run to the last step. Programs that use real sockets, files that change,
 * other threads, or time and chance from elsewhere than weir are not deterministic by this.
 *
 * A run is asked for by a text, the schedule:
 *
 *     det=4711                      chance, with that seed
 *     det=4711,pct=3[,steps=200]    priorities: finds bugs that need 3 things in order
 *     det=0,path=0102               the choices themselves, as the exhaustive search prints them
 *     ...,trace                     and tells each step on standard error
 *
 * either in the environment, WEIR_DEBUG=det=4711,trace ./program, or by the functions below. What
 * everybody waits for and nothing can bring is an error there: weir_main() returns -EDEADLK. */
#ifndef WEIR_EXPLORE_H
#define WEIR_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

enum weir_explore_strategy {
    /* Uniform among those who could go on. Finds what many schedules show. */
    WEIR_EXPLORE_RANDOM,
    /* PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized Scheduler with Probabilistic
     * Guarantees of Finding Bugs", ASPLOS 2010): random priorities, lowered at depth - 1 random
     * steps. A bug that needs depth ordering constraints is found by one schedule of n coroutines
     * and k steps with a probability of at least 1 / (n * k^(depth - 1)). */
    WEIR_EXPLORE_PCT,
    /* Every schedule with at most so many preemptions (Musuvathi, Qadeer: "Iterative Context
     * Bounding", PLDI 2007), depth first. For small programs. */
    WEIR_EXPLORE_EXHAUSTIVE,
};

struct weir_options;

struct weir_explore_options {
    size_t size; /* sizeof(struct weir_explore_options); fields may be added at the end */
    enum weir_explore_strategy strategy;
    uint64_t first;       /* seed of the first schedule; the next has the next number */
    uint64_t count;       /* schedules at most; 0: 1,000, and exhaustive: no limit */
    unsigned depth;       /* PCT; 0: 3 */
    unsigned preemptions; /* exhaustive: at most so many in one schedule */
    /* Time that a step may take. Random, PCT: each schedule draws a scale up to it; 0: 20 us.
     * Exhaustive: a step takes nothing or just this, where a timer is due within it; 0: nothing. */
    int64_t step_ns;
    uint64_t steps_max; /* a longer schedule has failed with -ELOOP; 0: 10 million */
    const struct weir_options *runtime; /* for weir_main(); workers and world are not used */
};

enum { WEIR_SCHEDULE_MAX = 1024 };

struct weir_explore_report {
    uint64_t schedules;               /* that were run */
    bool complete;                    /* exhaustive: all within the bound were run */
    int result;                       /* of the first schedule that failed, or 0 */
    uint64_t steps;                   /* choices in the last schedule */
    uint64_t hash;                    /* of all that was chosen in it: equal for equal runs */
    char schedule[WEIR_SCHEDULE_MAX]; /* text of the last schedule: replays it */
};

/* Runs weir_main(fn, arg) under one schedule after the other until one fails: returns nonzero.
 * fn must leave nothing behind that changes what its next run does. Should the process abort or
 * crash meanwhile, the schedule's text goes to standard error first. Returns the result of the
 * failing schedule, or 0; -EINVAL: options. ret may be NULL. Not from a coroutine. */
WEIR_API int weir_explore(const struct weir_explore_options *options, int (*fn)(void *arg),
                          void *arg, struct weir_explore_report *ret);

/* The calls of weir_main() that follow and name no world of their own run under this schedule, as
 * WEIR_DEBUG says it; NULL: no longer, not even when WEIR_DEBUG is set. -EINVAL. */
WEIR_API int weir_explore_set(const char *schedule);

/* Describes the last deterministic run. False: there was none. */
WEIR_API bool weir_explore_last(struct weir_explore_report *ret);

/* A scheduling point of the caller's own, for code that meets others without any call of weir's
 * (atomic variables): another coroutine may run here. what, a literal, and object are for the
 * trace. In other runs it does nothing and costs a nanosecond. */
WEIR_API void weir_explore_point(const char *what, const void *object);

#endif
