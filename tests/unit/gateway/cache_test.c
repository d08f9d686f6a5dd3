/* Cached routes, byte for byte: what is stored, for whom, for how long; and what answers when the
 * upstream does not. */
#include "lab.h"

#include <stdlib.h>

#include <weir/scope.h>
#include <weir/sync.h>

#define GET(path)              "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_WITH(path, fields) "GET " path " HTTP/1.1\r\nHost: a\r\n" fields "\r\n\r\n"
#define OK(fields, body)       "HTTP/1.1 200 OK\r\n" fields "\r\nContent-Length: 2\r\n\r\n" body

#define ROUTE(filters)                                                                             \
    "  - {id: all, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filters "]}\n"
#define CACHED ROUTE("LocalResponseCache=0")

/* A request whose connection is not waited for until it ends. */
static void talk(struct lab *lab, const char *request)
{
    lab_talk_for(lab, request, 20 * NS_PER_MS);
}

/* ... after attempts that fail. */
static void talk_long(struct lab *lab, const char *request)
{
    lab_talk_for(lab, request, 800 * NS_PER_MS);
}

static void sleep_sec(int64_t sec)
{
    (void)weir_sleep(sec * NS_PER_SEC);
}

static void hits(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=60\r\nETag: \"v1\"\r\nX-Own: 1", "ok");
    talk(lab, GET("/a?q=1"));
    expect_client_got(lab, "\r\nCache-Status: weir; fwd=uri-miss; stored\r\n");
    sleep_sec(10);
    talk(lab, GET("/a?q=1"));
    expect(lab, lab->requests == 1);
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\nX-Own: 1\r\n");
    expect_client_got(lab, "\r\nAge: 10\r\n");
    expect_client_got(lab, "\r\nCache-Status: weir; hit; ttl=50\r\n");
    expect_client_got(lab, "\r\nContent-Length: 2\r\n\r\nok");
    talk(lab, GET("/a?q=2"));
    expect(lab, lab->requests == 2);
    talk(lab, "HEAD /a?q=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(lab, lab->requests == 2);
    expect_client_got(lab, "\r\nCache-Status: weir; hit; ");
    expect_client_not_got(lab, "\r\n\r\nok");
    talk(lab, GET_WITH("/a?q=1", "If-None-Match: \"v0\", \"v1\""));
    expect(lab, lab->requests == 2);
    expect_client_got(lab, "HTTP/1.1 304 Not Modified\r\n");
    expect_client_got(lab, "\r\nETag: \"v1\"\r\n");
    expect_client_not_got(lab, "\r\n\r\nok");
    talk(lab, "GET /a?q=1 HTTP/1.1\r\nHost: b\r\n\r\n");
    expect(lab, lab->requests == 3);
    talk(lab, GET_WITH("/a?q=1", "Range: bytes=0-0"));
    expect(lab, lab->requests == 4);
    expect_client_got(lab, "\r\nCache-Status: weir; fwd=bypass\r\n");
    sleep_sec(50);
    talk(lab, GET("/a?q=1"));
    expect(lab, lab->requests == 5);
}

static void a_fresh_response_answers_again(void **state)
{
    lab_run(hits, CACHED, NULL);
}

static void privacy(struct lab *lab)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {GET("/1"), OK("Cache-Control: private, max-age=60", "ok")},
        {GET("/2"), OK("Cache-Control: no-store", "ok")},
        {GET("/3"), OK("Cache-Control: max-age=60\r\nSet-Cookie: a=1", "ok")},
        {GET("/4"), OK("Cache-Control: max-age=60\r\nVary: *", "ok")},
        {GET_WITH("/5", "Authorization: x"), OK("Cache-Control: max-age=60", "ok")},
        {GET_WITH("/6", "Cache-Control: no-store"), OK("Cache-Control: max-age=60", "ok")},
        {GET("/7"), OK("X-Nothing: said", "ok")},
        {GET("/8"), "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nuntil the end"},
        {"POST /9 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
         OK("Cache-Control: max-age=60", "ok")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned before = lab->requests;

        lab->answer = cases[i].answer;
        lab->close_after = strstr(cases[i].answer, "until") != NULL;
        for (int j = 0; j < 2; j++) {
            talk(lab, cases[i].request);
            expect_client_not_got(lab, "; hit");
            expect_client_not_got(lab, "stored");
        }
        expect(lab, lab->requests == before + 2);
    }
}

static void what_is_not_for_all_is_not_stored(void **state)
{
    lab_run(privacy, CACHED, NULL);
}

