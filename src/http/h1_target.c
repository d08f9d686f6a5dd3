/* The four forms of a request target (RFC 9112 section 3.2) and the check of an authority. */
#include "http/h1_parse.h"

#include <arpa/inet.h>

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool port_valid(const char *p, const char *end)
{
    uint64_t port;

    return end - p <= 5 && str_to_u64(str_n(p, (size_t)(end - p)), UINT16_MAX, &port) == 0;
}

/* reg-name: unreserved, sub-delims and percent-encoded bytes. Returns where it ends. */
static const char *scan_reg_name(const char *p, const char *end)
{
    for (; p != end; p++) {
        if (h1_is(*p, H1_NAME))
            continue;
        if (*p == '%' && end - p >= 3 && is_hex(p[1]) && is_hex(p[2]))
            p += 2;
        else if (*p == '\0' || strchr("_~!$&'()*+,;=", *p) == NULL)
            break;
    }
    return p;
}

/* "[" IPv6 address "]"; zones and future versions are not taken. Returns where it ends or NULL. */
static const char *scan_literal(const char *p, const char *end)
{
    const char *close = memchr(p, ']', (size_t)(end - p));
    char text[INET6_ADDRSTRLEN];
    struct in6_addr unused;
    size_t len;

    if (close == NULL)
        return NULL;
    len = (size_t)(close - p - 1);
    if (len >= sizeof(text))
        return NULL;
    memcpy(text, p + 1, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, &unused) == 1 ? close + 1 : NULL;
}

bool h1_authority_valid(struct str s, bool need_port)
{
    const char *end = s.ptr + s.len;
    const char *p;

    if (s.len == 0)
        return false;
    if (*s.ptr == '[') {
        p = scan_literal(s.ptr, end);
        if (p == NULL)
            return false;
    } else {
        p = h1_scan(s.ptr, s.ptr, end, H1_NAME);
        if (unlikely(p != end && *p != ':'))
            p = scan_reg_name(p, end);
        if (p == s.ptr)
            return false;
    }
    if (p == end)
        return !need_port;
    return *p == ':' && port_valid(p + 1, end);
}

static int bad_target(struct h1_cursor *c, const struct http_head *h)
{
    return h1_refuse_at(c, H1_R_bad_target, h->target.ptr);
}

static size_t scheme_len(struct str s)
{
    if (s.len >= 7 && str_eq_nocase(str_n(s.ptr, 7), STR("http://")))
        return 7;
    if (s.len >= 8 && str_eq_nocase(str_n(s.ptr, 8), STR("https://")))
        return 8;
    return 0;
}

/* Cuts scheme and authority off h->path, which so far is the target without its query. */
static int absolute_form(struct h1_cursor *c, struct http_head *h)
{
    size_t skip = scheme_len(h->path);
    struct str rest = str_n(h->path.ptr + skip, h->path.len - skip);
    ssize_t slash = str_find(rest, '/');

    if (skip == 0)
        return bad_target(c, h);
    h->authority = slash < 0 ? rest : str_n(rest.ptr, (size_t)slash);
    if (!h1_authority_valid(h->authority, false))
        return h1_refuse_at(c, H1_R_bad_host, rest.ptr);
    if (slash >= 0)
        h->path = str_n(rest.ptr + slash, rest.len - (size_t)slash);
    else if (h->method == HTTP_OPTIONS && h->query.ptr == NULL)
        h->path = STR("*"); /* RFC 9112 section 3.2.4 */
    else
        h->path = STR("/");
    return 0;
}

int h1_target(struct h1_cursor *c, struct http_head *h)
{
    if (unlikely(h->method == HTTP_CONNECT)) {
        if (!h1_authority_valid(h->target, true))
            return bad_target(c, h);
        h->authority = h->target;
        h->path = str_n(h->target.ptr, 0);
        return 0;
    }
    if (likely(*h->target.ptr == '/'))
        return 0;
    if (str_eq(h->target, STR("*")))
        return h->method == HTTP_OPTIONS ? 0 : bad_target(c, h);
    return absolute_form(c, h);
}
