/* Balancers: exact turns, shares under load, stability of the hash, what is avoided. */
#include "unit/policy/setup.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "policy/balancer.h"

#define MANY 1024

static struct balancer *make(enum balancer_kind kind, const struct balancer_endpoint *e,
                             uint32_t count)
{
    size_t size = balancer_bytes(kind, e, count);
    void *mem = malloc(size);
    struct balancer *b = NULL;

    assert_non_null(mem);
    assert_int_equal(balancer_init(kind, e, count, 0, mem, size - 1, &b), -EINVAL);
    assert_int_equal(balancer_init(kind, e, count, 0, mem, size, &b), 0);
    assert_ptr_equal(b, mem);
    return b;
}

static bool avoid_marked(void *arg, uint32_t index)
{
    return ((const bool *)arg)[index];
}

/* -- round robin -- */

static void expect_turns(const uint32_t *weights, uint32_t count, const bool *avoid,
                         const char *want)
{
    struct balancer_endpoint e[8] = {0};
    struct balancer_query q = {.avoid = avoid != NULL ? avoid_marked : NULL,
                               .avoid_arg = (void *)(uintptr_t)avoid};
    struct balancer *b;
    char got[64] = "";

    for (uint32_t i = 0; i < count; i++)
        e[i].weight = weights[i];
    b = make(BALANCER_ROUND_ROBIN, e, count);
    for (size_t i = 0; i < strlen(want); i++)
        got[i] = (char)('a' + balancer_pick(b, &q));
    assert_string_equal(got, want);
    free(b);
}

static void test_turns_are_those_of_smooth_weighted_round_robin(void **state)
{
    expect_turns((uint32_t[]){5, 1, 1}, 3, NULL, "aabacaaaabacaa");
    expect_turns((uint32_t[]){1, 1, 1}, 3, NULL, "abcabcabc");
    expect_turns((uint32_t[]){4, 2, 1}, 3, NULL, "abacabaabacaba");
    expect_turns((uint32_t[]){1, 3}, 2, NULL, "babbbabb");
    expect_turns((uint32_t[]){10, 20}, 2, NULL, "babbab"); /* common divisor */
    expect_turns((uint32_t[]){0, 2, 1}, 3, NULL, "bcbbcb");
    expect_turns((uint32_t[]){7}, 1, NULL, "aaa");
}

/* The algorithm as it is usually written down, for any weights. */
static void test_turns_agree_with_the_plain_algorithm(void **state)
{
    struct rng r;

    rng_seed(&r, 42);
    for (int round = 0; round < 200; round++) {
        struct balancer_endpoint e[40] = {0};
        int64_t current[40] = {0}, total = 0;
        uint32_t count = 1 + (uint32_t)rng_below(&r, 40), weights = 1 + (uint32_t)rng_below(&r, 50);
        struct balancer_query q = {0};
        struct balancer *b;

        for (uint32_t i = 0; i < count; i++) {
            e[i].weight = 1 + (uint32_t)rng_below(&r, weights);
            total += e[i].weight;
        }
        b = make(BALANCER_ROUND_ROBIN, e, count);
        for (int64_t turn = 0; turn < 2 * total; turn++) {
            uint32_t best = 0;

            for (uint32_t i = 0; i < count; i++) {
                current[i] += e[i].weight;
                if (current[i] > current[best])
                    best = i;
            }
            current[best] -= total;
            assert_int_equal(balancer_pick(b, &q), best);
        }
        free(b);
    }
}

static void test_an_avoided_endpoints_turns_pass_to_the_others(void **state)
{
    bool no_a[] = {true, false, false}, no_b[] = {false, true, false};

    expect_turns((uint32_t[]){1, 1, 1}, 3, no_a, "bcbcbc");
    expect_turns((uint32_t[]){5, 1, 1}, 3, no_a, "bcbcbc");
    expect_turns((uint32_t[]){4, 2, 1}, 3, no_b, "aacaaaacaa"); /* a:c stays 4:1 */
}

static void test_turns_start_where_told(void **state)
{
    struct balancer_endpoint e[3] = {{.weight = 1}, {.weight = 1}, {.weight = 1}};
    size_t size = balancer_bytes(BALANCER_ROUND_ROBIN, e, 3);
    struct balancer_query q = {0};
    void *mem = malloc(size);
    struct balancer *b;

    assert_int_equal(balancer_init(BALANCER_ROUND_ROBIN, e, 3, 7, mem, size, &b), 0);
    assert_int_equal(balancer_pick(b, &q), 1);
    assert_int_equal(balancer_pick(b, &q), 2);
    free(mem);
}

