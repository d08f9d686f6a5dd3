/* Hedging: three origins in the simulated world, which behave by the number of the attempt that
 * comes to them. Whatever happens, what was taken is given back: look() says so after each script.
 */
#include "lab.h"

#include <stdlib.h>

#include <weir/panic.h>
#include <weir/scope.h>

#include "base/assert.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"

#define OK(body)  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body
#define BUSY      "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"
#define GET       "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define ENDPOINTS 3
#define ROLES     4

#define ROUTE(filters)                                                                             \
    "  - {id: r, uri: \"lb://o\", predicates: [\"Path=/**\"], filters: [" filters "]}\n"
#define HEDGED ROUTE("\"Hedge=0, 50ms\"")

/* What attempt number n (from 1) meets, and what became of it. */
struct role {
    int64_t delay_ns;
    const char *answer; /* NULL: the connection is closed */
    bool random;        /* in its place whatever the world's chance says */

    unsigned requests;
    unsigned resets; /* connections that were reset before the answer */
    unsigned endpoint;
};

struct hall {
    struct lab lab;
    struct role roles[ROLES];
    char seen[ROLES][4096];
    lab_script *script;
    const char *routes, *settings;
    struct access_sink sink;
    struct access_attempt attempts[ACCESS_ATTEMPTS_MAX];
    unsigned attempt_count;
    char endpoint[64]; /* of the last record */
    unsigned records;
};

static struct hall *hall_of(struct lab *lab)
{
    return container_of(lab, struct hall, lab);
}

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

/* -- the origins -- */

struct origin {
    struct hall *hall;
    struct stream *stream;
    unsigned index;
};

static unsigned role_of(const char *request)
{
    const char *field = strstr(request, "\r\nX-Weir-Attempt: ");
    unsigned long n = field != NULL ? strtoul(field + 18, NULL, 10) : 1;

    return (unsigned)MIN(MAX(n, 1ul), (unsigned long)ROLES) - 1;
}

static ssize_t read_for(struct stream *s, char *out, size_t size, int64_t ns)
{
    ssize_t n = 0;

    WEIR_DEADLINE (ns) {
        n = stream_read(s, out, size);
    }
    return n;
}

static uint64_t chance(struct hall *h)
{
    uint64_t r;

    world_random(h->lab.world, &r, sizeof(r));
    return r;
}

static void draw(struct hall *h, struct role *r)
{
    static const char *const answers[] = {OK("ab"), OK("cd"), BUSY, NULL};

    r->delay_ns = (int64_t)(chance(h) % 100) * NS_PER_MS;
    r->answer = answers[chance(h) % ARRAY_LEN(answers)];
}

/* Answers, unless the connection ends first. False: it has ended. */
static bool act(struct origin *o, struct role *shared)
{
    struct role r = *shared;
    char byte;
    ssize_t n;

    if (r.random)
        draw(o->hall, &r);
    shared->requests++;
    shared->endpoint = o->index;
    n = read_for(o->stream, &byte, 1, weir_now() + r.delay_ns);
    if (n != -ETIMEDOUT) {
        shared->resets += n == -ECONNRESET;
        return false;
    }
    return r.answer != NULL && stream_write(o->stream, r.answer, strlen(r.answer)) >= 0;
}

static void origin_conn_main(void *arg)
{
    struct origin o = *(struct origin *)arg;
    char text[4096];
    ssize_t n;

    free(arg);
    while ((n = stream_read(o.stream, text, sizeof(text) - 1)) > 0) {
        unsigned role;

        text[n] = 0;
        role = role_of(text);
        memcpy(o.hall->seen[role], text, (size_t)n + 1);
        if (!act(&o, &o.hall->roles[role]))
            break;
    }
    stream_close(o.stream);
}

