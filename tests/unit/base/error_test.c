/* Error values: chains, types with data, joined errors, what is printed, and no memory. */
#include "../cmocka_setup.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>

#include "base/base.h"

/* ---- memory that runs out when told to ---- */

static bool no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

/* ---- two types ---- */

struct parse_error {
    int line, column;
    char *token;
};

static int tokens_freed;

static void parse_error_done(void *data)
{
    struct parse_error *p = data;

    free(p->token);
    tokens_freed++;
}

static size_t parse_error_format(const void *data, char *out, size_t size)
{
    const struct parse_error *p = data;

    return (size_t)snprintf(out, size, "line %d, column %d, at %s", p->line, p->column, p->token);
}

static bool parse_error_is(const void *data, int code)
{
    return code == -EILSEQ;
}

static const struct weir_error_type parse_error_type = {
    .name = "parse_error",
    .data_bytes = sizeof(struct parse_error),
    .done = parse_error_done,
    .format = parse_error_format,
    .is = parse_error_is,
};

static const struct weir_error_type not_found = {.name = "not_found"};

static struct weir_error *parse(void)
{
    struct parse_error p = {.line = 3, .column = 7, .token = strdup("}")};

    return weir_error_new_typed(&parse_error_type, &p, -EINVAL, "no value");
}

/* ---- tests ---- */

static void data_is_found_from_anywhere_in_the_chain(void **state)
{
    struct weir_error *e = weir_error_wrap(weir_error_wrap(parse(), -EIO, "read"), -EPERM, "start");
    const struct parse_error *p = WEIR_ERROR_AS(e, parse_error);

    assert_non_null(p);
    assert_int_equal(p->line, 3);
    assert_int_equal(p->column, 7);
    assert_string_equal(p->token, "}");
    assert_true(weir_error_is_type(e, &parse_error_type));
    assert_false(weir_error_is_type(e, &not_found));
    assert_null(weir_error_as(e, &not_found));
    assert_true(weir_error_is(e, -EINVAL));
    assert_true(weir_error_is(e, -EILSEQ)); /* by its type */
    assert_false(weir_error_is(e, -ENOENT));
    assert_ptr_equal(weir_error_type(e), NULL);
    tokens_freed = 0;
    weir_error_free(e);
    assert_int_equal(tokens_freed, 1);
}

static void a_type_without_data_is_a_sentinel(void **state)
{
    struct weir_error *e = weir_error_new_typed(&not_found, NULL, -ENOENT, "bob");

    e = weir_error_wrap_typed(e, &parse_error_type, &(struct parse_error){.token = strdup("x")},
                              WEIR_CODE_OWN - 1, "users");
    assert_true(weir_error_is_type(e, &not_found));
    assert_non_null(weir_error_as(e, &not_found));
    assert_true(weir_error_is(e, WEIR_CODE_OWN - 1));
    assert_ptr_equal(weir_error_type(weir_error_unwrap(e)), &not_found);
    weir_error_free(e);
}

static void the_place_is_that_of_the_call(void **state)
{
    struct weir_error *e = weir_error_new(-EIO, "x");
    int line = __LINE__ - 1;

    assert_string_equal(weir_error_file(e), __FILE__);
    assert_int_equal(weir_error_line(e), line);
    weir_error_free(e);
    assert_null(weir_error_file(NULL));
    assert_int_equal(weir_error_line(NULL), 0);
}

static void joined_errors_are_searched_and_freed_together(void **state)
{
    struct weir_error *two = weir_error_join(weir_error_new(-EIO, "a"), parse());
    struct weir_error *e = weir_error_wrap(two, -ECANCELED, "close");
    char text[256];

    e = weir_error_join(e, weir_error_new(-EPIPE, "c"));
    assert_ptr_equal(weir_error_join(e, NULL), e);
    assert_ptr_equal(weir_error_join(NULL, e), e);
    assert_int_equal(weir_error_code(e), -ECANCELED);
    assert_true(weir_error_is(e, -EIO));
    assert_true(weir_error_is(e, -EINVAL));
    assert_true(weir_error_is(e, -EPIPE));
    assert_false(weir_error_is(e, -ENOENT));
    assert_non_null(WEIR_ERROR_AS(e, parse_error));
    assert_string_equal(weir_error_message(weir_error_next(e)), "c");
    assert_string_equal(weir_error_message(weir_error_next(weir_error_unwrap(e))), "no value");
    weir_error_format(e, text, sizeof(text));
    assert_string_equal(text, "(close: (a: Input/output error; no value: Invalid argument); "
                              "c: Broken pipe)");
    tokens_freed = 0;
    weir_error_free(e);
    assert_int_equal(tokens_freed, 1);
}

