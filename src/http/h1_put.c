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
    char digits[] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                     (char)('0' + status % 10), ' '};

    buf_lit(out, "HTTP/1.1 ");
    buf_put(out, digits, sizeof(digits));
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

static inline bool are(const char *p, char first, char second)
{
    return p[0] == first && p[1] == second;
}

/* True when name and value stand in memory as they go on the wire. */
static inline bool is_line(const struct http_field *f)
{
    return f->value == f->name + f->name_len + 2 && are(f->value - 2, ':', ' ');
}

/* Fields that came in and go out as they are lie in the reader's buffer one behind the other: each
 * such run is copied as a whole. That it is one is seen by its bytes, so nobody has to keep account
 * of what filters did. */
void h1_put_fields(struct buf *out, const struct http_head *h)
{
    const struct http_field *f = h->fields, *end = f + h->field_count;

    while (f != end) {
        const char *from = f->name, *to;

        if (f->dropped || !is_line(f)) {
            if (!f->dropped)
                h1_put_field(out, http_field_name(f), http_field_value(f));
            f++;
            continue;
        }
        do {
            to = f->value + f->value_len;
            f++;
        } while (f != end && !f->dropped && f->name == to + 2 && are(to, '\r', '\n') && is_line(f));
        buf_put(out, from, (size_t)(to - from));
        buf_lit(out, "\r\n");
    }
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
