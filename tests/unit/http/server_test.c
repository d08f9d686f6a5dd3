/* The server and the client in the simulated world. */
#include "lab.h"

/* ---- handlers ---- */

struct counts {
    int calls;
    int failures;
};

static int hello(struct http_call *call)
{
    struct counts *counts = call->arg;

    if (counts != NULL)
        counts->calls++;
    return http_reply(call, 200, STR("text/plain"), call->request->path);
}

static int echo_whole(struct http_call *call)
{
    struct str body;
    int r = http_call_body(call, MIB, &body);

    return r != 0 ? r : http_reply(call, 200, STR(""), body);
}

static int echo_pieces(struct http_call *call)
{
    struct str piece;
    ssize_t n;
    int r = http_reply_begin(call, 200, STR("application/octet-stream"));

    while (r == 0 && (n = h1_body_next(call->body, &piece)) != 0)
        r = n < 0 ? (int)n : http_reply_write(call, piece);
    return r;
}

static int by_path(struct http_call *call)
{
    struct str path = call->request->path;

    if (str_eq(path, STR("/silent")))
        return http_reply_field(call, STR("X-Extra"), STR("yes"));
    if (str_eq(path, STR("/fails")))
        return -EIO;
    if (str_eq(path, STR("/sleeps")))
        return weir_sleep(3600 * NS_PER_SEC);
    if (str_eq(path, STR("/half"))) {
        CHECK_EQ(http_reply_begin(call, 200, STR("")), 0);
        CHECK_EQ(http_reply_write(call, STR("half")), 0);
        return -EIO;
    }
    if (str_eq(path, STR("/twice"))) {
        CHECK_EQ(http_reply(call, 200, STR(""), STR("one")), 0);
        CHECK_EQ(http_reply(call, 200, STR(""), STR("two")), -EALREADY);
        return 0;
    }
    return http_reply(call, 200, STR("text/plain"), STR("ok"));
}

static struct http_client_response get(struct http_client *c, const char *target)
{
    static char body[1000];
    struct http_client_response r;

    CHECK_EQ(http_client_do(c, &(struct http_client_request){.target = str_of(target)}, body,
                            sizeof(body), &r),
             0);
    return r;
}

/* ---- connections ---- */

static void keep_alive_body(struct lab *lab)
{
    struct counts counts = {0};
    struct http_server *s = lab_serve(lab, hello, &counts);
    struct http_client c = lab_client(lab);
    struct sim_stats stats;

    lab_bad_link(lab);
    for (int i = 0; i < 5; i++) {
        struct http_client_response r = get(&c, "/path");

        CHECK_EQ(r.status, 200);
        CHECK(str_eq(r.body, STR("/path")));
        CHECK_EQ(weir_sleep((int64_t)rng_below(&lab->rng, 2) * NS_PER_SEC), 0);
    }
    if (lab->sim != NULL) {
        sim_get_stats(lab->sim, &stats);
        CHECK_EQ(stats.accepts, 1);
    }
    CHECK_EQ(counts.calls, 5);
    http_client_done(&c);
    lab_stop(s);
}

static void a_connection_serves_many_requests(void **state)
{
    lab_run_seeds(50, keep_alive_body);
}

static void pipeline_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, hello, NULL);
    struct str answer;
    const char *at;

    lab_bad_link(lab);
    answer = lab_talk(lab, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                               "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                               "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\n\r\n"
                               "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                               "GET /5 HTTP/1.1\r\nHost: a\r\n\r\n"));
    at = answer.ptr;
    for (int i = 1; i <= 4; i++) {
        char want[] = {'\r', '\n', '\r', '\n', '/', (char)('0' + i)};

        at = memmem(at, answer.len - (size_t)(at - answer.ptr), want, sizeof(want));
        CHECK(at != NULL);
        at += sizeof(want);
    }
    CHECK_EQ(at - answer.ptr, answer.len); /* nothing after close */
    CHECK(lab_contains(answer, STR("Connection: close\r\n")));
    lab_stop(s);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    lab_run_seeds(100, pipeline_body);
}

