/* Load shedding: the pressure, who is refused at it, and the capacity rule's arithmetic. */
#include "unit/policy/setup.h"

#include <errno.h>

#include <weir/shed.h>

#include "base/base.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

static struct weir_shed_options plain_options(void)
{
    struct weir_shed_options o = weir_shed_defaults();

    o.smooth_ns = 0;
    o.capacity_from = WEIR_SHED_NEVER;
    return o;
}

static void feed_cpu(struct weir_shed *s, uint32_t permille, int64_t now_ns)
{
    (void)weir_shed_feed(s, &(struct weir_shed_sample){.cpu_permille = permille}, now_ns);
}

static unsigned lowest_admitted(struct weir_shed *s)
{
    unsigned lowest = 4;

    for (unsigned p = 4; p-- > 0;)
        if (weir_shed_admit(s, p, 0, NULL) == 0)
            lowest = p;
    return lowest;
}

static void pressure_is_that_of_the_worst_source(void **state)
{
    struct weir_shed_options o = plain_options();
    struct weir_shed s;

    o.ranges[WEIR_SHED_MEMORY] = (struct weir_shed_range){1000, 3000};
    o.ranges[WEIR_SHED_RUNNING] = (struct weir_shed_range){0, 200};
    assert_int_equal(weir_shed_init(&s, &o, 0), 0);
    assert_int_equal(weir_shed_view(&s).pressure, 0);
    assert_int_equal(weir_shed_feed(&s, &(struct weir_shed_sample){.cpu_permille = 750}, 0), 500);
    assert_int_equal(weir_shed_view(&s).source, WEIR_SHED_CPU);
    assert_int_equal(weir_shed_feed(&s,
                                    &(struct weir_shed_sample){.cpu_permille = 750,
                                                               .queue_delay_ns = 40 * MS,
                                                               .memory_bytes = 2500},
                                    0),
                     795); /* 39 / 49 */
    assert_string_equal(weir_shed_source_text(weir_shed_view(&s).source), "queue");
    assert_int_equal(weir_shed_feed(&s, &(struct weir_shed_sample){.memory_bytes = UINT64_MAX}, 0),
                     1000);
    assert_string_equal(weir_shed_source_text(weir_shed_view(&s).source), "memory");
    assert_int_equal(weir_shed_feed(&s, &(struct weir_shed_sample){.running = 50}, 0), 250);
}

