/* URLs of requests. */
#include "http/url.h"

#include "http/h1_parse.h"

#define SCHEME "http://"

static size_t length_until(struct str s, const char *stops)
{
    size_t len = 0;

    while (len < s.len && strchr(stops, s.ptr[len]) == NULL)
        len++;
    return len;
}

/* What a request line can carry: visible ASCII. */
static bool target_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

static bool has_port(struct str authority)
{
    ssize_t end = authority.ptr[0] == '[' ? str_find(authority, ']') : 0;

    return str_find(str_n(authority.ptr + end, authority.len - (size_t)end), ':') >= 0;
}

int url_parse(const char *text, struct url *ret)
{
    struct str rest = str_of(text);
    struct buf address = buf_on(ret->address, sizeof(ret->address));

    if (!str_eq_nocase(str_n(rest.ptr, MIN(rest.len, sizeof(SCHEME) - 1)), STR(SCHEME)))
        return strstr(rest.ptr, "://") != NULL ? -EPROTONOSUPPORT : -EINVAL;
    rest = str_n(rest.ptr + sizeof(SCHEME) - 1, rest.len - (sizeof(SCHEME) - 1));
    ret->authority = str_n(rest.ptr, length_until(rest, "/?#"));
    rest = str_n(rest.ptr + ret->authority.len, rest.len - ret->authority.len);
    ret->target = str_n(rest.ptr, length_until(rest, "#"));
    if (!h1_authority_valid(ret->authority, false) || !target_valid(ret->target))
        return -EINVAL;
    buf_puts(&address, ret->authority);
    if (!has_port(ret->authority))
        buf_lit(&address, ":80");
    buf_putc(&address, '\0');
    return address.overflow ? -EINVAL : 0;
}
