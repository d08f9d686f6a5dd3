/* Addresses as people write them, and dialling them: names are looked up, and their addresses tried
 * in turn. */
#include "net/conn.h"

enum { HOST_MAX = 255 }; /* of a name in the DNS */

int address_parse(const char *text, struct addr *ret)
{
    char whole[ADDR_TEXT_MAX];
    struct buf out = buf_on(whole, sizeof(whole));

    if (text == NULL)
        return -EINVAL;
    if (*text == ':')
        buf_lit(&out, "0.0.0.0");
    buf_puts(&out, str_of(text));
    return out.overflow ? -EINVAL : addr_parse(buf_str(&out), ret);
}

int address_text(const struct addr *a, char *out, size_t size)
{
    char text[ADDR_TEXT_MAX];
    struct buf b = buf_on(text, sizeof(text));

    addr_format(a, &b);
    if (b.overflow || b.len >= size)
        return -ENOBUFS;
    memcpy(out, text, b.len);
    out[b.len] = '\0';
    return 0;
}

/* "name:80" into its parts. */
static int split_host(const char *text, char host[HOST_MAX + 1], uint16_t *ret_port)
{
    struct str s = str_of(text);
    ssize_t colon = str_find(s, ':');
    uint64_t port;

    if (colon < 1 || colon > HOST_MAX)
        return -EINVAL;
    if (str_to_u64(str_n(s.ptr + colon + 1, s.len - (size_t)colon - 1), UINT16_MAX, &port) != 0)
        return -EINVAL;
    memcpy(host, s.ptr, (size_t)colon);
    host[colon] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}

static int dial_in_turn(const struct addr *addrs, int count, struct stream **ret)
{
    int r = -ENOENT;

    for (int i = 0; i < count; i++) {
        r = stream_dial(&addrs[i], ret);
        if (r == 0 || weir_cancelled())
            break;
    }
    return r;
}

int dial_address(const char *text, struct stream **ret)
{
    struct addr addrs[RESOLVED_MAX];
    char host[HOST_MAX + 1];
    uint16_t port;
    int n;

    if (address_parse(text, &addrs[0]) == 0)
        return stream_dial(&addrs[0], ret);
    if (text == NULL || split_host(text, host, &port) != 0)
        return -EINVAL;
    n = resolve(host, port, addrs);
    return n < 0 ? n : dial_in_turn(addrs, n, ret);
}
