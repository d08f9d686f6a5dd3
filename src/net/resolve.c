/* Names to addresses, by the C library on a thread that may block. */
#include <netdb.h>

#include "net/conn.h"

struct lookup { /* outlives the call: weir_blocking() returns when it has ended or never began */
    const char *host;
    struct addrinfo *found;
};

static int error_of(int eai)
{
    switch (eai) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_FAIL:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static long look_up(void *arg)
{
    struct lookup *l = arg;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

    return error_of(getaddrinfo(l->host, NULL, &hints, &l->found));
}

static bool take_address(const struct addrinfo *info, uint16_t port, struct addr *ret)
{
    if (info->ai_addrlen > sizeof(*ret) - offsetof(struct addr, sa))
        return false;
    ret->len = info->ai_addrlen;
    memcpy(&ret->sa, info->ai_addr, info->ai_addrlen);
    if (info->ai_family == AF_INET)
        ret->in.sin_port = htons(port);
    else if (info->ai_family == AF_INET6)
        ret->in6.sin6_port = htons(port);
    else
        return false;
    return true;
}

int resolve(const char *host, uint16_t port, struct addr ret[RESOLVED_MAX])
{
    struct lookup l = {.host = host};
    int count = 0, r;

    if (runtime_world()->simulated)
        return -ENOSYS;
    r = (int)weir_blocking(look_up, &l);
    if (r != 0)
        return r;
    for (struct addrinfo *i = l.found; i != NULL && count < RESOLVED_MAX; i = i->ai_next)
        count += take_address(i, port, &ret[count]);
    freeaddrinfo(l.found);
    return count > 0 ? count : -ENOENT;
}
