/* Building heads. Names and values come from parsed messages or from weir itself, so they are
 * written as they are. */
#include "http/h1.h"

void h1_put_request_line(struct buf *out, struct str method, struct str target)
{
    buf_puts(out, method);
    buf_putc(out, ' ');
    buf_puts(out, target);
    buf_lit(out, " HTTP/1.1\r\n");
}

void h1_put_status_line(struct buf *out, int status)
{
    if (likely(status == 200)) {
        buf_lit(out, "HTTP/1.1 200 OK\r\n");
        return;
    }
    buf_lit(out, "HTTP/1.1 ");
    buf_put_u64(out, (uint64_t)status);
    buf_putc(out, ' ');
    buf_puts(out, http_status_reason(status));
    buf_lit(out, "\r\n");
}

void h1_put_field(struct buf *out, struct str name, struct str value)
{
    size_t need = name.len + value.len + 4;
    char *p = out->ptr + out->len;

    if (unlikely(need > out->cap - out->len)) { /* a line is written whole or not at all */
        out->overflow = true;
        return;
    }
    memcpy(p, name.ptr, name.len);
    p += name.len;
    *p++ = ':';
    *p++ = ' ';
    if (value.len != 0)
        memcpy(p, value.ptr, value.len);
    p += value.len;
    *p++ = '\r';
    *p++ = '\n';
    out->len += need;
}

/* True when name and value stand in memory as they go on the wire. */
static inline bool is_line(const struct http_field *f)
{
    return f->value == f->name + f->name_len + 2 && memcmp(f->value - 2, ": ", 2) == 0;
}

static inline void put_run(struct buf *out, const char *from, const char *to)
{
    if (from == NULL)
        return;
    buf_put(out, from, (size_t)(to - from));
    buf_lit(out, "\r\n");
}

/* Fields that came in and go out as they are lie in the reader's buffer one behind the other: each
 * such run is copied as a whole. That it is one is seen by its bytes, so nobody has to keep account
 * of what filters did. */
void h1_put_fields(struct buf *out, const struct http_head *h)
{
    const struct http_field *f = h->fields, *end = f + h->field_count;
    const char *from = NULL, *to = NULL;

    for (; f != end; f++) {
        if (f->dropped)
            continue;
        if (unlikely(!is_line(f))) {
            put_run(out, from, to);
            h1_put_field(out, http_field_name(f), http_field_value(f));
            from = NULL;
            continue;
        }
        if (from == NULL || f->name != to + 2 || memcmp(to, "\r\n", 2) != 0) {
            put_run(out, from, to);
            from = f->name;
        }
        to = f->value + f->value_len;
    }
    put_run(out, from, to);
}

void h1_put_framing(struct buf *out, enum http_body_kind kind, uint64_t content_length)
{
    if (kind == HTTP_BODY_LENGTH) {
        buf_lit(out, "Content-Length: ");
        buf_put_u64(out, content_length);
        buf_lit(out, "\r\n");
    } else if (kind == HTTP_BODY_CHUNKED) {
        buf_lit(out, "Transfer-Encoding: chunked\r\n");
    }
}

void h1_put_end(struct buf *out)
{
    buf_lit(out, "\r\n");
}
