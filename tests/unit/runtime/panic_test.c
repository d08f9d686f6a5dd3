/* Panics: what runs, in which order, and what is left. */
#include "child.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <weir/diagnose.h>
#include <weir/panic.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "runtime/runtime.h"

/* ---- the order of things ---- */

static char trail[64];

static void note(void *arg)
{
    strcat(trail, arg);
}

static void count_up(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
}

/* One report for each panic that nobody recovers. */
static struct {
    pthread_mutex_t lock;
    int count;
    struct weir_panic_info last;
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void take_report(const struct weir_panic_info *info, void *arg)
{
    pthread_mutex_lock(&reports.lock); /* a hook does not park */
    reports.count++;
    reports.last = *info;
    pthread_mutex_unlock(&reports.lock);
}

static void deferred_normally(void *arg)
{
    for (int i = 0; i < 2; i++) {
        WEIR_DEFER(note, (void *)"a");
        WEIR_DEFER(note, (void *)"b");
        strcat(trail, "(");
        if (i == 1)
            return;
    }
}

static void panics_within(void *arg)
{
    WEIR_DEFER(note, (void *)"1");
    {
        WEIR_DEFER(note, (void *)"2");
    }
    WEIR_DEFER(note, (void *)"3");
    weir_panic(-EINVAL, "bad %d", 7);
}

static int check_order(void *arg)
{
    struct weir_panic_info info;
    const char *here = __FILE__;

    trail[0] = '\0';
    CHECK_EQ(weir_try(deferred_normally, NULL, &info), 0);
    CHECK_EQ(strcmp(trail, "(ba(ba"), 0);
    trail[0] = '\0';
    CHECK_EQ(weir_try(panics_within, NULL, &info), -EINVAL);
    CHECK_EQ(strcmp(trail, "231"), 0);
    CHECK_EQ(info.code, -EINVAL);
    CHECK_EQ(strcmp(info.message, "bad 7"), 0);
    CHECK_EQ(strcmp(info.file, here), 0);
    CHECK(info.line > 0);
    CHECK(info.frame_count > 0);
    CHECK_EQ(info.coroutine_id, weir_self_id());
    CHECK_EQ(weir_try(panics_within, NULL, NULL), -EINVAL);
    CHECK(weir_panicking() == NULL);
    return 0;
}

static void deferred_calls_run_newest_first(void)
{
    run_on_all(check_order, NULL);
    check_order(NULL); /* without a runtime, too */
}

/* ---- panics inside of panics ---- */

static void panic_again_in_deferred(void *arg)
{
    CHECK(weir_panicking() != NULL);
    CHECK_EQ(weir_panicking()->code, -EINVAL);
    weir_panic(-ERANGE, "in deferred");
}

static void nested_panic(void *arg)
{
    WEIR_DEFER(note, (void *)"1");
    WEIR_DEFER(panic_again_in_deferred, NULL);
    WEIR_DEFER(note, (void *)"2");
    weir_panic(-EINVAL, "first");
}

static void recovers_inside(void *arg)
{
    struct weir_panic_info info;

    CHECK_EQ(weir_panicking()->code, -EPERM);
    CHECK_EQ(weir_try(panics_within, NULL, &info), -EINVAL);
    CHECK_EQ(info.depth, 0);
    CHECK_EQ(weir_panicking()->code, -EPERM);
    strcat(trail, "r");
}

static void panic_and_recover_inside(void *arg)
{
    WEIR_DEFER(recovers_inside, NULL);
    weir_panic(-EPERM, "outer");
}

static void pass_on(void *arg)
{
    struct weir_panic_info info;

    if (weir_try(panics_within, NULL, &info) < 0)
        weir_panic_again(&info);
}

static int check_nested(void *arg)
{
    struct weir_panic_info info;

    trail[0] = '\0';
    CHECK_EQ(weir_try(nested_panic, NULL, &info), -ERANGE);
    CHECK_EQ(info.depth, 1);
    CHECK_EQ(strcmp(trail, "21"), 0);
    trail[0] = '\0';
    CHECK_EQ(weir_try(panic_and_recover_inside, NULL, &info), -EPERM);
    CHECK_EQ(info.depth, 0);
    CHECK_EQ(strcmp(trail, "231r"), 0);
    CHECK_EQ(weir_try(pass_on, NULL, &info), -EINVAL);
    CHECK_EQ(strcmp(info.message, "bad 7"), 0);
    CHECK(weir_panicking() == NULL);
    return 0;
}

static void panics_nest(void)
{
    run_on_all(check_nested, NULL);
    check_nested(NULL);
}

/* ---- scopes and deadlines of the abandoned blocks ---- */

static int children_ended;

static void wait_for_cancel(void *arg)
{
    int r = weir_sleep(3600 * WEIR_S);

    CHECK_EQ(r, -ECANCELED);
    count_up(arg);
}

static void sees_children(void *arg)
{
    strcat(trail, *(int *)arg == 2 ? "after" : "before");
}

static void opens_blocks(void *arg)
{
    WEIR_DEFER(sees_children, &children_ended);
    WEIR_DEADLINE (weir_now() + 3600 * WEIR_S) {
        WEIR_SCOPE (s) {
            CHECK_EQ(weir_scope_go(s, "child", wait_for_cancel, &children_ended), 0);
            WEIR_DEFER(sees_children, &children_ended);
            WEIR_SCOPE (t) {
                CHECK_EQ(weir_scope_go(t, "child", wait_for_cancel, &children_ended), 0);
                weir_yield();
                weir_panic(-EIO, "in two scopes");
            }
        }
    }
}

static int check_blocks(void *arg)
{
    for (int i = 0; i < 50 / SLOWER; i++) {
        trail[0] = '\0';
        children_ended = 0;
        CHECK_EQ(weir_deadline_now(), INT64_MAX);
        CHECK_EQ(weir_try(opens_blocks, NULL, NULL), -EIO);
        CHECK_EQ(children_ended, 2);
        CHECK_EQ(strcmp(trail, "beforeafter"), 0);
        CHECK_EQ(weir_deadline_now(), INT64_MAX);
        CHECK_EQ(weir_sleep(1), 0); /* neither cancelled nor late */
    }
    return 0;
}

static void a_panic_ends_the_scopes_it_leaves(void)
{
    run_on_all(check_blocks, NULL);
}

static void keeps_what_was_before(void *arg)
{
    weir_panic(-EIO, "x");
}

static int check_outer_blocks(void *arg)
{
    int64_t at_ns = weir_now() + 3600 * WEIR_S;
    int ended = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "child", wait_for_cancel, &ended);
        WEIR_DEADLINE (at_ns) {
            CHECK_EQ(weir_try(keeps_what_was_before, NULL, NULL), -EIO);
            CHECK_EQ(weir_deadline_now(), at_ns);
        }
        CHECK_EQ(weir_yield(), 0);
        CHECK_EQ(ended, 0);
        weir_scope_cancel(s);
    }
    CHECK_EQ(ended, 1);
    return 0;
}