static void priorities_are_refused_in_order_and_come_back_with_hysteresis(void **state)
{
    static const struct {
        uint32_t cpu; /* pressure = (cpu - 500) * 2 */
        unsigned lowest;
    } steps[] = {{500, 0}, {799, 0}, {800, 1}, {751, 1},  {749, 0}, {875, 2}, {826, 2},
                 {824, 1}, {760, 1}, {950, 3}, {1000, 3}, {901, 3}, {899, 2}, {700, 0}};
    struct weir_shed_options o = plain_options();
    struct weir_shed s;

    assert_int_equal(weir_shed_init(&s, &o, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        feed_cpu(&s, steps[i].cpu, (int64_t)i);
        assert_int_equal(lowest_admitted(&s), steps[i].lowest);
        assert_int_equal(weir_shed_view(&s).admitted_priority, steps[i].lowest);
    }
    assert_int_equal(weir_shed_admit(&s, 77, 0, NULL), 0);
}

static void smoothing_follows_the_time_constant_not_the_number_of_samples(void **state)
{
    struct weir_shed_options o = plain_options();
    struct weir_shed a, b;

    o.smooth_ns = SEC;
    assert_int_equal(weir_shed_init(&a, &o, 0), 0);
    assert_int_equal(weir_shed_init(&b, &o, 0), 0);
    feed_cpu(&a, 0, 0);
    feed_cpu(&a, 1000, SEC);
    assert_int_equal(weir_shed_view(&a).pressure, 500);
    feed_cpu(&a, 1000, SEC); /* no time has passed */
    feed_cpu(&a, 1000, 0);   /* a clock that went back says nothing */
    assert_int_equal(weir_shed_view(&a).pressure, 500);

    feed_cpu(&b, 0, 0);
    for (int i = 1; i <= 1000; i++)
        feed_cpu(&b, 1000, i * MS);
    assert_in_range(weir_shed_view(&b).pressure, 625, 640); /* 1 - 1/e */
    feed_cpu(&b, 1000, 365 * 24 * 3600 * SEC);
    assert_int_equal(weir_shed_view(&b).pressure, 1000);
}

/* 100 calls in the best second, the shortest took 50 ms: 5 at once. */
static void capacity_is_the_best_rate_times_the_shortest_time(void **state)
{
    struct weir_shed_options o = plain_options();
    enum weir_shed_reason reason;
    struct weir_shed s;

    o.capacity_from = 500;
    assert_int_equal(weir_shed_init(&s, &o, 0), 0);
    feed_cpu(&s, 900, 0);
    assert_int_equal(weir_shed_admit(&s, 3, 1000, &reason), 0); /* nothing has completed */
    for (int i = 0; i < 100; i++)
        weir_shed_done(&s, (i == 30 ? 50 : 80) * MS, i * 10 * MS);
    for (int i = 0; i < 20; i++)
        weir_shed_done(&s, 200 * MS, SEC + i * 10 * MS);
    feed_cpu(&s, 760, 2 * SEC);
    assert_int_equal(weir_shed_view(&s).capacity, 5);
    assert_int_equal(weir_shed_admit(&s, 3, 5, &reason), 0);
    assert_int_equal(reason, WEIR_SHED_ADMITTED);
    assert_int_equal(weir_shed_admit(&s, 3, 6, &reason), -EAGAIN);
    assert_string_equal(weir_shed_reason_text(reason), "capacity");
    assert_int_equal(weir_shed_view(&s).refused_by_capacity, 1);

    feed_cpu(&s, 740, 2 * SEC); /* no pressure, no rule */
    assert_int_equal(weir_shed_admit(&s, 0, 1000, &reason), 0);
    feed_cpu(&s, 760, 10 * SEC + 500 * MS); /* the first second is forgotten: 20/s * 200 ms */
    assert_int_equal(weir_shed_view(&s).capacity, 4);
    feed_cpu(&s, 760, 30 * SEC);
    assert_int_equal(weir_shed_view(&s).capacity, UINT32_MAX);
}

static void two_calls_always_pass_the_capacity_rule(void **state)
{
    struct weir_shed_options o = plain_options();
    struct weir_shed s;

    o.capacity_from = 0;
    assert_int_equal(weir_shed_init(&s, &o, 0), 0);
    weir_shed_done(&s, MS, 0); /* one a second, a millisecond each: 0 at once */
    feed_cpu(&s, 0, 0);
    assert_int_equal(weir_shed_view(&s).capacity, 0);
    assert_int_equal(weir_shed_admit(&s, 0, 0, NULL), 0);
    assert_int_equal(weir_shed_admit(&s, 0, 1, NULL), 0);
    assert_int_equal(weir_shed_admit(&s, 0, 2, NULL), -EAGAIN);
}

static void options_out_of_range_are_refused_and_change_nothing(void **state)
{
    struct weir_shed_options good = plain_options(), bad;
    struct weir_shed s;

    assert_int_equal(weir_shed_init(&s, &good, 0), 0);
    feed_cpu(&s, 875, 0);
    bad = good;
    bad.size = 0;
    assert_int_equal(weir_shed_set(&s, &bad, 0), -EINVAL);
    bad = good;
    bad.ranges[WEIR_SHED_QUEUE] = (struct weir_shed_range){5, 5};
    assert_int_equal(weir_shed_set(&s, &bad, 0), -EINVAL);
    bad = good;
    bad.refuse_from[2] = 100;
    assert_int_equal(weir_shed_init(&s, &bad, 0), -EINVAL);
    assert_int_equal(lowest_admitted(&s), 2);
    good.refuse_from[1] = 800;
    assert_int_equal(weir_shed_set(&s, &good, 0), 0); /* 750 is within its hysteresis */
    assert_int_equal(lowest_admitted(&s), 2);
    good.hysteresis = 0;
    assert_int_equal(weir_shed_set(&s, &good, 0), 0);
    assert_int_equal(lowest_admitted(&s), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pressure_is_that_of_the_worst_source),
        cmocka_unit_test(priorities_are_refused_in_order_and_come_back_with_hysteresis),
        cmocka_unit_test(smoothing_follows_the_time_constant_not_the_number_of_samples),
        cmocka_unit_test(capacity_is_the_best_rate_times_the_shortest_time),
        cmocka_unit_test(two_calls_always_pass_the_capacity_rule),
        cmocka_unit_test(options_out_of_range_are_refused_and_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
