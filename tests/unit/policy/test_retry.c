/* The retry decision as a table, backoff exactly, the budget. */
#include "unit/policy/setup.h"

#include <pthread.h>

#include "base/hash.h"
#include "policy/retry.h"

#define MS NS_PER_MS

static const struct retry_options defaults = {.attempts = 3,
                                              .backoff_ns = 25 * MS,
                                              .reserve_ns = 100 * MS,
                                              .budget_percent = 20,
                                              .budget_min = 3};

/* A GET that timed out on its first attempt, with another endpoint to go to and time left. */
#define GET                                                                                        \
    .failure = RETRY_TIMEOUT, .attempts = 1, .sent_bytes = 80, .idempotent = true,                 \
    .body_replayable = true, .others = true, .now_ns = 1000 * MS, .deadline_ns = 4000 * MS

/* Cases change fields of GET, which is what designated initialisers are for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const struct {
    const char *what;
    struct retry_attempt attempt;
    enum retry_verdict verdict;
    int64_t backoff_ns;
} cases[] = {
    {"timeout, another endpoint", {GET}, RETRY_OTHER, 0},
    {"timeout, no other", {GET, .others = false}, RETRY_SAME, 25 * MS},
    {"second timeout, no other", {GET, .others = false, .attempts = 2}, RETRY_SAME, 50 * MS},
    {"all attempts made", {GET, .attempts = 3}, RETRY_NO_ATTEMPTS, 0},
    {"response started", {GET, .response_started = true}, RETRY_NO_STARTED, 0},
    {"response broke off", {GET, .failure = RETRY_BROKEN}, RETRY_NO_FAILURE, 0},
    {"client went away", {GET, .failure = RETRY_CLIENT}, RETRY_NO_FAILURE, 0},
    {"POST timed out", {GET, .idempotent = false}, RETRY_NO_NOT_IDEMPOTENT, 0},
    {"POST, nothing sent", {GET, .idempotent = false, .sent_bytes = 0}, RETRY_OTHER, 0},
    {"POST, connect failed",
     {GET, .idempotent = false, .failure = RETRY_CONNECT, .sent_bytes = 0},
     RETRY_OTHER,
     0},
    {"POST, endpoint full here",
     {GET, .idempotent = false, .failure = RETRY_REFUSED_LOCALLY, .sent_bytes = 0},
     RETRY_OTHER,
     0},
    {"POST, closed on reuse, sent",
     {GET, .idempotent = false, .failure = RETRY_CLOSED, .reused = true},
     RETRY_NO_NOT_IDEMPOTENT,
     0},
    {"POST, closed on reuse, unsent",
     {GET, .idempotent = false, .failure = RETRY_CLOSED, .reused = true, .sent_bytes = 0},
     RETRY_SAME,
     0},
    {"GET, closed on reuse", {GET, .failure = RETRY_CLOSED, .reused = true}, RETRY_SAME, 0},
    {"GET, closed when fresh", {GET, .failure = RETRY_CLOSED}, RETRY_OTHER, 0},
    {"PUT, body gone", {GET, .body_replayable = false}, RETRY_NO_BODY, 0},
    {"connect failed, body gone",
     {GET, .failure = RETRY_CONNECT, .sent_bytes = 0, .body_replayable = false},
     RETRY_NO_BODY,
     0},
    {"just enough time", {GET, .deadline_ns = 1100 * MS}, RETRY_OTHER, 0},
    {"1 ns short", {GET, .deadline_ns = 1100 * MS - 1}, RETRY_NO_DEADLINE, 0},
    {"just enough for backoff",
     {GET, .others = false, .deadline_ns = 1125 * MS},
     RETRY_SAME,
     25 * MS},
    {"backoff does not fit",
     {GET, .others = false, .deadline_ns = 1125 * MS - 1},
     RETRY_NO_DEADLINE,
     0},
    {"no deadline", {GET, .deadline_ns = NS_NEVER}, RETRY_OTHER, 0},
    {"past the deadline", {GET, .deadline_ns = 1000 * MS}, RETRY_NO_DEADLINE, 0},
};
#pragma GCC diagnostic pop

static void test_decisions(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct retry_budget budget = {0};
        struct retry_decision d = retry_decide(&cases[i].attempt, &defaults, &budget);

        if (d.verdict != cases[i].verdict || d.backoff_ns != cases[i].backoff_ns)
            fail_msg("%s: %s after %lld ns", cases[i].what, retry_verdict_text(d.verdict).ptr,
                     (long long)d.backoff_ns);
        /* a slot is taken by yes, and only by yes */
        assert_int_equal(atomic_load(&budget.word) >> 32, retry_yes(d.verdict));
    }
}

static void test_one_attempt_means_off(void **state)
{
    struct retry_options once = defaults;
    struct retry_attempt a = {GET};
    struct retry_budget budget = {0};

    for (once.attempts = 0; once.attempts <= 1; once.attempts++)
        assert_int_equal(retry_decide(&a, &once, &budget).verdict, RETRY_NO_OFF);
}

