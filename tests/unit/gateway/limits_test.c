/* Limits of routes: who passes, who is refused and how, and that what was taken is given back on
 * every way out. */
#include "lab.h"

#include <weir/panic.h>
#include <weir/scope.h>

#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"

#define ROUTE(filters)                                                                             \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filters "]}\n"

#define GET_WITH(fields) "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" fields "\r\n"
#define GET              GET_WITH("")

#define TRUSTING "forward: {trusted_proxies: [0.0.0.0/0, \"::/0\"]}"

/* The JSON of the policy with that id. */
struct shown {
    const char *id;
    char text[512];
};

static bool show(void *arg, struct policy *p)
{
    struct shown *s = arg;
    struct text out = {0};

    if (!str_eq(p->id, str_of(s->id)))
        return true;
    policy_write(p, weir_now(), &out);
    snprintf(s->text, sizeof(s->text), STR_FMT, STR_ARG(str_n(out.ptr, out.len)));
    text_done(&out);
    return false;
}

static bool policy_shows(struct lab *lab, const char *id, const char *what)
{
    struct shown s = {.id = id};

    (void)policies_visit(&lab->gateway->policies, show, &s);
    if (strstr(s.text, what) == NULL)
        print_error("%s\n", s.text);
    return strstr(s.text, what) != NULL;
}

/* A client beside the script. */
struct client {
    struct lab *lab;
    const char *bytes;
    int64_t patience_ns;
    char reply[1024];
    int64_t took_ns;
};

static void client_main(void *arg)
{
    struct client *c = arg;
    int64_t begun_ns = weir_now();
    struct stream *s;
    size_t len = 0;
    ssize_t n;

    if (stream_dial(&c->lab->gateway_addr, &s) < 0)
        return;
    (void)stream_write(s, c->bytes, strlen(c->bytes));
    WEIR_DEADLINE (begun_ns + c->patience_ns) {
        while ((n = stream_read(s, c->reply + len, sizeof(c->reply) - 1 - len)) > 0)
            len += (size_t)n;
    }
    c->took_ns = weir_now() - begun_ns;
    stream_close(s);
}

static void start_client(struct weir_scope *scope, struct client *c, struct lab *lab,
                         const char *bytes, int64_t patience_ns)
{
    *c = (struct client){.lab = lab, .bytes = bytes, .patience_ns = patience_ns};
    expect(lab, weir_scope_go(scope, "client", client_main, c) == 0);
}

static bool got(const struct client *c, const char *text)
{
    return strstr(c->reply, text) != NULL;
}

/* ---- RequestRateLimiter ---- */

static void spend_the_burst(struct lab *lab)
{
    for (int i = 0; i < 3; i++) {
        expect_status(lab, GET, 200);
    }
    expect_status(lab, GET, 429);
    expect_client_got(lab, "\r\nX-Weir-Cause: rate_limited\r\n");
    expect_client_got(lab, "\r\nRetry-After: 1\r\n");
    expect_client_got(lab, "\r\nX-RateLimit-Remaining: 0\r\n");
    expect_client_got(lab, "\r\nX-RateLimit-Burst-Capacity: 3\r\n");
    expect_client_got(lab, "\r\nX-RateLimit-Replenish-Rate: 2\r\n");
    expect_client_got(lab, "\r\nX-RateLimit-Requested-Tokens: 1\r\n");
    expect_client_got(lab, "{\"error\":\"rate_limited\",\"status\":429,");
    expect(lab, lab->requests == 3);
    weir_sleep(500 * NS_PER_MS);
    expect_status(lab, GET, 200);
    expect_status(lab, GET, 429);
    expect(lab, policy_shows(lab, "r/RequestRateLimiter", "\"refused_total\": 2"));
}

static void a_bucket_is_spent_and_refills(void **state)
{
    lab_run(spend_the_burst, ROUTE("\"RequestRateLimiter=2, 3\""), NULL);
}

static void keys_apart(struct lab *lab)
{
    expect_status(lab, GET_WITH("X-Tenant: a\r\n"), 200);
    expect_status(lab, GET_WITH("X-Tenant: b\r\n"), 200);
    lab_talk(lab, GET_WITH("X-Tenant: a\r\nCookie: c=1; d=2\r\n"));
    expect_client_got(lab, "HTTP/1.1 429 ");
    expect_status(lab, GET, 401);
    expect_client_got(lab, "\"status\":401");
    expect_client_got(lab, "\r\nX-Weir-Cause: http_request_denied\r\n");
    expect(lab, lab->requests == 2);
}

