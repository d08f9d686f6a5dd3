/* The circuit breaker in virtual time, with exact numbers; then with threads and by chance. */
#include "unit/policy/setup.h"

#include <errno.h>
#include <pthread.h>

#include <weir/breaker.h>

#include "base/hash.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC
#define T0  (1000 * SEC)

static struct weir_breaker breaker;
static struct weir_breaker_event events[64];
static unsigned event_count;

static void remember(void *arg, const struct weir_breaker_event *event)
{
    struct weir_breaker *b = arg;

    (void)weir_breaker_view(b, event->now_ns); /* a listener may look */
    events[event_count++ % 64] = *event;
}

static struct weir_breaker_options listening(void)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.on_event = remember;
    o.arg = &breaker;
    return o;
}

static void begin(struct weir_breaker_options o)
{
    event_count = 0;
    assert_int_equal(weir_breaker_init(&breaker, &o, T0), 0);
}

static enum weir_breaker_state state_at(int64_t t)
{
    return weir_breaker_view(&breaker, t).state;
}

/* One call that takes no time. */
static void call(enum weir_outcome outcome, int64_t t)
{
    struct weir_breaker_token token;

    assert_int_equal(weir_breaker_acquire(&breaker, t, &token, NULL), 0);
    weir_breaker_report(&breaker, &token, outcome, t);
}

static int64_t refused_for(int64_t t)
{
    struct weir_breaker_token token;
    int64_t retry_after = -1;

    assert_int_equal(weir_breaker_acquire(&breaker, t, &token, &retry_after), -EAGAIN);
    return retry_after;
}

static void fail_times(unsigned n, int64_t t)
{
    for (unsigned i = 0; i < n; i++)
        call(WEIR_OUTCOME_FAILED, t);
}

static void the_fifth_failure_in_a_row_opens_it_for_30_s(void **state)
{
    begin(listening());
    fail_times(4, T0);
    call(WEIR_OUTCOME_OK, T0); /* ends the row */
    fail_times(4, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_CLOSED);
    fail_times(1, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_OPEN);
    assert_int_equal(refused_for(T0), 30 * SEC);
    assert_int_equal(refused_for(T0 + 30 * SEC - 1), 1);
    assert_int_equal(event_count, 1);
    assert_int_equal(events[0].reason, WEIR_BREAKER_CONSECUTIVE);
    call(WEIR_OUTCOME_OK, T0 + 30 * SEC); /* the probe */
    assert_int_equal(state_at(T0 + 30 * SEC), WEIR_BREAKER_CLOSED);
    assert_int_equal(event_count, 3);
}

static void one_probe_per_lease_of_10_s(void **state)
{
    int64_t t = T0 + 30 * SEC;
    struct weir_breaker_token lost, second;

    begin(listening());
    fail_times(5, T0);
    assert_int_equal(weir_breaker_acquire(&breaker, t, &lost, NULL), 0);
    assert_int_equal(refused_for(t), 10 * SEC);
    assert_int_equal(refused_for(t + 10 * SEC - 1), 1);
    assert_int_equal(weir_breaker_acquire(&breaker, t + 10 * SEC, &second, NULL), 0);
    assert_int_equal(refused_for(t + 10 * SEC), 10 * SEC);
    weir_breaker_report(&breaker, &lost, WEIR_OUTCOME_OK, t + 11 * SEC); /* too late to count */
    assert_int_equal(state_at(t + 11 * SEC), WEIR_BREAKER_HALF_OPEN);
    assert_int_equal(weir_breaker_view(&breaker, t).late, 1);
    weir_breaker_report(&breaker, &second, WEIR_OUTCOME_OK, t + 12 * SEC);
    assert_int_equal(state_at(t + 12 * SEC), WEIR_BREAKER_CLOSED);
}

