/* Balancing by what endpoints tell: peak EWMA latency, bounded loads, slow start. */
#include "unit/policy/setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "policy/balancer.h"
#include "policy/slow_start.h"

#define MS NS_PER_MS

static struct balancer *make(enum balancer_kind kind, const struct balancer_endpoint *e,
                             uint32_t count)
{
    size_t size = balancer_bytes(kind, e, count);
    void *mem = malloc(size);
    struct balancer *b = NULL;

    assert_non_null(mem);
    assert_int_equal(balancer_init(kind, e, count, 0, mem, size, &b), 0);
    return b;
}

static bool avoid_marked(void *arg, uint32_t index)
{
    return ((const bool *)arg)[index];
}

/* -- peak EWMA -- */

static double after(struct peak *p, int64_t took_ms, bool failed, int64_t now_ms)
{
    peak_observe(p, took_ms * MS, failed, now_ms * MS);
    return peak_ns(p, now_ms * MS) / MS;
}

static void test_a_slower_answer_counts_at_once_a_faster_one_by_age(void **state)
{
    struct peak p = {0};

    assert_true(peak_ns(&p, 5000 * MS) == 0);
    assert_float_equal(after(&p, 10, false, 1000), 10, 1e-4);
    assert_float_equal(after(&p, 50, false, 1000), 50, 1e-4); /* a peak: at once */
    assert_float_equal(after(&p, 10, false, 1000), 50, 1e-4); /* no time has passed */
    /* one time constant later: 50/e + 10 * (1 - 1/e) */
    assert_float_equal(after(&p, 10, false, 11000), 50 * exp(-1) + 10 * (1 - exp(-1)), 1e-3);
    assert_float_equal(after(&p, 90, false, 11000), 90, 1e-4);
}

static void test_latency_decays_without_answers(void **state)
{
    struct peak p = {0};

    after(&p, 80, false, 1000);
    assert_float_equal(peak_ns(&p, 11000 * MS) / MS, 80 * exp(-1), 1e-3);
    assert_float_equal(peak_ns(&p, 21000 * MS) / MS, 80 * exp(-2), 1e-3);
    assert_float_equal(peak_ns(&p, 500 * MS) / MS, 80, 1e-3); /* a clock that lags */
}

static void test_a_quick_failure_is_no_improvement(void **state)
{
    struct peak p = {0};

    after(&p, 80, false, 1000);
    assert_float_equal(after(&p, 1, true, 61000), 80, 1e-4);
    assert_float_equal(after(&p, 200, true, 61000), 200, 1e-4);
}

static void test_the_stamp_may_wrap(void **state)
{
    int64_t wrap_ms = INT64_C(1) << 32;
    struct peak p = {0};

    after(&p, 80, false, wrap_ms - 5000);
    assert_float_equal(peak_ns(&p, (wrap_ms + 5000) * MS) / MS, 80 * exp(-1), 1e-3);
}

static void test_ewma_prefers_the_one_that_answers_sooner(void **state)
{
    atomic_uint busy[2] = {0, 0};
    struct peak p[2] = {{0}, {0}};
    struct balancer_endpoint e[2] = {{1, 0, &busy[0], &p[0], NULL}, {1, 0, &busy[1], &p[1], NULL}};
    struct balancer *b = make(BALANCER_EWMA, e, 2);
    /* both drawn, whichever first */
    struct balancer_query q = {.random = UINT64_C(0x00000000ffffffff), .now_ns = 1000 * MS};

    after(&p[0], 10, false, 1000);
    after(&p[1], 40, false, 1000);
    assert_int_equal(balancer_pick(b, &q), 0);
    atomic_store(&busy[0], 3); /* 4 * 10 against 1 * 40: equal, the first drawn */
    assert_int_equal(balancer_pick(b, &q), 0);
    atomic_store(&busy[0], 4);
    assert_int_equal(balancer_pick(b, &q), 1);
    e[0].weight = 2; /* half the cost */
    assert_int_equal(balancer_pick(b, &q), 0);
    free(b);
}

static void test_ewma_asks_an_unknown_endpoint_once_until_it_answers(void **state)
{
    atomic_uint busy[2] = {0, 0};
    struct peak p[2] = {{0}, {0}};
    struct balancer_endpoint e[2] = {{1, 0, &busy[0], &p[0], NULL}, {1, 0, &busy[1], &p[1], NULL}};
    struct balancer *b = make(BALANCER_EWMA, e, 2);
    struct balancer_query q = {.random = UINT64_C(0x00000000ffffffff), .now_ns = 1000 * MS};

    after(&p[0], 10, false, 1000);
    assert_int_equal(balancer_pick(b, &q), 1);
    atomic_store(&busy[1], 1);
    assert_int_equal(balancer_pick(b, &q), 0);
    free(b);
}

