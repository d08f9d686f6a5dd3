/* Running the inner part of a chain a second time: an answer that is not wanted is let go, and the
 * request becomes again what it was. */
#ifndef WEIR_GATEWAY_AGAIN_H
#define WEIR_GATEWAY_AGAIN_H

#include "gateway/exchange.h"

/* The response is not for the client. What is here of its body is thrown away, and the upstream's
 * connection kept if that was all of it. Does not park. */
void exchange_discard(struct exchange *x);

/* What filters change about a request, to be put back. */
struct request_mark {
    struct str path, query, forward_host, upgrade;
    uint32_t field_count;
    uint64_t seen;
    uint64_t dropped[(HTTP_FIELDS_MAX + 63) / 64];
};

void request_mark(const struct exchange *x, struct request_mark *ret);
void request_restore(struct exchange *x, const struct request_mark *m);

/* True when all of the request is still there, and the client has heard nothing. */
bool exchange_has_request(const struct exchange *x);

/* True when the request may be sent to somebody else after what has happened: its body is still
 * there, and nobody can have acted on it, or acting twice does no harm. */
bool exchange_may_go_elsewhere(const struct exchange *x);

/* Forgets the upstream that has failed: attempts, its budget, the answer. The record keeps the
 * attempts. Whatever is tried next is charged to route, and its time begins now. */
void exchange_go_elsewhere(struct exchange *x, const struct route *route);

#endif
