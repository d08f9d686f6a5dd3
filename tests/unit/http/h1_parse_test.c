/* The parser against the tables of requests and responses, the limits, and what a head offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "request_cases.h"
#include "response_cases.h"

static struct http_head head;
static struct h1_refusal refusal;

static ssize_t parse_with(struct str bytes, const struct h1_limits *limits)
{
    uint32_t scanned = 0;

    memset(&refusal, 0, sizeof(refusal));
    return h1_parse_request(bytes, &scanned, limits, &head, &refusal);
}

static ssize_t parse(struct str bytes)
{
    return parse_with(bytes, &h1_limits_default);
}

static size_t head_len(struct str s)
{
    const char *end = memmem(s.ptr, s.len, "\r\n\r\n", 4);
    size_t lead = str_starts(s, STR("\r\n\r\n")) ? 4 : 0;

    if (lead != 0)
        end = memmem(s.ptr + lead, s.len - lead, "\r\n\r\n", 4);
    return end != NULL ? (size_t)(end + 4 - s.ptr) : 0;
}

static void expect_str(struct str got, const char *want)
{
    if (want != NULL && !str_eq(got, str_of(want)))
        fail_msg("got \"" STR_FMT "\", want \"%s\"", STR_ARG(got), want);
}

static void requests_of_the_table_are_taken_or_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
        const struct request_case *t = &request_cases[i];
        ssize_t n = parse(t->bytes);

        if (t->refusal != NULL) {
            assert_int_equal(n, -EBADMSG);
            assert_string_equal(refusal.name, t->refusal);
            assert_int_equal(refusal.status, t->status);
            assert_true(refusal.offset <= t->bytes.len);
            assert_true(strlen(refusal.text) > 10);
            continue;
        }
        if (n < 0 && n == -EBADMSG)
            fail_msg("refused: %s", refusal.name);
        assert_int_equal(n, head_len(t->bytes));
        assert_int_equal(head.head_bytes, n);
        assert_int_equal(head.body, t->body);
        assert_int_equal(head.content_length, t->length);
        assert_int_equal(head.keep_alive, !t->close);
        assert_int_equal(head.status, 0);
        expect_str(head.authority, t->authority);
        expect_str(head.path, t->path);
        expect_str(head.query, t->query);
    }
}

static void responses_of_the_table_are_taken_or_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(response_cases); i++) {
        const struct response_case *t = &response_cases[i];
        uint32_t scanned = 0;
        ssize_t n =
            h1_parse_response(t->bytes, &scanned, &h1_limits_default, t->to, &head, &refusal);

        if (t->refusal != NULL) {
            assert_int_equal(n, -EBADMSG);
            assert_string_equal(refusal.name, t->refusal);
            assert_int_equal(refusal.status, 502);
            continue;
        }
        assert_int_equal(n, head_len(t->bytes));
        assert_int_equal(head.status, t->status);
        assert_int_equal(head.body, t->body);
        assert_int_equal(head.content_length, t->length);
        assert_int_equal(head.keep_alive, !t->close);
        expect_str(head.reason, t->reason);
    }
}

static void fields_keep_their_text_and_get_their_ids(void **state)
{
    struct str text = STR("POST /p?q HTTP/1.1\r\n"
                          "Host: example.com\r\n"
                          "x-REQUEST-id:\t abc \t\r\n"
                          "X_Odd: 1\r\n"
                          "X-Forwarded-Proto: https\r\n"
                          "TE: gzip, trailers\r\n"
                          "Connection: Upgrade, TE\r\n"
                          "Upgrade: websocket\r\n"
                          "Empty:\r\n"
                          "Expect: 100-continue\r\n"
                          "\r\nrest");

    assert_int_equal(parse(text), text.len - 4);
    assert_int_equal(head.method, HTTP_POST);
    assert_true(str_eq(head.method_text, STR("POST")));
    assert_true(str_eq(head.target, STR("/p?q")));
    assert_int_equal(head.version_minor, 1);
    assert_int_equal(head.field_count, 9);
    assert_int_equal(head.fields[1].id, HTTP_F_X_REQUEST_ID);
    assert_true(str_eq(http_field_name(&head.fields[1]), STR("x-REQUEST-id")));
    assert_true(str_eq(http_field_value(&head.fields[1]), STR("abc")));
    assert_int_equal(head.fields[2].id, HTTP_F_OTHER);
    assert_int_equal(head.fields[3].id, HTTP_F_X_FORWARDED_PROTO);
    assert_int_equal(head.fields[7].value_len, 0);
    assert_true(head.te_trailers);
    assert_true(head.upgrade);
    assert_true(head.expect_continue);
    assert_true(http_head_has(&head, HTTP_F_UPGRADE));
    assert_false(http_head_has(&head, HTTP_F_COOKIE));
    assert_false(http_head_has(&head, HTTP_F_OTHER));
}

static void http_1_0_neither_upgrades_nor_expects(void **state)
{
    assert_true(parse(STR("POST / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n"
                          "Expect: 100-continue\r\n\r\n")) > 0);
    assert_false(head.upgrade);
    assert_false(head.expect_continue);
}

static void an_upgrade_field_alone_is_no_upgrade(void **state)
{
    assert_true(parse(STR("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n")) > 0);
    assert_false(head.upgrade);
    assert_true(parse(STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n")) > 0);
    assert_false(head.upgrade);
}

/* "GET /aaa... HTTP/1.1" with a target of that length, then fields; on the heap, exactly as long
 * as it is, so that reading past it is noticed. */