static void each_key_has_its_own_bucket(void **state)
{
    lab_run(keys_apart,
            "  - id: r\n    uri: lb://o\n    predicates: [\"Path=/**\"]\n    filters:\n"
            "      - name: RequestRateLimiter\n        args:\n"
            "          redis-rate-limiter.replenishRate: 1\n"
            "          redis-rate-limiter.burstCapacity: 1\n"
            "          key: header:X-Tenant\n          emptyKeyStatus: UNAUTHORIZED\n",
            NULL);
}

static void keys_of_parts(struct lab *lab)
{
    expect_status(lab, GET_WITH("X-T: ab\r\nCookie: c=1\r\n"), 200);
    expect_status(lab, GET_WITH("X-T: a\r\nCookie: c=b1\r\n"), 200);
    lab_talk(lab, GET_WITH("X-T: ab\r\nCookie: x=9; c=1\r\n"));
    expect_client_got(lab, "HTTP/1.1 429 ");
    lab_talk(lab, GET_WITH("X-T: ab\r\n")); /* has no whole key, and is not limited here */
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect_status(lab, GET_WITH("X-T: ab\r\n"), 200);
}

static void several_parts_are_one_key(void **state)
{
    lab_run(keys_of_parts, ROUTE("\"RequestRateLimiter=1, 1, 1, header:X-T + cookie:c, false\""),
            NULL);
}

static void clients_behind_a_proxy(struct lab *lab)
{
    expect_status(lab, GET_WITH("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n"), 200);
    expect_status(lab, GET_WITH("X-Forwarded-For: 1.2.3.5\r\n"), 200);
    expect_status(lab, GET_WITH("X-Forwarded-For: 1.2.3.4\r\n"), 429);
    /* The elements left of what an untrusted one said are the client's own words. */
    expect_status(lab, GET_WITH("X-Forwarded-For: 7.7.7.7, 1.2.3.4, 10.9.9.9\r\n"), 429);
    expect_status(lab, GET_WITH("X-Forwarded-For: 2001:db8::1\r\n"), 200);
    lab_talk(lab, GET_WITH("X-Forwarded-For: [2001:db8::2]:99\r\n")); /* the same /64 */
    expect_client_got(lab, "HTTP/1.1 429 ");
    expect_status(lab, GET_WITH("X-Forwarded-For: 2001:db8:0:1::1\r\n"), 200);
}

static void trusted_proxies_say_who_the_client_is(void **state)
{
    lab_run(clients_behind_a_proxy, ROUTE("\"RequestRateLimiter=1, 1\""),
            "forward: {trusted_proxies: [10.0.0.0/8, 127.0.0.0/8]}");
}

static void claims_do_not_help(struct lab *lab)
{
    expect_status(lab, GET_WITH("X-Forwarded-For: 1.2.3.4\r\n"), 200);
    expect_status(lab, GET_WITH("X-Forwarded-For: 1.2.3.5\r\n"), 429);
}

static void an_untrusted_client_is_its_peer(void **state)
{
    lab_run(claims_do_not_help, ROUTE("\"RequestRateLimiter=1, 1\""), NULL);
}

static void one_by_one(struct lab *lab)
{
    struct client c[4];

    WEIR_SCOPE (scope) {
        for (int i = 0; i < 4; i++)
            start_client(scope, &c[i], lab, GET, 5 * NS_PER_SEC);
    }
    int64_t longest_ns = 0;
    unsigned refused = 0, served = 0;
    for (int i = 0; i < 4; i++) {
        longest_ns = MAX(longest_ns, c[i].took_ns);
        refused += got(&c[i], "HTTP/1.1 429 ") && got(&c[i], "\r\nRetry-After: 1\r\n");
        served += got(&c[i], "HTTP/1.1 200 ");
    }
    expect(lab, served == 3 && refused == 1);
    expect(lab, longest_ns >= 1000 * NS_PER_MS && longest_ns < 1100 * NS_PER_MS);
    expect(lab, policy_shows(lab, "r/RequestRateLimiter", "\"waiting\": 0"));
}

