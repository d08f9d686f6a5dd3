/* fallbackUri of CircuitBreaker: which requests go on to another route, as what, and that what the
 * first route held has been given back by then. */
#include "lab.h"

#include <stdlib.h>

#include "gateway/gateway_impl.h"
#include "telemetry/access.h"

#define GET_OF(path) "GET " path " HTTP/1.1\r\nHost: a\r\nX-Own: mine\r\nConnection: close\r\n\r\n"
#define BUSY         "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"

#define TO(uri)                                                                                    \
    "{name: CircuitBreaker, args: {statusCodes: 503, slidingWindowSize: 2, "                       \
    "minimumNumberOfCalls: 2, fallbackUri: \"" uri "\"}}"
#define ROUTE(id, upstream, path, filters)                                                         \
    "  - {id: " id ", uri: \"" upstream "\", predicates: [\"Path=" path "\"], filters: [" filters  \
    "]}\n"
#define ORDERS(filters) ROUTE("orders", "lb://o", "/orders/**", filters)
#define PAGE                                                                                       \
    ROUTE("page", "no://op", "/fallback", "SetStatus=203, \"SetResponseHeader=X-By, page\"")
#define SPARE(filters) ROUTE("spare", "lb://spare", "/fallback", filters)

/* Both upstreams are the lab's origin. */
#define TWINS                                                                                      \
    "breaker: off\n    timeouts: {connect: 100ms, first_byte: 600ms, total: 1s}\n"                 \
    "    retry: {attempts: 1}\n    endpoints: [\"10.0.0.1:8001\"]\n  - id: spare\n"                \
    "    health: off\n    timeouts: {connect: 100ms, read: 20s, first_byte: 20s, total: 60s}\n"    \
    "    breaker: off"
/* Nobody listens where o is. */
static const char dead[] = "breaker: off\n    endpoints: [\"10.0.0.9:1\"]\n"
                           "  - id: spare\n    health: off\n    breaker: off";

/* ---- what the access log would say ---- */

static struct {
    unsigned records;
    enum cause cause;
    int status;
    char route[32], from[32];
} told;

static void put(char *out, size_t size, struct str s)
{
    snprintf(out, size, STR_FMT, STR_ARG(s));
}

static void note(struct access_sink *s, const struct access_record *r)
{
    told.records++;
    told.cause = r->cause;
    told.status = r->status;
    put(told.route, sizeof(told.route), r->route);
    put(told.from, sizeof(told.from), r->fallback_from);
}

static struct access_sink sink = {.write = note};

static int listen_to_records(void **state)
{
    memset(&told, 0, sizeof(told));
    access_set_sink(&sink);
    return 0;
}

static int stop_listening(void **state)
{
    access_set_sink(NULL);
    return 0;
}

static bool told_is(const char *route, const char *from, enum cause cause)
{
    return strcmp(told.route, route) == 0 && strcmp(told.from, from) == 0 && told.cause == cause;
}

/* ---- what the operator would see ---- */

static bool shows(struct lab *lab, const char *what)
{
    struct text out = {0};
    bool found;

    expect(lab, gateway_write_policies(lab->gateway, NULL, &out) == 0);
    found = out.ptr != NULL && strstr(out.ptr, what) != NULL;
    if (!found)
        print_error("no %s in %s\n", what, out.ptr);
    text_done(&out);
    return found;
}

/* ---- who answers, and what it is told ---- */

static void fail_to_connect(struct lab *lab)
{
    lab_talk(lab, GET_OF("/orders/7?x=1"));
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_origin_saw(lab, "GET /fallback?x=1 HTTP/1.1\r\n");
    expect_origin_saw(lab, "X-Own: mine\r\n");
    expect_origin_saw(lab, "X-Weir-Cause: connection_refused\r\n");
    expect_origin_saw(lab, "Execution-Exception-Type: connection_refused\r\n");
    expect_origin_saw(lab, "X-Second: 2\r\n");
    expect_origin_not_saw(lab, "X-First");
    expect(lab, told.records == 1 && told_is("spare", "orders", CAUSE_NONE));
    expect(lab, shows(lab, "\"fallbacks\": 1"));
}

static void the_route_of_the_path_gets_the_request_as_the_client_sent_it(void **state)
{
    lab_run_upstream(fail_to_connect,
                     ORDERS(TO("forward:/fallback") ", \"SetRequestHeader=X-First, 1\", "
                                                    "\"SetPath=/elsewhere\"")
                         SPARE("FallbackHeaders, \"SetRequestHeader=X-Second, 2\""),
                     NULL, dead);
}