static void a_failed_probe_opens_it_again(void **state)
{
    begin(listening());
    fail_times(5, T0);
    fail_times(1, T0 + 30 * SEC);
    assert_int_equal(state_at(T0 + 30 * SEC), WEIR_BREAKER_OPEN);
    assert_int_equal(refused_for(T0 + 30 * SEC), 30 * SEC);
    assert_int_equal(events[event_count - 1].reason, WEIR_BREAKER_PROBE_FAILED);
}

static void of_three_probes_all_must_pass_and_the_first_failure_opens(void **state)
{
    struct weir_breaker_options o = listening();
    struct weir_breaker_token probes[3];
    int64_t t = T0 + 30 * SEC;

    o.probes = 3;
    begin(o);
    fail_times(5, T0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_breaker_acquire(&breaker, t, &probes[i], NULL), 0);
    refused_for(t);
    weir_breaker_report(&breaker, &probes[0], WEIR_OUTCOME_OK, t);
    weir_breaker_report(&breaker, &probes[1], WEIR_OUTCOME_OK, t);
    assert_int_equal(state_at(t), WEIR_BREAKER_HALF_OPEN);
    weir_breaker_report(&breaker, &probes[2], WEIR_OUTCOME_OK, t);
    assert_int_equal(state_at(t), WEIR_BREAKER_CLOSED);
    fail_times(5, t);
    t += 30 * SEC;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_breaker_acquire(&breaker, t, &probes[i], NULL), 0);
    weir_breaker_report(&breaker, &probes[0], WEIR_OUTCOME_FAILED, t);
    assert_int_equal(state_at(t), WEIR_BREAKER_OPEN);
    weir_breaker_report(&breaker, &probes[1], WEIR_OUTCOME_FAILED,
                        t + SEC); /* opens nothing twice */
    assert_int_equal(refused_for(t + SEC), 29 * SEC);
}

static void a_released_probe_gives_its_permit_back(void **state)
{
    struct weir_breaker_token probe;
    int64_t t = T0 + 30 * SEC;

    begin(listening());
    fail_times(5, T0);
    assert_int_equal(weir_breaker_acquire(&breaker, t, &probe, NULL), 0);
    weir_breaker_report(&breaker, &probe, WEIR_OUTCOME_IGNORED, t);
    weir_breaker_report(&breaker, &probe, WEIR_OUTCOME_IGNORED, t); /* twice: harmless */
    assert_int_equal(weir_breaker_acquire(&breaker, t, &probe, NULL), 0);
    refused_for(t);
    assert_int_equal(state_at(t), WEIR_BREAKER_HALF_OPEN);
}

static void ignored_calls_neither_trip_nor_end_a_row(void **state)
{
    begin(listening());
    fail_times(4, T0);
    for (int i = 0; i < 100; i++)
        call(WEIR_OUTCOME_IGNORED, T0);
    assert_int_equal(weir_breaker_view(&breaker, T0).calls, 4);
    fail_times(1, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_OPEN);
}

static void half_of_twenty_calls_opens_it(void **state)
{
    struct weir_breaker_options o = listening();

    o.consecutive_failures = 0;
    begin(o);
    for (int i = 0; i < 10; i++)
        call(WEIR_OUTCOME_FAILED, T0 + i * 100 * MS);
    for (int i = 0; i < 9; i++)
        call(WEIR_OUTCOME_OK, T0 + SEC);
    assert_int_equal(state_at(T0 + SEC), WEIR_BREAKER_CLOSED);
    call(WEIR_OUTCOME_OK, T0 + SEC); /* a success can be the twentieth */
    assert_int_equal(state_at(T0 + SEC), WEIR_BREAKER_OPEN);
    assert_int_equal(events[0].reason, WEIR_BREAKER_FAILURE_RATE);
}

