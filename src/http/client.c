/* The client: one request, one response, and a connection that is kept when it may be. */
#include "http/client.h"

#include <stdlib.h>

#define BUFFER_ROOM (4 * KIB)
#define INTERIM_MAX 16 /* 1xx responses before the final one */

struct dialogue {
    struct http_client *client;
    const struct http_client_request *request;
    struct h1_reader reader;
    struct h1_writer writer;
    struct http_head head;
    struct h1_refusal refusal;
    char *body_buf;
    size_t body_size;
    bool answered; /* a byte of the response has come */
};

static const struct h1_limits *limits_of(const struct http_client *c)
{
    return c->limits != NULL ? c->limits : &h1_limits_default;
}

static uint32_t buffer_size(const struct http_client *c)
{
    return limits_of(c)->head_bytes + (uint32_t)BUFFER_ROOM;
}

static struct str method_of(const struct http_client_request *q)
{
    return q->method.ptr != NULL ? q->method : STR("GET");
}

static void close_connection(struct http_client *c)
{
    stream_close(TAKE(c->stream));
    c->used = false;
}

static void put_host(struct buf *out, const struct dialogue *x)
{
    char text[ADDR_TEXT_MAX];
    struct buf host = buf_on(text, sizeof(text));

    if (x->request->host.len != 0) {
        h1_put_field(out, STR("Host"), x->request->host);
        return;
    }
    if (x->client->addr.sa.sa_family == AF_UNIX)
        buf_lit(&host, "localhost");
    else
        addr_format(&x->client->addr, &host);
    h1_put_field(out, STR("Host"), buf_str(&host));
}

/* The head is built where the response will be read: by then it has been sent. */
static int send_request(struct dialogue *x)
{
    const struct http_client_request *q = x->request;
    struct buf head = buf_on(x->client->buf, buffer_size(x->client));
    enum http_method m = http_method_of(method_of(q));
    bool framed = q->body.len != 0 || m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH;
    enum http_body_kind kind = framed ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;

    h1_put_request_line(&head, method_of(q), q->target.len != 0 ? q->target : STR("/"));
    put_host(&head, x);
    buf_puts(&head, q->fields);
    h1_put_framing(&head, kind, q->body.len);
    if (q->close)
        h1_put_field(&head, STR("Connection"), STR("close"));
    h1_put_end(&head);
    h1_writer_init(&x->writer, x->client->stream, kind, q->body.len);
    if (head.overflow)
        return -E2BIG;
    return h1_writer_send(&x->writer, buf_str(&head), q->body, true, STR(""));
}

static int read_final_head(struct dialogue *x)
{
    enum http_method m = http_method_of(method_of(x->request));

    h1_reader_init(&x->reader, x->client->stream, x->client->buf, buffer_size(x->client),
                   limits_of(x->client));
    for (int interim = 0; interim <= INTERIM_MAX; interim++) {
        int r = h1_read_response(&x->reader, m, &x->head, &x->refusal);

        x->answered |= r == 0 || h1_reader_buffered(&x->reader) != 0;
        if (r != 0 || x->head.status >= 200 || x->head.status == 101)
            return r;
        h1_reader_next(&x->reader);
    }
    return -EBADMSG;
}

static int keep_fields(struct dialogue *x)
{
    struct text *out = x->request->keep_fields;

    if (out == NULL)
        return 0;
    for (uint32_t i = 0; i < x->head.field_count; i++) {
        text_puts(out, http_field_name(&x->head.fields[i]));
        text_put(out, "", 1);
        text_puts(out, http_field_value(&x->head.fields[i]));
        text_put(out, "", 1);
    }
    return out->overflow ? -E2BIG : 0;
}

static int keep_piece(struct dialogue *x, struct buf *kept, struct str piece)
{
    struct text *out = x->request->keep_body;

    buf_puts(kept, str_n(piece.ptr, MIN(piece.len, kept->cap - kept->len)));
    if (out == NULL)
        return 0;
    text_puts(out, piece);
    return out->overflow ? -E2BIG : 0;
}

/* Reads the whole body; what fits is kept. */
static int read_body(struct dialogue *x, struct http_client_response *response, bool *ret_done)
{
    struct buf kept = buf_on(x->body_buf, x->body_buf != NULL ? x->body_size : 0);
    struct h1_body body;
    struct str piece;
    ssize_t n;

    h1_body_init(&body, &x->reader, &x->head);
    while ((n = h1_body_next(&body, &piece)) > 0) {
        int r = keep_piece(x, &kept, piece);

        if (r != 0)
            return r;
    }
    if (n < 0)
        return (int)n;
    response->status = x->head.status;
    response->body = buf_str(&kept);
    response->body_bytes = body.received;
    *ret_done = body.done;
    return 0;
}

static int exchange_once(struct dialogue *x, struct http_client_response *ret)
{
    struct http_client_response response;
    bool done = false;
    int r;

    x->answered = false;
    r = send_request(x);
    if (r == 0)
        r = read_final_head(x);
    if (r == 0)
        r = keep_fields(x);
    if (r == 0)
        r = read_body(x, &response, &done);
    /* Bytes behind the final response are nobody's: the connection is not to be trusted. */
    if (r != 0 || !done || !x->head.keep_alive || x->request->close || x->head.status == 101 ||
        h1_reader_buffered(&x->reader) != 0)
        close_connection(x->client);
    else
        x->client->used = true;
    if (r == 0)
        *ret = response;
    return r;
}

static int prepare(struct http_client *c)
{
    if (c->buf == NULL)
        c->buf = malloc(buffer_size(c));
    if (c->buf == NULL)
        return -ENOMEM;
    return c->stream != NULL ? 0 : stream_dial(&c->addr, &c->stream);
}

/* A kept connection may have been closed by the server meanwhile: what can be repeated safely is
 * sent once more on a fresh one (RFC 9110 section 9.2.2). */
static bool may_repeat(const struct dialogue *x, int error)
{
    return (error == -EPIPE || error == -ECONNRESET) && !x->answered &&
           (!x->writer.started || http_method_idempotent(http_method_of(method_of(x->request))));
}

int http_client_do(struct http_client *c, const struct http_client_request *q, void *body_buf,
                   size_t body_size, struct http_client_response *ret)
{
    struct dialogue x; /* large: what is not set here is set before it is read */
    bool reused = c->stream != NULL && c->used;
    int r = prepare(c);

    x.client = c;
    x.request = q;
    x.body_buf = body_buf;
    x.body_size = body_size;
    if (r == 0)
        r = exchange_once(&x, ret);
    if (r == 0 || !reused || !may_repeat(&x, r))
        return r;
    r = prepare(c);
    return r != 0 ? r : exchange_once(&x, ret);
}

void http_client_done(struct http_client *c)
{
    close_connection(c);
    free(TAKE(c->buf));
}