static void paced_requests_wait_for_their_turn(void **state)
{
    lab_run(one_by_one,
            "  - id: r\n    uri: lb://o\n    predicates: [\"Path=/**\"]\n    filters:\n"
            "      - {name: RequestRateLimiter, args: {replenishRate: 2, mode: pace, queue: 2}}\n",
            NULL);
}

/* ---- sizes ---- */

static void large_requests(struct lab *lab)
{
    expect_status(lab, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890", 413);
    expect_client_got(lab, "\r\nX-Weir-Cause: body_too_large\r\n");
    expect_status(lab,
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
                  413);
    expect_client_got(lab, "\r\nX-Weir-Cause: body_too_large\r\n");
    expect_status(lab,
                  "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"
                  "0123456789",
                  200);
    expect_status(lab, GET_WITH("X-Long: 0123456789012345678901234567890123456789\r\n"), 431);
    expect_client_got(lab, "\r\nX-Weir-Cause: header_too_large\r\n");
}

static void a_route_may_take_less_than_the_limits(void **state)
{
    lab_run(large_requests, ROUTE("RequestSize=10B, RequestHeaderSize=45"), NULL);
}

/* ---- Bulkhead and AdaptiveConcurrency: one leaves for each that enters ---- */

#define BULKHEAD "\"Bulkhead=1\""
#define ADAPTIVE "\"AdaptiveConcurrency=aimd, 1, 1, 1\""

static void expect_empty(struct lab *lab, int line)
{
    struct shown s = {.id = "r/Bulkhead"};

    (void)policies_visit(&lab->gateway->policies, show, &s);
    if (s.text[0] == 0) {
        s.id = "r/AdaptiveConcurrency";
        (void)policies_visit(&lab->gateway->policies, show, &s);
    }
    if (strstr(s.text, "\"running\": 0") == NULL)
        lab_fail(lab, line, "everybody has left", s.text, lab->reply);
}

static int panics(struct exchange *x, const struct chain *next)
{
    weir_panic(-EINVAL, "planted");
}

static void panic_behind(struct lab *lab, filter_fn *filter)
{
    struct pin pin = generation_pin(lab->gateway);
    struct chain *c = (struct chain *)(uintptr_t)pin.generation->routes[0].chain;

    while (c->run != filter)
        c++;
    c->run = panics;
    generation_unpin(&pin);
}

static void all_ways_out(struct lab *lab)
{
    struct client gone = {.lab = lab, .bytes = GET, .patience_ns = 100 * NS_PER_MS};

    expect_status(lab, GET, 200);
    expect_empty(lab, __LINE__);
    lab->answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    expect_status(lab, GET, 503);
    expect_empty(lab, __LINE__);
    lab->answer = "nonsense\r\n\r\n";
    expect_status(lab, GET, 502);
    expect_empty(lab, __LINE__);
    lab->hold = true;
    client_main(&gone);
    weir_sleep(5 * NS_PER_SEC); /* the gateway's own patience, too, has an end */
    expect_empty(lab, __LINE__);
    expect_status(lab, GET, 504);
    expect_empty(lab, __LINE__);
    lab->hold = false;
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok";
    lab->reset_after = true;
    lab_talk(lab, GET);
    expect_empty(lab, __LINE__);
    lab->reset_after = false;
    panic_behind(lab, retry);
    expect_status(lab, GET, 500);
    expect_empty(lab, __LINE__);
}

static void whoever_enters_a_bulkhead_leaves_it(void **state)
{
    lab_run(all_ways_out, ROUTE(BULKHEAD), NULL);
}

static void whoever_enters_an_adaptive_limit_leaves_it(void **state)
{
    lab_run(all_ways_out, ROUTE(ADAPTIVE), NULL);
}

static void one_too_many(struct lab *lab, const char *cause)
{
    struct client first = {.lab = lab, .bytes = GET, .patience_ns = 5 * NS_PER_SEC};

    lab->hold = true;
    WEIR_SCOPE (scope) {
        expect(lab, weir_scope_go(scope, "client", client_main, &first) == 0);
        while (lab->requests == 0)
            weir_sleep(NS_PER_MS);
        expect_status(lab, GET, 503);
        expect_client_got(lab, cause);
        expect_client_got(lab, "\r\nRetry-After: 1\r\n");
        expect(lab, lab->requests == 1);
    }
}

static void second_in_bulkhead(struct lab *lab)
{
    one_too_many(lab, "\r\nX-Weir-Cause: bulkhead_full\r\n");
}

static void a_full_bulkhead_refuses(void **state)
{
    lab_run(second_in_bulkhead, ROUTE(BULKHEAD), NULL);
}

static void second_in_adaptive(struct lab *lab)
{
    one_too_many(lab, "\r\nX-Weir-Cause: overloaded\r\n");
}

static void a_full_adaptive_limit_refuses(void **state)
{
    lab_run(second_in_adaptive, ROUTE(ADAPTIVE), NULL);
}

static void by_priority(struct lab *lab)
{
    struct client c[3];
    static const char *const requests[3] = {
        GET_WITH("X-Prio: normal\r\n"), GET_WITH("X-Prio: low\r\n"), GET_WITH("X-Prio: high\r\n")};

    lab->hold = true; /* each is answered by its timeout, 800 ms, and none is retried */
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 3; i++) {
            start_client(scope, &c[i], lab, requests[i], 9 * NS_PER_SEC);
            weir_sleep(20 * NS_PER_MS);
        }
        expect(lab, policy_shows(lab, "r/Bulkhead", "\"running\": 1"));
        expect(lab, policy_shows(lab, "r/Bulkhead", "\"waiting\": 2"));
    }
    for (int i = 0; i < 3; i++)
        expect(lab, got(&c[i], "HTTP/1.1 504 "));
    expect(lab, c[2].took_ns < c[1].took_ns);
    expect_empty(lab, __LINE__);
}

