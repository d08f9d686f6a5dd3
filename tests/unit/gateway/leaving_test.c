/* Clients that leave while their request waits: the wait ends at once, what was taken is given back
 * once, the record says client_closed, and nobody else is blamed or kept waiting. */
#include "lab.h"

#include <weir/scope.h>

#include "gateway/gateway_impl.h"
#include "telemetry/access.h"

#define GET_OF(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define GET          GET_OF("/")

#define ROUTE(filters)                                                                             \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filters "]}\n"

#define PACED                                                                                      \
    "  - id: r\n    uri: lb://o\n    predicates: [\"Path=/**\"]\n    filters:\n"                   \
    "      - {name: RequestRateLimiter, args: {replenishRate: 1, mode: pace, queue: 5}}\n"

/* Virtual time in which the gateway has heard what has been sent to it. */
#define SOON (10 * NS_PER_MS)

/* ---- what the access log would say ---- */

static struct {
    unsigned records, gone; /* gone: client_closed, 499 */
    int64_t last_ns;
} told;

static void note(struct access_sink *s, const struct access_record *r)
{
    told.records++;
    told.gone += r->cause == CAUSE_CLIENT_CLOSED && r->status == 499;
    told.last_ns = weir_now();
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

/* ---- clients ---- */

static struct stream *ask(struct lab *lab, const char *bytes)
{
    struct stream *s = NULL;

    expect(lab, stream_dial(&lab->gateway_addr, &s) == 0);
    expect(lab, stream_write(s, bytes, strlen(bytes)) == 0);
    weir_sleep(SOON);
    return s;
}

/* All that comes in so long. */
static void hear(struct lab *lab, struct stream *s, int64_t ns)
{
    size_t len = 0;
    ssize_t n;

    WEIR_DEADLINE (weir_now() + ns) {
        while ((n = stream_read(s, lab->reply + len, LAB_TEXT - 1 - len)) > 0)
            len += (size_t)n;
    }
    lab->reply[len] = 0;
}

static unsigned replies(const struct lab *lab)
{
    unsigned n = 0;

    for (const char *p = lab->reply; (p = strstr(p, "HTTP/1.1 200 ")) != NULL; p++)
        n++;
    return n;
}

/* ---- in a queue ---- */

static void leave_the_queue(struct lab *lab)
{
    struct stream *first, *second, *third;

    lab->hold = true;
    first = ask(lab, GET_OF("/first"));
    second = ask(lab, GET_OF("/second"));
    lab->hold = false;
    third = ask(lab, GET_OF("/third"));
    expect(lab, shows(lab, "\"running\": 1, \"running_max\": 1, \"waiting\": 2"));
    stream_close(second);
    weir_sleep(SOON);
    expect(lab, told.gone == 1 && told.records == 1);
    expect(lab, shows(lab, "\"running\": 1, \"running_max\": 1, \"waiting\": 1"));
    expect(lab, shows(lab, "\"refused_total\": 0"));
    stream_reset(first);
    hear(lab, third, NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect_origin_saw(lab, "GET /third ");
    expect(lab, lab->requests == 2);
    expect(lab, told.gone == 2 && told.records == 3);
    expect(lab, shows(lab, "\"running\": 0, \"running_max\": 1, \"waiting\": 0"));
    stream_close(third);
}

static void the_next_in_line_is_served(void **state)
{
    lab_run(leave_the_queue, ROUTE("\"Bulkhead=1, 5, 60s\""), NULL);
}

static void close_twice(struct lab *lab)
{
    struct stream *first, *second;

    lab->hold = true;
    first = ask(lab, GET);
    second = ask(lab, GET);
    stream_close(second);
    stream_close(first);
    weir_sleep(SOON);
    expect(lab, told.gone == 2 && lab->requests == 1);
    expect(lab, shows(lab, "\"running\": 0, \"running_max\": 1, \"waiting\": 0"));
}

static void a_place_in_a_queue_is_given_up_at_once(void **state)
{
    lab_run(close_twice, ROUTE("\"Bulkhead=1, 5, 60s\""), NULL);
}

/* The place of who leaves and the place that gets free come within microseconds of each other. */
static void leave_as_it_gets_free(struct lab *lab)
{
    lab->hold = true;
    for (int i = 0; i < 20; i++) {
        struct stream *first = ask(lab, GET), *second = ask(lab, GET);

        if (i % 2 != 0)
            stream_close(first);
        stream_close(second);
        if (i % 2 == 0)
            stream_close(first);
        weir_sleep(SOON);
        expect(lab, shows(lab, "\"running\": 0, \"running_max\": 1, \"waiting\": 0"));
        expect(lab, told.gone == 2 * ((unsigned)i + 1));
    }
    lab->hold = false;
    expect_status(lab, GET, 200);
}

static void who_gets_a_place_and_leaves_gives_it_back_once(void **state)
{
    for (lab_seed = 1; lab_seed <= 20; lab_seed++) {
        memset(&told, 0, sizeof(told));
        lab_run(leave_as_it_gets_free, ROUTE("\"Bulkhead=1, 5, 60s\""), NULL);
    }
    lab_seed = 1;
}

/* ---- for a turn ---- */

static void leave_the_line(struct lab *lab)
{
    struct stream *first = ask(lab, GET), *second = ask(lab, GET), *third;
    int64_t asked_ns = weir_now();

    expect(lab, lab->requests == 1 && shows(lab, "\"waiting\": 1"));
    stream_close(second);
    weir_sleep(SOON);
    expect(lab, shows(lab, "\"waiting\": 0") && told.gone == 1);
    third = ask(lab, GET); /* gets the turn that was given back */
    hear(lab, third, 5 * NS_PER_SEC);
    expect(lab, replies(lab) == 1 && lab->requests == 2);
    expect(lab, weir_now() - asked_ns < 1100 * NS_PER_MS);
    stream_close(first);
    stream_close(third);
}

static void a_turn_is_given_back_at_once(void **state)
{
    lab_run(leave_the_line, PACED, NULL);
}

/* ---- for the head of a response ---- */

static void leave_the_origin(struct lab *lab)
{
    struct stream *s;
    struct sim_stats before, after;

    lab->hold = true;
    weir_sleep(SOON); /* everybody listens */
    sim_get_stats(lab->world, &before);
    s = ask(lab, GET);
    stream_close(s);
    weir_sleep(SOON);
    sim_get_stats(lab->world, &after);
    expect(lab, lab->requests == 1 && told.gone == 1);
    expect(lab, after.open_sockets == before.open_sockets); /* that to the origin is closed */
    expect(lab, shows(lab, "\"kind\": \"endpoint_breaker\", \"state\": \"closed\", \"calls\": 0, "
                           "\"failures\": 0"));
    expect(lab, shows(lab, "\"kind\": \"circuit_breaker\", \"disabled\": false, "
                           "\"refused_total\": 0, \"state\": \"closed\", \"calls\": 0"));
}

static void an_attempt_is_ended_and_nobody_blamed(void **state)
{
    lab_run_upstream(leave_the_origin, ROUTE("CircuitBreaker=c"), NULL, "breaker: on");
}

static void leave_by_reset(struct lab *lab)
{
    lab->hold = true;
    stream_reset(ask(lab, GET));
    weir_sleep(SOON);
    expect(lab, told.gone == 1);
}

static void a_reset_is_seen_as_well(void **state)
{
    lab_run(leave_by_reset, NULL, NULL);
}

static void send_a_body(struct lab *lab)
{
    struct stream *s;

    lab->hold = true;
    s = ask(lab, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n");
    expect(lab, stream_write(s, "0\r\n\r\n", 5) == 0);
    weir_sleep(SOON);
    stream_close(s);
    weir_sleep(SOON);
    expect(lab, told.gone == 1);
}

static void after_a_body_that_came_in_pieces_too(void **state)
{
    lab_run(send_a_body, NULL, NULL);
}

static void leave_between_attempts(struct lab *lab)
{
    struct stream *s;

    lab->answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    s = ask(lab, GET);
    expect(lab, lab->requests == 1 && told.records == 0);
    stream_close(s);
    weir_sleep(SOON);
    expect(lab, told.gone == 1);
    weir_sleep(20 * NS_PER_SEC);
    expect(lab, lab->requests == 1);
}

static void a_retry_is_not_waited_for(void **state)
{
    lab_run(leave_between_attempts,
            ROUTE("{name: Retry, args: {retries: 1, statuses: SERVICE_UNAVAILABLE, "
                  "backoff: {firstBackoff: 300ms, maxBackoff: 300ms}}}"),
            NULL);
}

/* ---- what is no leaving ---- */

static void ask_for_more(struct lab *lab)
{
    struct stream *s;

    lab->delay_ns = 500 * NS_PER_MS;
    s = ask(lab, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(lab, stream_write(s, GET_OF("/2"), strlen(GET_OF("/2"))) == 0);
    hear(lab, s, 5 * NS_PER_SEC);
    expect(lab, replies(lab) == 2 && lab->requests == 2);
    expect(lab, told.gone == 0 && told.records == 2);
    stream_close(s);
}

static void further_requests_are_no_leaving(void **state)
{
    lab_run(ask_for_more, ROUTE("\"Bulkhead=1, 5, 60s\""), NULL);
}

static void half_close(struct lab *lab)
{
    struct stream *s;

    lab->delay_ns = 500 * NS_PER_MS;
    s = ask(lab, GET);
    expect(lab, stream_shutdown(s) == 0);
    hear(lab, s, 5 * NS_PER_SEC);
    stream_close(s);
}

static void half_close_is_leaving_unless_it_is_allowed(void **state)
{
    lab_run(half_close, NULL, NULL);
    assert_int_equal(told.gone, 1);
    lab_run(half_close, NULL, "client: {half_close: true}");
    assert_int_equal(told.gone, 1);
    assert_int_equal(told.records, 2);
}

static void two_for_one_answer(struct lab *lab)
{
    struct stream *first, *second;

    lab->answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok";
    lab->delay_ns = 500 * NS_PER_MS;
    first = ask(lab, GET);
    second = ask(lab, GET);
    expect(lab, lab->requests == 1);
    stream_close(first);
    hear(lab, second, 5 * NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect(lab, lab->requests == 1);
    stream_close(second);
}

static void what_others_wait_for_is_fetched_to_its_end(void **state)
{
    lab_run(two_for_one_answer, ROUTE("LocalResponseCache=1m"), NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, listen_to_records, stop_listening)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_place_in_a_queue_is_given_up_at_once),
        TEST(the_next_in_line_is_served),
        TEST(who_gets_a_place_and_leaves_gives_it_back_once),
        TEST(a_turn_is_given_back_at_once),
        TEST(an_attempt_is_ended_and_nobody_blamed),
        TEST(a_reset_is_seen_as_well),
        TEST(after_a_body_that_came_in_pieces_too),
        TEST(a_retry_is_not_waited_for),
        TEST(further_requests_are_no_leaving),
        TEST(half_close_is_leaving_unless_it_is_allowed),
        TEST(what_others_wait_for_is_fetched_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
