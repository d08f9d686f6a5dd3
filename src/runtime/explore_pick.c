/* A deterministic run as the scheduler sees it: how time passes, what is known of each coroutine
 * that could go on, and the choice. */
#include <stdlib.h>

#include "runtime/explore_impl.h"
#include "runtime/sched.h"
#include "world/sim.h"

enum {
    CLOCK_COST_NS = 50, /* of reading the clock: loops that wait for a time end */
    POLL_EVERY = 16,    /* steps, on average */
    TIME_SCALES = 8,    /* steps take nothing, or step_ns divided by 4^0 ... 4^6 */
};

void explore_pick_begin(void)
{
    const struct schedule *s = &explore.schedule;
    uint64_t scale;

    rng_seed(&explore.time_rng, mix64(s->seed + 2));
    scale = rng_below(&explore.time_rng, TIME_SCALES);
    explore.step_scale_ns = scale + 1 == TIME_SCALES ? 0 : s->step_ns >> (2 * scale);
    explore.hash = 0;
    explore.steps = 0;
    explore.too_long = false;
    explore.kind = CHOICE_FREE;
    explore.current = NULL;
    sim_set_clock_cost(explore.world, CLOCK_COST_NS);
    chooser_begin(&explore.chooser, s->seed, s->depth, s->steps);
}

void explore_pick_end(void)
{
    free(explore.cos);
    explore.cos = NULL;
    explore.co_cap = 0;
}

static struct explore_co *notes_on(const struct co *co)
{
    struct explore_co *n;

    if (co->index >= explore.co_cap) {
        uint32_t cap = MAX(co->index + 1, explore.co_cap * 2);

        explore.cos = reallocarray(explore.cos, cap, sizeof(*explore.cos));
        ASSERT(explore.cos != NULL); /* bounded by the number of coroutines */
        memset(explore.cos + explore.co_cap, 0, (cap - explore.co_cap) * sizeof(*explore.cos));
        explore.co_cap = cap;
    }
    n = &explore.cos[co->index];
    if (n->id != co_id(co))
        *n = (struct explore_co){.id = co_id(co), .priority = chooser_priority(&explore.chooser)};
    return n;
}

void explore_ready(struct co *co, struct candidate *ret)
{
    ret->priority = notes_on(co)->priority;
    ret->since_step = explore.chooser.step;
}

void explore_yields(struct co *co)
{
    notes_on(co)->priority = chooser_yield_priority(&explore.chooser);
    explore_trace(co, "yield", NULL);
    explore.kind = CHOICE_YIELD;
    explore.current = co;
}

static bool searched(void)
{
    return explore.schedule.strategy == CHOICE_SEARCH || explore.schedule.strategy == CHOICE_PATH;
}

/* Search: whether the step takes time, if a timer could make a difference then. */
static bool step_takes_time(struct p *p, size_t runnable)
{
    int64_t then_ns = sim_clock_ns(explore.world) + explore.schedule.step_ns;

    if (explore.schedule.step_ns == 0 || runnable == 0 || wheel_next_ns(p->wheel) > then_ns)
        return false;
    if (!chooser_interrupt(&explore.chooser))
        return false;
    sim_advance(explore.world, explore.schedule.step_ns);
    return true;
}

bool explore_tick(struct p *p, size_t runnable)
{
    if (unlikely(explore.chooser.step >= explore.schedule.steps_max)) {
        explore.too_long = true;
        atomic_store(&rt.stop, true);
        return true;
    }
    if (searched())
        return step_takes_time(p, runnable);
    if (explore.step_scale_ns > 0) {
        uint64_t ns = rng_below(&explore.time_rng, 2 * (uint64_t)explore.step_scale_ns + 1);

        sim_advance(explore.world, (int64_t)ns);
    }
    return rng_below(&explore.time_rng, POLL_EVERY) == 0 ||
           wheel_next_ns(p->wheel) <= sim_clock_ns(explore.world);
}

static ptrdiff_t find(const struct candidate *list, size_t n, const struct co *co)
{
    for (size_t i = n; i > 0; i--) { /* as a rule it was put there last */
        if (list[i - 1].who == co)
            return (ptrdiff_t)i - 1;
    }
    return -1;
}

size_t explore_pick(struct candidate *list, size_t n)
{
    struct chooser *c = &explore.chooser;
    ptrdiff_t current = explore.current != NULL ? find(list, n, explore.current) : -1;
    enum choice_kind kind =
        explore.kind == CHOICE_POINT && current < 0 ? CHOICE_FREE : explore.kind;
    uint64_t yielded_step = 0;
    struct co *chosen;
    size_t i;

    if (kind == CHOICE_YIELD) {
        ASSERT(explore.current != NULL);
        struct explore_co *notes = notes_on(explore.current);

        yielded_step = notes->yielded_step;
        notes->yielded_step = c->step + 1;
    }
    i = chooser_pick(c, list, n, kind, current, yielded_step);
    chosen = list[i].who;
    notes_on(chosen)->priority = list[i].priority;
    explore.hash = mix64(explore.hash ^ co_id(chosen) << 16 ^ n << 2 ^ kind);
    explore.hash = mix64(explore.hash ^ (uint64_t)sim_clock_ns(explore.world));
    explore.steps = c->step;
    explore.kind = CHOICE_FREE;
    explore.current = NULL;
    return i;
}
