/* <weir/http.h>: what handlers see and say, and what reaches the client of it. */
#include "site.h"

/* ---- requests ---- */

static int describe(struct weir_http_request *q, struct weir_http_response *r)
{
    const char *name, *value;

    weir_http_printf(r, "method=%s path=%s target=%s", weir_http_method(q), weir_http_path(q),
                     weir_http_target(q));
    CHECK_EQ(strcmp(weir_http_path(q), weir_http_path(q)), 0); /* asking again changes nothing */
    for (const char *const *p = (const char *const[]){"a", "b c", "none", NULL}; *p != NULL; p++)
        weir_http_printf(r, " [%s]", weir_http_query(q, *p) != NULL ? weir_http_query(q, *p) : "-");
    for (size_t i = 0; weir_http_header_at(q, i, &name, &value); i++)
        weir_http_printf(r, " %s=<%s>", name, value);
    CHECK(weir_http_header(q, "x-none") == NULL);
    CHECK(!weir_http_header_at(q, 1000, &name, &value));
    CHECK(weir_http_arg(q) == lab_now);
    return weir_http_puts(r, weir_http_header(q, "HOST"));
}

static bool describes(struct site *site, const char *request, const char *expected)
{
    char text[1000];

    snprintf(text, sizeof(text), "%s\r\nConnection: close\r\nHost: h\r\n\r\n", request);
    return lab_contains(lab_talk(site->lab, str_of(text)), str_of(expected));
}

static void request_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = describe, .arg = lab};

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        lab_bad_link(lab);
        CHECK(describes(&site, "GET / HTTP/1.1",
                        "method=GET path=/ target=/ [-] [-] [-] "
                        "Connection=<close> Host=<h>h"));
        CHECK(describes(&site, "BREW /a?a=1&b%20c=x+y%21&a=2 HTTP/1.1\r\nX:\t \r\nY: 1 ",
                        "method=BREW path=/a target=/a?a=1&b%20c=x+y%21&a=2 [1] [x y!] [-] "
                        "X=<> Y=<1>"));
        CHECK(describes(&site, "GET /%41%2fb?a&b+c=%zz HTTP/1.1",
                        "path=/A/b target=/%41%2fb?a&b+c=%zz [] [-] [-]"));
        CHECK(describes(&site, "GET http://h/x HTTP/1.1", "path=/x target=http://h/x"));
        CHECK(describes(&site, "GET http://h?a=%00 HTTP/1.1", "path=/ target=http://h?a=%00 [-]"));
        CHECK(describes(&site, "OPTIONS * HTTP/1.1", "path=* target=*"));
        CHECK(describes(&site, "GET /%4 HTTP/1.1", "HTTP/1.1 400 "));
        CHECK(describes(&site, "GET /a%00b HTTP/1.1", "HTTP/1.1 400 "));
        CHECK(describes(&site, "GET /%g1 HTTP/1.1", "HTTP/1.1 400 "));
        weir_scope_cancel(scope);
    }
    CHECK_EQ(site.result, -ECANCELED);
}

static void a_request_is_seen_as_it_came(void **state)
{
    lab_run_seeds(20, request_body);
    lab_run(0, request_body);
}

/* ---- bodies ---- */

static int take_body(struct weir_http_request *q, struct weir_http_response *r)
{
    const char *body = NULL;
    size_t size = 1;
    int error = weir_http_body(q, &body, &size);

    if (error != 0)
        return error;
    CHECK_EQ(strlen(body), size);
    CHECK_EQ(weir_http_body(q, &body, NULL), -EALREADY);
    return weir_http_printf(r, "whole %zu %s", size, body);
}

static int take_pieces(struct weir_http_request *q, struct weir_http_response *r)
{
    char piece[7];
    ssize_t n;

    while ((n = weir_http_read(q, piece, sizeof(piece))) > 0)
        weir_http_write(r, piece, (size_t)n);
    if (n == 0)
        CHECK_EQ(weir_http_read(q, piece, sizeof(piece)), 0);
    return (int)n;
}

static int by_method(struct weir_http_request *q, struct weir_http_response *r)
{
    return strcmp(weir_http_method(q), "PUT") == 0 ? take_body(q, r) : take_pieces(q, r);
}

