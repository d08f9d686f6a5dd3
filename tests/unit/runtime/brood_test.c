/* The newborn: newest first for their processor, oldest first for thieves, and nobody forgotten. */
#include "runtime/runq.h"

#include <limits.h>

#include <weir/chan.h>
#include <weir/scope.h>

#include "runtime/stack.h"
#include "thieves.h"

static void newest_first_and_thieves_take_the_oldest_half(void)
{
    static struct runq q, thief;
    static struct co co[8];

    for (int i = 0; i < 8; i++)
        runq_push_newborn(&q, &co[i]);
    CHECK_EQ(runq_len(&q), 8);
    CHECK(runq_steal(&thief, &q) == &co[0]);
    CHECK_EQ(runq_len(&q), 4);
    CHECK(runq_get(&thief) == &co[3]);
    CHECK(runq_get_long(&thief, 0, true) == &co[1]);
    CHECK(runq_get(&thief) == &co[2]);
    CHECK(runq_get(&thief) == NULL);
    for (int i = 7; i >= 4; i--)
        CHECK(runq_get(&q) == &co[i]);
    CHECK(runq_get(&q) == NULL && runq_get_long(&q, 0, true) == NULL && runq_len(&q) == 0);
}

static void what_has_begun_comes_first_but_not_for_ever(void)
{
    static struct runq q;
    static struct co old, newborn;
    int picks = 1;

    runq_push_newborn(&q, &newborn);
    CHECK(runq_push(&q, &old));
    CHECK(runq_get(&q) == &old);
    for (;; picks++) {
        CHECK(runq_push(&q, &old));
        if (runq_get(&q) == &newborn)
            break;
    }
    CHECK_EQ(picks, BROOD_TURN - 1);
}

static void who_yields_waits_for_the_newborn(void)
{
    static struct runq q;
    static struct co yielder, first, second;

    runq_push_newborn(&q, &first);
    CHECK(runq_push_yielded(&q, &yielder, 100));
    runq_push_newborn(&q, &second);
    CHECK(runq_get(&q) == &second);
    CHECK(runq_get(&q) == &first);
    CHECK(runq_get(&q) == &yielder);
    CHECK(runq_push_yielded(&q, &yielder, 100));
    CHECK_EQ(brood_len(&q.brood), 0); /* with no newborn the ring is the place */
}

static void who_yields_to_newborn_that_never_end_gets_its_turn(void)
{
    static struct runq q;
    static struct co yielders[2], newborn[3];

    for (int i = 0; i < 3; i++)
        runq_push_newborn(&q, &newborn[i]);
    CHECK(runq_push_yielded(&q, &yielders[0], 100));
    CHECK(runq_push_yielded(&q, &yielders[1], 103));
    CHECK(runq_get_long(&q, 105, false) == NULL);
    CHECK(runq_get_long(&q, 106, false) == &yielders[0]);
    CHECK(runq_get_long(&q, 106, true) == &yielders[1]);
    CHECK(runq_get_long(&q, 106, true) == &newborn[0]);
    CHECK(runq_get_long(&q, 106, false) == NULL);
    CHECK_EQ(runq_len(&q), 2);
}

/* ---- thieves ---- */

static void owner_and_thieves_take_each_item_once(void)
{
    struct runq *q = &loot.owner;
    struct co *co;

    thieves_start(runq_steal);
    for (int i = 0; i < ITEMS; i++) {
        if (i % 4 != 0 || !runq_push_yielded(q, &loot.items[i], (unsigned)i))
            runq_push_newborn(q, &loot.items[i]);
        if (i % 5 == 0 && (co = runq_get_long(q, (unsigned)i, i % 2 == 0)) != NULL)
            take(co);
        if (i % 3 == 0 && (co = runq_get(q)) != NULL)
            take(co);
    }
    thieves_end();
}

/* ---- in the runtime ---- */

enum {
    BRANCHES = 10,
#if defined(WEIR_SANITIZED) /* a node may take a millisecond, after which the oldest has its turn  \
                             */
    LEAVES = 100,
    ALIVE_MAX = 2 * LEAVES,
    LENIENCE = 10,
#else
    LEAVES = 10000, /* breadth first, thousands would be alive at a time */
    ALIVE_MAX = 400,
    LENIENCE = 1,
#endif
};

static atomic_uint alive;
static unsigned most_alive;

/* The least of some runs: while the system keeps the thread waiting, a spare runs beside it, and
 * they share what is started by the ring. */
