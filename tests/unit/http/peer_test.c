/* Reader, writer and client against a peer that says and does exactly what is written here. */
#include "lab.h"

/* A listener whose connections are served by a script: for each line one request without a body is
 * heard, then something is said, and perhaps the connection is closed. */
struct line {
    struct str say;
    bool close;
};

struct script {
    struct listener *listener;
    const struct line *lines;
    size_t count;
    int connections;
};

/* Up to the empty line, or the end. */
static void hear(struct stream *s)
{
    uint32_t last = 0;
    char byte;

    while (last != 0x0d0a0d0a && stream_read(s, &byte, 1) == 1)
        last = last << 8 | (unsigned char)byte;
}

static void play(void *arg)
{
    struct script *script = arg;
    struct stream *s = NULL;

    for (size_t i = 0; i < script->count; i++) {
        const struct line *l = &script->lines[i];

        if (s == NULL) {
            CHECK_EQ(listener_accept(script->listener, &s), 0);
            script->connections++;
        }
        hear(s);
        (void)stream_write(s, l->say.ptr, l->say.len);
        if (l->close)
            stream_close(TAKE(s));
    }
    stream_close(s);
}

#define WITH_SCRIPT(lab, script, lines_)                                                           \
    struct script script = {.lines = (lines_), .count = ARRAY_LEN(lines_)};                        \
    CHECK_EQ(listener_open(&(lab)->addr, 8, &script.listener), 0);                                 \
    WEIR_SCOPE (scope_) {                                                                          \
        CHECK_EQ(weir_scope_go(scope_, "peer", play, &script), 0);

#define END_SCRIPT(script)                                                                         \
    }                                                                                              \
    listener_close(script.listener);

static int fetch(struct http_client *c, struct http_client_request q,
                 struct http_client_response *ret)
{
    static char body[1000];

    return http_client_do(c, &q, body, sizeof(body), ret);
}

static void answers_body(struct lab *lab)
{
    static const struct line lines[] = {
        {STR("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
             "Content-Length: 5\r\n\r\nhello")},
        {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
             "3;x\r\n, w\r\n0\r\nX: y\r\n\r\n")},
        {STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")},
        {STR("HTTP/1.1 200 OK\r\n\r\nto the end"), true},
        {STR("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), true},
    };
    struct http_client c = lab_client(lab);
    struct http_client_response r;

    lab_bad_link(lab);
    WITH_SCRIPT(lab, script, lines)
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK_EQ(r.status, 200);
    CHECK(str_eq(r.body, STR("hello")));
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK(str_eq(r.body, STR("hello, w")));
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK_EQ(r.status, 304);
    CHECK_EQ(r.body_bytes, 0);
    CHECK(c.stream != NULL);
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK(str_eq(r.body, STR("to the end")));
    CHECK(c.stream == NULL);
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK_EQ(r.status, 404);
    CHECK(c.stream == NULL);
    END_SCRIPT(script)
    CHECK_EQ(script.connections, 2);
    http_client_done(&c);
}

static void the_client_understands_every_framing(void **state)
{
    lab_run_seeds(50, answers_body);
}

/* The peer answers, closes once it has everything, and waits for another connection. */
static void stale_body(struct lab *lab)
{
    static const struct line lines[] = {
        {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"), true},
        {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"), true},
    };
    struct http_client c = lab_client(lab);
    struct http_client_response r;

    WITH_SCRIPT(lab, script, lines)
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK(c.stream != NULL);
    CHECK_EQ(weir_sleep(NS_PER_SEC), 0);
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0); /* on a new connection */
    CHECK(str_eq(r.body, STR("2")));
    END_SCRIPT(script)
    CHECK_EQ(script.connections, 2);
    http_client_done(&c);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    lab_run_seeds(50, stale_body);
}

static void bad_answer(struct lab *lab, struct str say, int want)
{
    const struct line lines[] = {{say, true}};
    struct http_client c = lab_client(lab);
    struct http_client_response r;

    WITH_SCRIPT(lab, script, lines)
    CHECK_EQ(fetch(&c, (struct http_client_request){.method = STR("POST")}, &r), want);
    CHECK(c.stream == NULL);
    END_SCRIPT(script)
    CHECK_EQ(script.connections, 1);
    http_client_done(&c);
}

static void bad_answers_body(struct lab *lab)
{
    bad_answer(lab, STR(""), -EPIPE);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nContent-Le"), -ECONNRESET);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), -ECONNRESET);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
               -ECONNRESET);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx"), -ECONNRESET);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), -EBADMSG);
    bad_answer(lab, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
               -EBADMSG);
    bad_answer(lab, STR("hello\r\n\r\n"), -EBADMSG);
}

static void cut_and_broken_answers_are_errors(void **state)
{
    lab_run_seeds(30, bad_answers_body);
}

static void surplus_body(struct lab *lab)
{
    static const struct line lines[] = {
        {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\n"
             "Content-Length: 4\r\n\r\nevil"),
         true},
    };
    struct http_client c = lab_client(lab);
    struct http_client_response r;

    WITH_SCRIPT(lab, script, lines)
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), 0);
    CHECK(str_eq(r.body, STR("1")));
    CHECK(c.stream == NULL); /* nobody's answer may become the next one's */
    END_SCRIPT(script)
    http_client_done(&c);
}