static void validation(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=5\r\nETag: \"v1\"\r\nX-Old: 1", "ok");
    talk(lab, GET("/a"));
    sleep_sec(6);
    lab->answer = "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=7\r\nETag: \"v1\"\r\n"
                  "X-New: 1\r\n\r\n";
    talk(lab, GET_WITH("/a", "If-None-Match: \"mine\""));
    expect_origin_saw(lab, "\r\nIf-None-Match: \"v1\"\r\n");
    expect_origin_not_saw(lab, "mine");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\nX-Old: 1\r\n");
    expect_client_got(lab, "\r\nX-New: 1\r\n");
    expect_client_got(lab, "\r\nAge: 0\r\n");
    expect_client_got(lab, "\r\nCache-Status: weir; fwd=stale; fwd-status=304; ttl=7\r\n");
    expect_client_got(lab, "\r\n\r\nok");
    sleep_sec(6);
    talk(lab, GET("/a"));
    expect(lab, lab->requests == 2);
    expect_client_got(lab, "\r\nCache-Control: max-age=7\r\n");
    talk(lab, GET_WITH("/a", "Cache-Control: no-cache"));
    expect(lab, lab->requests == 3);
    lab->answer = OK("Cache-Control: max-age=5\r\nETag: \"v2\"", "v2");
    talk(lab, GET_WITH("/a", "Cache-Control: max-age=0"));
    expect_client_got(lab, "\r\n\r\nv2");
    talk(lab, GET("/a"));
    expect(lab, lab->requests == 4);
    expect_client_got(lab, "\r\n\r\nv2");
}

static void a_stale_response_is_validated(void **state)
{
    lab_run(validation, CACHED, NULL);
}

static void vary(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=60\r\nVary: X-Lang,\r\nVary: x-size", "de");
    talk(lab, GET_WITH("/a", "X-Lang: de"));
    talk(lab, GET_WITH("/a", "x-lang:  de"));
    expect(lab, lab->requests == 1);
    lab->answer = OK("Cache-Control: max-age=60\r\nVary: X-Lang, X-Size", "en");
    talk(lab, GET_WITH("/a", "X-Lang: en"));
    expect(lab, lab->requests == 2);
    expect_client_got(lab, "fwd=vary-miss; stored\r\n");
    talk(lab, GET_WITH("/a", "X-Lang: de\r\nX-Size: 1"));
    expect(lab, lab->requests == 3);
    talk(lab, GET_WITH("/a", "X-Lang: de"));
    expect_client_got(lab, "\r\n\r\nde");
    talk(lab, GET_WITH("/a", "X-Lang: en"));
    expect_client_got(lab, "\r\n\r\nen");
    expect(lab, lab->requests == 3);
    talk(lab, "DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(lab, lab->requests == 4);
    talk(lab, GET_WITH("/a", "X-Lang: de"));
    expect(lab, lab->requests == 5);
    talk(lab, GET_WITH("/b", "Cache-Control: only-if-cached"));
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: not_cached\r\n");
}

static void vary_selects_and_unsafe_methods_invalidate(void **state)
{
    lab_run(vary, CACHED, NULL);
}

static void bodies(struct lab *lab)
{
    static char large[4096];

    snprintf(large, sizeof(large),
             "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
             "800\r\n%02048d\r\n0\r\n\r\n",
             0);
    lab->answer = large;
    talk(lab, GET("/large"));
    talk(lab, GET("/large"));
    expect(lab, lab->requests == 2);
    lab->answer =
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    talk(lab, GET("/chunks"));
    talk(lab, GET("/chunks"));
    expect(lab, lab->requests == 3);
    expect_client_got(lab, "\r\nContent-Length: 5\r\n\r\nabcde");
    lab->answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nabc";
    lab->close_after = true;
    talk(lab, GET("/broken"));
    expect(lab, lab->cut);
    talk(lab, GET("/broken"));
    expect(lab, lab->requests == 5);
    expect_client_not_got(lab, "hit");
}

static void bodies_are_stored_whole_or_not_at_all(void **state)
{
    lab_run(bodies, ROUTE("{name: LocalResponseCache, args: {entrySize: 1KiB}}"), NULL);
}

/* -- when the upstream fails -- */

static void stale_if_error(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=5\r\nETag: \"v1\"", "ok");
    talk(lab, GET("/a"));
    sleep_sec(8);
    lab->answer = "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno";
    talk(lab, GET("/a"));
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\nAge: 8\r\n");
    expect_client_got(lab, "\r\nCache-Status: weir; hit; ttl=-3\r\n");
    expect_client_got(lab, "\r\n\r\nok");
    talk(lab, GET("/b"));
    expect_client_got(lab, "HTTP/1.1 503 ");
    lab->answer = NULL;
    lab->reset_after = true;
    talk_long(lab, GET("/a"));
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    sleep_sec(8);
    talk_long(lab, GET("/a"));
    expect_client_got(lab, "HTTP/1.1 502 ");
    lab->reset_after = false;
    lab->answer = OK("Cache-Control: max-age=5, must-revalidate\r\nETag: \"v1\"", "ok");
    talk(lab, GET("/c"));
    sleep_sec(6);
    lab->answer = "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno";
    talk(lab, GET("/c"));
    expect_client_got(lab, "HTTP/1.1 503 ");
}

