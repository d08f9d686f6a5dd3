/* Deterministic runs: which schedule is asked for, a world for it, and one schedule after the other
 * (weir_explore()). */
#include "runtime/explore_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/runtime.h>

#include "runtime/sched.h"
#include "world/sim.h"

bool explore_active;
struct explore explore;

enum source { FROM_ENVIRONMENT, FROM_CONTROL, NOWHERE };

static struct {
    enum source source;
    struct schedule schedule; /* FROM_CONTROL */
    bool searching;           /* weir_explore() keeps the chooser from run to run */
    bool has_last;
    struct weir_explore_report last;
} control;

/* Whether the run that begins is a deterministic one. */
static int wanted_schedule(struct schedule *ret, bool *ret_found)
{
    const char *text;

    *ret_found = control.source == FROM_CONTROL;
    if (*ret_found)
        *ret = control.schedule;
    text = control.source == FROM_ENVIRONMENT ? secure_getenv("WEIR_DEBUG") : NULL;
    return text != NULL ? schedule_parse(text, false, ret, ret_found) : 0;
}

static int begin_chooser(void)
{
    struct schedule *s = &explore.schedule;
    int r = 0;

    if (control.searching)
        return 0; /* goes on where the run before ended */
    chooser_init(&explore.chooser, s->strategy);
    if (s->strategy == CHOICE_PATH)
        r = chooser_path_parse(&explore.chooser, s->path);
    if (r < 0)
        chooser_done(&explore.chooser);
    return r;
}

int explore_begin(struct weir_options *o)
{
    bool found = false;
    int r;

    if (o->world != NULL)
        return 0;
    r = wanted_schedule(&explore.schedule, &found);
    if (r < 0)
        dprintf(STDERR_FILENO, "weir: WEIR_DEBUG: expected det=SEED[,pct=DEPTH][,trace]\n");
    if (r < 0 || !found)
        return r;
    r = begin_chooser();
    if (r < 0)
        return r;
    explore.world = sim_new(explore.schedule.seed);
    explore_pick_begin();
    explore_trace_begin();
    o->world = explore.world;
    o->workers = 1;
    explore_arm_crash_text();
    explore_active = true;
    return 0;
}

int explore_end(int result)
{
    struct weir_explore_report *last = &control.last;

    if (!explore_active)
        return result;
    if (explore.too_long) {
        dprintf(STDERR_FILENO, "weir: the schedule does not end\n");
        result = -ELOOP;
    }
    explore_active = false;
    if (control.source == FROM_ENVIRONMENT)
        explore_disarm_crash_text();
    *last = (struct weir_explore_report){
        .schedules = 1, .result = result, .steps = explore.steps, .hash = explore.hash};
    schedule_format(&explore.schedule, &explore.chooser, last->schedule, sizeof(last->schedule));
    control.has_last = true;
    explore_pick_end();
    if (!control.searching)
        chooser_done(&explore.chooser);
    sim_free(explore.world);
    return result;
}

int weir_explore_set(const char *schedule)
{
    struct schedule s;
    bool found;
    int r;

    if (schedule == NULL) {
        control.source = NOWHERE;
        explore_disarm_crash_text();
        return 0;
    }
    r = schedule_parse(schedule, true, &s, &found);
    if (r < 0)
        return r;
    control.schedule = s;
    control.source = FROM_CONTROL;
    return 0;
}

bool weir_explore_last(struct weir_explore_report *ret)
{
    if (control.has_last)
        *ret = control.last;
    return control.has_last;
}

void weir_explore_point(const char *what, const void *object)
{
    explore_point(what, object);
}

/* ---- schedule after schedule ---- */

static int schedule_of(const struct weir_explore_options *o, struct schedule *ret)
{
    static const enum choice_strategy strategies[] = {[WEIR_EXPLORE_RANDOM] = CHOICE_CHANCE,
                                                      [WEIR_EXPLORE_PCT] = CHOICE_PCT,
                                                      [WEIR_EXPLORE_EXHAUSTIVE] = CHOICE_SEARCH};
    struct schedule s = {.seed = o->first, .step_ns = o->step_ns};

    if ((unsigned)o->strategy >= ARRAY_LEN(strategies) || o->depth > CHOICE_DEPTH_MAX ||
        o->step_ns < 0)
        return -EINVAL;
    s.strategy = strategies[o->strategy];
    s.depth = s.strategy != CHOICE_PCT ? 0 : o->depth != 0 ? o->depth : 3;
    s.preemptions = o->preemptions;
    s.steps_max = o->steps_max != 0 ? o->steps_max : STEPS_MAX_DEFAULT;
    if (s.step_ns == 0 && s.strategy != CHOICE_SEARCH)
        s.step_ns = STEP_NS_DEFAULT;
    *ret = s;
    return 0;
}

/* Runs them; report->complete and ->schedules are kept up to date. */
static int run_all(uint64_t count, const struct weir_options *runtime, int (*fn)(void *arg),
                   void *arg, struct weir_explore_report *report)
{
    uint64_t schedules = 0;
    bool search = control.schedule.strategy == CHOICE_SEARCH, more = true;
    int r = 0;

    while (r == 0 && more && schedules < count) {
        r = weir_main(fn, arg, runtime);
        if (r == -EBUSY || !weir_explore_last(report))
            return r;
        schedules++;
        if (search)
            more = chooser_next(&explore.chooser);
        else
            control.schedule.seed++;
        if (control.schedule.strategy == CHOICE_PCT)
            control.schedule.steps = MAX(control.schedule.steps, report->steps);
    }
    report->complete = search && !more && !explore.chooser.truncated;
    report->schedules = schedules;
    return r;
}

int weir_explore(const struct weir_explore_options *options, int (*fn)(void *arg), void *arg,
                 struct weir_explore_report *ret)
{
    struct weir_explore_options o = {0};
    struct weir_explore_report report = {0};
    struct weir_options runtime = {.size = sizeof(runtime)};
    bool search = options->strategy == WEIR_EXPLORE_EXHAUSTIVE;
    enum source source = control.source;
    struct schedule s;
    int r;

    if (options->size > sizeof(o) || control.searching || explore_active)
        return -EINVAL;
    memcpy(&o, options, options->size);
    r = schedule_of(&o, &s);
    if (r < 0)
        return r;
    if (o.runtime != NULL)
        memcpy(&runtime, o.runtime, MIN(o.runtime->size, sizeof(runtime)));
    runtime.world = NULL;
    control.schedule = s;
    control.source = FROM_CONTROL;
    control.searching = search;
    if (search) {
        chooser_init(&explore.chooser, CHOICE_SEARCH);
        explore.chooser.preemptions_max = s.preemptions;
    }
    r = run_all(o.count != 0 ? o.count : search ? UINT64_MAX : 1000, &runtime, fn, arg, &report);
    if (search)
        chooser_done(&explore.chooser);
    control.searching = false;
    control.source = source;
    if (source != FROM_CONTROL)
        explore_disarm_crash_text();
    if (ret != NULL)
        *ret = report;
    return r;
}
