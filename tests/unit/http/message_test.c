/* Methods, field ids, looking fields up, dropping hop-by-hop fields, and that what the builders
 * write is what the parser reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "http/field_id.h"
#include "http/h1_scan.h"
#include "request_cases.h"
#include "response_cases.h"

static struct http_head head;

static void methods_are_known_by_their_exact_text(void **state)
{
    for (int m = HTTP_OTHER + 1; m < HTTP_METHOD_MAX; m++) {
        struct str text = http_method_text((enum http_method)m);
        char lower[16];

        assert_true(text.len >= 3);
        assert_int_equal(http_method_of(text), m);
        assert_int_equal(http_method_of(str_n(text.ptr, text.len - 1)), HTTP_OTHER);
        memcpy(lower, text.ptr, text.len);
        lower[text.len - 1] = ascii_lower(lower[text.len - 1]);
        assert_int_equal(http_method_of(str_n(lower, text.len)), HTTP_OTHER);
    }
    assert_int_equal(http_method_of(STR("")), HTTP_OTHER);
    assert_true(http_method_idempotent(HTTP_DELETE));
    assert_false(http_method_idempotent(HTTP_POST));
    assert_false(http_method_idempotent(HTTP_PATCH));
    assert_false(http_method_idempotent(HTTP_OTHER));
}

static void every_field_name_has_its_id_in_any_case(void **state)
{
    for (int id = HTTP_F_OTHER + 1; id < HTTP_F_MAX; id++) {
        struct str name = http_field_id_text((enum http_field_id)id);
        char other[32];

        assert_true(name.len >= 2 && name.len < sizeof(other));
        assert_int_equal(http_field_id_of(name), id);
        for (size_t i = 0; i < name.len; i++)
            other[i] = (char)(name.ptr[i] >= 'a' ? name.ptr[i] - 32 : name.ptr[i]);
        assert_int_equal(http_field_id_of(str_n(other, name.len)), id);
        for (size_t i = 0; i < name.len; i++) { /* one byte off is another name */
            char kept = other[i];

            for (int c = 0; c < 256; c++) {
                other[i] = (char)c;
                if (ascii_lower(other[i]) != name.ptr[i])
                    assert_int_not_equal(http_field_id_of(str_n(other, name.len)), id);
            }
            other[i] = kept;
        }
        assert_int_not_equal(http_field_id_of(str_n(other, name.len - 1)), id);
    }
    assert_int_equal(http_field_id_of(STR("")), HTTP_F_OTHER);
    assert_int_equal(http_field_id_of(STR("x")), HTTP_F_OTHER);
}

/* The parser has a short way for common lines and a long way; both must know the same names. */
static void names_one_byte_off_are_other_fields_in_a_head(void **state)
{
    struct h1_refusal refusal;

    for (int id = HTTP_F_OTHER + 1; id < HTTP_F_MAX; id++) {
        struct str name = http_field_id_text((enum http_field_id)id);

        for (size_t i = 0; i < name.len; i++) {
            for (int c = 0; c < 256; c++) {
                char text[256];
                struct buf b = buf_on(text, sizeof(text));
                uint32_t scanned = 0;
                ssize_t n;

                buf_lit(&b, "GET / HTTP/1.0\r\n");
                buf_puts(&b, name);
                text[b.len - name.len + i] = (char)c;
                buf_lit(&b, ": 12345678901234567890\r\n\r\n");
                n = h1_parse_request(buf_str(&b), &scanned, &h1_limits_default, &head, &refusal);
                if (ascii_lower((char)c) != name.ptr[i]) {
                    if (n > 0)
                        assert_int_not_equal(head.fields[0].id, id);
                    assert_int_equal(n > 0, h1_is((char)c, H1_TOKEN) || (c == ':' && i > 0));
                } else if (n > 0) {
                    assert_int_equal(head.fields[0].id, id);
                }
            }
        }
    }
}

static void block_scans_agree_with_the_table(void **state)
{
    static const enum h1_scan kinds[] = {H1_TOKEN, H1_TEXT, H1_TARGET, H1_NAME};
    char data[80];
    struct rng rng;

    rng_seed(&rng, 6);
    for (int round = 0; round < 200000; round++) {
        size_t base = (size_t)rng_below(&rng, 20), from = base + (size_t)rng_below(&rng, 20);
        size_t to = from + (size_t)rng_below(&rng, 40), want = from;
        enum h1_scan kind = kinds[rng_below(&rng, ARRAY_LEN(kinds))];
        const char *got;

        memset(data, "aZ-9"[rng_below(&rng, 4)], sizeof(data));
        for (int i = 0; i < 2; i++)
            data[rng_below(&rng, sizeof(data))] = (char)rng_below(&rng, 256);
        while (want < to && h1_is(data[want], kind))
            want++;
        got = h1_scan(data + base, data + from, data + to, kind);
        assert_int_equal(got - data, want);
    }
}

