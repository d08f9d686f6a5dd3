/* Rate limiters: exact numbers in virtual time, and what they promise under any schedule. */
#include "unit/policy/setup.h"

#include <errno.h>
#include <pthread.h>

#include <weir/limiter.h>

#include "base/hash.h"

#define MS  NS_PER_MS
#define SEC NS_PER_SEC

static const struct weir_rate ten_per_second = {.count = 10, .per_ns = SEC, .burst = 10};

static void bucket_ten_at_once_then_one_per_100_ms(void **state)
{
    struct weir_bucket b;
    int64_t t = 5 * SEC, retry_after;

    assert_int_equal(weir_bucket_init(&b, &ten_per_second, t), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_bucket_take(&b, 1, t, NULL), 0);
    assert_int_equal(weir_bucket_take(&b, 1, t, &retry_after), -EAGAIN);
    assert_int_equal(retry_after, 100 * MS);
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(weir_bucket_take(&b, 1, t + i * 100 * MS - 1, &retry_after), -EAGAIN);
        assert_int_equal(retry_after, 1);
        assert_int_equal(weir_bucket_take(&b, 1, t + i * 100 * MS, NULL), 0);
    }
    assert_int_equal(weir_bucket_take(&b, 10, t + 3 * SEC, NULL), 0);
    assert_int_equal(weir_bucket_take(&b, 11, t + 100 * SEC, &retry_after), -EAGAIN);
    assert_true(retry_after == INT64_MAX);
}

static void bucket_without_refill_and_without_limit(void **state)
{
    struct weir_rate burst_only = {.count = 0, .per_ns = SEC, .burst = 3};
    struct weir_rate unlimited = {.count = 1, .per_ns = 0, .burst = 1};
    struct weir_bucket b;
    int64_t retry_after;

    assert_int_equal(weir_bucket_init(&b, &burst_only, 0), 0);
    assert_int_equal(weir_bucket_take(&b, 2, 0, NULL), 0);
    assert_int_equal(weir_bucket_take(&b, 2, 1000 * SEC, &retry_after), -EAGAIN);
    assert_true(retry_after == INT64_MAX);
    assert_int_equal(weir_bucket_tokens(&b, 1000 * SEC), 1);
    assert_int_equal(weir_bucket_init(&b, &unlimited, 0), 0);
    assert_int_equal(weir_bucket_take(&b, UINT32_MAX, 0, NULL), 0);
    assert_int_equal(weir_bucket_tokens(&b, 0), UINT32_MAX);
}

static void bucket_refuses_rates_that_it_cannot_keep(void **state)
{
    static const struct weir_rate bad[] = {
        {.count = 1, .per_ns = -1, .burst = 1},
        {.count = 1, .per_ns = SEC, .burst = 0},
        {.count = 17, .per_ns = 1, .burst = 1},
        {.count = 1, .per_ns = INT64_MAX, .burst = 1},
        {.count = 1, .per_ns = 24 * 3600 * SEC, .burst = 1000},
    };
    struct weir_bucket b;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(weir_bucket_init(&b, &bad[i], 0), -EINVAL);
}

static void bucket_reservations_wait_and_can_be_given_back(void **state)
{
    struct weir_reservation first, second;
    struct weir_bucket b;
    int64_t retry_after;

    weir_bucket_init(&b, &ten_per_second, 0);
    assert_int_equal(weir_bucket_take(&b, 10, 0, NULL), 0);
    assert_int_equal(weir_bucket_reserve(&b, 2, 199 * MS, 0, &first, &retry_after), -EAGAIN);
    assert_int_equal(retry_after, 1 * MS);
    assert_int_equal(weir_bucket_reserve(&b, 2, SEC, 0, &first, NULL), 0);
    assert_int_equal(first.at_ns, 200 * MS);
    assert_int_equal(weir_bucket_reserve(&b, 1, SEC, 0, &second, NULL), 0);
    assert_int_equal(second.at_ns, 300 * MS);
    weir_bucket_cancel(&b, &first, 0); /* less the one reserved behind it */
    assert_int_equal(weir_bucket_reserve(&b, 1, SEC, 0, &second, NULL), 0);
    assert_int_equal(second.at_ns, 300 * MS);
    weir_bucket_cancel(&b, &second, 300 * MS); /* its time has come */
    assert_int_equal(weir_bucket_take(&b, 1, 300 * MS, NULL), -EAGAIN);
}

