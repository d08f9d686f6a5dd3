/* The timing wheel against a plain model. */
#include <pthread.h>

#include "runtime/timer.h"

#include "base/hash.h"
#include "check.h"

enum { TIMERS = 300 };

static struct wheel wheel;
static struct timer timers[TIMERS];
static int64_t due_ns[TIMERS]; /* the model: NS_NEVER when not armed */

static void expire_and_compare(int64_t now_ns)
{
    struct expired out[7]; /* small, so that a slot is left half done */
    size_t n;

    do {
        n = wheel_expire(&wheel, now_ns, out, ARRAY_LEN(out));
        for (size_t i = 0; i < n; i++) {
            size_t which = (size_t)(out[i].timer - timers);

            CHECK_EQ(out[i].ticket, which + 1);
            CHECK(due_ns[which] <= now_ns); /* never early, never one that was cancelled */
            due_ns[which] = NS_NEVER;
        }
    } while (n == ARRAY_LEN(out));
    for (int i = 0; i < TIMERS; i++)
        CHECK(due_ns[i] == NS_NEVER || due_ns[i] > now_ns - (INT64_C(2) << wheel.shift));
}

static int64_t random_span(struct rng *rng)
{
    return (int64_t)rng_below(rng, UINT64_C(1) << (1 + rng_below(rng, 44)));
}

static void against_model(unsigned shift, uint64_t seed)
{
    struct rng rng;
    int64_t now_ns = 12345678901;

    rng_seed(&rng, seed);
    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, shift, now_ns);
    for (int i = 0; i < TIMERS; i++)
        due_ns[i] = NS_NEVER;
    for (int step = 0; step < 40000 / SLOWER; step++) {
        size_t which = rng_below(&rng, TIMERS);

        switch (rng_below(&rng, 4)) {
        case 0:
        case 1: /* arms, or moves an armed one to and fro */
            due_ns[which] = now_ns + 1 + random_span(&rng);
            timer_arm(&wheel, &timers[which], due_ns[which], which + 1);
            break;
        case 2:
            timer_cancel(&timers[which]);
            due_ns[which] = NS_NEVER;
            break;
        default:
            now_ns += random_span(&rng) >> rng_below(&rng, 12);
            expire_and_compare(now_ns);
            break;
        }
    }
}

static void wheel_agrees_with_model_and_is_never_early(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        against_model(WHEEL_TICK_SHIFT, seed);
        against_model(0, seed);
    }
}

/* Sleeping until wheel_next_ns() again and again reaches the timer, in a few steps. */
static void next_expiry_leads_to_the_timer(void)
{
    int64_t now_ns = 999, at_ns = now_ns + 3600 * NS_PER_SEC;
    struct expired out;
    int steps = 0;

    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, WHEEL_TICK_SHIFT, now_ns);
    CHECK_EQ(wheel_next_ns(&wheel), NS_NEVER);
    timer_arm(&wheel, &timers[0], at_ns, 7);
    do {
        CHECK(wheel_next_ns(&wheel) > now_ns);
        now_ns = wheel_next_ns(&wheel);
        CHECK(++steps < 8);
    } while (wheel_expire(&wheel, now_ns, &out, 1) == 0);
    CHECK(now_ns >= at_ns && now_ns < at_ns + (2 << WHEEL_TICK_SHIFT));
    CHECK_EQ(wheel_next_ns(&wheel), NS_NEVER);
}

static void moved_to_later_keeps_its_place_until_then(void)
{
    struct expired out;

    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 0, 0);
    timer_arm(&wheel, &timers[0], 100, 1);
    timer_arm(&wheel, &timers[0], 500, 2);
    CHECK_EQ(wheel_next_ns(&wheel), 64); /* still where 100 is: no list operation was made */
    CHECK_EQ(wheel_expire(&wheel, 499, &out, 1), 0);
    CHECK_EQ(wheel_expire(&wheel, 500, &out, 1), 1);
    CHECK_EQ(out.ticket, 2);
}

/* Through two cascades, an odd number and an even one, down to one and none. */
static void due_at_one_time_come_in_the_order_of_arming(void)
{
    for (size_t count = 0; count < TIMERS; count += count < 4 ? 1 : 97) {
        struct expired out[7];
        size_t seen = 0, n;

        memset(timers, 0, sizeof(timers));
        wheel_init(&wheel, 0, 0);
        for (size_t i = 0; i < count; i++)
            timer_arm(&wheel, &timers[i], 2 * 64 * 64 + 3 * 64 + 5, i);
        while ((n = wheel_expire(&wheel, 1000000, out, ARRAY_LEN(out))) != 0) {
            for (size_t i = 0; i < n; i++)
                CHECK_EQ(out[i].ticket, seen++);
        }
        CHECK_EQ(seen, count);
    }
}

/* Arms on a wheel of its own what has expired on the other one, as soon as that lets go of it. */
static void *arm_elsewhere(void *arg)
{
    static struct wheel other;

    wheel_init(&other, 0, 0);
    for (int i = 0; i < 2; i++) {
        while (atomic_load_explicit(&timers[i].wheel, memory_order_acquire) != NULL)
            ;
        timer_arm(&other, &timers[i], 1000, 1);
        timer_cancel(&timers[i]);
    }
    return NULL;
}

static void expired_timers_are_not_looked_at_again(void)
{
    for (int i = 0; i < 100; i++) {
        struct expired out[2];
        pthread_t thread;

        memset(timers, 0, sizeof(timers));
        wheel_init(&wheel, 0, 0);
        timer_arm(&wheel, &timers[0], 100, 1);
        timer_arm(&wheel, &timers[1], 100, 2);
        CHECK_EQ(pthread_create(&thread, NULL, arm_elsewhere, NULL), 0);
        CHECK_EQ(wheel_expire(&wheel, 100, out, ARRAY_LEN(out)), 2);
        pthread_join(thread, NULL);
    }
}

static void cancelled_on_another_wheel_is_gone(void)
{
    static struct wheel other;
    struct expired out;

    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 0, 0);
    wheel_init(&other, 0, 0);
    timer_arm(&wheel, &timers[0], 100, 1);
    timer_arm(&other, &timers[0], 200, 2); /* later: stays where it is */
    CHECK_EQ(wheel_expire(&other, 1000, &out, 1), 0);
    timer_arm(&other, &timers[0], 50, 3); /* earlier: moves */
    CHECK_EQ(wheel_expire(&wheel, 1000, &out, 1), 0);
    timer_cancel(&timers[0]);
    CHECK_EQ(wheel_expire(&other, 2000, &out, 1), 0);
}

static void ticks_at_the_end_of_time_do_not_wrap(void)
{
    struct expired out;

    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, WHEEL_TICK_SHIFT, 0);
    timer_arm(&wheel, &timers[0], INT64_MAX - 1, 1);
    CHECK_EQ(wheel_expire(&wheel, INT64_MAX / 2, &out, 1), 0);
    timer_cancel(&timers[0]);
    CHECK_EQ(wheel_next_ns(&wheel), NS_NEVER);
}

static const struct test tests[] = {
    TEST(wheel_agrees_with_model_and_is_never_early),
    TEST(next_expiry_leads_to_the_timer),
    TEST(moved_to_later_keeps_its_place_until_then),
    TEST(cancelled_on_another_wheel_is_gone),
    TEST(due_at_one_time_come_in_the_order_of_arming),
    TEST(ticks_at_the_end_of_time_do_not_wrap),
    TEST_REAL(expired_timers_are_not_looked_at_again, "threads"),
};
RUN_TESTS(tests)
