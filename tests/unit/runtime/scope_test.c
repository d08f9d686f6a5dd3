/* Deadlines nest and are inherited; cancellation reaches everything inside and nothing outside. */
#include <stdatomic.h>

#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

static int nest_deadlines(void *arg)
{
    int64_t now = weir_now();

    CHECK_EQ(weir_deadline_now(), INT64_MAX);
    WEIR_DEADLINE (now + 50 * WEIR_S) {
        CHECK_EQ(weir_deadline_now(), now + 50 * WEIR_S);
        WEIR_DEADLINE (now + 90 * WEIR_S) { /* cannot widen */
            CHECK_EQ(weir_deadline_now(), now + 50 * WEIR_S);
        }
        WEIR_DEADLINE (now + 10 * WEIR_MS) {
            CHECK_EQ(weir_sleep(10 * WEIR_S), -ETIMEDOUT);
            CHECK(weir_now() >= now + 10 * WEIR_MS);
            CHECK(weir_cancelled());
            CHECK_EQ(weir_sleep(0), -ETIMEDOUT); /* as long as it lasts */
            CHECK_EQ(weir_yield(), -ETIMEDOUT);
        }
        CHECK(!weir_cancelled());
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
    }
    CHECK_EQ(weir_deadline_now(), INT64_MAX);
    return 0;
}

static void deadlines_nest_and_end(void)
{
    run_on_all(nest_deadlines, NULL);
}

static int leave_early(void *arg)
{
    for (int i = 0; i < 3; i++) {
        WEIR_DEADLINE (weir_now() + WEIR_S) {
            WEIR_DEADLINE (weir_now() + WEIR_MS) {
                if (i == 0)
                    break;
                if (i == 1)
                    goto out;
            }
            CHECK_EQ(i, 2 * (i > 0)); /* break left the inner block only */
        }
    out:
        CHECK_EQ(weir_deadline_now(), INT64_MAX);
    }
    return 0;
}

static void blocks_may_be_left_early(void)
{
    run_on(1, leave_early, NULL);
}

static int move_deadline(void *arg)
{
    struct weir_deadline outer, inner;
    int64_t start = weir_now();

    weir_deadline_enter(&outer, start + 10 * WEIR_MS);
    weir_deadline_move(&outer, start + 40 * WEIR_S);
    CHECK_EQ(weir_sleep(20 * WEIR_MS), 0);
    weir_deadline_enter(&inner, start + 90 * WEIR_S);
    weir_deadline_move(&outer, start + 25 * WEIR_MS);
    CHECK_EQ(weir_deadline_now(), start + 25 * WEIR_MS);
    weir_deadline_move(&inner, start + 80 * WEIR_S); /* the parent's still limits it */
    CHECK_EQ(weir_deadline_now(), start + 25 * WEIR_MS);
    CHECK_EQ(weir_sleep(WEIR_S), -ETIMEDOUT);
    weir_deadline_leave(&inner);
    weir_deadline_leave(&outer);
    return 0;
}

static void moved_deadlines_hold(void)
{
    run_on(1, move_deadline, NULL);
    run_on(2, move_deadline, NULL);
}

static void expect_timeout(void *arg)
{
    CHECK_EQ(weir_sleep(10 * WEIR_S), -ETIMEDOUT);
    ++*(atomic_int *)arg;
}

static int inherit_deadline(void *arg)
{
    atomic_int count = 0;

    WEIR_DEADLINE (weir_now() + 5 * WEIR_MS) {
        WEIR_SCOPE (s) {
            for (int i = 0; i < 10; i++)
                CHECK_EQ(weir_scope_go(s, "child", expect_timeout, &count), 0);
        }
    }
    CHECK_EQ(count, 10);
    return 0;
}

static void children_inherit_the_deadline(void)
{
    run_on_all(inherit_deadline, NULL);
}

static void wait_for_cancel(void *arg)
{
    CHECK_EQ(weir_sleep(3600 * WEIR_S), -ECANCELED);
    CHECK_EQ(weir_sleep(0), -ECANCELED);
    ++*(atomic_int *)arg;
}

/* Three levels: each waits inside a scope with children of its own. */
static atomic_int cancelled_count;

static void nested_waiter(void *arg)
{
    int depth = (int)(intptr_t)arg;

    WEIR_SCOPE (outer) {
        WEIR_SCOPE (inner) {
            for (int i = 0; i < 3 && depth > 0; i++) {
                weir_scope_go(inner, "inner", nested_waiter, (void *)(intptr_t)(depth - 1));
                weir_scope_go(outer, "outer", nested_waiter, (void *)(intptr_t)(depth - 1));
            }
            CHECK_EQ(weir_sleep(3600 * WEIR_S), -ECANCELED);
            atomic_fetch_add(&cancelled_count, 1);
        }
    }
}