static void bucket_keeps_what_was_used_when_its_rate_changes(void **state)
{
    struct weir_rate double_rate = {.count = 20, .per_ns = SEC, .burst = 20};
    struct weir_rate small = {.count = 1, .per_ns = SEC, .burst = 2};
    struct weir_bucket b;

    weir_bucket_init(&b, &ten_per_second, 0);
    assert_int_equal(weir_bucket_take(&b, 7, 0, NULL), 0);
    assert_int_equal(weir_bucket_set(&b, &double_rate, 0), 0);
    assert_int_equal(weir_bucket_tokens(&b, 0), 3);
    assert_int_equal(weir_bucket_tokens(&b, 500 * MS), 13);
    assert_int_equal(weir_bucket_set(&b, &small, 500 * MS), 0);
    assert_int_equal(weir_bucket_tokens(&b, 500 * MS), 2);
    for (int i = 0; i < 9; i++) /* more changes than there are places for rates */
        assert_int_equal(weir_bucket_set(&b, i % 2 ? &small : &double_rate, 500 * MS), 0);
    assert_int_equal(weir_bucket_tokens(&b, 500 * MS), 2);
}

static void bucket_mints_nothing_when_time_stands_still_or_jumps_back(void **state)
{
    struct weir_bucket b;

    weir_bucket_init(&b, &ten_per_second, SEC);
    assert_int_equal(weir_bucket_take(&b, 10, 2 * SEC, NULL), 0);
    for (int64_t t = 2 * SEC; t > 0; t -= 100 * MS)
        assert_int_equal(weir_bucket_take(&b, 1, t, NULL), -EAGAIN);
    assert_int_equal(weir_bucket_take(&b, 1, 2 * SEC + 100 * MS, NULL), 0);
    assert_int_equal(weir_bucket_take(&b, 10, 3600 * SEC, NULL), 0); /* a jump fills it once */
    assert_int_equal(weir_bucket_take(&b, 1, 3600 * SEC, NULL), -EAGAIN);
}

/* admitted <= burst + rate * time, for every span, with random rates, demands and pauses */
static void bucket_admits_at_most_burst_and_rate_times_time(void **state)
{
    enum { EVENTS = 400 };
    static int64_t at[EVENTS];
    struct rng rng;

    for (unsigned seed = 1; seed <= 200; seed++) {
        struct weir_rate rate;
        struct weir_bucket b;
        int64_t t = 0;
        int n = 0;

        rng_seed(&rng, seed);
        rate = (struct weir_rate){.count = 1 + rng_next(&rng) % 5000,
                                  .per_ns = (int64_t)(1 + rng_next(&rng) % 10) * SEC,
                                  .burst = 1 + (uint32_t)(rng_next(&rng) % 20)};
        assert_int_equal(weir_bucket_init(&b, &rate, 0), 0);
        while (n < EVENTS) {
            if (weir_bucket_take(&b, 1, t, NULL) == 0)
                at[n++] = t;
            else
                t += (int64_t)(rng_next(&rng) % ((uint64_t)rate.per_ns / rate.count + 1));
        }
        for (int i = 0; i < n; i++)
            for (int j = i; j < n; j++)
                assert_true((__int128)(j - i + 1 - (int)rate.burst) * rate.per_ns <=
                            (__int128)(at[j] - at[i]) * rate.count);
    }
}

struct contenders {
    struct weir_bucket bucket;
    uint64_t admitted;
};

