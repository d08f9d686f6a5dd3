/* Start lines: method, target and version of a request; version, status and reason of a response.
 * They get the whole line, which has no control bytes but tabs in it. */
#include "http/h1_parse.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 0 and the minor version; higher minor versions than 1 speak as 1 does (RFC 9112 section 2.3). */
static int take_version(struct h1_cursor *c, struct str s, struct http_head *h)
{
    static const char prefix[5] = {'H', 'T', 'T', 'P', '/'};

    if (s.len != 8 || memcmp(s.ptr, prefix, sizeof(prefix)) != 0 || !is_digit(s.ptr[5]) ||
        s.ptr[6] != '.' || !is_digit(s.ptr[7]))
        return h1_refuse_at(c, H1_R_bad_version, s.ptr);
    if (s.ptr[5] != '1')
        return h1_refuse_at(c, H1_R_unknown_version, s.ptr);
    h->version_minor = s.ptr[7] != '0';
    return 0;
}

static int take_method(struct h1_cursor *c, struct str line, const char *stop, struct http_head *h)
{
    size_t len = (size_t)(stop - line.ptr);

    if (len == 0 || len == line.len || *stop != ' ')
        return h1_refuse_at(c, len == line.len ? H1_R_bad_request_line : H1_R_bad_method, stop);
    if (len > H1_METHOD_MAX)
        return h1_refuse_at(c, H1_R_long_method, line.ptr + H1_METHOD_MAX);
    h->method_text = str_n(line.ptr, len);
    h->method = http_method_of(h->method_text);
    return 0;
}

/* Where the target ends; notes where its query begins (NULL: it has none). */
static const char *scan_target(const char *base, const char *p, const char *end,
                               const char **ret_query)
{
    const char *query = NULL;

    for (;;) {
        p = h1_scan(base, p, end, H1_TARGET);
        if (p == end || *p != '?')
            break;
        if (query == NULL)
            query = p;
        p++;
    }
    *ret_query = query;
    return p;
}

static void note_target(struct http_head *h, const char *target, const char *stop,
                        const char *query)
{
    h->target = str_n(target, (size_t)(stop - target));
    h->path = h->target;
    if (query != NULL) {
        h->path.len = (size_t)(query - target);
        h->query = str_n(query + 1, (size_t)(stop - query - 1));
    }
}

int h1_common_request_line(struct h1_cursor *c, uint32_t target_bytes, struct http_head *h)
{
    static const char tail[11] = " HTTP/1.1\r\n";
    const char *stop, *query, *target = c->p + 4;

    if (c->end - c->p < 4 + (ssize_t)sizeof(tail))
        return -EAGAIN;
    if (memcmp(c->p, "GET ", 4) == 0)
        h->method = HTTP_GET;
    else if (memcmp(c->p, "POST ", 5) == 0)
        h->method = HTTP_POST;
    else
        return -EAGAIN;
    target += h->method == HTTP_POST;
    stop = scan_target(c->base, target, c->end, &query);
    if (*target != '/' || (size_t)(stop - target) > target_bytes ||
        c->end - stop < (ssize_t)sizeof(tail) || memcmp(stop, tail, sizeof(tail)) != 0)
        return -EAGAIN;
    h->method_text = str_n(c->p, (size_t)(target - 1 - c->p));
    h->version_minor = 1;
    note_target(h, target, stop, query);
    c->p = stop + sizeof(tail);
    return 0;
}

int h1_request_line(struct h1_cursor *c, struct str line, uint32_t target_bytes,
                    struct http_head *h)
{
    const char *end = line.ptr + line.len;
    const char *target, *stop, *query;
    int r = take_method(c, line, h1_scan(c->base, line.ptr, end, H1_TOKEN), h);

    if (r != 0)
        return r;
    target = h->method_text.ptr + h->method_text.len + 1;
    stop = scan_target(c->base, target, end, &query);
    if ((size_t)(stop - target) > target_bytes)
        return h1_refuse_at(c, H1_R_long_target, target + target_bytes);
    if (stop == target || stop == end)
        return h1_refuse_at(
            c, stop == end || *stop == ' ' ? H1_R_bad_request_line : H1_R_bad_target_byte, stop);
    if (*stop != ' ')
        return h1_refuse_at(c, H1_R_bad_target_byte, stop);
    note_target(h, target, stop, query);
    r = take_version(c, str_n(stop + 1, (size_t)(end - stop - 1)), h);
    return r != 0 ? r : h1_target(c, h);
}

int h1_common_status_line(struct h1_cursor *c, struct http_head *h)
{
    static const char begin[9] = "HTTP/1.1 ";
    const char *p = c->p, *stop;

    if (c->end - p < 16 || memcmp(p, begin, sizeof(begin)) != 0 || p[9] < '1' || p[9] > '5' ||
        !is_digit(p[10]) || !is_digit(p[11]) || p[12] != ' ')
        return -EAGAIN;
    stop = h1_scan(c->base, p + 13, c->end, H1_TEXT);
    if (c->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return -EAGAIN;
    h->version_minor = 1;
    h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    h->reason = str_n(p + 13, (size_t)(stop - p - 13));
    c->p = stop + 2;
    return 0;
}

/* "HTTP/1.1 200 OK"; the space before an empty reason is often left out, which harms nobody. */
int h1_status_line(struct h1_cursor *c, struct str line, struct http_head *h)
{
    const char *p = line.ptr;
    int r;

    if (line.len < 12 || p[8] != ' ')
        return h1_refuse_at(c, H1_R_bad_status_line, p);
    r = take_version(c, str_n(p, 8), h);
    if (r != 0)
        return r;
    if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || (line.len > 12 && p[12] != ' '))
        return h1_refuse_at(c, H1_R_bad_status_line, p + 9);
    h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    if (h->status < 100 || h->status > 599)
        return h1_refuse_at(c, H1_R_bad_status, p + 9);
    h->reason = line.len > 13 ? str_n(p + 13, line.len - 13) : str_n(p + 12, 0);
    return 0;
}
