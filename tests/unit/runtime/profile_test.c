/* Profiles: what is collected, and that others can read it. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/diagnose.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

static char text[1 << 20];
static size_t text_len;

static const char *profile(enum weir_profile kind, enum weir_profile_format format)
{
    int fd = memfd_create("profile", MFD_CLOEXEC);
    ssize_t n;

    CHECK(fd >= 0);
    CHECK_EQ(weir_profile_write(kind, fd, format), 0);
    n = pread(fd, text, sizeof(text) - 1, 0);
    CHECK(n >= 0);
    text_len = (size_t)n;
    text[n] = 0;
    close(fd);
    return text;
}

/* Milliseconds and times on the first line. */
static void totals(const char *in, double *ret_ms, unsigned long long *ret_times)
{
    const char *colon = strstr(in, ": ");

    CHECK(colon != NULL && sscanf(colon + 2, "%lf ms, %llu times", ret_ms, ret_times) == 2);
}

static struct weir_mutex hot_lock;

/* When all others wait for the lock, or for the end. (Yielding is no wait.) */
static NOINLINE void hold_it(void)
{
    weir_mutex_lock(&hot_lock);
    while (!all_others_wait())
        weir_yield();
    weir_sleep(5 * NS_PER_MS);
    weir_mutex_unlock(&hot_lock);
    __asm__ volatile(""); /* no tail call: it would take the frame away */
}

static void holder(void *arg)
{
    hold_it();
    weir_wait_group_done(arg);
}

static NOINLINE void wait_for_all(struct weir_wait_group *wg)
{
    weir_wait_group_wait(wg);
    __asm__ volatile("");
}

static int contend(void *arg)
{
    struct weir_wait_group wg = {0};
    unsigned long long times;
    double ms;
    const char *t;

    CHECK_EQ(weir_profile_start(WEIR_PROFILE_BLOCK | WEIR_PROFILE_MUTEX, 1), 0);
    weir_wait_group_add(&wg, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weir_go("holder", holder, &wg), 0);
    wait_for_all(&wg);
    weir_profile_stop(WEIR_PROFILE_BLOCK | WEIR_PROFILE_MUTEX);
    weir_sleep(NS_PER_MS); /* no longer noted */

    t = profile(WEIR_PROFILE_BLOCK, WEIR_PROFILE_TEXT);
    totals(t, &ms, &times);
    CHECK(times >= 4 + 3 + 1 && times < 100); /* sleeps, waits for the lock, for the group */
    CHECK(ms > 4 * 5 + 20);
    check_has(t, "wait group\n");
    check_has(t, "at wait_for_all+0x");
    check_has(t, "times  sleep\n");
    check_has(t, "times  mutex\n");
    CHECK(strstr(t, "switch_away") == NULL && strstr(t, "at profile_") == NULL);

    t = profile(WEIR_PROFILE_MUTEX, WEIR_PROFILE_TEXT);
    totals(t, &ms, &times);
    CHECK(times >= 3 && ms > 5 + 10);
    check_has(t, "at hold_it+0x");
    check_has(t, "locks:\n");
    check_has(t, " hot_lock\n");
    CHECK(strstr(t, "wait_for_all") == NULL);
    return 0;
}

static void waits_and_contention_are_attributed(void)
{
    run_on(1, contend, NULL);
    run_on(2, contend, NULL);
}

/* ---- sampling ---- */

enum { ROUNDS = 20000 / SLOWER };

static void echo(void *arg)
{
    struct weir_chan **c = arg;
    int ball;

    while (weir_chan_recv(c[0], &ball) > 0)
        weir_chan_send(c[1], &ball);
    weir_chan_close(c[1]);
}

/* Waits of a microsecond or so, at a rate: the sum is right on average. */
static bool sampled_well(struct weir_chan *c[2])
{
    unsigned long long all_times, some_times;
    double all_ms, some_ms;
    int ball = 1;

    for (int turn = 0; turn < 2; turn++) {
        CHECK_EQ(weir_profile_start(WEIR_PROFILE_BLOCK, turn == 0 ? 1 : 20000), 0);
        for (int i = 0; i < ROUNDS; i++) {
            CHECK_EQ(weir_chan_send(c[0], &ball), 0);
            CHECK_EQ(weir_chan_recv(c[1], &ball), 1);
        }
        weir_profile_stop(WEIR_PROFILE_BLOCK);
        totals(profile(WEIR_PROFILE_BLOCK, WEIR_PROFILE_TEXT), turn == 0 ? &all_ms : &some_ms,
               turn == 0 ? &all_times : &some_times);
    }
    fprintf(stderr, "all: %.1f ms %llu, sampled: %.1f ms %llu\n", all_ms, all_times, some_ms,
            some_times);
    CHECK(all_times >= ROUNDS && all_times <= 2 * ROUNDS + 10);
    return some_times > all_times / 10 && some_times < all_times * 10 && some_ms > all_ms / 20 &&
           some_ms < all_ms * 20;
}

