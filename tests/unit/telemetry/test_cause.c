/* The table of causes and its lookups; the access sink. */
#include "unit/telemetry/setup.h"

#include "telemetry/access.h"
#include "telemetry/metric.h"

static void test_rows_are_whole_and_names_differ(void **state)
{
    for (unsigned c = CAUSE_NONE + 1; c < CAUSE_MAX; c++) {
        enum cause cause = (enum cause)c;
        int status = cause_status(cause);

        assert_int_equal(cause_of_name(cause_name(cause)), cause);
        assert_true(status == 0 || (status >= 400 && status <= 599));
        assert_true(cause_who(cause) != CAUSE_BY_NOBODY);
        assert_true(cause_phase(cause) != CAUSE_IN_NONE);
        assert_true(cause_help(cause).len > 20 && str_ends(cause_help(cause), STR(".")));
        assert_true(cause_phase_text(cause_phase(cause)).len != 0);
    }
    assert_int_equal(cause_of_name(STR("no_such_cause")), CAUSE_MAX);
}

/* RFC 9209 section 2.3: where weir has an error type's name, it answers its recommended status. */
static void test_statuses_are_those_of_rfc_9209(void **state)
{
    static const struct {
        const char *name;
        int status;
    } rfc[] = {
        {"destination_not_found", 500},
        {"destination_unavailable", 503},
        {"destination_ip_unroutable", 502},
        {"connection_refused", 502},
        {"connection_terminated", 502},
        {"connection_timeout", 504},
        {"connection_read_timeout", 504},
        {"connection_write_timeout", 504},
        {"connection_limit_reached", 503},
        {"http_request_error", 400},
        {"http_request_denied", 403},
        {"http_response_incomplete", 502},
        {"http_response_header_section_size", 502},
        {"http_response_transfer_coding", 502},
        {"http_response_timeout", 504},
        {"http_upgrade_failed", 502},
        {"http_protocol_error", 502},
        {"proxy_internal_error", 500},
        {"proxy_loop_detected", 502},
    };

    for (size_t i = 0; i < ARRAY_LEN(rfc); i++) {
        enum cause c = cause_of_name(str_of(rfc[i].name));

        assert_true(c < CAUSE_MAX);
        assert_int_equal(cause_status(c), rfc[i].status);
        assert_true(str_eq(cause_proxy_error(c), cause_name(c)));
    }
}

static void test_refusals_keep_their_status(void **state)
{
    static const int statuses[] = {400, 405, 408, 413, 414, 417, 431, 501, 505};

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        assert_int_equal(cause_status(cause_of_refusal(statuses[i])), statuses[i]);
    assert_int_equal(cause_of_refusal(599), CAUSE_HTTP_REQUEST_ERROR);
}

static void test_connect_errors_have_causes(void **state)
{
    assert_int_equal(cause_of_connect_error(-ECONNREFUSED), CAUSE_CONNECTION_REFUSED);
    assert_int_equal(cause_of_connect_error(-ETIMEDOUT), CAUSE_CONNECTION_TIMEOUT);
    assert_int_equal(cause_of_connect_error(-EHOSTUNREACH), CAUSE_DESTINATION_IP_UNROUTABLE);
    assert_int_equal(cause_of_connect_error(-EMFILE), CAUSE_RESOURCES_EXHAUSTED);
    assert_int_equal(cause_of_connect_error(-ECONNRESET), CAUSE_CONNECTION_TERMINATED);
}

static bool count_failures(void *arg, const struct metric_family *f, const struct metric *m)
{
    if (f == metric_family(METRIC_FAILURES) && m != NULL)
        ++*(unsigned *)arg;
    return true;
}

static void test_every_cause_has_its_counter_from_the_start(void **state)
{
    unsigned series = 0;

    cause_count(CAUSE_STOPPING); /* before the setup: not counted, no harm */
    cause_setup();
    cause_setup();
    assert_int_equal(metric_visit(count_failures, &series), 0);
    assert_int_equal(series, CAUSE_MAX - 1);
    cause_count(CAUSE_NONE);
    cause_count(CAUSE_ROUTE_NOT_FOUND);
    cause_count(CAUSE_ROUTE_NOT_FOUND);
    assert_int_equal(cause_count_value(CAUSE_ROUTE_NOT_FOUND), 2);
    assert_int_equal(cause_count_value(CAUSE_STOPPING), 0);
}

struct keeper {
    struct access_sink sink;
    int calls;
    uint32_t attempts;
};

static void keep(struct access_sink *s, const struct access_record *r)
{
    struct keeper *k = container_of(s, struct keeper, sink);

    k->calls++;
    k->attempts = r->attempt_count;
}

static void test_the_sink_is_told_while_it_is_set(void **state)
{
    struct keeper k = {.sink.write = keep};
    struct access_record r = {0};

    access_emit(&r);
    assert_false(access_wanted());
    access_set_sink(&k.sink);
    assert_true(access_wanted());
    for (int i = 0; i < ACCESS_ATTEMPTS_MAX + 3; i++)
        access_add_attempt(&r)->status = 100 + i;
    access_emit(&r);
    access_set_sink(NULL);
    access_emit(&r);
    assert_int_equal(k.calls, 1);
    assert_int_equal(k.attempts, ACCESS_ATTEMPTS_MAX + 3);
    assert_int_equal(r.attempts[0].status, 100);
    assert_int_equal(r.attempts[ACCESS_ATTEMPTS_MAX - 1].status, 100 + ACCESS_ATTEMPTS_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole_and_names_differ),
        cmocka_unit_test(test_statuses_are_those_of_rfc_9209),
        cmocka_unit_test(test_refusals_keep_their_status),
        cmocka_unit_test(test_connect_errors_have_causes),
        cmocka_unit_test(test_every_cause_has_its_counter_from_the_start),
        cmocka_unit_test(test_the_sink_is_told_while_it_is_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
