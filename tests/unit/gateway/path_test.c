/* Canonical paths: what is let through, in which form, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "gateway/path.h"

static const struct {
    const char *raw, *canonical; /* NULL: refused */
} cases[] = {
    {"/", "/"},
    {"", "/"},
    {"/a/b.c", "/a/b.c"},
    {"/a/", "/a/"},
    {"x", "/x"},
    /* dot segments, however they are written */
    {"/a/../b", "/b"},
    {"/a/%2e%2e/b", "/b"},
    {"/a/.%2E/b", "/b"},
    {"/./a/./b/.", "/a/b/"},
    {"/a/b/..", "/a/"},
    {"/a/..", "/"},
    {"/a/../../admin", NULL},
    {"/..", NULL},
    {"/%2e%2e/x", NULL},
    {"/.a/..b/c.", "/.a/..b/c."},
    /* dots that others might take for dot segments */
    {"/a/..;/admin", NULL},
    {"/a/..;x=1/admin", NULL},
    {"/a/.;/b", NULL},
    {"/a/%2e%2e;/b", NULL},
    {"/a/..%2fadmin", NULL},
    {"/a/..%5Cadmin", NULL},
    {"/a/x%2f..%2fadmin", NULL},
    {"/a/x%2F...%2fy", "/a/x%2F...%2Fy"},
    {"/a;b=..", "/a;b=.."},
    /* several slashes */
    {"//admin", "/admin"},
    {"/a///b//", "/a/b/"},
    {"/a//../b", "/b"},
    /* encoding: decoded once, unreserved characters only */
    {"/%61dmin", "/admin"},
    {"/a%2fb", "/a%2Fb"},
    {"/a%5cb", "/a%5Cb"},
    {"/a%2541", "/a%2541"},
    {"/%252e%252e/x", "/%252e%252e/x"},
    {"/a%20b", "/a%20b"},
    {"/a%0d%0aX", "/a%0D%0AX"},
    {"/a%zz", NULL},
    {"/a%2", NULL},
    {"/a%", NULL},
    {"/a%00b", NULL},
    {"/a\\b", NULL},
    {"/a\\..\\b", NULL},
    {"/a\tb", NULL},
    {"/a\x7f", NULL},
    {"/a b", NULL},
    {"/{x}|^", "/%7Bx%7D%7C%5E"},
    {"/caf\xc3\xa9", "/caf%C3%A9"},
    {"/a?b#c", "/a%3Fb%23c"}, /* what a filter made; targets are split before */
};

static void each_path_has_one_form_or_none(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str raw = str_of(cases[i].raw), got;
        struct arena a;
        int rc;

        arena_init(&a, NULL, 0, SIZE_MAX);
        rc = path_canonical(raw, &a, &got);
        if (cases[i].canonical == NULL) {
            if (rc != -EINVAL)
                fail_msg("%s was let through", cases[i].raw);
        } else if (rc != 0 || !str_eq(got, str_of(cases[i].canonical))) {
            fail_msg("%s: %d, " STR_FMT, cases[i].raw, rc, STR_ARG(rc == 0 ? got : STR("")));
        }
        arena_done(&a);
    }
}

/* Whatever comes: the form of the form is itself, it climbs nowhere, and it names no segment that
 * is empty or made of dots. */
static void the_form_is_stable_and_climbs_nowhere(void **state)
{
    static const char *const parts[] = {"/",   "/",   ".",   "..", "%2e", "%2f", "%5c", ";", "a",
                                        "%61", "%25", "%00", "\\", "%",   "~",   " ",   "b", "//"};
    struct rng rng;
    int kept = 0;

    rng_seed(&rng, 7);
    for (int round = 0; round < 100000; round++) {
        char text[64] = "/";
        struct str got, again, rest, segment;
        struct arena a;

        for (uint64_t n = rng_below(&rng, 9); n > 0; n--)
            strcat(text, parts[rng_below(&rng, ARRAY_LEN(parts))]);
        arena_init(&a, NULL, 0, SIZE_MAX);
        if (path_canonical(str_of(text), &a, &got) == 0) {
            kept++;
            assert_int_equal(path_canonical(got, &a, &again), 0);
            assert_true(str_eq(got, again));
            assert_int_equal(got.ptr[0], '/');
            rest = got;
            while (path_segment(&rest, &segment)) {
                assert_true(segment.len != 0);
                assert_false(str_eq(segment, STR(".")) || str_eq(segment, STR("..")));
                assert_true(memchr(segment.ptr, '\\', segment.len) == NULL);
            }
        }
        arena_done(&a);
    }
    assert_true(kept > 1000);
}

static void a_path_that_is_canonical_costs_no_memory(void **state)
{
    struct arena a;
    struct str got, raw = STR("/a/b~c/d.e/%2F/");

    arena_init(&a, NULL, 0, 0);
    assert_int_equal(path_canonical(STR("/a/b~c/d.e/"), &a, &got), 0);
    assert_int_equal(path_canonical(raw, &a, &got), -ENOMEM);
    arena_done(&a);
}

/* Wherever it stands: paths are looked at in blocks, whose seams must hide nothing. */
static void what_is_not_canonical_is_seen_in_every_place(void **state)
{
    static const struct {
        const char *inserted, *becomes;
    } inserts[] = {{"//", "/"}, {"/./", "/"}, {"%41", "A"}, {"\"", "%22"}, {"~", "~"}, {"/", "/"}};
    const char base[] = "/aB3-_.x.defghijk/lmnopqrstu.vwxyz/0123456789/zzzzzzzzzzzzzzzzzz";
    char mem[1024], in[128], want[128];

    for (size_t len = 2; len < sizeof(base); len++) {
        for (size_t at = 1; at < len; at++) {
            if (base[at - 1] == '/' || base[at] == '/' || base[at] == '.')
                continue;
            for (size_t i = 0; i < ARRAY_LEN(inserts); i++) {
                struct arena a;
                struct str got;

                snprintf(in, sizeof(in), "%.*s%s%.*s", (int)at, base, inserts[i].inserted,
                         (int)(len - at), base + at);
                snprintf(want, sizeof(want), "%.*s%s%.*s", (int)at, base, inserts[i].becomes,
                         (int)(len - at), base + at);
                arena_init(&a, mem, sizeof(mem), sizeof(mem));
                assert_int_equal(path_canonical(str_of(in), &a, &got), 0);
                assert_true(str_eq(got, str_of(want)));
                arena_done(&a);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_has_one_form_or_none),
        cmocka_unit_test(the_form_is_stable_and_climbs_nowhere),
        cmocka_unit_test(a_path_that_is_canonical_costs_no_memory),
        cmocka_unit_test(what_is_not_canonical_is_seen_in_every_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
