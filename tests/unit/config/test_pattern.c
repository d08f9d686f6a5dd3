/* Syntax of path and host patterns and of templates. */
#include "config/pattern.h"
#include "config_test.h"

static const char *check_path(const char *pattern)
{
    static char out[256];
    struct arena a;
    const char *problem;

    arena_init(&a, NULL, 0, MIB);
    problem = pattern_check_path(str_of(pattern), &a);
    snprintf(out, sizeof(out), "%s", problem != NULL ? problem : "ok");
    arena_done(&a);
    return out;
}

static const char *check_host(const char *pattern)
{
    static char out[256];
    struct arena a;
    const char *problem;

    arena_init(&a, NULL, 0, MIB);
    problem = pattern_check_host(str_of(pattern), &a);
    snprintf(out, sizeof(out), "%s", problem != NULL ? problem : "ok");
    arena_done(&a);
    return out;
}

static const char *check_template(const char *template)
{
    static char out[256];
    struct arena a;
    const char *problem;

    arena_init(&a, NULL, 0, MIB);
    problem = pattern_check_template(str_of(template), &a);
    snprintf(out, sizeof(out), "%s", problem != NULL ? problem : "ok");
    arena_done(&a);
    return out;
}

static void path_patterns_of_spring_are_accepted(void **state)
{
    static const char *const good[] = {
        "/",
        "/**",
        "/users",
        "/users/**",
        "/users/*",
        "/users/*/orders",
        "/img?/*.png",
        "/users/{id}",
        "/users/{id}/orders/{order_id}",
        "/{a}-{b}",
        "/v{version:[0-9]+}/x",
        "/{id:[a-f0-9]{8}}",
        "/{name:(?:a|b)}.html",
        "/{q:\\}}",
        "/files/{*rest}",
        "/{*rest}",
        "/caf\xc3\xa9/%20",
    };

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (strcmp(check_path(good[i]), "ok") != 0)
            fail_msg("%s: %s", good[i], check_path(good[i]));
}

static void a_wrong_path_pattern_tells_what_and_where(void **state)
{
    assert_string_equal(check_path(""), "the pattern is empty");
    assert_string_equal(check_path("users"), "a pattern starts with /");
    assert_string_equal(check_path("/**/x"), "** must be the whole last segment, at character 2");
    assert_string_equal(check_path("/a**"), "** must be the whole last segment, at character 3");
    assert_string_equal(check_path("/***"), "** must be the whole last segment, at character 2");
    assert_string_equal(check_path("/{id"), "{ without }, at character 2");
    assert_string_equal(check_path("/id}"), "} without {, at character 4");
    assert_string_equal(check_path("/{}"), "the name of a variable consists of letters, digits, "
                                           "_ and -, at character 2");
    assert_string_equal(check_path("/{1a}"), "the name of a variable consists of letters, digits, "
                                             "_ and -, at character 2");
    assert_string_equal(check_path("/{a}{b}"),
                        "two variables need something between them, at character 5");
    assert_string_equal(check_path("/{a}/{a}"),
                        "a variable with this name stands there already, at character 6");
    assert_string_equal(check_path("/{*rest}/x"),
                        "{*name} must be the whole last segment, at character 2");
    assert_string_equal(check_path("/x{*rest}"),
                        "{*name} must be the whole last segment, at character 3");
    assert_string_equal(check_path("/{id:}"), "the expression behind : is missing, at character 2");
    assert_string_equal(check_path("/{id:(a)}"), "an expression in a pattern has no capturing "
                                                 "groups; write (?:...), at character 2");
    assert_string_equal(check_path("/{id:(?:a}"),
                        "the expression \"(?:a\": missing closing parenthesis, at character 5");
    assert_string_equal(check_path("/a b"),
                        "a pattern has no blanks or control characters, at character 3");
}

static void host_patterns_are_checked(void **state)
{
    assert_string_equal(check_host("**.example.org"), "ok");
    assert_string_equal(check_host("{sub}.example.org"), "ok");
    assert_string_equal(check_host("*.example.org:8080"), "ok");
    assert_string_equal(check_host("127.0.0.1"), "ok");
    assert_string_equal(check_host(""), "the pattern is empty");
    assert_string_equal(check_host(":80"), "the pattern is empty");
    assert_string_equal(check_host("a.org:0"), "the port must be a number from 1 to 65535");
    assert_string_equal(check_host("a.org:http"), "the port must be a number from 1 to 65535");
    assert_string_equal(check_host("{sub:[a-z]+}.org"),
                        "{*name} and {name:regex} are for paths only, at character 1");
    assert_string_equal(check_host("a.org/x"),
                        "not a character of a host name or pattern, at character 6");
    assert_string_equal(check_host("{sub.org"), "{ without }, at character 1");
}

static void templates_are_checked(void **state)
{
    assert_string_equal(check_template("plain"), "ok");
    assert_string_equal(check_template("a-{x}-{y}"), "ok");
    assert_string_equal(check_template("{x"), "{ without }, at character 1");
    assert_string_equal(check_template("{\"a\": 1}"),
                        "{ starts a variable, whose name consists "
                        "of letters, digits, _ and -, at character 1");
}

static void variables_come_in_their_order(void **state)
{
    struct str rest = STR("/{a}/x-{b:[0-9]{2}}/{*c}"), name;

    assert_true(pattern_next_variable(&rest, &name));
    assert_str(name, "a");
    assert_true(pattern_next_variable(&rest, &name));
    assert_str(name, "b");
    assert_true(pattern_next_variable(&rest, &name));
    assert_str(name, "c");
    assert_false(pattern_next_variable(&rest, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_patterns_of_spring_are_accepted),
        cmocka_unit_test(a_wrong_path_pattern_tells_what_and_where),
        cmocka_unit_test(host_patterns_are_checked),
        cmocka_unit_test(templates_are_checked),
        cmocka_unit_test(variables_come_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
