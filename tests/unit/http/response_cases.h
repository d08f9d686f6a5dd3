/* Responses and what the parser must say; see request_cases.h. */
#ifndef WEIR_TESTS_HTTP_RESPONSE_CASES_H
#define WEIR_TESTS_HTTP_RESPONSE_CASES_H

#include "http/h1.h"

struct response_case {
    struct str bytes;
    const char *refusal; /* NULL: accepted */
    enum http_method to; /* what was asked; HTTP_OTHER counts as GET */
    int status;
    enum http_body_kind body;
    uint64_t length;
    bool close;
    const char *reason;
};

#define NO(name, literal)                                                                          \
    {                                                                                              \
        .bytes = STR(literal), .refusal = (name)                                                   \
    }
#define OK(literal, ...)                                                                           \
    {                                                                                              \
        .bytes = STR(literal), __VA_ARGS__                                                         \
    }
#define R200 "HTTP/1.1 200 OK\r\n"

static const struct response_case response_cases[] = {
    /* status line */
    OK(R200 "Content-Length: 2\r\n\r\n", .status = 200, .body = HTTP_BODY_LENGTH, .length = 2,
       .reason = "OK"),
    OK("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", .status = 200, .body = HTTP_BODY_LENGTH,
       .reason = ""),
    OK("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .status = 200, .body = HTTP_BODY_LENGTH,
       .reason = ""),
    OK("HTTP/1.1 404 Not\tFound \303\251\r\nContent-Length: 0\r\n\r\n", .status = 404,
       .body = HTTP_BODY_LENGTH, .reason = "Not\tFound \303\251"),
    OK("HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", .status = 599, .body = HTTP_BODY_LENGTH),
    NO("bad_status", "HTTP/1.1 099 x\r\n\r\n"),
    NO("bad_status", "HTTP/1.1 600 x\r\n\r\n"),
    NO("bad_status", "HTTP/1.1 000 x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1 20 x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1 2000 x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1 +20 x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1  200 x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1 200x\r\n\r\n"),
    NO("bad_status_line", "HTTP/1.1\r\n\r\n"),
    NO("bad_status_line", "\r\nHTTP/1.1 200 OK\r\n\r\n"),
    NO("bad_version", "HTTP/1.x 200 OK\r\n\r\n"),
    NO("bad_version", "http/1.1 200 OK\r\n\r\n"),
    NO("bad_status_line", "<html>hello</html>\r\n\r\n"),
    NO("unknown_version", "HTTP/2.0 200 OK\r\n\r\n"),
    NO("unknown_version", "HTTP/0.9 200 OK\r\n\r\n"),
    NO("bare_lf", "HTTP/1.1 200 OK\n\n"),
    NO("bare_cr", "HTTP/1.1 200 O\rK\r\n\r\n"),
    NO("control_byte", "HTTP/1.1 200 O\000K\r\n\r\n"),
    /* field lines are judged as in requests */
    NO("space_before_colon", R200 "X : y\r\n\r\n"),
    NO("obs_fold", R200 "X: a\r\n b\r\n\r\n"),
    NO("control_byte", R200 "X: a\000b\r\n\r\n"),
    NO("bare_lf", R200 "X: a\nb\r\n\r\n"),
    NO("bare_cr", R200 "X: a\rb\r\n\r\n"),
    NO("empty_name", R200 ": b\r\n\r\n"),
    /* framing */
    OK(R200 "\r\n", .status = 200, .body = HTTP_BODY_CLOSE, .close = true),
    OK("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", .status = 200, .body = HTTP_BODY_CLOSE,
       .close = true),
    OK("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", .status = 200,
       .body = HTTP_BODY_LENGTH, .length = 1),
    OK("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", .status = 200, .body = HTTP_BODY_LENGTH,
       .length = 1, .close = true),
    OK(R200 "Connection: close\r\nContent-Length: 1\r\n\r\n", .status = 200,
       .body = HTTP_BODY_LENGTH, .length = 1, .close = true),
    OK(R200 "Transfer-Encoding: chunked\r\n\r\n", .status = 200, .body = HTTP_BODY_CHUNKED),
    OK(R200 "Content-Length: 5, 5\r\n\r\n", .status = 200, .body = HTTP_BODY_LENGTH, .length = 5),
    OK(R200 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", .status = 200,
       .body = HTTP_BODY_LENGTH, .length = 5),
    NO("content_lengths_differ", R200 "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    NO("bad_content_length", R200 "Content-Length: +2\r\n\r\n"),
    NO("bad_content_length", R200 "Content-Length: 1180591620717411303424\r\n\r\n"),
    NO("te_and_cl", R200 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    NO("te_in_http_1_0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    NO("unknown_transfer_coding", R200 "Transfer-Encoding: gzip\r\n\r\n"),
    NO("bad_transfer_encoding", R200 "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    /* without a body, whatever the fields say */
    OK(R200 "Content-Length: 5\r\n\r\n", .to = HTTP_HEAD, .status = 200, .length = 5),
    OK(R200 "Transfer-Encoding: chunked\r\n\r\n", .to = HTTP_HEAD, .status = 200),
    OK(R200 "\r\n", .to = HTTP_HEAD, .status = 200),
    OK("HTTP/1.1 204 No Content\r\n\r\n", .status = 204),
    OK("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .status = 204, .length = 5),
    OK("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", .status = 304, .length = 5),
    OK("HTTP/1.1 100 Continue\r\n\r\n", .status = 100),
    OK("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", .status = 103),
    OK("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
       .status = 101),
    OK(R200 "\r\n", .to = HTTP_CONNECT, .status = 200),
    OK("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n", .to = HTTP_CONNECT, .status = 403,
       .body = HTTP_BODY_LENGTH, .length = 2),
    NO("bad_content_length", "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n"),
};

#undef NO
#undef OK
#undef R200

#endif