static void the_table_says_what_the_rfc_says(void **state)
{
    for (int c = 0; c < 256; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool token = letter || (c != 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", c) != NULL);

        assert_int_equal(h1_is((char)c, H1_TOKEN), token);
        assert_int_equal(h1_is((char)c, H1_TEXT), c == '\t' || (c >= 0x20 && c != 0x7f));
        assert_int_equal(h1_is((char)c, H1_TARGET), c > 0x20 && c < 0x7f && c != '#' && c != '?');
        assert_int_equal(h1_is((char)c, H1_NAME), letter || c == '-' || c == '.');
    }
}

static void lists_are_searched_by_element(void **state)
{
    assert_true(http_list_has(STR("close"), STR("close")));
    assert_true(http_list_has(STR("a, CLOSE ,b"), STR("close")));
    assert_false(http_list_has(STR("closed, not-close"), STR("close")));
    assert_false(http_list_has(STR(""), STR("close")));
    assert_false(http_list_has(STR_NULL, STR("close")));
}

static void fields_are_found_added_and_dropped(void **state)
{
    memset(&head, 0, offsetof(struct http_head, fields));
    assert_null(http_head_find(&head, STR("Cookie")));
    assert_int_equal(http_head_add(&head, STR("Cookie"), STR("a")), 0);
    assert_int_equal(http_head_add(&head, STR("X-A"), STR("1")), 0);
    assert_int_equal(http_head_add(&head, STR("x-a"), STR("2")), 0);
    assert_true(http_head_has(&head, HTTP_F_COOKIE));
    assert_true(str_eq(http_field_value(http_head_find(&head, STR("cookie"))), STR("a")));
    assert_true(str_eq(http_field_value(http_head_find(&head, STR("X-a"))), STR("1")));
    assert_int_equal(http_head_drop(&head, STR("X-A")), 2);
    assert_int_equal(http_head_drop(&head, STR("X-A")), 0);
    assert_null(http_head_find(&head, STR("X-A")));
    while (head.field_count < HTTP_FIELDS_MAX)
        assert_int_equal(http_head_add(&head, STR("X-B"), STR("")), 0);
    assert_int_equal(http_head_add(&head, STR("X-B"), STR("")), -ENOSPC);
}

static void parse_request(struct str text)
{
    struct h1_refusal refusal;
    uint32_t scanned = 0;

    assert_int_equal(h1_parse_request(text, &scanned, &h1_limits_default, &head, &refusal),
                     text.len);
}

static void hop_by_hop_fields_go_and_protected_ones_stay(void **state)
{
    struct h1_refusal refusal;
    uint32_t scanned = 0;
    char out[512];
    struct buf b = buf_on(out, sizeof(out));

    parse_request(STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                      "Connection: X-Hop, Host, authorization, Content-Length, accept\r\n"
                      "Connection: x-forwarded-for, close\r\n"
                      "X-Hop: 1\r\nAuthorization: me\r\nAccept: x\r\nX-Forwarded-For: y\r\n"
                      "Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\n"
                      "Proxy-Authorization: z\r\nTrailer: t\r\nClose: 1\r\nX-Stay: 2\r\n\r\n"));
    http_head_drop_hop_by_hop(&head);
    h1_put_fields(&b, &head);
    assert_true(str_eq(buf_str(&b), STR("Host: a\r\nAuthorization: me\r\nX-Forwarded-For: y\r\n"
                                        "Trailer: t\r\nX-Stay: 2\r\n")));

    assert_true(h1_parse_response(STR("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: y\r\n\r\n"),
                                  &scanned, &h1_limits_default, HTTP_HEAD, &head, &refusal) > 0);
    http_head_drop_hop_by_hop(&head);
    b = buf_on(out, sizeof(out));
    h1_put_fields(&b, &head);
    assert_true(str_eq(buf_str(&b), STR("Content-Length: 7\r\nX: y\r\n")));
}

