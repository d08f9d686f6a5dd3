/* Bodies over buffered bytes: lengths, chunks, trailers, the end of the connection, and every way
 * in which chunked framing can be wrong. No stream is read: bytes are put into the buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "http/h1.h"

#define CAP (20 * 1024 + 100)

static char buffer[CAP];
static struct h1_reader reader;
static struct h1_body body;
static struct http_head head;

static void start(enum http_body_kind kind, uint64_t length, const struct h1_limits *limits)
{
    h1_reader_init(&reader, NULL, buffer, CAP, limits);
    memset(&head, 0, offsetof(struct http_head, fields));
    head.body = kind;
    head.content_length = length;
    h1_body_init(&body, &reader, &head);
}

/* What a read does, with as many of the bytes as there is room for. */
static size_t arrive(struct str s)
{
    size_t n;

    if (reader.start == reader.end)
        reader.start = reader.end = reader.floor;
    memmove(reader.buf + reader.floor, reader.buf + reader.start, reader.end - reader.start);
    reader.end -= reader.start - reader.floor;
    reader.start = reader.floor;
    n = MIN(s.len, (size_t)(reader.cap - reader.end));
    memcpy(reader.buf + reader.end, s.ptr, n);
    reader.end += (uint32_t)n;
    return n;
}

/* Feeds data in parts of at most part_max bytes and gathers what comes out. */
static ssize_t run(struct str data, size_t part_max, struct rng *rng, struct text *out)
{
    size_t at = 0;

    for (;;) {
        struct str piece;
        ssize_t n = h1_body_try_next(&body, &piece);

        if (n > 0) {
            assert_int_equal(piece.len, n);
            text_puts(out, piece);
        } else if (n != -EAGAIN) {
            return n;
        } else if (at == data.len) {
            return -EAGAIN;
        } else {
            size_t part = rng != NULL ? 1 + rng_below(rng, part_max) : part_max;

            at += arrive(str_n(data.ptr + at, MIN(part, data.len - at)));
        }
    }
}

struct chunked_case {
    struct str bytes;
    const char *refusal; /* NULL: fine */
    const char *payload;
    const char *trailers;
    const char *left; /* behind the body */
};

#define OK(literal, ...)                                                                           \
    {                                                                                              \
        .bytes = STR(literal), __VA_ARGS__                                                         \
    }
#define NO(name, literal)                                                                          \
    {                                                                                              \
        .bytes = STR(literal), .refusal = (name)                                                   \
    }

