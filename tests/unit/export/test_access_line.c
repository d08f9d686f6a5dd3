/* A line of the access log: what it says, and that it is one line of valid JSON whatever comes. */
#include "unit/export/setup.h"

#include <jansson.h>

#include "base/hash.h"
#include "export/access_log.h"

static struct access_record plain(void)
{
    return (struct access_record){
        .request_id = STR("0a1b"),
        .wall_ns = INT64_C(1700000000123) * NS_PER_MS,
        .client = STR("10.0.0.9:5555"),
        .listener = STR("0.0.0.0:80"),
        .method = STR("GET"),
        .host = STR("shop.example"),
        .path = STR("/orders"),
        .version_minor = 1,
        .generation = 3,
        .route = STR("orders"),
        .upstream = STR("orders-v1"),
        .endpoint = STR("10.0.1.1:8080"),
        .status = 200,
        .bytes_in = 80,
        .bytes_out = 1024,
        .total_ns = 12345678,
        .connect_ns = 0,
        .first_byte_ns = 12000999,
        .attempt_count = 1,
        .attempts = {{.endpoint = STR("10.0.1.1:8080"), .status = 200}},
    };
}

static json_t *format(const struct access_record *r)
{
    static char line[ACCESS_LOG_LINE_MAX];
    struct buf b = buf_on(line, sizeof(line));
    json_error_t error;
    json_t *j;

    access_log_format(r, &b);
    assert_false(b.overflow);
    assert_int_equal(line[b.len - 1], '\n');
    assert_ptr_equal(memchr(line, '\n', b.len), line + b.len - 1);
    j = json_loadb(line, b.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (j == NULL)
        fail_msg("%s at %d: %.*s", error.text, error.position, (int)b.len, line);
    return j;
}

static void test_a_plain_request_says_what_matters_and_no_more(void **state)
{
    static const char want[] =
        "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"id\":\"0a1b\",\"client\":\"10.0.0.9:5555\","
        "\"listener\":\"0.0.0.0:80\",\"method\":\"GET\",\"host\":\"shop.example\","
        "\"path\":\"/orders\",\"version\":\"1.1\",\"generation\":3,\"route\":\"orders\","
        "\"upstream\":\"orders-v1\",\"endpoint\":\"10.0.1.1:8080\",\"status\":200,"
        "\"bytes_in\":80,\"bytes_out\":1024,\"total_ms\":12.345,\"connect_ms\":0.000,"
        "\"first_byte_ms\":12.000}\n";
    struct access_record r = plain();
    char line[ACCESS_LOG_LINE_MAX];
    struct buf b = buf_on(line, sizeof(line));

    access_log_format(&r, &b);
    assert_int_equal(b.len, sizeof(want) - 1);
    assert_memory_equal(line, want, b.len);
}

static void test_a_failed_request_tells_its_attempts(void **state)
{
    struct access_record r = plain();
    json_t *whole, *j, *attempts;

    r.status = 504;
    r.cause = CAUSE_HTTP_RESPONSE_TIMEOUT;
    r.detail = STR("800 ms of silence");
    r.query = str_n("", 0); /* a '?' with nothing behind it */
    r.first_byte_ns = -1;
    r.attempt_count = 0;
    *access_add_attempt(&r) = (struct access_attempt){
        .endpoint = STR("a"), .outcome = CAUSE_CONNECTION_REFUSED, .duration_ns = 1500000};
    *access_add_attempt(&r) = (struct access_attempt){.endpoint = STR("b"),
                                                      .outcome = CAUSE_HTTP_RESPONSE_TIMEOUT,
                                                      .reused = true,
                                                      .not_again = STR("budget"),
                                                      .duration_ns = 800 * NS_PER_MS};
    whole = j = format(&r);
    assert_string_equal(json_string_value(json_object_get(j, "cause")), "http_response_timeout");
    assert_string_equal(json_string_value(json_object_get(j, "detail")), "800 ms of silence");
    assert_string_equal(json_string_value(json_object_get(j, "query")), "");
    assert_null(json_object_get(j, "first_byte_ms"));
    assert_int_equal(json_integer_value(json_object_get(j, "attempt_count")), 2);
    attempts = json_object_get(j, "attempts");
    assert_int_equal(json_array_size(attempts), 2);
    j = json_array_get(attempts, 0);
    assert_string_equal(json_string_value(json_object_get(j, "outcome")), "connection_refused");
    j = json_array_get(attempts, 1);
    assert_true(json_is_true(json_object_get(j, "reused")));
    assert_string_equal(json_string_value(json_object_get(j, "not_again")), "budget");
    json_decref(whole);
}

static void test_hostile_text_is_escaped(void **state)
{
    struct access_record r = plain();
    json_t *j;

    r.path = STR("/\"},{\"x\":\"\\\n\r\t\x01\x7f");
    r.user_agent = str_n("\xff\xc0\x80\xed\xa0\x80 \xe4\xbd\xa0", 10);
    r.host = str_n("a\0b", 3);
    j = format(&r);
    assert_string_equal(json_string_value(json_object_get(j, "path")),
                        "/\"},{\"x\":\"\\\n\r\t\x01\x7f");
    assert_non_null(strstr(json_string_value(json_object_get(j, "user_agent")), "\xe4\xbd\xa0"));
    assert_int_equal(json_string_length(json_object_get(j, "host")), 3);
    json_decref(j);
}

static void test_long_text_is_cut_and_marked(void **state)
{
    static char path[5000];
    struct access_record r = plain();
    const char *got;
    json_t *j;

    memset(path, 'p', sizeof(path));
    r.path = str_n(path, sizeof(path));
    j = format(&r);
    got = json_string_value(json_object_get(j, "path"));
    assert_int_equal(strlen(got), 1536 + 3);
    assert_string_equal(got + 1536, "\xe2\x80\xa6");
    json_decref(j);
    r.path.len = 1536;
    j = format(&r);
    assert_int_equal(json_string_length(json_object_get(j, "path")), 1536);
    json_decref(j);
}

/* Every text as long as can be, of one kind of byte. */
static void expect_fits(char *bytes, size_t size)
{
    struct str s = str_n(bytes, size);
    struct access_record r = {.request_id = s,
                              .client = s,
                              .listener = s,
                              .method = s,
                              .host = s,
                              .path = s,
                              .query = s,
                              .user_agent = s,
                              .route = s,
                              .upstream = s,
                              .endpoint = s,
                              .detail = s,
                              .generation = INT64_MAX,
                              .status = 599,
                              .bytes_in = INT64_MAX,
                              .bytes_out = INT64_MAX,
                              .cause = CAUSE_HTTP_RESPONSE_HEADER_SECTION_SIZE,
                              .client_reused = true,
                              .upstream_reused = true,
                              .total_ns = INT64_MAX,
                              .connect_ns = INT64_MAX,
                              .first_byte_ns = INT64_MAX,
                              .wall_ns = 1};

    for (int i = 0; i < ACCESS_ATTEMPTS_MAX + 2; i++)
        *access_add_attempt(&r) =
            (struct access_attempt){.endpoint = s,
                                    .status = 599,
                                    .reused = true,
                                    .outcome = CAUSE_HTTP_RESPONSE_HEADER_SECTION_SIZE,
                                    .not_again = s,
                                    .duration_ns = INT64_MAX};
    json_decref(format(&r));
}

static void test_any_text_fits_the_line(void **state)
{
    static const char kinds[] = {'a', '"', '\x01', '\xff', '\0', '\n'};
    static char bytes[20000];
    struct rng r;

    for (size_t i = 0; i < sizeof(kinds); i++) {
        memset(bytes, kinds[i], sizeof(bytes));
        expect_fits(bytes, sizeof(bytes));
    }
    rng_seed(&r, 11);
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)rng_next(&r);
        expect_fits(bytes, rng_below(&r, 3000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_request_says_what_matters_and_no_more),
        cmocka_unit_test(test_a_failed_request_tells_its_attempts),
        cmocka_unit_test(test_hostile_text_is_escaped),
        cmocka_unit_test(test_long_text_is_cut_and_marked),
        cmocka_unit_test(test_any_text_fits_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
