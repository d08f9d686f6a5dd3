/* Faults: which are contained, and what is told about the others. Each in a process of its own. */
#include "child.h"

#if defined(WEIR_SANITIZED)

/* The sanitizers report faults themselves; the runtime leaves them alone. */
int main(void)
{
    return 77; /* skipped */
}

#else

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/panic.h>
#include <weir/scope.h>

static void run(unsigned workers, int (*fn)(void *arg), bool contain)
{
    struct weir_options o = {.size = sizeof(o),
                             .workers = workers,
                             .coroutines_max = TEST_COROUTINES_MAX,
                             .contain_faults = contain};

    CHECK_EQ(weir_main(fn, NULL, &o), 0);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

/* ---- overflow ---- */

static volatile bool endless = true;

__attribute__((noinline)) static int fill_stack(volatile char *above)
{
    volatile char room[200];

    room[0] = above != NULL ? above[0] : 0;
    return (endless ? fill_stack(room) : 0) + room[0];
}

static void big_deferred(void *arg)
{
    char text[2000];

    snprintf(text, sizeof(text), "%s %d", "printing needs a stack", 1);
    count_up(arg);
}

static void overflows(void *arg)
{
    WEIR_DEFER(big_deferred, arg);
    fill_stack(NULL);
}

static int overflow_often(void *arg)
{
    struct weir_panic_info info;

    for (int i = 0; i < 200; i++) {
        int deferred = 0;

        CHECK_EQ(weir_try(overflows, &deferred, &info), -EOVERFLOW);
        CHECK_EQ(deferred, 1);
        CHECK_EQ(info.signo, SIGSEGV);
        CHECK(strstr(info.message, "stack of 128 KiB overflowed in fill_stack") != NULL);
        CHECK(info.frame_count > 10);
        CHECK_EQ(weir_yield(), 0);
    }
    return 0;
}

static void overflow_recovered(void)
{
    run(1, overflow_often, false);
    run(2, overflow_often, false);
}

static int reported;

static void take_report(const struct weir_panic_info *info, void *arg)
{
    CHECK_EQ(info->code, -EOVERFLOW);
    __atomic_fetch_add(&reported, 1, __ATOMIC_RELAXED);
}

static int overflow_in_children(void *arg)
{
    for (int i = 0; i < 100; i++) {
        int deferred = 0;

        WEIR_SCOPE (s) {
            CHECK_EQ(weir_scope_go(s, "deep", overflows, &deferred), 0);
            CHECK_EQ(weir_scope_wait(s), -ENOTRECOVERABLE);
        }
        CHECK_EQ(deferred, 1);
    }
    CHECK_EQ(reported, 100);
    reported = 0;
    return 0;
}

static void overflow_ends_coroutine(void)
{
    weir_set_panic_hook(take_report, NULL);
    run(1, overflow_in_children, false);
    run(2, overflow_in_children, false);
}

static void an_overflow_is_a_panic(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(overflow_recovered, text);

    check_has(text, "");
    CHECK_EQ(status, 0);
    CHECK_EQ(run_in_child(overflow_ends_coroutine, text), 0);
}

static int overflow_unrecovered(void *arg)
{
    int deferred = 0;

    CHECK_EQ(weir_go("deep", overflows, &deferred), 0);
    while (deferred == 0)
        weir_yield();
    return weir_sleep(WEIR_MS);
}

static void overflow_reported(void)
{
    run(1, overflow_unrecovered, false);
}

static void an_overflow_is_reported_with_its_place(void)
{
    char text[CHILD_TEXT_MAX];

    CHECK_EQ(run_in_child(overflow_reported, text), 0);
    check_has(text, "\"deep\": the stack of 128 KiB overflowed in fill_stack");
    check_has(text, ": raise "
                    "weir_options.stack_bytes [EOVERFLOW]");
    check_has(text, "#1 fill_stack");
}

static void overflows_again(void *arg)
{
    fill_stack(NULL);
}

static void overflows_twice(void *arg)
{
    WEIR_DEFER(overflows_again, NULL);
    fill_stack(NULL);
}

static int overflow_twice(void *arg)
{
    weir_try(overflows_twice, NULL, NULL);
    return 0;
}

static void overflow_on_spare(void)
{
    run(1, overflow_twice, false);
}

static void an_overflow_of_the_spare_stack_crashes(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(overflow_on_spare, text);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check_has(text, "its stack has overflowed");
    check_has(text, "had overflowed before");
}

/* ---- other faults in user code ---- */

static volatile uintptr_t bad_address = 16;

static void writes_to_null(void *arg)
{
    WEIR_DEFER(count_up, arg);
    *(volatile int *)bad_address = 1;
}

#if defined(__x86_64__) /* elsewhere it is no exception */
static void divides_by_zero(void *arg)
{
    volatile int zero = 0;

    WEIR_DEFER(count_up, arg);
    zero = 100 / zero;
}
#endif

static void traps(void *arg)
{
    WEIR_DEFER(count_up, arg);
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("udf #0");
#endif
}

static void reads_beyond_the_file(void *arg)
{
    FILE *f = tmpfile();
    volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);

    WEIR_DEFER(count_up, arg);
    (void)map[100];
}