static void idle_body(struct lab *lab)
{
    struct http_server *s = lab_serve_with(
        lab, (struct http_server_options){.handler = hello, .idle_timeout_ns = 5 * NS_PER_SEC});
    struct http_client clients[20];
    struct runtime_stats before, after;
    char byte;

    runtime_get_stats(&before);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = lab_client(lab);
        CHECK_EQ(get(&clients[i], "/").status, 200);
    }
    CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
    runtime_get_stats(&after);
    CHECK(after.coroutines_live <= before.coroutines_live + 1); /* the keeper may be new */
    CHECK_EQ(weir_sleep(2 * NS_PER_SEC), 0);
    CHECK_EQ(get(&clients[0], "/").status, 200);
    CHECK_EQ(weir_sleep(3 * NS_PER_SEC), 0); /* 6 s after the first, 3 s after the second request */
    CHECK_EQ(stream_try_read(clients[0].stream, &byte, 1), -EAGAIN);
    CHECK_EQ(stream_try_read(clients[1].stream, &byte, 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        http_client_done(&clients[i]);
    lab_stop(s);
}

static void idle_connections_cost_no_coroutine_and_end_in_time(void **state)
{
    lab_run_seeds(10, idle_body);
}

static void many_body(struct lab *lab)
{
    struct http_server *s =
        lab_serve_with(lab, (struct http_server_options){.handler = hello, .connections_max = 2});
    struct http_client a = lab_client(lab), b = lab_client(lab), c = lab_client(lab);
    struct http_client_response r;

    get(&a, "/");
    get(&b, "/");
    CHECK(http_client_do(&c, &(struct http_client_request){0}, NULL, 0, &r) < 0);
    http_client_done(&a);
    CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
    get(&c, "/");
    http_client_done(&b);
    http_client_done(&c);
    lab_stop(s);
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    lab_run_seeds(10, many_body);
}

/* ---- slow and broken clients ---- */

static void slow_body(struct lab *lab)
{
    struct http_server *s = lab_serve_with(
        lab, (struct http_server_options){.handler = hello, .header_timeout_ns = 5 * NS_PER_SEC});
    struct stream *stream = lab_dial(lab);
    int64_t begin = weir_now(), took;
    char byte;

    /* one byte a second would never end */
    for (int i = 0; i < 5; i++) {
        lab_say(stream, STR("G"));
        CHECK_EQ(weir_sleep(900 * NS_PER_MS), 0);
    }
    CHECK(str_starts(lab_read_to_end(stream), STR("HTTP/1.1 408 Request Timeout\r\n")));
    took = weir_now() - begin;
    CHECK(took >= 5 * NS_PER_SEC && took < 8 * NS_PER_SEC);
    stream_close(stream);

    stream = lab_dial(lab); /* says nothing at all: gets nothing */
    CHECK_EQ(stream_read(stream, &byte, 1), 0);
    stream_close(stream);
    lab_stop(s);
}

static void a_slow_head_is_cut_with_408(void **state)
{
    lab_run_seeds(20, slow_body);
}

static void broken_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, echo_whole, NULL);
    struct str answer;

    lab_bad_link(lab);
    CHECK(str_starts(lab_talk(lab, STR("GET / HTTP/1.1\r\n\r\n")), STR("HTTP/1.1 400 ")));
    CHECK(str_starts(lab_talk(lab, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), STR("HTTP/1.1 505 ")));
    CHECK(str_starts(lab_talk(lab, STR("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n")),
                     STR("HTTP/1.1 417 ")));
    answer = lab_talk(lab, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "zz\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(str_starts(answer, STR("HTTP/1.1 500 ")));
    CHECK(!lab_contains(answer, STR("200")));
    answer = lab_talk(lab, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n"
                               "Host: a\r\n\r\n"));
    CHECK(str_starts(answer, STR("HTTP/1.1 400 ")));
    CHECK(!lab_contains(answer, STR("200")));
    lab_stop(s);
}

