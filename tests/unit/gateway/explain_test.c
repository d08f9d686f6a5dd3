/* What an explanation says about routes, filters and endpoints, from a compiled configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "gateway/explain.h"
#include "runtime/runtime.h"
#include "world/sim.h"

static const char text[] =
    "listeners: [\"10.1.0.1:80\"]\n"
    "limits: {target_size: 256}\n"
    "upstreams:\n"
    "  - id: u\n"
    "    balance: consistent_hash\n"
    "    hash: {on: cookie, name: user}\n"
    "    endpoints: [\"10.0.0.1:1\", \"10.0.0.2:1\", \"10.0.0.3:1\"]\n"
    "  - {id: v, endpoints: [\"10.0.0.1:1\"]}\n"
    "routes:\n"
    "  - {id: late, order: 9, uri: \"lb://v\", predicates: [\"Path=/**\"]}\n"
    "  - {id: host, uri: \"lb://v\", predicates: [\"Host=a.org:81\"]}\n"
    "  - {id: method, uri: \"lb://v\", predicates: [\"Path=/m/**\", \"Method=PUT\"]}\n"
    "  - {id: header, uri: \"lb://v\", predicates: [\"Path=/m/**\", \"Header=X-A, 1\"]}\n"
    "  - {id: query, uri: \"lb://v\", predicates: [\"Path=/m/**\", \"Query=q, 1\"]}\n"
    "  - {id: cut, uri: \"lb://u\", predicates: [\"Path=/c/{x}/**\"],\n"
    "     filters: [StripPrefix=2, \"SetRequestHeader=Cookie, user={x}\"]}\n"
    "  - {id: gone, uri: \"no://op\", predicates: [\"Path=/gone/{x}\"],\n"
    "     filters: [\"RedirectTo=301, /new/{x}\"]}\n"
    "  - {id: frail, uri: \"lb://v\", predicates: [\"Path=/frail\"], filters: [StripPrefix=1,\n"
    "     {name: CircuitBreaker, args: {fallbackUri: \"forward:/m/spare\"}}]}\n"
    "  - {id: round, uri: \"lb://v\", predicates: [\"Path=/round/**\"], filters: [\n"
    "     {name: CircuitBreaker, args: {fallbackUri: \"forward:/round/1\"}}]}\n";

struct question {
    struct config *config;
    struct explain_request request;
    struct arena arena;
    struct explanation answer;
    char error[128];
};

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

static int ask(void *arg)
{
    struct question *q = arg;
    struct weir_error *error = NULL;
    int rc = gateway_explain(q->config, &q->request, &q->arena, &q->answer, &error);

    snprintf(q->error, sizeof(q->error), "%s", error != NULL ? weir_error_message(error) : "");
    weir_error_free(error);
    return rc;
}

static int setup(void **state)
{
    struct question *q = calloc(1, sizeof(*q));
    struct diag_list diags;
    int rc;

    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    arena_init(&q->arena, NULL, 0, SIZE_MAX);
    diag_list_init(&diags);
    rc = config_load(str_of(text), "test", &diags, &q->config);
    diag_list_done(&diags);
    *state = q;
    return rc;
}

static int teardown(void **state)
{
    struct question *q = *state;

    config_unref(q->config);
    arena_done(&q->arena);
    free(q);
    return 0;
}

static int explain(struct question *q, const char *method, const char *url, const char *field)
{
    struct weir_options options = {.size = sizeof(options), .workers = 1};
    struct str fields[1] = {str_of(field)};
    struct sim_stats stats;
    int rc;

    q->request = (struct explain_request){str_of(method), str_of(url), fields, field != NULL};
    q->request.client.in.sin_family = AF_INET;
    options.world = sim_new(1);
    rc = weir_main(ask, q, &options);
    sim_get_stats(options.world, &stats);
    sim_free(options.world);
    assert_int_equal(stats.connects, 0);
    assert_int_equal(stats.open_sockets, 0);
    return rc;
}

#define assert_str(s, expected)                                                                    \
    do {                                                                                           \
        assert_int_equal((s).len, strlen(expected));                                               \
        assert_memory_equal((s).ptr, (expected), (s).len);                                         \
    } while (0)

static const struct explain_route *route(const struct question *q, const char *id)
{
    for (uint32_t i = 0; i < q->answer.route_count; i++) {
        if (str_eq(q->answer.routes[i].config->id, str_of(id)))
            return &q->answer.routes[i];
    }
    fail_msg("no route %s", id);
    return NULL;
}

static void every_route_says_what_failed_and_on_what(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "GET", "http://A.org/m/./x?q=2&r", "x-a: 2, 3"), 0);
    assert_str(q->answer.path, "/m/x");
    assert_str(q->answer.route->config->id, "late");
    assert_str(route(q, "host")->predicate, "Host=a.org:81");
    assert_str(route(q, "host")->seen, "the host is a.org, port 80");
    assert_str(route(q, "method")->predicate, "Method=PUT");
    assert_str(route(q, "method")->seen, "the method is GET");
    assert_str(route(q, "header")->seen, "the header X-A is \"2, 3\"");
    assert_str(route(q, "query")->seen, "the query is \"q=2&r\"");
    assert_str(route(q, "cut")->seen, "the path is /m/x");
    assert_int_equal(route(q, "late")->verdict, EXPLAIN_SERVES);
}

static void what_is_missing_is_said_to_be_missing(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "GET", "/m", NULL), 0);
    assert_str(route(q, "header")->seen, "there is no header X-A");
    assert_str(route(q, "query")->seen, "there is no query");
    assert_str(q->answer.host, "localhost");
}

static void a_route_behind_the_one_that_serves_is_not_called_a_failure(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "PUT", "/m/x", "Host: a.org:81"), 0);
    assert_str(q->answer.route->config->id, "host");
    assert_int_equal(route(q, "method")->verdict, EXPLAIN_LATER);
    assert_int_equal(route(q, "late")->verdict, EXPLAIN_LATER);
    assert_int_equal(route(q, "cut")->verdict, EXPLAIN_FAILS);
}

static void the_filters_change_what_is_hashed_and_sent(void **state)
{
    struct question *q = *state;
    const struct explanation *e = &q->answer;

    assert_int_equal(explain(q, "GET", "/c/ann/d?k", "Cookie: user=bob"), 0);
    assert_str(e->route->config->id, "cut");
    assert_int_equal(e->vars.count, 1);
    assert_str(e->vars.items[0].value, "ann");
    assert_int_equal(e->step_count, 5);
    assert_str(e->steps[0].name, "prepare_request");
    assert_str(e->steps[1].name, "StripPrefix");
    assert_str(e->steps[2].name, "SetRequestHeader");
    assert_str(e->steps[3].name, "retry");
    assert_str(e->steps[4].name, "forward");
    assert_str(e->sent_path, "/d");
    assert_str(e->sent_query, "k");
    assert_str(e->hash_key, "ann");
    assert_in_range(e->hash_endpoint, 0, 2);
}

static void equal_keys_fall_to_one_endpoint_and_others_spread(void **state)
{
    struct question *q = *state;
    bool met[3] = {false};
    char url[32];

    for (int i = 0; i < 24; i++) {
        int32_t first;

        snprintf(url, sizeof(url), "/c/user%d/d", i);
        assert_int_equal(explain(q, "GET", url, NULL), 0);
        first = q->answer.hash_endpoint;
        assert_int_equal(explain(q, "POST", url, NULL), 0);
        assert_int_equal(q->answer.hash_endpoint, first);
        met[first] = true;
    }
    assert_true(met[0] && met[1] && met[2]);
}

static void a_filter_that_answers_ends_it(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "GET", "/gone/7", NULL), 0);
    assert_str(q->answer.route->config->id, "gone");
    assert_int_equal(q->answer.answered, 301);
    assert_str(q->answer.location, "/new/7");
    assert_null(q->answer.upstream);
}

static void what_no_route_may_decide_is_refused_with_its_cause(void **state)
{
    static const struct {
        const char *method, *url;
        enum cause cause;
    } rows[] = {
        {"CONNECT", "/x", CAUSE_HTTP_REQUEST_ERROR},   {"TRACE", "/x", CAUSE_METHOD_NOT_ALLOWED},
        {"GET", "/a/../..", CAUSE_HTTP_REQUEST_ERROR}, {"G T", "/x", CAUSE_HTTP_REQUEST_ERROR},
        {"GET", "/%zz", CAUSE_HTTP_REQUEST_ERROR},
    };
    struct question *q = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(explain(q, rows[i].method, rows[i].url, NULL), 0);
        assert_int_equal(q->answer.refused, rows[i].cause);
        assert_true(q->answer.why.len != 0);
        assert_int_equal(q->answer.route_count, 0);
    }
}

static void a_fallback_uri_leads_where_this_request_would_go(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "PUT", "/frail", NULL), 0);
    assert_str(q->answer.fallback_path, "/m/spare");
    assert_str(q->answer.fallback->config->id, "method");
    assert_str(q->answer.steps[0].name, "fallback_uri");
    assert_str(q->answer.sent_path, "/");
    assert_int_equal(explain(q, "GET", "/frail", "X-A: 1"), 0);
    assert_str(q->answer.fallback->config->id, "header");
    assert_int_equal(explain(q, "GET", "/round/2", NULL), 0);
    assert_str(q->answer.fallback_path, "/round/1");
    assert_null(q->answer.fallback);
    assert_int_equal(explain(q, "GET", "/c/1/2", NULL), 0);
    assert_null(q->answer.fallback_path.ptr);
}

static void a_question_that_is_none_is_an_error(void **state)
{
    struct question *q = *state;

    assert_int_equal(explain(q, "GET", "ftp://x/", NULL), -EINVAL);
    assert_string_equal(q->error, "the URL: expected http://HOST/PATH, or /PATH");
    assert_int_equal(explain(q, "GET", "http:///x", NULL), -EINVAL);
    assert_int_equal(explain(q, "GET", "/x", "no colon"), -EINVAL);
    assert_string_equal(q->error, "a header: expected 'Name: value' on one line");
    assert_int_equal(explain(q, "GET", "/x", "A: b\r\nB: c"), -EINVAL);
    assert_int_equal(explain(q, "GET\r\n", "/x", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route_says_what_failed_and_on_what, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_said_to_be_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_route_behind_the_one_that_serves_is_not_called_a_failure,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_filters_change_what_is_hashed_and_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(equal_keys_fall_to_one_endpoint_and_others_spread, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_filter_that_answers_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_no_route_may_decide_is_refused_with_its_cause, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_fallback_uri_leads_where_this_request_would_go, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_question_that_is_none_is_an_error, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