static void an_error_is_covered_for_so_long(void **state)
{
    lab_run(stale_if_error, ROUTE("{name: LocalResponseCache, args: {staleIfError: 10s}}"), NULL);
}

static void stale_while(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=5\r\nETag: \"v1\"\r\nX-Kept: yes", "v1");
    talk(lab, GET_WITH("/a/b", "X-Mine: 1"));
    sleep_sec(6);
    lab->answer = OK("Cache-Control: max-age=5\r\nETag: \"v2\"", "v2");
    talk(lab, GET_WITH("/a/b", "X-Mine: 2\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"));
    expect_client_got(lab, "\r\n\r\nv1");
    expect_client_got(lab, "\r\nAge: 6\r\n");
    expect(lab, lab->requests == 2);
    expect_origin_saw(lab, "GET /a/b HTTP/1.1\r\n");
    expect_origin_saw(lab, "\r\nIf-None-Match: \"v1\"\r\n");
    expect_origin_saw(lab, "\r\nX-Mine: 2\r\n");
    expect_origin_not_saw(lab, "1994");
    talk(lab, GET("/a/b"));
    expect_client_got(lab, "\r\n\r\nv2");
    expect(lab, lab->requests == 2);
    sleep_sec(6);
    lab->hold = true; /* one at a time, and it keeps nobody waiting */
    for (int i = 0; i < 3; i++) {
        talk(lab, GET("/a/b"));
        expect_client_got(lab, "\r\n\r\nv2");
    }
    expect(lab, lab->requests == 3);
}

static void stale_while_revalidate_keeps_nobody_waiting(void **state)
{
    lab_run(stale_while, ROUTE("{name: LocalResponseCache, args: {staleWhileRevalidate: 30s}}"),
            NULL);
}

/* -- coalescing -- */

struct crowd {
    struct lab *lab;
    const char *request;
    unsigned hits, oks;
};

static void one_of_them(void *arg)
{
    struct crowd *c = arg;
    char text[2048];
    struct stream *s;
    ssize_t n = 0;
    size_t len = 0;

    if (stream_dial(&c->lab->gateway_addr, &s) < 0)
        return;
    (void)stream_write(s, c->request, strlen(c->request));
    WEIR_DEADLINE (weir_now() + 4 * NS_PER_SEC) {
        while (len < sizeof(text) - 1 && strstr((text[len] = 0, text), "\r\n\r\n") == NULL &&
               (n = stream_read(s, text + len, sizeof(text) - 1 - len)) > 0)
            len += (size_t)n;
    }
    text[len] = 0;
    c->oks += strncmp(text, "HTTP/1.1 200", 12) == 0;
    c->hits += strstr(text, "; hit; collapsed") != NULL;
    stream_close(s);
}

static struct crowd together(struct lab *lab, const char *request)
{
    struct crowd c = {.lab = lab, .request = request};

    WEIR_SCOPE (scope) {
        for (int i = 0; i < 20; i++)
            (void)weir_scope_go(scope, "client", one_of_them, &c);
    }
    return c;
}

static void coalescing(struct lab *lab)
{
    struct crowd c;
    int64_t begun_ns;

    lab->answer = OK("Cache-Control: max-age=60", "ok");
    lab->delay_ns = 200 * NS_PER_MS;
    c = together(lab, GET("/same"));
    expect(lab, lab->requests == 1);
    expect(lab, c.oks == 20);
    expect(lab, c.hits == 19);
    /* private answers are told apart by the first head, and are not waited for again */
    lab->answer = OK("Cache-Control: private", "ok");
    begun_ns = weir_now();
    c = together(lab, GET("/mine"));
    expect(lab, lab->requests == 21);
    expect(lab, c.oks == 20 && c.hits == 0);
    expect(lab, weir_now() - begun_ns < 600 * NS_PER_MS);
    begun_ns = weir_now();
    c = together(lab, GET("/mine"));
    expect(lab, lab->requests == 41);
    expect(lab, weir_now() - begun_ns < 300 * NS_PER_MS);
    /* who asks first and goes away leaves the others to themselves */
    lab->answer = OK("Cache-Control: max-age=60", "ok");
    lab->delay_ns = 0;
    lab->hold = true;
    c = together(lab, GET("/held"));
    expect(lab, c.oks == 0);
}

