/* Passive ejection: exact times, the bounds on how many go, races. */
#include "unit/policy/setup.h"

#include <pthread.h>

#include "policy/eject.h"

#define S NS_PER_SEC
#define N 10

static const struct eject_options defaults = {
    .failures = 5, .time_ns = 30 * S, .time_max_ns = 300 * S, .percent_max = 50};

struct upstream {
    struct spinlock lock;
    struct eject eject[N];
    struct health health[N];
    struct eject_member members[N];
    struct eject_group group;
};

static void init(struct upstream *u, uint32_t count)
{
    *u = (struct upstream){.group = {&u->lock, u->members, count}};
    for (uint32_t i = 0; i < count; i++)
        u->members[i] = (struct eject_member){&u->eject[i], &u->health[i]};
}

static enum eject_verdict fail_times(struct upstream *u, uint32_t i, int times, int64_t now)
{
    enum eject_verdict v = EJECT_COUNTED;

    for (int n = 0; n < times; n++)
        v = eject_failure(&u->eject[i], &u->group, &defaults, now);
    return v;
}

static void test_the_fifth_failure_in_a_row_ejects(void **state)
{
    struct upstream u;

    init(&u, 3);
    assert_int_equal(fail_times(&u, 0, 4, 1 * S), EJECT_COUNTED);
    assert_int_equal(eject_failures_in_row(&u.eject[0]), 4);
    eject_success(&u.eject[0]);
    assert_int_equal(fail_times(&u, 0, 4, 2 * S), EJECT_COUNTED);
    assert_false(eject_is_out(&u.eject[0], 2 * S));
    assert_int_equal(fail_times(&u, 0, 1, 2 * S), EJECT_EJECTED);
    assert_true(eject_is_out(&u.eject[0], 2 * S));
    assert_int_equal(eject_until_ns(&u.eject[0]), 32 * S);
    assert_int_equal(fail_times(&u, 0, 1, 3 * S), EJECT_OUT);
    eject_success(&u.eject[0]); /* an old answer */
    assert_true(eject_is_out(&u.eject[0], 32 * S - 1));
    assert_false(eject_is_out(&u.eject[0], 32 * S));
    assert_int_equal(eject_failures_in_row(&u.eject[0]), 0);
}

static void test_times_grow_to_the_cap_and_shrink_again(void **state)
{
    struct upstream u;
    int64_t now = 7 * S;

    init(&u, 2);
    for (int k = 1; k <= 12; k++) { /* fails again as soon as it is back */
        assert_int_equal(fail_times(&u, 0, 5, now), EJECT_EJECTED);
        assert_int_equal(eject_until_ns(&u.eject[0]), now + MIN(30 * k, 300) * S);
        now = eject_until_ns(&u.eject[0]);
    }
    assert_int_equal(eject_ejections_in_row(&u.eject[0]), 12);
    now += 4 * 30 * S + 29 * S; /* four whole times of good behaviour: 12 - 4 + 1 */
    assert_int_equal(fail_times(&u, 0, 5, now), EJECT_EJECTED);
    assert_int_equal(eject_ejections_in_row(&u.eject[0]), 9);
    assert_int_equal(eject_until_ns(&u.eject[0]), now + 270 * S);
    now += 270 * S + 1000 * S;
    assert_int_equal(fail_times(&u, 0, 5, now), EJECT_EJECTED);
    assert_int_equal(eject_until_ns(&u.eject[0]), now + 30 * S);
}

static void test_times_round_up_to_milliseconds(void **state)
{
    struct upstream u;

    init(&u, 2);
    assert_int_equal(fail_times(&u, 0, 5, 1 * S + 1), EJECT_EJECTED);
    assert_int_equal(eject_until_ns(&u.eject[0]), 31 * S + NS_PER_MS);
}

/* how many of count may be out at percent, each failing in turn */
static uint32_t eject_all(uint32_t count, uint32_t percent, enum eject_verdict *ret_last)
{
    struct eject_options o = defaults;
    struct upstream u;
    uint32_t out = 0;

    o.percent_max = percent;
    init(&u, count);
    for (uint32_t i = 0; i < count; i++)
        for (int n = 0; n < 5; n++)
            *ret_last = eject_failure(&u.eject[i], &u.group, &o, S);
    for (uint32_t i = 0; i < count; i++)
        out += eject_is_out(&u.eject[i], S);
    return out;
}

static void test_how_many_may_go(void **state)
{
    static const struct {
        uint32_t count, percent, out;
        enum eject_verdict last;
    } cases[] = {
        {1, 50, 0, EJECT_LAST},        {1, 100, 0, EJECT_LAST},      {2, 50, 1, EJECT_LAST},
        {2, 10, 1, EJECT_LAST},       /* one may always go */
        {3, 50, 1, EJECT_AT_PERCENT}, /* not 2 of 3 */
        {3, 67, 2, EJECT_LAST},        {4, 50, 2, EJECT_AT_PERCENT}, {10, 10, 1, EJECT_AT_PERCENT},
        {10, 50, 5, EJECT_AT_PERCENT}, {10, 100, 9, EJECT_LAST},     {10, 0, 1, EJECT_AT_PERCENT},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum eject_verdict last = EJECT_COUNTED;

        assert_int_equal(eject_all(cases[i].count, cases[i].percent, &last), cases[i].out);
        assert_int_equal(last, cases[i].last);
    }
}

