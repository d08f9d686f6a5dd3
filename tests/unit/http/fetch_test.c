/* <weir/http.h>: the client. */
#include "http/url.h"
#include "site.h"

static void url_is(const char *text, const char *authority, const char *address, const char *target)
{
    struct url u;

    assert_int_equal(url_parse(text, &u), 0);
    assert_true(str_eq(u.authority, str_of(authority)));
    assert_string_equal(u.address, address);
    assert_true(str_eq(u.target, str_of(target)));
}

static void urls_are_taken_apart(void **state)
{
    static const char *const wrong[] = {
        "",
        "http",
        "http:/a",
        "//a/b",
        "a.example",
        "http://",
        "http:///path",
        "http://:1",
        "http://u@h/",
        "http://h:x/",
        "http://[::1",
        "http://h h/",
        "http://h/a b",
        "http://h/\x7f",
        "http://h/\xc3\xa4",
    };
    char long_url[400];
    struct url u;

    url_is("http://h", "h", "h:80", "");
    url_is("HTTP://h:81/a?b#c", "h:81", "h:81", "/a?b");
    url_is("http://[::1]", "[::1]", "[::1]:80", "");
    url_is("http://[::1]:81?x", "[::1]:81", "[::1]:81", "?x");
    url_is("http://127.0.0.1#f", "127.0.0.1", "127.0.0.1:80", "");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(url_parse(wrong[i], &u), -EINVAL);
    assert_int_equal(url_parse("https://h/", &u), -EPROTONOSUPPORT);
    assert_int_equal(url_parse("ftp://h/", &u), -EPROTONOSUPPORT);
    memset(long_url, 'a', sizeof(long_url));
    memcpy(long_url, "http://", 7);
    long_url[sizeof(long_url) - 1] = '\0';
    assert_int_equal(url_parse(long_url, &u), -EINVAL);
}

static int show(struct weir_http_request *q, struct weir_http_response *r)
{
    const char *body, *extra = weir_http_header(q, "X-Extra");
    int error = weir_http_body(q, &body, NULL);

    if (error != 0)
        return error;
    weir_http_set_header(r, "X-Twice", "one");
    weir_http_add_header(r, "X-Twice", "two");
    weir_http_status(r, 202);
    return weir_http_printf(r, "%s %s host=%s extra=%s body=%s", weir_http_method(q),
                            weir_http_target(q), weir_http_header(q, "Host"),
                            extra != NULL ? extra : "-", body);
}

static void call_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = show};
    struct weir_http_client *c = weir_http_client_new();
    static const char *const headers[] = {"X-Extra", "yes", "Host", "other", NULL};
    struct sim_stats stats;

    WEIR_SCOPE (scope) {
        struct weir_http_reply *reply;
        char url[100];
        struct weir_http_call call = {
            .method = "PUT", .url = url, .headers = headers, .body = "text", .body_bytes = 4};

        site_open(&site, scope);
        lab_bad_link(lab);
        snprintf(url, sizeof(url), "%s?q#fragment", site.url);
        CHECK_EQ(weir_http_do(c, &call, &reply), 0);
        CHECK_EQ(reply->status, 202);
        CHECK(body_is(reply, "PUT /?q host=other extra=yes body=text"));
        CHECK_EQ(strcmp(weir_http_reply_header(reply, "x-twice"), "one"), 0);
        CHECK(weir_http_reply_header(reply, "Date") != NULL);
        CHECK(weir_http_reply_header(reply, "X-None") == NULL);
        weir_http_reply_free(reply);
        for (int i = 0; i < 3; i++) {
            reply = site_get(&site, c, "/a");
            CHECK(strstr(reply->body, "GET /a host=10.0.0.1:80 extra=- body=") != NULL);
            weir_http_reply_free(reply);
        }
        sim_get_stats(lab->sim, &stats);
        CHECK_EQ(stats.accepts, 1); /* all on one connection */
        reply = site_get(&site, NULL, "/b");
        CHECK(body_is(reply, "GET /b host=10.0.0.1:80 extra=- body="));
        weir_http_reply_free(reply);
        sim_get_stats(lab->sim, &stats);
        CHECK_EQ(stats.accepts, 2);
        weir_http_client_free(c);
        weir_scope_cancel(scope);
    }
    weir_http_reply_free(NULL);
    weir_http_client_free(NULL);
}

static void calls_carry_everything_and_keep_their_connection(void **state)
{
    lab_run_seeds(20, call_body);
}

static void refused_body(struct lab *lab)
{
    static const char *const evil[] = {"X", "a\r\nY: b", NULL}, *const name[] = {"X Y", "a", NULL},
                             *const framing[] = {"Content-Length", "3", NULL},
                             *const half[] = {"X", NULL};
    const struct {
        struct weir_http_call call;
        int error;
    } cases[] = {
        {{.url = "http://10.0.0.1:1/"}, -ECONNREFUSED},
        {{.url = "nonsense"}, -EINVAL},
        {{.url = "https://h/"}, -EPROTONOSUPPORT},
        {{.url = "http://10.0.0.1/", .method = "A B"}, -EINVAL},
        {{.url = "http://10.0.0.1/", .method = ""}, -EINVAL},
        {{.url = "http://10.0.0.1/", .method = "CONNECT"}, -EINVAL},
        {{.url = "http://10.0.0.1/", .headers = evil}, -EINVAL},
        {{.url = "http://10.0.0.1/", .headers = name}, -EINVAL},
        {{.url = "http://10.0.0.1/", .headers = framing}, -EINVAL},
        {{.url = "http://10.0.0.1/", .headers = half}, -EINVAL},
    };
    struct weir_http_reply *reply = NULL;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_EQ(weir_http_do(NULL, &cases[i].call, &reply), cases[i].error);
    CHECK(reply == NULL);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    lab_run_seeds(2, refused_body);
}

