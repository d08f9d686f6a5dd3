/* The public types are those of this layer under other names. */
#ifndef WEIR_NET_CONN_H
#define WEIR_NET_CONN_H

#include <weir/net.h>

#include "net/stream.h"

static inline struct stream *stream_of(const struct weir_conn *c)
{
    return (struct stream *)(uintptr_t)c;
}

static inline struct weir_conn *conn_of(struct stream *s)
{
    return (struct weir_conn *)s;
}

static inline struct listener *listener_of(const struct weir_listener *l)
{
    return (struct listener *)(uintptr_t)l;
}

/* An address as people write it: what addr_parse() takes, or ":80" for every IPv4 address. */
int address_parse(const char *text, struct addr *ret);

/* The address as terminated text. -ENOBUFS. */
int address_text(const struct addr *a, char *out, size_t size);

/* Dials "name:80" or what address_parse() takes. */
int dial_address(const char *text, struct stream **ret) WEIR_PARKS;

enum { RESOLVED_MAX = 8 };

/* The addresses of a host with this port. Their number, or -ENOENT, -EAGAIN, -ENOMEM, -EIO;
 * -ENOSYS in the simulated world, which has no names. */
int resolve(const char *host, uint16_t port, struct addr ret[RESOLVED_MAX]) WEIR_PARKS;

#endif
