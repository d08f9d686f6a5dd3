/* Histograms: bounds, exact counts at the bounds, error of quantiles. */
#include "unit/telemetry/setup.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "telemetry/metric.h"

static void test_bounds_rise_by_at_most_one_seventh(void **state)
{
    struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("bounds"));

    assert_int_equal(metric_bound_ns(0), 10000);
    assert_int_equal(metric_bound_ns(METRIC_HISTOGRAM_BOUNDS - 1), 100 * NS_PER_SEC);
    for (unsigned i = 1; i < METRIC_HISTOGRAM_BOUNDS; i++) {
        double ratio = (double)metric_bound_ns(i) / (double)metric_bound_ns(i - 1);

        assert_true(ratio > 1.05 && ratio < 1.1430);
    }
    metric_put(m);
}

/* Every bound belongs to its bucket (le), one nanosecond more to the next. */
static void test_a_bound_is_inclusive(void **state)
{
    struct metric_snapshot s;

    for (unsigned i = 0; i < METRIC_HISTOGRAM_BOUNDS; i++) {
        struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("edge"));

        metric_observe(m, metric_bound_ns(i));
        metric_observe(m, metric_bound_ns(i) + 1);
        metric_snapshot(m, &s);
        assert_int_equal(s.buckets[i], 1);
        assert_int_equal(s.buckets[i + 1], 1);
        assert_int_equal(metric_snapshot_count_to(&s, metric_bound_ns(i)), 1);
        metric_put(m);
    }
}

static void test_extremes_are_kept(void **state)
{
    struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("extremes"));
    struct metric_snapshot s;

    metric_observe(m, -5);
    metric_observe(m, 0);
    metric_observe(m, 200 * NS_PER_SEC);
    metric_observe(m, INT64_MAX / 4);
    metric_snapshot(m, &s);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.buckets[0], 2);
    assert_int_equal(s.buckets[METRIC_HISTOGRAM_BOUNDS], 2);
    assert_int_equal(s.sum_ns, 200 * NS_PER_SEC + INT64_MAX / 4);
    assert_int_equal(metric_snapshot_quantile(&s, 1.0), 100 * NS_PER_SEC);
    metric_put(m);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void check_quantiles(struct metric *m, int64_t *values, size_t count)
{
    static const double qs[] = {0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0};

    for (size_t i = 0; i < count; i++)
        metric_observe(m, values[i]);
    qsort(values, count, sizeof(values[0]), by_value);
    for (size_t i = 0; i < ARRAY_LEN(qs); i++) {
        double exact = (double)values[(size_t)ceil(qs[i] * (double)count) - 1];
        double estimate = (double)metric_quantile(m, qs[i]);

        assert_true(fabs(estimate - exact) <= 0.143 * exact);
    }
}

static void test_quantiles_are_within_their_bound(void **state)
{
    static int64_t values[20000];
    struct rng r;

    rng_seed(&r, 7);
    for (int round = 0; round < 6; round++) {
        struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("quantiles"));

        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            double u = rng_unit(&r);

            if (round == 0) /* log-uniform over the whole range */
                values[i] = (int64_t)(1e4 * pow(1e7, u));
            else if (round == 1) /* exponential, mean 5 ms */
                values[i] = 10001 + (int64_t)(-log(1 - u) * 5e6);
            else if (round == 2) /* two humps */
                values[i] = (int64_t)((u < 0.9 ? 1e6 : 8e8) * (1 + 0.2 * rng_unit(&r)));
            else /* all alike */
                values[i] = round * 7777777;
        }
        check_quantiles(m, values, ARRAY_LEN(values));
        metric_put(m);
    }
}

static void test_snapshots_add_up(void **state)
{
    struct metric *m = metric_get1(METRIC_REQUEST_DURATION, STR("add"));
    struct metric_snapshot a, b;

    metric_observe(m, 3 * NS_PER_MS);
    metric_snapshot(m, &a);
    metric_observe(m, 9 * NS_PER_MS);
    metric_snapshot(m, &b);
    metric_snapshot_add(&a, &b);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.sum_ns, 15 * NS_PER_MS);
    assert_int_equal(metric_snapshot_count_to(&a, 5 * NS_PER_MS), 2);
    metric_put(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_rise_by_at_most_one_seventh),
        cmocka_unit_test(test_a_bound_is_inclusive),
        cmocka_unit_test(test_extremes_are_kept),
        cmocka_unit_test(test_quantiles_are_within_their_bound),
        cmocka_unit_test(test_snapshots_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
