/* Path and host patterns, templates and replacements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/expression.h"
#include "gateway/pattern.h"
#include "gateway/replacement.h"
#include "gateway/template.h"

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena, NULL, 0, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    arena_done(&arena);
    return 0;
}

/* "name=value name=value" of what was captured. */
static const char *vars_text(const struct vars *v)
{
    char *mem = arena_alloc(&arena, 512);
    struct buf out = buf_on(mem, 511);

    for (uint32_t i = 0; i < v->count; i++)
        buf_printf(&out, "%s" STR_FMT "=" STR_FMT, i != 0 ? " " : "", STR_ARG(v->items[i].name),
                   STR_ARG(v->items[i].value));
    mem[out.len] = 0;
    return mem;
}

static const struct {
    const char *pattern, *path, *vars; /* vars NULL: no match */
} paths[] = {
    {"/", "/", ""},
    {"/", "/a", NULL},
    {"/a", "/a", ""},
    {"/a", "/a/", ""}, /* the trailing slash is optional, as in Spring */
    {"/a", "/a/b", NULL},
    {"/a/", "/a/", ""},
    {"/a/", "/a", NULL},
    {"/a", "/A", NULL},
    {"/a/{x}", "/a/b", "x=b"},
    {"/a/{x}", "/a/b/", "x=b"},
    {"/a/{x}", "/a/", NULL},
    {"/a/{x}/c/{y}", "/a/b/c/d", "x=b y=d"},
    {"/a/*", "/a/b", ""},
    {"/a/*", "/a/", ""},
    {"/a/*", "/a", NULL},
    {"/a/*", "/a/b/c", NULL},
    {"/a/*/c", "/a/b/c", ""},
    {"/a/*/c", "/a/c", NULL},
    {"/a/**", "/a", ""},
    {"/a/**", "/a/", ""},
    {"/a/**", "/a/b/c", ""},
    {"/a/**", "/ab", NULL},
    {"/**", "/", ""},
    {"/**", "/x/y", ""},
    {"/a/{*rest}", "/a", "rest="},
    {"/a/{*rest}", "/a/b/c", "rest=/b/c"},
    {"/a/{*rest}", "/ab", NULL},
    {"/a/{n:\\d+}", "/a/42", "n=42"},
    {"/a/{n:\\d+}", "/a/4x", NULL},
    {"/a/{n:[a-z]{2,3}}", "/a/abc", "n=abc"},
    {"/a/{n:[a-z]{2,3}}", "/a/abcd", NULL},
    {"/f/{name}.{ext}", "/f/a.b.gz", "name=a.b ext=gz"},
    {"/f/*.html", "/f/x.html", ""},
    {"/f/*.html", "/f/xhtml", NULL},
    {"/f/a?c", "/f/abc", ""},
    {"/f/a?c", "/f/ac", NULL},
    {"/f/a|b", "/f/a%7Cb", ""}, /* one form for both */
    {"/f/a+b", "/f/a+b", ""},
    {"/a//b", "/a/b", ""},
    {"/x/{v}", "/x/a%2Fb", "v=a%2Fb"}, /* an encoded slash is no separator */
};

static void path_patterns_match_as_spring_does(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct vars v = {0};
        struct pattern p;
        const char *why = NULL;
        bool matches;

        if (pattern_compile_path(str_of(paths[i].pattern), true, &arena, &p, &why) < 0)
            fail_msg("%s: %s", paths[i].pattern, why);
        matches = pattern_match_path(&p, str_of(paths[i].path), &arena, &v);
        if (matches != (paths[i].vars != NULL))
            fail_msg("%s on %s: %d", paths[i].pattern, paths[i].path, matches);
        if (matches)
            assert_string_equal(vars_text(&v), paths[i].vars);
        pattern_done(&p);
    }
}

