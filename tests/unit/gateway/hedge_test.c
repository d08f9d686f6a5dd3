/* Hedging: three origins in the simulated world, which behave by the number of the attempt that
 * comes to them (hall.h). Whatever happens, what was taken is given back. */
#include "hall.h"

#include <stdlib.h>

#include <weir/panic.h>

#include "base/assert.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"

#define GET "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

#define ROUTE(filters)                                                                             \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filters "]}\n"
#define HEDGED ROUTE("\"Hedge=0, 50ms\"")

/* ---- who answers ---- */

static void slow_first(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    h->roles[1].answer = OK("2!");
    hall_ask(h, GET);
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\n\r\n2!");
    expect(lab, h->roles[1].requests == 1 && h->roles[0].endpoint != h->roles[1].endpoint);
    hall_await_record(h);
    expect(lab, h->roles[0].resets == 1);
    expect(lab, h->attempt_count == 2);
    expect(lab, h->attempts[0].lost && !h->attempts[0].hedge && h->attempts[0].status == 0);
    expect(lab, h->attempts[1].hedge && !h->attempts[1].lost && h->attempts[1].status == 200);
    expect(lab, str_eq(str_of(h->endpoint), h->attempts[1].endpoint));
    expect_policy(h, "\"won\": 1");
}

static void a_slow_endpoint_is_overtaken_and_its_connection_reset(void **state)
{
    hall_run(slow_first, HEDGED);
}

static void quick_first(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 40 * NS_PER_MS;
    hall_ask(h, GET GET GET);
    expect(lab, h->roles[0].requests == 3 && hall_requests(h) == 3);
    expect(lab, h->attempt_count == 1 && !h->attempts[0].hedge);
    expect_policy(h, "\"latencies\": 3, \"won\": 0, \"lost\": 0");
}

static void in_time_there_is_one_attempt(void **state)
{
    hall_run(quick_first, HEDGED);
}

static void first_after_all(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = OK("1!");
    h->roles[1].delay_ns = 10 * NS_PER_SEC;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    hall_await_record(h);
    expect(lab, h->roles[1].resets == 1);
    expect(lab, h->attempt_count == 2);
    expect(lab, h->attempts[0].hedge && h->attempts[0].lost);
    expect(lab, !h->attempts[1].hedge && h->attempts[1].status == 200);
    expect_policy(h, "\"lost\": 1");
}

static void the_first_may_win_after_the_hedge_was_sent(void **state)
{
    hall_run(first_after_all, HEDGED);
}

static void at_once(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = OK("aa");
    h->roles[1].delay_ns = 30 * NS_PER_MS;
    h->roles[1].answer = OK("bb");
    for (int i = 0; i < 20; i++) {
        hall_ask(h, GET);
        expect(lab, lab_client_got(lab, "\r\n\r\naa") != lab_client_got(lab, "\r\n\r\nbb"));
        expect(lab, strstr(lab->reply + 1, "HTTP/1.1") == NULL);
    }
    expect(lab, h->roles[1].requests == 20);
}

static void two_answers_at_once_are_one(void **state)
{
    hall_run(at_once, HEDGED);
}

static void three_of_them(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = h->roles[1].delay_ns = 10 * NS_PER_SEC;
    h->roles[2].answer = OK("3!");
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n3!");
    hall_await_record(h);
    expect(lab, h->roles[0].resets == 1 && h->roles[1].resets == 1);
    expect(lab, h->roles[0].endpoint + h->roles[1].endpoint + h->roles[2].endpoint == 0 + 1 + 2);
    expect(lab, h->attempt_count == 3 && h->attempts[1].lost && h->attempts[2].hedge);
}

static void each_further_hedge_has_an_endpoint_of_its_own(void **state)
{
    hall_run(three_of_them,
             ROUTE("{name: Hedge, args: {percentile: 0, delay: 50ms, maxHedges: 3}}"));
}