static void bodies_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = by_method, .options.body_max = 20};

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        lab_bad_link(lab);
        CHECK(describes(&site, "PUT / HTTP/1.1\r\nContent-Length: 0", "whole 0 "));
        CHECK(describes(&site, "PUT / HTTP/1.1", "whole 0 "));
        for (int i = 0; i < 2; i++) {
            const char *method = i == 0 ? "PUT" : "POST";
            char request[300];
            struct str answer;

            snprintf(request, sizeof(request),
                     "%s / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n%s"
                     "%s / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "9\r\nchunk one\r\n6\r\n, two.\r\n0\r\n\r\n"
                     "%s / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "15\r\n123456789012345678901\r\n0\r\n\r\n",
                     method, "12345678901234567890", method, method);
            answer = lab_talk(site.lab, str_of(request));
            CHECK(lab_contains(answer, STR("12345678901234567890")));
            CHECK(lab_contains(answer, STR("chunk one, two.")));
            CHECK(lab_contains(answer, STR("HTTP/1.1 413 Content Too Large\r\n")));
            snprintf(request, sizeof(request),
                     "%s / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 21\r\n"
                     "\r\n",
                     method);
            answer = lab_talk(site.lab, str_of(request));
            CHECK(str_starts(answer, STR("HTTP/1.1 413 "))); /* nothing of it is asked for */
            snprintf(request, sizeof(request),
                     "%s / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     method);
            CHECK(str_starts(lab_talk(site.lab, str_of(request)), STR("HTTP/1.1 400 ")));
        }
        weir_scope_cancel(scope);
    }
}

static void a_body_is_read_up_to_its_bound(void **state)
{
    lab_run_seeds(20, bodies_body);
}

