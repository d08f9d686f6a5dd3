/* The run queue, owner against thieves: every coroutine comes out once, and none is left. */
#include "tests/explore/atomics.h"

#include "runtime/runq.h"

enum { ITEMS = 8, THIEVES = 2 };

static struct runq owner_q, thief_q[THIEVES];
static struct co items[ITEMS]; /* only their addresses and links matter */
static int taken[ITEMS];
static int count;
static struct co *on_its_stack; /* nobody may run this one */

static void take(struct co *co)
{
    EXPECT(co >= items && co < items + count);
    EXPECT(co != on_its_stack);
    EXPECT(taken[co - items]++ == 0);
}

static void begin_with(int n)
{
    memset(&owner_q, 0, sizeof(owner_q));
    memset(thief_q, 0, sizeof(thief_q));
    memset(items, 0, sizeof(items));
    memset(taken, 0, sizeof(taken));
    on_its_stack = NULL;
    count = n;
}

/* What is left belongs to its owners. */
static void check_all_taken(void)
{
    struct co *co;

    while ((co = runq_get(&owner_q)) != NULL)
        take(co);
    for (int i = 0; i < THIEVES; i++) {
        while ((co = runq_get(&thief_q[i])) != NULL)
            take(co);
    }
    for (int i = 0; i < count; i++)
        EXPECT(taken[i] == 1);
}

/* Owner: as sched_ready_next() and the overflow to the global queue do it. */
static void submit(struct co *co)
{
    co = runq_swap_next(&owner_q, co);
    while (co != NULL && !runq_push(&owner_q, co)) {
        struct co *first, *last, *next;

        if (runq_take_half(&owner_q, &first, &last) == 0)
            continue;
        for (; first != NULL; first = next) {
            next = first->next;
            take(first);
        }
    }
}

static void rob(int thief)
{
    struct co *co = runq_steal(&thief_q[thief], &owner_q);

    if (co == NULL)
        co = runq_steal_next(&owner_q);
    if (co != NULL)
        take(co);
}

static void rob_twice(void)
{
    rob(explorer_self() % THIEVES);
    rob(explorer_self() % THIEVES);
}

/* ---- slot and ring ---- */

static void begin_four(void)
{
    begin_with(4);
}

static void submit_and_get(void)
{
    struct co *co;

    submit(&items[0]);
    submit(&items[1]);
    submit(&items[2]);
    co = runq_get(&owner_q);
    if (co != NULL)
        take(co);
    submit(&items[3]);
    co = runq_get(&owner_q);
    if (co != NULL)
        take(co);
}

/* ---- a full ring ---- */

static void begin_full(void)
{
    begin_with(7);
    for (int i = 0; i < 5; i++)
        submit(&items[i]); /* the slot, and four in the ring */
}

static void overflow(void)
{
    struct co *co;

    submit(&items[5]);
    submit(&items[6]);
    co = runq_get(&owner_q);
    if (co != NULL)
        take(co);
}

/* ---- the newborn ---- */

static void begin_newborn(void)
{
    begin_with(5);
    runq_push_newborn(&owner_q, &items[0]);
    runq_push_newborn(&owner_q, &items[1]);
    runq_push_newborn(&owner_q, &items[2]);
}

static void nurse(void)
{
    struct co *co;

    runq_push_newborn(&owner_q, &items[3]);
    if ((co = runq_get(&owner_q)) != NULL)
        take(co);
    runq_push_yielded(&owner_q, &items[4], 0);
    if ((co = runq_get_long(&owner_q, 0, true)) != NULL)
        take(co);
}

/* ---- alone, until somebody comes ---- */

static atomic_uint alone;

static bool nobody_looks(void)
{
    return false;
}

static void begin_alone(void)
{
    begin_with(4);
    lone_begin(&owner_q.lone, &alone, nobody_looks);
}

/* As one who has become a seeker. */
static void seek_and_rob(void)
{
    if (lone_revoke(&owner_q.lone))
        MANDATE_HEAVY_FENCE();
    while (!lone_is_over(&owner_q.lone, &alone))
        explorer_yield();
    rob_twice();
}

/* ---- yielding while alone, until somebody comes ---- */

static void begin_yielding(void)
{
    begin_with(4);
    runq_push(&owner_q, &items[0]);
    runq_push(&owner_q, &items[1]);
    lone_begin(&owner_q.lone, &alone, nobody_looks);
}

/* As park_yield() and what is done after the switch. */
static void yield(struct co *co)
{
    struct co *next;

    on_its_stack = co;
    next = runq_rotate(&owner_q, co);
    if (next != NULL) {
        take(next);
        explorer_step("leaves its stack", co);
        on_its_stack = NULL;
        runq_rotated(&owner_q);
    } else {
        on_its_stack = NULL;
        EXPECT(runq_push(&owner_q, co));
    }
}

static void yield_twice(void)
{
    yield(&items[2]);
    yield(&items[3]);
}

static const struct explorer_case cases[] = {
    {"slot_and_ring",
     begin_four,
     {submit_and_get, rob_twice, rob_twice},
     check_all_taken,
     false,
     2},
    {"full_ring", begin_full, {overflow, rob_twice, rob_twice}, check_all_taken, false, 2},
    {"newborn", begin_newborn, {nurse, rob_twice, rob_twice}, check_all_taken, false, 1},
    {"alone_no_more", begin_alone, {submit_and_get, seek_and_rob}, check_all_taken, false, 2},
    {"yields_alone_no_more",
     begin_yielding,
     {yield_twice, seek_and_rob},
     check_all_taken,
     false,
     2},
    {"slot_and_ring_store_buffers",
     begin_four,
     {submit_and_get, rob_twice},
     check_all_taken,
     true,
     1},
    {"alone_no_more_store_buffers",
     begin_alone,
     {submit_and_get, seek_and_rob},
     check_all_taken,
     true,
     1},
    {"yields_alone_no_more_store_buffers",
     begin_yielding,
     {yield_twice, seek_and_rob},
     check_all_taken,
     true,
     1},
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
