/* The rules of shared caches, in exact seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "http/caching.h"

#define NOW  INT64_C(1795363200) /* Sun, 22 Nov 2026 16:00:00 GMT */
#define NONE HTTP_NO_SECONDS

/* Fields from lines "Name: value\n...". */
static void fill(struct http_head *h, const char *lines)
{
    struct str rest = str_of(lines), line;

    h->field_count = 0;
    h->seen = 0;
    while (rest.len != 0 && str_split(&rest, '\n', &line)) {
        ssize_t colon = str_find(line, ':');

        if (colon < 0)
            continue;
        assert_int_equal(
            http_head_add(h, str_n(line.ptr, (size_t)colon),
                          str_trim(str_n(line.ptr + colon + 1, line.len - (size_t)colon - 1))),
            0);
    }
}

static void dates(void **state)
{
    static const struct {
        const char *text;
        int64_t sec; /* -1: none */
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sun, 22 Nov 2026 16:00:00 GMT", NOW},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
        {"Sunday, 06-Nov-75 08:49:37 GMT", 3340255777}, /* 49 years ahead, not 51 back */
        {"Sunday, 06-Nov-77 08:49:37 GMT", 247654177},
        {"0", -1},
        {"", -1},
        {"Sun, 06 Nov 1994 08:49:37 CET", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT x", -1},
        {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nix 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49 GMT", -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t sec = -1;
        int rc = http_date_parse(str_of(cases[i].text), NOW, &sec);

        if ((rc == 0) != (cases[i].sec != -1) || sec != cases[i].sec)
            fail_msg("\"%s\": %d, %lld", cases[i].text, rc, (long long)sec);
    }
}

static void every_date_that_is_written_is_read(void **state)
{
    for (int64_t sec = 0; sec < 4 * NOW; sec += 86399 * 7) {
        char text[HTTP_DATE_LEN];
        int64_t read;

        http_date_format(sec, text);
        assert_int_equal(http_date_parse(str_n(text, sizeof(text)), NOW, &read), 0);
        assert_int_equal(read, sec);
    }
}

static void directives(void **state)
{
    static struct http_head head;
    struct http_caching c;

    fill(&head, "cache-control: Max-Age=60, NO-STORE\nCache-Control: max-age=\"30\", "
                "private=\"a, public\", s-maxage=99999999999, stale-if-error=x");
    http_caching_read(&head, &c);
    assert_int_equal(c.control.max_age, 30);
    assert_int_equal(c.control.s_maxage, HTTP_SECONDS_MAX);
    assert_int_equal(c.control.stale_if_error, 0);
    assert_int_equal(c.control.stale_while_revalidate, NONE);
    assert_true(c.control.no_store && c.control.private_ && !c.control.public_);
    fill(&head, "Cache-Control: max-stale, only-if-cached,,");
    http_caching_read(&head, &c);
    assert_int_equal(c.control.max_stale, HTTP_SECONDS_MAX);
    assert_true(c.control.only_if_cached);
    fill(&head, "Pragma: no-cache");
    http_caching_read(&head, &c);
    assert_true(c.control.no_cache);
    fill(&head, "Pragma: no-cache\nCache-Control: max-age=1");
    http_caching_read(&head, &c);
    assert_false(c.control.no_cache);
}

struct store_case {
    const char *request, *response;
    int status;
    enum http_store_verdict verdict;
    int64_t lifetime_sec, age_sec;
    int64_t default_sec, limit_sec; /* 0: none */
};

/* Responses without Date have that of their arrival. Asked at NOW - 2, answered at NOW. */
static const struct store_case store_cases[] = {
    {"", "Cache-Control: max-age=60", 200, HTTP_STORE, 60, 2, 0, 0},
    {"", "Cache-Control: max-age=60, s-maxage=9", 200, HTTP_STORE, 9, 2, 0, 0},
    {"", "Cache-Control: max-age=60\nExpires: 0", 200, HTTP_STORE, 60, 2, 0, 0},
    {"", "Expires: Sun, 22 Nov 2026 16:01:40 GMT", 200, HTTP_STORE, 100, 2, 0, 0},
    {"", "Expires: Sun, 22 Nov 2026 16:01:40 GMT\nDate: Sun, 22 Nov 2026 15:59:00 GMT", 200,
     HTTP_STORE, 160, 60, 0, 0},
    {"", "Expires: 0\nETag: \"a\"", 200, HTTP_STORE, 0, 2, 0, 0},
    {"", "Expires: 0", 200, HTTP_STORE_NOT_FRESH, 0, 0, 0, 0},
    /* age: the larger of what Date says, and of what Age says with the time on the way */
    {"", "Cache-Control: max-age=60\nAge: 20", 200, HTTP_STORE, 60, 22, 0, 0},
    {"", "Cache-Control: max-age=60\nAge: 20\nDate: Sun, 22 Nov 2026 15:59:30 GMT", 200, HTTP_STORE,
     60, 30, 0, 0},
    {"", "Cache-Control: max-age=60\nAge: x", 200, HTTP_STORE, 60, 2, 0, 0},
    {"", "Cache-Control: max-age=60\nAge: 58", 200, HTTP_STORE_NOT_FRESH, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60\nDate: Sun, 22 Nov 2026 17:00:00 GMT", 200, HTTP_STORE, 60, 2,
     0, 0},
    /* nothing says how long */
    {"", "ETag: \"a\"", 200, HTTP_STORE_NOT_FRESH, 0, 0, 0, 0},
    {"", "ETag: \"a\"", 200, HTTP_STORE, 300, 2, 300, 0},
    {"Cookie: a=b", "ETag: \"a\"", 200, HTTP_STORE_NOT_FRESH, 0, 0, 300, 0},
    {"Cookie: a=b", "Cache-Control: max-age=5", 200, HTTP_STORE, 5, 2, 300, 0},
    {"", "", 404, HTTP_STORE_NOT_FRESH, 0, 0, 300, 0},
    {"", "Cache-Control: max-age=5", 404, HTTP_STORE, 5, 2, 300, 0},
    {"", "Cache-Control: max-age=3600", 200, HTTP_STORE, 302, 2, 300, 300},
    {"", "Cache-Control: max-age=3600\nAge: 1000", 200, HTTP_STORE, 1302, 1002, 300, 300},
    /* always to be validated */
    {"", "Cache-Control: no-cache\nETag: \"a\"", 200, HTTP_STORE, 0, 2, 0, 0},
    {"", "Cache-Control: no-cache, max-age=9", 200, HTTP_STORE_NOT_FRESH, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=0\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 200, HTTP_STORE,
     0, 2, 0, 0},
    /* what is not to be stored */
    {"", "Cache-Control: max-age=60, no-store", 200, HTTP_STORE_NOT_NO_STORE, 0, 0, 0, 0},
    {"Cache-Control: no-store", "Cache-Control: max-age=60", 200, HTTP_STORE_NOT_NO_STORE, 0, 0, 0,
     0},
    {"", "Cache-Control: max-age=60, private", 200, HTTP_STORE_NOT_PRIVATE, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60, private=\"set-cookie\"", 200, HTTP_STORE_NOT_PRIVATE, 0, 0, 0,
     0},
    {"", "Cache-Control: max-age=60\nVary: Accept, *", 200, HTTP_STORE_NOT_VARY, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60", 206, HTTP_STORE_NOT_STATUS, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60", 304, HTTP_STORE_NOT_STATUS, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60", 500, HTTP_STORE_NOT_STATUS, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60", 418, HTTP_STORE_NOT_STATUS, 0, 0, 0, 0},
    /* who may see it */
    {"Authorization: x", "Cache-Control: max-age=60", 200, HTTP_STORE_NOT_AUTHORIZATION, 0, 0, 0,
     0},
    {"Authorization: x", "Cache-Control: max-age=60, public", 200, HTTP_STORE, 60, 2, 0, 0},
    {"Authorization: x", "Cache-Control: s-maxage=60", 200, HTTP_STORE, 60, 2, 0, 0},
    {"Authorization: x", "Cache-Control: max-age=60, must-revalidate", 200, HTTP_STORE, 60, 2, 0,
     0},
    {"", "Cache-Control: max-age=60\nSet-Cookie: s=1", 200, HTTP_STORE_NOT_SET_COOKIE, 0, 0, 0, 0},
    {"", "Cache-Control: max-age=60, public\nSet-Cookie: s=1", 200, HTTP_STORE, 60, 2, 0, 0},
    {"", "Cache-Control: s-maxage=60\nSet-Cookie: s=1", 200, HTTP_STORE, 60, 2, 0, 0},
};

static void storing(void **state)
{
    static struct http_head head;
    struct http_caching request, response;

    for (size_t i = 0; i < ARRAY_LEN(store_cases); i++) {
        const struct store_case *c = &store_cases[i];
        struct http_freshness f = {0};
        struct http_store_query q = {
            .method = HTTP_GET,
            .request = &request,
            .response = &response,
            .status = c->status,
            .asked_sec = NOW - 2,
            .answered_sec = NOW,
            .default_sec = c->default_sec != 0 ? c->default_sec : NONE,
            .limit_sec = c->limit_sec != 0 ? c->limit_sec : NONE,
        };
        enum http_store_verdict v;

        fill(&head, c->request);
        http_caching_read(&head, &request);
        fill(&head, c->response);
        http_caching_read(&head, &response);
        v = http_may_store(&q, &f);
        if (v != c->verdict || f.lifetime_sec != c->lifetime_sec || f.initial_age_sec != c->age_sec)
            fail_msg("row %zu \"%s\": verdict %d, lifetime %lld, age %lld", i, c->response, (int)v,
                     (long long)f.lifetime_sec, (long long)f.initial_age_sec);
        q.method = HTTP_POST;
        assert_int_equal(http_may_store(&q, &f), HTTP_STORE_NOT_METHOD);
    }
}

static void using(void **state)
{
    static const struct {
        const char *response, *request;
        int64_t age_sec;
        bool may;
    } cases[] = {
        {"max-age=60", "", 59, true},
        {"max-age=60", "", 60, false},
        {"max-age=60", "no-cache", 1, false},
        {"max-age=60", "max-age=10", 10, true},
        {"max-age=60", "max-age=10", 11, false},
        {"max-age=60", "max-age=0", 0, false},
        {"max-age=60", "min-fresh=10", 50, true},
        {"max-age=60", "min-fresh=10", 51, false},
        {"max-age=60", "max-stale=5", 65, true},
        {"max-age=60", "max-stale=5", 66, false},
        {"max-age=60", "max-stale", 100000, true},
        {"max-age=60, must-revalidate", "max-stale", 61, false},
        {"s-maxage=60", "max-stale", 61, false},
        {"max-age=60, no-cache", "", 1, false},
    };
    static struct http_head head = {.field_count = 0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_caching request, response;
        struct http_freshness f;
        struct http_store_query q = {.method = HTTP_GET,
                                     .request = &request,
                                     .response = &response,
                                     .status = 200,
                                     .asked_sec = NOW,
                                     .answered_sec = NOW,
                                     .default_sec = NONE,
                                     .limit_sec = NONE};

        head.field_count = 0;
        http_caching_read(&head, &request);
        http_caching_read(&head, &response);
        response.etag = STR("\"a\"");
        http_cache_control_add(&request.control, str_of(cases[i].request));
        http_cache_control_add(&response.control, str_of(cases[i].response));
        assert_int_equal(http_may_store(&q, &f), HTTP_STORE);
        if (http_may_use(&f, cases[i].age_sec, &request.control) != cases[i].may)
            fail_msg("row %zu: \"%s\" for \"%s\" at %lld", i, cases[i].response, cases[i].request,
                     (long long)cases[i].age_sec);
    }
}

static void using_stale(void **state)
{
    static const struct {
        bool forbidden, unless_said;
        int64_t age_sec, said_sec, granted_sec;
        bool may;
    } cases[] = {
        {false, false, 60, NONE, NONE, false}, {false, false, 90, 30, NONE, true},
        {false, false, 91, 30, NONE, false},   {false, false, 90, NONE, 30, true},
        {false, false, 95, 30, 40, true},      {false, true, 90, 30, NONE, true},
        {false, true, 90, NONE, 30, false},    {false, true, 95, 30, 40, false},
        {true, false, 61, 30, 40, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_freshness f = {.lifetime_sec = 60,
                                   .stale_forbidden = cases[i].forbidden,
                                   .stale_forbidden_unless_said = cases[i].unless_said};

        if (http_may_use_stale(&f, cases[i].age_sec, cases[i].said_sec, cases[i].granted_sec) !=
            cases[i].may)
            fail_msg("row %zu", i);
    }
}

static void conditions(void **state)
{
    static const struct {
        const char *request, *etag, *last_modified;
        bool not_modified;
    } cases[] = {
        {"If-None-Match: \"a\"", "\"a\"", NULL, true},
        {"If-None-Match: \"b\", W/\"a\"", "\"a\"", NULL, true},
        {"If-None-Match: \"b\"\nIf-None-Match: \"a\"", "W/\"a\"", NULL, true},
        {"If-None-Match: \"a,b\"", "\"b\"", NULL, false},
        {"If-None-Match: *", NULL, NULL, true},
        {"If-None-Match: \"b\"\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "\"a\"",
         "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", NULL, "Sun, 06 Nov 1994 08:49:37 GMT",
         true},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", NULL, "Sun, 06 Nov 1994 08:49:38 GMT",
         false},
        {"If-Modified-Since: nonsense", NULL, "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", NULL, NULL, false},
        {"", "\"a\"", "Sun, 06 Nov 1994 08:49:37 GMT", false},
    };
    static struct http_head head;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fill(&head, cases[i].request);
        if (http_not_modified(&head, str_of(cases[i].etag), str_of(cases[i].last_modified), NOW) !=
            cases[i].not_modified)
            fail_msg("row %zu \"%s\"", i, cases[i].request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),      cmocka_unit_test(every_date_that_is_written_is_read),
        cmocka_unit_test(directives), cmocka_unit_test(storing),
        cmocka_unit_test(using),      cmocka_unit_test(using_stale),
        cmocka_unit_test(conditions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