static void bytes_behind_the_answer_close_the_connection(void **state)
{
    lab_run_seeds(10, surplus_body);
}

static void deadline_body(struct lab *lab)
{
    static const struct line lines[] = {{STR("HTTP/1.1 200 OK\r\n")}, {STR("")}};
    struct http_client c = lab_client(lab);
    struct http_client_response r;
    int result = 0;

    WITH_SCRIPT(lab, script, lines)
    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        result = fetch(&c, (struct http_client_request){0}, &r);
    }
    CHECK_EQ(result, -ETIMEDOUT);
    CHECK(c.stream == NULL);
    END_SCRIPT(script)
    http_client_done(&c);
}

static void a_deadline_ends_the_wait(void **state)
{
    lab_run_seeds(10, deadline_body);
}

static void flood_body(struct lab *lab)
{
    struct text flood = {0};
    struct line lines[1] = {{STR(""), true}};
    struct http_client c = lab_client(lab);
    struct http_client_response r;

    for (int i = 0; i < 500; i++)
        text_puts(&flood, STR("HTTP/1.1 103 Early Hints\r\n\r\n"));
    lines[0].say = str_n(flood.ptr, flood.len);
    WITH_SCRIPT(lab, script, lines)
    CHECK_EQ(fetch(&c, (struct http_client_request){0}, &r), -EBADMSG);
    END_SCRIPT(script)
    http_client_done(&c);
    text_done(&flood);
}

static void interim_answers_are_bounded(void **state)
{
    lab_run_seeds(5, flood_body);
}

/* ---- writer ---- */

static void expect_sent(struct lab *lab, void (*write)(struct stream *s), struct str want)
{
    struct listener *listener;
    struct stream *a, *b;
    struct str got;

    CHECK_EQ(listener_open(&lab->addr, 8, &listener), 0);
    a = lab_dial(lab);
    CHECK_EQ(listener_accept(listener, &b), 0);
    write(a);
    CHECK_EQ(stream_shutdown(a), 0);
    got = lab_read_to_end(b);
    if (!str_eq(got, want)) {
        fprintf(stderr, "got \"" STR_FMT "\"\n", STR_ARG(got));
        CHECK(false);
    }
    stream_close(a);
    stream_close(b);
    listener_close(listener);
}

static void write_length(struct stream *s)
{
    struct h1_writer w;

    h1_writer_init(&w, s, HTTP_BODY_LENGTH, 5);
    CHECK(!w.started);
    CHECK_EQ(h1_writer_send(&w, STR("head\n"), STR("abcdef"), false, STR("")), -EMSGSIZE);
    CHECK_EQ(h1_writer_send(&w, STR("head\n"), STR("abc"), true, STR("")), -EMSGSIZE);
    CHECK(!w.started); /* nothing went out */
    CHECK_EQ(h1_writer_send(&w, STR("head\n"), STR("abc"), false, STR("")), 0);
    CHECK(w.started && !w.done);
    CHECK_EQ(w.remaining, 2);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR("de"), false, STR("")), 0);
    CHECK(w.done);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR("f"), false, STR("")), -EMSGSIZE);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR(""), true, STR("")), 0);
    CHECK_EQ(w.sent_bytes, 10);
}

