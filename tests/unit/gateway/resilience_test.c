/* What the gateway does about an endpoint that fails, in virtual time. */
#include "lab.h"

#define GET_X   "GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define FAILING "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"

static void ask(struct lab *lab, const char *answer)
{
    lab->answer = answer;
    lab_talk_for(lab, GET_X, 10 * NS_PER_MS);
}

static void ask_times(struct lab *lab, unsigned times, const char *answer)
{
    for (unsigned i = 0; i < times; i++)
        ask(lab, answer);
}

static void expect_open(struct lab *lab, const char *retry_after)
{
    unsigned before = lab->requests;

    ask(lab, OK);
    expect(lab, lab->requests == before);
    expect_client_got(lab, "HTTP/1.1 503 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: circuit_open\r\n");
    expect_client_got(lab, retry_after);
}

static void expect_ok(struct lab *lab)
{
    ask(lab, OK);
    expect_client_got(lab, "HTTP/1.1 200 ");
}

static void five_failures(struct lab *lab)
{
    ask_times(lab, 4, FAILING);
    expect_ok(lab);
    ask_times(lab, 5, FAILING);
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect_open(lab, "\r\nRetry-After: 30\r\n");
    weir_sleep(20 * NS_PER_SEC);
    expect_open(lab, "\r\nRetry-After: 10\r\n");
    weir_sleep(10 * NS_PER_SEC);
    ask(lab, FAILING); /* the probe */
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect_open(lab, "\r\nRetry-After: 30\r\n");
    weir_sleep(30 * NS_PER_SEC);
    expect_ok(lab);
    ask_times(lab, 4, FAILING);
    expect_ok(lab);
}

static void five_failures_in_a_row_open_it_and_a_probe_closes_it(void **state)
{
    lab_run_upstream(five_failures, NULL, NULL, "breaker: {min_calls: 100}");
}

static uint32_t share(struct lab *lab)
{
    struct gateway_view v;
    struct arena a;
    uint32_t permille = 0;

    arena_init(&a, NULL, 0, 1 * MIB);
    expect(lab, gateway_view(lab->gateway, &a, &v) == 0);
    permille = v.upstreams[0].endpoints[0].share_permille;
    gateway_view_done(&v);
    arena_done(&a);
    return permille;
}

static void closes_and_starts_slowly(struct lab *lab)
{
    ask_times(lab, 5, FAILING);
    expect_open(lab, "\r\nRetry-After: 30\r\n");
    expect(lab, share(lab) == 1000);
    weir_sleep(30 * NS_PER_SEC);
    expect_ok(lab); /* the probe, after which it is closed */
    expect(lab, share(lab) >= 100 && share(lab) < 102);
    weir_sleep(5 * NS_PER_SEC);
    expect(lab, share(lab) >= 550 && share(lab) < 552);
    weir_sleep(5 * NS_PER_SEC);
    expect(lab, share(lab) == 1000);
}

static void a_breaker_that_closes_starts_slowly(void **state)
{
    lab_run_upstream(closes_and_starts_slowly, NULL, NULL,
                     "slow_start: 10s\n    breaker: {min_calls: 100, probes: 1}");
}

