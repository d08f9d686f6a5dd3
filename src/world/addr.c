/* Addresses as text and back. Pure: no name is resolved and nothing is asked of the system. */
#include <arpa/inet.h>

#include "world/world.h"

static int parse_port(struct str s, in_port_t *ret)
{
    uint64_t port;

    if (s.len > 5 || str_to_u64(s, UINT16_MAX, &port) != 0)
        return -EINVAL;
    *ret = htons((uint16_t)port);
    return 0;
}

static int parse_host(int family, struct str host, void *ret)
{
    char text[INET6_ADDRSTRLEN];

    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.ptr, 0, host.len) != NULL)
        return -EINVAL;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    return inet_pton(family, text, ret) == 1 ? 0 : -EINVAL;
}

static int parse_unix(struct str path, struct addr *ret)
{
    struct addr a = {.un = {.sun_family = AF_UNIX}};

    if (path.len == 0 || path.len >= sizeof(a.un.sun_path) || memchr(path.ptr, 0, path.len) != NULL)
        return -EINVAL;
    memcpy(a.un.sun_path, path.ptr, path.len);
    a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    *ret = a;
    return 0;
}

static int parse_in6(struct str s, struct addr *ret)
{
    struct addr a = {.len = sizeof(a.in6), .in6 = {.sin6_family = AF_INET6}};
    ssize_t end = str_find(s, ']');

    if (end < 1 || (size_t)end + 1 >= s.len || s.ptr[end + 1] != ':')
        return -EINVAL;
    if (parse_host(AF_INET6, str_n(s.ptr + 1, (size_t)end - 1), &a.in6.sin6_addr) != 0 ||
        parse_port(str_n(s.ptr + end + 2, s.len - (size_t)end - 2), &a.in6.sin6_port) != 0)
        return -EINVAL;
    *ret = a;
    return 0;
}

static int parse_in(struct str s, struct addr *ret)
{
    struct addr a = {.len = sizeof(a.in), .in = {.sin_family = AF_INET}};
    ssize_t colon = str_find(s, ':');

    if (colon < 0 || parse_host(AF_INET, str_n(s.ptr, (size_t)colon), &a.in.sin_addr) != 0 ||
        parse_port(str_n(s.ptr + colon + 1, s.len - (size_t)colon - 1), &a.in.sin_port) != 0)
        return -EINVAL;
    *ret = a;
    return 0;
}

int addr_parse(struct str s, struct addr *ret)
{
    if (str_starts(s, STR("unix:")))
        return parse_unix(str_n(s.ptr + 5, s.len - 5), ret);
    if (s.len > 0 && s.ptr[0] == '[')
        return parse_in6(s, ret);
    return s.len > 0 ? parse_in(s, ret) : -EINVAL;
}

/* The path may fill sun_path without a terminator; an unnamed socket has none at all. */
static struct str unix_path(const struct addr *a)
{
    size_t start = offsetof(struct sockaddr_un, sun_path);

    if (a->len <= start)
        return STR("");
    return str_n(a->un.sun_path, strnlen(a->un.sun_path, a->len - start));
}

void addr_format_host(const struct addr *a, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];

    if (a->sa.sa_family == AF_INET)
        buf_puts(out, str_of(inet_ntop(AF_INET, &a->in.sin_addr, text, sizeof(text))));
    else if (a->sa.sa_family == AF_INET6)
        buf_puts(out, str_of(inet_ntop(AF_INET6, &a->in6.sin6_addr, text, sizeof(text))));
    else
        buf_lit(out, "unix");
}

void addr_format(const struct addr *a, struct buf *out)
{
    if (a->sa.sa_family == AF_INET6)
        buf_putc(out, '[');
    addr_format_host(a, out);
    if (a->sa.sa_family == AF_INET6)
        buf_putc(out, ']');
    buf_putc(out, ':');
    if (a->sa.sa_family == AF_UNIX)
        buf_puts(out, unix_path(a));
    else
        buf_put_u64(out, addr_port(a));
}

uint16_t addr_port(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return ntohs(a->in.sin_port);
    if (a->sa.sa_family == AF_INET6)
        return ntohs(a->in6.sin6_port);
    return 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    default:
        return str_eq(unix_path(a), unix_path(b));
    }
}