/* A simulated fleet: one endpoint is four times slower. It gets far less than its third. */
static void test_ewma_moves_load_away_from_a_slow_endpoint(void **state)
{
    enum { LANES = 12, ROUNDS = 6000 };
    static const int64_t took_ms[3] = {10, 10, 40};
    atomic_uint busy[3] = {0, 0, 0};
    struct peak p[3] = {{0}, {0}, {0}};
    struct balancer_endpoint e[3] = {{1, 0, &busy[0], &p[0], NULL},
                                     {1, 0, &busy[1], &p[1], NULL},
                                     {1, 0, &busy[2], &p[2], NULL}};
    struct balancer *b = make(BALANCER_EWMA, e, 3);
    struct {
        int at;
        int64_t end_ms;
    } lanes[LANES] = {{0}};
    unsigned counts[3] = {0};
    struct rng r;

    rng_seed(&r, 7);
    for (int i = 0; i < LANES; i++)
        lanes[i].at = -1;
    for (int64_t now_ms = 1; now_ms < ROUNDS; now_ms++) {
        for (int i = 0; i < LANES; i++) {
            struct balancer_query q = {.random = rng_next(&r), .now_ns = now_ms * MS};

            if (lanes[i].at >= 0 && lanes[i].end_ms > now_ms)
                continue;
            if (lanes[i].at >= 0) {
                atomic_fetch_sub(&busy[lanes[i].at], 1);
                peak_observe(&p[lanes[i].at], took_ms[lanes[i].at] * MS, false, now_ms * MS);
            }
            lanes[i].at = balancer_pick(b, &q);
            lanes[i].end_ms = now_ms + took_ms[lanes[i].at];
            atomic_fetch_add(&busy[lanes[i].at], 1);
            counts[lanes[i].at]++;
        }
    }
    assert_in_range(counts[2] * 100 / (counts[0] + counts[1] + counts[2]), 3, 16);
    free(b);
}

/* -- bounded loads -- */

enum { HASHED = 5 };

struct hashed {
    atomic_uint busy[HASHED];
    struct balancer_endpoint e[HASHED];
    struct balancer *b;
};

static void hashed_init(struct hashed *h)
{
    memset(h, 0, sizeof(*h));
    for (uint32_t i = 0; i < HASHED; i++)
        h->e[i] = (struct balancer_endpoint){
            .weight = 1, .key = balancer_hash(str_n(&"abcde"[i], 1)), .in_flight = &h->busy[i]};
    h->b = make(BALANCER_CONSISTENT_HASH, h->e, HASHED);
}

static void test_a_hot_key_overflows_to_the_same_next_endpoint(void **state)
{
    struct balancer_query q = {.hash = 99}, bounded = {.hash = 99, .bound_percent = 125};
    struct hashed h;
    int home, second;

    hashed_init(&h);
    home = balancer_pick(h.b, &q);
    assert_int_equal(balancer_pick(h.b, &bounded), home); /* idle: nobody is full */
    /* 9 in flight elsewhere and here: ceil(1.25 * 10 / 5) = 3 may be here */
    for (int i = 0; i < HASHED; i++)
        atomic_store(&h.busy[i], i == home ? 2 : 1);
    atomic_fetch_add(&h.busy[(home + 1) % HASHED], 3);
    assert_int_equal(balancer_pick(h.b, &bounded), home); /* 2 + 1 = 3 */
    atomic_store(&h.busy[home], 3);
    atomic_fetch_sub(&h.busy[(home + 1) % HASHED], 1);
    second = balancer_pick(h.b, &bounded);
    assert_int_not_equal(second, home);
    for (int i = 0; i < 10; i++)
        assert_int_equal(balancer_pick(h.b, &bounded), second);
    assert_int_equal(balancer_pick(h.b, &q), home); /* without the bound it stays */
    free(h.b);
}

/* Random histories: never beyond the bound, never refused, and home while home is not full. */
static void test_no_history_exceeds_the_bound(void **state)
{
    static const uint32_t bounds[] = {100, 125, 200};
    struct rng r;

    rng_seed(&r, 3);
    for (size_t k = 0; k < ARRAY_LEN(bounds); k++) {
        uint8_t running[64] = {0};
        unsigned count = 0;
        bool avoid[HASHED] = {false};
        struct hashed h;

        hashed_init(&h);
        for (int step = 0; step < 20000; step++) {
            struct balancer_query q = {.hash = rng_below(&r, 3), /* few keys: hot */
                                       .bound_percent = bounds[k],
                                       .avoid = avoid_marked,
                                       .avoid_arg = avoid};
            unsigned usable = 0, sum = 0;
            int pick;

            if (rng_below(&r, 50) == 0)
                avoid[rng_below(&r, HASHED - 1)] ^= true; /* the last one is always there */
            if (count == ARRAY_LEN(running) || (count > 0 && rng_below(&r, 2) == 0)) {
                unsigned i = (unsigned)rng_below(&r, count);

                atomic_fetch_sub(&h.busy[running[i]], 1);
                running[i] = running[--count];
                continue;
            }
            for (int i = 0; i < HASHED; i++) {
                usable += !avoid[i];
                sum += avoid[i] ? 0 : atomic_load(&h.busy[i]);
            }
            pick = balancer_pick(h.b, &q);
            assert_in_range(pick, 0, HASHED - 1);
            assert_false(avoid[pick]);
            running[count++] = (uint8_t)pick;
            assert_true((atomic_fetch_add(&h.busy[pick], 1) + 1) * 100 * usable <
                        bounds[k] * (sum + 1) + 100 * usable);
        }
        free(h.b);
    }
}

