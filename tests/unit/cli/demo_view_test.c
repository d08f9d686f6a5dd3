/* The demo's screen: never wider or higher than the terminal, nothing on it that could steer it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/demo/view.h"

static void fill_routes(struct demo_view *v)
{
    static const char *const names[] = {"orders", "users", "inventory"};

    v->route_count = 3;
    for (unsigned i = 0; i < v->route_count; i++) {
        struct demo_route_row *r = &v->routes[i];

        snprintf(r->name, sizeof(r->name), "%s", names[i]);
        r->rate = 27.4;
        r->count_2xx = 123456789;
        r->count_4xx = 1234;
        r->count_5xx = i;
        r->p50_ns = 1234567;
        r->p99_ns = 130 * NS_PER_MS;
    }
}

static void fill_endpoints(struct demo_view *v)
{
    static const char *const names[] = {"orders-1", "orders-2",    "users-1",
                                        "users-2",  "inventory-1", "inventory-2"};

    v->endpoint_count = 6;
    for (unsigned i = 0; i < v->endpoint_count; i++) {
        struct demo_endpoint_row *e = &v->endpoints[i];

        snprintf(e->name, sizeof(e->name), "%s", names[i]);
        e->port = 9101 + i;
        snprintf(e->state, sizeof(e->state), "%s", i == 0 ? "unhealthy" : "healthy");
        snprintf(e->reason, sizeof(e->reason), "%s", i == 0 ? "connection refused" : "");
        e->state_age_ns = 12 * NS_PER_SEC;
        e->killed = i == 0;
        e->rate = 13.7;
        e->failures = 17;
        e->p50_ns = 850 * NS_PER_US;
        e->p99_ns = 1500 * NS_PER_MS;
    }
}

static void fill_view(struct demo_view *v)
{
    memset(v, 0, sizeof(*v));
    snprintf(v->gateway, sizeof(v->gateway), "127.0.0.1:8080");
    snprintf(v->admin, sizeof(v->admin), "127.0.0.1:9900");
    v->elapsed_ns = 125 * NS_PER_SEC;
    v->rate = 83.2;
    v->totals = (struct demo_totals){.requests = 10000, .ok = 9999, .failed = 1, .retries = 37};
    fill_routes(v);
    fill_endpoints(v);
    v->event_count = DEMO_EVENTS_MAX;
    for (unsigned i = 0; i < v->event_count; i++) {
        v->events[i].at_ns = i * NS_PER_SEC;
        snprintf(v->events[i].text, DEMO_EVENT_MAX,
                 "event %u: orders-1: connection refused x17; retried on orders-2, and a text that "
                 "is much longer than any line of eighty columns",
                 i);
    }
}

/* Lines, and the width of the widest without colour sequences. */
static void measure(const struct text *t, unsigned *ret_lines, unsigned *ret_width)
{
    unsigned lines = 0, width = 0, column = 0;

    for (size_t i = 0; i < t->len; i++) {
        if (t->ptr[i] == '\033') {
            while (t->ptr[i] != 'm')
                i++;
        } else if (t->ptr[i] == '\n') {
            lines++;
            column = 0;
        } else {
            assert_in_range((unsigned char)t->ptr[i], ' ', '~');
            width = MAX(width, ++column);
        }
    }
    assert_int_equal(column, 0);
    *ret_lines = lines;
    *ret_width = width;
}

static void no_size_of_terminal_is_exceeded(void **state)
{
    struct demo_view v;

    fill_view(&v);
    for (unsigned columns = 1; columns <= 200; columns++) {
        for (unsigned rows = 1; rows <= 70; rows += 3) {
            struct text out = {0};
            unsigned lines, width;

            demo_view_render(&v, columns, rows, columns % 2 == 0, &out);
            measure(&out, &lines, &width);
            assert_true(lines <= rows);
            assert_true(width <= columns);
            text_done(&out);
        }
    }
}

static void a_terminal_of_80_by_24_is_filled_and_holds_what_matters(void **state)
{
    static const char *const words[] = {
        "orders-1",
        "inventory-2",
        "unhealthy 12s KILLED",
        "event 31",
        "WHAT HAPPENED",
        "1 failed for",
        "10000 requests",
        "37 retries",
        "99.99% ok",
        "curl -i http://127.0.0.1:8080/orders/42",
        "/demo/kill/orders-1",
        "quit",
    };
    struct text out = {0};
    struct demo_view v;
    unsigned lines, width;

    fill_view(&v);
    demo_view_render(&v, 80, 24, false, &out);
    measure(&out, &lines, &width);
    assert_int_equal(lines, 24);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strstr(out.ptr, words[i]) == NULL)
            fail_msg("'%s' is not on the screen:\n%s", words[i], out.ptr);
    }
    text_done(&out);
}

static void a_larger_terminal_shows_more_of_what_happened(void **state)
{
    struct text small = {0}, large = {0};
    struct demo_view v;

    fill_view(&v);
    demo_view_render(&v, 80, 24, false, &small);
    demo_view_render(&v, 120, 50, false, &large);
    assert_null(strstr(small.ptr, "event 20:"));
    assert_non_null(strstr(large.ptr, "event 20:"));
    assert_non_null(strstr(large.ptr, "connection refused\n")); /* the reason beside the state */
    text_done(&small);
    text_done(&large);
}

static void bytes_from_outside_cannot_steer_the_terminal(void **state)
{
    struct text out = {0};
    struct demo_view v;

    fill_view(&v);
    snprintf(v.events[DEMO_EVENTS_MAX - 1].text, DEMO_EVENT_MAX, "evil \033[2J \r\n \xc3\xa9");
    demo_view_render(&v, 80, 24, false, &out);
    assert_non_null(strstr(out.ptr, "evil ?[2J ?? ??"));
    assert_null(strchr(out.ptr, '\033'));
    text_done(&out);
}

static void a_line_of_the_plain_demo_has_the_figures(void **state)
{
    struct text out = {0};
    struct demo_view v;

    fill_view(&v);
    v.totals.p50_ns = 2400 * NS_PER_US;
    demo_view_progress(&v, &out);
    assert_non_null(strstr(out.ptr, "02:05 "));
    assert_non_null(strstr(out.ptr, "failed 1 "));
    assert_non_null(strstr(out.ptr, "p50 2.4ms"));
    text_done(&out);
}

static void latencies_are_short_and_keep_two_digits(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "-"},
        {850 * NS_PER_US, "850us"},
        {1249 * NS_PER_US, "1.2ms"},
        {130 * NS_PER_MS, "130ms"},
        {1500 * NS_PER_MS, "1.5s"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[16] = "";
        struct buf b = buf_on(text, sizeof(text) - 1);

        demo_format_latency(rows[i].ns, &b);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_size_of_terminal_is_exceeded),
        cmocka_unit_test(a_terminal_of_80_by_24_is_filled_and_holds_what_matters),
        cmocka_unit_test(a_larger_terminal_shows_more_of_what_happened),
        cmocka_unit_test(bytes_from_outside_cannot_steer_the_terminal),
        cmocka_unit_test(a_line_of_the_plain_demo_has_the_figures),
        cmocka_unit_test(latencies_are_short_and_keep_two_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