static void origin_main(void *arg)
{
    struct origin *o = arg;
    struct listener *l;
    struct addr addr;
    char text[32];

    snprintf(text, sizeof(text), "10.0.0.%u:8001", o->index + 2);
    ASSERT(addr_parse(str_of(text), &addr) == 0);
    ASSERT(listener_open(&addr, 64, &l) == 0);
    WEIR_SCOPE (scope) {
        struct stream *s;

        while (listener_accept(l, &s) == 0) {
            struct origin *c = malloc(sizeof(*c));

            *c = (struct origin){o->hall, s, o->index};
            ASSERT(weir_scope_go(scope, "origin", origin_conn_main, c) == 0);
        }
    }
    listener_close(l);
}

/* -- the hall -- */

static void take_record(struct access_sink *s, const struct access_record *r)
{
    struct hall *h = container_of(s, struct hall, sink);

    h->records++;
    h->attempt_count = r->attempt_count;
    memcpy(h->attempts, r->attempts, sizeof(h->attempts));
    snprintf(h->endpoint, sizeof(h->endpoint), STR_FMT, STR_ARG(r->endpoint));
}

/* Nothing is held: no attempt, no retry, no memory. */
static void look(struct hall *h)
{
    struct pin pin = generation_pin(h->lab.gateway);
    struct upstream *u = &pin.generation->upstreams[0];

    for (unsigned i = 0; i < u->endpoint_count; i++)
        expect(&h->lab, atomic_load(&u->endpoints[i]->in_flight) == 0);
    expect(&h->lab, atomic_load(&u->state->budget.word) == 0);
    expect(&h->lab, workspaces_live(&h->lab.gateway->workspaces) == 0);
    generation_unpin(&pin);
}

static int hall_main(void *arg)
{
    struct hall *h = arg;
    struct origin origins[ENDPOINTS];
    int rc;

    ASSERT(gateway_new(&h->lab.gateway) == 0);
    WEIR_SCOPE (scope) {
        for (unsigned i = 0; i < ENDPOINTS; i++) {
            origins[i] = (struct origin){.hall = h, .index = i};
            ASSERT(weir_scope_go(scope, "origin", origin_main, &origins[i]) == 0);
        }
        rc = lab_apply(&h->lab, h->routes, NULL);
        if (rc == 0) {
            h->script(&h->lab);
            weir_sleep(10 * NS_PER_SEC); /* for what the script left behind */
            look(h);
        }
        (void)gateway_stop(h->lab.gateway, weir_now() + NS_PER_SEC);
        gateway_free(h->lab.gateway);
        weir_scope_cancel(scope);
    }
    return rc;
}

static void run_seed(lab_script *script, const char *routes, const char *settings, uint64_t seed)
{
    struct hall *h = calloc(1, sizeof(*h));
    struct weir_options options = {.size = sizeof(options), .workers = 1};
    struct sim_stats stats;
    char upstream[512];
    int rc;

    snprintf(upstream, sizeof(upstream),
             "%s\n    endpoints: [\"10.0.0.2:8001\", \"10.0.0.3:8001\", \"10.0.0.4:8001\"]\n"
             "  - id: unused\n    health: off",
             settings);
    h->lab.upstream = upstream;
    h->script = script;
    h->routes = routes;
    h->sink.write = take_record;
    for (unsigned i = 0; i < ROLES; i++)
        h->roles[i].answer = OK("ok");
    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    h->lab.world = options.world = sim_new(seed);
    ASSERT(addr_parse(STR("10.1.0.1:80"), &h->lab.gateway_addr) == 0);
    access_set_sink(&h->sink);
    rc = weir_main(hall_main, h, &options);
    access_set_sink(NULL);
    sim_get_stats(h->lab.world, &stats);
    sim_free(h->lab.world);
    if (rc != 0)
        lab_fail(&h->lab, __LINE__, strerror(-rc), "", "");
    if (stats.open_sockets != 0)
        lab_fail(&h->lab, __LINE__, "no socket is left open", "", "");
    if (h->lab.failure[0] != 0) {
        print_error("seed %llu: %s\n", (unsigned long long)seed, h->lab.failure);
        free(h);
        fail();
    }
    free(h);
}

static void run(lab_script *script, const char *routes)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        run_seed(script, routes, "breaker: off", seed);
}

static unsigned requests(struct hall *h)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ROLES; i++)
        n += h->roles[i].requests;
    return n;
}