static void long_body(struct lab *lab)
{
    static char answer[40000];
    struct hall *h = hall_of(lab);
    size_t n = (size_t)snprintf(answer, sizeof(answer),
                                "HTTP/1.1 200 OK\r\nContent-Length: 39000\r\nX-Who: me\r\n\r\n");

    memset(answer + n, 'x', 39000);
    answer[n + 38999] = 'z';
    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    h->roles[1].answer = answer;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\nX-Who: me\r\n");
    expect_client_got(lab, "xxxz");
    expect(lab, strspn(strstr(lab->reply, "\r\n\r\nx") + 4, "x") == 38999);
    h->roles[0].delay_ns = 0;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
}

static void the_body_of_a_hedge_goes_on_as_any_other(void **state)
{
    hall_run(long_body, HEDGED);
}

/* ---- failures ---- */

static void hedge_fails(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 120 * NS_PER_MS;
    h->roles[0].answer = OK("1!");
    h->roles[1].answer = BUSY;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    h->roles[1].answer = NULL;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    expect(lab, h->attempts[0].hedge && h->attempts[0].outcome == CAUSE_CONNECTION_TERMINATED);
    expect_policy(h, "\"failed\": 2");
    expect(lab, hall_requests(h) == 4);
}

static void a_hedge_that_fails_changes_nothing(void **state)
{
    hall_run(hedge_fails, HEDGED);
}

static void first_fails(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = NULL;
    h->roles[1].delay_ns = 100 * NS_PER_MS;
    h->roles[1].answer = OK("2!");
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n2!");
    expect(lab, h->attempts[0].outcome == CAUSE_CONNECTION_TERMINATED && !h->attempts[0].lost);
    h->roles[0].answer = BUSY;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\n2!");
    h->roles[1].answer = NULL;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nbusy");
    h->roles[0].answer = NULL;
    h->roles[1].answer = BUSY;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nbusy");
    expect(lab, hall_requests(h) == 8);
}

static void a_hedge_outlives_the_failure_of_the_first(void **state)
{
    hall_run(first_fails, HEDGED);
}

static void early_failure(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].answer = NULL;
    hall_ask(h, GET); /* retried, which is not hedged */
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempt_count == 2 && !h->attempts[1].hedge);
    h->roles[1].delay_ns = 200 * NS_PER_MS;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempt_count == 2 && h->roles[2].requests == 0);
}

static void a_first_that_fails_early_is_a_matter_of_retries(void **state)
{
    hall_run(early_failure, HEDGED);
}

static void all_fail(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = h->roles[1].delay_ns = 100 * NS_PER_MS;
    h->roles[0].answer = h->roles[1].answer = NULL;
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok"); /* of the third endpoint: both others count as tried */
    expect(lab, h->roles[2].requests == 1);
    expect(lab, h->roles[0].endpoint + h->roles[1].endpoint + h->roles[2].endpoint == 0 + 1 + 2);
    expect(lab, h->attempt_count == 3);
}

static void when_both_fail_a_retry_goes_where_neither_was(void **state)
{
    hall_run(all_fail, HEDGED);
}

static void deadline(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = h->roles[1].delay_ns = 60 * NS_PER_SEC;
    lab_talk_for(lab, GET, 3 * NS_PER_SEC);
    expect_client_got(lab, "HTTP/1.1 504 ");
    expect(lab, h->roles[0].resets == 1 && h->roles[1].resets == 1);
    expect(lab, h->attempt_count == 2);
}

static void a_deadline_ends_both(void **state)
{
    hall_run_seed(deadline, HEDGED, "breaker: off\n    timeouts: {read: 5s, total: 1s}", 1);
}

/* ---- when none is sent ---- */