static void a_trailing_slash_can_be_made_to_matter(void **state)
{
    struct vars v = {0};
    struct pattern p;
    const char *why;

    assert_int_equal(pattern_compile_path(STR("/a"), false, &arena, &p, &why), 0);
    assert_true(pattern_match_path(&p, STR("/a"), &arena, &v));
    assert_false(pattern_match_path(&p, STR("/a/"), &arena, &v));
    pattern_done(&p);
}

static const struct {
    const char *pattern, *host;
    uint16_t port;
    const char *vars;
} hosts[] = {
    {"a.org", "a.org", 80, ""},
    {"A.Org", "a.org", 80, ""},
    {"a.org", "b.a.org", 80, NULL},
    {"*.a.org", "b.a.org", 80, ""},
    {"*.a.org", "a.org", 80, NULL},
    {"*.a.org", "c.b.a.org", 80, NULL},
    {"**.a.org", "a.org", 80, ""},
    {"**.a.org", "c.b.a.org", 80, ""},
    {"**.a.org", "ca.org", 80, NULL},
    {"{sub}.a.org", "shop.a.org", 80, "sub=shop"},
    {"{sub}-{zone}.a.org", "shop-eu.a.org", 80, "sub=shop zone=eu"},
    {"a.**.org", "a.x.y.org", 80, ""},
    {"a.**.org", "a.org", 80, ""},
    {"a.org:8080", "a.org", 8080, ""},
    {"a.org:8080", "a.org", 80, NULL},
    {"[::1]", "[::1]", 80, ""},
    {"**", "", 80, ""},
    {"*", "", 80, NULL},
};

static void host_patterns_match_by_labels(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct vars v = {0};
        struct pattern p;
        const char *why = NULL;
        bool matches;

        if (pattern_compile_host(str_of(hosts[i].pattern), &arena, &p, &why) < 0)
            fail_msg("%s: %s", hosts[i].pattern, why);
        matches = pattern_match_host(&p, str_of(hosts[i].host), hosts[i].port, &arena, &v);
        if (matches != (hosts[i].vars != NULL))
            fail_msg("%s on %s: %d", hosts[i].pattern, hosts[i].host, matches);
        if (matches)
            assert_string_equal(vars_text(&v), hosts[i].vars);
        pattern_done(&p);
    }
}

static void patterns_that_mean_nothing_are_refused(void **state)
{
    static const char *const bad[] = {"/a/**/b", "/a/{*x}/b", "/a/{",        "/a/{x",
                                      "/{1x}",   "/a/{n:(}",  "/a/{n:(a)b}", "/a%zz"};
    struct pattern p;
    const char *why;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        why = NULL;
        assert_int_equal(pattern_compile_path(str_of(bad[i]), true, &arena, &p, &why), -EINVAL);
        assert_non_null(why);
    }
    assert_int_equal(pattern_compile_host(STR("a..b"), &arena, &p, &why), -EINVAL);
    assert_int_equal(pattern_compile_host(STR("a.org:0"), &arena, &p, &why), -EINVAL);
    assert_int_equal(pattern_compile_host(STR("**.a.**.b.**"), &arena, &p, &why), -EINVAL);
}

static void a_costly_expression_meets_its_limit(void **state)
{
    char text[2048];
    void *code;
    const char *why;
    size_t at;

    memset(text, 'a', sizeof(text));
    assert_int_equal(expression_compile(STR("(a+)+[bc]"), &arena, &code, &why, &at), 0);
    assert_int_equal(expression_match(code, str_n(text, sizeof(text)), 0, true, &arena, NULL),
                     -EDOM);
    assert_int_equal(expression_match(code, STR("aaab"), 0, true, &arena, NULL), 1);
    expression_free(code);
}

