/* <weir/http.h>: what a handler says. The body comes together in the session's reply buffer; what
 * has not filled it when the handler returns leaves with the head, in one piece and with a length.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/handler.h"

#define DEFAULT_TYPE STR("text/plain; charset=utf-8")

void response_init(struct weir_http_response *r, struct http_call *call)
{
    r->call = call;
    r->status = 200;
    r->content_type = DEFAULT_TYPE;
    r->has_length = false;
    r->length = 0;
    r->error = 0;
    r->body = buf_on(session_of(call)->reply, SESSION_REPLY);
}

int weir_http_status(struct weir_http_response *r, int status)
{
    if (r->call->replied)
        return -EALREADY;
    if (status < 200 || status > 599)
        return -EINVAL;
    r->status = status;
    return 0;
}

/* ---- headers ---- */

static int check_header(const struct weir_http_response *r, struct str name, struct str value)
{
    if (r->call->replied)
        return -EALREADY;
    return header_valid(name, value) ? 0 : -EINVAL;
}

static int set_content_type(struct weir_http_response *r, struct str value)
{
    value = arena_str(r->call->arena, value);
    if (value.ptr == NULL)
        return -ENOMEM;
    r->content_type = value;
    return 0;
}

/* Takes the lines of that name out of the raw header lines. */
static void drop_lines(struct text *lines, struct str name)
{
    char *at = lines->ptr, *end = at + lines->len;

    while (at != end) {
        char *next = (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        size_t name_len = (size_t)((char *)memchr(at, ':', (size_t)(next - at)) - at);

        if (str_eq_nocase(str_n(at, name_len), name)) {
            memmove(at, next, (size_t)(end - next));
            end -= next - at;
        } else {
            at = next;
        }
    }
    lines->len = (size_t)(end - lines->ptr);
}

int weir_http_set_header(struct weir_http_response *r, const char *name, const char *value)
{
    int error = check_header(r, str_of(name), str_of(value));

    if (error != 0)
        return error;
    if (http_field_id_of(str_of(name)) == HTTP_F_CONTENT_TYPE)
        return set_content_type(r, str_of(value));
    if (r->call->extra->len != 0)
        drop_lines(r->call->extra, str_of(name));
    return http_reply_field(r->call, str_of(name), str_of(value));
}

int weir_http_add_header(struct weir_http_response *r, const char *name, const char *value)
{
    int error = check_header(r, str_of(name), str_of(value));

    if (error != 0)
        return error;
    if (http_field_id_of(str_of(name)) == HTTP_F_CONTENT_TYPE) /* there is one */
        return set_content_type(r, str_of(value));
    return http_reply_field(r->call, str_of(name), str_of(value));
}

int weir_http_set_length(struct weir_http_response *r, uint64_t bytes)
{
    if (r->call->replied)
        return -EALREADY;
    r->has_length = true;
    r->length = bytes;
    return 0;
}

/* ---- body ---- */

static int send_piece(struct weir_http_response *r, struct str piece, bool last)
{
    const struct reply_head h = {
        .status = r->status,
        .content_type = r->content_type,
        .kind = r->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED,
        .length = r->length,
    };
    struct h1_writer *w = r->call->writer;

    if (!r->call->replied)
        return reply_start(r->call, &h, piece, last);
    if (w->kind == HTTP_BODY_NONE || (piece.len == 0 && (!last || w->done)))
        return 0;
    return h1_writer_send(w, STR(""), piece, last, STR(""));
}

static int send_buffered(struct weir_http_response *r, bool last)
{
    int error = send_piece(r, buf_str(&r->body), last);

    r->body.len = 0;
    return error;
}

int weir_http_write(struct weir_http_response *r, const void *data, size_t size)
{
    if (r->error != 0)
        return r->error;
    if (likely(size <= r->body.cap - r->body.len)) {
        buf_puts(&r->body, str_n(data, size));
        return 0;
    }
    if (r->body.len != 0)
        r->error = send_buffered(r, false);
    if (r->error == 0 && size > r->body.cap)
        r->error = send_piece(r, str_n(data, size), false);
    else if (r->error == 0)
        buf_put(&r->body, data, size);
    return r->error;
}

int weir_http_flush(struct weir_http_response *r)
{
    if (r->error == 0 && (r->body.len != 0 || !r->call->replied))
        r->error = send_buffered(r, false);
    return r->error;
}

int response_finish(struct weir_http_response *r)
{
    if (r->error != 0)
        return r->error;
    if (!r->call->replied && !r->has_length) {
        r->has_length = true;
        r->length = r->body.len;
    }
    return send_buffered(r, true);
}

/* ---- text ---- */

int weir_http_puts(struct weir_http_response *r, const char *text)
{
    return weir_http_write(r, text, strlen(text));
}

int weir_http_printf(struct weir_http_response *r, const char *fmt, ...)
{
    va_list args;
    int error;

    va_start(args, fmt);
    error = weir_http_vprintf(r, fmt, args);
    va_end(args);
    return error;
}

/* What does not fit the buffer is made outside of it and takes the way of all that is long. */
int weir_http_vprintf(struct weir_http_response *r, const char *fmt, va_list args)
{
    size_t room = r->body.cap - r->body.len;
    char *text = NULL;
    va_list again;
    int len, error;

    if (r->error != 0)
        return r->error;
    va_copy(again, args);
    len = vsnprintf(r->body.ptr + r->body.len, room, fmt, args);
    if (len >= 0 && (size_t)len < room) {
        r->body.len += (size_t)len;
        va_end(again);
        return 0;
    }
    len = len < 0 ? len : vasprintf(&text, fmt, again);
    va_end(again);
    if (len < 0)
        return r->error = -ENOMEM;
    error = weir_http_write(r, text, (size_t)len);
    free(text);
    return error;
}

int weir_http_error(struct weir_http_response *r, int status, const char *fmt, ...)
{
    va_list args;
    int error = weir_http_status(r, status);

    if (error != 0)
        return error;
    r->body.len = 0;
    r->has_length = false;
    r->content_type = DEFAULT_TYPE;
    va_start(args, fmt);
    error = weir_http_vprintf(r, fmt, args);
    va_end(args);
    return error;
}