static void blocks_around_the_try_stay_open(void)
{
    run_on_all(check_outer_blocks, NULL);
}

/* ---- nobody recovers ---- */

static void child_panics(void *arg)
{
    WEIR_DEFER(count_up, arg);
    weir_yield();
    weir_panic(-EINVAL, "child");
}

static void child_waits(void *arg)
{
    CHECK_EQ(weir_sleep(3600 * WEIR_S), -ECANCELED);
    count_up(arg);
}

static int check_unrecovered(void *arg)
{
    int deferred = 0, others = 0;

    reports.count = 0;
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "sibling", child_waits, &others), 0);
        CHECK_EQ(weir_scope_go(s, "panics", child_panics, &deferred), 0);
        CHECK_EQ(weir_scope_wait(s), -ENOTRECOVERABLE);
    }
    CHECK_EQ(deferred, 1);
    CHECK_EQ(others, 1); /* the first error cancels the siblings */
    CHECK_EQ(reports.count, 1);
    CHECK_EQ(strcmp(reports.last.message, "child"), 0);
    CHECK_EQ(strcmp(reports.last.coroutine_name, "panics"), 0);
    CHECK(reports.last.coroutine_id != 0);
    CHECK_EQ(weir_yield(), 0);
    return 0;
}

static void a_panic_ends_its_coroutine_alone(void)
{
    weir_set_panic_hook(take_report, NULL);
    run_on_all(check_unrecovered, NULL);
    weir_set_panic_hook(NULL, NULL);
}

static int main_panics(void *arg)
{
    WEIR_DEFER(count_up, arg);
    weir_go("left behind", child_waits, arg);
    weir_yield();
    weir_panic(-EINVAL, "main");
}

static void a_panic_of_the_main_coroutine_ends_the_run(void)
{
    struct weir_options o = {
        .size = sizeof(o), .workers = 2, .coroutines_max = TEST_COROUTINES_MAX};
    int count = 0;

    weir_set_panic_hook(take_report, NULL);
    reports.count = 0;
    CHECK_EQ(weir_main(main_panics, &count, &o), -ENOTRECOVERABLE);
    CHECK_EQ(count, 2);
    CHECK_EQ(reports.count, 1);
    weir_set_panic_hook(NULL, NULL);
}

/* ---- many ---- */

static size_t resident_pages(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f != NULL && fscanf(f, "%lu %lu", &size, &resident) == 2);
    fclose(f);
    return resident;
}

static void group_done(void *arg)
{
    weir_wait_group_done(arg);
}

static void panics_deep(void *arg)
{
    struct weir_wait_group *wg = arg;
    volatile char room[2000];

    WEIR_DEFER(group_done, wg);
    room[0] = 1;
    weir_assert(room[0] == 2);
}

static void spawn_panicking(int n)
{
    static struct weir_wait_group wg;

    for (int i = 0; i < n; i += 100) {
        weir_wait_group_add(&wg, 100);
        for (int j = 0; j < 100; j++)
            CHECK_EQ(weir_go("panics", panics_deep, &wg), 0);
        CHECK_EQ(weir_wait_group_wait(&wg), 0);
    }
}

