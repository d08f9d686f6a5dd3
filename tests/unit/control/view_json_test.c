/* The JSON of the admin API, from views made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "control/view_json.h"

static const struct config_predicate predicates[] = {{.text = {"Path=/users/**", 14}},
                                                     {.text = {"Method=GET,POST", 15}}};
static const struct config_filter filters[] = {{.text = {"StripPrefix=1", 13}}};
static const struct config_route route_config = {
    .predicates = (struct config_predicate *)predicates,
    .predicate_count = 2,
    .filters = (struct config_filter *)filters,
    .filter_count = 1,
    .line = 12,
};

static struct gateway_route_view route = {
    .id = {"users", 5},
    .uri = {"lb://users", 10},
    .order = -5,
    .config = &route_config,
    .requests_total = 10,
    .by_class = {0, 0, 7, 0, 2, 1},
    .latency_p50_ns = 1500000,
    .latency_p99_ns = 800 * NS_PER_MS,
};
static struct gateway_endpoint_view endpoint = {
    .address = {"127.0.0.1:9001", 14},
    .weight = 2,
    .state = {"unhealthy", 9},
    .reason = {"connect: \"refused\"", 18},
    .state_age_ns = 3 * NS_PER_SEC,
    .in_flight = 4,
    .requests_total = 99,
    .failures_total = 3,
};
static struct gateway_upstream_view upstream = {
    .id = {"users", 5},
    .balance = {"least_request", 13},
    .endpoints = &endpoint,
    .endpoint_count = 1,
};

static struct gateway_view make_view(void)
{
    static struct str listener = {"127.0.0.1:8080", 14};
    static struct gateway_cause_view cause = {{"connection_refused", 18}, 3};

    return (struct gateway_view){
        .generation = 7,
        .config_hash = UINT64_C(0x00ab),
        .config_age_ns = 2500 * NS_PER_MS,
        .requests_total = 10,
        .listeners = &listener,
        .listener_count = 1,
        .routes = &route,
        .route_count = 1,
        .upstreams = &upstream,
        .upstream_count = 1,
        .causes = &cause,
        .cause_count = 1,
    };
}

static json_t *document(int (*write)(const struct gateway_view *v, struct text *out))
{
    struct gateway_view v = make_view();
    struct text out = {0};

    assert_int_equal(write(&v, &out), 0);
    json_t *doc = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    text_done(&out);
    return doc;
}

static json_t *first(json_t *doc, const char *list)
{
    json_t *array = json_object_get(doc, list);

    assert_int_equal(json_array_size(array), 1);
    return json_array_get(array, 0);
}

static const char *text_at(json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static long number_at(json_t *o, const char *key)
{
    return (long)json_integer_value(json_object_get(o, key));
}

static void routes_show_what_was_written_and_what_went_through(void **state)
{
    json_t *doc = document(view_json_routes), *r = first(doc, "routes");
    json_t *p = json_object_get(r, "predicates");

    assert_string_equal(text_at(r, "id"), "users");
    assert_string_equal(text_at(r, "uri"), "lb://users");
    assert_int_equal(number_at(r, "order"), -5);
    assert_int_equal(json_array_size(p), 2);
    assert_string_equal(json_string_value(json_array_get(p, 1)), "Method=GET,POST");
    assert_string_equal(json_string_value(json_array_get(json_object_get(r, "filters"), 0)),
                        "StripPrefix=1");
    assert_int_equal(number_at(r, "requests_total"), 10);
    assert_int_equal(number_at(json_object_get(r, "responses"), "5xx"), 1);
    assert_int_equal(number_at(json_object_get(r, "responses"), "2xx"), 7);
    assert_true(json_real_value(json_object_get(r, "latency_p99_seconds")) == 0.8);
    json_decref(doc);
}

static void endpoints_show_state_reason_and_load(void **state)
{
    json_t *doc = document(view_json_upstreams), *u = first(doc, "upstreams");
    json_t *e = first(u, "endpoints");

    assert_string_equal(text_at(u, "balance"), "least_request");
    assert_string_equal(text_at(e, "state"), "unhealthy");
    assert_string_equal(text_at(e, "reason"), "connect: \"refused\"");
    assert_true(json_real_value(json_object_get(e, "state_age_seconds")) == 3.0);
    assert_int_equal(number_at(e, "weight"), 2);
    assert_int_equal(number_at(e, "in_flight"), 4);
    assert_int_equal(number_at(e, "requests_total"), 99);
    assert_int_equal(number_at(e, "failures_total"), 3);
    json_decref(doc);
}

static void the_configuration_shows_generation_hash_and_causes(void **state)
{
    json_t *doc = document(view_json_config);

    assert_int_equal(number_at(doc, "generation"), 7);
    assert_string_equal(text_at(doc, "hash"), "00000000000000ab");
    assert_true(json_real_value(json_object_get(doc, "age_seconds")) == 2.5);
    assert_int_equal(number_at(json_object_get(doc, "causes"), "connection_refused"), 3);
    json_decref(doc);
}

static void text_that_is_not_utf8_does_not_spoil_the_document(void **state)
{
    struct str before = endpoint.reason;

    endpoint.reason = STR("bad \xff byte");
    json_t *doc = document(view_json_upstreams);
    assert_string_equal(text_at(first(first(doc, "upstreams"), "endpoints"), "reason"),
                        "bad \xef\xbf\xbd byte");
    json_decref(doc);
    endpoint.reason = before;
}

static void a_gateway_without_configuration_is_an_empty_document(void **state)
{
    const struct gateway_view v = {0};
    struct text out = {0};

    assert_int_equal(view_json_routes(&v, &out), 0);
    assert_int_equal(view_json_upstreams(&v, &out), 0);
    assert_int_equal(view_json_config(&v, &out), 0);
    assert_non_null(strstr(out.ptr, "\"routes\": []"));
    text_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_show_what_was_written_and_what_went_through),
        cmocka_unit_test(endpoints_show_state_reason_and_load),
        cmocka_unit_test(the_configuration_shows_generation_hash_and_causes),
        cmocka_unit_test(text_that_is_not_utf8_does_not_spoil_the_document),
        cmocka_unit_test(a_gateway_without_configuration_is_an_empty_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