static unsigned run_most_alive(int (*fn)(void *arg), unsigned limit)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1};
    unsigned least = UINT_MAX;

    for (int attempt = 0; attempt < 20 && least > limit; attempt++) {
        most_alive = 0;
        CHECK_EQ(weir_main(fn, NULL, &o), 0);
        least = MIN(least, most_alive);
    }
    return least;
}

struct node {
    struct weir_chan *out;
    int leaves;
};

static void grow(void *arg)
{
    struct node self = *(struct node *)arg, child = {.leaves = self.leaves / BRANCHES};
    int sum = 0, part;

    if (self.leaves == 1) {
        weir_chan_send(self.out, &(int){1});
        return;
    }
    child.out = weir_chan_new(sizeof(int), 0);
    WEIR_SCOPE (s) {
        for (int i = 0; i < BRANCHES; i++)
            CHECK_EQ(weir_scope_go(s, "node", grow, &child), 0);
        for (int i = 0; i < BRANCHES; i++) {
            CHECK_EQ(weir_chan_recv(child.out, &part), 1);
            sum += part;
        }
    }
    weir_chan_free(child.out);
    weir_chan_send(self.out, &sum);
}

static int grow_tree(void *arg)
{
    struct node root = {.out = weir_chan_new(sizeof(int), 1), .leaves = LEAVES};
    int sum = 0;

    grow(&root);
    CHECK_EQ(weir_chan_recv(root.out, &sum), 1);
    CHECK_EQ(sum, LEAVES);
    weir_chan_free(root.out);
    most_alive = stack_used_count();
    return 0;
}

static void a_tree_is_walked_in_depth(void)
{
    CHECK(run_most_alive(grow_tree, ALIVE_MAX - 1) < ALIVE_MAX);
}

static atomic_bool ran; /* a spare may run one beside the other when the machine is slow */

static void note(void *arg)
{
    ran = true;
}

static void yield_until_noted(void *arg)
{
    for (int i = 0; !ran && i < 100000; i++)
        weir_yield();
}

static int start_among_yielders(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 100; i++)
            weir_scope_go(s, "yielder", yield_until_noted, NULL);
        weir_yield();
        weir_scope_go(s, "oldest", note, NULL);
        for (int i = 0; i < 1000; i++)
            weir_scope_go(s, "newer", yield_until_noted, NULL);
    }
    CHECK(ran);
    return 0;
}

static void the_oldest_runs_among_many_that_yield(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1};

    CHECK_EQ(weir_main(start_among_yielders, NULL, &o), 0);
}

enum { STARTS = 20000 / SLOWER };

static void live_for_one_run(void *arg)
{
    alive--;
}

static int start_and_look(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < STARTS; i++) {
            alive++;
            CHECK_EQ(weir_scope_go(s, "short", live_for_one_run, NULL), 0);
            most_alive = MAX(most_alive, alive);
            weir_checkpoint();
        }
    }
    CHECK_EQ(alive, 0);
    return 0;
}

static void who_starts_many_and_looks_has_few_alive(void)
{
    const unsigned limit = (BROOD_MANY + 2) * LENIENCE;

    CHECK(run_most_alive(start_and_look, limit) <= limit);
}

static int start_and_yield(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < STARTS; i++) {
            alive++;
            CHECK_EQ(weir_scope_go(s, "short", live_for_one_run, NULL), 0);
            most_alive = MAX(most_alive, alive);
            if (i % 64 == 63)
                weir_yield();
        }
    }
    CHECK_EQ(alive, 0);
    return 0;
}

static void who_starts_many_and_yields_has_few_alive(void)
{
    const unsigned limit = 2 * 64 * LENIENCE;

    CHECK(run_most_alive(start_and_yield, limit) <= limit);
}

static const struct test tests[] = {
    TEST(newest_first_and_thieves_take_the_oldest_half),
    TEST(what_has_begun_comes_first_but_not_for_ever),
    TEST(who_yields_waits_for_the_newborn),
    TEST(who_yields_to_newborn_that_never_end_gets_its_turn),
    TEST(owner_and_thieves_take_each_item_once),
    TEST(a_tree_is_walked_in_depth),
    TEST(the_oldest_runs_among_many_that_yield),
    TEST(who_starts_many_and_yields_has_few_alive),
    TEST(who_starts_many_and_looks_has_few_alive),
};
RUN_TESTS(tests)
