/* Coroutines, the scheduler, the beginning and the end of the runtime. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

static int return_arg(void *arg)
{
    return *(int *)arg;
}

static void main_returns_what_its_function_returns(void)
{
    int value = 42;
    struct weir_options o = {
        .size = sizeof(o), .workers = 2, .coroutines_max = TEST_COROUTINES_MAX};

    CHECK_EQ(weir_main(return_arg, &value, &o), 42);
    value = -7;
#if !defined(__aarch64__)
    CHECK_EQ(weir_main(return_arg, &value, NULL), -7); /* with all the defaults */
#endif
}

static int nested_main(void *arg)
{
    return weir_main(return_arg, arg, NULL);
}

static void second_runtime_is_refused(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = 8};
    int value = 1;

    CHECK_EQ(weir_main(nested_main, &value, &o), -EBUSY);
}

static void count_down(void *arg)
{
    weir_wait_group_done(arg);
}

static int spawn_many(void *arg)
{
    struct weir_wait_group wg = {0};

    for (int round = 0; round < 20 / MIN(SLOWER, 4); round++) {
        for (int i = 0; i < 2000 / SLOWER; i++) {
            weir_wait_group_add(&wg, 1);
            CHECK_EQ(weir_go("leaf", count_down, &wg), 0);
        }
        CHECK_EQ(weir_wait_group_wait(&wg), 0);
    }
    return 0;
}

static void every_spawned_coroutine_runs_once(void)
{
    run_on_all(spawn_many, NULL);
}

static void tree(void *arg)
{
    int depth = (int)(intptr_t)arg;

    if (depth == 0)
        return;
    WEIR_SCOPE (s) {
        for (int i = 0; i < 4; i++)
            CHECK_EQ(weir_scope_go(s, "tree", tree, (void *)(intptr_t)(depth - 1)), 0);
        weir_yield();
    }
}

static int grow_tree(void *arg)
{
    struct runtime_stats before, after;

    runtime_get_stats(&before);
    tree((void *)(intptr_t)(SLOWER > 1 ? 3 : 6));
    runtime_get_stats(&after);
    CHECK_EQ(after.coroutines_started - before.coroutines_started, SLOWER > 1 ? 84 : 5460);
    return 0;
}

static void trees_of_scopes_join(void)
{
    run_on_all(grow_tree, NULL);
}

static void turn(void *arg)
{
    atomic_int *turns = arg;

    for (int i = 0; i < 1000; i++) {
        atomic_fetch_add(turns, 1);
        CHECK_EQ(weir_yield(), 0);
    }
}

/* 0, or 1 when somebody had more turns than others. */
static int two_take_turns(void *arg)
{
    atomic_int a = 0, b = 0;
    int unfair = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "a", turn, &a);
        weir_scope_go(s, "b", turn, &b);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(weir_yield(), 0);
            unfair |= abs(a - b) > 3 || abs(a - i) > 4;
        }
    }
    CHECK_EQ(a, 1000);
    CHECK_EQ(b, 1000);
    return unfair;
}

/* A thread that the system keeps waiting is replaced, and the coroutine on it misses its turns; so
 * a busy machine has several attempts. */
static void yielding_is_fair_on_one_worker(void)
{
    struct weir_options o = {
        .size = sizeof(o), .workers = 1, .coroutines_max = TEST_COROUTINES_MAX};
    int unfair = 1;

    for (int attempt = 0; attempt < 20 && unfair; attempt++)
        unfair = weir_main(two_take_turns, NULL, &o);
    CHECK_EQ(unfair, 0);
}

static void ping(void *arg)
{
    struct weir_chan **c = arg;
    int v = 0;

    while (weir_chan_send(c[0], &v) == 0 && weir_chan_recv(c[1], &v) == 1)
        ;
}

static int pair_and_bystander(void *arg)
{
    struct weir_chan *there = weir_chan_new(sizeof(int), 0), *back = weir_chan_new(sizeof(int), 0);
    struct weir_chan *ends[] = {there, back}, *other_ends[] = {there, back};

    (void)other_ends;
    WEIR_SCOPE (s) {
        int v = 0;

        weir_scope_go(s, "ping", ping, ends);
        for (int i = 0; i < 1000; i++) {
            CHECK_EQ(weir_chan_recv(there, &v), 1);
            CHECK_EQ(weir_chan_send(back, &v), 0);
        }
        weir_chan_close(there);
        weir_chan_close(back);
    }
    weir_chan_free(there);
    weir_chan_free(back);
    return 0;
}

static void unbuffered_pairs_go_to_and_fro(void)
{
    run_on_all(pair_and_bystander, NULL);
}

/* A buffered channel that is never full or empty never parks: only the budget lets others in. */
static void bystander(void *arg)
{
    *(atomic_bool *)arg = true;
}

static int spend_budget(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 1);
    atomic_bool ran = false;
    int v = 0, operations = 0;

    CHECK_EQ(weir_go("bystander", bystander, &ran), 0);
    for (; !atomic_load(&ran); operations += 2) {
        CHECK(operations < 1000);
        CHECK_EQ(weir_chan_send(c, &v), 0);
        CHECK_EQ(weir_chan_recv(c, &v), 1);
    }
    weir_chan_free(c);
    return 0;
}