static void one_line_has_all_messages(void **state)
{
    struct weir_error *e = weir_error_wrap(parse(), -EIO, "load %s", "x.json");
    char text[128], cut[10];
    size_t len;

    len = weir_error_format(e, text, sizeof(text));
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "load x.json: no value: Invalid argument");
    assert_int_equal(weir_error_format(e, cut, sizeof(cut)), strlen(text));
    assert_string_equal(cut, "load x.js");
    assert_int_equal(weir_error_format(e, NULL, 0), strlen(text));
    weir_error_free(e);
    e = weir_error_new(WEIR_CODE_OWN, "odd");
    weir_error_format(e, text, sizeof(text));
    assert_string_equal(text, "odd: error -10000");
    weir_error_free(e);
    assert_int_equal(weir_error_format(NULL, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static struct weir_error *at(const char *file, int line, struct weir_error *cause, int code,
                             const char *message)
{
    return weir_error_wrap_at(file, line, cause, code, "%s", message);
}

static void in_full_each_error_has_its_line(void **state)
{
    struct parse_error p = {.line = 3, .column = 7, .token = strdup("}")};
    struct weir_error *e = weir_error_wrap_typed_at("p.c", 4, at("q.c", 9, NULL, -20000, "root"),
                                                    &parse_error_type, &p, -EINVAL, "no value");
    struct weir_error *f =
        weir_error_join(at("f.c", 1, e, -EIO, "load"), at("g.c", 2, NULL, -ENOSPC, "log"));
    char text[512], cut[40];
    size_t len;

    len = weir_error_format_full(f, text, sizeof(text));
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "load [EIO: Input/output error] at f.c:1\n"
                              "  caused by: no value [EINVAL: Invalid argument] at p.c:4\n"
                              "    parse_error: line 3, column 7, at }\n"
                              "  caused by: root [-20000] at q.c:9\n"
                              "and: log [ENOSPC: No space left on device] at g.c:2\n");
    assert_int_equal(weir_error_format_full(f, cut, sizeof(cut)), strlen(text));
    assert_int_equal(strlen(cut), sizeof(cut) - 1);
    assert_memory_equal(cut, text, sizeof(cut) - 1);
    assert_int_equal(weir_error_format_full(f, NULL, 0), strlen(text));
    weir_error_free(f);
}

static void without_memory_nothing_is_lost_that_was_there(void **state)
{
    struct parse_error p = {.token = strdup("x")};
    struct weir_error *e, *cause = weir_error_new(-ENOENT, "bob");

    tokens_freed = 0;
    no_memory = true;
    e = weir_error_new_typed(&parse_error_type, &p, -EINVAL, "no value");
    assert_int_equal(weir_error_code(e), -ENOMEM);
    assert_int_equal(tokens_freed, 1);
    assert_ptr_equal(weir_error_wrap(cause, -EIO, "load"), cause);
    assert_ptr_equal(weir_error_join(cause, e), cause);
    assert_ptr_equal(weir_error_join(e, cause), cause);
    weir_error_free(e);
    no_memory = false;
    e = weir_error_wrap(e, -EIO, "wrapped");
    assert_true(weir_error_is(e, -ENOMEM));
    weir_error_free(e);
    weir_error_free(cause);
}

static void a_long_chain_needs_no_stack(void **state)
{
    struct weir_error *e = NULL;

    for (int i = 0; i < 200000; i++)
        e = weir_error_wrap(e, i == 0 ? -ENOENT : -EIO, "link");
    assert_true(weir_error_is(e, -ENOENT));
    assert_true(weir_error_format(e, NULL, 0) > 200000);
    weir_error_free(e);
}

static void codes_have_names(void **state)
{
    assert_string_equal(weir_code_name(-ENOENT), "ENOENT");
    assert_string_equal(weir_code_name(WEIR_CODE_OWN), "");
    assert_string_equal(weir_code_name(5), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_found_from_anywhere_in_the_chain),
        cmocka_unit_test(a_type_without_data_is_a_sentinel),
        cmocka_unit_test(the_place_is_that_of_the_call),
        cmocka_unit_test(joined_errors_are_searched_and_freed_together),
        cmocka_unit_test(one_line_has_all_messages),
        cmocka_unit_test(in_full_each_error_has_its_line),
        cmocka_unit_test(without_memory_nothing_is_lost_that_was_there),
        cmocka_unit_test(a_long_chain_needs_no_stack),
        cmocka_unit_test(codes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