static void trip(struct lab *lab)
{
    lab_talk(lab, GET_OF("/orders/1"));
    lab_talk(lab, GET_OF("/orders/2"));
    expect(lab, shows(lab, "\"state\": \"open\""));
}

static void refuse(struct lab *lab)
{
    lab->answer = BUSY;
    trip(lab);
    expect(lab, lab->requests == 2);
    lab_talk(lab, GET_OF("/orders/3"));
    expect_client_got(lab, "HTTP/1.1 203 ");
    expect_client_got(lab, "X-By: page\r\n");
    expect_client_not_got(lab, "Retry-After");
    expect_client_not_got(lab, "X-Weir-Cause");
    expect(lab, lab->requests == 2 && told_is("page", "orders", CAUSE_NONE));
    expect(lab, shows(lab, "\"refused\": 1, \"fallbacks\": 3"));
}

static void an_open_breaker_leads_there(void **state)
{
    lab_run(refuse, ORDERS(TO("forward:/fallback")) PAGE, NULL);
}

static void answer_with_statuses(struct lab *lab)
{
    lab->answer = BUSY;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 203 ");
    expect_client_not_got(lab, "busy");
    lab->answer = "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nfail";
    lab_talk(lab, GET_OF("/orders/2"));
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect(lab, told_is("orders", "", CAUSE_UPSTREAM_ERROR_STATUS));
    expect(lab, lab->requests == 2 && lab->connections == 1); /* what was dropped was read */
}

static void a_status_leads_there_if_the_breaker_counts_it(void **state)
{
    lab_run(answer_with_statuses, ORDERS(TO("forward:/fallback")) PAGE, NULL);
}

/* ---- where it does not go ---- */

static void go_in_circles(struct lab *lab)
{
    lab->answer = BUSY;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 503 ");
    expect_client_got(lab, "busy");
    expect(lab, lab->requests == 2);
    expect_origin_saw(lab, "GET /fallback HTTP/1.1\r\n");
    expect(lab, told.records == 1 && told_is("again", "orders", CAUSE_UPSTREAM_ERROR_STATUS));
}

static void the_fallback_of_a_fallback_is_not_followed(void **state)
{
    lab_run(go_in_circles,
            ORDERS(TO("forward:/fallback"))
                ROUTE("again", "lb://o", "/fallback", TO("forward:/orders/1")),
            NULL);
}

static void come_back(struct lab *lab)
{
    lab->answer = BUSY;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "busy");
    expect(lab, lab->requests == 1 && told_is("orders", "", CAUSE_UPSTREAM_ERROR_STATUS));
    expect(lab, shows(lab, "\"fallbacks\": 0"));
}

static void a_route_does_not_stand_in_for_itself(void **state)
{
    lab_run(come_back, ORDERS(TO("forward:/orders/down")), NULL);
}

static void a_path_that_no_route_serves_for_this_request_leaves_the_failure(void **state)
{
    lab_run(come_back,
            ORDERS(TO("forward:/fallback")) "  - {id: x, uri: \"lb://o\", predicates: "
                                            "[Path=/fallback, Method=POST]}\n",
            NULL);
}

static void leave_while_it_runs(struct lab *lab)
{
    struct stream *s;

    lab->hold = true;
    expect(lab, stream_dial(&lab->gateway_addr, &s) == 0);
    expect(lab, stream_write(s, GET_OF("/orders/1"), strlen(GET_OF("/orders/1"))) == 0);
    weir_sleep(10 * NS_PER_MS);
    expect(lab, lab->requests == 1);
    stream_close(s);
    weir_sleep(NS_PER_SEC / 10);
    expect(lab, lab->requests == 1 && told.records == 1);
    expect(lab, told_is("orders", "", CAUSE_CLIENT_CLOSED) && told.status == 499);
}

static void leave_breaker(struct lab *lab)
{
    leave_while_it_runs(lab);
    expect(lab, shows(lab, "\"fallbacks\": 0"));
}

static void leave_fallback(struct lab *lab)
{
    leave_while_it_runs(lab);
    expect(lab, shows(lab, "\"upstream\": 0, \"static\": 0, \"empty\": 0, \"none\": 0"));
}

static void who_has_left_gets_no_other_answer(void **state)
{
    lab_run(leave_breaker, ORDERS(TO("forward:/fallback")) PAGE, NULL);
    memset(&told, 0, sizeof(told));
    lab_run(leave_fallback,
            ORDERS("{name: Fallback, args: {steps: \"upstream:o, static\", optional: true, "
                   "when: \"499, client_closed\"}}"),
            NULL);
}

