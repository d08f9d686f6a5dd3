/* A small HTTP/1.1 client: one request, one response, on a connection that may be kept. For health
 * checks, the demo's load, tests. (The gateway's proxying has its own code over http/h1.h.) */
#ifndef WEIR_HTTP_CLIENT_H
#define WEIR_HTTP_CLIENT_H

#include "http/h1.h"

struct http_client { /* one connection; zero-initialise, set addr */
    struct addr addr;
    struct stream *stream; /* NULL: will dial */
    char *buf;
    const struct h1_limits *limits; /* NULL: default */
    bool used;                      /* the stream has carried a response */
};

struct http_client_request {
    struct str method; /* ptr NULL: GET */
    struct str target;
    struct str host;
    struct str fields; /* raw lines "Name: value\r\n", may be empty */
    struct str body;
    bool close; /* say Connection: close */
    /* NULL, or what gets the fields of the response (name and value, each followed by a zero byte)
     * and its whole body: beyond the bounds of either the request fails with -E2BIG. */
    struct text *keep_fields, *keep_body;
};

struct http_client_response {
    int status;
    uint64_t body_bytes; /* whole body read and checked for framing */
    struct str body;     /* the first bytes of it, as many as fit body_buf */
};

/* Dials if needed, sends, reads the whole response. 0, or a negative code; after an error the
 * connection is closed. body_buf may be NULL. Deadlines come from the caller's scope. */
int http_client_do(struct http_client *c, const struct http_client_request *q, void *body_buf,
                   size_t body_size, struct http_client_response *ret) WEIR_PARKS;
void http_client_done(struct http_client *c);

#endif
