/* Adaptive limits: a published run of numbers, and how each way to learn behaves in front of a
 * server with a known capacity. */
#include "unit/policy/setup.h"

#include <errno.h>
#include <math.h>

#include "base/base.h"
#include "policy/adaptive.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

static void gradient_gives_the_published_numbers(void **state)
{
    static const struct {
        double rtt_ms;
        uint32_t running;
        double limit;
    } run[] = {{10, 20, 20.8}, {10, 20, 21.6}, {20, 20, 20.96},
               {40, 20, 20},   {10, 5, 20},    {10, 20, 20.8}};
    struct weir_adaptive_options o = weir_adaptive_defaults();
    struct weir_adaptive a;

    assert_int_equal(weir_adaptive_init(&a, &o, 0), 0);
    for (size_t i = 0; i < sizeof(run) / sizeof(run[0]); i++) {
        adaptive_learn(&a, &(struct adaptive_sample){.rtt_ns = run[i].rtt_ms * 1e6,
                                                     .running = run[i].running});
        /* the published run prints two digits and rounds between steps */
        assert_true(fabs(a.learned_ - run[i].limit) < 0.05);
    }
}

/* A server that works on `capacity` calls at once in 10 ms each; more wait in line. Closed loop of
 * callers who come back at once. Returns the limit after so many seconds. */
static uint32_t settle(struct weir_adaptive *a, uint32_t capacity, uint32_t callers, int seconds)
{
    int64_t now = 0;

    while (now < seconds * SEC) {
        uint32_t inside = 0;
        int64_t took;

        while (inside < callers && weir_adaptive_enter(a, 100) == 0)
            inside++;
        took = 10 * MS * MAX((inside + capacity - 1) / capacity, 1u);
        for (uint32_t i = 0; i < inside; i++)
            weir_adaptive_leave(a, WEIR_ADAPTIVE_OK, now, now + took);
        now += took;
    }
    return weir_adaptive_limit(a);
}

static void vegas_grows_to_the_capacity_and_not_far_beyond(void **state)
{
    struct weir_adaptive_options o = weir_adaptive_defaults();
    struct weir_adaptive a;

    o.kind = WEIR_ADAPTIVE_VEGAS;
    o.max = 1000;
    assert_int_equal(weir_adaptive_init(&a, &o, 0), 0);
    assert_in_range(settle(&a, 100, 1000, 300), 90, 140);
}

static void callers_below_the_limit_do_not_move_it(void **state)
{
    for (unsigned kind = WEIR_ADAPTIVE_GRADIENT; kind <= WEIR_ADAPTIVE_AIMD; kind++) {
        struct weir_adaptive_options o = weir_adaptive_defaults();
        struct weir_adaptive a;

        o.kind = kind;
        o.initial = 100;
        assert_int_equal(weir_adaptive_init(&a, &o, 0), 0);
        assert_int_equal(settle(&a, 1000, 5, 60), 100);
    }
}

static void aimd_takes_a_tenth_off_after_a_failure(void **state)
{
    struct weir_adaptive_options o = weir_adaptive_defaults();
    struct weir_adaptive a;

    o.kind = WEIR_ADAPTIVE_AIMD;
    o.initial = 100;
    o.window_ns = 0;
    o.window_calls = 1;
    assert_int_equal(weir_adaptive_init(&a, &o, 0), 0);
    assert_int_equal(weir_adaptive_enter(&a, 100), 0);
    weir_adaptive_leave(&a, WEIR_ADAPTIVE_FAILED, 0, SEC);
    assert_int_equal(weir_adaptive_limit(&a), 90);
    assert_int_equal(weir_adaptive_enter(&a, 100), 0);
    weir_adaptive_leave(&a, WEIR_ADAPTIVE_IGNORED, 0, SEC);
    assert_int_equal(weir_adaptive_limit(&a), 90);
    assert_int_equal(weir_adaptive_running(&a), 0);
}

static void what_is_less_important_fills_only_its_share(void **state)
{
    struct weir_adaptive_options o = weir_adaptive_defaults();
    struct weir_adaptive a;
    int inside = 0;

    assert_int_equal(weir_adaptive_init(&a, &o, 0), 0);
    while (weir_adaptive_enter(&a, 50) == 0)
        inside++;
    assert_int_equal(inside, 10);
    while (weir_adaptive_enter(&a, 100) == 0)
        inside++;
    assert_int_equal(inside, 20);
}

static void options_out_of_range_are_refused(void **state)
{
    struct weir_adaptive_options o = weir_adaptive_defaults();
    struct weir_adaptive a;

    o.min = 0;
    assert_int_equal(weir_adaptive_init(&a, &o, 0), -EINVAL);
    o = weir_adaptive_defaults();
    o.initial = 201;
    assert_int_equal(weir_adaptive_init(&a, &o, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_gives_the_published_numbers),
        cmocka_unit_test(vegas_grows_to_the_capacity_and_not_far_beyond),
        cmocka_unit_test(callers_below_the_limit_do_not_move_it),
        cmocka_unit_test(aimd_takes_a_tenth_off_after_a_failure),
        cmocka_unit_test(what_is_less_important_fills_only_its_share),
        cmocka_unit_test(options_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