/* ---- bodies ---- */

static char *post(const char *path, size_t body_bytes)
{
    char *text = malloc(body_bytes + 256);
    int n = snprintf(text, 256, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", path,
                     body_bytes);

    memset(text + n, 'b', body_bytes);
    text[(size_t)n + body_bytes] = 0;
    return text;
}

#define LARGE ((size_t)50000)

static bool ends_with_body(const struct lab *lab, size_t bytes)
{
    const char *body = strstr(lab->seen, "\r\n\r\n");

    return body != NULL && strspn(body + 4, "b") == bytes;
}

static void post_small(struct lab *lab)
{
    char *request = post("/orders/1", 100);

    lab_talk(lab, request);
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect_origin_saw(lab, "POST /fallback HTTP/1.1\r\n");
    expect(lab, ends_with_body(lab, 100));
    free(request);
}

static void a_small_body_goes_along(void **state)
{
    lab_run_upstream(post_small, ORDERS(TO("forward:/fallback")) SPARE(""), NULL, dead);
}

static void post_large(struct lab *lab)
{
    char *request = post("/orders/1", LARGE);

    for (int i = 0; i < 3; i++) { /* the connection is refused, then the breaker refuses */
        lab_talk(lab, request);
        expect_client_got(lab, "HTTP/1.1 200 ");
        expect_origin_saw(lab, "POST /fallback HTTP/1.1\r\n");
        expect(lab, ends_with_body(lab, LARGE));
        lab->seen[0] = 0;
    }
    expect(lab, lab->requests == 3 && shows(lab, "\"refused\": 1, \"fallbacks\": 3"));
    free(request);
}

static void a_large_body_goes_along_while_none_of_it_was_sent(void **state)
{
    lab_run_upstream(post_large, ORDERS(TO("forward:/fallback")) SPARE(""), NULL, dead);
}

static void post_and_fail(struct lab *lab)
{
    char *request = post("/orders/1", LARGE);

    lab->answer = BUSY;
    lab_talk(lab, request);
    expect_client_got(lab, "HTTP/1.1 503 ");
    expect_client_got(lab, "busy");
    expect(lab, lab->requests == 1 && told_is("orders", "", CAUSE_UPSTREAM_ERROR_STATUS));
    expect(lab, shows(lab, "\"fallbacks\": 0"));
    free(request);
}

static void a_body_that_is_gone_leaves_the_failure(void **state)
{
    lab_run(post_and_fail, ORDERS(TO("forward:/fallback")) PAGE, NULL);
}

/* ---- time ---- */

static void run_out_of_time(struct lab *lab)
{
    int64_t begun_ns = weir_now();

    lab->hold = true;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect(lab, lab->requests == 2);
    expect_origin_saw(lab, "GET /fallback HTTP/1.1\r\n");
    expect(lab, told_is("spare", "orders", CAUSE_DEADLINE_EXCEEDED));
    expect(lab, weir_now() - begun_ns >= NS_PER_SEC);
    expect(lab, weir_now() - begun_ns < 1100 * NS_PER_MS);
}

static void the_deadline_of_the_first_route_goes_on_counting(void **state)
{
    lab_run_upstream(run_out_of_time, ORDERS(TO("forward:/fallback")) SPARE(""), NULL, TWINS);
}

#define SLOW "breaker: off\n    timeouts: {connect: 100ms, read: 20s, first_byte: 20s, total: 1s}"

static void have_no_time_left(struct lab *lab)
{
    lab->hold = true;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect(lab, lab->requests == 1);
    expect(lab, told_is("orders", "", CAUSE_DEADLINE_EXCEEDED));
}

static void answer_at_once(struct lab *lab)
{
    lab->hold = true;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 203 ");
    expect(lab, told_is("page", "orders", CAUSE_NONE));
}

static void without_time_left_only_the_gateway_itself_answers(void **state)
{
    lab_run_upstream(have_no_time_left,
                     ORDERS(TO("forward:/fallback")) ROUTE("spare", "lb://o", "/fallback", ""),
                     NULL, SLOW);
    lab_run_upstream(answer_at_once, ORDERS(TO("forward:/fallback")) PAGE, NULL, SLOW);
}

/* ---- what is held ---- */

#define BULKHEADS "\"Bulkhead=1, 0\", {name: AdaptiveConcurrency}, "

