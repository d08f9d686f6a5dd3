/* Slices, builders and numbers. */
#include <stdio.h>

#include "base/text.h"

#include "../cmocka_setup.h"

static void split_keeps_empty_parts(void **state)
{
    struct str rest = STR("a,,b"), part;

    assert_true(str_split(&rest, ',', &part));
    assert_str_is(part, "a");
    assert_true(str_split(&rest, ',', &part));
    assert_str_is(part, "");
    assert_true(str_split(&rest, ',', &part));
    assert_str_is(part, "b");
    assert_false(str_split(&rest, ',', &part));
}

static void numbers_are_strict(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int rc;
        uint64_t value;
    } rows[] = {
        {"0", 9, 0, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
        {"65536", 65535, -ERANGE, 0},
        {"", 9, -EINVAL, 0},
        {"+1", 9, -EINVAL, 0},
        {"1 ", 9, -EINVAL, 0},
        {"0x1", 9, -EINVAL, 0},
        {"99999999999999999999x", 9, -EINVAL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 77;

        assert_int_equal(str_to_u64(str_of(rows[i].text), rows[i].max, &value), rows[i].rc);
        assert_int_equal(value, rows[i].rc == 0 ? rows[i].value : 77);
    }
}

static void distance_counts_edits(void **state)
{
    assert_int_equal(str_distance(STR("uptreams"), STR("upstreams")), 1);
    assert_int_equal(str_distance(STR("Path"), STR("path")), 0);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(str_distance(STR(""), STR("abc")), 3);
}

static void builder_past_its_end_keeps_what_it_has(void **state)
{
    char mem[4];
    struct buf b = buf_on(mem, sizeof(mem));

    buf_lit(&b, "abc");
    buf_lit(&b, "de");
    assert_true(b.overflow);
    assert_str_is(buf_str(&b), "abc");
}

static void json_text_is_escaped(void **state)
{
    char mem[128];
    struct buf b = buf_on(mem, sizeof(mem));
    struct text t = {0};

    buf_put_json(&b, STR("a\"b\\c\n\x01\xff\xc3\xa9\xe2\x82"));
    assert_str_is(buf_str(&b), "a\\\"b\\\\c\\n\\u0001\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
    text_put_json(&t, STR("x\ty"));
    assert_string_equal(t.ptr, "x\\ty");
    text_done(&t);
}

static void text_stops_at_its_bound(void **state)
{
    struct text t = {.max = 10};

    text_printf(&t, "%s", "12345678");
    text_printf(&t, "%s", "9012");
    assert_true(t.overflow);
    assert_string_equal(t.ptr, "12345678");
    text_done(&t);
}

static void compare_without_case_is_ascii_only(void **state)
{
    assert_true(str_eq_nocase(STR("Content-Length"), STR("content-length")));
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4")));
    assert_false(str_eq_nocase(STR("@"), STR("`")));
}

static void expect_number(uint64_t n)
{
    char mem[20], expected[32];
    struct buf b = buf_on(mem, sizeof(mem));

    buf_put_u64(&b, n);
    snprintf(expected, sizeof(expected), "%llu", (unsigned long long)n);
    assert_false(b.overflow);
    assert_true(str_eq(buf_str(&b), str_of(expected)));
}

/* Every pair of bytes in every place of words and their ends. */
static void compare_without_case_is_exact(void **state)
{
    for (size_t len = 1; len <= 17; len++) {
        for (unsigned pair = 0; pair < 65536; pair++) {
            char a[17], b[17];
            size_t at = pair % len;

            memset(a, 'x', len);
            memset(b, 'X', len);
            a[at] = (char)(pair >> 8);
            b[at] = (char)pair;
            assert_int_equal(str_eq_nocase(str_n(a, len), str_n(b, len)),
                             ascii_lower(a[at]) == ascii_lower(b[at]));
        }
    }
}

/* Wherever it stands, a byte becomes what it becomes alone; text is looked at in words. */
static void json_escapes_each_byte_in_every_place(void **state)
{
    for (unsigned c = 0; c < 256; c++) {
        char alone[8], one[1] = {(char)c};
        struct buf escaped = buf_on(alone, sizeof(alone));

        buf_put_json(&escaped, str_n(one, 1));
        for (size_t at = 0; at < 20; at++) {
            char in[20], out[64], want[64];
            struct buf b = buf_on(out, sizeof(out)), w = buf_on(want, sizeof(want));

            memset(in, 'x', sizeof(in));
            in[at] = (char)c;
            buf_put_json(&b, str_n(in, sizeof(in)));
            buf_put(&w, "xxxxxxxxxxxxxxxxxxxx", at);
            buf_puts(&w, buf_str(&escaped));
            buf_put(&w, "xxxxxxxxxxxxxxxxxxxx", sizeof(in) - 1 - at);
            assert_true(str_eq(buf_str(&b), buf_str(&w)));
        }
    }
}

static void lowering_is_what_it_is_for_each_byte(void **state)
{
    for (unsigned first = 0; first < 256; first++) {
        for (size_t len = 0; len <= 17; len++) {
            char in[18], out[18] = {0}; /* of the first a byte too many, for gcc's warning */

            for (size_t i = 0; i < len; i++)
                in[i] = (char)(first + i);
            out[len] = 'x';
            str_lower(str_n(in, len), out);
            for (size_t i = 0; i < len; i++)
                assert_int_equal(out[i], ascii_lower(in[i]));
            assert_int_equal(out[len], 'x');
        }
    }
}

static void numbers_are_written_in_full(void **state)
{
    uint64_t around[] = {0, 1, UINT64_MAX, UINT64_MAX - 1};

    for (size_t i = 0; i < ARRAY_LEN(around); i++)
        expect_number(around[i]);
    for (uint64_t power = 10;; power *= 10) {
        for (uint64_t n = power - 2; n <= power + 1; n++)
            expect_number(n);
        if (power == UINT64_C(10000000000000000000))
            break;
    }
    for (uint64_t n = 0; n < 2000; n++)
        expect_number(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_keeps_empty_parts),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(builder_past_its_end_keeps_what_it_has),
        cmocka_unit_test(json_text_is_escaped),
        cmocka_unit_test(text_stops_at_its_bound),
        cmocka_unit_test(compare_without_case_is_ascii_only),
        cmocka_unit_test(compare_without_case_is_exact),
        cmocka_unit_test(json_escapes_each_byte_in_every_place),
        cmocka_unit_test(lowering_is_what_it_is_for_each_byte),
        cmocka_unit_test(numbers_are_written_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
