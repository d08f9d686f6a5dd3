/* Inside of the server: the server, a connection, and what one busy connection needs. */
#ifndef WEIR_HTTP_SERVER_IMPL_H
#define WEIR_HTTP_SERVER_IMPL_H

#include "base/list.h"
#include "base/pool.h"
#include "http/server.h"

/* Begins as NEW. The keeper makes it KEPT when it starts; http_server_stop() makes it DROPPED when
 * it comes before that, and then the keeper has nothing to do but free it. */
enum server_phase { SERVER_NEW, SERVER_KEPT, SERVER_DROPPED };

struct http_server {
    /* fixed */
    struct http_server_options options;
    struct listener *listener; /* the keeper's */
    struct addr addr;

    /* under mutex */
    struct weir_mutex mutex;
    struct list connections;
    uint32_t connection_count;
    enum server_phase phase;
    atomic_bool stopping; /* also read without it, as a hint */
    struct weir_scope *accepting;
    int64_t stop_deadline_ns;

    struct weir_wait_group live; /* connections */
    struct weir_mutex kept;      /* held by the keeper while it runs */
    bool abandoned;              /* the runtime ends, and connections may still use this */
    struct pool sessions;
};

/* Idle: watched by the poller, and nothing but this exists. Busy: a coroutine serves it. */
struct server_connection {
    struct list node; /* under the server's mutex, as is busy */
    struct http_server *server;
    struct stream *stream;
    struct weir_scope *busy; /* NULL: idle */
    bool used;               /* has had a request */
    bool cut;                /* its end must not look like the end of a body */
};

#define SESSION_BUFFER (16 * KIB + 4 * KIB)
#define SESSION_ARENA  (2 * KIB)
#define SESSION_REPLY  (4 * KIB)

/* What a connection has while it is busy. */
struct session {
    struct server_connection *connection;
    struct h1_reader reader;
    struct h1_refusal refusal;
    struct http_head head;
    char arena[SESSION_ARENA];
    char reply[SESSION_REPLY]; /* the handler's: what comes together of a body before it leaves */
    char buffer[SESSION_BUFFER];
};

static inline struct session *session_of(const struct http_call *call)
{
    return container_of(call->request, struct session, head);
}

/* Serves requests until none is buffered. True: the connection may wait for the next one. */
bool session_serve(struct session *s) WEIR_PARKS;

struct reply_head {
    int status;
    struct str content_type;
    enum http_body_kind kind; /* CHUNKED becomes CLOSE where there are no chunks */
    uint64_t length;          /* HTTP_BODY_LENGTH */
};

int reply_start(struct http_call *call, const struct reply_head *h, struct str piece,
                bool last) WEIR_PARKS;

/* Completes what the handler left: its reply, or the one it did not give. */
int reply_finish(struct http_call *call, int handler_result) WEIR_PARKS;
/* A reply by the server itself, after which the connection closes. */
int reply_refusal(struct stream *s, int status, struct str text) WEIR_PARKS;

#endif
