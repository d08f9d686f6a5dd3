/* What a limit tells requests apart by: the client, a field, a cookie, ... or several of these. */
#ifndef WEIR_GATEWAY_REQUEST_KEY_H
#define WEIR_GATEWAY_REQUEST_KEY_H

#include "gateway/exchange.h"

/* A key of one part is text borrowed from the request, one of several parts is made of their
 * hashes, whose secret is the caller's. */
struct request_key {
    struct str text;   /* ptr NULL: the request does not have all of it */
    uint8_t client[8]; /* the bytes of its address that count */
    uint64_t hashes[CONFIG_KEY_PARTS_MAX];
};

/* The client of an untrusted connection is its peer; behind trusted proxies it is the last address
 * of X-Forwarded-For that is not trusted itself. An IPv6 client is its /64: it has all of that. A
 * field that is there but empty counts as absent. Does not park or allocate. */
void request_key_get(struct exchange *x, const struct config_key *c, const uint64_t secret[2],
                     struct request_key *ret);

#endif
