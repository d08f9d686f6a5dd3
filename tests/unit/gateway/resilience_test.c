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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
