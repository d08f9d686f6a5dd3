/* The run queue with a ring of four: every coroutine comes out exactly once. */
#include "runtime/runq.h"

#include <pthread.h>

#include "check.h"

enum { ITEMS = 400000 / SLOWER, THIEVES = 3 };

static struct runq owner_q;
static struct co *items; /* only their addresses and ->next matter */
static atomic_uint *taken;
static atomic_bool done;

static void take(struct co *co)
{
    CHECK(co >= items && co < items + ITEMS);
    CHECK_EQ(atomic_fetch_add(&taken[co - items], 1), 0);
}

static void *thief(void *arg)
{
    static struct runq own[THIEVES];
    struct runq *q = &own[(uintptr_t)arg];
    bool last = false;

    while (!last) {
        struct co *co;

        last = atomic_load(&done); /* then one more look */
        co = runq_steal(q, &owner_q);
        if (co == NULL)
            co = runq_steal_next(&owner_q);
        for (; co != NULL; co = runq_get(q))
            take(co);
    }
    return NULL;
}

static void owner_and_thieves_take_each_item_once(void)
{
    pthread_t threads[THIEVES];
    struct co *co, *next;

    memset(&owner_q, 0, sizeof(owner_q));
    items = calloc(ITEMS, sizeof(*items));
    taken = calloc(ITEMS, sizeof(*taken));
    atomic_store(&done, false);
    for (uintptr_t i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, thief, (void *)i), 0);
    for (int i = 0; i < ITEMS; i++) {
        co = i % 3 == 0 ? runq_swap_next(&owner_q, &items[i]) : &items[i];
        while (co != NULL && !runq_push(&owner_q, co)) {
            struct co *first, *last;

            if (runq_take_half(&owner_q, &first, &last) == 0)
                continue;
            for (; first != NULL; first = next) {
                next = first->next;
                take(first);
            }
        }
        if (i % 5 == 0 && (co = runq_get(&owner_q)) != NULL)
            take(co);
    }
    while ((co = runq_get(&owner_q)) != NULL)
        take(co);
    atomic_store(&done, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ITEMS; i++)
        CHECK_EQ(atomic_load(&taken[i]), 1);
    free(taken);
    free(items);
}

static void slot_runs_first_but_not_for_ever(void)
{
    static struct co ring_one, slot_one;
    int until_ring = 0;

    for (int alone = 0; alone < 2; alone++) {
        memset(&owner_q, 0, sizeof(owner_q));
        if (alone)
            lone_begin(&owner_q.lone);
        until_ring = 0;
        CHECK(runq_push(&owner_q, &ring_one));
        for (;;) {
            struct co *co;

            CHECK(runq_swap_next(&owner_q, &slot_one) == NULL);
            co = runq_get(&owner_q);
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

    memset(&owner_q, 0, sizeof(owner_q));
    CHECK_EQ(RUNQ_SIZE, 4);
    for (int i = 0; i < 4; i++)
        CHECK(runq_push(&owner_q, &four[i]));
    CHECK(!runq_push(&owner_q, &one));
    CHECK_EQ(runq_take_half(&owner_q, &first, &last), 2);
    CHECK(first == &four[0] && first->next == &four[1] && last == &four[1]);
    CHECK(runq_push(&owner_q, &one));
    CHECK(runq_get(&owner_q) == &four[2]);
}

static const struct test tests[] = {
    TEST(owner_and_thieves_take_each_item_once),
    TEST(slot_runs_first_but_not_for_ever),
    TEST(full_ring_refuses_and_halves),
};
RUN_TESTS(tests)
