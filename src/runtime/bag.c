/* The runnable coroutines of the simulated world: one processor, no order. Who goes on is drawn by
 * chance, or chosen by the exploration. */
#include <stdlib.h>

#include "runtime/explore_impl.h"
#include "runtime/sched.h"

static struct {
    struct candidate *list;
    size_t len, cap;
} bag;

bool bag_empty(void)
{
    return bag.len == 0;
}

void bag_done(void)
{
    free(bag.list);
    memset(&bag, 0, sizeof(bag));
}

void bag_put(struct co *co)
{
    if (bag.len == bag.cap) {
        bag.cap = bag.cap != 0 ? bag.cap * 2 : 64;
        bag.list = reallocarray(bag.list, bag.cap, sizeof(*bag.list));
        ASSERT(bag.list != NULL); /* bounded by the number of coroutines */
    }
    bag.list[bag.len].who = co;
    if (explore_active) {
        explore_ready(co, &bag.list[bag.len]);
        if (co != explore.current)
            explore_trace(co, "runnable", NULL);
    }
    bag.len++;
}

static struct co *take(size_t i)
{
    struct co *co = bag.list[i].who;

    bag.list[i] = bag.list[--bag.len];
    return co;
}

struct co *bag_draw(struct p *p)
{
    if (bag.len == 0)
        return NULL;
    if (explore_active)
        return take(explore_pick(bag.list, bag.len));
    return take((size_t)rng_below(&p->place.rng, bag.len));
}

struct co *bag_pick(struct p *p)
{
    if (explore_active)
        explore_trace_leave();
    if (explore_active && explore_tick(p, bag.len)) {
        sched_prod(p);
        return NULL;
    }
    return bag_draw(p);
}

/* What is left of the budget stays: who is interrupted has not let others run. */
void explore_point_slow(const char *what, const void *object)
{
    struct co *co = co_self(), *next;
    uint16_t budget;
    struct m *m;

    if (co == NULL) /* not on a coroutine */
        return;
    m = co->m;
    explore_trace(co, what, object);
    explore.kind = CHOICE_POINT;
    explore.current = co;
    bag_put(co);
    next = bag_pick(m->p);
    if (next == co)
        return;
    budget = atomic_load_explicit(&co->budget, memory_order_relaxed);
    switch_away(m, co, next != NULL ? next : &m->g0, AFTER_NOTHING, NULL);
    atomic_store_explicit(&co->budget, budget, memory_order_relaxed);
}
