/* What is to happen in the simulated world, by virtual time: a binary heap. Timers of one instant
 * fire in an order drawn by chance. */
#include <stdlib.h>

#include "world/sim_impl.h"

static bool timer_before(const struct sim_timer *a, const struct sim_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->tie < b->tie;
}

static void put_at(struct sim *s, size_t index, struct sim_timer *t)
{
    s->heap[index - 1] = t;
    t->index = index;
}

static void sift_up(struct sim *s, struct sim_timer *t)
{
    size_t i = t->index;

    for (; i > 1 && timer_before(t, s->heap[i / 2 - 1]); i /= 2)
        put_at(s, i, s->heap[i / 2 - 1]);
    put_at(s, i, t);
}

static void sift_down(struct sim *s, struct sim_timer *t)
{
    size_t i = t->index;

    for (;;) {
        size_t child = i * 2;

        if (child < s->heap_count && timer_before(s->heap[child], s->heap[child - 1]))
            child++;
        if (child > s->heap_count || !timer_before(s->heap[child - 1], t))
            break;
        put_at(s, i, s->heap[child - 1]);
        i = child;
    }
    put_at(s, i, t);
}

void sim_timer_arm(struct sim *s, struct sim_timer *t, int64_t due_ns)
{
    sim_timer_cancel(s, t);
    if (s->heap_count == s->heap_cap) {
        s->heap_cap = s->heap_cap != 0 ? s->heap_cap * 2 : 64;
        s->heap = reallocarray(s->heap, s->heap_cap, sizeof(*s->heap));
        ASSERT(s->heap != NULL);
    }
    t->due_ns = due_ns;
    t->tie = rng_next(&s->net_rng);
    t->index = ++s->heap_count;
    sift_up(s, t);
}

void sim_timer_cancel(struct sim *s, struct sim_timer *t)
{
    struct sim_timer *last;

    if (t->index == 0)
        return;
    last = s->heap[--s->heap_count];
    if (last != t) {
        last->index = t->index;
        sift_up(s, last);
        sift_down(s, last);
    }
    t->index = 0;
}

int64_t sim_timer_next_ns(const struct sim *s)
{
    return s->heap_count > 0 ? s->heap[0]->due_ns : NS_NEVER;
}

void sim_timer_run_due(struct sim *s)
{
    while (s->heap_count > 0 && s->heap[0]->due_ns <= s->now_ns) {
        struct sim_timer *t = s->heap[0];

        sim_timer_cancel(s, t);
        t->fire(s, t);
    }
}