static void ask(struct hall *h, const char *bytes)
{
    lab_talk_for(&h->lab, bytes, 400 * NS_PER_MS);
}

struct shown {
    char text[512];
};

static bool show(void *arg, struct policy *p)
{
    struct shown *s = arg;
    struct text out = {0};

    policy_write(p, weir_now(), &out);
    snprintf(s->text, sizeof(s->text), STR_FMT, STR_ARG(str_n(out.ptr, out.len)));
    text_done(&out);
    return false;
}

static void expect_shows(struct hall *h, int line, const char *what)
{
    struct shown s = {""};

    (void)policies_visit(&h->lab.gateway->policies, show, &s);
    if (strstr(s.text, what) == NULL)
        lab_fail(&h->lab, line, "the policy shows", what, s.text);
}

#define expect_policy(h, what) expect_shows((h), __LINE__, (what))

static void await_record(struct hall *h)
{
    for (int i = 0; i < 100 && h->records == 0; i++)
        weir_sleep(10 * NS_PER_MS);
    expect(&h->lab, h->records == 1);
}

/* ---- who answers ---- */

static void slow_first(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    h->roles[1].answer = OK("2!");
    ask(h, GET);
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect_client_got(lab, "\r\n\r\n2!");
    expect(lab, h->roles[1].requests == 1 && h->roles[0].endpoint != h->roles[1].endpoint);
    await_record(h);
    expect(lab, h->roles[0].resets == 1);
    expect(lab, h->attempt_count == 2);
    expect(lab, h->attempts[0].lost && !h->attempts[0].hedge && h->attempts[0].status == 0);
    expect(lab, h->attempts[1].hedge && !h->attempts[1].lost && h->attempts[1].status == 200);
    expect(lab, str_eq(str_of(h->endpoint), h->attempts[1].endpoint));
    expect_policy(h, "\"won\": 1");
}

static void a_slow_endpoint_is_overtaken_and_its_connection_reset(void **state)
{
    run(slow_first, HEDGED);
}

static void quick_first(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 40 * NS_PER_MS;
    ask(h, GET GET GET);
    expect(lab, h->roles[0].requests == 3 && requests(h) == 3);
    expect(lab, h->attempt_count == 1 && !h->attempts[0].hedge);
    expect_policy(h, "\"latencies\": 3, \"won\": 0, \"lost\": 0");
}

static void in_time_there_is_one_attempt(void **state)
{
    run(quick_first, HEDGED);
}

static void first_after_all(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = OK("1!");
    h->roles[1].delay_ns = 10 * NS_PER_SEC;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    await_record(h);
    expect(lab, h->roles[1].resets == 1);
    expect(lab, h->attempt_count == 2);
    expect(lab, h->attempts[0].hedge && h->attempts[0].lost);
    expect(lab, !h->attempts[1].hedge && h->attempts[1].status == 200);
    expect_policy(h, "\"lost\": 1");
}

static void the_first_may_win_after_the_hedge_was_sent(void **state)
{
    run(first_after_all, HEDGED);
}

static void at_once(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = OK("aa");
    h->roles[1].delay_ns = 30 * NS_PER_MS;
    h->roles[1].answer = OK("bb");
    for (int i = 0; i < 20; i++) {
        ask(h, GET);
        expect(lab, lab_client_got(lab, "\r\n\r\naa") != lab_client_got(lab, "\r\n\r\nbb"));
        expect(lab, strstr(lab->reply + 1, "HTTP/1.1") == NULL);
    }
    expect(lab, h->roles[1].requests == 20);
}

static void two_answers_at_once_are_one(void **state)
{
    run(at_once, HEDGED);
}

static void three_of_them(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = h->roles[1].delay_ns = 10 * NS_PER_SEC;
    h->roles[2].answer = OK("3!");
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n3!");
    await_record(h);
    expect(lab, h->roles[0].resets == 1 && h->roles[1].resets == 1);
    expect(lab, h->roles[0].endpoint + h->roles[1].endpoint + h->roles[2].endpoint == 0 + 1 + 2);
    expect(lab, h->attempt_count == 3 && h->attempts[1].lost && h->attempts[2].hedge);
}

