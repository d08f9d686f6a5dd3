/* Replies: the head is built on the stack and leaves with the first piece of the body. */
#include "http/date.h"
#include "http/server_impl.h"

#define REPLY_HEAD_MAX  2048
#define REPLY_FIXED_MAX 512 /* of a head: all but the content type and the extra fields */
#define REPLY_EXTRA_MAX (8 * KIB)

static void put_date(struct buf *out)
{
    char date[HTTP_DATE_LEN];

    http_date_cached(world_wall_ns(runtime_world()) / NS_PER_SEC, date);
    h1_put_field(out, STR("Date"), str_n(date, sizeof(date)));
}

static void put_connection(struct buf *out, const struct http_call *call)
{
    if (!call->keep)
        h1_put_field(out, STR("Connection"), STR("close"));
    else if (call->request->version_minor == 0)
        h1_put_field(out, STR("Connection"), STR("keep-alive"));
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* The whole head; kind and length are what a body would have, also where none follows (HEAD). */
static void put_head(struct buf *out, const struct http_call *call, int status,
                     struct str content_type, enum http_body_kind kind, uint64_t length)
{
    h1_put_status_line(out, status);
    put_date(out);
    if (content_type.len != 0)
        h1_put_field(out, STR("Content-Type"), content_type);
    if (!has_no_body(status))
        h1_put_framing(out, kind, length);
    buf_puts(out, str_n(call->extra->ptr, call->extra->len));
    put_connection(out, call);
    h1_put_end(out);
}

int http_reply_field(struct http_call *call, struct str name, struct str value)
{
    struct text *extra = call->extra;

    if (extra->len + name.len + value.len + 4 > REPLY_EXTRA_MAX)
        return -E2BIG;
    text_puts(extra, name);
    text_puts(extra, STR(": "));
    text_puts(extra, value);
    text_puts(extra, STR("\r\n"));
    return extra->overflow ? -ENOMEM : 0;
}

static bool body_follows(const struct http_call *call, int status)
{
    return call->request->method != HTTP_HEAD && !has_no_body(status);
}

/* Begins a reply with a body of this kind and its first piece, which leaves together with the head.
 * last: it is the whole of it. */
int reply_start(struct http_call *call, const struct reply_head *h, struct str piece, bool last)
{
    char mem[REPLY_HEAD_MAX];
    size_t need = REPLY_FIXED_MAX + h->content_type.len + call->extra->len;
    struct buf head = buf_on(mem, sizeof(mem));
    enum http_body_kind kind = h->kind;

    if (call->replied)
        return -EALREADY;
    if (unlikely(need > sizeof(mem))) {
        head = buf_on(arena_alloc(call->arena, need), need);
        if (head.ptr == NULL)
            return -ENOMEM;
    }
    if (kind == HTTP_BODY_CHUNKED && call->request->version_minor == 0) {
        kind = HTTP_BODY_CLOSE;
        call->keep = false;
    }
    put_head(&head, call, h->status, h->content_type, kind, h->length);
    if (head.overflow)
        return -E2BIG;
    if (!body_follows(call, h->status)) {
        kind = HTTP_BODY_NONE;
        piece = STR("");
    }
    if (kind == HTTP_BODY_LENGTH && (piece.len > h->length || (last && piece.len != h->length)))
        return -EMSGSIZE; /* while it can still be said with a status */
    call->replied = true;
    h1_writer_init(call->writer, call->writer->stream, kind, h->length);
    if (piece.len != 0 && kind == HTTP_BODY_LENGTH && piece.len <= head.cap - head.len) {
        /* Behind the head it needs no piece of its own, and one piece is sent by a cheaper call. */
        memcpy(head.ptr + head.len, piece.ptr, piece.len);
        piece.ptr = head.ptr + head.len;
    }
    return h1_writer_send(call->writer, buf_str(&head), piece, last, STR(""));
}

int http_reply(struct http_call *call, int status, struct str content_type, struct str body)
{
    const struct reply_head h = {status, content_type, HTTP_BODY_LENGTH, body.len};

    return reply_start(call, &h, body, true);
}

int http_reply_begin(struct http_call *call, int status, struct str content_type)
{
    const struct reply_head h = {status, content_type, HTTP_BODY_CHUNKED, 0};

    return reply_start(call, &h, STR(""), false);
}

int http_reply_write(struct http_call *call, struct str piece)
{
    if (!call->replied)
        return -EINVAL;
    if (piece.len == 0 || call->writer->kind == HTTP_BODY_NONE)
        return 0;
    return h1_writer_send(call->writer, STR(""), piece, false, STR(""));
}

static int reply_failure(struct http_call *call)
{
    int status = call->failure_status != 0 ? call->failure_status : 500;

    call->extra->len = 0;
    return http_reply(call, status, STR("text/plain"), http_status_reason(status));
}

int reply_finish(struct http_call *call, int handler_result)
{
    if (handler_result < 0) {
        call->keep = false;
        if (call->writer->started || call->replied)
            return handler_result;
        return reply_failure(call);
    }
    if (!call->replied)
        return http_reply(call, 204, STR(""), STR(""));
    if (call->writer->done)
        return 0;
    return h1_writer_send(call->writer, STR(""), STR(""), true, STR(""));
}

int reply_refusal(struct stream *s, int status, struct str text)
{
    char mem[1024];
    struct buf out = buf_on(mem, sizeof(mem));

    h1_put_status_line(&out, status);
    put_date(&out);
    h1_put_field(&out, STR("Content-Type"), STR("text/plain"));
    h1_put_framing(&out, HTTP_BODY_LENGTH, text.len + 1);
    h1_put_field(&out, STR("Connection"), STR("close"));
    h1_put_end(&out);
    buf_puts(&out, text);
    buf_putc(&out, '\n');
    return stream_write(s, out.ptr, out.len);
}

int http_call_body(struct http_call *call, size_t max, struct str *ret)
{
    struct text body = {.max = max + 1};
    struct str piece, copy;
    ssize_t n;

    if (call->body->kind == HTTP_BODY_LENGTH && call->body->remaining > max)
        return -E2BIG;
    while ((n = h1_body_next(call->body, &piece)) > 0) {
        if (body.len + piece.len > max) {
            n = -E2BIG;
            break;
        }
        text_puts(&body, piece);
        if (body.overflow) {
            n = -ENOMEM;
            break;
        }
    }
    copy = n == 0 ? arena_str(call->arena, str_n(body.ptr, body.len)) : STR_NULL;
    text_done(&body);
    if (n < 0)
        return (int)n;
    if (copy.ptr == NULL)
        return -ENOMEM;
    *ret = copy;
    return 0;
}