static int sample(void *arg)
{
    struct weir_chan *c[2] = {weir_chan_new(sizeof(int), 0), weir_chan_new(sizeof(int), 0)};
    bool good = false;
    int ball;

    CHECK_EQ(weir_go("echo", echo, c), 0);
    for (int attempt = 0; attempt < 10 && !good; attempt++)
        good = sampled_well(c); /* unless the machine was busy in one of its turns only */
    CHECK(good);
    weir_chan_close(c[0]);
    CHECK_EQ(weir_chan_recv(c[1], &ball), 0); /* echo has ended */
    weir_chan_free(c[0]);
    weir_chan_free(c[1]);
    return 0;
}

static void samples_stand_for_what_they_left_out(void)
{
    run_on(1, sample, NULL);
}

/* ---- the other format ---- */

static uint64_t varint(const unsigned char **at, const unsigned char *end)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        CHECK(*at < end);
        v |= (uint64_t)(**at & 0x7f) << shift;
        if ((*(*at)++ & 0x80) == 0)
            return v;
    }
    CHECK(false);
    return 0;
}

/* Walks over the fields: all of it is used up, every string and sample is counted. */
static void walk_fields(unsigned counts[static 16], const char *want_string, bool *ret_found)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + text_len;
    size_t want_len = strlen(want_string);

    while (at < end) {
        uint64_t key = varint(&at, end), value = varint(&at, end);

        CHECK(key >> 3 < 16 && ((key & 7) == 0 || (key & 7) == 2));
        counts[key >> 3]++;
        if ((key & 7) != 2)
            continue;
        CHECK(value <= (uint64_t)(end - at));
        if (key >> 3 == 6 && value == want_len && memcmp(at, want_string, want_len) == 0)
            *ret_found = true;
        at += value;
    }
}

static void pprof_can_be_walked(void)
{
    unsigned counts[16] = {0};
    bool found = false;

    run_on(2, contend, NULL);
    profile(WEIR_PROFILE_MUTEX, WEIR_PROFILE_PPROF);
    walk_fields(counts, "hold_it", &found);
    CHECK(found);
    CHECK_EQ(counts[1], 2);               /* kinds of values */
    CHECK(counts[2] >= 1);                /* samples */
    CHECK(counts[4] >= 2);                /* locations */
    CHECK_EQ(counts[5], counts[4]);       /* functions */
    CHECK(counts[6] > 5);                 /* strings */
    CHECK_EQ(counts[10] + counts[12], 2); /* duration and period */
    if (getenv("WEIR_TEST_PPROF") != NULL) {
        FILE *f = fopen(getenv("WEIR_TEST_PPROF"), "w");

        CHECK(f != NULL && fwrite(text, 1, text_len, f) == text_len && fclose(f) == 0);
    }
}

static int delays(void *arg)
{
    unsigned long long times;
    double ms;

    CHECK_EQ(weir_profile_start(WEIR_PROFILE_SCHED, 0), 0);
    for (int i = 0; i < ROUNDS; i++)
        weir_yield();
    for (int i = 0; i < 200; i++)
        weir_sleep(NS_PER_US);
    weir_profile_stop(WEIR_PROFILE_SCHED);
    totals(profile(WEIR_PROFILE_SCHED, WEIR_PROFILE_TEXT), &ms, &times);
    CHECK(times >= 64 && times % 64 == 0);
    return 0;
}

static void queueing_is_sampled(void)
{
    run_on(1, delays, NULL);
}

static void wrong_arguments_are_refused(void)
{
    CHECK_EQ(weir_profile_start(0, 1), -EINVAL);
    CHECK_EQ(weir_profile_start(8, 1), -EINVAL);
    CHECK_EQ(weir_profile_write(3, 1, WEIR_PROFILE_TEXT), -EINVAL);
    CHECK_EQ(weir_profile_write(WEIR_PROFILE_BLOCK, 1, 7), -EINVAL);
    CHECK_EQ(weir_profile_write(WEIR_PROFILE_SCHED, 1, WEIR_PROFILE_TEXT), -ENODATA);
}

static const struct test tests[] = {
    TEST(wrong_arguments_are_refused),
    TEST(waits_and_contention_are_attributed),
    TEST_REAL(samples_stand_for_what_they_left_out, "statistics take many draws"),
    TEST(pprof_can_be_walked),
    TEST_REAL(queueing_is_sampled, "statistics take many draws"),
};

RUN_TESTS(tests)
