/* HTTP/1.1: a server and a client for straight-line code.
 *
 *     static int hello(struct weir_http_request *q, struct weir_http_response *r)
 *     {
 *         return weir_http_printf(r, "hello from %s\n", weir_http_path(q));
 *     }
 *
 *     static int serve(void *arg)
 *     {
 *         return weir_http_serve("127.0.0.1:8080", hello, NULL);
 *     }
 *
 *     int main(void)
 *     {
 *         return weir_main(serve, NULL, NULL);
 *     }
 *
 * Every request that is being served has a coroutine; a connection that waits for its next request
 * has neither stack nor buffer. What a peer sends is judged strictly (RFC 9112): a message that two
 * readers could understand in two ways is refused, with 400 and the like, before the handler. */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <stdarg.h>

#include <weir/net.h>
#include <weir/panic.h>

/* ---- server ---- */

struct weir_http_request;
struct weir_http_response;

/* Answers one request, in a coroutine of its own kind, inside the deadline request_timeout_ns.
 * Without a word from it the answer is 200 with an empty body. A negative result answers 500 (when
 * reading the body has failed and that is what is returned: 413, 400 or 408); so does a panic
 * (weir/panic.h), which ends this request and nothing else. If part of the answer has left already,
 * the connection is cut instead, so that nobody takes the part for the whole. */
typedef int weir_http_handler(struct weir_http_request *q, struct weir_http_response *r) WEIR_PARKS;

struct weir_http_options {
    size_t size;                /* sizeof(struct weir_http_options); fields may be added */
    const char *name;           /* of its coroutines, in dumps; NULL: "http" */
    uint32_t connections_max;   /* 0: 16,384; beyond, new ones are closed at once */
    int64_t header_timeout_ns;  /* 0: 10 s for the head of a request, and for a rest of a body */
    int64_t idle_timeout_ns;    /* 0: 60 s between two requests */
    int64_t request_timeout_ns; /* 0: 30 s for body, handler and answer; INT64_MAX: no limit */
    int64_t grace_ns;           /* 0: 5 s for what is in flight when the server stops */
    uint64_t body_max;          /* 0: 1 MiB of request body; beyond, reading fails with -E2BIG */
    weir_panic_hook *panicked;  /* is told of a handler's panic, with the arg of the server, in the
                                 * coroutine of the request; NULL: a report goes to stderr */
};

/* Serves on the address (as in weir_listen()) until the caller's scope ends, and then stops
 * gracefully: no connection is accepted any more, requests in flight have grace_ns to end, then
 * they are cancelled; when this returns, no handler runs. Returns why it ended, negative:
 * -ECANCELED, -ETIMEDOUT, or what weir_listen() said. arg is what weir_http_arg() gives. */
WEIR_API int weir_http_serve(const char *address, weir_http_handler *handler, void *arg) WEIR_PARKS;

/* The same on a listener, which it takes over (also when it fails), and with options (NULL: the
 * defaults). */
WEIR_API int weir_http_serve_on(struct weir_listener *l, weir_http_handler *handler, void *arg,
                                const struct weir_http_options *options) WEIR_PARKS;

/* The whole of a program that is a server and nothing else: weir_main() around weir_http_serve(),
 * which SIGTERM and SIGINT end. What main() returns: 0, or 1 after a line on standard error that
 * says why it cannot serve. Blocks the thread. */
WEIR_API int weir_http_main(const char *address, weir_http_handler *handler, void *arg);

/* The request. Text is terminated and lives until the handler returns. None of these parks. */
WEIR_API void *weir_http_arg(const struct weir_http_request *q);
WEIR_API const char *weir_http_method(struct weir_http_request *q);
/* The path with escapes decoded: "/a b" for "/a%20b?c=d". (A target with broken escapes, or with an
 * escaped NUL, is refused before the handler.) */
WEIR_API const char *weir_http_path(struct weir_http_request *q);
/* The request target as it came. */
WEIR_API const char *weir_http_target(struct weir_http_request *q);
/* The first such parameter of the query, decoded ('+' is a blank); "" when it has no value, NULL
 * when it is not there, or its escapes are broken, or memory is out. */
WEIR_API const char *weir_http_query(struct weir_http_request *q, const char *name);
/* The first header of that name (in any case), or NULL. */
WEIR_API const char *weir_http_header(struct weir_http_request *q, const char *name);
/* Header number i from 0 in the order they came; false: there is none. */
WEIR_API bool weir_http_header_at(struct weir_http_request *q, size_t i, const char **ret_name,
                                  const char **ret_value);
/* The address of the client, as in weir_conn_peer(). NULL when memory is out. */
WEIR_API const char *weir_http_peer(struct weir_http_request *q);

/* Memory that lives until the handler returns; not zeroed. NULL when it is out. Does not park. */
WEIR_API void *weir_http_alloc(struct weir_http_request *q, size_t size)
    __attribute__((malloc, alloc_size(2)));

/* The body in pieces: 1 to size bytes, or 0 at the end. -E2BIG beyond body_max, -EBADMSG: its
 * framing is broken, -ECONNRESET: it was cut, -ETIMEDOUT, -ECANCELED. */
WEIR_API ssize_t weir_http_read(struct weir_http_request *q, void *data, size_t size) WEIR_PARKS;
/* The whole body, terminated, in memory that lives until the handler returns. 0, or as above, or
 * -ENOMEM. Either this, once, or weir_http_read(). ret_size may be NULL. */
WEIR_API int weir_http_body(struct weir_http_request *q, const char **ret,
                            size_t *ret_size) WEIR_PARKS;