static int cancel_nested(void *arg)
{
    atomic_store(&cancelled_count, 0);
    WEIR_SCOPE (s) {
        for (int i = 0; i < 2; i++)
            CHECK_EQ(weir_scope_go(s, "top", nested_waiter, (void *)(intptr_t)2), 0);
        settle();
        weir_scope_cancel(s);
        CHECK_EQ(weir_yield(), -ECANCELED); /* its owner is inside, too */
        CHECK_EQ(weir_scope_go(s, "late", nested_waiter, NULL), -ECANCELED);
        CHECK_EQ(weir_scope_join(s), -ECANCELED);
    }
    CHECK_EQ(atomic_load(&cancelled_count), 2 * (1 + 6 + 36));
    CHECK_EQ(weir_sleep(WEIR_MS), 0); /* outside again */
    return 0;
}

static void cancellation_reaches_nested_children_and_the_owner(void)
{
    run_on_all(cancel_nested, NULL);
}

static int cancel_only_inner(void *arg)
{
    atomic_int inner_count = 0;
    struct weir_wait_group wg = {0};

    WEIR_SCOPE (outer) {
        WEIR_SCOPE (inner) {
            for (int i = 0; i < 5; i++)
                weir_scope_go(inner, "inner", wait_for_cancel, &inner_count);
            weir_yield();
            break; /* leaving early cancels, and joins */
        }
        CHECK_EQ(inner_count, 5);
        CHECK(!weir_cancelled());
        CHECK_EQ(weir_scope_join(outer), 0);
        CHECK_EQ(weir_wait_group_wait(&wg), 0);
    }
    return 0;
}

static void leaving_early_cancels_this_scope_only(void)
{
    run_on_all(cancel_only_inner, NULL);
}

static int join_with_deadline(void *arg)
{
    atomic_int count = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "waiter", wait_for_cancel, &count);
        WEIR_DEADLINE (weir_now() + 3 * WEIR_MS) {
            CHECK_EQ(weir_scope_join(s), -ETIMEDOUT);
        }
        CHECK_EQ(count, 0);
        weir_scope_cancel(s);
    }
    CHECK_EQ(count, 1);
    return 0;
}

static void joining_can_time_out_and_leaving_cannot(void)
{
    run_on_all(join_with_deadline, NULL);
}

/* A child that will not hear of its cancellation for a while: leaving waits all the same. */
static void slow_to_end(void *arg)
{
    int64_t until = weir_now() + 10 * WEIR_MS;

    while (weir_now() < until)
        weir_yield();
    *(atomic_bool *)arg = true;
}

static int leave_shielded(void *arg)
{
    atomic_bool ended = false;

    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        WEIR_SCOPE (s) {
            weir_scope_go(s, "slow", slow_to_end, &ended);
            weir_scope_cancel(s);
        }
        CHECK(ended);
    }
    return 0;
}

static void leaving_is_shielded(void)
{
    run_on_all(leave_shielded, NULL);
}

static void spawn_and_end(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 4; i++)
            if (weir_scope_go(s, "leaf", wait_for_cancel, arg) < 0)
                break;
        weir_sleep(20 * WEIR_US);
        break;
    }
}

static void cancel_it(void *arg)
{
    weir_sleep(10 * WEIR_US);
    weir_scope_cancel(arg);
}

/* Cancelling a tree while it grows and shrinks. */
static int cancel_while_changing(void *arg)
{
    atomic_int count = 0;

    for (int i = 0; i < 800 / SLOWER; i++) {
        WEIR_SCOPE (s) {
            weir_scope_go(s, "canceller", cancel_it, s);
            for (int j = 0; j < 3; j++)
                weir_scope_go(s, "spawner", spawn_and_end, &count);
        }
        CHECK(!weir_cancelled());
    }
    return 0;
}

static void trees_that_change_can_be_cancelled(void)
{
    run_on_all(cancel_while_changing, NULL);
}

static const struct test tests[] = {
    TEST(deadlines_nest_and_end),
    TEST(blocks_may_be_left_early),
    TEST(moved_deadlines_hold),
    TEST(children_inherit_the_deadline),
    TEST(cancellation_reaches_nested_children_and_the_owner),
    TEST(leaving_early_cancels_this_scope_only),
    TEST(joining_can_time_out_and_leaving_cannot),
    TEST(leaving_is_shielded),
    TEST(trees_that_change_can_be_cancelled),
};
RUN_TESTS(tests)