static void client_errors(struct lab *lab)
{
    ask_times(lab, 30, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    ask_times(lab, 30, "HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n");
    expect_ok(lab);
}

static void answers_of_4xx_are_no_failures(void **state)
{
    lab_run_upstream(client_errors, NULL, NULL, "breaker: on");
}

static void shares(struct lab *lab)
{
    for (unsigned i = 0; i < 9; i++) {
        ask(lab, OK);
        ask(lab, FAILING);
    }
    expect_ok(lab);
    ask(lab, FAILING); /* the tenth of twenty */
    expect_open(lab, "\r\nRetry-After: 30\r\n");
}

static void half_of_twenty_open_it(void **state)
{
    lab_run_upstream(shares, NULL, NULL, "breaker: {failures: 0}");
}

static void black_hole(struct lab *lab)
{
    lab->hold = true;
    lab_talk(lab, GET_X);
    expect(lab, lab->requests == 3);
    expect_client_got(lab, "HTTP/1.1 504 ");
    lab->hold = false;
    expect_open(lab, "\r\nRetry-After: 2"); /* some seconds have gone */
}

static void three_failed_attempts_of_one_request_open_it(void **state)
{
    lab_run_upstream(black_hole, NULL, NULL, "timeouts: {read: 100ms}");
}

static void broken_bodies(struct lab *lab)
{
    lab->close_after = true;
    ask_times(lab, 10, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf");
    lab->close_after = false;
    expect_open(lab, "\r\nRetry-After: 30\r\n");
}

static void responses_that_break_off_are_failures(void **state)
{
    lab_run_upstream(broken_bodies, NULL, NULL, "breaker: on");
}

static void silent_clients(struct lab *lab)
{
    lab->hold = true;
    for (unsigned i = 0; i < 10; i++)
        lab_talk_for(lab, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", NS_PER_SEC);
    lab->hold = false;
    expect_ok(lab);
}

static void clients_that_break_off_are_not_held_against_it(void **state)
{
    lab_run_upstream(silent_clients, NULL, NULL, "breaker: on");
}

static void switched_off(struct lab *lab)
{
    ask_times(lab, 40, FAILING);
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect_ok(lab);
}

static void without_breakers_nothing_is_kept_back(void **state)
{
    lab_run_upstream(switched_off, NULL, NULL, "breaker: off");
}

#define ROUTE_WITH(filter)                                                                         \
    "  - {id: all, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filter "]}\n"
#define UNAVAILABLE "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"

static unsigned sends_of(struct lab *lab, const char *request)
{
    unsigned before = lab->requests;

    lab_talk(lab, request);
    return lab->requests - before;
}

static void statuses(struct lab *lab)
{
    lab->answer = UNAVAILABLE;
    expect(lab, sends_of(lab, GET_X) == 3);
    expect_client_got(lab, "HTTP/1.1 503 ");
    expect_client_not_got(lab, "X-Weir-Cause");
    expect_origin_saw(lab, "\r\nX-Weir-Attempt: 3\r\n");
    expect(lab, sends_of(lab, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab") == 1);
    expect_origin_not_saw(lab, "X-Weir-Attempt");
    expect(lab, sends_of(lab, "POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: \"k\"\r\n"
                              "Content-Length: 2\r\n\r\nab") == 3);
    expect(lab, sends_of(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Weir-Attempt: 2\r\n\r\n") == 1);
    expect_origin_saw(lab, "\r\nX-Weir-Attempt: 2\r\n");
    lab->answer = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
    expect(lab, sends_of(lab, GET_X) == 1);
    lab->answer = OK;
    expect(lab, sends_of(lab, GET_X) == 1);
}

static void what_is_safe_is_sent_again_after_a_bad_status(void **state)
{
    lab_run(statuses, ROUTE_WITH("Retry=2"), NULL);
}

static void listed(struct lab *lab)
{
    lab->answer = UNAVAILABLE;
    expect(lab, sends_of(lab, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab") == 2);
    expect(lab, sends_of(lab, GET_X) == 1);
    lab->answer = FAILING;
    expect(lab, sends_of(lab, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab") == 1);
}

static void statuses_and_methods_can_be_listed(void **state)
{
    lab_run(listed,
            ROUTE_WITH("{name: Retry, args: {retries: 1, statuses: [SERVICE_UNAVAILABLE, 429], "
                       "series: [], methods: POST, backoff: {firstBackoff: 10ms}}}"),
            NULL);
}

static void asked_to_wait(struct lab *lab)
{
    lab->answer = "HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    lab_talk_for(lab, GET_X, 2500 * NS_PER_MS);
    expect(lab, lab->requests == 3);
    lab->answer = "HTTP/1.1 503 No\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n";
    expect(lab, sends_of(lab, GET_X) == 1); /* its deadline is before that */
    expect_client_got(lab, "\r\nRetry-After: 20\r\n");
}

static void a_retry_waits_for_retry_after_but_not_past_the_deadline(void **state)
{
    lab_run(asked_to_wait, ROUTE_WITH("Retry=2"), NULL);
}

static void route_breaker(struct lab *lab)
{
    ask_times(lab, 4, FAILING);
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect_open(lab, "\r\nRetry-After: 5\r\n");
    weir_sleep(5 * NS_PER_SEC);
    ask(lab, FAILING);
    expect_open(lab, "\r\nRetry-After: 5\r\n");
    weir_sleep(5 * NS_PER_SEC);
    expect_ok(lab);
    ask_times(lab, 40, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    expect_ok(lab);
}

static void the_breaker_of_a_route_counts_what_clients_get(void **state)
{
    lab_run(route_breaker,
            ROUTE_WITH("{name: CircuitBreaker, args: {name: c, minimumNumberOfCalls: 4, "
                       "slidingWindowSize: 4, waitDurationInOpenState: PT5S, "
                       "permittedNumberOfCallsInHalfOpenState: 1}}"),
            NULL);
}

static void deadlines(struct lab *lab)
{
    expect_status(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Timeout: 250\r\n\r\n", 200);
    expect_origin_saw(lab, "\r\nX-Timeout: 2"); /* what is left of 250 ms */
    lab_talk(lab, GET_X);
    expect_origin_saw(lab, "\r\nX-Timeout: "); /* of the three seconds that we wait */
    expect_status(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Timeout: soon\r\n\r\n", 200);
    expect(lab, sends_of(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Timeout: 0\r\n\r\n") == 0);
    expect_client_got(lab, "\r\nX-Weir-Cause: deadline_exceeded\r\n");
    lab->hold = true;
    lab_talk_for(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Timeout: 50m\r\n\r\n", 100 * NS_PER_MS);
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: deadline_exceeded\r\n");
}

static void a_deadline_shrinks_and_travels_on(void **state)
{
    lab_run_upstream(deadlines, NULL, NULL, "timeouts: {deadline_header: X-Timeout}");
}

static void impatient(struct lab *lab)
{
    lab->hold = true;
    for (unsigned i = 0; i < 20; i++)
        lab_talk_for(lab, "GET /x HTTP/1.1\r\nHost: a\r\nX-Timeout: 5\r\n\r\n", 20 * NS_PER_MS);
    lab->hold = false;
    expect_ok(lab);
}

static void an_impatient_client_does_not_open_breakers(void **state)
{
    lab_run_upstream(impatient, NULL, NULL, "timeouts: {deadline_header: X-Timeout}");
}

static void tries(struct lab *lab)
{
    lab->hold = true;
    lab_talk_for(lab, GET_X, 150 * NS_PER_MS);
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect_client_got(lab, "\r\nX-Weir-Cause: http_response_timeout\r\n");
}

static void one_try_is_bounded_as_a_whole(void **state)
{
    lab_run_upstream(tries, NULL, NULL, "timeouts: {per_try: 100ms}\n    retry: {attempts: 1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_open_it_and_a_probe_closes_it),
        cmocka_unit_test(answers_of_4xx_are_no_failures),
        cmocka_unit_test(half_of_twenty_open_it),
        cmocka_unit_test(three_failed_attempts_of_one_request_open_it),
        cmocka_unit_test(responses_that_break_off_are_failures),
        cmocka_unit_test(clients_that_break_off_are_not_held_against_it),
        cmocka_unit_test(without_breakers_nothing_is_kept_back),
        cmocka_unit_test(what_is_safe_is_sent_again_after_a_bad_status),
        cmocka_unit_test(statuses_and_methods_can_be_listed),
        cmocka_unit_test(a_retry_waits_for_retry_after_but_not_past_the_deadline),
        cmocka_unit_test(the_breaker_of_a_route_counts_what_clients_get),
        cmocka_unit_test(a_deadline_shrinks_and_travels_on),
        cmocka_unit_test(an_impatient_client_does_not_open_breakers),
        cmocka_unit_test(one_try_is_bounded_as_a_whole),
        cmocka_unit_test(a_breaker_that_closes_starts_slowly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
