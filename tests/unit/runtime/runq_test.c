/* The run queue with a ring of four: every coroutine comes out exactly once. */
#include "thieves.h"

static struct co *steal_from_ring_or_slot(struct runq *own, struct runq *from)
{
    struct co *co = runq_steal(own, from);

    return co != NULL ? co : runq_steal_next(from);
}

static void owner_and_thieves_take_each_item_once(void)
{
    struct co *co, *next;

    thieves_start(steal_from_ring_or_slot);
    for (int i = 0; i < ITEMS; i++) {
        co = i % 3 == 0 ? runq_swap_next(&loot.owner, &loot.items[i]) : &loot.items[i];
        while (co != NULL && !runq_push(&loot.owner, co)) {
            struct co *first, *last;

            if (runq_take_half(&loot.owner, &first, &last) == 0)
                continue;
            for (; first != NULL; first = next) {
                next = first->next;
                take(first);
            }
        }
        if (i % 5 == 0 && (co = runq_get(&loot.owner)) != NULL)
            take(co);
    }
    thieves_end();
}

static struct runq q;
static atomic_uint count;

static bool nobody_looks(void)
{
    return false;
}

static void slot_runs_first_but_not_for_ever(void)
{
    static struct co ring_one, slot_one;
    int until_ring = 0;

    for (int alone = 0; alone < 2; alone++) {
        memset(&q, 0, sizeof(q));
        if (alone)
            lone_begin(&q.lone, &count, nobody_looks);
        until_ring = 0;
        CHECK(runq_push(&q, &ring_one));
        for (;;) {
            struct co *co;

            CHECK(runq_swap_next(&q, &slot_one) == NULL);
            co = runq_get(&q);
            if (co == &ring_one)
                break;
            CHECK(co == &slot_one);
            until_ring++;
        }
        CHECK_EQ(until_ring, STREAK_MAX);
    }
}

static void full_ring_refuses_and_halves(void)
{
    static struct co four[4], one;
    struct co *first, *last;

    memset(&q, 0, sizeof(q));
    CHECK_EQ(RUNQ_SIZE, 4);
    for (int i = 0; i < 4; i++)
        CHECK(runq_push(&q, &four[i]));
    CHECK(!runq_push(&q, &one));
    CHECK_EQ(runq_take_half(&q, &first, &last), 2);
    CHECK(first == &four[0] && first->next == &four[1] && last == &four[1]);
    CHECK(runq_push(&q, &one));
    CHECK(runq_get(&q) == &four[2]);
}

static const struct test tests[] = {
    TEST(owner_and_thieves_take_each_item_once),
    TEST(slot_runs_first_but_not_for_ever),
    TEST(full_ring_refuses_and_halves),
};
RUN_TESTS(tests)