static void late_body(struct lab *lab)
{
    struct site site = {
        .lab = lab, .handler = take_body, .options.request_timeout_ns = 2 * NS_PER_SEC};

    WEIR_SCOPE (scope) {
        site_open(&site, scope);
        CHECK(str_starts(lab_talk(site.lab, STR("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                                                "\r\nabc")),
                         STR("HTTP/1.1 408 Request Timeout\r\n")));
        weir_scope_cancel(scope);
    }
}

static void a_body_that_does_not_come_is_answered_with_408(void **state)
{
    lab_run_seeds(10, late_body);
}

/* ---- responses ---- */

static int say_headers(struct weir_http_request *q, struct weir_http_response *r)
{
    char *big = weir_http_alloc(q, 5001);

    CHECK_EQ(weir_http_status(r, 99), -EINVAL);
    CHECK_EQ(weir_http_status(r, 100), -EINVAL);
    CHECK_EQ(weir_http_status(r, 600), -EINVAL);
    CHECK_EQ(weir_http_status(r, 201), 0);
    CHECK_EQ(weir_http_set_header(r, "X-A", "1"), 0);
    CHECK_EQ(weir_http_set_header(r, "X-B", "kept"), 0);
    CHECK_EQ(weir_http_add_header(r, "x-a", "2"), 0);
    CHECK_EQ(weir_http_set_header(r, "X-A", "3"), 0); /* in place of both */
    CHECK_EQ(weir_http_add_header(r, "X-A", "4"), 0);
    CHECK_EQ(weir_http_set_header(r, "Content-Type", "text/html"), 0);
    CHECK_EQ(weir_http_set_header(r, "X-Evil", "a\r\nX-Injected: b"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "X-Evil\r\nX-Injected", "b"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "", "b"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "X Y", "b"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "content-length", "7"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "Transfer-Encoding", "chunked"), -EINVAL);
    CHECK_EQ(weir_http_set_header(r, "Connection", "close"), -EINVAL);
    memset(big, 'b', 5000);
    big[5000] = '\0';
    CHECK_EQ(weir_http_set_header(r, "X-Big", big), 0);
    CHECK_EQ(weir_http_add_header(r, "X-Big", big), -E2BIG);
    CHECK_EQ(weir_http_puts(r, "x"), 0);
    CHECK_EQ(weir_http_flush(r), 0);
    CHECK_EQ(weir_http_status(r, 200), -EALREADY);
    CHECK_EQ(weir_http_set_header(r, "X-Late", "1"), -EALREADY);
    CHECK_EQ(weir_http_set_length(r, 1), -EALREADY);
    CHECK_EQ(weir_http_error(r, 500, "late"), -EALREADY);
    return 0;
}

static void headers_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = say_headers};

    WEIR_SCOPE (scope) {
        struct str answer;

        site_open(&site, scope);
        lab_bad_link(lab);
        answer = lab_talk(site.lab, STR("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        CHECK(str_starts(answer, STR("HTTP/1.1 201 Created\r\nDate: ")));
        CHECK(lab_contains(answer, STR("\r\nContent-Type: text/html\r\n")));
        CHECK(lab_contains(answer, STR("\r\nX-B: kept\r\nX-A: 3\r\nX-A: 4\r\nX-Big: bbb")));
        CHECK(!lab_contains(answer, STR("Injected")));
        CHECK(!lab_contains(answer, STR("X-Late")));
        weir_scope_cancel(scope);
    }
}

static void headers_are_set_added_and_checked(void **state)
{
    lab_run_seeds(10, headers_body);
}

enum { LONG = 300000 };

static char letter(size_t i)
{
    return (char)('a' + i % 23);
}

/* The same body in any kind of steps. */
static int say_long(struct weir_http_request *q, struct weir_http_response *r)
{
    static char all[LONG];
    bool announced = weir_http_query(q, "length") != NULL;
    size_t step = strtoul(weir_http_query(q, "step"), NULL, 10);

    for (size_t i = 0; i < LONG; i++)
        all[i] = letter(i);
    if (announced)
        CHECK_EQ(weir_http_set_length(r, LONG), 0);
    for (size_t at = 0; at < LONG; at += step) {
        int error = weir_http_write(r, all + at, MIN(step, LONG - at));

        if (error != 0)
            return error;
        if (at % 7 == 3)
            CHECK_EQ(weir_http_flush(r), 0);
    }
    return 0;
}

static void long_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = say_long};
    struct weir_http_client *c = weir_http_client_new();

    WEIR_SCOPE (scope) {
        struct str answer;

        site_open(&site, scope);
        for (int i = 0; i < 6; i++) {
            static const size_t steps[] = {1000, 4096, 4097, 100000, LONG, 37};
            bool announced = rng_below(&lab->rng, 2) == 0;
            struct weir_http_reply *reply;
            char path[60];

            snprintf(path, sizeof(path), "/?step=%zu%s", steps[i], announced ? "&length" : "");
            reply = site_get(&site, c, path);
            CHECK_EQ(reply->body_bytes, LONG);
            for (size_t at = 0; at < LONG; at++)
                CHECK_EQ(reply->body[at], letter(at));
            CHECK_EQ(weir_http_reply_header(reply, "Content-Length") != NULL, announced);
            CHECK_EQ(weir_http_reply_header(reply, "Transfer-Encoding") != NULL, !announced);
            weir_http_reply_free(reply);
        }
        answer = lab_talk(site.lab, STR("HEAD /?step=50000 HTTP/1.1\r\nHost: h\r\n\r\n"
                                        "HEAD /?step=50&length HTTP/1.1\r\nHost: h\r\n"
                                        "Connection: close\r\n\r\n"));
        CHECK(lab_contains(answer, STR("Transfer-Encoding: chunked")));
        CHECK(lab_contains(answer, STR("Content-Length: 300000")));
        CHECK(answer.len < 1000);
        weir_http_client_free(c);
        weir_scope_cancel(scope);
    }
}

static void a_long_body_arrives_in_chunks_or_with_its_length(void **state)
{
    lab_run_seeds(5, long_body);
    lab_run(0, long_body);
}

static int say_wrong(struct weir_http_request *q, struct weir_http_response *r)
{
    const char *path = weir_http_path(q);

    if (strcmp(path, "/short") == 0) {
        CHECK_EQ(weir_http_set_length(r, 10), 0);
        return weir_http_puts(r, "short");
    }
    if (strcmp(path, "/cut") == 0) {
        CHECK_EQ(weir_http_set_length(r, 10), 0);
        CHECK_EQ(weir_http_puts(r, "short"), 0);
        return weir_http_flush(r);
    }
    if (strcmp(path, "/much") == 0) {
        CHECK_EQ(weir_http_set_length(r, 3), 0);
        return weir_http_puts(r, "much");
    }
    if (strcmp(path, "/fails") == 0) {
        CHECK_EQ(weir_http_puts(r, "not to be seen"), 0);
        CHECK_EQ(weir_http_set_header(r, "X-Seen", "no"), 0);
        return -EIO;
    }
    if (strcmp(path, "/half") == 0) {
        CHECK_EQ(weir_http_puts(r, "half"), 0);
        CHECK_EQ(weir_http_flush(r), 0);
        return -EIO;
    }
    if (strcmp(path, "/error") == 0) {
        CHECK_EQ(weir_http_puts(r, "not to be seen"), 0);
        return weir_http_error(r, 404, "no %s here", "such thing");
    }
    if (strcmp(path, "/nothing") == 0)
        return weir_http_status(r, 204);
    return 0;
}

