/* Command lines: what is accepted, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/command.h"

static const struct args_option options[] = {
    {"config", 'c', "FILE", ""},
    {"quiet", 'q', NULL, ""},
    {"seconds", 0, "N", ""},
    {"header", 'H', "FIELD", "", .repeats = true},
    {0},
};
static const struct args_spec spec = {.options = options, .operands = {"FILE", "[OTHER]"}};

#define PARSE(...)                                                                                 \
    ({                                                                                             \
        const char *argv_[] = {__VA_ARGS__};                                                       \
        args_parse(&spec, (int)ARRAY_LEN(argv_), (char *const *)argv_, &a, error);                 \
    })

static void every_form_of_an_option_gives_its_value(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_int_equal(PARSE("--config", "x", "f"), 0);
    assert_string_equal(args_value(&spec, &a, "config"), "x");
    assert_int_equal(PARSE("--config=x=y", "f"), 0);
    assert_string_equal(args_value(&spec, &a, "config"), "x=y");
    assert_int_equal(PARSE("-c", "x", "f"), 0);
    assert_string_equal(args_value(&spec, &a, "config"), "x");
    assert_int_equal(PARSE("f", "-cx"), 0);
    assert_string_equal(args_value(&spec, &a, "config"), "x");
    assert_null(args_value(&spec, &a, "quiet"));
    assert_int_equal(PARSE("-q", "f"), 0);
    assert_non_null(args_value(&spec, &a, "quiet"));
    assert_null(args_value(&spec, &a, "config"));
}

static void an_option_that_repeats_keeps_every_value_in_order(void **state)
{
    const char *many[ARGS_MANY_MAX + 2];
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_int_equal(PARSE("-H", "a", "f", "--header=b", "-Hc"), 0);
    assert_int_equal(a.many_count, 3);
    assert_string_equal(a.many[0], "a");
    assert_string_equal(a.many[1], "b");
    assert_string_equal(a.many[2], "c");
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "-Hx";
    many[0] = "f";
    assert_int_equal(args_parse(&spec, (int)ARRAY_LEN(many), (char *const *)many, &a, error),
                     -EINVAL);
    assert_string_equal(error, "option '--header' is given more than 64 times");
}

static void an_option_may_take_a_dash_as_its_value(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_int_equal(PARSE("-c", "-", "-"), 0);
    assert_string_equal(args_value(&spec, &a, "config"), "-");
    assert_string_equal(a.operands[0], "-");
}

static void two_dashes_end_the_options(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_int_equal(PARSE("--", "--config", "-h"), 0);
    assert_int_equal(a.operand_count, 2);
    assert_string_equal(a.operands[0], "--config");
    assert_false(a.help);
}

static void help_wins_over_what_is_missing(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_int_equal(PARSE("-h"), 0);
    assert_true(a.help);
    assert_int_equal(PARSE("-q", "--help", "--nonsense"), 0);
    assert_true(a.help);
}

static void assert_refused(int rc, const char *error, const char *word)
{
    assert_int_equal(rc, -EINVAL);
    if (strstr(error, word) == NULL)
        fail_msg("'%s' does not say '%s'", error, word);
}

static void mistakes_are_named(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_refused(PARSE("--confg", "x"), error, "did you mean '--config'");
    assert_refused(PARSE("--zzz"), error, "unknown option '--zzz'");
    assert_null(strstr(error, "did you mean"));
    assert_refused(PARSE("-x"), error, "unknown option '-x'");
    assert_refused(PARSE("f", "--config"), error, "needs a value: FILE");
    assert_refused(PARSE("--quiet=1", "f"), error, "takes no value");
    assert_refused(PARSE("-q", "-q", "f"), error, "given twice");
    assert_refused(PARSE("a", "b", "c"), error, "unexpected argument 'c'");
    assert_refused(PARSE("-q"), error, "missing argument: FILE");
}

static void a_required_option_is_asked_for(void **state)
{
    char error[ARGS_ERROR_MAX];
    struct args a;

    assert_refused(args_parse(&command_run.args, 0, NULL, &a, error), error,
                   "missing option: -c FILE");
}

static void numbers_outside_their_range_are_refused(void **state)
{
    char error[ARGS_ERROR_MAX];
    uint64_t n = 7;

    assert_int_equal(args_number("port", "65535", 1, 65535, &n, error), 0);
    assert_int_equal(n, 65535);
    assert_refused(args_number("port", "65536", 1, 65535, &n, error), error, "--port");
    assert_refused(args_number("port", "0", 1, 65535, &n, error), error, "between 1 and 65535");
    assert_refused(args_number("port", "8o80", 1, 65535, &n, error), error, "8o80");
    assert_refused(args_number("port", "", 1, 65535, &n, error), error, "--port");
    assert_int_equal(n, 65535);
}

static void the_nearest_command_is_what_was_meant(void **state)
{
    assert_string_equal(command_nearest("chek"), "check");
    assert_string_equal(command_nearest("runn"), "run");
    assert_string_equal(command_nearest("ver"), "version");
    assert_string_equal(command_nearest("demos"), "demo");
    assert_null(command_nearest("xyzzy"));
    assert_null(command_nearest(""));
}

static void every_command_explains_itself_within_90_columns(void **state)
{
    for (const struct command *const *c = commands; *c != NULL; c++) {
        struct text out = {0};
        struct str rest, line;

        command_write_usage(*c, &out);
        rest = str_n(out.ptr, out.len);
        assert_true(str_starts(rest, STR("Usage: weir ")));
        while (str_split(&rest, '\n', &line)) {
            if (line.len > 90)
                fail_msg("weir help %s: %zu columns: " STR_FMT, (*c)->name, line.len,
                         STR_ARG(line));
        }
        text_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_an_option_gives_its_value),
        cmocka_unit_test(an_option_that_repeats_keeps_every_value_in_order),
        cmocka_unit_test(an_option_may_take_a_dash_as_its_value),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(help_wins_over_what_is_missing),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_required_option_is_asked_for),
        cmocka_unit_test(numbers_outside_their_range_are_refused),
        cmocka_unit_test(the_nearest_command_is_what_was_meant),
        cmocka_unit_test(every_command_explains_itself_within_90_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