static void broken_requests_are_refused_and_nothing_follows(void **state)
{
    lab_run_seeds(30, broken_body);
}

/* ---- replies ---- */

static void replies_body(struct lab *lab)
{
    struct http_server *s =
        lab_serve_with(lab, (struct http_server_options){.handler = by_path,
                                                         .request_timeout_ns = 3 * NS_PER_SEC});
    struct http_client c = lab_client(lab);
    struct http_client_response r;
    struct str answer;

    CHECK_EQ(get(&c, "/silent").status, 204);
    CHECK_EQ(get(&c, "/fails").status, 500);
    CHECK_EQ(get(&c, "/sleeps").status, 500); /* the deadline made it fail */
    r = get(&c, "/twice");
    CHECK(str_eq(r.body, STR("one")));
    CHECK_EQ(http_client_do(&c, &(struct http_client_request){.target = STR("/half")}, NULL, 0, &r),
             -ECONNRESET);
    CHECK_EQ(http_client_do(&c, &(struct http_client_request){.method = STR("HEAD")}, NULL, 0, &r),
             0);
    CHECK_EQ(r.body_bytes, 0);
    answer = lab_talk(lab, STR("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
                               "GET /silent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    CHECK(lab_contains(answer, STR("Content-Length: 2\r\n")));
    CHECK(!lab_contains(answer, STR("\r\n\r\nok")));
    CHECK(lab_contains(answer, STR("X-Extra: yes\r\n")));
    CHECK(lab_contains(answer, STR("Date: ")));
    http_client_done(&c);
    lab_stop(s);
}

static void handlers_reply_fail_or_say_nothing(void **state)
{
    lab_run_seeds(20, replies_body);
}

static void old_client_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, echo_pieces, NULL);
    struct str answer = lab_talk(lab, STR("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"));

    CHECK(str_ends(answer, STR("\r\n\r\nabc")));
    CHECK(!lab_contains(answer, STR("chunked")));
    lab_stop(s);
}

static void http_1_0_gets_no_chunks(void **state)
{
    lab_run_seeds(10, old_client_body);
}

static void continue_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, echo_whole, NULL);
    struct stream *stream = lab_dial(lab);
    char line[25];
    size_t len = 0;

    lab_say(stream, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n"
                        "Expect: 100-continue\r\n\r\n"));
    while (len < sizeof(line)) {
        ssize_t n = stream_read(stream, line + len, sizeof(line) - len);

        CHECK(n > 0);
        len += (size_t)n;
    }
    CHECK(str_eq(str_n(line, len), STR("HTTP/1.1 100 Continue\r\n\r\n")));
    lab_say(stream, STR("abc"));
    CHECK(str_ends(lab_read_to_end(stream), STR("\r\n\r\nabc")));
    stream_close(stream);
    lab_stop(s);

    s = lab_serve(lab, hello, NULL); /* does not read: answers at once, and closes */
    CHECK(str_starts(lab_talk(lab, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                                       "Expect: 100-continue\r\n\r\n")),
                     STR("HTTP/1.1 200 OK\r\n")));
    lab_stop(s);
}

static void a_client_that_expects_100_gets_it_when_the_body_is_read(void **state)
{
    lab_run_seeds(20, continue_body);
}

static void fill(char *out, size_t size, struct rng *rng)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)rng_next(rng);
}

static void echo_body(struct lab *lab)
{
    struct http_server *s = lab_serve(lab, echo_whole, NULL);
    struct http_client c = lab_client(lab);
    size_t size = (size_t)rng_below(&lab->rng, 60000);
    char *out = malloc(size + 1), *in = malloc(size + 1);
    struct http_client_response r;

    lab_bad_link(lab);
    fill(out, size, &lab->rng);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(http_client_do(
                     &c, &(struct http_client_request){.method = STR("POST"), .body = {out, size}},
                     in, size + 1, &r),
                 0);
        CHECK_EQ(r.status, 200);
        CHECK_EQ(r.body_bytes, size);
        CHECK(str_eq(r.body, str_n(out, size)));
    }
    http_client_done(&c);
    lab_stop(s);
    free(out);
    free(in);
}