static void the_window_forgets_after_10_s(void **state)
{
    struct weir_breaker_options o = listening();

    o.consecutive_failures = 0;
    begin(o);
    for (int i = 0; i < 15; i++)
        call(WEIR_OUTCOME_FAILED, T0);
    for (int i = 0; i < 18; i++)
        call(WEIR_OUTCOME_OK, T0 + 10 * SEC);
    assert_int_equal(weir_breaker_view(&breaker, T0 + 10 * SEC).calls, 18);
    for (int i = 0; i < 17; i++)
        call(WEIR_OUTCOME_FAILED, T0 + 10 * SEC);
    assert_int_equal(state_at(T0 + 10 * SEC), WEIR_BREAKER_CLOSED);
    fail_times(1, T0 + 10 * SEC);
    assert_int_equal(state_at(T0 + 10 * SEC), WEIR_BREAKER_OPEN);
}

static void a_window_of_calls_remembers_the_last_n(void **state)
{
    struct weir_breaker_options o = listening();

    o.consecutive_failures = 0;
    o.window_calls = 100;
    o.calls_min = 100;
    begin(o);
    for (int i = 0; i < 49; i++)
        call(WEIR_OUTCOME_FAILED, T0);
    for (int i = 0; i < 100; i++)
        call(WEIR_OUTCOME_OK, T0);
    assert_int_equal(weir_breaker_view(&breaker, T0).failures, 0);
    for (int i = 0; i < 49; i++)
        call(WEIR_OUTCOME_FAILED, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_CLOSED);
    fail_times(1, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_OPEN);
}

static void a_window_of_calls_begins_anew_when_it_closes(void **state)
{
    struct weir_breaker_options o = listening();

    o.window_calls = 4;
    o.calls_min = 4;
    begin(o);
    fail_times(4, T0);
    call(WEIR_OUTCOME_OK, T0 + 30 * SEC);
    assert_int_equal(state_at(T0 + 30 * SEC), WEIR_BREAKER_CLOSED);
    assert_int_equal(weir_breaker_view(&breaker, T0 + 30 * SEC).calls, 0);
}

static void slow_calls_open_it_and_a_slow_probe_fails(void **state)
{
    struct weir_breaker_options o = listening();
    struct weir_breaker_token token;
    int64_t t = T0;

    o.slow_percent = 80;
    o.slow_ns = 100 * MS;
    o.calls_min = 10;
    begin(o);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(weir_breaker_acquire(&breaker, t, &token, NULL), 0);
        t += i < 2 ? 100 * MS : 100 * MS + 1; /* slow is more than slow_ns */
        weir_breaker_report(&breaker, &token, WEIR_OUTCOME_OK, t);
    }
    assert_int_equal(events[0].reason, WEIR_BREAKER_SLOW_RATE);
    t += 30 * SEC + MS; /* ends of openings are rounded up to the millisecond */
    assert_int_equal(weir_breaker_acquire(&breaker, t, &token, NULL), 0);
    weir_breaker_report(&breaker, &token, WEIR_OUTCOME_OK, t + 101 * MS);
    assert_int_equal(state_at(t + 101 * MS), WEIR_BREAKER_OPEN);
}

static void the_ladder_opens_above_50_above_70_and_after_the_third_failure(void **state)
{
    struct weir_breaker_options o = listening();

    o.consecutive_failures = 0;
    begin(o);
    fail_times(4, T0);
    assert_false(weir_breaker_ladder(&breaker, 1, T0)); /* four calls say too little */
    for (int i = 0; i < 4; i++)
        call(WEIR_OUTCOME_OK, T0);
    assert_false(weir_breaker_ladder(&breaker, 1, T0)); /* 50 % is not above 50 % */
    fail_times(1, T0);
    assert_false(weir_breaker_ladder(&breaker, 2, T0)); /* 5 of 9 is not above 70 % */
    assert_true(weir_breaker_ladder(&breaker, 1, T0));
    assert_int_equal(events[0].reason, WEIR_BREAKER_RETRY_EXHAUSTED);
    assert_int_equal(events[0].open_ns, 30 * SEC);
    begin(o);
    call(WEIR_OUTCOME_OK, T0);
    fail_times(3, T0);
    assert_false(weir_breaker_ladder(&breaker, 2, T0));
    assert_true(weir_breaker_ladder(&breaker, 3, T0));
    assert_int_equal(refused_for(T0), 30 * SEC); /* timed: a probe follows */
}

