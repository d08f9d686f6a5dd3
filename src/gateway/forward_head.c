/* Heads that go out: see forward_head.h. */
#include "gateway/forward_head.h"

#include "base/duration.h"
#include "gateway/gateway_impl.h"

static struct buf head_buf(struct exchange *x)
{
    return buf_on(x->space->head_buf, x->space->head_bytes);
}

static int done(const struct buf *out, struct str *ret)
{
    *ret = buf_str(out);
    return out->overflow ? -ENOBUFS : 0;
}

static inline char *put(char *at, struct str s)
{
    if (s.len != 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* The request line and Host, of which it is known beforehand whether there is room. */
static void put_request_begin(struct exchange *x, struct buf *out)
{
    struct str host = x->forward_host.ptr != NULL ? x->forward_host : x->endpoint->host;
    const struct str between = STR(" HTTP/1.1\r\nHost: ");
    size_t need = x->request.method_text.len + x->path.len + x->query.len + host.len + between.len +
                  sizeof(" ?\r\n");
    char *at = out->ptr;

    if (unlikely(need > out->cap)) {
        out->overflow = true;
        return;
    }
    at = put(put(at, x->request.method_text), STR(" "));
    at = put(at, x->path);
    if (x->query.ptr != NULL)
        at = put(put(at, STR("?")), x->query);
    at = put(put(put(at, between), host), STR("\r\n"));
    out->len = (size_t)(at - out->ptr);
}

int forward_head_request(struct exchange *x, struct str *ret)
{
    struct buf out = head_buf(x);

    put_request_begin(x, &out);
    h1_put_fields(&out, &x->request);
    h1_put_framing(&out, x->request.body, x->request.content_length);
    if (x->upgrade.ptr != NULL) {
        buf_lit(&out, "Connection: Upgrade\r\nUpgrade: ");
        buf_puts(&out, x->upgrade);
        buf_lit(&out, "\r\n");
    } else if (x->request.te_trailers) {
        buf_lit(&out, "Connection: TE\r\nTE: trailers\r\n");
    }
    h1_put_end(&out);
    return done(&out, ret);
}

static void put_date(struct buf *out)
{
    char date[HTTP_DATE_LEN];

    http_date_format(world_wall_ns(runtime_world()) / NS_PER_SEC, date);
    buf_lit(out, "Date: ");
    buf_put(out, date, sizeof(date));
    buf_lit(out, "\r\n");
}

int forward_head_response(struct exchange *x, enum http_body_kind kind, uint64_t content_length,
                          struct str *ret)
{
    struct buf out = head_buf(x);

    h1_put_status_line(&out, x->response.status);
    h1_put_fields(&out, &x->response);
    if (x->source == RESPONSE_OWN && !http_head_has(&x->response, HTTP_F_DATE))
        put_date(&out);
    if (x->request_id.len != 0)
        h1_put_field(&out, STR("X-Request-Id"), x->request_id);
    h1_put_framing(&out, kind, content_length);
    if (x->source == RESPONSE_TUNNEL) {
        buf_lit(&out, "Connection: Upgrade\r\nUpgrade: ");
        buf_puts(&out, x->upgrade);
        buf_lit(&out, "\r\n");
    } else if (x->close) {
        buf_lit(&out, "Connection: close\r\n");
    } else if (x->request.version_minor == 0) {
        buf_lit(&out, "Connection: keep-alive\r\n");
    }
    h1_put_end(&out);
    return done(&out, ret);
}

int forward_head_interim(struct exchange *x, struct str *ret)
{
    struct buf out = head_buf(x);

    h1_put_status_line(&out, x->response.status);
    h1_put_fields(&out, &x->response);
    h1_put_end(&out);
    return done(&out, ret);
}