static void who_matters_more_waits_less(void **state)
{
    lab_run(by_priority, ROUTE("\"Priority=normal, X-Prio\", \"Bulkhead=1, 2, 30s\""),
            TRUSTING "\n");
}

/* ---- load shedding ---- */

static void under_pressure(struct lab *lab)
{
    struct client busy[2];

    expect_status(lab, GET_WITH("X-Prio: low\r\n"), 200);
    lab->hold = true;
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 2; i++)
            start_client(scope, &busy[i], lab, GET, 20 * NS_PER_SEC);
        weir_sleep(6 * NS_PER_SEC);
        lab->hold = false;
        for (int i = 0; i < 2; i++) {
            expect_status(lab, i == 0 ? GET : GET_WITH("X-Prio: low\r\n"), 503);
            expect_client_got(lab, "\r\nX-Weir-Cause: load_shed\r\n");
            expect_client_got(lab, "\r\nRetry-After: 1\r\n");
        }
        expect_status(lab, GET_WITH("X-Prio: high\r\n"), 200);
    }
    weir_sleep(6 * NS_PER_SEC);
    expect_status(lab, GET_WITH("X-Prio: sheddable\r\n"), 200);
}

#define PRIORITIES                                                                                 \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"],\n"                                   \
    "     filters: [\"Priority=normal, X-Prio\"], metadata: {response-timeout: 15000}}\n"

static void a_gateway_under_pressure_sheds_what_matters_less(void **state)
{
    lab_run(under_pressure, PRIORITIES,
            TRUSTING "\nshed: {cpu: 0, queue_delay: 0ms, in_flight: 2}\n");
}

static void untrusted_words(struct lab *lab)
{
    struct client busy[2];

    lab->hold = true;
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 2; i++)
            start_client(scope, &busy[i], lab, GET, 20 * NS_PER_SEC);
        weir_sleep(6 * NS_PER_SEC);
        lab->hold = false;
        expect_status(lab, GET_WITH("X-Prio: high\r\n"), 503);
    }
}

static void an_untrusted_client_has_no_say_in_its_priority(void **state)
{
    lab_run(untrusted_words, PRIORITIES, "shed: {cpu: 0, queue_delay: 0ms, in_flight: 2}\n");
}

static void proc_files_are_read(void **state)
{
    assert_int_equal(shedding_parse_ticks(STR("7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 120 35 0 0 20")),
                     155);
    assert_int_equal(shedding_parse_ticks(STR("7 (a")), 0);
    assert_int_equal(shedding_parse_ticks(STR("")), 0);
    assert_int_equal(shedding_parse_pages(STR("900 321 12 1 0 2 0\n")), 321);
    assert_int_equal(shedding_parse_pages(STR("900")), 0);
}

/* ---- RateLimit fields ---- */

