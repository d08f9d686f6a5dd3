/* Writing the heads that go out: the request to an endpoint, the response to the client. */
#ifndef WEIR_GATEWAY_FORWARD_HEAD_H
#define WEIR_GATEWAY_FORWARD_HEAD_H

#include "gateway/exchange.h"

/* Into the workspace's head buffer. -ENOBUFS: it does not fit. */
int forward_head_request(struct exchange *x, struct str *ret);

/* kind: how the body is framed towards the client. Also for responses of our own, and for 1xx. */
int forward_head_response(struct exchange *x, enum http_body_kind kind, uint64_t content_length,
                          struct str *ret);
int forward_head_interim(struct exchange *x, struct str *ret);

#endif
