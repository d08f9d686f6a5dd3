/* Character classes and addresses as text. */
#include "config/forms.h"

#include <arpa/inet.h>
#include <sys/un.h>

#define NAME_MAX_LEN 128

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static bool all_of(struct str s, const char *others)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || strchr(others, s.ptr[i]) == NULL))
            return false;
    return s.len > 0;
}

bool form_is_id(struct str s)
{
    return s.len <= NAME_MAX_LEN && all_of(s, "._-");
}

bool form_is_plain_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= NAME_MAX_LEN;
}

bool form_is_token(struct str s)
{
    return all_of(s, "!#$%&'*+-.^_`|~");
}

bool form_is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
            return false;
    return s.len > 0 && s.ptr[0] == '/';
}

bool form_is_host(struct str s)
{
    return s.len <= 255 && all_of(s, ".-_:[]");
}

bool form_is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return false;
    return true;
}

bool form_is_framing_field(struct str name)
{
    static const char *const fields[] = {
        "Connection", "Content-Length", "Keep-Alive",        "Proxy-Connection",
        "TE",         "Trailer",        "Transfer-Encoding", "Upgrade",
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (str_eq_nocase(name, str_of(fields[i])))
            return true;
    return false;
}

static bool parse_ip(int family, struct str host, void *ret)
{
    char text[INET6_ADDRSTRLEN];

    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.ptr, 0, host.len) != NULL)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, ret) == 1;
}

static const char *parse_unix(struct str s, struct arena *a, struct str *ret)
{
    struct str path = str_n(s.ptr + 5, s.len - 5);

    if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, 0, path.len) != NULL)
        return "a Unix socket needs an absolute path, like unix:/run/weir/admin.sock";
    if (path.len >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return "the path of a Unix socket has at most 107 bytes";
    *ret = arena_str(a, s);
    return NULL;
}

static const char *parse_port(struct str s, uint16_t min, uint64_t *ret)
{
    if (s.len > 5 || str_to_u64(s, UINT16_MAX, ret) != 0 || *ret < min)
        return min == 0 ? "the port must be a number from 0 to 65535"
                        : "the port must be a number from 1 to 65535";
    return NULL;
}

static const char *parse_in6(struct str host, uint64_t port, bool loopback, struct arena *a,
                             struct str *ret)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr in6;

    if (host.len < 3 || host.ptr[host.len - 1] != ']' ||
        !parse_ip(AF_INET6, str_n(host.ptr + 1, host.len - 2), &in6))
        return "what is in [ ] is not an IPv6 address";
    if (loopback && !IN6_IS_ADDR_LOOPBACK(&in6))
        return "other machines can reach this address";
    inet_ntop(AF_INET6, &in6, text, sizeof(text));
    *ret = str_of(arena_printf(a, "[%s]:%u", text, (unsigned)port));
    return NULL;
}

static const char *parse_in4(struct str host, uint64_t port, bool loopback, struct arena *a,
                             struct str *ret)
{
    unsigned char in[4];

    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (!parse_ip(AF_INET, host, in)) {
        if (str_find(host, ':') >= 0)
            return "an IPv6 address stands in brackets, like [::1]:8080";
        return "the host must be an IP address or localhost (names are not looked up)";
    }
    if (loopback && in[0] != 127)
        return "other machines can reach this address";
    *ret = str_of(arena_printf(a, "%u.%u.%u.%u:%u", in[0], in[1], in[2], in[3], (unsigned)port));
    return NULL;
}

static ssize_t find_last(struct str s, char c)
{
    const char *hit = s.len != 0 ? memrchr(s.ptr, c, s.len) : NULL;

    return hit != NULL ? hit - s.ptr : -1;
}

const char *form_address(struct str s, uint16_t port_min, bool loopback, struct arena *a,
                         struct str *ret)
{
    ssize_t colon = find_last(s, ':');
    struct str host, out;
    const char *problem;
    uint64_t port;

    if (str_starts(s, STR("unix:"))) {
        problem = parse_unix(s, a, &out);
    } else if (colon < 0 || (s.ptr[0] == '[' && s.ptr[s.len - 1] == ']')) {
        return "the port is missing";
    } else {
        host = str_n(s.ptr, (size_t)colon);
        problem = parse_port(str_n(s.ptr + colon + 1, s.len - (size_t)colon - 1), port_min, &port);
        if (problem != NULL)
            return problem;
        if (host.len == 0)
            return "the host is missing (0.0.0.0 stands for all IPv4 addresses of the machine)";
        problem = host.ptr[0] == '[' ? parse_in6(host, port, loopback, a, &out)
                                     : parse_in4(host, port, loopback, a, &out);
    }
    if (problem == NULL)
        *ret = out;
    return problem;
}

const char *form_cidr(struct str s)
{
    ssize_t slash = str_find(s, '/');
    struct str host = slash >= 0 ? str_n(s.ptr, (size_t)slash) : s;
    unsigned char bytes[16];
    bool in4 = parse_ip(AF_INET, host, bytes);
    uint64_t bits;

    if (!in4 && !parse_ip(AF_INET6, host, bytes))
        return "not an IP address";
    if (slash < 0)
        return NULL;
    if (str_to_u64(str_n(s.ptr + slash + 1, s.len - (size_t)slash - 1), in4 ? 32 : 128, &bits) < 0)
        return in4 ? "the prefix length must be a number from 0 to 32"
                   : "the prefix length must be a number from 0 to 128";
    for (size_t i = bits; i < (in4 ? 32U : 128U); i++)
        if ((bytes[i / 8] >> (7 - i % 8) & 1) != 0)
            return "bits behind the prefix are set";
    return NULL;
}