static void openings_in_a_row_double_up_to_their_maximum(void **state)
{
    struct weir_breaker_options o = listening();
    int64_t t = T0, expected = 30 * SEC;

    o.open_max_ns = 200 * SEC;
    begin(o);
    fail_times(5, t);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(refused_for(t), expected);
        t += expected;
        fail_times(1, t);
        expected = expected * 2 > 200 * SEC ? 200 * SEC : expected * 2;
    }
    t += expected;
    call(WEIR_OUTCOME_OK, t); /* closed: the next one is short again */
    fail_times(5, t);
    assert_int_equal(refused_for(t), 30 * SEC);
}

static void jitter_shortens_an_opening_differently_for_each(void **state)
{
    struct weir_breaker_options o = listening();
    int64_t first = 0;
    bool differ = false;

    o.open_jitter_percent = 20;
    for (o.seed = 1; o.seed < 50; o.seed++) {
        begin(o);
        fail_times(5, T0);
        assert_in_range(refused_for(T0), 24 * SEC, 30 * SEC);
        differ |= first != 0 && first != refused_for(T0);
        first = refused_for(T0);
    }
    assert_true(differ);
}

static void recovery_lets_a_rising_share_pass(void **state)
{
    struct weir_breaker_options o = listening();
    struct weir_breaker_token token;
    int64_t t = T0 + 30 * SEC;
    int passed = 0;

    o.recovery_ns = 10 * SEC;
    begin(o);
    fail_times(5, T0);
    call(WEIR_OUTCOME_OK, t);
    for (int i = 0; i < 1000; i++)
        passed += weir_breaker_acquire(&breaker, t, &token, NULL) == 0;
    assert_in_range(passed, 95, 105);
    passed = 0;
    for (int i = 0; i < 1000; i++)
        passed += weir_breaker_acquire(&breaker, t + 5 * SEC, &token, NULL) == 0;
    assert_in_range(passed, 540, 560);
    passed = 0;
    for (int i = 0; i < 1000; i++)
        passed += weir_breaker_acquire(&breaker, t + 10 * SEC, &token, NULL) == 0;
    assert_int_equal(passed, 1000);
}

static void an_operator_forces_disables_and_resets(void **state)
{
    begin(listening());
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_FORCED_OPEN, T0), 0);
    assert_true(refused_for(T0 + 3600 * SEC) == INT64_MAX);
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_DISABLED, T0), 0);
    fail_times(100, T0);
    assert_int_equal(weir_breaker_view(&breaker, T0).calls, 0);
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_METRICS_ONLY, T0), 0);
    fail_times(100, T0);
    assert_int_equal(weir_breaker_view(&breaker, T0).failures, 100);
    assert_int_equal(state_at(T0), WEIR_BREAKER_METRICS_ONLY);
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_CLOSED, T0), 0);
    assert_int_equal(weir_breaker_view(&breaker, T0).calls, 0);
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_HALF_OPEN, T0), -EINVAL);
}

static void clocks_that_stall_or_jump_do_not_wedge_it(void **state)
{
    begin(listening());
    fail_times(5, T0);
    refused_for(T0 - 500 * SEC);
    refused_for(0);
    call(WEIR_OUTCOME_OK, T0 + 20000000 * SEC); /* 230 days later */
    assert_int_equal(state_at(T0 + 20000000 * SEC), WEIR_BREAKER_CLOSED);
}

static void options_out_of_range_are_refused(void **state)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.probes = 32;
    assert_int_equal(weir_breaker_init(&breaker, &o, 0), -EINVAL);
    o = weir_breaker_defaults();
    o.size = 1;
    assert_int_equal(weir_breaker_init(&breaker, &o, 0), -EINVAL);
    o = weir_breaker_defaults();
    o.open_ns = 0;
    assert_int_equal(weir_breaker_init(&breaker, &o, 0), -EINVAL);
}

