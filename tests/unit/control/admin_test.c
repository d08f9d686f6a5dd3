/* The admin listener over the simulated network, with a gateway made of paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "control/admin.h"
#include "http/client.h"
#include "telemetry/cause.h"
#include "world/sim.h"

/* -- the gateway, as far as the admin asks it -- */

static bool ready;
static int view_result;

bool gateway_ready(struct gateway *g)
{
    return ready;
}

int gateway_view(struct gateway *g, struct arena *a, struct gateway_view *ret)
{
    *ret = (struct gateway_view){.generation = 3};
    return view_result;
}

void gateway_view_done(struct gateway_view *v)
{
}

static struct {
    enum policy_action action;
    unsigned count;
} operated;

int gateway_write_policies(struct gateway *g, const struct str *id, struct text *out)
{
    if (id != NULL && !str_eq(*id, STR("a b/X")))
        return -ENOENT;
    text_puts(out, STR("{\"policies\": []}\n"));
    return 0;
}

int gateway_operate_policy(struct gateway *g, struct str id, enum policy_action action,
                           unsigned *ret_actions)
{
    if (!str_eq(id, STR("a b/X")))
        return -ENOENT;
    if (action == POLICY_FORCE_OPEN) {
        *ret_actions = 1u << POLICY_RESET | 1u << POLICY_ENABLE;
        return -ENOTSUP;
    }
    operated.action = action;
    operated.count++;
    return 0;
}

/* -- a client -- */

struct reply {
    int status;
    char text[16 * KIB]; /* whole response, head included */
};

static struct addr admin_at;

static void ask(const char *request, struct reply *ret)
{
    struct stream *s;
    ssize_t n;
    size_t len = 0;

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(stream_dial(&admin_at, &s), 0);
    assert_int_equal(stream_write(s, request, strlen(request)), 0);
    while ((n = stream_read(s, ret->text + len, sizeof(ret->text) - 1 - len)) > 0)
        len += (size_t)n;
    stream_close(s);
    assert_int_equal(sscanf(ret->text, "HTTP/1.1 %d", &ret->status), 1);
}

static void get(const char *method, const char *path, struct reply *ret)
{
    char request[256];

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             method, path);
    ask(request, ret);
}