/* What stood together is copied together, and only that. */
static void fields_are_written_as_they_are_now(void **state)
{
    char out[512];
    struct buf b = buf_on(out, sizeof(out));

    parse_request(STR("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB:2\r\nC:\t 3 \r\nD:\r\nE: 5\r\n"
                      "F: 6\r\nG: 7, 7\r\nH: 8\r\nI: 9 \r\nJ: 10\r\n\r\n"));
    http_head_drop_ids(&head, HTTP_F_BIT(HTTP_F_HOST));
    head.fields[6].value = "six";
    head.fields[6].value_len = 3;
    head.fields[7].value_len = 1;
    http_head_drop(&head, STR("H"));
    assert_int_equal(http_head_add_id(&head, HTTP_F_VIA, STR("Via"), STR("me")), 0);
    assert_int_equal(http_head_add(&head, STR("K"), STR("11")), 0);
    h1_put_fields(&b, &head);
    assert_true(str_eq(buf_str(&b), STR("A: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: 5\r\nF: six\r\nG: 7\r\n"
                                        "I: 9\r\nJ: 10\r\nVia: me\r\nK: 11\r\n")));
    assert_non_null(http_head_find_id(&head, HTTP_F_VIA));
    b = buf_on(out, 30);
    h1_put_fields(&b, &head);
    assert_true(b.overflow);
}

static bool same_fields(const struct http_head *a, const struct http_head *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++)
        if (!str_eq(http_field_name(&a->fields[i]), http_field_name(&b->fields[i])) ||
            !str_eq(http_field_value(&a->fields[i]), http_field_value(&b->fields[i])))
            return false;
    return true;
}

static void what_is_written_reads_back(void **state)
{
    static struct http_head again;
    struct h1_refusal refusal;

    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
        char out[4096];
        struct buf b = buf_on(out, sizeof(out));
        uint32_t scanned = 0;

        if (request_cases[i].refusal != NULL)
            continue;
        assert_true(h1_parse_request(request_cases[i].bytes, &scanned, &h1_limits_default, &head,
                                     &refusal) > 0);
        h1_put_request_line(&b, head.method_text, head.target);
        h1_put_fields(&b, &head);
        if (!http_head_has(&head, HTTP_F_HOST))
            h1_put_field(&b, STR("Host"), STR("a"));
        h1_put_end(&b);
        assert_false(b.overflow);
        scanned = 0;
        assert_int_equal(
            h1_parse_request(buf_str(&b), &scanned, &h1_limits_default, &again, &refusal), b.len);
        assert_true(str_eq(head.target, again.target));
        assert_true(str_eq(head.path, again.path));
        assert_int_equal(head.method, again.method);
        assert_int_equal(head.body, again.body);
        if (http_head_has(&head, HTTP_F_HOST) && !http_head_has(&head, HTTP_F_CONTENT_LENGTH))
            assert_true(same_fields(&head, &again));
    }
}

static void framing_is_written_as_it_will_be_read(void **state)
{
    struct h1_refusal refusal;

    for (int kind = HTTP_BODY_NONE; kind <= HTTP_BODY_CLOSE; kind++) {
        char out[256];
        struct buf b = buf_on(out, sizeof(out));
        uint32_t scanned = 0;

        h1_put_status_line(&b, 200);
        h1_put_framing(&b, (enum http_body_kind)kind, 12345678901234);
        h1_put_end(&b);
        assert_int_equal(h1_parse_response(buf_str(&b), &scanned, &h1_limits_default,
                                           kind == HTTP_BODY_NONE ? HTTP_HEAD : HTTP_GET, &head,
                                           &refusal),
                         b.len);
        assert_int_equal(head.body, kind);
        assert_true(str_eq(head.reason, STR("OK")));
        if (kind == HTTP_BODY_LENGTH)
            assert_int_equal(head.content_length, 12345678901234);
    }
}

static void a_builder_that_is_full_holds_whole_lines(void **state)
{
    char out[20];
    struct buf b = buf_on(out, sizeof(out));

    h1_put_field(&b, STR("A"), STR("b"));
    h1_put_field(&b, STR("Long"), STR("0123456789"));
    assert_true(b.overflow);
    assert_true(str_eq(buf_str(&b), STR("A: b\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_known_by_their_exact_text),
        cmocka_unit_test(every_field_name_has_its_id_in_any_case),
        cmocka_unit_test(names_one_byte_off_are_other_fields_in_a_head),
        cmocka_unit_test(block_scans_agree_with_the_table),
        cmocka_unit_test(the_table_says_what_the_rfc_says),
        cmocka_unit_test(lists_are_searched_by_element),
        cmocka_unit_test(fields_are_found_added_and_dropped),
        cmocka_unit_test(hop_by_hop_fields_go_and_protected_ones_stay),
        cmocka_unit_test(fields_are_written_as_they_are_now),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(framing_is_written_as_it_will_be_read),
        cmocka_unit_test(a_builder_that_is_full_holds_whole_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
