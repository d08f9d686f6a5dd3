/* The arithmetic of a simulation's report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drill/report.h"

/* 40 seconds with 100 requests each; all of them good outside of [bad_from, bad_to). */
static struct drill_second *run_with(uint32_t bad_from, uint32_t bad_to)
{
    static struct drill_second s[40];

    for (uint32_t i = 0; i < ARRAY_LEN(s); i++) {
        bool bad = i >= bad_from && i < bad_to;

        s[i] = (struct drill_second){.requests = 100,
                                     .ok = bad ? 0 : 100,
                                     .attempts = bad ? 300 : 100,
                                     .served = 100,
                                     .wasted = bad ? 80 : 0};
    }
    return s;
}

static void recovery_counts_from_the_end_of_the_fault(void **state)
{
    assert_int_equal(drill_recovery(run_with(10, 20), 40, 10, 20), 0);
    assert_int_equal(drill_recovery(run_with(10, 23), 40, 10, 20), 3);
}

static void what_stays_bad_never_recovers(void **state)
{
    assert_int_equal(drill_recovery(run_with(10, 40), 40, 10, 20), DRILL_NEVER);
}

static void good_seconds_at_the_very_end_are_too_few(void **state)
{
    assert_int_equal(drill_recovery(run_with(10, 36), 40, 10, 20), DRILL_NEVER);
    assert_int_equal(drill_recovery(run_with(10, 35), 40, 10, 20), 15);
}

static void one_good_second_in_a_storm_is_no_recovery(void **state)
{
    struct drill_second *s = run_with(10, 30);

    s[22].ok = 100;
    assert_int_equal(drill_recovery(s, 40, 10, 20), 10);
}

static void recovery_is_measured_by_what_was_before(void **state)
{
    struct drill_second *s = run_with(10, 25);

    for (uint32_t i = 0; i < 10; i++)
        s[i].ok = 60; /* not good, but that is how it was */
    for (uint32_t i = 20; i < 25; i++)
        s[i].ok = 57; /* 95 % of it */
    assert_int_equal(drill_recovery(s, 40, 10, 20), 0);
    s[20].ok = 56; /* a hair less over the five seconds */
    assert_int_equal(drill_recovery(s, 40, 10, 20), 1);
}

static void without_a_before_everything_must_be_well(void **state)
{
    struct drill_second *s = run_with(0, 12);

    assert_int_equal(drill_recovery(s, 40, 0, 10), 2);
}

static void sums_are_cut_to_what_there_is(void **state)
{
    struct drill_sum sum = drill_sum_of(run_with(10, 20), 40, 8, 12);

    assert_int_equal(sum.requests, 400);
    assert_int_equal(sum.ok, 200);
    assert_int_equal(sum.attempts, 800);
    assert_int_equal(sum.wasted, 160);
    sum = drill_sum_of(run_with(10, 20), 40, 38, 1000);
    assert_int_equal(sum.requests, 200);
    sum = drill_sum_of(run_with(10, 20), 40, 50, 60);
    assert_int_equal(sum.requests, 0);
}

static void percentiles_are_of_the_nearest_rank(void **state)
{
    uint32_t us[200];

    for (uint32_t i = 0; i < ARRAY_LEN(us); i++)
        us[i] = i + 1;
    assert_int_equal(drill_percentile(us, 200, 50), 100);
    assert_int_equal(drill_percentile(us, 200, 99), 198);
    assert_int_equal(drill_percentile(us, 200, 100), 200);
    assert_int_equal(drill_percentile(us, 1, 1), 1);
    assert_int_equal(drill_percentile(us, 3, 50), 2);
    assert_int_equal(drill_percentile(us, 0, 99), 0);
}

static void a_share_of_nothing_is_nothing(void **state)
{
    assert_true(drill_ratio(3, 0) == 0);
    assert_true(drill_ratio(3, 4) == 0.75);
}

static void latency(struct drill_latencies *l, uint32_t us)
{
    l->us = realloc(l->us, (l->count + 1) * sizeof(*l->us));
    assert_non_null(l->us);
    l->us[l->count++] = us;
}