static int hundred(struct weir_http_request *q, struct weir_http_response *r)
{
    if (weir_http_query(q, "slow") != NULL)
        return weir_sleep(10 * NS_PER_SEC);
    for (int i = 0; i < 100; i++)
        weir_http_puts(r, "0123456789");
    return weir_http_query(q, "chunked") != NULL ? weir_http_flush(r) : 0;
}

static void bounds_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = hundred};
    struct weir_http_client *c = weir_http_client_new();

    WEIR_SCOPE (scope) {
        struct weir_http_reply *reply;
        char url[100];
        struct weir_http_call call = {.url = url};

        site_open(&site, scope);
        lab_bad_link(lab);
        for (int i = 0; i < 4; i++) {
            snprintf(url, sizeof(url), "%s/%s", site.url, i % 2 == 0 ? "" : "?chunked");
            call.reply_max = i < 2 ? 999 : 1000;
            CHECK_EQ(weir_http_do(c, &call, &reply), i < 2 ? -E2BIG : 0);
            if (i >= 2) {
                CHECK_EQ(reply->body_bytes, 1000);
                weir_http_reply_free(reply);
            }
        }
        snprintf(url, sizeof(url), "%s/?slow", site.url);
        WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
            CHECK_EQ(weir_http_do(c, &call, &reply), -ETIMEDOUT);
        }
        reply = site_get(&site, c, "/"); /* not on the connection that still owes an answer */
        CHECK_EQ(reply->body_bytes, 1000);
        weir_http_reply_free(reply);
        weir_http_client_free(c);
        weir_scope_cancel(scope);
    }
}

static void replies_are_bounded_in_size_and_time(void **state)
{
    lab_run_seeds(10, bounds_body);
}

/* A server that answers one request on each connection and closes it, without having said so. */
static void serve_once(void *arg)
{
    struct weir_listener *l = arg;
    struct weir_conn *c;

    while (weir_accept(l, &c) == 0) {
        char request[1000];

        if (weir_conn_read(c, request, sizeof(request)) > 0)
            weir_conn_write(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40);
        weir_conn_close(c);
    }
}

static void closed_body(struct lab *lab)
{
    struct weir_http_client *c = weir_http_client_new();
    struct weir_listener *l;

    CHECK_EQ(weir_listen("10.0.0.1:80", &l), 0);
    WEIR_SCOPE (scope) {
        static const char *const methods[] = {"GET", "POST", "POST", "GET", "GET"};

        CHECK_EQ(weir_scope_go(scope, "once", serve_once, l), 0);
        for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
            struct weir_http_call call = {.method = methods[i], .url = "http://10.0.0.1/"};
            struct weir_http_reply *reply;

            CHECK_EQ(weir_http_do(c, &call, &reply), 0);
            CHECK(body_is(reply, "ok"));
            weir_http_reply_free(reply);
            /* The end of the connection has come, or is on its way for what can be repeated. */
            if (strcmp(methods[i], "POST") == 0 || rng_below(&lab->rng, 2) == 0)
                CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
            else if (i + 1 < ARRAY_LEN(methods) && strcmp(methods[i + 1], "POST") == 0)
                CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
        }
        weir_scope_cancel(scope);
    }
    weir_http_client_free(c);
    weir_listener_close(l);
}

static void a_kept_connection_that_was_closed_is_no_failure(void **state)
{
    lab_run_seeds(100, closed_body);
}

struct many {
    struct site *site;
    struct weir_http_client *client;
    int done;
};

static void ask_often(void *arg)
{
    struct many *m = arg;

    for (int i = 0; i < 5; i++) {
        struct weir_http_reply *reply = site_get(m->site, m->client, "/x");

        CHECK(strstr(reply->body, "GET /x ") != NULL);
        weir_http_reply_free(reply);
        CHECK_EQ(weir_sleep(i * 100 * NS_PER_US), 0);
    }
    __atomic_fetch_add(&m->done, 1, __ATOMIC_RELAXED);
}

enum { MANY = 50 };

static void many_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = show};
    struct many m = {&site, weir_http_client_new(), 0};
    struct sim_stats stats;

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        WEIR_SCOPE (askers) {
            for (int i = 0; i < MANY; i++)
                CHECK_EQ(weir_scope_go(askers, "asker", ask_often, &m), 0);
        }
        CHECK_EQ(m.done, MANY);
        if (lab->sim != NULL) {
            CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
            sim_get_stats(lab->sim, &stats);
            CHECK(stats.open_sockets <= 1 + 2 * 16); /* the listener, and what is kept */
        }
        weir_http_client_free(m.client);
        weir_scope_cancel(scope);
    }
}

static void many_share_a_client_that_keeps_few_connections(void **state)
{
    lab_run_seeds(10, many_body);
    lab_run(0, many_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(calls_carry_everything_and_keep_their_connection),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(replies_are_bounded_in_size_and_time),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_no_failure),
        cmocka_unit_test(many_share_a_client_that_keeps_few_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