static const struct chunked_case cases[] = {
    OK("0\r\n\r\n", .payload = ""),
    OK("0000\r\n\r\n", .payload = ""),
    OK("5\r\nhello\r\n0\r\n\r\n", .payload = "hello"),
    OK("5\r\nhello\r\n00A\r\n, world012\r\n0\r\n\r\nGET", .payload = "hello, world012",
       .left = "GET"),
    OK("a\r\n0123456789\r\n0\r\n\r\n", .payload = "0123456789"),
    OK("5;x\r\nhello\r\n0;y=\"z z\"\r\n\r\n", .payload = "hello"),
    OK("5; a=b ;c\r\nhello\r\n0\r\n\r\n", .payload = "hello"),
    OK("5\r\n\r\n0\r\n\r\n0\r\n\r\n", .payload = "\r\n0\r\n"),
    OK("1\r\nx\r\n0\r\nChecksum: abc\r\nx:\r\n\r\nrest", .payload = "x",
       .trailers = "Checksum: abc\r\nx:\r\n", .left = "rest"),
    NO("bad_chunk_size", "\r\n"),
    NO("bad_chunk_size", "x\r\n"),
    NO("bad_chunk_size", " 5\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_size", "+5\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_size", "-5\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_size", ";x\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "0x5\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "5 \r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "5 ;x\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "5,5\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "1_0\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_line", "0.\r\n\r\n"),
    NO("large_chunk_size", "10000000000000002\r\nab\r\n0\r\n\r\n"),
    NO("large_chunk_size", "8000000000000000\r\nab\r\n0\r\n\r\n"),
    NO("large_chunk_size", "fffffffffffffffff\r\n"),
    NO("bare_lf", "5\nhello\r\n0\r\n\r\n"),
    NO("bare_lf", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    NO("bare_cr", "5\r;x\r\nhello\r\n0\r\n\r\n"),
    NO("control_byte", "5;\000\r\nhello\r\n0\r\n\r\n"),
    NO("bad_chunk_end", "5\r\nhelloo\r\n0\r\n\r\n"),
    NO("bad_chunk_end", "5\r\nhello\n0\r\n\r\n"),
    NO("bad_chunk_end", "5\r\nhello\rx0\r\n\r\n"),
    NO("bad_chunk_end", "5\r\nhello0\r\n\r\n"),
    NO("bad_chunk_end", "5\r\nhellox\n0\r\n\r\n"),
    NO("forbidden_trailer", "0\r\nContent-Length: 5\r\n\r\n"),
    NO("forbidden_trailer", "0\r\ntransfer-encoding: chunked\r\n\r\n"),
    NO("forbidden_trailer", "0\r\nHost: x\r\n\r\n"),
    NO("forbidden_trailer", "0\r\nX: y\r\nAuthorization: x\r\n\r\n"),
    NO("forbidden_trailer", "0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"),
    NO("forbidden_trailer", "0\r\nx_real_ip: 192.0.2.1\r\n\r\n"),
    NO("no_colon", "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    NO("space_before_colon", "0\r\nX : y\r\n\r\n"),
    NO("obs_fold", "0\r\nX: y\r\n z\r\n\r\n"),
    NO("bare_lf", "0\r\n\n"),
    NO("bare_cr", "0\r\n\rx\r\n"),
    NO("bare_lf", "0\r\nX: y\n\r\n"),
};

static void check_case(const struct chunked_case *t, size_t part_max, struct rng *rng)
{
    struct text out = {0};
    ssize_t n;

    start(HTTP_BODY_CHUNKED, 0, NULL);
    n = run(t->bytes, part_max, rng, &out);
    if (t->refusal != NULL) {
        struct str unused;

        if (n != -EBADMSG)
            fail_msg("%zd instead of %s for " STR_FMT, n, t->refusal, STR_ARG(t->bytes));
        assert_string_equal(body.refusal.name, t->refusal);
        assert_int_equal(body.refusal.status, 400);
        assert_true(body.refusal.offset <= t->bytes.len);
        assert_false(body.done);
        assert_int_equal(h1_body_try_next(&body, &unused), -EBADMSG);
    } else {
        assert_int_equal(n, 0);
        assert_true(body.done);
        assert_true(str_eq(str_n(out.ptr, out.len), str_of(t->payload)));
        assert_int_equal(body.received, strlen(t->payload));
        assert_true(str_eq(body.trailers, str_of(t->trailers != NULL ? t->trailers : "")));
        if (part_max == SIZE_MAX)
            assert_true(str_eq(str_n(reader.buf + reader.start, h1_reader_buffered(&reader)),
                               str_of(t->left != NULL ? t->left : "")));
    }
    text_done(&out);
}

static void chunked_bodies_of_the_table_are_taken_or_refused(void **state)
{
    struct rng rng;

    rng_seed(&rng, 4);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_case(&cases[i], SIZE_MAX, NULL);
        for (size_t part = 1; part < 20; part++)
            check_case(&cases[i], part, NULL);
        for (int round = 0; round < 20; round++)
            check_case(&cases[i], 6, &rng);
    }
}

static void a_cut_chunked_body_is_never_done(void **state)
{
    struct str whole = STR("5;x\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n");

    for (size_t len = 0; len < whole.len; len++) {
        struct text out = {0};
        struct str unused;

        start(HTTP_BODY_CHUNKED, 0, NULL);
        assert_int_equal(run(str_n(whole.ptr, len), SIZE_MAX, NULL, &out), -EAGAIN);
        reader.eof = true;
        assert_int_equal(h1_body_try_next(&body, &unused), -ECONNRESET);
        assert_false(body.done);
        text_done(&out);
    }
}

static void a_length_is_taken_exactly(void **state)
{
    struct text out = {0};
    struct str piece;

    start(HTTP_BODY_LENGTH, 5, NULL);
    assert_int_equal(run(STR("hel"), SIZE_MAX, NULL, &out), -EAGAIN);
    assert_int_equal(run(STR("loGET"), SIZE_MAX, NULL, &out), 0);
    assert_true(body.done);
    assert_true(str_eq(str_n(out.ptr, out.len), STR("hello")));
    assert_int_equal(h1_reader_buffered(&reader), 3);
    text_done(&out);

    start(HTTP_BODY_LENGTH, 5, NULL);
    arrive(STR("hell"));
    reader.eof = true;
    assert_int_equal(h1_body_try_next(&body, &piece), 4);
    assert_int_equal(h1_body_try_next(&body, &piece), -ECONNRESET);
    assert_false(body.done);
}

static void an_empty_body_is_done_at_once(void **state)
{
    struct str piece;

    start(HTTP_BODY_LENGTH, 0, NULL);
    assert_true(body.done);
    assert_int_equal(h1_body_try_next(&body, &piece), 0);
    start(HTTP_BODY_NONE, 0, NULL);
    arrive(STR("GET"));
    assert_true(body.done);
    assert_int_equal(h1_body_try_next(&body, &piece), 0);
    assert_int_equal(h1_reader_buffered(&reader), 3);
}

static void the_last_piece_says_that_it_is_the_last(void **state)
{
    struct str piece;

    start(HTTP_BODY_LENGTH, 3, NULL);
    arrive(STR("abc"));
    assert_int_equal(h1_body_try_next(&body, &piece), 3);
    assert_true(body.done);
    start(HTTP_BODY_CHUNKED, 0, NULL);
    arrive(STR("3\r\nabc\r\n0\r\n\r\n"));
    assert_int_equal(h1_body_try_next(&body, &piece), 3);
    assert_true(body.done);
    assert_true(str_eq(piece, STR("abc")));
}

static void up_to_the_end_of_the_connection(void **state)
{
    struct text out = {0};
    struct str piece;

    start(HTTP_BODY_CLOSE, 0, NULL);
    assert_int_equal(run(STR("some bytes"), 3, NULL, &out), -EAGAIN);
    assert_false(body.done);
    reader.eof = true;
    assert_int_equal(h1_body_try_next(&body, &piece), 0);
    assert_true(body.done);
    assert_int_equal(out.len, 10);
    text_done(&out);
}

static void random_chunkings_give_the_payload_back(void **state)
{
    struct rng rng;

    rng_seed(&rng, 5);
    for (int round = 0; round < 300; round++) {
        struct text payload = {0}, wire = {0}, out = {0};
        size_t size = (size_t)rng_below(&rng, 50000), at = 0;

        for (size_t i = 0; i < size; i++)
            text_put(&payload, &(char){(char)rng_next(&rng)}, 1);
        while (at < size) {
            size_t chunk = MIN(size - at, 1 + (size_t)rng_below(&rng, 1u << rng_below(&rng, 16)));

            text_printf(&wire, rng_below(&rng, 2) ? "%zx\r\n" : "00%zX;ext=1\r\n", chunk);
            text_put(&wire, payload.ptr + at, chunk);
            text_puts(&wire, STR("\r\n"));
            at += chunk;
        }
        text_puts(&wire, rng_below(&rng, 2) ? STR("0\r\n\r\n") : STR("0\r\nX: y\r\n\r\n"));
        start(HTTP_BODY_CHUNKED, 0, NULL);
        assert_int_equal(run(str_n(wire.ptr, wire.len), 1u << rng_below(&rng, 16), &rng, &out), 0);
        assert_true(str_eq(str_n(payload.ptr, payload.len), str_n(out.ptr, out.len)));
        assert_int_equal(body.wire_bytes, wire.len);
        text_done(&payload);
        text_done(&wire);
        text_done(&out);
    }
}

static void expect_refusal(struct str bytes, const struct h1_limits *limits, const char *name)
{
    struct text out = {0};

    start(HTTP_BODY_CHUNKED, 0, limits);
    assert_int_equal(run(bytes, 1000, NULL, &out), -EBADMSG);
    assert_string_equal(body.refusal.name, name);
    text_done(&out);
}

static void chunk_lines_and_trailers_are_bounded(void **state)
{
    struct h1_limits l = h1_limits_default;
    struct text line = {0}, trailers = {0}, out = {0};

    text_puts(&line, STR("1;"));
    while (line.len < 254)
        text_puts(&line, STR("a"));
    text_puts(&line, STR("\r\nx\r\n0\r\n\r\n"));
    l.chunk_line_bytes = 256;
    start(HTTP_BODY_CHUNKED, 0, &l);
    assert_int_equal(run(str_n(line.ptr, line.len), 10, NULL, &out), 0);
    l.chunk_line_bytes = 255;
    expect_refusal(str_n(line.ptr, line.len), &l, "long_chunk_line");
    text_done(&line);

    text_puts(&trailers, STR("0\r\n"));
    for (int i = 0; i < 100; i++)
        text_puts(&trailers, STR("X: 67\r\n"));
    text_puts(&trailers, STR("\r\n"));
    l.trailer_bytes = 702;
    start(HTTP_BODY_CHUNKED, 0, &l);
    assert_int_equal(run(str_n(trailers.ptr, trailers.len), 10, NULL, &out), 0);
    assert_int_equal(body.trailers.len, 700);
    l.trailer_bytes = 701;
    expect_refusal(str_n(trailers.ptr, trailers.len), &l, "long_trailers");
    text_done(&trailers);
    text_done(&out);
}

static void extensions_may_not_outweigh_the_data(void **state)
{
    struct text t = {0};

    for (int i = 0; i < 200; i++)
        text_printf(&t, "1;%0200d\r\nx\r\n", 0);
    text_puts(&t, STR("0\r\n\r\n"));
    expect_refusal(str_n(t.ptr, t.len), &h1_limits_default, "many_extensions");
    text_done(&t);
}

static void a_response_body_is_refused_as_502(void **state)
{
    struct text out = {0};

    start(HTTP_BODY_CHUNKED, 0, NULL);
    head.status = 200;
    head.head_bytes = 100;
    h1_body_init(&body, &reader, &head);
    assert_int_equal(run(STR("3\r\nabc\r\nx\r\n"), SIZE_MAX, NULL, &out), -EBADMSG);
    assert_int_equal(body.refusal.status, 502);
    assert_int_equal(body.refusal.offset, 108);
    text_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_bodies_of_the_table_are_taken_or_refused),
        cmocka_unit_test(a_cut_chunked_body_is_never_done),
        cmocka_unit_test(a_length_is_taken_exactly),
        cmocka_unit_test(an_empty_body_is_done_at_once),
        cmocka_unit_test(the_last_piece_says_that_it_is_the_last),
        cmocka_unit_test(up_to_the_end_of_the_connection),
        cmocka_unit_test(random_chunkings_give_the_payload_back),
        cmocka_unit_test(chunk_lines_and_trailers_are_bounded),
        cmocka_unit_test(extensions_may_not_outweigh_the_data),
        cmocka_unit_test(a_response_body_is_refused_as_502),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