static void wrong_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = say_wrong};
    static const struct {
        const char *path;
        int status;
    } cases[] = {{"/short", 500}, {"/much", 500}, {"/fails", 500},
                 {"/error", 404}, {"/", 200},     {"/nothing", 204}};
    struct weir_http_client *c = weir_http_client_new();

    WEIR_SCOPE (scope) {
        struct weir_http_reply *reply;
        struct str answer;
        char url[100];

        site_open(&site, scope);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            reply = site_get(&site, c, cases[i].path);
            CHECK_EQ(reply->status, cases[i].status);
            CHECK(strstr(reply->body, "not to be seen") == NULL);
            CHECK(weir_http_reply_header(reply, "X-Seen") == NULL);
            if (reply->status == 404)
                CHECK(body_is(reply, "no such thing here"));
            weir_http_reply_free(reply);
        }
        for (int i = 0; i < 2; i++) {
            snprintf(url, sizeof(url), "%s/%s", site.url, i == 0 ? "half" : "cut");
            CHECK_EQ(weir_http_get(c, url, &reply), -ECONNRESET);
        }
        /* Where the end of the connection is the end of the body, it must not look like one. */
        answer = lab_talk(site.lab, STR("GET /half HTTP/1.0\r\n\r\n"));
        CHECK(answer.len == 0 || str_ends(answer, STR("half")));
        weir_http_client_free(c);
        weir_scope_cancel(scope);
    }
}

static void a_handler_that_fails_is_not_taken_for_one_that_did_not(void **state)
{
    lab_run_seeds(20, wrong_body);
}

struct tap {
    int steps;
};

/* One line for each step that the client sees before it lets the next one come. */
static int drip(struct weir_http_request *q, struct weir_http_response *r)
{
    struct tap *tap = weir_http_arg(q);

    for (int i = 0; i < 5; i++) {
        int error = weir_http_printf(r, "line %d\n", i);

        if (error == 0)
            error = weir_http_flush(r);
        if (error == 0)
            error = weir_sleep(NS_PER_SEC);
        if (error != 0)
            return error;
        tap->steps++;
    }
    return 0;
}