static void wait_in_the_second(struct lab *lab)
{
    struct stream *s;

    lab->hold = true;
    expect(lab, stream_dial(&lab->gateway_addr, &s) == 0);
    expect(lab, stream_write(s, GET_OF("/orders/1"), strlen(GET_OF("/orders/1"))) == 0);
    weir_sleep(500 * NS_PER_MS);
    expect(lab, lab->requests == 1);
    expect_origin_saw(lab, "GET /fallback ");
    expect(lab, shows(lab, "\"id\": \"orders/Bulkhead\", \"kind\": \"bulkhead\", \"disabled\": "
                           "false, \"refused_total\": 0, \"running\": 0"));
    expect(lab, shows(lab, "\"id\": \"spare/Bulkhead\", \"kind\": \"bulkhead\", \"disabled\": "
                           "false, \"refused_total\": 0, \"running\": 1"));
    lab_talk(lab, GET_OF("/orders/2"));
    expect_client_got(lab, "X-Weir-Cause: bulkhead_full\r\n");
    expect(lab, told_is("spare", "orders", CAUSE_BULKHEAD_FULL));
    stream_close(s);
    weir_sleep(500 * NS_PER_MS);
    lab->hold = false;
    for (int i = 0; i < 5; i++) {
        lab_talk(lab, GET_OF("/orders/3"));
        expect_client_got(lab, "HTTP/1.1 200 ");
    }
    expect(lab, shows(lab, "\"id\": \"orders/Bulkhead\", \"kind\": \"bulkhead\", \"disabled\": "
                           "false, \"refused_total\": 0, \"running\": 0"));
    expect(lab, shows(lab, "\"id\": \"spare/Bulkhead\", \"kind\": \"bulkhead\", \"disabled\": "
                           "false, \"refused_total\": 1, \"running\": 0"));
}

static void each_route_holds_its_own_while_it_answers(void **state)
{
    for (lab_seed = 1; lab_seed <= 5; lab_seed++)
        lab_run_upstream(wait_in_the_second,
                         ORDERS(BULKHEADS TO("forward:/fallback"))
                             SPARE(BULKHEADS TO("forward:/orders/1")),
                         NULL, dead);
    lab_seed = 1;
}

static void store_the_other_answer(struct lab *lab)
{
    lab->answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok";
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "Cache-Status: weir; fwd=uri-miss; stored\r\n");
    lab_talk(lab, GET_OF("/orders/2"));
    expect_client_got(lab, "Cache-Status: weir; hit; ttl=60\r\n");
    expect(lab, lab->requests == 1 && told_is("spare", "orders", CAUSE_NONE));
    expect(lab, shows(lab, "\"fallbacks\": 2"));
}

static void an_answer_is_stored_where_it_was_given(void **state)
{
    lab_run_upstream(store_the_other_answer,
                     ORDERS("LocalResponseCache, " TO("forward:/fallback"))
                         SPARE("LocalResponseCache"),
                     NULL, dead);
}

static void know_it_from_before(struct lab *lab)
{
    lab->answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=1\r\nContent-Length: 3\r\n\r\nold";
    lab_talk(lab, GET_OF("/orders/1"));
    weir_sleep(5 * NS_PER_SEC);
    lab->answer = BUSY;
    lab_talk(lab, GET_OF("/orders/1"));
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect_client_got(lab, "\r\n\r\nold");
    expect(lab, told_is("orders", "", CAUSE_NONE) && shows(lab, "\"fallbacks\": 0"));
}

static void what_is_stored_goes_before_another_route(void **state)
{
    lab_run(know_it_from_before,
            ORDERS("{name: LocalResponseCache, args: {staleIfError: 1h}}, " TO("forward:/fallback"))
                PAGE,
            NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, listen_to_records, stop_listening)
    const struct CMUnitTest tests[] = {
        TEST(the_route_of_the_path_gets_the_request_as_the_client_sent_it),
        TEST(an_open_breaker_leads_there),
        TEST(a_status_leads_there_if_the_breaker_counts_it),
        TEST(the_fallback_of_a_fallback_is_not_followed),
        TEST(a_route_does_not_stand_in_for_itself),
        TEST(a_path_that_no_route_serves_for_this_request_leaves_the_failure),
        TEST(who_has_left_gets_no_other_answer),
        TEST(a_small_body_goes_along),
        TEST(a_large_body_goes_along_while_none_of_it_was_sent),
        TEST(a_body_that_is_gone_leaves_the_failure),
        TEST(the_deadline_of_the_first_route_goes_on_counting),
        TEST(without_time_left_only_the_gateway_itself_answers),
        TEST(each_route_holds_its_own_while_it_answers),
        TEST(an_answer_is_stored_where_it_was_given),
        TEST(what_is_stored_goes_before_another_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