static void unsafe(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    hall_ask(h, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    hall_ask(h, "PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    hall_ask(
        h, "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    expect(lab, hall_requests(h) == 3);
    hall_ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Weir-Attempt: 2\r\n\r\n");
    expect(lab, hall_requests(h) == 4);
}

static void what_may_not_be_repeated_is_never_hedged(void **state)
{
    hall_run(unsafe, HEDGED);
}

static void safe(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    hall_ask(
        h, "POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: \"k\"\r\nContent-Length: 2\r\n\r\nab");
    expect(lab, h->roles[1].requests == 1);
    expect(lab, strstr(h->seen[1], "\r\nX-Weir-Attempt: 2\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\n\r\nab") != NULL);
    hall_ask(h, "PUT /y?z HTTP/1.1\r\nHost: a\r\nX-Way: in\r\nContent-Length: 2\r\n\r\ncd");
    expect(lab, h->roles[1].requests == 2);
    expect(lab, strstr(h->seen[1], "PUT /p/y?z HTTP/1.1\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\nX-Way: in\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\n\r\ncd") != NULL);
}

static void what_may_be_is_sent_with_its_body_and_as_filters_left_it(void **state)
{
    hall_run(safe, ROUTE("\"Hedge=0, 50ms\", PrefixPath=/p"));
}

static struct upstream_state *state_of(struct lab *lab)
{
    struct pin pin = generation_pin(lab->gateway);
    struct upstream_state *s = pin.generation->upstreams[0].state;

    generation_unpin(&pin);
    return s;
}

static void no_budget(struct lab *lab)
{
    struct hall *h = hall_of(lab);
    struct retry_budget *b = &state_of(lab)->budget;

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    for (int i = 0; i < 3; i++)
        expect(lab, retry_budget_take(b, 20, 3));
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, hall_requests(h) == 1);
    expect_policy(h, "\"no_budget\": 1");
    retry_budget_give(b);
    hall_ask(h, GET);
    expect(lab, h->roles[1].requests == 1);
    retry_budget_give(b);
    retry_budget_give(b);
}

static void a_spent_budget_sends_none(void **state)
{
    hall_run(no_budget, HEDGED);
}

static void set_breakers(struct lab *lab, enum weir_breaker_state state, bool all)
{
    struct pin pin = generation_pin(lab->gateway);
    struct upstream *u = &pin.generation->upstreams[0];

    for (unsigned i = all ? 0 : 1; i < u->endpoint_count; i++)
        (void)weir_breaker_set(&u->endpoints[i]->breaker, state, weir_now());
    generation_unpin(&pin);
}

static void others_open(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    set_breakers(lab, WEIR_BREAKER_FORCED_OPEN, false);
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, hall_requests(h) == 1);
    expect_policy(h, "\"no_endpoint\": 1");
    set_breakers(lab, WEIR_BREAKER_CLOSED, true);
}

static void open_breakers_of_the_others_send_none(void **state)
{
    hall_run_seed(others_open, HEDGED, "breaker: on", 1);
}

/* ---- blame ---- */

/* The next call is a probe. */
static void half_open(struct weir_breaker *b)
{
    struct weir_breaker_token t;

    while (weir_breaker_acquire(b, weir_now(), &t, NULL) == 0)
        (void)weir_breaker_report(b, &t, WEIR_OUTCOME_FAILED, weir_now());
    weir_breaker_hasten(b, weir_now());
}

/* Every endpoint's breaker has one permit: a loser's must be free again at once. */
static void probes(struct lab *lab)
{
    struct hall *h = hall_of(lab);
    struct pin pin = generation_pin(lab->gateway);
    struct upstream *u = &pin.generation->upstreams[0];
    struct weir_breaker *loser;

    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    for (int i = 0; i < ENDPOINTS; i++)
        half_open(&u->endpoints[i]->breaker);
    hall_ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    loser = &u->endpoints[h->roles[0].endpoint]->breaker;
    expect(lab, h->roles[0].resets == 1);
    expect(lab, weir_breaker_view(loser, weir_now()).state == WEIR_BREAKER_HALF_OPEN);
    expect(lab, weir_breaker_admits(loser, weir_now(), NULL));
    expect(lab, eject_is_out(&u->endpoints[h->roles[0].endpoint]->eject, weir_now()) == false);
    generation_unpin(&pin);
}

