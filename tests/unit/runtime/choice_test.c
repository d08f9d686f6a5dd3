/* The strategies by themselves, against counts known by hand. */
#include "runtime/choice.h"

#include "base/base.h"
#include "check.h"

/* ---- search: participants that only make steps ---- */

enum { WALKERS_MAX = 4, ORDER_MAX = 24 };

struct walk {
    size_t walkers;
    int steps[WALKERS_MAX];
    char order[ORDER_MAX];
    size_t len;
};

/* One schedule: who is chosen makes a step and could go on, until it has made all. */
static void walk(struct chooser *c, const struct walk *plan, struct walk *ret)
{
    struct candidate list[WALKERS_MAX];
    int left[WALKERS_MAX];
    size_t n = plan->walkers, last = SIZE_MAX;

    *ret = *plan;
    ret->len = 0;
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct candidate){.who = &left[i], .priority = chooser_priority(c)};
        left[i] = plan->steps[i];
    }
    while (n > 0) {
        ptrdiff_t current = -1;
        size_t at;

        for (size_t i = 0; i < n; i++) {
            if ((size_t)((int *)list[i].who - left) == last)
                current = (ptrdiff_t)i;
        }
        at = chooser_pick(c, list, n, current >= 0 ? CHOICE_POINT : CHOICE_FREE, current, 0);
        last = (size_t)((int *)list[at].who - left);
        ret->order[ret->len++] = (char)('a' + last);
        if (--left[last] == 0)
            list[at] = list[--n];
    }
    ret->order[ret->len] = 0;
}

/* Counts the schedules, and checks that no two of them are equal. */
static int count_all(const struct walk *plan, unsigned preemptions)
{
    static char seen[4096][ORDER_MAX];
    struct chooser c;
    int count = 0;

    chooser_init(&c, CHOICE_SEARCH);
    c.preemptions_max = preemptions;
    do {
        struct walk w;

        chooser_begin(&c, 0, 0, 0);
        walk(&c, plan, &w);
        for (int i = 0; i < count; i++)
            CHECK(strcmp(seen[i], w.order) != 0);
        CHECK(count < (int)ARRAY_LEN(seen));
        strcpy(seen[count++], w.order);
    } while (chooser_next(&c));
    CHECK(!c.truncated);
    chooser_done(&c);
    return count;
}

/* Interleavings of independent steps are multinomial coefficients. */
static void search_enumerates_all_interleavings_once(void)
{
    CHECK_EQ(count_all(&(struct walk){1, {5}}, 99), 1);
    CHECK_EQ(count_all(&(struct walk){2, {1, 1}}, 99), 2);
    CHECK_EQ(count_all(&(struct walk){2, {3, 3}}, 99), 20);
    CHECK_EQ(count_all(&(struct walk){2, {2, 5}}, 99), 21);
    CHECK_EQ(count_all(&(struct walk){3, {2, 2, 2}}, 99), 90);
    CHECK_EQ(count_all(&(struct walk){4, {2, 1, 2, 1}}, 99), 180);
    CHECK_EQ(count_all(&(struct walk){3, {3, 3, 3}}, 99), 1680);
}

/* With none, the orders of the walkers. With one, of two walkers of n steps each: those, and one of
 * them cut at one of n - 1 places, the other going through in between. */
static void search_keeps_to_its_bound(void)
{
    CHECK_EQ(count_all(&(struct walk){2, {3, 3}}, 0), 2);
    CHECK_EQ(count_all(&(struct walk){3, {3, 3, 3}}, 0), 6);
    CHECK_EQ(count_all(&(struct walk){2, {3, 3}}, 1), 2 + 2 * 2);
    CHECK_EQ(count_all(&(struct walk){2, {5, 5}}, 1), 2 + 2 * 4);
}

/* ---- spinning ---- */

/* Two who yield until the third has made its steps: each schedule ends. */
static int spin_until_done(struct chooser *c)
{
    struct candidate list[3];
    uint64_t yielded[3] = {0};
    int left = 2, picks = 0;
    ptrdiff_t current = -1;
    enum choice_kind kind = CHOICE_FREE;

    for (size_t i = 0; i < 3; i++)
        list[i] = (struct candidate){.who = &yielded[i]};
    while (left > 0) {
        size_t at;
        uint64_t before = 0;

        CHECK(++picks < 100);
        if (kind == CHOICE_YIELD) {
            before = yielded[current];
            yielded[current] = c->step + 1;
            list[current].since_step = c->step;
        }
        at = chooser_pick(c, list, 3, kind, current, before);
        if (at != 2) {
            kind = CHOICE_YIELD;
        } else {
            left--;
            kind = CHOICE_POINT;
        }
        if (current >= 0 && (ptrdiff_t)at != current)
            list[current].since_step = c->step;
        current = (ptrdiff_t)at;
    }
    return picks;
}

