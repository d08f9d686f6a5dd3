/* Dumps: what everybody does, and who waits for whom. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/diagnose.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

static char text[1 << 20];

/* The dump as text. */
static const char *dump(unsigned flags)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);
    ssize_t n;

    CHECK(fd >= 0);
    CHECK_EQ(weir_dump(fd, flags), 0);
    n = pread(fd, text, sizeof(text) - 1, 0);
    CHECK(n >= 0);
    text[n] = 0;
    close(fd);
    return text;
}

static void recv_one(void *arg)
{
    int got;

    weir_chan_recv(arg, &got);
}

static NOINLINE void middle(struct weir_chan *c)
{
    recv_one(c);
    __asm__ volatile("");
}

static void stand(void *arg)
{
    middle(arg);
    __asm__ volatile("");
}

/* All from one place, whatever the compiler does to loops. */
static __attribute__((noinline)) int start_stander(struct weir_chan *c)
{
    int r = weir_go("stander", stand, c);

    __asm__ volatile(""); /* no tail call, or it would be from the caller */
    return r;
}

static int three_stand(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    const char *t;

    for (int i = 0; i < 3; i++)
        CHECK_EQ(start_stander(c), 0);
    settle();
    t = dump(0);
    CHECK(t == strstr(t, "4 coroutines: 3 waiting, 0 runnable, 1 running"));
    check_has(t, "3 coroutines 'stander': wait for channel receive 0x");
    check_has(t, "numbers ");
    check_has(t, "  at middle+0x");
    check_has(t, "  at stand+0x");
    check_has(t, "started start_stander+0x");
    check_has(t, "'main': running, here");
    check_has(t, "  at three_stand+0x");
    CHECK(strstr(t, "co_main") == NULL && strstr(t, "switch_away") == NULL);
    check_has(dump(WEIR_DUMP_ALL), "'stander': waits for channel receive 0x");
    CHECK(strstr(text, "3 coroutines") == NULL);
    CHECK(strstr(dump(WEIR_DUMP_NO_STACKS), " at ") == NULL);
    check_has(dump(WEIR_DUMP_JSON), "{\"coroutines\":4,\"waiting\":3,");
    check_has(text, "{\"count\":3,\"name\":\"stander\",\"state\":\"waiting\",\"reason\":\"channel "
                    "receive\",\"longest_ms\":");
    check_has(text, "\"function\":\"middle\"");
    weir_chan_close(c);
    until_alone();
    weir_chan_free(c);
    return 0;
}

static void same_state_and_stack_are_one_group(void)
{
    run_on(1, three_stand, NULL);
    run_on(2, three_stand, NULL);
}

/* ---- locks ---- */

static struct weir_mutex first_lock, second_lock, third_lock;

struct pair {
    struct weir_mutex *mine, *other;
    bool leave; /* the other one to whom it was taken from */
};

static struct weir_wait_group have_one;

static void take_both(void *arg)
{
    struct pair *pair = arg;

    weir_mutex_lock(pair->mine);
    weir_wait_group_done(&have_one);
    weir_wait_group_wait(&have_one);
    weir_mutex_lock(pair->other);
    if (!pair->leave)
        weir_mutex_unlock(pair->other);
    weir_mutex_unlock(pair->mine);
}

enum { CROWD = 10000 / SLOWER };

static void wait_for_close(void *arg)
{
    int got;

    CHECK_EQ(weir_chan_recv(arg, &got), 0);
}

static void wait_for_lock(void *arg)
{
    weir_mutex_lock(arg);
    weir_mutex_unlock(arg);
}

static int crowd_and_cycle(void *arg)
{
    static struct pair ab = {&first_lock, &second_lock, false},
                       ba = {&second_lock, &first_lock, false};
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int64_t took_ns;
    const char *t;

    weir_wait_group_add(&have_one, 2);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(weir_go("crowd", wait_for_close, c), 0);
    weir_mutex_lock(&third_lock);
    CHECK_EQ(weir_go("for the third", wait_for_lock, &third_lock), 0);
    CHECK_EQ(weir_go("ab", take_both, &ab), 0);
    CHECK_EQ(weir_go("ba", take_both, &ba), 0);
    weir_wait_group_wait(&have_one);
    settle();
    took_ns = weir_now();
    t = dump(0);
    took_ns = weir_now() - took_ns;
    CHECK(strncmp(t, "deadlock:\n  coroutine ", 22) == 0);
    t = strstr(t, "\n\n");
    *(char *)(uintptr_t)t = 0;
    check_has(text, "'ab' waits for mutex 0x");
    check_has(text, "(second_lock), held by coroutine ");
    check_has(text, "'ba' waits for mutex 0x");
    check_has(text, "(first_lock), held by coroutine ");
    CHECK(strstr(text, "third") == NULL);
    CHECK(strstr(t + 1, "deadlock") == NULL);
    check_has(t + 1, "coroutines 'crowd': wait for channel receive");
    check_has(t + 1, "'for the third': waits for mutex 0x");
    check_has(t + 1, "(third_lock), held by coroutine ");
    fprintf(stderr, "%d coroutines: %lld us\n", CROWD, (long long)took_ns / 1000);
    check_has(dump(WEIR_DUMP_JSON), "\"deadlocks\":[[{\"id\":");
    weir_mutex_unlock(&third_lock);
    ba.leave = true; /* takes from ab what ab will unlock */
    weir_mutex_unlock(&first_lock);
    settle();
    weir_chan_close(c);
    until_alone();
    weir_chan_free(c);
    return 0;
}

static void cycle_of_locks_is_at_the_top(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 2, .coroutines_max = CROWD + 100};

    CHECK_EQ(weir_main(crowd_and_cycle, NULL, &o), 0);
}

/* ---- while they run ---- */

static atomic_bool over;

static void play(void *arg)
{
    int ball = 0;

    while (!atomic_load(&over) && weir_chan_recv(arg, &ball) > 0)
        if (weir_chan_send(arg, &ball) != 0)
            break;
}

static void short_life(void *arg)
{
    char name[32];

    snprintf(name, sizeof(name), "gone soon"); /* names may be gone when they are read */
    weir_sleep(1);
}

static int dump_a_lot(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 1);
    int ball = 1;

    atomic_store(&over, false);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weir_go("player", play, c), 0);
    weir_chan_send(c, &ball);
    for (int i = 0; i < 200 / SLOWER; i++) {
        for (int j = 0; j < 10; j++)
            weir_go("short", short_life, NULL);
        dump((unsigned)i % 2 == 0 ? WEIR_DUMP_ALL : WEIR_DUMP_JSON);
        weir_sleep(1);
    }
    atomic_store(&over, true);
    weir_chan_close(c);
    until_alone();
    weir_chan_free(c);
    return 0;
}

static void coroutines_may_run_meanwhile(void)
{
    run_on_all(dump_a_lot, NULL);
}

static void outside_there_is_nobody(void)
{
    CHECK(strncmp(dump(0), "0 coroutines", 12) == 0);
    CHECK_EQ(weir_dump(-1, 0), -EBADF);
}

static const struct test tests[] = {
    TEST(same_state_and_stack_are_one_group),
    TEST(cycle_of_locks_is_at_the_top),
    TEST(coroutines_may_run_meanwhile),
    TEST(outside_there_is_nobody),
};

RUN_TESTS(tests)
