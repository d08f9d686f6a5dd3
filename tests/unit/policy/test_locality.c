/* Shares of priorities and zones: tables, and what holds for any health. */
#include "unit/policy/setup.h"

#include "base/hash.h"
#include "policy/locality.h"

/* Three levels; of each the others and the own zone. */
struct row {
    uint64_t total[6], healthy[6];
    uint32_t panic_percent;
    uint16_t share[6];
    uint8_t panic;
};

static void expect_row(const struct row *r, size_t number)
{
    struct locality_counts c = {{0}, {0}};
    struct locality_plan p;

    memcpy(c.total, r->total, sizeof(r->total));
    memcpy(c.healthy, r->healthy, sizeof(r->healthy));
    locality_plan(&c, r->panic_percent, &p);
    for (unsigned g = 0; g < 6; g++) {
        if (p.share[g] != r->share[g])
            fail_msg("row %zu, group %u: share %u, expected %u", number, g, p.share[g],
                     r->share[g]);
    }
    assert_int_equal(p.panic, r->panic);
}

static void test_levels_take_over_as_health_falls_below_the_reserve(void **state)
{
    static const struct row rows[] = {
        /* the first level keeps all until 1/1.4 = 71.4 % are healthy */
        {{100, 0, 100}, {100, 0, 100}, 0, {10000, 0, 0}, 0},
        {{100, 0, 100}, {72, 0, 100}, 0, {10000, 0, 0}, 0},
        {{100, 0, 100}, {71, 0, 100}, 0, {9940, 0, 60}, 0},
        {{100, 0, 100}, {50, 0, 100}, 0, {7000, 0, 3000}, 0},
        {{100, 0, 100}, {25, 0, 100}, 0, {3500, 0, 6500}, 0},
        {{100, 0, 100}, {0, 0, 100}, 0, {0, 0, 10000}, 0},
        /* both too small: by what they have (35 and 35 of 70) */
        {{100, 0, 100}, {25, 0, 25}, 0, {5000, 0, 5000}, 0},
        {{100, 0, 100, 0, 100}, {25, 0, 25, 0, 100}, 0, {3500, 0, 3500, 0, 3000}, 0},
        /* an empty level is no level */
        {{0, 0, 100}, {0, 0, 100}, 0, {0, 0, 10000}, 0},
        {{100, 0, 100}, {0, 0, 0}, 0, {0}, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i], i);
}

static void test_panic_waits_until_no_level_can_take_the_load(void **state)
{
    static const struct row rows[] = {
        {{100, 0, 100}, {10, 0, 100}, 50, {1400, 0, 8600}, 0},
        {{100, 0, 100}, {25, 0, 25}, 50, {5000, 0, 5000}, 3},
        {{100, 0, 100}, {25, 0, 25}, 25, {5000, 0, 5000}, 0}, /* not less than a quarter */
        {{100, 0, 100}, {0, 0, 0}, 50, {10000, 0, 0}, 3},
        {{0, 0, 100}, {0, 0, 0}, 1, {0, 0, 10000}, 2},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i], i);
}

static void test_the_own_zone_comes_first_while_it_suffices(void **state)
{
    static const struct row rows[] = {
        {{100, 100}, {100, 100}, 0, {0, 10000}, 0},
        {{100, 100}, {100, 72}, 0, {0, 10000}, 0},
        {{100, 100}, {100, 50}, 0, {3000, 7000}, 0},
        {{100, 100}, {100, 0}, 0, {10000, 0}, 0},
        {{100, 100}, {0, 100}, 0, {0, 10000}, 0},
        {{100, 100}, {0, 60}, 0, {0, 10000}, 0}, /* nobody else is there: 42 % health or not */
        /* a level that keeps 70 % splits them: half of its zone is healthy */
        {{100, 100, 100}, {50, 50, 100}, 0, {2100, 4900, 3000}, 0},
        /* in panic the zone counts as whole */
        {{100, 100}, {0, 10}, 50, {0, 10000}, 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_row(&rows[i], i);
}

static void test_chance_becomes_shares(void **state)
{
    struct locality_plan p = {.share = {0, 7000, 0, 0, 3000}};

    assert_int_equal(locality_choose(&p, 0), 1);
    assert_int_equal(locality_choose(&p, 6999), 1);
    assert_int_equal(locality_choose(&p, 7000), 4);
    assert_int_equal(locality_choose(&p, 9999), 4);
    p = (struct locality_plan){{0}, 0};
    assert_int_equal(locality_choose(&p, 0), -1);
}

/* Any health: shares are whole, go to healthy groups only (but for panic), and an earlier level
 * never has less because it is healthier. */
static void test_any_health_gives_a_whole_plan(void **state)
{
    struct rng r;

    rng_seed(&r, 17);
    for (int round = 0; round < 100000; round++) {
        struct locality_counts c;
        struct locality_plan p, better;
        uint32_t panic = rng_below(&r, 2) != 0 ? 50 : 0, sum = 0;
        uint64_t healthy = 0, total = 0;

        for (unsigned g = 0; g < LOCALITY_GROUPS; g++) {
            c.total[g] = rng_below(&r, 3) == 0 ? 0 : rng_below(&r, 1000);
            c.healthy[g] = rng_below(&r, 3) == 0 ? 0 : rng_below(&r, c.total[g] + 1);
            healthy += c.healthy[g];
            total += c.total[g];
        }
        locality_plan(&c, panic, &p);
        for (unsigned g = 0; g < LOCALITY_GROUPS; g++) {
            sum += p.share[g];
            if (p.share[g] != 0 && (p.panic >> (g / 2) & 1) == 0)
                assert_true(c.healthy[g] != 0);
        }
        assert_int_equal(sum, healthy != 0 || (panic != 0 && total != 0) ? LOCALITY_WHOLE : 0);
        c.healthy[0] = c.total[0];
        c.healthy[1] = c.total[1];
        locality_plan(&c, panic, &better);
        assert_true(better.share[0] + better.share[1] >= p.share[0] + p.share[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_take_over_as_health_falls_below_the_reserve),
        cmocka_unit_test(test_panic_waits_until_no_level_can_take_the_load),
        cmocka_unit_test(test_the_own_zone_comes_first_while_it_suffices),
        cmocka_unit_test(test_chance_becomes_shares),
        cmocka_unit_test(test_any_health_gives_a_whole_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
