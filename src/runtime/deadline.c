/* Deadlines: a list of blocks on the coroutine's stack, the earliest time cached in its control
 * block. Entering and leaving are a few stores; a timer is armed only by a wait (park.c). */
#include "runtime/sched.h"

void weir_deadline_enter(struct weir_deadline *d, int64_t at_ns)
{
    struct co *co = co_self();

    d->done = false;
    d->parent = NULL;
    d->at_ns = at_ns;
    if (co == NULL)
        return; /* outside the runtime nothing parks */
    d->parent = co->deadline;
    d->at_ns = MIN(at_ns, co->deadline_ns);
    co->deadline = d;
    co->deadline_ns = d->at_ns;
}

static int64_t around(const struct co *co, const struct weir_deadline *d)
{
    return d->parent != NULL ? d->parent->at_ns : co->inherited_ns;
}

void weir_deadline_leave(struct weir_deadline *d)
{
    struct co *co = co_self();

    if (co == NULL)
        return;
    ASSERT(co->deadline == d);
    co->deadline = d->parent;
    co->deadline_ns = around(co, d);
}

void weir_deadline_move(struct weir_deadline *d, int64_t at_ns)
{
    struct co *co = co_self();

    if (co == NULL) {
        d->at_ns = at_ns;
        return;
    }
    d->at_ns = MIN(at_ns, around(co, d));
    for (struct weir_deadline *inner = co->deadline; inner != d; inner = inner->parent)
        inner->at_ns = MIN(inner->at_ns, d->at_ns);
    co->deadline_ns = co->deadline->at_ns;
}

int64_t weir_deadline_now(void)
{
    struct co *co = co_self();

    return co != NULL ? co->deadline_ns : NS_NEVER;
}