static void test_long_periods_keep_shares(void **state)
{
    static struct balancer_endpoint e[2000];
    static uint32_t got[2000];
    struct balancer_query q = {0};
    uint64_t total = 0;
    struct balancer *b;
    struct rng r;

    rng_seed(&r, 1);
    for (uint32_t i = 0; i < 2000; i++) {
        e[i].weight = 100 + (uint32_t)rng_below(&r, 900);
        total += e[i].weight;
    }
    b = make(BALANCER_ROUND_ROBIN, e, 2000);
    for (int i = 0; i < 65536 * 4; i++)
        got[balancer_pick(b, &q)]++;
    for (uint32_t i = 0; i < 2000; i++) {
        double want = 65536.0 * 4 * e[i].weight / (double)total;

        assert_true(fabs(got[i] - want) <= 4 * 0.5 + 0.01 * want);
    }
    free(b);
}

#define THREADS 4
#define PICKS   70000

struct picker {
    struct balancer *balancer;
    uint32_t got[3];
};

static void *pick_many(void *arg)
{
    struct picker *p = arg;
    struct balancer_query q = {0};

    for (int i = 0; i < PICKS; i++)
        p->got[balancer_pick(p->balancer, &q)]++;
    return NULL;
}

static void test_turns_are_exact_over_threads(void **state)
{
    struct balancer_endpoint e[3] = {{.weight = 5}, {.weight = 1}, {.weight = 1}};
    struct balancer *b = make(BALANCER_ROUND_ROBIN, e, 3);
    struct picker p[THREADS] = {0};
    pthread_t threads[THREADS];
    uint32_t sum[3] = {0};

    for (int i = 0; i < THREADS; i++) {
        p[i].balancer = b;
        assert_int_equal(pthread_create(&threads[i], NULL, pick_many, &p[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (int k = 0; k < 3; k++)
            sum[k] += p[i].got[k];
    }
    assert_int_equal(sum[0], THREADS * PICKS / 7 * 5);
    assert_int_equal(sum[1], THREADS * PICKS / 7);
    assert_int_equal(sum[2], THREADS * PICKS / 7);
    free(b);
}

/* -- least request -- */

static void test_two_choices_prefer_fewer_requests_per_weight(void **state)
{
    atomic_uint busy = 10, idle = 4;
    struct balancer_endpoint e[2] = {{.weight = 1, .in_flight = &busy},
                                     {.weight = 1, .in_flight = &idle}};
    struct balancer *b = make(BALANCER_LEAST_REQUEST, e, 2);
    struct balancer *heavy;
    struct rng r;

    rng_seed(&r, 3);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(balancer_pick(b, &(struct balancer_query){.random = rng_next(&r)}), 1);
    free(b);
    e[0].weight = 4; /* 10/4 < 4/1 */
    heavy = make(BALANCER_LEAST_REQUEST, e, 2);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(balancer_pick(heavy, &(struct balancer_query){.random = rng_next(&r)}), 0);
    free(heavy);
}

static void test_idle_endpoints_share_by_weight(void **state)
{
    atomic_uint none[3] = {0};
    struct balancer_endpoint e[3] = {{.weight = 1, .in_flight = &none[0]},
                                     {.weight = 2, .in_flight = &none[1]},
                                     {.weight = 5, .in_flight = &none[2]}};
    struct balancer *b = make(BALANCER_LEAST_REQUEST, e, 3);
    uint32_t got[3] = {0};
    struct rng r;

    rng_seed(&r, 4);
    for (int i = 0; i < 80000; i++)
        got[balancer_pick(b, &(struct balancer_query){.random = rng_next(&r)})]++;
    for (int i = 0; i < 3; i++)
        assert_true(fabs(got[i] - 10000.0 * e[i].weight) < 600);
    free(b);
}

/* Many requests placed and none ended: power of two choices keeps the fullest close to the mean
 * (ln ln n), where plain chance does not. */
static void test_two_choices_level_the_load(void **state)
{
    static atomic_uint load[MANY];
    static struct balancer_endpoint e[MANY];
    struct balancer *b;
    struct rng r;
    unsigned most = 0;

    for (int i = 0; i < MANY; i++)
        e[i] = (struct balancer_endpoint){.weight = 1, .in_flight = &load[i]};
    b = make(BALANCER_LEAST_REQUEST, e, MANY);
    rng_seed(&r, 5);
    for (int i = 0; i < 100 * MANY; i++) {
        int pick = balancer_pick(b, &(struct balancer_query){.random = rng_next(&r)});

        atomic_fetch_add(&load[pick], 1);
    }
    for (int i = 0; i < MANY; i++)
        most = MAX(most, atomic_load(&load[i]));
    assert_in_range(most, 101, 105); /* plain chance: about 133 */
    free(b);
}

/* -- consistent hash -- */

static void name_endpoints(struct balancer_endpoint *e, uint32_t count)
{
    char name[32];

    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "10.0.%u.%u:8080", i / 256, i % 256);
        e[i] = (struct balancer_endpoint){.weight = 1, .key = balancer_hash(str_of(name))};
    }
}

#define KEYS 100000

static uint64_t key_of(int i)
{
    return mix64((uint64_t)i + 1);
}

static void test_hash_shares_are_even_and_weighted(void **state)
{
    struct balancer_endpoint e[10];
    uint32_t got[10] = {0};
    struct balancer *b;

    name_endpoints(e, 10);
    e[3].weight = 3;
    b = make(BALANCER_CONSISTENT_HASH, e, 10);
    for (int i = 0; i < KEYS; i++)
        got[balancer_pick(b, &(struct balancer_query){.hash = key_of(i)})]++;
    for (int i = 0; i < 10; i++)
        assert_true(fabs(got[i] / (KEYS / 12.0 * e[i].weight) - 1) < 0.05);
    free(b);
}

static void test_removing_an_endpoint_moves_little_else(void **state)
{
    static struct balancer_endpoint e[MANY];

    for (uint32_t count = 3; count <= 100; count *= 3) {
        struct balancer *all, *fewer;
        int lost = 0, moved = 0;

        name_endpoints(e, count);
        all = make(BALANCER_CONSISTENT_HASH, e, count);
        fewer = make(BALANCER_CONSISTENT_HASH, e, count - 1);
        for (int i = 0; i < KEYS; i++) {
            struct balancer_query q = {.hash = key_of(i)};
            int before = balancer_pick(all, &q), after = balancer_pick(fewer, &q);

            lost += before == (int)count - 1;
            moved += before != (int)count - 1 && before != after;
        }
        assert_true(fabs(lost - (double)KEYS / count) < 0.1 * KEYS / count);
        assert_true(moved < 0.05 * KEYS);
        free(all);
        free(fewer);
    }
}

static void test_avoiding_an_endpoint_moves_its_requests_only(void **state)
{
    struct balancer_endpoint e[10];
    bool avoid[10] = {[4] = true};
    uint32_t got[10] = {0};
    struct balancer *b;

    name_endpoints(e, 10);
    b = make(BALANCER_CONSISTENT_HASH, e, 10);
    for (int i = 0; i < KEYS; i++) {
        struct balancer_query q = {.hash = key_of(i)};
        int before = balancer_pick(b, &q), after;

        q.avoid = avoid_marked;
        q.avoid_arg = avoid;
        after = balancer_pick(b, &q);
        assert_true(before == 4 ? after != 4 : after == before);
        if (before == 4)
            got[after]++;
    }
    for (int i = 0; i < 10; i++) /* spread, not all to one neighbour */
        assert_true(i == 4 || got[i] > KEYS / 10 / 9 * 3 / 4);
    free(b);
}

static void test_the_hash_does_not_depend_on_the_lists_order(void **state)
{
    struct balancer_endpoint e[7], turned[7];
    struct balancer *a, *b;

    name_endpoints(e, 7);
    for (int i = 0; i < 7; i++)
        turned[i] = e[6 - i];
    a = make(BALANCER_CONSISTENT_HASH, e, 7);
    b = make(BALANCER_CONSISTENT_HASH, turned, 7);
    for (int i = 0; i < 20000; i++) {
        struct balancer_query q = {.hash = key_of(i)};

        assert_int_equal(balancer_pick(a, &q), 6 - balancer_pick(b, &q));
    }
    free(a);
    free(b);
}

/* -- avoiding, for all of them -- */

static void test_an_avoided_endpoint_is_never_picked(void **state)
{
    static struct balancer_endpoint e[MANY];
    static bool avoid[MANY];
    struct rng r;

    name_endpoints(e, MANY);
    rng_seed(&r, 6);
    for (int kind = 0; kind < BALANCER_KIND_MAX; kind++) {
        for (uint32_t count = 1; count <= MANY; count *= 4) {
            struct balancer *b = make((enum balancer_kind)kind, e, count);

            for (uint32_t left = 0; left <= MIN(count, 5u); left++) { /* usable ones */
                memset(avoid, true, sizeof(avoid));
                for (uint32_t i = 0; i < left; i++)
                    avoid[(i * 37 + 5) % count] = false;
                for (int i = 0; i < 200; i++) {
                    struct balancer_query q = {.random = rng_next(&r),
                                               .hash = rng_next(&r),
                                               .avoid = avoid_marked,
                                               .avoid_arg = avoid};
                    int pick = balancer_pick(b, &q);

                    if (left == 0)
                        assert_int_equal(pick, -ENOENT);
                    else
                        assert_true(pick >= 0 && pick < (int)count && !avoid[pick]);
                }
            }
            free(b);
        }
    }
}

/* When almost all of the table is avoided, the survivors still share by weight. */
static void test_survivors_share_by_weight(void **state)
{
    static struct balancer_endpoint e[MANY];
    static bool avoid[MANY];
    struct rng r;

    name_endpoints(e, MANY);
    memset(avoid, true, sizeof(avoid));
    avoid[100] = avoid[900] = false;
    e[100].weight = 3;
    rng_seed(&r, 8);
    for (int kind = 0; kind < BALANCER_KIND_MAX; kind++) {
        struct balancer *b = make((enum balancer_kind)kind, e, MANY);
        int heavy = 0;

        for (int i = 0; i < 4000; i++) {
            struct balancer_query q = {.random = rng_next(&r),
                                       .hash = rng_next(&r),
                                       .avoid = avoid_marked,
                                       .avoid_arg = avoid};
            int pick = balancer_pick(b, &q);

            heavy += pick == 100;
            if (kind == BALANCER_CONSISTENT_HASH)
                assert_int_equal(balancer_pick(b, &q), pick);
        }
        assert_in_range(heavy, 2850, 3150);
        free(b);
    }
}

static void test_the_fallback_counts_requests_in_flight(void **state)
{
    static atomic_uint load[MANY];
    static struct balancer_endpoint e[MANY];
    static bool avoid[MANY];
    struct balancer *b;
    int to_busy = 0;
    struct rng r;

    for (int i = 0; i < MANY; i++)
        e[i] = (struct balancer_endpoint){.weight = 1, .in_flight = &load[i]};
    memset(avoid, true, sizeof(avoid));
    avoid[7] = avoid[8] = false;
    load[7] = 9;
    b = make(BALANCER_LEAST_REQUEST, e, MANY);
    rng_seed(&r, 9);
    for (int i = 0; i < 1000; i++) {
        struct balancer_query q = {
            .random = rng_next(&r), .avoid = avoid_marked, .avoid_arg = avoid};

        to_busy += balancer_pick(b, &q) == 7;
    }
    assert_in_range(to_busy, 0, 30); /* a draw may meet the busy one alone */
    free(b);
}

static void test_nothing_to_pick_from_is_an_error(void **state)
{
    struct balancer_endpoint e[2] = {{.weight = 0}, {.weight = 0}};

    for (int kind = 0; kind < BALANCER_KIND_MAX; kind++) {
        for (uint32_t count = 0; count <= 2; count += 2) {
            struct balancer *b = make((enum balancer_kind)kind, e, count);

            assert_int_equal(balancer_pick(b, &(struct balancer_query){0}), -ENOENT);
            free(b);
        }
    }
    assert_int_equal(balancer_bytes(BALANCER_KIND_MAX, e, 2), 0);
    assert_int_equal(balancer_bytes(BALANCER_ROUND_ROBIN, e, BALANCER_ENDPOINTS_MAX + 1), 0);
}

static void test_weights_are_bounded(void **state)
{
    struct balancer_endpoint e[1] = {{.weight = BALANCER_WEIGHT_MAX + 1}};
    char mem[4096] __attribute__((aligned(16)));
    struct balancer *b = NULL;

    assert_int_equal(balancer_init(BALANCER_LEAST_REQUEST, e, 1, 0, mem, sizeof(mem), &b), -EINVAL);
    assert_null(b);
}

static void test_panic_is_a_share_of_all_endpoints(void **state)
{
    assert_false(balancer_panics(0, 10, 0)); /* off */
    assert_false(balancer_panics(5, 10, 50));
    assert_true(balancer_panics(4, 10, 50));
    assert_true(balancer_panics(0, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns_are_those_of_smooth_weighted_round_robin),
        cmocka_unit_test(test_turns_agree_with_the_plain_algorithm),
        cmocka_unit_test(test_an_avoided_endpoints_turns_pass_to_the_others),
        cmocka_unit_test(test_turns_start_where_told),
        cmocka_unit_test(test_long_periods_keep_shares),
        cmocka_unit_test(test_turns_are_exact_over_threads),
        cmocka_unit_test(test_two_choices_prefer_fewer_requests_per_weight),
        cmocka_unit_test(test_idle_endpoints_share_by_weight),
        cmocka_unit_test(test_two_choices_level_the_load),
        cmocka_unit_test(test_hash_shares_are_even_and_weighted),
        cmocka_unit_test(test_removing_an_endpoint_moves_little_else),
        cmocka_unit_test(test_avoiding_an_endpoint_moves_its_requests_only),
        cmocka_unit_test(test_the_hash_does_not_depend_on_the_lists_order),
        cmocka_unit_test(test_an_avoided_endpoint_is_never_picked),
        cmocka_unit_test(test_survivors_share_by_weight),
        cmocka_unit_test(test_the_fallback_counts_requests_in_flight),
        cmocka_unit_test(test_nothing_to_pick_from_is_an_error),
        cmocka_unit_test(test_weights_are_bounded),
        cmocka_unit_test(test_panic_is_a_share_of_all_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