static struct str long_request(size_t target, size_t fields, size_t value)
{
    struct text t = {0};
    struct str s;
    char *exact;

    text_puts(&t, STR("GET /"));
    for (size_t i = 1; i < target; i++)
        text_put(&t, "a", 1);
    text_puts(&t, STR(" HTTP/1.1\r\nHost: a\r\n"));
    for (size_t i = 0; i < fields; i++) {
        text_printf(&t, "N%zu: ", i);
        for (size_t j = 0; j < value; j++)
            text_put(&t, "v", 1);
        text_puts(&t, STR("\r\n"));
    }
    text_puts(&t, STR("\r\n"));
    exact = malloc(t.len);
    assert_non_null(exact);
    memcpy(exact, t.ptr, t.len);
    s = str_n(exact, t.len);
    text_done(&t);
    return s;
}

static void expect_long(struct str s, const struct h1_limits *limits, const char *name, int status)
{
    ssize_t n = parse_with(s, limits);

    if (name == NULL) {
        assert_int_equal(n, s.len);
    } else {
        assert_int_equal(n, -EBADMSG);
        assert_string_equal(refusal.name, name);
        assert_int_equal(refusal.status, status);
    }
    free((char *)(uintptr_t)s.ptr);
}

static void limits_hold_to_the_byte(void **state)
{
    struct h1_limits l = {.head_bytes = 1000, .target_bytes = 100, .field_count = 5};
    struct str s = long_request(100, 4, 10);

    expect_long(long_request(100, 4, 10), &l, NULL, 0);
    expect_long(long_request(101, 4, 10), &l, "long_target", 414);
    expect_long(long_request(5000, 4, 10), &l, "long_target", 414);
    expect_long(long_request(100, 5, 10), &l, "many_fields", 431);
    expect_long(long_request(100, 4, 1000), &l, "long_head", 431);
    l.head_bytes = (uint32_t)s.len;
    expect_long(long_request(100, 4, 10), &l, NULL, 0);
    l.head_bytes--;
    expect_long(s, &l, "long_head", 431);
    l = (struct h1_limits){.head_bytes = 100, .target_bytes = 1000, .field_count = 5};
    expect_long(long_request(100, 0, 0), &l, "long_target", 414);
    l = h1_limits_default;
    l.head_bytes = 200000;
    l.field_count = 1000; /* the hard bound is 128 */
    expect_long(long_request(1, 127, 10), &l, NULL, 0);
    expect_long(long_request(1, 128, 10), &l, "many_fields", 431);
}

static void a_name_longer_than_the_field_can_say_is_refused(void **state)
{
    struct h1_limits l = h1_limits_default;
    struct text t = {0};

    l.head_bytes = 200000;
    text_puts(&t, STR("GET / HTTP/1.1\r\nHost: a\r\n"));
    for (int i = 0; i < 65536; i++)
        text_put(&t, "n", 1);
    text_puts(&t, STR(": v\r\n\r\n"));
    assert_int_equal(parse_with(str_n(t.ptr, t.len), &l), -EBADMSG);
    assert_string_equal(refusal.name, "long_name");
    text_done(&t);
}

static void refusals_say_where(void **state)
{
    assert_int_equal(parse(STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n")), -EBADMSG);
    assert_int_equal(refusal.offset, 29);
    assert_int_equal(parse(STR("GET /#x HTTP/1.1\r\n")), -EBADMSG);
    assert_int_equal(refusal.offset, 5);
    assert_int_equal(parse(STR("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n")), -EBADMSG);
    assert_int_equal(refusal.offset, 25);
}

static void repeated_content_lengths_are_passed_on_once(void **state)
{
    struct http_field *f;

    assert_true(parse(STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7 , 7\r\n"
                          "Content-Length: 7\r\n\r\n")) > 0);
    f = http_head_find_id(&head, HTTP_F_CONTENT_LENGTH);
    assert_non_null(f);
    assert_true(str_eq(http_field_value(f), STR("7")));
    f->dropped = true;
    assert_null(http_head_find_id(&head, HTTP_F_CONTENT_LENGTH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_the_table_are_taken_or_refused),
        cmocka_unit_test(responses_of_the_table_are_taken_or_refused),
        cmocka_unit_test(fields_keep_their_text_and_get_their_ids),
        cmocka_unit_test(http_1_0_neither_upgrades_nor_expects),
        cmocka_unit_test(an_upgrade_field_alone_is_no_upgrade),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(a_name_longer_than_the_field_can_say_is_refused),
        cmocka_unit_test(refusals_say_where),
        cmocka_unit_test(repeated_content_lengths_are_passed_on_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
