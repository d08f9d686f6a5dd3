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

void h1_put_fields(struct buf *out, const struct http_head *h)
{
    for (uint32_t i = 0; i < h->field_count; i++)
        if (!h->fields[i].dropped)
            h1_put_field(out, http_field_name(&h->fields[i]), http_field_value(&h->fields[i]));
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