static void a_summary_knows_peak_end_and_recovery(void **state)
{
    struct drill_fault fault = {.at_ns = 10 * NS_PER_SEC, .for_ns = 10 * NS_PER_SEC};
    const struct drill_scenario s = {
        .duration_ns = 40 * NS_PER_SEC, .faults = &fault, .fault_count = 1};
    struct drill_result r = {.seconds = run_with(10, 24), .second_count = 40};
    struct drill_summary m;

    r.seconds[21].attempts = 450;
    latency(&r.before, 3000);
    latency(&r.before, 1000);
    latency(&r.after, 9000);
    drill_summarize(&s, &r, &m);
    assert_true(m.peak == 4.5);
    assert_int_equal(m.peak_second, 21);
    assert_true(m.peak_before == 1);
    assert_true(m.at_end == 1);
    assert_int_equal(m.recovery_s, 4);
    assert_int_equal(m.all.ok, 2600);
    assert_int_equal(m.during.ok, 0);
    assert_true(m.p50_before_ms == 1);
    assert_true(m.p99_before_ms == 3);
    assert_true(m.p50_after_ms == 9);
    free(r.before.us);
    free(r.after.us);
}

static void a_run_without_faults_has_nothing_to_recover_from(void **state)
{
    const struct drill_scenario s = {.duration_ns = 40 * NS_PER_SEC};
    struct drill_result r = {.seconds = run_with(0, 0), .second_count = 40};
    struct drill_summary m;

    drill_summarize(&s, &r, &m);
    assert_int_equal(m.recovery_s, DRILL_NO_FAULT);
    assert_int_equal(m.before.requests, 4000);
}

static struct drill_report two_variants(struct drill_variant *names, struct drill_scenario *s)
{
    struct drill_report r = {.scenario = s, .seed = 7};

    *s = (struct drill_scenario){.name = STR("a <b> & \"c\""),
                                 .duration_ns = 40 * NS_PER_SEC,
                                 .variants = names,
                                 .variant_count = 2};
    for (uint32_t v = 0; v < 2; v++)
        r.results[v] = (struct drill_result){.seconds = run_with(10, 20), .second_count = 40};
    r.summaries[0].recovery_s = DRILL_NEVER;
    r.summaries[1].recovery_s = 3;
    return r;
}

static void the_verdict_begins_with_the_best(void **state)
{
    struct drill_variant names[2] = {{.name = STR("worse")}, {.name = STR("better")}};
    struct drill_scenario s;
    struct drill_report r = two_variants(names, &s);
    struct text out = {0};

    drill_write_verdict(&r, " | ", &out);
    assert_non_null(out.ptr);
    assert_true(str_starts(str_n(out.ptr, out.len), STR("\"better\" recovers in 3 s (")));
    assert_non_null(strstr(out.ptr, " | \"worse\" does not recover within the run"));
    text_done(&out);
}

static void the_picture_escapes_names(void **state)
{
    struct drill_variant names[2] = {{.name = STR("a<script>")}, {.name = STR("b")}};
    struct drill_scenario s;
    struct drill_report r = two_variants(names, &s);
    struct text out = {0};

    drill_write_svg(&r, &out);
    assert_non_null(strstr(out.ptr, "a &lt;b&gt; &amp; \"c\""));
    assert_non_null(strstr(out.ptr, "a&lt;script&gt;"));
    assert_null(strstr(out.ptr, "<script"));
    text_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_counts_from_the_end_of_the_fault),
        cmocka_unit_test(what_stays_bad_never_recovers),
        cmocka_unit_test(good_seconds_at_the_very_end_are_too_few),
        cmocka_unit_test(one_good_second_in_a_storm_is_no_recovery),
        cmocka_unit_test(recovery_is_measured_by_what_was_before),
        cmocka_unit_test(without_a_before_everything_must_be_well),
        cmocka_unit_test(sums_are_cut_to_what_there_is),
        cmocka_unit_test(percentiles_are_of_the_nearest_rank),
        cmocka_unit_test(a_share_of_nothing_is_nothing),
        cmocka_unit_test(a_summary_knows_peak_end_and_recovery),
        cmocka_unit_test(a_run_without_faults_has_nothing_to_recover_from),
        cmocka_unit_test(the_verdict_begins_with_the_best),
        cmocka_unit_test(the_picture_escapes_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