/* -- slow start -- */

static void test_the_share_rises_evenly_from_a_tenth(void **state)
{
    static const struct {
        int64_t since, window, now;
        uint32_t share;
    } rows[] = {
        {0, 100, 50, 1000},     {1000, 100, 1000, 100},  {1000, 100, 1050, 550},
        {1000, 100, 1099, 991}, {1000, 100, 1100, 1000}, {1000, 100, 9000, 1000},
        {2000, 100, 1000, 100}, /* has yet to begin */
        {1000, 0, 1000, 1000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(slow_start_share(rows[i].since, rows[i].window, rows[i].now),
                         rows[i].share);
}

/* Picks of the third of three equal endpoints, which began at 1 s, per 30,000. */
static unsigned picks_of_new(enum balancer_kind kind, int64_t now_ms)
{
    atomic_int_least64_t since[3] = {0, 0, 1000 * MS};
    struct balancer_endpoint e[3] = {{1, 0, NULL, NULL, &since[0]},
                                     {1, 0, NULL, NULL, &since[1]},
                                     {1, 0, NULL, NULL, &since[2]}};
    struct balancer *b = make(kind, e, 3);
    unsigned count = 0;
    struct rng r;

    rng_seed(&r, 11);
    for (int i = 0; i < 30000; i++) {
        struct balancer_query q = {
            .random = rng_next(&r), .now_ns = now_ms * MS, .slow_start_ns = 10000 * MS};

        count += balancer_pick(b, &q) == 2;
    }
    free(b);
    return count;
}

static void test_a_new_endpoint_takes_its_share_of_the_picks(void **state)
{
    /* its weight is 0.1, then 0.55, beside 1 and 1: 1,429 and 6,471 */
    assert_in_range(picks_of_new(BALANCER_ROUND_ROBIN, 1000), 1300, 1560);
    assert_in_range(picks_of_new(BALANCER_ROUND_ROBIN, 6000), 6250, 6700);
    assert_in_range(picks_of_new(BALANCER_ROUND_ROBIN, 11000), 10000, 10000);
    assert_in_range(picks_of_new(BALANCER_LEAST_REQUEST, 1000), 1300, 1560);
    assert_in_range(picks_of_new(BALANCER_LEAST_REQUEST, 11000), 9600, 10400);
    assert_in_range(picks_of_new(BALANCER_EWMA, 1000), 1300, 1560);
}

static void test_when_all_are_new_all_serve(void **state)
{
    atomic_int_least64_t since = 1000 * MS;
    struct balancer_endpoint e[2] = {{1, 0, NULL, NULL, &since}, {1, 0, NULL, NULL, &since}};

    for (enum balancer_kind kind = 0; kind < BALANCER_KIND_MAX; kind++) {
        struct balancer *b = make(kind, e, 2);
        unsigned first = 0;
        struct rng r;

        rng_seed(&r, 5);
        for (int i = 0; i < 2000; i++) {
            struct balancer_query q = {.random = rng_next(&r),
                                       .hash = rng_next(&r),
                                       .now_ns = 1000 * MS,
                                       .slow_start_ns = 10000 * MS};
            int pick = balancer_pick(b, &q);

            assert_in_range(pick, 0, 1);
            first += pick == 0;
        }
        assert_in_range(first, 850, 1150);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slower_answer_counts_at_once_a_faster_one_by_age),
        cmocka_unit_test(test_latency_decays_without_answers),
        cmocka_unit_test(test_a_quick_failure_is_no_improvement),
        cmocka_unit_test(test_the_stamp_may_wrap),
        cmocka_unit_test(test_ewma_prefers_the_one_that_answers_sooner),
        cmocka_unit_test(test_ewma_asks_an_unknown_endpoint_once_until_it_answers),
        cmocka_unit_test(test_ewma_moves_load_away_from_a_slow_endpoint),
        cmocka_unit_test(test_a_hot_key_overflows_to_the_same_next_endpoint),
        cmocka_unit_test(test_no_history_exceeds_the_bound),
        cmocka_unit_test(test_the_share_rises_evenly_from_a_tenth),
        cmocka_unit_test(test_a_new_endpoint_takes_its_share_of_the_picks),
        cmocka_unit_test(test_when_all_are_new_all_serve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
