/* What stands behind the request and the response that a handler of <weir/http.h> sees. */
#ifndef WEIR_HTTP_HANDLER_H
#define WEIR_HTTP_HANDLER_H

#include <weir/http.h>

#include "http/server_impl.h"

enum { PARAMS_MAX = 8 };

struct route_param {
    struct str name;
    const char *value;
};

struct weir_http_request {
    struct http_call *call;
    void *arg;
    const char *path;
    uint64_t body_max;

    struct str piece; /* of the body, not yet handed out */
    int body_error;   /* reading it has failed */
    bool body_begun;

    unsigned param_count;
    struct route_param params[PARAMS_MAX];
};

/* Until the head has left, body holds all of it that was written; then what has come together for
 * the next chunk. */
struct weir_http_response {
    struct http_call *call;
    int status;
    struct str content_type;
    bool has_length;
    uint64_t length; /* as announced */
    int error;       /* the first that writing met; it stays */
    struct buf body; /* on the session's reply buffer */
};

/* 0; -EBADMSG: escapes of the path are broken; -ENOMEM. */
int request_init(struct weir_http_request *q, struct http_call *call, void *arg, uint64_t body_max);

/* The text as it stands in the reader's buffer, terminated there: whatever follows it has been
 * parsed and is not looked at any more. */
const char *request_text(struct str s);

void response_init(struct weir_http_response *r, struct http_call *call);
/* Sends what the handler has left. 0, or negative: the message is not complete. */
int response_finish(struct weir_http_response *r) WEIR_PARKS;

bool token_valid(struct str s);
/* False also for the fields that say how a message is framed: those are not the caller's. */
bool header_valid(struct str name, struct str value);

#endif
