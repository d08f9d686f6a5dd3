/* A panic in a filter costs its request, and nothing else. */
#include "lab.h"

#include <weir/panic.h>
#include <weir/scope.h>

#include "gateway/exchange.h"
#include "gateway/filters/filters.h"
#include "gateway/gateway_impl.h"

#define ROUTES                                                                                     \
    "  - {id: all, uri: \"lb://o\", predicates: [\"Path=/**\"],\n"                                 \
    "     filters: [\"AddRequestHeader=X-Way, in\"]}\n"

/* Takes the place of the configured filter. */
static int panics_when_asked(struct exchange *x, const struct chain *next)
{
    int rc;

    if (http_head_find(&x->request, STR("X-Panic-In")) != NULL)
        weir_panic(-EINVAL, "on the way in");
    rc = add_request_header(x, next);
    if (http_head_find(&x->request, STR("X-Panic-Out")) != NULL)
        weir_panic(-EINVAL, "on the way out");
    return rc;
}

static void plant(struct lab *lab)
{
    struct pin pin = generation_pin(lab->gateway);
    struct chain *c = (struct chain *)(uintptr_t)pin.generation->routes[0].chain;

    while (c->run != add_request_header)
        c++;
    c->run = panics_when_asked;
    generation_unpin(&pin);
}

/* ---- the records of requests ---- */

static struct {
    struct access_sink sink;
    unsigned panicked, others;
    char detail[256];
} records;

static void take_record(struct access_sink *s, const struct access_record *r)
{
    if (r->cause == CAUSE_PROXY_INTERNAL_ERROR && r->status == 500) {
        records.panicked++;
        snprintf(records.detail, sizeof(records.detail), STR_FMT, STR_ARG(r->detail));
    } else {
        records.others++;
    }
}

static void begin(struct lab *lab)
{
    memset(&records, 0, sizeof(records));
    records.sink.write = take_record;
    access_set_sink(&records.sink);
    plant(lab);
}

/* ---- scripts ---- */

static void panics_before_the_upstream(struct lab *lab)
{
    uint64_t before = cause_count_value(CAUSE_PROXY_INTERNAL_ERROR);

    begin(lab);
    expect_status(lab, "GET / HTTP/1.1\r\nHost: a\r\nX-Panic-In: 1\r\n\r\n", 500);
    expect_client_got(lab, "\r\nX-Weir-Cause: proxy_internal_error\r\n");
    expect_client_got(lab, "\r\nConnection: close\r\n");
    expect_client_got(lab, "{\"error\":\"proxy_internal_error\",\"status\":500,");
    expect(lab, lab->closed);
    expect(lab, lab->requests == 0);
    expect(lab, records.panicked == 1);
    expect(lab, strstr(records.detail, "on the way in") != NULL);
    expect(lab, strstr(records.detail, "panic_test.c:") != NULL);
    expect(lab, cause_count_value(CAUSE_PROXY_INTERNAL_ERROR) == before + 1);
    lab_talk(lab, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    access_set_sink(NULL);
}

/* The response that the upstream has begun is dropped, with its connection. */
static void panics_behind_the_upstream(struct lab *lab)
{
    begin(lab);
    expect_status(lab,
                  "GET / HTTP/1.1\r\nHost: a\r\nX-Panic-Out: 1\r\n\r\n"
                  "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
                  500);
    expect_client_not_got(lab, "200 OK");
    expect(lab, lab->requests == 1);
    expect(lab, lab->connections == 1);
    lab_talk(lab, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect(lab, lab->connections == 2);
    expect(lab, records.panicked == 1);
    access_set_sink(NULL);
}

/* With a body that still comes, its pump runs when the filter panics. */
static void panics_beside_a_pump(struct lab *lab)
{
    begin(lab);
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    expect_status(
        lab, "POST / HTTP/1.1\r\nHost: a\r\nX-Panic-Out: 1\r\nContent-Length: 5\r\n\r\n12345", 500);
    lab_talk(lab,
             "POST / HTTP/1.1\r\nHost: a\r\nX-Panic-In: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\n12345\r\n");
    expect_client_got(lab, "HTTP/1.1 500 ");
    lab_talk(lab, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_client_got(lab, "HTTP/1.1 200 OK\r\n");
    expect(lab, records.panicked == 2);
    access_set_sink(NULL);
}

/* ---- one of a thousand ---- */

enum { CLIENTS = 1000, UNLUCKY = 617 };

static struct {
    struct lab *lab;
    unsigned ok, refused, broken;
} crowd;

static void one_client(void *arg)
{
    bool unlucky = (uintptr_t)arg == UNLUCKY;
    char text[1024];
    size_t len = 0;
    struct stream *s;
    ssize_t n;

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n",
             unlucky ? "X-Panic-Out: 1\r\n" : "");
    if (stream_dial(&crowd.lab->gateway_addr, &s) < 0) {
        crowd.broken++;
        return;
    }
    (void)stream_write(s, text, strlen(text));
    while (len < sizeof(text) - 1 && (n = stream_read(s, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    stream_close(s);
    if (strncmp(text, "HTTP/1.1 200 ", 13) == 0 && strcmp(text + len - 2, "ok") == 0)
        crowd.ok++;
    else if (strncmp(text, "HTTP/1.1 500 ", 13) == 0 && unlucky)
        crowd.refused++;
    else
        crowd.broken++;
}

static void a_thousand_at_once(struct lab *lab)
{
    begin(lab);
    memset(&crowd, 0, sizeof(crowd));
    crowd.lab = lab;
    WEIR_SCOPE (scope) {
        for (uintptr_t i = 0; i < CLIENTS; i++)
            expect(lab, weir_scope_go(scope, "client", one_client, (void *)i) == 0);
    }
    expect(lab, crowd.ok == CLIENTS - 1);
    expect(lab, crowd.refused == 1);
    expect(lab, crowd.broken == 0);
    expect(lab, records.panicked == 1);
    expect(lab, records.others == CLIENTS - 1);
    access_set_sink(NULL);
}

/* ---- tests ---- */

static void a_panic_is_a_500_for_its_request(void **state)
{
    lab_run(panics_before_the_upstream, ROUTES, NULL);
    lab_run(panics_behind_the_upstream, ROUTES, NULL);
}

static void a_panic_ends_the_pump_of_its_request(void **state)
{
    lab_run(panics_beside_a_pump, ROUTES, NULL);
}

static void of_a_thousand_requests_only_the_one_that_panics_fails(void **state)
{
    lab_run(a_thousand_at_once, ROUTES, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_panic_is_a_500_for_its_request),
        cmocka_unit_test(a_panic_ends_the_pump_of_its_request),
        cmocka_unit_test(of_a_thousand_requests_only_the_one_that_panics_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