static void say_what_is_left(struct lab *lab)
{
    expect_status(lab, GET, 200);
    expect_client_got(lab, "\r\nRateLimit-Policy: \"r\";q=3;w=4\r\n");
    expect_client_got(lab, "\r\nRateLimit: \"r\";r=2;t=1\r\n");
    lab_talk(lab, GET);
    expect_client_got(lab, "\r\nRateLimit: \"r\";r=1;t=2\r\n");
    expect_status(lab, GET, 200);
    expect_client_got(lab, "\r\nRateLimit: \"r\";r=0;t=3\r\n");
    expect_status(lab, GET, 429);
    expect_client_got(lab, "\r\nRateLimit-Policy: \"r\";q=3;w=4\r\n");
    expect_client_got(lab, "\r\nRateLimit: \"r\";r=0;t=3\r\n");
    expect_client_got(lab, "\r\nRetry-After: 1\r\n");
    expect_client_got(lab, "\r\nX-RateLimit-Remaining: ");
    weir_sleep(3 * NS_PER_SEC); /* full again; a request costs two of seven tokens */
    lab_talk(lab, GET);
    expect_client_got(lab, "\r\nRateLimit: \"r\";r=2;t=1\r\n");
}

static void responses_say_what_is_left(void **state)
{
    lab_run(say_what_is_left,
            "  - id: r\n    uri: lb://o\n    predicates: [\"Path=/**\"]\n    filters:\n"
            "      - {name: RequestRateLimiter, args: {replenishRate: 2, burstCapacity: 7, "
            "requestedTokens: 2, rateLimitFields: true}}\n",
            NULL);
}

static void say_nothing(struct lab *lab)
{
    lab_talk(lab, GET);
    expect_client_not_got(lab, "RateLimit");
    expect_status(lab, GET, 429);
    expect_client_not_got(lab, "\r\nRateLimit");
}

static void without_being_asked_they_do_not(void **state)
{
    lab_run(say_nothing, ROUTE("\"RequestRateLimiter=1, 1\""), NULL);
}

/* ---- priority of routes ---- */

static void hold_and_queue(struct lab *lab, const char *const paths[3], struct client c[3])
{
    lab->hold = true; /* each is answered by its timeout, and none is retried */
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 3; i++) {
            start_client(scope, &c[i], lab, paths[i], 9 * NS_PER_SEC);
            weir_sleep(20 * NS_PER_MS);
        }
    }
}

static void by_metadata(struct lab *lab)
{
    static const char *const requests[3] = {GET, GET_WITH("X-Prio: low\r\n"), GET};
    struct client c[3];

    hold_and_queue(lab, requests, c);
    expect(lab, got(&c[1], "HTTP/1.1 504 ") && got(&c[2], "HTTP/1.1 504 "));
    expect(lab, c[2].took_ns < c[1].took_ns); /* high by the route, and not low by the field */
}

#define ROUTE_OF(priority, filters)                                                                \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"], metadata: {priority: " priority      \
    "}, filters: [" filters "]}\n"

static void a_route_has_a_priority_of_its_own(void **state)
{
    lab_run(by_metadata, ROUTE_OF("high", "\"Priority=route, X-Prio\", \"Bulkhead=1, 2, 30s\""),
            TRUSTING);
}

static void is_shed(struct lab *lab)
{
    struct client busy[2];

    lab->hold = true;
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 2; i++)
            start_client(scope, &busy[i], lab, GET, 2 * NS_PER_SEC);
        while (lab->requests < 2)
            weir_sleep(NS_PER_MS);
        lab_talk(lab, GET);
    }
    /* An adaptive limit of four lets low priority fill 70 % of it, high all. */
    expect_client_got(lab, lab->answer[0] == 'l' ? "overloaded" : "http_response_timeout");
}

static void low_is_refused(struct lab *lab)
{
    lab->answer = "low";
    is_shed(lab);
}

static void high_is_served(struct lab *lab)
{
    lab->answer = "high";
    is_shed(lab);
}

static void the_priority_of_a_route_needs_no_filter(void **state)
{
    lab_run(low_is_refused, ROUTE_OF("low", "\"AdaptiveConcurrency=aimd, 3, 3, 3\""), NULL);
    lab_run(high_is_served, ROUTE_OF("high", "\"AdaptiveConcurrency=aimd, 3, 3, 3\""), NULL);
}

/* ---- generations and operators ---- */

#define LIMITED(rate) ROUTE("\"RequestRateLimiter=" rate "\"")

