/* Durations, dates, error values, log lines. */
#include "base/duration.h"
#include "base/log.h"

#include <weir/error.h>

#include "../cmocka_setup.h"

static void durations_parse_strictly(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t ns;
    } rows[] = {
        {"250ms", 0, 250 * NS_PER_MS},
        {"2s", 0, 2 * NS_PER_SEC},
        {"1m30s", 0, 90 * NS_PER_SEC},
        {"0.5s", 0, 500 * NS_PER_MS},
        {"0", 0, 0},
        {"1h", 0, 3600 * NS_PER_SEC},
        {"5", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"1.s", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {"2d", -EINVAL, 0},
        {"9999999999h", -ERANGE, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ns = -1;

        assert_int_equal(duration_parse(str_of(rows[i].text), &ns), rows[i].rc);
        assert_int_equal(ns, rows[i].rc == 0 ? rows[i].ns : -1);
    }
}

static void durations_survive_a_round_trip(void **state)
{
    static const int64_t rows[] = {0, 1, 999, 1500 * NS_PER_US, 90 * NS_PER_SEC, 3661 * NS_PER_SEC};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char mem[64];
        struct buf b = buf_on(mem, sizeof(mem));
        int64_t back;

        duration_format(rows[i], &b);
        assert_int_equal(duration_parse(buf_str(&b), &back), 0);
        assert_int_equal(back, rows[i]);
    }
}

static void dates_follow_the_rfcs(void **state)
{
    char http[HTTP_DATE_LEN], rfc[RFC3339_LEN];

    http_date_format(784111777, http);
    assert_memory_equal(http, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_LEN);
    rfc3339_format(784111777 * NS_PER_SEC + 7 * NS_PER_MS, rfc);
    assert_memory_equal(rfc, "1994-11-06T08:49:37.007Z", RFC3339_LEN);
}

static void errors_carry_their_chain(void **state)
{
    struct weir_error *e = weir_error_new(-ENOENT, "user %s", "bob");
    char text[128];

    e = weir_error_wrap(e, -EIO, "load profile");
    assert_int_equal(weir_error_code(e), -EIO);
    assert_true(weir_error_is(e, -ENOENT));
    assert_false(weir_error_is(e, -EPERM));
    assert_string_equal(weir_error_message(weir_error_unwrap(e)), "user bob");
    weir_error_format(e, text, sizeof(text));
    assert_string_equal(text, "load profile: user bob: No such file or directory");
    assert_int_equal(weir_error_format(e, text, 5), strlen("load profile: user bob: No such file "
                                                           "or directory"));
    assert_string_equal(text, "load");
    weir_error_free(e);
    assert_int_equal(weir_error_code(NULL), 0);
}

static void keep_line(void *arg, enum log_level level, struct str line)
{
    struct text *t = arg;

    text_puts(t, line);
}

static int64_t fixed_clock(void *arg)
{
    return 784111777 * NS_PER_SEC;
}

static void log_lines_are_json_and_filtered(void **state)
{
    struct text t = {0};

    log_setup(keep_line, fixed_clock, &t, LOG_INFO, false);
    log_debug("hidden", "not seen");
    log_warn("endpoint_down", "said \"%s\"", "no");
    assert_string_equal(t.ptr, "{\"ts\":\"1994-11-06T08:49:37.000Z\",\"level\":\"warn\","
                               "\"event\":\"endpoint_down\",\"msg\":\"said \\\"no\\\"\"}\n");
    text_done(&t);
    t = (struct text){0};
    log_set_level(LOG_ERROR);
    log_warn("endpoint_down", "not seen");
    assert_int_equal(t.len, 0);
    log_set_level(LOG_DEBUG);
    log_debug("shown", "seen");
    assert_int_not_equal(t.len, 0);
    text_done(&t);
    log_setup(NULL, NULL, NULL, LOG_INFO, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_parse_strictly),
        cmocka_unit_test(durations_survive_a_round_trip),
        cmocka_unit_test(dates_follow_the_rfcs),
        cmocka_unit_test(errors_carry_their_chain),
        cmocka_unit_test(log_lines_are_json_and_filtered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