static void large_bodies_survive_any_link(void **state)
{
    lab_run_seeds(200, echo_body);
}

struct upload {
    struct stream *stream;
    const char *data;
    size_t size;
    struct rng rng;
};

/* Sends the body in random chunks while the answer is being read. */
static void upload(void *arg)
{
    struct upload *u = arg;
    struct h1_writer w;
    size_t at = 0;

    h1_writer_init(&w, u->stream, HTTP_BODY_CHUNKED, 0);
    CHECK_EQ(h1_writer_send(&w,
                            STR("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
                            STR(""), false, STR("")),
             0);
    while (at < u->size) {
        size_t n = MIN(u->size - at, 1 + (size_t)rng_below(&u->rng, 5000));

        CHECK_EQ(h1_writer_send(&w, STR(""), str_n(u->data + at, n), false, STR("")), 0);
        at += n;
    }
    CHECK_EQ(h1_writer_send(&w, STR(""), STR(""), true, STR("X-Sum: 1\r\n")), 0);
    CHECK(w.done);
}

static void stream_body(struct lab *lab)
{
    static struct http_head head;
    static char buffer[20 * 1024];
    struct http_server *s = lab_serve(lab, echo_pieces, NULL);
    size_t size = (size_t)rng_below(&lab->rng, 50000), at = 0;
    char *data = malloc(size + 1);
    struct upload u = {lab_dial(lab), data, size, lab->rng};
    struct h1_refusal refusal;
    struct h1_reader reader;
    struct h1_body body;
    struct str piece;
    ssize_t n;

    lab_bad_link(lab);
    fill(data, size, &lab->rng);
    h1_reader_init(&reader, u.stream, buffer, sizeof(buffer), NULL);
    WEIR_SCOPE (scope) {
        CHECK_EQ(weir_scope_go(scope, "upload", upload, &u), 0);
        CHECK_EQ(h1_read_response(&reader, HTTP_PUT, &head, &refusal), 0);
        CHECK_EQ(head.body, HTTP_BODY_CHUNKED);
        h1_body_init(&body, &reader, &head);
        while ((n = h1_body_next(&body, &piece)) > 0) {
            CHECK(at + piece.len <= size && memcmp(data + at, piece.ptr, piece.len) == 0);
            at += piece.len;
        }
        CHECK_EQ(n, 0);
    }
    CHECK_EQ(at, size);
    stream_close(u.stream);
    lab_stop(s);
    free(data);
}

static void chunked_streams_flow_both_ways_at_once(void **state)
{
    lab_run_seeds(200, stream_body);
}

/* Threads and sockets of the machine: what the simulated world, on one thread, cannot show. */
static void the_real_world_is_no_different(void **state)
{
    lab_run(0, keep_alive_body);
    for (int i = 0; i < 20; i++) {
        lab_run(0, pipeline_body);
        lab_run(0, echo_body);
        lab_run(0, stream_body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(idle_connections_cost_no_coroutine_and_end_in_time),
        cmocka_unit_test(connections_beyond_the_limit_are_closed),
        cmocka_unit_test(a_slow_head_is_cut_with_408),
        cmocka_unit_test(broken_requests_are_refused_and_nothing_follows),
        cmocka_unit_test(handlers_reply_fail_or_say_nothing),
        cmocka_unit_test(http_1_0_gets_no_chunks),
        cmocka_unit_test(a_client_that_expects_100_gets_it_when_the_body_is_read),
        cmocka_unit_test(large_bodies_survive_any_link),
        cmocka_unit_test(chunked_streams_flow_both_ways_at_once),
        cmocka_unit_test(the_real_world_is_no_different),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