static void a_loser_gives_its_permit_back_and_is_not_blamed(void **state)
{
    hall_run_seed(probes, HEDGED, "breaker: {failures: 3}", 1);
}

static void losers(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    for (int i = 0; i < 50; i++) {
        hall_ask(h, GET);
        expect_client_got(lab, "\r\n\r\nok");
    }
    expect(lab, h->roles[0].requests == 50 && h->roles[0].resets == 50);
}

static void losing_opens_no_breaker(void **state)
{
    hall_run_seed(losers, HEDGED, "breaker: {failures: 3, min_calls: 3}", 1);
}

/* ---- clients that leave, panics ---- */

static void client_leaves(struct lab *lab)
{
    struct hall *h = hall_of(lab);
    struct stream *s;

    h->roles[0].delay_ns = h->roles[1].delay_ns = 300 * NS_PER_MS;
    for (int i = 0; i < 5; i++) {
        ASSERT(stream_dial(&lab->gateway_addr, &s) == 0);
        (void)stream_write(s, GET, strlen(GET));
        weir_sleep((i * 40) * NS_PER_MS);
        stream_reset(s);
    }
    weir_sleep(2 * NS_PER_SEC);
    expect(lab, h->records == 5);
    expect(lab, h->roles[1].requests == 3); /* those that were patient for more than the delay */
    expect(lab, h->roles[0].resets == h->roles[0].requests);
    expect(lab, h->roles[1].resets == h->roles[1].requests);
}

static void a_client_may_leave_while_both_run(void **state)
{
    hall_run(client_leaves, HEDGED);
}

/* Takes the place of forward for all attempts. */
static int panics_by_number(struct exchange *x, const struct chain *next)
{
    struct http_field *f = http_head_find(&x->request, STR("X-Panic-At"));
    uint64_t number = 0;

    if (f != NULL)
        (void)str_to_u64(http_field_value(f), 9, &number);
    if (number != x->racer)
        return forward(x, next);
    if (number == 1)
        weir_sleep(100 * NS_PER_MS);
    weir_panic(-EINVAL, "attempt %u", x->racer);
}

static void plant(struct lab *lab)
{
    struct pin pin = generation_pin(lab->gateway);
    struct chain *c = (struct chain *)(uintptr_t)pin.generation->routes[0].chain;

    while (c->run != forward)
        c++;
    c->run = panics_by_number;
    generation_unpin(&pin);
}

static void panics(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    plant(lab);
    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[1].answer = BUSY; /* held while the first attempt runs */
    hall_ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 1\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect(lab, h->roles[1].requests == 1);
    h->roles[1].delay_ns = 10 * NS_PER_SEC;
    hall_ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 1\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 500 ");
    weir_sleep(100 * NS_PER_MS); /* on its way */
    expect(lab, h->roles[1].resets == 1);
    hall_ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 2\r\n\r\n");
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempts[0].hedge && h->attempts[0].outcome == CAUSE_PROXY_INTERNAL_ERROR);
}

static void a_panic_costs_its_attempt_or_its_request_and_nothing_else(void **state)
{
    hall_run(panics, HEDGED);
}

/* ---- the delay ---- */

static void learns(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_MS;
    for (int i = 0; i < 32; i++)
        hall_ask(h, GET);
    expect(lab, hall_requests(h) == 32);
    h->roles[0].delay_ns = 60 * NS_PER_MS; /* less than delay, more than what was seen */
    hall_ask(h, GET);
    expect(lab, h->roles[1].requests == 1);
    expect_policy(h, "\"learnt_delay_seconds\": 0.01");
    h->roles[1].delay_ns = 60 * NS_PER_MS;
    for (int i = 0; i < 64; i++)
        hall_ask(h, GET);
    expect_policy(h, "\"learnt_delay_seconds\": 0.02"); /* maxDelay */
}