enum { BATCHES = 10 };

static int check_many(void *arg)
{
    int n = 1000000 / (SLOWER * SLOWER), batch = n / BATCHES / 100 * 100;
    size_t leak = SIZE_MAX / 8192;
    struct weir_stats stats = {.size = sizeof(stats)};
    struct runtime_stats s;

    reports.count = 0;
    spawn_panicking(10000 / SLOWER / 100 * 100);
    for (int i = 0; i < BATCHES; i++) { /* threads and stacks may be added in some */
        size_t before = resident_pages(), after;

        spawn_panicking(batch);
        after = resident_pages();
        if (after < before + leak)
            leak = after > before ? after - before : 0;
    }
    CHECK(SLOWER > 1 || leak * 4096 < (size_t)batch * 8); /* less than a word of each is kept */
    CHECK(reports.count >= BATCHES * batch);
    CHECK_EQ(weir_stats(&stats), 0);
    CHECK_EQ(stats.panics, reports.count);
    WAIT_UNTIL((runtime_get_stats(&s), s.coroutines_live == 1));
    return 0;
}

static void a_million_panics_leak_nothing(void)
{
    weir_set_panic_hook(take_report, NULL);
    run_on(2, check_many, NULL);
    weir_set_panic_hook(NULL, NULL);
}

static void try_many(void *arg)
{
    int count = 0;

    for (int i = 0; i < 100000 / SLOWER; i++) {
        WEIR_DEFER(count_up, &count);
        CHECK_EQ(weir_try(panics_within, NULL, NULL), -EINVAL);
        trail[0] = '\0';
    }
    CHECK_EQ(count, 100000 / SLOWER);
}

static int check_tries(void *arg)
{
    try_many(NULL);
    return 0;
}

static void recovering_goes_on_for_ever(void)
{
    run_on(1, check_tries, NULL);
    try_many(NULL);
}

/* ---- on threads of blocking calls ---- */

static long panics_on_thread(void *arg)
{
    WEIR_DEFER(count_up, arg);
    CHECK_EQ(weir_self_id(), 0);
    weir_panic(-ENODEV, "on a thread");
}

static void calls_blocking(void *arg)
{
    weir_blocking(panics_on_thread, arg);
}

static int check_blocking(void *arg)
{
    struct weir_panic_info info;
    int n = 0;

    CHECK_EQ(weir_try(calls_blocking, &n, &info), -ENODEV);
    CHECK_EQ(n, 1);
    CHECK_EQ(info.coroutine_id, weir_self_id());
    CHECK_EQ(strcmp(info.message, "on a thread"), 0);
    return 0;
}

static void a_panic_in_a_blocking_call_is_the_callers(void)
{
    run_on_all(check_blocking, NULL);
}

/* ---- processes that end ---- */

static int spawns_one_that_panics(void *arg)
{
    int n = 0;

    CHECK_EQ(weir_go("worker", child_panics, &n), 0);
    while (n == 0)
        weir_yield();
    return weir_sleep(WEIR_MS);
}

static void panic_is_reported(void)
{
    run_on(1, spawns_one_that_panics, NULL);
}

static void the_report_has_names_and_lines(void)
{
    char text[CHILD_TEXT_MAX];

    CHECK_EQ(run_in_child(panic_is_reported, text), 0);
    CHECK(strstr(text, "\"worker\"") != NULL);
    CHECK(strstr(text, "child [EINVAL] at ") != NULL);
    CHECK(strstr(text, "panic_test.c:") != NULL);
    CHECK(strstr(text, "child_panics+0x") != NULL);
}

static void panic_with_abort(void)
{
    struct weir_options o = {.size = sizeof(o),
                             .workers = 1,
                             .coroutines_max = TEST_COROUTINES_MAX,
                             .panic_aborts = true};

    weir_main(spawns_one_that_panics, NULL, &o);
}

static void panic_without_runtime(void)
{
    weir_panic(-EINVAL, "no %s", "runtime");
}

static void where_asked_to_a_panic_aborts(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(panic_with_abort, text);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "\"worker\"") != NULL);
    status = run_in_child(panic_without_runtime, text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "outside of coroutines: no runtime [EINVAL]") != NULL);
}

static const struct test tests[] = {
    TEST(deferred_calls_run_newest_first),
    TEST(panics_nest),
    TEST(a_panic_ends_the_scopes_it_leaves),
    TEST(blocks_around_the_try_stay_open),
    TEST(a_panic_ends_its_coroutine_alone),
    TEST(a_panic_of_the_main_coroutine_ends_the_run),
    TEST_REAL(a_million_panics_leak_nothing, "memory of the process"),
    TEST(recovering_goes_on_for_ever),
    TEST_REAL(a_panic_in_a_blocking_call_is_the_callers, "threads"),
    TEST_REAL(the_report_has_names_and_lines, "processes"),
    TEST_REAL(where_asked_to_a_panic_aborts, "processes"),
};

RUN_TESTS(tests)
