/* The parser of HTTP/1.1 heads: one pass over the bytes, nothing allocated, nothing copied. */
#include "http/h1_parse.h"

const struct h1_limits h1_limits_default = {
    .head_bytes = 16 * 1024,
    .target_bytes = 8 * 1024,
    .field_count = 100,
    .trailer_bytes = 4 * 1024,
    .chunk_line_bytes = 256,
};

/* Start line of the longest target: method, two spaces, version, CR LF. */
static size_t start_line_max(const struct h1_limits *limits)
{
    return (size_t)limits->target_bytes + H1_METHOD_MAX + 2 + 8 + 2;
}

/* True when the answer is still -EAGAIN, without looking at old bytes again: what is new stays
 * inside one line, and no limit was passed. This keeps the work linear when a head comes in many
 * small parts (it is parsed anew at each line end only, and the number of lines is bounded). */
static bool still_incomplete(struct str data, uint32_t scanned, const struct h1_limits *limits)
{
    size_t start_max = start_line_max(limits);
    const char *end = data.ptr + data.len;

    if (scanned == 0 || data.len >= limits->head_bytes || scanned > data.len)
        return false;
    if (data.len >= start_max && scanned <= start_max + 2 * H1_EMPTY_LINES_MAX)
        return false;
    return h1_scan(data.ptr, data.ptr + scanned, end, H1_TEXT) == end;
}

/* After -EAGAIN: where the next call may go on. A CR at the end must be seen again with the byte
 * that follows it. */
static int incomplete(struct h1_cursor *c, struct str data, uint32_t *scanned,
                      const struct h1_limits *limits, enum h1_reason too_long)
{
    if (data.len >= limits->head_bytes)
        return h1_refuse_at(c, too_long, c->base + limits->head_bytes);
    *scanned = (uint32_t)data.len;
    if (data.len != 0 && data.ptr[data.len - 1] == '\r')
        --*scanned;
    return -EAGAIN;
}

static struct h1_cursor cursor_on(struct str data, const struct h1_limits *limits, bool response,
                                  struct h1_refusal *ret_refusal)
{
    size_t window = MIN(data.len, (size_t)limits->head_bytes);

    return (struct h1_cursor){
        .base = data.ptr,
        .p = data.ptr,
        .end = data.ptr + window,
        .response = response,
        .refusal = ret_refusal,
    };
}

static ssize_t complete(struct h1_cursor *c, struct str data, struct http_head *h)
{
    h->head_bytes = (uint32_t)(c->p - data.ptr);
    h->seen &= ~(uint64_t)1; /* HTTP_F_OTHER is no field */
    return c->p - data.ptr;
}

/* Empty lines before the request line: some clients send one after a body (RFC 9112 section 2.2).
 */
static int skip_empty_lines(struct h1_cursor *c)
{
    for (int n = 0; c->end - c->p >= 2 && c->p[0] == '\r' && c->p[1] == '\n'; n++) {
        if (n == H1_EMPTY_LINES_MAX)
            return h1_refuse_at(c, H1_R_empty_lines, c->p);
        c->p += 2;
    }
    return 0;
}

static int take_request_line(struct h1_cursor *c, const struct h1_limits *limits,
                             struct http_head *h)
{
    const char *window = c->end;
    struct str line;
    int r;

    if (likely(h1_common_request_line(c, limits->target_bytes, h) == 0))
        return 0;
    r = skip_empty_lines(c);

    if (r != 0)
        return r;
    if ((size_t)(window - c->p) > start_line_max(limits))
        c->end = c->p + start_line_max(limits);
    r = h1_take_line(c, &line);
    if (r == -EAGAIN && c->end != window)
        return h1_refuse_at(c, H1_R_long_target, c->end);
    c->end = window;
    return r != 0 ? r : h1_request_line(c, line, limits->target_bytes, h);
}

ssize_t h1_parse_request(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                         struct http_head *ret, struct h1_refusal *ret_refusal)
{
    struct h1_cursor c = cursor_on(data, limits, false, ret_refusal);
    struct h1_meaning m = {0};
    int r;

    if (still_incomplete(data, *scanned, limits))
        return incomplete(&c, data, scanned, limits, H1_R_long_head);
    memset(ret, 0, offsetof(struct http_head, fields));
    r = take_request_line(&c, limits, ret);
    if (unlikely(r != 0))
        return r == -EAGAIN ? incomplete(&c, data, scanned, limits, H1_R_long_target) : r;
    r = h1_take_fields(&c, limits->field_count, &m, ret);
    if (r == 0)
        r = h1_finish_request(&c, &m, ret);
    if (unlikely(r != 0))
        return r == -EAGAIN ? incomplete(&c, data, scanned, limits, H1_R_long_head) : r;
    return complete(&c, data, ret);
}

static int take_status_line(struct h1_cursor *c, struct http_head *h)
{
    struct str line;
    int r;

    if (likely(h1_common_status_line(c, h) == 0))
        return 0;
    r = h1_take_line(c, &line);
    return r != 0 ? r : h1_status_line(c, line, h);
}

ssize_t h1_parse_response(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                          enum http_method request_method, struct http_head *ret,
                          struct h1_refusal *ret_refusal)
{
    struct h1_cursor c = cursor_on(data, limits, true, ret_refusal);
    struct h1_meaning m = {0};
    int r;

    if (still_incomplete(data, *scanned, limits))
        return incomplete(&c, data, scanned, limits, H1_R_long_head);
    memset(ret, 0, offsetof(struct http_head, fields));
    r = take_status_line(&c, ret);
    if (r == 0)
        r = h1_take_fields(&c, limits->field_count, &m, ret);
    if (r == 0)
        r = h1_finish_response(&c, &m, request_method, ret);
    if (unlikely(r != 0))
        return r == -EAGAIN ? incomplete(&c, data, scanned, limits, H1_R_long_head) : r;
    return complete(&c, data, ret);
}