static void test_without_reserve_the_deadline_itself_counts(void **state)
{
    struct retry_options o = defaults;
    struct retry_budget budget = {0};
    struct retry_attempt a = {GET};

    o.reserve_ns = 0;
    a.deadline_ns = a.now_ns;
    assert_int_equal(retry_decide(&a, &o, &budget).verdict, RETRY_NO_DEADLINE);
    a.deadline_ns = a.now_ns + 1;
    assert_int_equal(retry_decide(&a, &o, &budget).verdict, RETRY_OTHER);
}

static void test_backoff_doubles_to_its_maximum(void **state)
{
    static const int64_t want_ms[] = {25, 50, 100, 200, 250, 250, 250};
    struct retry_options o = {.backoff_ns = 25 * MS};

    for (uint32_t n = 2; n < 2 + ARRAY_LEN(want_ms); n++)
        assert_int_equal(retry_backoff_ns(&o, n, UINT64_MAX), want_ms[n - 2] * MS);
    o = (struct retry_options){.backoff_ns = 100 * MS, .backoff_max_ns = 10000 * MS};
    assert_int_equal(retry_backoff_ns(&o, 2, 7), 100 * MS); /* exact without jitter */
    assert_int_equal(retry_backoff_ns(&o, 3, 7), 200 * MS);
    assert_int_equal(retry_backoff_ns(&o, 4, 7), 400 * MS);
}

static void test_backoff_never_leaves_its_range(void **state)
{
    static const int64_t bases[] = {0, 1, 25 * MS, INT64_MAX / 3, INT64_MAX, -5};
    struct rng r;

    rng_seed(&r, 2);
    for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
        for (uint32_t jitter = 0; jitter <= 150; jitter += 50) {
            struct retry_options o = {
                .backoff_ns = bases[b], .backoff_max_ns = INT64_MAX, .jitter_percent = jitter};

            for (uint32_t n = 0; n < 5000; n += 1 + n / 3)
                assert_true(retry_backoff_ns(&o, n, rng_next(&r)) >= 0);
            assert_true(retry_backoff_ns(&o, UINT32_MAX, 0) >= 0);
        }
    }
}

static void test_jitter_takes_its_share(void **state)
{
    struct retry_options o = {.backoff_ns = 100 * MS, .jitter_percent = 100};
    double sum = 0;
    struct rng r;

    rng_seed(&r, 3);
    assert_int_equal(retry_backoff_ns(&o, 2, 0), 100 * MS);
    assert_int_equal(retry_backoff_ns(&o, 2, UINT64_MAX), 1);
    for (int i = 0; i < 20000; i++)
        sum += (double)retry_backoff_ns(&o, 2, rng_next(&r));
    assert_in_range((uint64_t)(sum / 20000), 49 * MS, 51 * MS);
    o.jitter_percent = 20;
    assert_int_equal(retry_backoff_ns(&o, 2, UINT64_MAX), 80 * MS + 1);
}

static void test_the_budget_is_a_share_with_a_floor(void **state)
{
    static const struct {
        uint32_t active, allowed;
    } budgets[] = {{0, 3}, {1, 3}, {15, 3}, {19, 3}, {20, 4}, {100, 20}, {104, 20}, {105, 21}};

    for (size_t i = 0; i < ARRAY_LEN(budgets); i++) {
        struct retry_budget b = {0};
        uint32_t taken = 0;

        for (uint32_t n = 0; n < budgets[i].active; n++)
            retry_budget_enter(&b);
        while (retry_budget_take(&b, 20, 3))
            taken++;
        assert_int_equal(taken, budgets[i].allowed);
        retry_budget_give(&b);
        assert_true(retry_budget_take(&b, 20, 3)); /* what is given back can be had again */
        assert_false(retry_budget_take(&b, 20, 3));
    }
}

static void test_an_exhausted_budget_refuses_the_retry(void **state)
{
    struct retry_attempt a = {GET};
    struct retry_budget b = {0};

    for (int i = 0; i < 3; i++)
        assert_int_equal(retry_decide(&a, &defaults, &b).verdict, RETRY_OTHER);
    assert_int_equal(retry_decide(&a, &defaults, &b).verdict, RETRY_NO_BUDGET);
}

static atomic_int running, most;

static void *retry_for_ever(void *arg)
{
    struct retry_budget *b = arg;

    for (int i = 0; i < 50000; i++) {
        retry_budget_enter(b);
        if (retry_budget_take(b, 0, 2)) {
            int now = atomic_fetch_add(&running, 1) + 1;
            int seen = atomic_load(&most);

            while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
                ;
            atomic_fetch_sub(&running, 1);
            retry_budget_give(b);
        }
        retry_budget_leave(b);
    }
    return NULL;
}

static void test_races_never_exceed_the_budget(void **state)
{
    struct retry_budget b = {0};
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, retry_for_ever, &b), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&most), 1, 2);
    assert_int_equal(atomic_load(&b.word), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_one_attempt_means_off),
        cmocka_unit_test(test_without_reserve_the_deadline_itself_counts),
        cmocka_unit_test(test_backoff_doubles_to_its_maximum),
        cmocka_unit_test(test_backoff_never_leaves_its_range),
        cmocka_unit_test(test_jitter_takes_its_share),
        cmocka_unit_test(test_the_budget_is_a_share_with_a_floor),
        cmocka_unit_test(test_an_exhausted_budget_refuses_the_retry),
        cmocka_unit_test(test_races_never_exceed_the_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