static void search_ends_although_some_spin(void)
{
    struct chooser c;
    int schedules = 0;

    chooser_init(&c, CHOICE_SEARCH);
    c.preemptions_max = 2;
    do {
        chooser_begin(&c, 0, 0, 0);
        spin_until_done(&c);
        CHECK(++schedules < 100000);
    } while (chooser_next(&c));
    CHECK(schedules > 10);
    chooser_done(&c);
}

/* ---- paths ---- */

static void paths_replay_what_the_search_did(void)
{
    static const struct walk plan = {3, {2, 3, 2}};
    struct chooser search, path;
    struct walk a, b;
    char text[64];
    int count = 0;

    chooser_init(&search, CHOICE_SEARCH);
    search.preemptions_max = 99;
    do {
        chooser_begin(&search, 0, 0, 0);
        walk(&search, &plan, &a);
        CHECK(chooser_path_format(&search, text, sizeof(text)));
        chooser_init(&path, CHOICE_PATH);
        CHECK_EQ(chooser_path_parse(&path, text), 0);
        chooser_begin(&path, 0, 0, 0);
        walk(&path, &plan, &b);
        CHECK(strcmp(a.order, b.order) == 0);
        chooser_done(&path);
        count++;
    } while (chooser_next(&search));
    CHECK_EQ(count, 210);
    chooser_done(&search);
}

static void large_choices_are_written_in_parentheses(void)
{
    struct candidate list[50] = {{0}};
    struct chooser c;
    char text[64];

    chooser_init(&c, CHOICE_PATH);
    CHECK_EQ(chooser_path_parse(&c, "z(41)0(3)"), 0);
    chooser_begin(&c, 0, 0, 0);
    CHECK_EQ(chooser_pick(&c, list, 50, CHOICE_FREE, -1, 0), 35);
    CHECK_EQ(chooser_pick(&c, list, 50, CHOICE_FREE, -1, 0), 41);
    CHECK_EQ(chooser_pick(&c, list, 50, CHOICE_FREE, -1, 0), 0);
    CHECK_EQ(chooser_pick(&c, list, 50, CHOICE_FREE, -1, 0), 3);
    CHECK_EQ(chooser_pick(&c, list, 50, CHOICE_FREE, -1, 0), 0); /* beyond the path */
    CHECK(chooser_path_format(&c, text, sizeof(text)));
    CHECK(strcmp(text, "z(41)03") == 0);
    chooser_done(&c);
}

/* ---- priorities ---- */

/* Bug: walker a makes its 3rd step, then b makes its 3rd, then a its 4th. Depth 2 (one change of
 * priority at one step), two walkers, 12 steps: 1 / (2 * 12) of the schedules, and not more here: a
 * must be the higher one, and the change come before its 4th step. */
static bool shows_bug(const char *order)
{
    int a = 0, b = 0;
    bool armed = false, hit = false;

    for (; *order != 0; order++) {
        if (*order == 'a' && ++a == 4)
            return hit;
        if (*order == 'b' && ++b == 3)
            hit = armed;
        armed = a == 3;
    }
    return false;
}

static void priorities_keep_their_promise(void)
{
    static const struct walk plan = {2, {6, 6}};
    enum { RUNS = 20000 };
    int found[4] = {0};

    for (unsigned depth = 1; depth <= 3; depth++) {
        for (uint64_t seed = 0; seed < RUNS; seed++) {
            struct chooser c;
            struct walk w;

            chooser_init(&c, CHOICE_PCT);
            chooser_begin(&c, seed, depth, 12);
            walk(&c, &plan, &w);
            found[depth] += shows_bug(w.order);
        }
    }
    CHECK_EQ(found[1], 0); /* no change of priority: nobody is interrupted */
    CHECK(found[2] > RUNS / 24 * 9 / 10 && found[2] < RUNS / 24 * 11 / 10);
    CHECK(found[3] >= RUNS / (2 * 12 * 12));
}

static void equal_seeds_choose_equally(void)
{
    static const struct walk plan = {4, {5, 5, 5, 5}};
    static const enum choice_strategy strategies[] = {CHOICE_CHANCE, CHOICE_PCT};
    int equal = 0;

    for (size_t s = 0; s < ARRAY_LEN(strategies); s++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct walk w[3];

            for (uint64_t i = 0; i < 3; i++) {
                struct chooser c;

                chooser_init(&c, strategies[s]);
                chooser_begin(&c, seed + (i == 2), 3, 20);
                walk(&c, &plan, &w[i]);
            }
            CHECK(strcmp(w[0].order, w[1].order) == 0);
            equal += strcmp(w[0].order, w[2].order) == 0;
        }
    }
    CHECK(equal < 20);
}

static const struct test tests[] = {
    TEST(search_enumerates_all_interleavings_once),
    TEST(search_keeps_to_its_bound),
    TEST(search_ends_although_some_spin),
    TEST(paths_replay_what_the_search_did),
    TEST(large_choices_are_written_in_parentheses),
    TEST(priorities_keep_their_promise),
    TEST(equal_seeds_choose_equally),
};
RUN_TESTS(tests)