/* By chance: probes out at once never exceed the permits of their lease, no half-open outlives its
 * lease, and it never wedges. */
static void by_share_a_row_of_failures_does_not_open_it(void **state)
{
    struct weir_breaker_token token;

    begin(listening());
    for (unsigned i = 0; i < 19; i++) {
        assert_int_equal(weir_breaker_acquire(&breaker, T0, &token, NULL), 0);
        assert_false(weir_breaker_report_share(&breaker, &token, WEIR_OUTCOME_FAILED, T0));
    }
    assert_int_equal(state_at(T0), WEIR_BREAKER_CLOSED);
    assert_int_equal(weir_breaker_acquire(&breaker, T0, &token, NULL), 0);
    assert_true(weir_breaker_report_share(&breaker, &token, WEIR_OUTCOME_FAILED, T0));
    assert_int_equal(events[0].reason, WEIR_BREAKER_FAILURE_RATE);
}

static void looking_whether_it_admits_takes_no_permit(void **state)
{
    struct weir_breaker_token token;
    int64_t after = 0;

    begin(listening());
    assert_true(weir_breaker_admits(&breaker, T0, &after));
    fail_times(5, T0);
    assert_false(weir_breaker_admits(&breaker, T0 + 10 * SEC, &after));
    assert_int_equal(after, 20 * SEC);
    assert_true(weir_breaker_admits(&breaker, T0 + 30 * SEC, &after));
    assert_int_equal(state_at(T0 + 30 * SEC), WEIR_BREAKER_OPEN);
    assert_int_equal(weir_breaker_acquire(&breaker, T0 + 30 * SEC, &token, NULL), 0);
    assert_false(weir_breaker_admits(&breaker, T0 + 31 * SEC, &after));
    assert_true(weir_breaker_admits(&breaker, T0 + 40 * SEC, &after));
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_FORCED_OPEN, T0), 0);
    assert_false(weir_breaker_admits(&breaker, T0, &after));
    assert_int_equal(after, INT64_MAX);
    assert_int_equal(weir_breaker_set(&breaker, WEIR_BREAKER_DISABLED, T0), 0);
    assert_true(weir_breaker_admits(&breaker, T0, &after));
}

static void hastened_the_next_call_is_the_probe(void **state)
{
    begin(listening());
    weir_breaker_hasten(&breaker, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_CLOSED);
    fail_times(5, T0);
    weir_breaker_hasten(&breaker, T0 + SEC);
    call(WEIR_OUTCOME_OK, T0 + SEC);
    assert_int_equal(state_at(T0 + SEC), WEIR_BREAKER_CLOSED);
}

static void numbers_change_while_state_and_counts_stay(void **state)
{
    struct weir_breaker_options o = listening();

    begin(o);
    fail_times(3, T0);
    o.consecutive_failures = 4;
    o.open_ns = 5 * SEC;
    assert_int_equal(weir_breaker_change(&breaker, &o, T0), 0);
    fail_times(1, T0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_OPEN);
    assert_int_equal(refused_for(T0), 5 * SEC);
    o.window_ns = 20 * SEC;
    assert_int_equal(weir_breaker_change(&breaker, &o, T0), 0);
    assert_int_equal(state_at(T0), WEIR_BREAKER_OPEN);
    assert_int_equal(weir_breaker_view(&breaker, T0).calls, 0);
    o.window_calls = 10;
    assert_int_equal(weir_breaker_change(&breaker, &o, T0), -EINVAL);
    o.window_calls = 0;
    o.probes = 0;
    assert_int_equal(weir_breaker_change(&breaker, &o, T0), -EINVAL);
}