static const struct {
    const char *regex, *replacement, *text, *result;
} replacements[] = {
    {"/red/(?<seg>.*)", "/blue/$\\{seg}", "/red/x/y", "/blue/x/y"},
    {"/red/(?<seg>.*)", "/blue/${seg}", "/green", "/green"},
    {"/(\\w+)/(\\w+)", "/$2/$1", "/a/b/c", "/b/a/c"},
    {"a", "b", "banana", "bbnbnb"},
    {"x*", "-", "abc", "-a-b-c-"}, /* empty matches, as Java's replaceAll() */
    {"(a)(b)?", "[$1$2]", "acab", "[a]c[ab]"},
    {"a", "\\$1\\\\", "a", "$1\\"},
    {"(a)", "$10", "a", "a0"}, /* there is no group 10: group 1, then a zero */
    {"/api/?(?<remaining>.*)", "/${remaining}", "/api/x", "/x"},
};

static void replacing_follows_java(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(replacements); i++) {
        struct replacement r;
        struct str got;
        const char *why;
        void *code;
        size_t at;

        assert_int_equal(
            expression_compile(str_of(replacements[i].regex), &arena, &code, &why, &at), 0);
        assert_int_equal(
            replacement_compile(code, str_of(replacements[i].replacement), &arena, &r, &why), 0);
        assert_int_equal(replacement_apply(&r, str_of(replacements[i].text), 100, &arena, &got), 0);
        if (!str_eq(got, str_of(replacements[i].result)))
            fail_msg("%s: " STR_FMT, replacements[i].regex, STR_ARG(got));
        expression_free(code);
    }
}

static void replacements_are_checked_and_bounded(void **state)
{
    struct replacement r;
    struct str got;
    const char *why;
    void *code;
    size_t at;

    assert_int_equal(expression_compile(STR("(a)"), &arena, &code, &why, &at), 0);
    assert_int_equal(replacement_compile(code, STR("$2"), &arena, &r, &why), -EINVAL);
    assert_int_equal(replacement_compile(code, STR("${nobody}"), &arena, &r, &why), -EINVAL);
    assert_int_equal(replacement_compile(code, STR("costs $"), &arena, &r, &why), -EINVAL);
    assert_int_equal(replacement_compile(code, STR("$1$1$1"), &arena, &r, &why), 0);
    assert_int_equal(replacement_apply(&r, STR("aaaa"), 12, &arena, &got), 0);
    assert_int_equal(replacement_apply(&r, STR("aaaaa"), 12, &arena, &got), -E2BIG);
    expression_free(code);
}

static void templates_know_the_variables_of_their_route(void **state)
{
    struct str pattern = STR("/a/{id}/{name}.{ext}");
    struct config_predicate config = {
        .kind = PREDICATE_PATH, .values = &pattern, .value_count = 1, .match_trailing_slash = true};
    struct predicate predicate;
    struct route_match route = {&predicate, 1};
    struct vars v = {.count = 2, .items = {{STR("id"), STR("7")}, {STR("ext"), STR("gz")}}};
    struct template t;
    const char *why;

    assert_int_equal(predicate_compile(&config, &arena, &predicate, &why), 0);
    assert_int_equal(predicate_vars(&predicate), 3);
    assert_int_equal(template_compile(STR("x-{id}-{name}{ext}!"), &route, &arena, &t), 0);
    assert_true(str_eq(template_expand(&t, &v, &arena), STR("x-7-gz!")));
    assert_int_equal(template_compile(STR("{\"a\":\"{id}\", {other}"), &route, &arena, &t), 0);
    assert_true(str_eq(template_expand(&t, &v, &arena), STR("{\"a\":\"7\", {other}")));
    assert_int_equal(template_compile(STR(""), &route, &arena, &t), 0);
    assert_int_equal(template_expand(&t, &v, &arena).len, 0);
    predicate_done(&predicate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(path_patterns_match_as_spring_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trailing_slash_can_be_made_to_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(host_patterns_match_by_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(patterns_that_mean_nothing_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_costly_expression_meets_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replacing_follows_java, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replacements_are_checked_and_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(templates_know_the_variables_of_their_route, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