static int faults_in_turn(void *arg)
{
    struct weir_panic_info info;
    int n = 0;

    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(weir_try(writes_to_null, &n, &info), -EFAULT);
        CHECK_EQ(info.signo, SIGSEGV);
        CHECK(strstr(info.message, "SIGSEGV at address 0x10 in writes_to_null") != NULL);
        CHECK_EQ(n, i + 1);
    }
#if defined(__x86_64__)
    CHECK_EQ(weir_try(divides_by_zero, &n, &info), -EDOM);
    CHECK_EQ(info.signo, SIGFPE);
#endif
    CHECK_EQ(weir_try(traps, &n, &info), -ENOTRECOVERABLE);
    CHECK_EQ(info.signo, SIGILL);
    CHECK_EQ(weir_try(reads_beyond_the_file, &n, &info), -EFAULT);
    CHECK_EQ(info.signo, SIGBUS);
    CHECK_EQ(weir_yield(), 0);
    return 0;
}

static void faults_contained(void)
{
    run(1, faults_in_turn, true);
    run(2, faults_in_turn, true);
}

static void faults_in_user_code_are_panics_when_asked_for(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(faults_contained, text);

    if (status != 0)
        fprintf(stderr, "%s\n", text);
    CHECK_EQ(status, 0);
}

static int fault_once(void *arg)
{
    int n = 0;

    weir_try(writes_to_null, &n, NULL);
    return 0;
}

static void fault_not_contained(void)
{
    run(1, fault_once, false);
}

static void unasked_a_fault_crashes_with_a_report(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(fault_not_contained, text);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check_has(text, "crash: SIGSEGV (code 1), address 0x10");
    check_has(text, "in coroutine ");
    check_has(text, "not contained: weir_options.contain_faults is not set");
    check_has(text, "writes_to_null+0x");
    check_has(text, "all coroutines:");
    check_has(text, "main");
}

/* ---- faults elsewhere ---- */

static void faults_in_libc(void *arg)
{
    memset((char *)bad_address, 1, (size_t)(uintptr_t)arg);
    bad_address = 0; /* so that the call above is one */
}

static int libc_fault(void *arg)
{
    weir_try(faults_in_libc, (void *)(uintptr_t)100000, NULL);
    return 0;
}

static void fault_in_libc(void)
{
    run(1, libc_fault, true);
}

static void faults_in_runtime(void *arg)
{
    weir_scope_cancel((struct weir_scope *)bad_address);
}

static int runtime_fault(void *arg)
{
    weir_try(faults_in_runtime, NULL, NULL);
    return 0;
}

static void fault_in_runtime(void)
{
    run(1, runtime_fault, true);
}

static void where_locks_may_be_held_a_fault_crashes(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(fault_in_libc, text);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check_has(text, "in a library, which may hold locks");
    check_has(text, "faults_in_libc+0x");
    status = run_in_child(fault_in_runtime, text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check_has(text, "in the runtime, which may hold locks");
}

/* ---- handlers of others ---- */

static void handler_of_others(int signo)
{
    _exit(42);
}

static int fault_on_thread(void *arg)
{
    return (int)weir_blocking((long (*)(void *))(void *)fault_once, NULL);
}

static void handled_by_others(void)
{
    signal(SIGSEGV, handler_of_others);
    run(1, fault_on_thread, true);
}

static void handler_comes_back(void)
{
    struct sigaction now;

    signal(SIGSEGV, handler_of_others);
    run(1, overflow_often, true);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK(now.sa_handler == handler_of_others);
}

static void handlers_of_others_are_kept(void)
{
    char text[CHILD_TEXT_MAX];
    int status = run_in_child(handled_by_others, text);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK_EQ(run_in_child(handler_comes_back, text), 0);
}

static const struct test tests[] = {
    TEST_REAL(an_overflow_is_a_panic, "signals, processes"),
    TEST_REAL(an_overflow_is_reported_with_its_place, "signals, processes"),
    TEST_REAL(an_overflow_of_the_spare_stack_crashes, "signals, processes"),
    TEST_REAL(faults_in_user_code_are_panics_when_asked_for, "signals, processes"),
    TEST_REAL(unasked_a_fault_crashes_with_a_report, "signals, processes"),
    TEST_REAL(where_locks_may_be_held_a_fault_crashes, "signals, processes"),
    TEST_REAL(handlers_of_others_are_kept, "signals, processes"),
};

RUN_TESTS(tests)

#endif