static void the_delay_follows_what_is_seen_within_its_bounds(void **state)
{
    hall_run_seed(learns, ROUTE("\"Hedge=90, 100ms, 1ms, 20ms\""), "breaker: off", 1);
}

/* ---- any of it, many times ---- */

enum { CLIENTS = 8, TURNS = 12 };

static void client_main(void *arg)
{
    struct hall *h = arg;
    char reply[1024];

    for (int i = 0; i < TURNS; i++) {
        struct stream *s;

        ASSERT(stream_dial(&h->lab.gateway_addr, &s) == 0);
        (void)stream_write(s, GET, strlen(GET));
        if (hall_chance(h) % 4 == 0) {
            weir_sleep((int64_t)(hall_chance(h) % 120) * NS_PER_MS);
            stream_reset(s);
            continue;
        }
        ssize_t n = hall_read_until(s, reply, sizeof(reply) - 1, weir_now() + 5 * NS_PER_SEC);

        reply[MAX(n, (ssize_t)0)] = 0;
        expect(&h->lab, strncmp(reply, "HTTP/1.1 ", 9) == 0);
        stream_close(s);
    }
}

static void storm(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    for (int i = 0; i < ROLES; i++)
        h->roles[i].random = true;
    WEIR_SCOPE (scope) {
        for (int i = 0; i < CLIENTS; i++)
            ASSERT(weir_scope_go(scope, "client", client_main, h) == 0);
    }
    weir_sleep(NS_PER_SEC);
    expect(lab, h->records == CLIENTS * TURNS);
}

#if defined(WEIR_SANITIZED)
#define STORMS 10 /* a fiber of the thread sanitizer is dear, and each attempt is one */
#else
#define STORMS 60
#endif

static void what_is_taken_is_given_back_in_every_world(void **state)
{
    for (uint64_t seed = 1; seed <= STORMS; seed++) {
        hall_run_seed(storm, HEDGED, "breaker: off", seed);
        hall_run_seed(storm,
                      ROUTE("{name: Hedge, args: {percentile: 50, delay: 20ms, maxHedges: 3}}"),
                      "breaker: {failures: 3, min_calls: 5, open: 100ms}", seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_endpoint_is_overtaken_and_its_connection_reset),
        cmocka_unit_test(in_time_there_is_one_attempt),
        cmocka_unit_test(the_first_may_win_after_the_hedge_was_sent),
        cmocka_unit_test(two_answers_at_once_are_one),
        cmocka_unit_test(each_further_hedge_has_an_endpoint_of_its_own),
        cmocka_unit_test(the_body_of_a_hedge_goes_on_as_any_other),
        cmocka_unit_test(a_hedge_that_fails_changes_nothing),
        cmocka_unit_test(a_hedge_outlives_the_failure_of_the_first),
        cmocka_unit_test(a_first_that_fails_early_is_a_matter_of_retries),
        cmocka_unit_test(when_both_fail_a_retry_goes_where_neither_was),
        cmocka_unit_test(a_deadline_ends_both),
        cmocka_unit_test(what_may_not_be_repeated_is_never_hedged),
        cmocka_unit_test(what_may_be_is_sent_with_its_body_and_as_filters_left_it),
        cmocka_unit_test(a_spent_budget_sends_none),
        cmocka_unit_test(open_breakers_of_the_others_send_none),
        cmocka_unit_test(a_loser_gives_its_permit_back_and_is_not_blamed),
        cmocka_unit_test(losing_opens_no_breaker),
        cmocka_unit_test(a_client_may_leave_while_both_run),
        cmocka_unit_test(a_panic_costs_its_attempt_or_its_request_and_nothing_else),
        cmocka_unit_test(the_delay_follows_what_is_seen_within_its_bounds),
        cmocka_unit_test(what_is_taken_is_given_back_in_every_world),
    };

    return cmocka_run_group_tests_name("gateway hedge", tests, NULL, NULL);
}
