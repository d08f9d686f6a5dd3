/* Networks in CIDR form: see cidr.h. */
#include "gateway/cidr.h"

#include <arpa/inet.h>

#define BITS_UNIX 255 /* stands for "any Unix socket" */

static void map_v4(const void *v4, uint8_t out[static 16])
{
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    memcpy(out + 12, v4, 4);
}

int cidr_parse(struct str s, struct cidr *ret)
{
    ssize_t slash = str_find(s, '/');
    struct str host = slash < 0 ? s : str_n(s.ptr, (size_t)slash);
    char text[INET6_ADDRSTRLEN];
    uint64_t bits, max;
    struct cidr c;

    if (str_eq(s, STR("unix"))) {
        *ret = (struct cidr){.bits = BITS_UNIX};
        return 0;
    }
    if (host.len >= sizeof(text))
        return -EINVAL;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    if (inet_pton(AF_INET6, text, c.bytes) == 1) {
        max = 128;
    } else {
        struct in_addr v4;

        if (inet_pton(AF_INET, text, &v4) != 1)
            return -EINVAL;
        map_v4(&v4, c.bytes);
        max = 32;
    }
    bits = max;
    if (slash >= 0 &&
        str_to_u64(str_n(s.ptr + slash + 1, s.len - (size_t)slash - 1), max, &bits) < 0)
        return -EINVAL;
    c.bits = (uint8_t)(bits + 128 - max);
    *ret = c;
    return 0;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
    uint8_t bytes[16];
    unsigned whole = c->bits / 8, rest = c->bits % 8;

    if (a->sa.sa_family == AF_UNIX)
        return c->bits == BITS_UNIX;
    if (c->bits == BITS_UNIX)
        return false;
    if (a->sa.sa_family == AF_INET)
        map_v4(&a->in.sin_addr, bytes);
    else
        memcpy(bytes, &a->in6.sin6_addr, 16);
    if (memcmp(bytes, c->bytes, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ c->bytes[whole]) >> (8 - rest)) == 0;
}