static void over_generations(struct lab *lab)
{
    lab_talk(lab, GET);
    expect_status(lab, GET, 200);
    expect(lab, lab_apply(lab, LIMITED("1, 3"), NULL) == 0);
    expect_status(lab, GET, 429); /* tokens carry over, and there were none */
    expect(lab, lab_apply(lab, ROUTE(""), NULL) == 0);
    expect_status(lab, GET, 200);
    expect(lab, lab_apply(lab, LIMITED("1, 1"), NULL) == 0);
    lab_talk(lab, GET); /* it had gone with the last that named it, and begins anew */
    expect_client_got(lab, "HTTP/1.1 200 ");
    expect_status(lab, GET, 429);
}

static void a_new_configuration_finds_the_old_state(void **state)
{
    lab_run(over_generations, LIMITED("1, 2"), NULL);
}

static void operated(struct lab *lab)
{
    struct policies *r = &lab->gateway->policies;
    struct str id = STR("r/RequestRateLimiter");

    expect_status(lab, GET, 200);
    expect_status(lab, GET, 429);
    expect(lab, policies_operate(r, id, POLICY_RESET, weir_now()) == 0);
    expect_status(lab, GET, 200);
    expect(lab, policies_operate(r, id, POLICY_DISABLE, weir_now()) == 0);
    expect_status(lab, GET, 200);
    expect(lab, policies_operate(r, id, POLICY_ENABLE, weir_now()) == 0);
    expect_status(lab, GET, 429);
}

static int64_t limit_shown(struct lab *lab)
{
    for (int64_t n = 1; n < 100; n++) {
        char text[32];
        struct shown s = {.id = "r/AdaptiveConcurrency"};

        snprintf(text, sizeof(text), "\"limit\": %lld,", (long long)n);
        (void)policies_visit(&lab->gateway->policies, show, &s);
        if (strstr(s.text, text) != NULL)
            return n;
    }
    return 0;
}

static void forget_what_was_learnt(struct lab *lab)
{
    struct policies *r = &lab->gateway->policies;
    struct str id = STR("r/AdaptiveConcurrency");

    lab->answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    lab->delay_ns = NS_PER_MS;
    for (int i = 0; i < 40; i++)
        lab_talk(lab, GET);
    expect(lab, limit_shown(lab) < 20);
    expect(lab, policies_operate(r, id, POLICY_RESET, weir_now()) == 0);
    expect(lab, limit_shown(lab) == 20);
    expect_status(lab, GET, 503);
    expect(lab, policy_shows(lab, "r/AdaptiveConcurrency", "\"running\": 0"));
}

static void an_adaptive_limit_is_reset_to_its_first(void **state)
{
    lab_run(forget_what_was_learnt, ROUTE("\"AdaptiveConcurrency=aimd, 20, 1, 50, 1ms\""), NULL);
}

static void operators_reset_disable_and_enable(void **state)
{
    lab_run(operated, LIMITED("1, 1"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_spent_and_refills),
        cmocka_unit_test(each_key_has_its_own_bucket),
        cmocka_unit_test(several_parts_are_one_key),
        cmocka_unit_test(trusted_proxies_say_who_the_client_is),
        cmocka_unit_test(an_untrusted_client_is_its_peer),
        cmocka_unit_test(paced_requests_wait_for_their_turn),
        cmocka_unit_test(a_route_may_take_less_than_the_limits),
        cmocka_unit_test(whoever_enters_a_bulkhead_leaves_it),
        cmocka_unit_test(whoever_enters_an_adaptive_limit_leaves_it),
        cmocka_unit_test(a_full_bulkhead_refuses),
        cmocka_unit_test(a_full_adaptive_limit_refuses),
        cmocka_unit_test(who_matters_more_waits_less),
        cmocka_unit_test(a_gateway_under_pressure_sheds_what_matters_less),
        cmocka_unit_test(an_untrusted_client_has_no_say_in_its_priority),
        cmocka_unit_test(proc_files_are_read),
        cmocka_unit_test(a_new_configuration_finds_the_old_state),
        cmocka_unit_test(operators_reset_disable_and_enable),
        cmocka_unit_test(an_adaptive_limit_is_reset_to_its_first),
        cmocka_unit_test(responses_say_what_is_left),
        cmocka_unit_test(without_being_asked_they_do_not),
        cmocka_unit_test(a_route_has_a_priority_of_its_own),
        cmocka_unit_test(the_priority_of_a_route_needs_no_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