/* The response. Status and headers come before the first byte leaves, which is when 4 KiB of body
 * have come together, with weir_http_flush(), or when the handler returns; later they are
 * -EALREADY. What leaves at the end is sent with its length; otherwise the body goes out in chunks.
 */

/* 200 at first; 200 to 599. -EINVAL, -EALREADY. Does not park. */
WEIR_API int weir_http_status(struct weir_http_response *r, int status);
/* Sets a header, in place of those of that name, or adds one more. Content-Type is
 * "text/plain; charset=utf-8" at first. -EINVAL: not a name, a value with control bytes, or one of
 * Content-Length, Transfer-Encoding and Connection, which the server sets itself; -E2BIG: beyond 8
 * KiB of headers; -EALREADY, -ENOMEM. Do not park. */
WEIR_API int weir_http_set_header(struct weir_http_response *r, const char *name,
                                  const char *value);
WEIR_API int weir_http_add_header(struct weir_http_response *r, const char *name,
                                  const char *value);
/* Says how long the body is, so that a long one goes out without chunks and without being copied.
 * -EALREADY. Does not park. */
WEIR_API int weir_http_set_length(struct weir_http_response *r, uint64_t bytes);

/* Adds to the body. 0, or -EPIPE, -ECONNRESET, -ETIMEDOUT, -ECANCELED: the client is gone or too
 * slow; -EMSGSIZE: more than weir_http_set_length() has said. Park when something has to leave. */
WEIR_API int weir_http_write(struct weir_http_response *r, const void *data,
                             size_t size) WEIR_PARKS;
WEIR_API int weir_http_puts(struct weir_http_response *r, const char *text) WEIR_PARKS;
WEIR_API int weir_http_printf(struct weir_http_response *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))) WEIR_PARKS;
WEIR_API int weir_http_vprintf(struct weir_http_response *r, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0))) WEIR_PARKS;
/* Sends what there is now. 0, or as above. */
WEIR_API int weir_http_flush(struct weir_http_response *r) WEIR_PARKS;
/* Throws away what has been written and answers with this status and text: for errors.
 * -EALREADY. Does not park. */
WEIR_API int weir_http_error(struct weir_http_response *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A table of handlers, by method and path, that ends with a row of zeros:
 *
 *     static const struct weir_http_route routes[] = {
 *         {"GET /users/{id}", user},      // weir_http_param(q, "id")
 *         {"POST /users", add_user},
 *         {"/static/", files},            // every method, and whatever begins so
 *         {0},
 *     };
 *
 *     static int app(struct weir_http_request *q, struct weir_http_response *r)
 *     {
 *         return weir_http_route(q, r, routes);
 *     }
 *
 * A segment {name} stands for any one segment that is not empty; a pattern that ends with '/' also
 * for all that is below. The first row that fits is taken, so the special ones stand first. HEAD
 * goes where GET goes, unless it has a row of its own before. Nothing fits: 404, or 405 with Allow
 * when only the method does not. Within its handler weir_http_arg() is the arg of the row unless
 * that is NULL. */
struct weir_http_route {
    const char *pattern;
    weir_http_handler *handler;
    void *arg;
};

WEIR_API int weir_http_route(struct weir_http_request *q, struct weir_http_response *r,
                             const struct weir_http_route *routes) WEIR_PARKS;
/* What a segment {name} of the row stood for, or NULL. */
WEIR_API const char *weir_http_param(struct weir_http_request *q, const char *name);

/* ---- client ---- */

/* Keeps connections for the next request: at most 16 idle ones, each for at most 30 s. For any
 * number of coroutines. */
struct weir_http_client;

/* NULL when memory is out. Free it in a coroutine, when nobody uses it any more and before the
 * runtime ends. NULL is fine for weir_http_client_free(). Neither parks. */
WEIR_API struct weir_http_client *weir_http_client_new(void);
WEIR_API void weir_http_client_free(struct weir_http_client *c);

struct weir_http_call {
    const char *method;         /* NULL: "GET" */
    const char *url;            /* "http://host[:port][/path][?query]" */
    const char *const *headers; /* name, value, name, value, ..., NULL; or NULL */
    const void *body;
    size_t body_bytes;
    size_t reply_max; /* of the reply's body; 0: 8 MiB */
};

struct weir_http_reply {
    int status;
    const char *body; /* terminated */
    size_t body_bytes;
};

/* Sends the request and reads the whole reply; takes as long as the caller's deadline lets it. 0
 * for any reply, whatever its status; the caller frees it. c may be NULL: the connection is not
 * kept then. -EINVAL: bad URL, method or header; -EPROTONOSUPPORT: a scheme other than http; what
 * weir_dial() says; -E2BIG: body beyond reply_max; -EBADMSG: not HTTP; -ECONNRESET, -EPIPE,
 * -ETIMEDOUT, -ECANCELED, -ENOMEM. When a kept connection turns out to be closed, the request goes
 * out once more on a new one if that is safe (RFC 9110 section 9.2.2). Redirects are replies like
 * others. */
WEIR_API int weir_http_do(struct weir_http_client *c, const struct weir_http_call *call,
                          struct weir_http_reply **ret) WEIR_PARKS;
WEIR_API int weir_http_get(struct weir_http_client *c, const char *url,
                           struct weir_http_reply **ret) WEIR_PARKS;
/* The first header of that name (in any case), or NULL; lives as long as the reply. */
WEIR_API const char *weir_http_reply_header(const struct weir_http_reply *reply, const char *name);
WEIR_API void weir_http_reply_free(struct weir_http_reply *reply);

#endif
