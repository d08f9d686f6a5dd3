/* Endpoints that fail at the same moment, on several threads: no more breakers open than may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/scope.h>

#include "base/log.h"
#include "gateway/gateway_impl.h"

#define ENDPOINTS 4
#define ROUNDS    300

static const char text[] = "listeners: [\"127.0.0.1:0\"]\n"
                           "upstreams:\n"
                           "  - id: o\n"
                           "    health: off\n"
                           "    eject: {percent_max: 50%}\n"
                           "    breaker: {failures: 1, min_calls: 1000000}\n"
                           "    endpoints: [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\", "
                           "\"127.0.0.1:4\"]\n"
                           "routes:\n"
                           "  - {id: all, uri: \"lb://o\", predicates: [\"Path=/**\"]}\n";

static atomic_uint arrived;
static unsigned most_open, least_open = ENDPOINTS;

struct failing {
    struct upstream *upstream;
    struct endpoint *endpoint;
    unsigned parties;
};

static void fail_at_once(void *arg)
{
    struct failing *f = arg;
    struct weir_breaker_token token;

    if (weir_breaker_acquire(&f->endpoint->breaker, weir_now(), &token, NULL) < 0)
        return;
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < f->parties)
        (void)weir_yield();
    endpoint_breaker_failed(f->upstream, f->endpoint, &token);
}

static void round_of_failures(struct upstream *u)
{
    struct failing f[ENDPOINTS];
    unsigned open = 0;

    atomic_store(&arrived, 0);
    WEIR_SCOPE (scope) {
        for (int i = 0; i < ENDPOINTS; i++) {
            f[i] = (struct failing){u, u->endpoints[i], ENDPOINTS};
            (void)weir_scope_go(scope, "failing", fail_at_once, &f[i]);
        }
        (void)weir_scope_wait(scope);
    }
    for (int i = 0; i < ENDPOINTS; i++) {
        open += !weir_breaker_admits(&u->endpoints[i]->breaker, weir_now(), NULL);
        (void)weir_breaker_set(&u->endpoints[i]->breaker, WEIR_BREAKER_CLOSED, weir_now());
    }
    most_open = MAX(most_open, open);
    least_open = MIN(least_open, open);
}

static int in_runtime(void *arg)
{
    struct weir_error *error = NULL;
    struct config *config;
    struct diag_list diags;
    struct gateway *g;
    struct pin pin;
    int rc;

    diag_list_init(&diags);
    rc = config_load(str_of(text), "cap", &diags, &config);
    diag_list_done(&diags);
    if (rc < 0)
        return rc;
    rc = gateway_new(&g);
    if (rc < 0)
        return rc;
    rc = gateway_apply(g, config, &error);
    config_unref(config);
    weir_error_free(error);
    if (rc == 0) {
        pin = generation_pin(g);
        for (int i = 0; i < ROUNDS; i++)
            round_of_failures(&pin.generation->upstreams[0]);
        generation_unpin(&pin);
    }
    (void)gateway_stop(g, weir_now() + NS_PER_SEC);
    gateway_free(g);
    return rc;
}

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

static void no_more_breakers_open_at_once_than_may(void **state)
{
    struct weir_options options = {.size = sizeof(options), .workers = 4};

    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    assert_int_equal(weir_main(in_runtime, NULL, &options), 0);
    assert_true(most_open <= ENDPOINTS / 2);
    assert_true(least_open >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_breakers_open_at_once_than_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
