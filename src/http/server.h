/* A small HTTP/1.1 server for handlers in straight-line code: the admin listener, the demo's
 * services, examples and tests. (The gateway's data path has its own loop over http/h1.h.) */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include <weir/panic.h>

#include "base/arena.h"
#include "http/h1.h"

struct http_server;

struct http_call { /* one request being served */
    struct http_head *request;
    struct h1_body *body;
    struct arena *arena; /* lives as long as the call */
    const struct addr *peer;
    void *arg; /* from the options */
    /* private */
    struct h1_writer *writer;
    struct text *extra;
    int failure_status; /* what a failure of the handler is answered with; 0: 500 */
    bool replied;
    bool keep; /* the connection may go on after this reply */
};

/* Serves one request: replies once with http_reply() or streams. A handler that returns without
 * replying answers 204; a negative return closes the connection (500 when nothing was sent), and so
 * does a panic, which ends nothing else. */
typedef int http_handler_fn(struct http_call *call) WEIR_PARKS;

/* Adds a response field for the coming reply. -E2BIG when there are too many. */
int http_reply_field(struct http_call *call, struct str name, struct str value);
int http_reply(struct http_call *call, int status, struct str content_type,
               struct str body) WEIR_PARKS;
/* Begins a reply whose length is not known yet: chunked, or up to the end of the connection for
 * HTTP/1.0. What http_reply_write() sends follows at once; it ends when the handler returns. */
int http_reply_begin(struct http_call *call, int status, struct str content_type) WEIR_PARKS;
int http_reply_write(struct http_call *call, struct str piece) WEIR_PARKS;
/* Reads the whole request body into the arena; -E2BIG beyond max. */
int http_call_body(struct http_call *call, size_t max, struct str *ret) WEIR_PARKS;

struct http_server_options {
    const char *name; /* for coroutine names */
    http_handler_fn *handler;
    void *arg;
    uint32_t connections_max;   /* 0: 1,024; beyond, new ones are closed at once */
    int64_t header_timeout_ns;  /* 0: 10 s */
    int64_t idle_timeout_ns;    /* 0: 60 s */
    int64_t request_timeout_ns; /* 0: 30 s: body, handler and reply */
    weir_panic_hook *panicked;  /* told of panics in handlers; NULL: stderr is */
    void *panicked_arg;
};

/* Listens and serves in coroutines of its own. */
int http_server_start(const struct addr *a, const struct http_server_options *o,
                      struct http_server **ret);
/* The same on a listener, which it takes over, also when it fails. */
int http_server_start_on(struct listener *l, const struct http_server_options *o,
                         struct http_server **ret);
int http_server_addr(const struct http_server *s, struct addr *ret);
/* Stops accepting, lets requests in flight end until the deadline of the caller, cuts the rest,
 * frees. Once it has begun it cannot be cancelled: it returns when no handler runs any more. NULL
 * is fine. Must be called before the runtime ends. */
void http_server_stop(struct http_server *s) WEIR_PARKS;
/* The same with a deadline of its own: also for a caller whose scope has ended. */
void http_server_stop_by(struct http_server *s, int64_t deadline_ns) WEIR_PARKS;

#endif