static void each_further_hedge_has_an_endpoint_of_its_own(void **state)
{
    run(three_of_them, ROUTE("{name: Hedge, args: {percentile: 0, delay: 50ms, maxHedges: 3}}"));
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
    ask(h, GET);
    expect_client_got(lab, "\r\nX-Who: me\r\n");
    expect_client_got(lab, "xxxz");
    expect(lab, strspn(strstr(lab->reply, "\r\n\r\nx") + 4, "x") == 38999);
    h->roles[0].delay_ns = 0;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
}

static void the_body_of_a_hedge_goes_on_as_any_other(void **state)
{
    run(long_body, HEDGED);
}

/* ---- failures ---- */

static void hedge_fails(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 120 * NS_PER_MS;
    h->roles[0].answer = OK("1!");
    h->roles[1].answer = BUSY;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    h->roles[1].answer = NULL;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n1!");
    expect(lab, h->attempts[0].hedge && h->attempts[0].outcome == CAUSE_CONNECTION_TERMINATED);
    expect_policy(h, "\"failed\": 2");
    expect(lab, requests(h) == 4);
}

static void a_hedge_that_fails_changes_nothing(void **state)
{
    run(hedge_fails, HEDGED);
}

static void first_fails(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 80 * NS_PER_MS;
    h->roles[0].answer = NULL;
    h->roles[1].delay_ns = 100 * NS_PER_MS;
    h->roles[1].answer = OK("2!");
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n2!");
    expect(lab, h->attempts[0].outcome == CAUSE_CONNECTION_TERMINATED && !h->attempts[0].lost);
    h->roles[0].answer = BUSY;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\n2!");
    h->roles[1].answer = NULL;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nbusy");
    h->roles[0].answer = NULL;
    h->roles[1].answer = BUSY;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nbusy");
    expect(lab, requests(h) == 8);
}

static void a_hedge_outlives_the_failure_of_the_first(void **state)
{
    run(first_fails, HEDGED);
}

static void early_failure(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].answer = NULL;
    ask(h, GET); /* retried, which is not hedged */
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempt_count == 2 && !h->attempts[1].hedge);
    h->roles[1].delay_ns = 200 * NS_PER_MS;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempt_count == 2 && h->roles[2].requests == 0);
}

static void a_first_that_fails_early_is_a_matter_of_retries(void **state)
{
    run(early_failure, HEDGED);
}

static void all_fail(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = h->roles[1].delay_ns = 100 * NS_PER_MS;
    h->roles[0].answer = h->roles[1].answer = NULL;
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok"); /* of the third endpoint: both others count as tried */
    expect(lab, h->roles[2].requests == 1);
    expect(lab, h->roles[0].endpoint + h->roles[1].endpoint + h->roles[2].endpoint == 0 + 1 + 2);
    expect(lab, h->attempt_count == 3);
}

static void when_both_fail_a_retry_goes_where_neither_was(void **state)
{
    run(all_fail, HEDGED);
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
    run_seed(deadline, HEDGED, "breaker: off\n    timeouts: {read: 5s, total: 1s}", 1);
}

/* ---- when none is sent ---- */