static void operations_that_never_park_let_others_run(void)
{
    run_on(1, spend_budget, NULL);
}

static int sleep_some(void *arg)
{
    for (int i = 0; i < 20; i++) {
        int64_t ns = i * 300 * WEIR_US;
        int64_t start = weir_now();

        CHECK_EQ(weir_sleep(ns), 0);
        CHECK(weir_now() - start >= ns);
    }
    return 0;
}

static void sleeping_is_never_too_short(void)
{
    run_on(1, sleep_some, NULL);
    run_on(2, sleep_some, NULL);
}

static void wait_for_the_end(void *arg)
{
    CHECK_EQ(weir_sleep(3600 * WEIR_S), -ECANCELED);
    CHECK_EQ(weir_yield(), -ECANCELED); /* sticky */
    ++*(atomic_int *)arg;
}

static int leave_some_behind(void *arg)
{
    for (int i = 0; i < 50; i++)
        weir_go("left", wait_for_the_end, arg);
    for (int i = 0; i < 10; i++)
        weir_yield();
    return 0;
}

static void coroutines_left_at_the_end_are_cancelled_and_joined(void)
{
    atomic_int ended = 0;

    run_on(1, leave_some_behind, &ended);
    CHECK_EQ(ended, 50);
    run_on(4, leave_some_behind, &ended);
    CHECK_EQ(ended, 100);
}

static void wait_for_close(void *arg)
{
    CHECK_EQ(weir_chan_recv(arg, &(char){0}), 0);
}

static int reach_limit(void *arg)
{
    struct weir_chan *c = weir_chan_new(1, 0);
    int started = 0, r;

    while ((r = weir_go("one", wait_for_close, c)) == 0)
        started++;
    CHECK_EQ(r, -EAGAIN);
    CHECK_EQ(started, 9); /* the first coroutine counts, too */
    weir_chan_close(c);
    until_alone();
    CHECK_EQ(weir_go("again", wait_for_close, c), 0);
    until_alone();
    weir_chan_free(c);
    return 0;
}

static void limit_of_coroutines_is_an_error_and_then_over(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = 10};

    CHECK_EQ(weir_main(reach_limit, NULL, &o), 0);
}

static long context_switches(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_nvcsw;
}

/* On a machine that is busy with other things the workers may take a while to come to rest, hence
 * several attempts; a periodic wake-up would spoil all of them. */
static int idle_for_a_while(void *arg)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        struct runtime_stats before, after;
        long switches = context_switches();

        runtime_get_stats(&before);
        CHECK_EQ(weir_sleep(200 * WEIR_MS), 0);
        runtime_get_stats(&after);
        /* The sleeper's own timer moves down the wheel in two or three steps: that is all. */
        if (after.polls - before.polls <= 5 && context_switches() - switches <= 10)
            return 0;
    }
    return -1;
}

static void idle_runtime_does_not_wake_up(void)
{
    run_on(1, idle_for_a_while, NULL);
    run_on(4, idle_for_a_while, NULL);
}

/* Does not park; ends when the other one has run, which takes long on a busy machine only. */
static void hog_the_thread(void *arg)
{
    int64_t end = weir_now() + CHECK_WAITS_SECONDS * WEIR_S;

    while (!atomic_load((atomic_bool *)arg)) {
        CHECK(weir_now() < end);
        sched_yield();
    }
}

static void note_run(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

static int work_beside_a_hog(void *arg)
{
    atomic_bool ran = false;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "quick", note_run, &ran);
        weir_scope_go(s, "hog", hog_the_thread, &ran);
    }
    return 0;
}

static void other_workers_take_what_a_hog_leaves(void)
{
    run_on(2, work_beside_a_hog, NULL);
}

static void name_and_id(void *arg)
{
    CHECK(strcmp(weir_self_name(), "named") == 0);
    CHECK(weir_self_id() != 0);
    *(uint64_t *)arg = weir_self_id();
}

static int self_knowledge(void *arg)
{
    uint64_t a, b;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "named", name_and_id, &a);
        weir_scope_go(s, "named", name_and_id, &b);
    }
    CHECK(a != b);
    CHECK(runtime_processor_index() < runtime_processor_count());
    CHECK(runtime_now_coarse() <= weir_now());
    return 0;
}

static void coroutines_know_their_name(void)
{
    CHECK(strcmp(weir_self_name(), "") == 0);
    CHECK_EQ(weir_self_id(), 0);
    run_on(2, self_knowledge, NULL);
}

static const struct test tests[] = {
    TEST(main_returns_what_its_function_returns),
    TEST(second_runtime_is_refused),
    TEST(every_spawned_coroutine_runs_once),
    TEST(trees_of_scopes_join),
    TEST_REAL(yielding_is_fair_on_one_worker, "schedules are not fair"),
    TEST(unbuffered_pairs_go_to_and_fro),
    TEST(operations_that_never_park_let_others_run),
    TEST(sleeping_is_never_too_short),
    TEST(coroutines_left_at_the_end_are_cancelled_and_joined),
    TEST(limit_of_coroutines_is_an_error_and_then_over),
    TEST_REAL(idle_runtime_does_not_wake_up, "measures the kernel"),
    TEST_REAL(other_workers_take_what_a_hog_leaves, "two processors at a time"),
    TEST(coroutines_know_their_name),
};
RUN_TESTS(tests)
