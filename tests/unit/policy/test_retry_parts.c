/* The public parts of a retry: waits, budget, Retry-After, percentiles of latencies. */
#include "unit/policy/setup.h"

#include <errno.h>

#include <weir/retry.h>

#include "base/base.h"
#include "base/hash.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

#define HALF (UINT64_C(1) << 63)

static void waits_of_each_kind_without_jitter(void **state)
{
    static const struct {
        struct weir_backoff o;
        int64_t ms[6];
    } cases[] = {
        {{.base_ns = 100 * MS}, {100, 200, 400, 800, 1600, 3200}},
        {{.base_ns = 100 * MS, .max_ns = SEC}, {100, 200, 400, 800, 1000, 1000}},
        {{.base_ns = 100 * MS, .multiplier_percent = 150}, {100, 150, 225}},
        {{.base_ns = 100 * MS, .multiplier_percent = 100}, {100, 100, 100, 100, 100, 100}},
        {{.base_ns = 100 * MS, .multiplier_percent = 50}, {100, 50, 25}},
        {{.kind = WEIR_BACKOFF_CONSTANT, .base_ns = 70 * MS}, {70, 70, 70, 70, 70, 70}},
        {{.kind = WEIR_BACKOFF_LINEAR, .base_ns = 70 * MS, .max_ns = 200 * MS},
         {70, 140, 200, 200, 200, 200}},
        {{.base_ns = 0}, {0}},
        {{.base_ns = -5}, {0}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (uint32_t n = 1; n <= 6 && (cases[i].ms[n - 1] != 0 || n == 1); n++)
            assert_int_equal(weir_backoff_ns(&cases[i].o, NULL, n, UINT64_MAX),
                             cases[i].ms[n - 1] * MS);
}

static void jitter_takes_its_share_and_no_more(void **state)
{
    struct weir_backoff o = {.base_ns = 100 * MS, .jitter_percent = WEIR_JITTER_FULL};

    assert_int_equal(weir_backoff_ns(&o, NULL, 1, 0), 100 * MS);
    assert_int_equal(weir_backoff_ns(&o, NULL, 1, HALF), 50 * MS);
    assert_in_range(weir_backoff_ns(&o, NULL, 1, UINT64_MAX), 0, 1);
    o.jitter_percent = WEIR_JITTER_EQUAL;
    assert_int_equal(weir_backoff_ns(&o, NULL, 2, HALF), 150 * MS);
    assert_in_range(weir_backoff_ns(&o, NULL, 2, UINT64_MAX), 100 * MS, 100 * MS + 1);
}

/* Polly's formula with U = 0.5 and a base of a second. */
static void decorrelated_waits_are_the_published_ones(void **state)
{
    static const int64_t ms[] = {897, 1093, 2036, 4046, 8084, 16164};
    struct weir_backoff o = {.kind = WEIR_BACKOFF_DECORRELATED, .base_ns = SEC};
    struct weir_backoff_state s = {0};

    for (uint32_t n = 1; n <= ARRAY_LEN(ms); n++)
        assert_in_range(weir_backoff_ns(&o, &s, n, HALF), ms[n - 1] * MS - MS, ms[n - 1] * MS + MS);
}

static void no_wait_is_negative_or_above_its_maximum(void **state)
{
    static const int64_t bases[] = {0, 1, 3, 100 * MS, SEC, INT64_MAX / 3, INT64_MAX};
    static const int64_t maxima[] = {0, 1, SEC, INT64_MAX};
    struct rng rng;

    rng_seed(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        struct weir_backoff o = {.kind = (enum weir_backoff_kind)(i % 4),
                                 .multiplier_percent = (uint32_t)rng_next(&rng) % 1000,
                                 .jitter_percent = (uint32_t)rng_next(&rng) % 120,
                                 .base_ns = bases[i % 7],
                                 .max_ns = maxima[i / 7 % 4]};
        struct weir_backoff_state s = {0};
        uint32_t n = (uint32_t)rng_next(&rng) >> (rng_next(&rng) % 32);
        int64_t wait = weir_backoff_ns(&o, &s, n, rng_next(&rng));

        assert_true(wait >= 0);
        assert_true(o.max_ns == 0 || wait <= o.max_ns);
        if (o.kind == WEIR_BACKOFF_DECORRELATED) /* and what follows an overflow */
            assert_true(weir_backoff_ns(&o, &s, n + 1, rng_next(&rng)) >= 0);
    }
}

static void the_budget_keeps_its_share_when_everything_fails(void **state)
{
    struct weir_budget b;
    uint32_t taken = 0;

    weir_budget_init(&b, 20, 3);
    assert_int_equal(weir_budget_view(&b).allowed, 3);
    for (int i = 0; i < 100; i++)
        weir_budget_enter(&b);
    while (weir_budget_take(&b))
        taken++;
    assert_int_equal(taken, 20);
    assert_int_equal(weir_budget_view(&b).retries, 20);
    assert_int_equal(weir_budget_view(&b).in_flight, 100); /* those that retry among them */
    assert_int_equal(weir_budget_view(&b).allowed, 20);
    for (int i = 0; i < 20; i++)
        weir_budget_give(&b);
    for (int i = 0; i < 100; i++)
        weir_budget_leave(&b);
    assert_int_equal(b.word_, 0);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: not valid */
    } cases[] = {
        {"0", 0},
        {"120", 120},
        {"007", 7},
        {"99999999999999999999999999", 3600},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 30},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 30},
        {"Sun Nov  6 08:49:37 1994", 30},
        {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 3600},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"12 ", -1},
        {"soon", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 25:49:37 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Xyz 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT!", -1},
        {"Sun Nov  6 08:49", -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = -7;
        int r = weir_retry_after_parse(cases[i].text, strlen(cases[i].text), 784111777 - 30,
                                       3600 * SEC, &ns);

        assert_int_equal(r, cases[i].seconds < 0 ? -EINVAL : 0);
        assert_int_equal(ns, r < 0 ? -7 : cases[i].seconds * SEC);
    }
}