static const char *body_of(const struct reply *r)
{
    const char *end = strstr(r->text, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

/* -- around each test: a world, a runtime, an admin -- */

static int serve_extra(struct admin *a, struct http_call *call, void *arg)
{
    return admin_reply_json(call, 200, str_of(arg));
}

static const struct admin_page extra_pages[] = {
    {.path = {"/extra/", 7},
     .methods = {"POST", 4},
     .help = {"more", 4},
     .serve = serve_extra,
     .arg = (void *)"{\"extra\": true}"},
};

typedef void test_body(struct admin *a);

static int run_body(void *arg)
{
    struct admin *a;

    assert_int_equal(addr_parse(STR("127.0.0.1:9900"), &admin_at), 0);
    cause_setup();
    const struct admin_options o = {.addr = &admin_at, .pages = extra_pages, .page_count = 1};
    assert_int_equal(admin_start(&o, &a), 0);
    (*(test_body **)arg)(a);
    admin_stop(a);
    return 0;
}

static void in_world(test_body *body)
{
    struct world *w = sim_new(1);
    const struct weir_options o = {.size = sizeof(o), .world = w};
    struct sim_stats stats;

    ready = true;
    view_result = 0;
    assert_int_equal(weir_main(run_body, &body, &o), 0);
    sim_get_stats(w, &stats);
    assert_int_equal(stats.open_sockets, 0);
    sim_free(w);
}

/* -- tests -- */

static void check_health(struct admin *a)
{
    struct reply r;

    ready = false;
    get("GET", "/healthz", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(body_of(&r), "ok\n");
    get("GET", "/readyz", &r);
    assert_int_equal(r.status, 503);
    ready = true;
    get("GET", "/readyz", &r);
    assert_int_equal(r.status, 200);
    admin_stopping(a);
    get("GET", "/readyz", &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(body_of(&r), "stopping\n");
    get("GET", "/healthz", &r);
    assert_int_equal(r.status, 200);
}

static void readiness_follows_the_gateway_and_ends_when_stopping(void **state)
{
    in_world(check_health);
}

static void check_unknown(struct admin *a)
{
    struct reply r;

    get("GET", "/nothing", &r);
    assert_int_equal(r.status, 404);
    json_t *doc = json_loads(body_of(&r), 0, NULL), *pages = json_object_get(doc, "pages");
    assert_non_null(doc);
    assert_int_equal(json_array_size(pages), 11);
    assert_string_equal(json_string_value(json_array_get(pages, 10)), "/extra/");
    json_decref(doc);
    get("POST", "/extra/", &r); /* nothing below it is named */
    assert_int_equal(r.status, 404);
    get("GET", "/healthz/", &r);
    assert_int_equal(r.status, 404);
}

static void an_unknown_page_lists_those_that_exist(void **state)
{
    in_world(check_unknown);
}

static void check_methods(struct admin *a)
{
    struct reply r;

    get("POST", "/healthz", &r);
    assert_int_equal(r.status, 405);
    assert_non_null(strstr(r.text, "Allow: GET, HEAD\r\n"));
    get("HEAD", "/healthz", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(body_of(&r), "");
    get("GET", "/extra/x", &r);
    assert_int_equal(r.status, 405);
    assert_non_null(strstr(r.text, "Allow: POST\r\n"));
    get("POST", "/extra/x", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(body_of(&r), "{\"extra\": true}");
}

static void a_wrong_method_is_told_the_right_one(void **state)
{
    in_world(check_methods);
}

static void check_views(struct admin *a)
{
    static const char *const pages[] = {"/api/routes", "/api/upstreams", "/api/config"};
    struct reply r;

    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        get("GET", pages[i], &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.text, "application/json"));
        json_t *doc = json_loads(body_of(&r), 0, NULL);
        assert_int_equal(json_integer_value(json_object_get(doc, "generation")), 3);
        json_decref(doc);
    }
    view_result = -ENOMEM;
    get("GET", "/api/routes", &r);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(body_of(&r), "\"error\""));
}

static void views_are_json_and_a_failure_is_a_503(void **state)
{
    in_world(check_views);
}

static void check_policies(struct admin *a)
{
    struct reply r;

    get("GET", "/api/policies", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(body_of(&r), "\"policies\": []"));
    operated.count = 0;
    get("POST", "/api/policies/a%20b/X?action=disable", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(operated.count, 1);
    assert_int_equal(operated.action, POLICY_DISABLE);
    get("POST", "/api/policies/a%20b/X?action=force_open", &r);
    assert_int_equal(r.status, 409);
    assert_non_null(strstr(body_of(&r), "it knows: reset, enable"));
    get("POST", "/api/policies/nobody?action=reset", &r);
    assert_int_equal(r.status, 404);
    get("POST", "/api/policies/a%20b/X?action=explode", &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(body_of(&r), "expected ?action="));
    get("POST", "/api/policies/a%20b/X", &r);
    assert_int_equal(r.status, 400);
    get("POST", "/api/policies/a%2?action=reset", &r);
    assert_int_equal(r.status, 400);
    get("GET", "/api/policies/a%20b/X?action=reset", &r);
    assert_int_equal(r.status, 405);
    assert_int_equal(operated.count, 1);
}

static void policies_are_shown_and_operated(void **state)
{
    in_world(check_policies);
}

static void check_origin(struct admin *a)
{
    struct reply r;

    operated.count = 0;
    ask("POST /api/policies/a%20b/X?action=reset HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n"
        "Connection: close\r\nContent-Length: 0\r\n\r\n",
        &r);
    assert_int_equal(r.status, 403);
    assert_int_equal(operated.count, 0);
}

static void pages_of_other_sites_operate_nothing(void **state)
{
    in_world(check_origin);
}

static void check_metrics(struct admin *a)
{
    struct reply r;

    get("GET", "/metrics", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.text, "text/plain; version=0.0.4"));
    assert_non_null(strstr(body_of(&r), "# TYPE weir_failures_total counter\n"));
}

static void metrics_are_in_prometheus_text_format(void **state)
{
    in_world(check_metrics);
}

static void check_index(struct admin *a)
{
    struct reply r;

    get("GET", "/", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(body_of(&r), "/api/upstreams"));
    assert_non_null(strstr(body_of(&r), "POST /extra/"));
}

static void the_index_names_every_page(void **state)
{
    in_world(check_index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readiness_follows_the_gateway_and_ends_when_stopping),
        cmocka_unit_test(an_unknown_page_lists_those_that_exist),
        cmocka_unit_test(a_wrong_method_is_told_the_right_one),
        cmocka_unit_test(views_are_json_and_a_failure_is_a_503),
        cmocka_unit_test(policies_are_shown_and_operated),
        cmocka_unit_test(pages_of_other_sites_operate_nothing),
        cmocka_unit_test(metrics_are_in_prometheus_text_format),
        cmocka_unit_test(the_index_names_every_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
