/* Networks in CIDR form, for lists of trusted peers. */
#ifndef WEIR_GATEWAY_CIDR_H
#define WEIR_GATEWAY_CIDR_H

#include "world/world.h"

struct cidr {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d, so that one comparison serves both */
    uint8_t bits;      /* of the 128 */
};

/* "10.0.0.0/8", "::1", "unix" (any Unix socket peer). -EINVAL. */
int cidr_parse(struct str s, struct cidr *ret);
bool cidr_has(const struct cidr *c, const struct addr *a);

#endif