static void unsafe(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    ask(h, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    ask(h, "PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    ask(h, "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    expect(lab, requests(h) == 3);
    ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Weir-Attempt: 2\r\n\r\n");
    expect(lab, requests(h) == 4);
}

static void what_may_not_be_repeated_is_never_hedged(void **state)
{
    run(unsafe, HEDGED);
}

static void safe(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 200 * NS_PER_MS;
    ask(h, "POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: \"k\"\r\nContent-Length: 2\r\n\r\nab");
    expect(lab, h->roles[1].requests == 1);
    expect(lab, strstr(h->seen[1], "\r\nX-Weir-Attempt: 2\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\n\r\nab") != NULL);
    ask(h, "PUT /y?z HTTP/1.1\r\nHost: a\r\nX-Way: in\r\nContent-Length: 2\r\n\r\ncd");
    expect(lab, h->roles[1].requests == 2);
    expect(lab, strstr(h->seen[1], "PUT /p/y?z HTTP/1.1\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\nX-Way: in\r\n") != NULL);
    expect(lab, strstr(h->seen[1], "\r\n\r\ncd") != NULL);
}

static void what_may_be_is_sent_with_its_body_and_as_filters_left_it(void **state)
{
    run(safe, ROUTE("\"Hedge=0, 50ms\", PrefixPath=/p"));
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
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, requests(h) == 1);
    expect_policy(h, "\"no_budget\": 1");
    retry_budget_give(b);
    ask(h, GET);
    expect(lab, h->roles[1].requests == 1);
    retry_budget_give(b);
    retry_budget_give(b);
}

static void a_spent_budget_sends_none(void **state)
{
    run(no_budget, HEDGED);
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
    ask(h, GET);
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, requests(h) == 1);
    expect_policy(h, "\"no_endpoint\": 1");
    set_breakers(lab, WEIR_BREAKER_CLOSED, true);
}

static void open_breakers_of_the_others_send_none(void **state)
{
    run_seed(others_open, HEDGED, "breaker: on", 1);
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
    ask(h, GET);
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
    run_seed(probes, HEDGED, "breaker: {failures: 3}", 1);
}

static void losers(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_SEC;
    for (int i = 0; i < 50; i++) {
        ask(h, GET);
        expect_client_got(lab, "\r\n\r\nok");
    }
    expect(lab, h->roles[0].requests == 50 && h->roles[0].resets == 50);
}

static void losing_opens_no_breaker(void **state)
{
    run_seed(losers, HEDGED, "breaker: {failures: 3, min_calls: 3}", 1);
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
    run(client_leaves, HEDGED);
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
    ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 1\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 500 ");
    expect(lab, h->roles[1].requests == 1);
    h->roles[1].delay_ns = 10 * NS_PER_SEC;
    ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 1\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 500 ");
    weir_sleep(100 * NS_PER_MS); /* on its way */
    expect(lab, h->roles[1].resets == 1);
    ask(h, "GET /x HTTP/1.1\r\nHost: a\r\nX-Panic-At: 2\r\n\r\n");
    expect_client_got(lab, "\r\n\r\nok");
    expect(lab, h->attempts[0].hedge && h->attempts[0].outcome == CAUSE_PROXY_INTERNAL_ERROR);
}

static void a_panic_costs_its_attempt_or_its_request_and_nothing_else(void **state)
{
    run(panics, HEDGED);
}

/* ---- the delay ---- */

static void learns(struct lab *lab)
{
    struct hall *h = hall_of(lab);

    h->roles[0].delay_ns = 10 * NS_PER_MS;
    for (int i = 0; i < 32; i++)
        ask(h, GET);
    expect(lab, requests(h) == 32);
    h->roles[0].delay_ns = 60 * NS_PER_MS; /* less than delay, more than what was seen */
    ask(h, GET);
    expect(lab, h->roles[1].requests == 1);
    expect_policy(h, "\"learnt_delay_seconds\": 0.01");
    h->roles[1].delay_ns = 60 * NS_PER_MS;
    for (int i = 0; i < 64; i++)
        ask(h, GET);
    expect_policy(h, "\"learnt_delay_seconds\": 0.02"); /* maxDelay */
}

static void the_delay_follows_what_is_seen_within_its_bounds(void **state)
{
    run_seed(learns, ROUTE("\"Hedge=90, 100ms, 1ms, 20ms\""), "breaker: off", 1);
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
        if (chance(h) % 4 == 0) {
            weir_sleep((int64_t)(chance(h) % 120) * NS_PER_MS);
            stream_reset(s);
            continue;
        }
        ssize_t n = read_for(s, reply, sizeof(reply) - 1, weir_now() + 5 * NS_PER_SEC);

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

static void what_is_taken_is_given_back_in_every_world(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run_seed(storm, HEDGED, "breaker: off", seed);
        run_seed(storm, ROUTE("{name: Hedge, args: {percentile: 50, delay: 20ms, maxHedges: 3}}"),
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
