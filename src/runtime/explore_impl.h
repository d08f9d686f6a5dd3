/* The insides of deterministic runs: the schedule that was asked for, and the run under it. */
#ifndef WEIR_RUNTIME_EXPLORE_IMPL_H
#define WEIR_RUNTIME_EXPLORE_IMPL_H

#include "runtime/choice.h"
#include "runtime/explore.h"

/* What names a run (the text in weir/explore.h). */
struct schedule {
    enum choice_strategy strategy;
    uint64_t seed;
    unsigned depth;       /* PCT */
    uint64_t steps;       /* PCT: expected; 0: drawn from the seed */
    unsigned preemptions; /* search */
    int64_t step_ns;      /* time that a step may take */
    uint64_t steps_max;   /* 0: STEPS_MAX_DEFAULT */
    bool trace;
    char path[WEIR_SCHEDULE_MAX]; /* CHOICE_PATH: the choices */
};

#define STEP_NS_DEFAULT   (20 * NS_PER_US)
#define STEPS_MAX_DEFAULT UINT64_C(10000000)

/* What is known of the coroutine that has a slot; another one that comes after it has another id.
 */
struct explore_co {
    uint64_t id;
    uint64_t priority;
    uint64_t yielded_step; /* 0: not yet */
};

struct explore {
    struct schedule schedule;
    struct world *world;
    struct chooser chooser;
    struct rng time_rng;
    int64_t step_scale_ns; /* time that steps of this run take, on average */
    uint64_t hash;
    uint64_t steps;
    bool too_long;

    /* How the next choice comes about. */
    enum choice_kind kind;
    struct co *current;

    struct explore_co *cos; /* by slot */
    uint32_t co_cap;
};

extern HIDDEN struct explore explore;

/* explore_text.c: 0, -EINVAL. strict: nothing else may be in the text. *ret_found: it asks for a
 * deterministic run. */
int schedule_parse(const char *text, bool strict, struct schedule *ret, bool *ret_found);
void schedule_format(const struct schedule *s, const struct chooser *c, char *out, size_t size);

/* explore_trace.c */
void explore_trace(struct co *co, const char *what, const void *object);
void explore_trace_begin(void);
void explore_trace_leave(void); /* the running coroutine may be about to wait */
/* While it is armed, a process that aborts or crashes prints the schedule first. */
void explore_arm_crash_text(void);
void explore_disarm_crash_text(void);

/* explore_pick.c, for bag.c */
void explore_pick_begin(void);
void explore_pick_end(void);
void explore_ready(struct co *co, struct candidate *ret);
size_t explore_pick(struct candidate *list, size_t n);
/* Before a pick: time passes. True: the scheduler shall look at timers and sockets first. */
bool explore_tick(struct p *p, size_t runnable);

#endif