static void test_the_last_usable_endpoint_stays(void **state)
{
    static const struct health_options once = {.fall = 1, .rise = 1};
    struct upstream u;

    init(&u, 3);
    health_report(&u.health[1], &once, false, S);
    health_report(&u.health[2], &once, false, S);
    assert_int_equal(fail_times(&u, 0, 5, S), EJECT_LAST);
    assert_false(eject_is_out(&u.eject[0], S));
    health_report(&u.health[2], &once, true, 2 * S);
    assert_int_equal(fail_times(&u, 0, 1, 2 * S),
                     EJECT_EJECTED); /* the next failure, when one is up */
}

static void test_room_comes_back_with_time(void **state)
{
    struct upstream u;

    init(&u, 3);
    assert_int_equal(fail_times(&u, 0, 5, 1 * S), EJECT_EJECTED);
    assert_int_equal(fail_times(&u, 1, 5, 2 * S), EJECT_AT_PERCENT);
    assert_int_equal(fail_times(&u, 1, 1, 31 * S - 1), EJECT_AT_PERCENT);
    assert_int_equal(fail_times(&u, 1, 1, 31 * S), EJECT_EJECTED);
}

static void test_a_passed_check_brings_it_back_and_is_remembered(void **state)
{
    struct upstream u;

    init(&u, 2);
    assert_false(eject_restore(&u.eject[0], S));
    assert_int_equal(fail_times(&u, 0, 5, S), EJECT_EJECTED);
    assert_true(eject_restore(&u.eject[0], 3 * S));
    assert_false(eject_is_out(&u.eject[0], 3 * S));
    assert_int_equal(fail_times(&u, 0, 5, 4 * S), EJECT_EJECTED);
    assert_int_equal(eject_until_ns(&u.eject[0]), 64 * S); /* the second in a row: 60 s */
}

static void test_zero_failures_never_ejects(void **state)
{
    struct eject_options off = defaults;
    struct upstream u;

    init(&u, 2);
    off.failures = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(eject_failure(&u.eject[0], &u.group, &off, S), EJECT_COUNTED);
    assert_int_equal(eject_failures_in_row(&u.eject[0]), 0);
}

static void test_extreme_times_saturate(void **state)
{
    struct eject_options o = {
        .failures = 1, .time_ns = INT64_MAX, .time_max_ns = INT64_MAX, .percent_max = 50};
    struct upstream u;

    init(&u, 2);
    assert_int_equal(eject_failure(&u.eject[0], &u.group, &o, S), EJECT_EJECTED);
    assert_true(eject_is_out(&u.eject[0], INT64_C(1000000000) * S));
    o.time_ns = o.time_max_ns = 0;
    assert_int_equal(eject_failure(&u.eject[1], &u.group, &o, S), EJECT_LAST);
}

static struct upstream shared;
static atomic_int ejections[N];

static void *fail_all(void *arg)
{
    for (int round = 0; round < 20000; round++) {
        uint32_t i = (uint32_t)(round + (int)(intptr_t)arg) % N;

        if (eject_failure(&shared.eject[i], &shared.group, &defaults, S) == EJECT_EJECTED)
            atomic_fetch_add(&ejections[i], 1);
        if (round % 7 == 0)
            eject_success(&shared.eject[i]);
    }
    return NULL;
}

static void test_races_eject_no_more_than_allowed(void **state)
{
    pthread_t threads[4];
    int out = 0, total = 0;

    init(&shared, N);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_all, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N; i++) {
        out += eject_is_out(&shared.eject[i], S);
        assert_true(atomic_load(&ejections[i]) <= 1);
        total += atomic_load(&ejections[i]);
    }
    assert_int_equal(out, 5);
    assert_int_equal(total, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fifth_failure_in_a_row_ejects),
        cmocka_unit_test(test_times_grow_to_the_cap_and_shrink_again),
        cmocka_unit_test(test_times_round_up_to_milliseconds),
        cmocka_unit_test(test_how_many_may_go),
        cmocka_unit_test(test_the_last_usable_endpoint_stays),
        cmocka_unit_test(test_room_comes_back_with_time),
        cmocka_unit_test(test_a_passed_check_brings_it_back_and_is_remembered),
        cmocka_unit_test(test_zero_failures_never_ejects),
        cmocka_unit_test(test_extreme_times_saturate),
        cmocka_unit_test(test_races_eject_no_more_than_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