static void write_chunks(struct stream *s)
{
    struct h1_writer w;

    h1_writer_init(&w, s, HTTP_BODY_CHUNKED, 0);
    CHECK_EQ(h1_writer_send(&w, STR("head\n"), STR(""), false, STR("")), 0);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR("0123456789abcdef"), false, STR("")), 0);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR("x"), true, STR("T: u\r\n")), 0);
    CHECK(w.done);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR(""), true, STR("")), 0);
}

static void write_last_chunk(struct stream *s)
{
    struct h1_writer w;

    h1_writer_init(&w, s, HTTP_BODY_CHUNKED, 0);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR("x"), true, STR("")), 0);
    h1_writer_init(&w, s, HTTP_BODY_CHUNKED, 0);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR(""), true, STR("")), 0);
    h1_writer_init(&w, s, HTTP_BODY_CHUNKED, 0);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR(""), true, STR("T: u\r\n")), 0);
}

static void write_none(struct stream *s)
{
    struct h1_writer w;

    h1_writer_init(&w, s, HTTP_BODY_NONE, 0);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR("x"), true, STR("")), -EMSGSIZE);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR(""), true, STR("")), 0);
    CHECK(w.done);
    h1_writer_init(&w, s, HTTP_BODY_CLOSE, 0);
    CHECK_EQ(h1_writer_send(&w, STR("h\n"), STR("x"), false, STR("")), 0);
    CHECK_EQ(h1_writer_send(&w, STR(""), STR("y"), true, STR("")), 0);
    CHECK(w.done);
}

static void writer_body(struct lab *lab)
{
    expect_sent(lab, write_length, STR("head\nabcde"));
    expect_sent(lab, write_chunks,
                STR("head\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\nT: u\r\n\r\n"));
    expect_sent(lab, write_last_chunk,
                STR("h\n1\r\nx\r\n0\r\n\r\nh\n0\r\n\r\nh\n0\r\nT: u\r\n\r\n"));
    expect_sent(lab, write_none, STR("h\nh\nxy"));
}

static void the_writer_frames_what_it_sends(void **state)
{
    lab_run_seeds(10, writer_body);
}

/* ---- reader ---- */

static void reader_body(struct lab *lab)
{
    static struct http_head head;
    static char buffer[20 * 1024];
    struct listener *listener;
    struct h1_refusal refusal;
    struct h1_reader reader;
    struct stream *a, *b;
    int r = 0;

    CHECK_EQ(listener_open(&lab->addr, 8, &listener), 0);
    a = lab_dial(lab);
    CHECK_EQ(listener_accept(listener, &b), 0);
    h1_reader_init(&reader, b, buffer, sizeof(buffer), NULL);
    lab_say(a, STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost"));
    CHECK_EQ(h1_read_request(&reader, &head, &refusal), 0);
    CHECK(str_eq(head.path, STR("/1")));
    h1_reader_next(&reader);
    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        r = h1_read_request(&reader, &head, &refusal);
    }
    CHECK_EQ(r, -ETIMEDOUT);
    CHECK_EQ(h1_reader_buffered(&reader), 21);
    lab_say(a, STR(": b\r\n\r\n")); /* a timeout loses nothing */
    CHECK_EQ(h1_read_request(&reader, &head, &refusal), 0);
    CHECK(str_eq(head.authority, STR("b")));
    h1_reader_next(&reader);
    CHECK_EQ(stream_shutdown(a), 0);
    CHECK_EQ(h1_read_request(&reader, &head, &refusal), -EPIPE);
    CHECK_EQ(h1_read_request(&reader, &head, &refusal), -EPIPE);
    stream_close(a);
    stream_close(b);
    listener_close(listener);
}

static void the_reader_tells_an_end_from_a_cut(void **state)
{
    lab_run_seeds(20, reader_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_understands_every_framing),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_replaced),
        cmocka_unit_test(cut_and_broken_answers_are_errors),
        cmocka_unit_test(bytes_behind_the_answer_close_the_connection),
        cmocka_unit_test(a_deadline_ends_the_wait),
        cmocka_unit_test(interim_answers_are_bounded),
        cmocka_unit_test(the_writer_frames_what_it_sends),
        cmocka_unit_test(the_reader_tells_an_end_from_a_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