static void *contend(void *arg)
{
    struct contenders *c = arg;

    for (int64_t t = 0; t < 100000; t++)
        if (weir_bucket_take(&c->bucket, 1, t * 1000, NULL) == 0)
            __atomic_fetch_add(&c->admitted, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void bucket_is_exact_under_contention(void **state)
{
    struct weir_rate rate = {.count = 100000, .per_ns = SEC, .burst = 50};
    struct contenders c = {.admitted = 0};
    pthread_t threads[4];

    weir_bucket_init(&c.bucket, &rate, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, contend, &c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(c.admitted, 1, 50 + 9999); /* the last is asked for at 99,999 us */
}

static void pacer_spaces_turns_and_gives_no_credit_for_idling(void **state)
{
    struct weir_pacer p;
    int64_t at;

    assert_int_equal(weir_pacer_init(&p, 100 * MS, 3), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weir_pacer_turn(&p, SEC, INT64_MAX, &at), 0);
        assert_int_equal(at, SEC + i * 100 * MS);
    }
    assert_int_equal(weir_pacer_turn(&p, SEC, INT64_MAX, &at), -EAGAIN); /* three wait */
    assert_int_equal(at, SEC + 100 * MS);
    assert_int_equal(weir_pacer_turn(&p, 100 * SEC, INT64_MAX, &at), 0);
    assert_int_equal(weir_pacer_turn(&p, 100 * SEC, INT64_MAX, &at), 0);
    assert_int_equal(at, 100 * SEC + 100 * MS);
    assert_int_equal(weir_pacer_turn(&p, 100 * SEC, 100 * SEC + 150 * MS, &at), -EAGAIN);
}

static void pacer_capacity_zero_is_pure_spacing(void **state)
{
    struct weir_pacer p;
    int64_t at;

    assert_int_equal(weir_pacer_init(&p, 100 * MS, 0), 0);
    assert_int_equal(weir_pacer_turn(&p, 0, INT64_MAX, &at), 0);
    assert_int_equal(weir_pacer_turn(&p, 100 * MS - 1, INT64_MAX, &at), -EAGAIN);
    assert_int_equal(at, 100 * MS);
    assert_int_equal(weir_pacer_turn(&p, 100 * MS, INT64_MAX, &at), 0);
}

static void pacer_takes_back_only_the_last_turn(void **state)
{
    struct weir_pacer p;
    int64_t first, second, third;

    weir_pacer_init(&p, 100 * MS, 10);
    weir_pacer_turn(&p, 0, INT64_MAX, &first);
    weir_pacer_turn(&p, 0, INT64_MAX, &second);
    weir_pacer_cancel(&p, first); /* lost: a turn behind it is given */
    weir_pacer_turn(&p, 0, INT64_MAX, &third);
    assert_int_equal(third, 200 * MS);
    weir_pacer_cancel(&p, third);
    weir_pacer_turn(&p, 0, INT64_MAX, &third);
    assert_int_equal(third, 200 * MS);
}

static void sliding_window_forgets_after_one_window(void **state)
{
    struct weir_sliding w;
    int64_t retry_after;

    assert_int_equal(weir_sliding_init(&w, 5, SEC, 0), 0);
    assert_int_equal(weir_sliding_take(&w, 3, 0, NULL), 0);
    assert_int_equal(weir_sliding_take(&w, 2, 500 * MS, NULL), 0);
    assert_int_equal(weir_sliding_take(&w, 1, 999 * MS, &retry_after), -EAGAIN);
    assert_int_equal(retry_after, 101 * MS);
    assert_int_equal(weir_sliding_take(&w, 4, 999 * MS, &retry_after), -EAGAIN);
    assert_int_equal(retry_after, 601 * MS);
    assert_int_equal(weir_sliding_take(&w, 3, 1100 * MS, NULL), 0);
    assert_int_equal(weir_sliding_take(&w, 1, 1100 * MS, NULL), -EAGAIN);
    assert_int_equal(weir_sliding_take(&w, 6, 0, &retry_after), -EAGAIN);
    assert_true(retry_after == INT64_MAX);
    assert_int_equal(weir_sliding_take(&w, 5, 1000000 * SEC, NULL), 0);
}

static void sliding_window_never_admits_more_than_its_limit_in_a_window(void **state)
{
    enum { EVENTS = 2000, LIMIT = 7 };
    static int64_t at[EVENTS];
    struct rng rng;

    for (unsigned seed = 1; seed <= 50; seed++) {
        struct weir_sliding w;
        int64_t t = 0;
        int n = 0;

        rng_seed(&rng, seed);
        weir_sliding_init(&w, LIMIT, SEC, 0);
        while (n < EVENTS) {
            if (weir_sliding_take(&w, 1, t, NULL) == 0)
                at[n++] = t;
            t += (int64_t)(rng_next(&rng) % (uint64_t)(200 * MS));
        }
        for (int i = LIMIT; i < n; i++)
            assert_true(at[i] - at[i - LIMIT] >= SEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_ten_at_once_then_one_per_100_ms),
        cmocka_unit_test(bucket_without_refill_and_without_limit),
        cmocka_unit_test(bucket_refuses_rates_that_it_cannot_keep),
        cmocka_unit_test(bucket_reservations_wait_and_can_be_given_back),
        cmocka_unit_test(bucket_keeps_what_was_used_when_its_rate_changes),
        cmocka_unit_test(bucket_mints_nothing_when_time_stands_still_or_jumps_back),
        cmocka_unit_test(bucket_admits_at_most_burst_and_rate_times_time),
        cmocka_unit_test(bucket_is_exact_under_contention),
        cmocka_unit_test(pacer_spaces_turns_and_gives_no_credit_for_idling),
        cmocka_unit_test(pacer_capacity_zero_is_pure_spacing),
        cmocka_unit_test(pacer_takes_back_only_the_last_turn),
        cmocka_unit_test(sliding_window_forgets_after_one_window),
        cmocka_unit_test(sliding_window_never_admits_more_than_its_limit_in_a_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
