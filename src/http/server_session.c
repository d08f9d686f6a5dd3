/* One busy connection: requests one after the other, in straight-line code. */
#include <unistd.h>

#include "base/duration.h"
#include "http/h1_parse.h"
#include "http/server_impl.h"

#define ARENA_MAX   (64 * MIB)
#define DRAIN_MAX   (256 * KIB) /* of a body that the handler did not read */
#define LINGER_MAX  (256 * KIB)
#define LINGER_NS   NS_PER_SEC
#define LINGER_PART 4096

static int64_t in(int64_t ns)
{
    return ns_add(weir_now(), ns);
}

static const struct http_server_options *options_of(const struct session *s)
{
    return &s->connection->server->options;
}

/* Says the end and lets the client read the reply: closing while it still sends would reset the
 * connection and may take the reply away from it (RFC 9112 section 9.6). */
static void linger(struct session *s)
{
    struct stream *stream = s->connection->stream;
    char part[LINGER_PART];
    size_t total = 0;

    if (stream_shutdown(stream) != 0)
        return;
    WEIR_DEADLINE (in(LINGER_NS)) {
        ssize_t n;

        while ((n = stream_read(stream, part, sizeof(part))) > 0 && total < LINGER_MAX)
            total += (size_t)n;
    }
}

static void refuse(struct session *s, int status, const char *text)
{
    int r = 0;

    WEIR_DEADLINE (in(options_of(s)->header_timeout_ns)) {
        r = reply_refusal(s->connection->stream, status, str_of(text));
    }
    if (r == 0)
        linger(s);
}

/* 0, or negative: the connection is to be closed. */
static int read_head(struct session *s)
{
    int r = 0;

    WEIR_DEADLINE (in(options_of(s)->header_timeout_ns)) {
        r = h1_read_request(&s->reader, &s->head, &s->refusal);
    }
    if (r == -ETIMEDOUT && h1_reader_buffered(&s->reader) != 0)
        h1_refuse(&s->refusal, H1_R_head_timeout, h1_reader_buffered(&s->reader), false);
    else if (r != -EBADMSG)
        return r;
    refuse(s, s->refusal.status, s->refusal.text);
    return r;
}

struct handling {
    http_handler_fn *handler;
    struct http_call *call;
    int result;
};

static void handle(void *arg)
{
    struct handling *h = arg;

    h->result = h->handler(h->call);
}

/* What the handler returned; a panic is the failure of this one request. */
static int run_handler(const struct http_server_options *o, struct http_call *call)
{
    struct handling h = {.handler = o->handler, .call = call};
    struct weir_panic_info info;

    if (likely(weir_try(handle, &h, &info) == 0))
        return h.result;
    if (o->panicked != NULL)
        o->panicked(&info, o->panicked_arg);
    else
        weir_panic_print(STDERR_FILENO, &info);
    return info.code;
}

/* Runs the handler and completes its reply. 0, or negative: nothing more can be sent. */
static int answer(struct session *s, struct http_call *call)
{
    const struct http_server_options *o = options_of(s);
    int handled = 0, r = 0;

    WEIR_DEADLINE (in(o->request_timeout_ns)) {
        handled = run_handler(o, call);
        if (handled >= 0)
            r = reply_finish(call, handled);
    }
    if (handled < 0)
        WEIR_DEADLINE (in(o->header_timeout_ns)) {
            r = reply_finish(call, handled);
        }
    return r;
}

/* Gets the rest of the body out of the way. False: there is too much of it, or it will not come. */
static bool body_done(struct session *s, struct h1_body *body)
{
    bool done = false;

    if (body->done)
        return true;
    if (body->send_continue) /* never asked for, so it need not come */
        return false;
    WEIR_DEADLINE (in(options_of(s)->header_timeout_ns)) {
        done = h1_body_drain(body, DRAIN_MAX) == 0;
    }
    return done;
}

/* One request whose head has been read. True: the connection may go on. */
static bool serve_one(struct session *s)
{
    struct server_connection *c = s->connection;
    struct h1_writer writer;
    struct h1_body body;
    struct arena arena;
    struct text extra = {0};
    struct http_call call = {
        .request = &s->head,
        .body = &body,
        .arena = &arena,
        .peer = stream_peer(c->stream),
        .arg = c->server->options.arg,
        .writer = &writer,
        .extra = &extra,
        .keep = s->head.keep_alive && !c->server->stopping,
    };
    int r;

    h1_writer_init(&writer, c->stream, HTTP_BODY_NONE, 0);
    h1_body_init(&body, &s->reader, &s->head);
    body.send_continue = s->head.expect_continue;
    arena_init(&arena, s->arena, sizeof(s->arena), ARENA_MAX);
    r = answer(s, &call);
    arena_done(&arena);
    text_done(&extra);
    if (r != 0 || !writer.done) {
        c->cut = writer.kind == HTTP_BODY_CLOSE;
        return false;
    }
    if (call.keep && body_done(s, &body))
        return true;
    linger(s);
    return false;
}

bool session_serve(struct session *s)
{
    do {
        if (read_head(s) != 0)
            return false;
        s->connection->used = true;
        if (!serve_one(s))
            return false;
        h1_reader_next(&s->reader);
    } while (h1_reader_buffered(&s->reader) != 0);
    return true;
}
