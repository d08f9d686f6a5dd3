/* Background coroutines: who has stopped one may free what it used. Without cmocka: its assertions
 * must not leave a coroutine's stack. */
#include "gateway/task.h"

#include <stdatomic.h>

#include "../runtime/check.h"
#include "base/base.h"
#include "runtime/runtime.h"

struct job {
    struct task task;
    atomic_bool begun, ended, released;
};

/* Notices its cancellation, and still has something to put in order. */
static void work_on(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->begun, true);
    CHECK_EQ(weir_sleep(WEIR_S * 100), -ECANCELED);
    for (int64_t end = weir_now() + 5 * WEIR_MS; weir_now() < end;)
        (void)weir_yield();
    atomic_store(&j->ended, true);
}

static void release(void *arg)
{
    atomic_store(&((struct job *)arg)->released, true);
}

static void await_release(struct job *j)
{
    while (!atomic_load(&j->released))
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
}

static void start_job(struct job *j)
{
    CHECK_EQ(task_start(&j->task, "job", work_on, release, j), 0);
    while (!atomic_load(&j->begun))
        CHECK_EQ(weir_sleep(WEIR_MS), 0);
}

static int stop_when_cancelled(void *arg)
{
    struct job j = {0};

    start_job(&j);
    WEIR_SCOPE (s) {
        weir_scope_cancel(s);
        task_stop(&j.task);
        CHECK(atomic_load(&j.ended));
    }
    await_release(&j);
    return 0;
}

static int stop_too_late(void *arg)
{
    struct job j = {0};

    start_job(&j);
    WEIR_DEADLINE (weir_now()) {
        task_stop(&j.task);
        CHECK(atomic_load(&j.ended));
    }
    await_release(&j);
    return 0;
}

static int stop_at_once(void *arg)
{
    struct job j = {0};

    CHECK_EQ(task_start(&j.task, "job", work_on, release, &j), 0);
    task_stop(&j.task);
    CHECK_EQ(atomic_load(&j.begun), atomic_load(&j.ended));
    await_release(&j);
    CHECK_EQ(atomic_load(&j.begun), atomic_load(&j.ended));
    task_stop(&j.task); /* again is harmless */
    return 0;
}

static void stopping_waits_for_the_end_though_the_caller_is_cancelled(void)
{
    run_on_all(stop_when_cancelled, NULL);
}

static void stopping_waits_for_the_end_though_the_deadline_has_passed(void)
{
    run_on_all(stop_too_late, NULL);
}

static void stopping_before_the_beginning_prevents_it(void)
{
    for (int i = 0; i < 20; i++)
        run_on_all(stop_at_once, NULL);
}

static const struct test tests[] = {
    TEST(stopping_waits_for_the_end_though_the_caller_is_cancelled),
    TEST(stopping_waits_for_the_end_though_the_deadline_has_passed),
    TEST(stopping_before_the_beginning_prevents_it),
};
RUN_TESTS(tests)