static void random_histories_keep_the_promises(void **state)
{
    enum { CALLS = 16 };

    for (unsigned seed = 1; seed <= 2000; seed++) {
        struct weir_breaker_options o = weir_breaker_defaults();
        struct weir_breaker_token tokens[CALLS];
        unsigned out = 0;
        int64_t t = T0;
        struct rng rng;

        rng_seed(&rng, seed);
        o.probes = 1 + (uint32_t)rng_below(&rng, 4);
        begin(o);
        for (int step = 0; step < 300; step++) {
            struct weir_breaker_view v;

            t += (int64_t)rng_below(&rng, (uint64_t)(rng_below(&rng, 8) == 0 ? 20 * SEC : SEC));
            if (out < CALLS && rng_below(&rng, 2) == 0) {
                if (weir_breaker_acquire(&breaker, t, &tokens[out], NULL) == 0)
                    out++;
            } else if (out > 0) {
                unsigned i = (unsigned)rng_below(&rng, out);

                if (rng_below(&rng, 10) != 0) /* else it is lost */
                    weir_breaker_report(&breaker, &tokens[i], (enum weir_outcome)rng_below(&rng, 3),
                                        t);
                tokens[i] = tokens[--out];
            }
            v = weir_breaker_view(&breaker, t);
            assert_true(v.probes_issued <= o.probes && v.probes_passed < o.probes);
            if (v.state == WEIR_BREAKER_HALF_OPEN)
                assert_true(v.until_ns <= t + o.lease_ns + 10 * MS);
        }
        t += 41 * SEC; /* whatever happened: opening and lease are over */
        assert_int_equal(weir_breaker_acquire(&breaker, t, &tokens[0], NULL), 0);
    }
}

struct storm {
    int64_t now_ns;
    unsigned passed;
};

static void *storm(void *arg)
{
    struct storm *s = arg;
    struct weir_breaker_token token;

    for (int i = 0; i < 20000; i++)
        if (weir_breaker_acquire(&breaker, s->now_ns, &token, NULL) == 0)
            __atomic_fetch_add(&s->passed, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void a_stampede_gets_exactly_the_permits(void **state)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.probes = 3;
    for (int round = 0; round < 20; round++) {
        struct storm s = {.now_ns = T0 + 30 * SEC};
        pthread_t threads[4];

        begin(o);
        fail_times(5, T0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, storm, &s), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(s.passed, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fifth_failure_in_a_row_opens_it_for_30_s),
        cmocka_unit_test(one_probe_per_lease_of_10_s),
        cmocka_unit_test(a_failed_probe_opens_it_again),
        cmocka_unit_test(of_three_probes_all_must_pass_and_the_first_failure_opens),
        cmocka_unit_test(a_released_probe_gives_its_permit_back),
        cmocka_unit_test(ignored_calls_neither_trip_nor_end_a_row),
        cmocka_unit_test(half_of_twenty_calls_opens_it),
        cmocka_unit_test(the_window_forgets_after_10_s),
        cmocka_unit_test(a_window_of_calls_remembers_the_last_n),
        cmocka_unit_test(a_window_of_calls_begins_anew_when_it_closes),
        cmocka_unit_test(slow_calls_open_it_and_a_slow_probe_fails),
        cmocka_unit_test(the_ladder_opens_above_50_above_70_and_after_the_third_failure),
        cmocka_unit_test(openings_in_a_row_double_up_to_their_maximum),
        cmocka_unit_test(jitter_shortens_an_opening_differently_for_each),
        cmocka_unit_test(recovery_lets_a_rising_share_pass),
        cmocka_unit_test(an_operator_forces_disables_and_resets),
        cmocka_unit_test(clocks_that_stall_or_jump_do_not_wedge_it),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(by_share_a_row_of_failures_does_not_open_it),
        cmocka_unit_test(looking_whether_it_admits_takes_no_permit),
        cmocka_unit_test(hastened_the_next_call_is_the_probe),
        cmocka_unit_test(numbers_change_while_state_and_counts_stay),
        cmocka_unit_test(random_histories_keep_the_promises),
        cmocka_unit_test(a_stampede_gets_exactly_the_permits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
