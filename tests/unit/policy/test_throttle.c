/* Client-side throttling and warming up against the published numbers. */
#include "unit/policy/setup.h"

#include <errno.h>

#include <weir/throttle.h>

#include "base/hash.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

/* (requests, accepted) -> share refused here, k = 2 */
static void throttle_refuses_the_published_shares(void **state)
{
    static const struct {
        int requests, accepted;
        uint32_t ppm;
    } cases[] = {{100, 50, 0}, {100, 40, 198019}, {100, 0, 990099}, {1, 0, 500000}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_throttle t;

        assert_int_equal(weir_throttle_init(&t, 200, 0), 0);
        for (int j = 0; j < cases[i].requests; j++)
            (void)weir_throttle_admit(&t, UINT64_MAX, 0);
        for (int j = 0; j < cases[i].accepted; j++)
            weir_throttle_accepted(&t, 0);
        assert_int_equal(weir_throttle_refused_ppm(&t, 0), cases[i].ppm);
    }
}

static void throttle_forgets_after_two_minutes(void **state)
{
    struct weir_throttle t;

    weir_throttle_init(&t, 200, 0);
    for (int i = 0; i < 100; i++)
        (void)weir_throttle_admit(&t, UINT64_MAX, 0);
    assert_true(weir_throttle_refused_ppm(&t, 119 * SEC) > 900000);
    assert_int_equal(weir_throttle_refused_ppm(&t, 130 * SEC), 0);
    assert_int_equal(weir_throttle_init(&t, 99, 0), -EINVAL);
}

/* A server that takes 100 a second of 1,000 asked for: what reaches it settles near k times that.
 */
static void throttle_settles_at_k_times_what_is_accepted(void **state)
{
    struct weir_throttle t;
    struct rng rng;
    int reached = 0;

    rng_seed(&rng, 1);
    weir_throttle_init(&t, 200, 0);
    for (int second = 0; second < 600; second++) {
        int accepted = 0;

        for (int i = 0; i < 1000; i++) {
            int64_t now = second * SEC + i * MS;

            if (!weir_throttle_admit(&t, rng_next(&rng), now))
                continue;
            reached += second >= 300;
            if (accepted++ < 100)
                weir_throttle_accepted(&t, now);
        }
    }
    assert_in_range(reached / 300, 180, 220);
}

static void warmup_waits_are_the_published_ones(void **state)
{
    static const int64_t wait_ms[] = {0, 1375, 1125, 875, 625, 500, 500};
    struct weir_warmup w;
    int64_t t = 0, at;

    assert_int_equal(weir_warmup_init(&w, 2, SEC, 4 * SEC, 0), 0);
    for (size_t i = 0; i < sizeof(wait_ms) / sizeof(wait_ms[0]); i++) {
        assert_int_equal(weir_warmup_take(&w, 1, 10 * SEC, t, &at), 0);
        assert_in_range(at - t, wait_ms[i] * MS - (i > 0), wait_ms[i] * MS + 1);
        t = at;
    }
}

static void warmup_refuses_who_cannot_wait_and_cools_down_again(void **state)
{
    struct weir_warmup w;
    int64_t at;

    weir_warmup_init(&w, 2, SEC, 4 * SEC, 0);
    assert_int_equal(weir_warmup_take(&w, 100, 0, 0, &at), 0); /* the next one pays */
    assert_int_equal(weir_warmup_take(&w, 1, SEC, 0, &at), -EAGAIN);
    assert_int_equal(weir_warmup_take(&w, 1, 0, 1000 * SEC, &at), 0);
    assert_int_equal(weir_warmup_take(&w, 1, 2 * SEC, 1000 * SEC, &at), 0);
    assert_in_range(at - 1000 * SEC, 1374 * MS, 1376 * MS);
    assert_int_equal(weir_warmup_init(&w, 0, SEC, SEC, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throttle_refuses_the_published_shares),
        cmocka_unit_test(throttle_forgets_after_two_minutes),
        cmocka_unit_test(throttle_settles_at_k_times_what_is_accepted),
        cmocka_unit_test(warmup_waits_are_the_published_ones),
        cmocka_unit_test(warmup_refuses_who_cannot_wait_and_cools_down_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