static void concurrent_misses_ask_once(void **state)
{
    lab_run(coalescing, CACHED, NULL);
}

/* -- fallbacks -- */

static void fallback_static(struct lab *lab)
{
    lab->answer = OK("Cache-Control: max-age=5", "ok");
    talk(lab, GET("/kept"));
    sleep_sec(3600);
    lab->reset_after = true;
    lab->answer = NULL;
    talk_long(lab, GET("/kept"));
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\nAge: 3600\r\n");
    talk_long(lab, GET("/other"));
    expect_client_got(lab, "HTTP/1.1 503 Service Unavailable\r\n");
    expect_client_got(lab, "\r\nX-Weir-Cause: connection_terminated\r\n");
    expect_client_got(lab, "\r\nContent-Type: text/html\r\n");
    expect_client_got(lab, "\r\n\r\n<h1>soon, again</h1>");
    lab->reset_after = false;
    lab->answer = "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad";
    talk(lab, GET("/other"));
    expect_client_got(lab, "HTTP/1.1 503 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: upstream_error_status\r\n");
    lab->answer = "HTTP/1.1 501 No\r\nContent-Length: 3\r\n\r\nbad";
    talk(lab, GET("/other"));
    expect_client_got(lab, "HTTP/1.1 501 ");
}

static void a_fixed_page_answers_last(void **state)
{
    lab_run(fallback_static,
            ROUTE("{name: Fallback, args: {steps: [stale, static], statuses: 500, "
                  "static: {contentType: text/html, body: \"<h1>soon, again</h1>\"}}}, "
                  "LocalResponseCache=0"),
            NULL);
}

static void fallback_upstream(struct lab *lab)
{
    talk_long(lab,
              GET_WITH("/x/a?q=1", "Execution-Exception-Type: forged\r\nX-Weir-Cause: forged"));
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_origin_saw(lab, "GET /new/a?q=1 HTTP/1.1\r\n");
    expect_origin_saw(lab, "\r\nX-Weir-Cause: connection_refused\r\n");
    expect_origin_saw(lab, "\r\nExecution-Exception-Type: connection_refused\r\n");
    expect_origin_not_saw(lab, "forged");
    expect_origin_saw(lab, "\r\nX-Added: 1\r\n");
    expect_origin_not_saw(lab, "\r\nX-Added: 1\r\nX-Added");
    talk_long(lab, "POST /x/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n"); /* nobody had got it */
    expect_origin_saw(lab, "\r\n\r\nabc");
    lab->reset_after = true;
    lab->answer = NULL;
    talk_long(lab, GET("/x/a"));
    expect_client_got(lab, "HTTP/1.1 204 No Content\r\n");
    expect_client_got(lab, "\r\nX-Weir-Cause: connection_terminated\r\n");
}

static void another_upstream_gets_the_request_as_it_was(void **state)
{
    lab_run(fallback_upstream,
            "  - {id: all, uri: \"http://10.0.0.9:1\", predicates: [\"Path=/**\"], filters: ["
            "\"StripPrefix=1\", \"PrefixPath=/new\", \"AddRequestHeader=X-Added, 1\", "
            "FallbackHeaders, {name: Fallback, args: {steps: \"upstream:o\", optional: true}}]}\n",
            NULL);
}

static void not_twice(struct lab *lab)
{
    lab->answer = "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad";
    talk(lab, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    expect(lab, lab->requests == 1);
    expect_client_got(lab, "HTTP/1.1 500 ");
    talk(lab, GET("/a"));
    expect(lab, lab->requests == 3);
}

static void what_may_have_been_done_is_not_sent_elsewhere(void **state)
{
    lab_run(not_twice, ROUTE("{name: Fallback, args: {steps: \"upstream:o\", statuses: 500}}"),
            NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_response_answers_again),
        cmocka_unit_test(what_is_not_for_all_is_not_stored),
        cmocka_unit_test(a_stale_response_is_validated),
        cmocka_unit_test(vary_selects_and_unsafe_methods_invalidate),
        cmocka_unit_test(bodies_are_stored_whole_or_not_at_all),
        cmocka_unit_test(an_error_is_covered_for_so_long),
        cmocka_unit_test(stale_while_revalidate_keeps_nobody_waiting),
        cmocka_unit_test(concurrent_misses_ask_once),
        cmocka_unit_test(a_fixed_page_answers_last),
        cmocka_unit_test(another_upstream_gets_the_request_as_it_was),
        cmocka_unit_test(what_may_have_been_done_is_not_sent_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