static void drip_body(struct lab *lab)
{
    struct tap tap = {0};
    struct site site = {.lab = lab, .handler = drip, .arg = &tap};

    WEIR_SCOPE (scope) {
        struct stream *s;
        char got[4000];
        size_t len = 0;

        site_open(&site, scope);
        s = lab_dial(lab);
        lab_say(s, STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        for (int i = 0; i < 5; i++) {
            char line[20];

            snprintf(line, sizeof(line), "line %d\n\r\n", i);
            while (!lab_contains(str_n(got, len), str_of(line))) {
                ssize_t n = stream_read(s, got + len, sizeof(got) - len);

                CHECK(n > 0);
                len += (size_t)n;
            }
            CHECK_EQ(tap.steps, i); /* it is here before the next is made */
        }
        stream_reset(s);
        weir_scope_cancel(scope);
    }
}

static void what_is_flushed_arrives_before_the_handler_ends(void **state)
{
    lab_run_seeds(5, drip_body);
}

/* ---- panics ---- */

struct panics {
    int handled, cleaned, reported;
};

static void count_up(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
}

static void panicked(const struct weir_panic_info *info, void *arg)
{
    struct panics *p = arg;

    CHECK_EQ(info->code, -EPROTO);
    CHECK_EQ(strcmp(info->message, "request 500 is bad luck"), 0);
    count_up(&p->reported);
}

static int panic_once(struct weir_http_request *q, struct weir_http_response *r)
{
    struct panics *p = weir_http_arg(q);
    int number = (int)strtol(weir_http_path(q) + 1, NULL, 10), error;

    WEIR_DEFER(count_up, &p->cleaned);
    count_up(&p->handled);
    error = weir_http_printf(r, "number %d", number);
    if (error == 0)
        error = weir_sleep(WEIR_S); /* all are here at the same time */
    if (number == 500)
        weir_panic(-EPROTO, "request %d is bad luck", number);
    if (weir_http_query(q, "late") != NULL) {
        CHECK_EQ(weir_http_flush(r), 0);
        weir_panic(-EPROTO, "request 500 is bad luck");
    }
    return error;
}

enum { CALLERS = 1000 };

struct numbered {
    struct site *site;
    int number, status;
};

static void call_numbered(void *arg)
{
    struct numbered *n = arg;
    struct weir_http_reply *reply;
    char path[20], expected[20];

    snprintf(path, sizeof(path), "/%d", n->number);
    snprintf(expected, sizeof(expected), "number %d", n->number);
    reply = site_get(n->site, NULL, path);
    n->status = reply->status;
    CHECK_EQ(body_is(reply, expected), n->status == 200);
    weir_http_reply_free(reply);
}

static void panic_body(struct lab *lab)
{
    static struct numbered callers[CALLERS];
    struct panics p = {0};
    struct site site = {.lab = lab, .handler = panic_once, .arg = &p, .options.panicked = panicked};

    WEIR_SCOPE (scope) {
        struct weir_http_reply *reply;
        char url[100];

        site_open(&site, scope);
        WEIR_SCOPE (calls) {
            for (int i = 0; i < CALLERS; i++) {
                callers[i] = (struct numbered){&site, i, 0};
                CHECK_EQ(weir_scope_go(calls, "caller", call_numbered, &callers[i]), 0);
            }
        }
        for (int i = 0; i < CALLERS; i++)
            CHECK_EQ(callers[i].status, i == 500 ? 500 : 200);
        CHECK_EQ(p.handled, CALLERS);
        CHECK_EQ(p.cleaned, CALLERS);
        CHECK_EQ(p.reported, 1);
        snprintf(url, sizeof(url), "%s/1?late", site.url);
        CHECK_EQ(weir_http_get(NULL, url, &reply), -ECONNRESET); /* part of it was out */
        weir_scope_cancel(scope);
    }
}

static void a_panic_is_the_end_of_its_request_only(void **state)
{
    lab_run_seeds(3, panic_body);
    lab_run(0, panic_body);
}

/* ---- slow readers ---- */

struct outcome {
    int result;
    bool ended;
};

static int pour(struct weir_http_request *q, struct weir_http_response *r)
{
    static const char part[10000];
    struct outcome *o = weir_http_arg(q);

    for (int i = 0; i < 100 && o->result == 0; i++)
        o->result = weir_http_write(r, part, sizeof(part));
    o->ended = true;
    return o->result;
}

static void slow_reader_body(struct lab *lab)
{
    struct outcome o = {0};
    struct site site = {
        .lab = lab, .handler = pour, .arg = &o, .options.request_timeout_ns = 100 * NS_PER_SEC};
    struct sim_link link = {.window_bytes = 2000, .latency_ns = NS_PER_MS};
    size_t got = 0;
    char part[3000];
    ssize_t n;

    sim_set_link(lab->sim, NULL, &link);
    WEIR_SCOPE (scope) {
        struct stream *s;

        site_open(&site, scope);
        s = lab_dial(lab);
        lab_say(s, STR("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        while ((n = stream_read(s, part, sizeof(part))) > 0) {
            got += (size_t)n;
            CHECK_EQ(weir_sleep(30 * NS_PER_MS), 0);
        }
        CHECK_EQ(n, 0);
        CHECK(got > 1000000 && got < 1020000);
        CHECK_EQ(o.result, 0);
        stream_close(s);

        o = (struct outcome){0};
        s = lab_dial(lab); /* this one never reads */
        lab_say(s, STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        CHECK_EQ(weir_sleep(99 * NS_PER_SEC), 0);
        CHECK(!o.ended);
        CHECK_EQ(weir_sleep(2 * NS_PER_SEC), 0);
        CHECK(o.ended);
        CHECK_EQ(o.result, -ETIMEDOUT);
        stream_close(s);
        weir_scope_cancel(scope);
    }
}

static void a_slow_reader_gets_everything_and_one_that_stops_is_cut(void **state)
{
    lab_run_seeds(5, slow_reader_body);
}

/* ---- the end ---- */

static int nap(struct weir_http_request *q, struct weir_http_response *r)
{
    int64_t ms = strtol(weir_http_query(q, "ms"), NULL, 10);
    int error = weir_sleep(ms * NS_PER_MS);

    return error != 0 ? error : weir_http_puts(r, "slept");
}

struct caller {
    struct site *site;
    const char *path;
    int result, status;
};

static void call(void *arg)
{
    struct caller *k = arg;
    struct weir_http_reply *reply;
    char url[100];

    snprintf(url, sizeof(url), "%s%s", k->site->url, k->path);
    k->result = weir_http_get(NULL, url, &reply);
    if (k->result == 0) {
        k->status = reply->status;
        weir_http_reply_free(reply);
    }
}

struct serving {
    struct site *site;
    struct weir_scope *scope;
};

static void serve_in_scope(void *arg)
{
    struct serving *s = arg;

    WEIR_SCOPE (scope) {
        s->scope = scope;
        site_open(s->site, scope);
    }
}

static void end_body(struct lab *lab)
{
    struct site site = {.lab = lab, .handler = nap, .options.grace_ns = NS_PER_SEC};
    struct caller quick = {&site, "/?ms=500", 0, 0}, slow = {&site, "/?ms=5000", 0, 0};
    struct serving serving = {&site, NULL};
    struct stream *idle, *late;
    char byte;

    WEIR_SCOPE (scope) {
        int64_t begin;

        CHECK_EQ(weir_scope_go(scope, "site", serve_in_scope, &serving), 0);
        CHECK_EQ(weir_sleep(NS_PER_MS), 0);
        idle = lab_dial(lab);
        CHECK_EQ(weir_scope_go(scope, "quick", call, &quick), 0);
        CHECK_EQ(weir_scope_go(scope, "slow", call, &slow), 0);
        CHECK_EQ(weir_sleep(100 * NS_PER_MS), 0);
        begin = weir_now();
        weir_scope_cancel(serving.scope);
        CHECK_EQ(stream_read(idle, &byte, 1), 0); /* idle ones are closed at once */
        CHECK(weir_now() - begin < 10 * NS_PER_MS);
        CHECK_EQ(stream_dial(&lab->addr, &late), -ECONNREFUSED);
        CHECK_EQ(site.result, 0); /* it has not returned yet */
    }
    CHECK_EQ(site.result, -ECANCELED);
    CHECK_EQ(quick.result, 0);
    CHECK_EQ(quick.status, 200);
    CHECK(slow.result != 0 || slow.status == 500); /* its grace was over */
    stream_close(idle);
}

static void a_server_ends_with_its_scope_and_gracefully(void **state)
{
    lab_run_seeds(30, end_body);
}

static int never(struct weir_http_request *q, struct weir_http_response *r)
{
    return 0;
}

static void deadline_body(struct lab *lab)
{
    struct weir_listener *l;

    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        CHECK_EQ(weir_http_serve("10.0.0.1:80", never, NULL), -ETIMEDOUT);
        CHECK_EQ(weir_http_serve("10.0.0.1:80", never, NULL), -ETIMEDOUT);
    }
    CHECK_EQ(weir_http_serve("nonsense", never, NULL), -EINVAL);
    CHECK_EQ(weir_listen("10.0.0.1:80", &l), 0);
    CHECK_EQ(weir_http_serve("10.0.0.1:80", never, NULL), -EADDRINUSE);
    weir_listener_close(l);
}

static void a_server_says_why_it_ended(void **state)
{
    lab_run_seeds(10, deadline_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_seen_as_it_came),
        cmocka_unit_test(a_body_is_read_up_to_its_bound),
        cmocka_unit_test(a_body_that_does_not_come_is_answered_with_408),
        cmocka_unit_test(headers_are_set_added_and_checked),
        cmocka_unit_test(a_long_body_arrives_in_chunks_or_with_its_length),
        cmocka_unit_test(a_handler_that_fails_is_not_taken_for_one_that_did_not),
        cmocka_unit_test(what_is_flushed_arrives_before_the_handler_ends),
        cmocka_unit_test(a_panic_is_the_end_of_its_request_only),
        cmocka_unit_test(a_slow_reader_gets_everything_and_one_that_stops_is_cut),
        cmocka_unit_test(a_server_ends_with_its_scope_and_gracefully),
        cmocka_unit_test(a_server_says_why_it_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