static void a_year_of_two_digits_is_the_nearest_one(void **state)
{
    static const char past[] = "Sunday, 06-Nov-94 08:49:37 GMT";
    static const char ahead[] = "Tuesday, 06-Nov-29 08:49:37 GMT";
    int64_t ns;

    /* It is 2026: 94 is 1994, 29 is 2029. */
    assert_int_equal(weir_retry_after_parse(past, sizeof(past) - 1, 1795000000, SEC, &ns), 0);
    assert_int_equal(ns, 0);
    assert_int_equal(weir_retry_after_parse(ahead, sizeof(ahead) - 1, 1795000000, SEC, &ns), 0);
    assert_int_equal(ns, SEC);
}

static void a_percentile_is_that_of_the_last_calls(void **state)
{
    struct weir_latency l = {0};

    for (int i = 1; i < 20; i++)
        weir_latency_add(&l, SEC);
    assert_int_equal(weir_latency_percentile_ns(&l, 95), -1);
    for (int i = 128; i >= 1; i--)
        weir_latency_add(&l, i * MS);
    assert_int_equal(weir_latency_percentile_ns(&l, 100), 128 * MS);
    assert_int_equal(weir_latency_percentile_ns(&l, 50), 64 * MS);
    assert_int_equal(weir_latency_percentile_ns(&l, 95), 122 * MS); /* 121.6, rounded up */
    assert_int_equal(weir_latency_percentile_ns(&l, 0), 2 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_of_each_kind_without_jitter),
        cmocka_unit_test(jitter_takes_its_share_and_no_more),
        cmocka_unit_test(decorrelated_waits_are_the_published_ones),
        cmocka_unit_test(no_wait_is_negative_or_above_its_maximum),
        cmocka_unit_test(the_budget_keeps_its_share_when_everything_fails),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_year_of_two_digits_is_the_nearest_one),
        cmocka_unit_test(a_percentile_is_that_of_the_last_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
