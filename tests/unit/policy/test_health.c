/* Active health: every edge, the streaks between, the delays. */
#include "unit/policy/setup.h"

#include "base/hash.h"
#include "policy/health.h"

static const struct health_options options = {.fall = 3, .rise = 2};

/* results: + passed, - failed; want: the state after each (u, h, x). */
static void expect_states(const struct health_options *o, const char *results, const char *want)
{
    struct health h = {0};

    for (size_t i = 0; results[i] != '\0'; i++) {
        enum health_state before = health_state(&h);
        bool changed = health_report(&h, o, results[i] == '+', (int64_t)i + 1);

        assert_int_equal("uhx"[health_state(&h)], want[i]);
        assert_int_equal(changed, before != health_state(&h));
        assert_int_equal(health_usable(&h), want[i] != 'x');
        if (changed)
            assert_int_equal(health_since_ns(&h), i + 1);
    }
}

static void test_the_first_check_decides(void **state)
{
    struct health h = {0};

    assert_int_equal(health_state(&h), HEALTH_UNKNOWN);
    assert_true(health_usable(&h));
    expect_states(&options, "+", "h");
    expect_states(&options, "-", "x");
}

static void test_changes_take_results_in_a_row(void **state)
{
    expect_states(&options, "+---++", "hhhxxh");
    expect_states(&options, "+--+---", "hhhhhhx");
    expect_states(&options, "-+-++-", "xxxxhh");
    expect_states(&options, "---", "xxx");
    expect_states(&options, "-++--+--", "xxhhhhhh");
}

static void test_counts_of_zero_and_one_change_at_once(void **state)
{
    expect_states(&(struct health_options){.fall = 1, .rise = 1}, "+-+-", "hxhx");
    expect_states(&(struct health_options){.fall = 0, .rise = 0}, "+-+-", "hxhx");
}

static void test_reset_forgets(void **state)
{
    struct health h = {0};

    health_report(&h, &options, false, 9);
    health_reset(&h);
    assert_int_equal(health_state(&h), HEALTH_UNKNOWN);
    assert_int_equal(health_since_ns(&h), 0);
}

static void test_first_checks_are_spread(void **state)
{
    int64_t low = INT64_MAX, high = 0;
    struct rng r;

    rng_seed(&r, 1);
    for (int i = 0; i < 10000; i++) {
        int64_t d = health_first_delay(10 * NS_PER_SEC, rng_next(&r));

        low = MIN(low, d);
        high = MAX(high, d);
    }
    assert_in_range(low, 0, NS_PER_MS);
    assert_in_range(high, 999 * NS_PER_MS, NS_PER_SEC - 1);
    assert_in_range(health_first_delay(NS_PER_MS, UINT64_MAX), NS_PER_MS - 1, NS_PER_MS - 1);
    assert_int_equal(health_first_delay(0, UINT64_MAX), 0);
}

static void test_later_checks_drift(void **state)
{
    assert_int_equal(health_next_delay(2 * NS_PER_SEC, 0), 1800 * NS_PER_MS);
    assert_int_equal(health_next_delay(2 * NS_PER_SEC, UINT64_MAX), 2200 * NS_PER_MS);
    assert_int_equal(health_next_delay(2 * NS_PER_SEC, UINT64_MAX / 2), 2 * NS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_check_decides),
        cmocka_unit_test(test_changes_take_results_in_a_row),
        cmocka_unit_test(test_counts_of_zero_and_one_change_at_once),
        cmocka_unit_test(test_reset_forgets),
        cmocka_unit_test(test_first_checks_are_spread),
        cmocka_unit_test(test_later_checks_drift),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
