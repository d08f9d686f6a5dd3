/* The way out: the response to the client, and the end of the exchange. */
#ifndef WEIR_GATEWAY_RESPOND_H
#define WEIR_GATEWAY_RESPOND_H

#include "gateway/exchange.h"

/* Sends x's response. An upstream's is relayed piece by piece; if it breaks off after bytes went
 * out, the exchange is marked to be cut. 0, or negative when the client's connection is of no more
 * use. A response of our own may have taken the place of one that could not be begun (then it is
 * not sent yet: x->source is RESPONSE_OWN and x->out has not started). */
int respond_upstream(struct exchange *x) WEIR_PARKS;
int respond_own(struct exchange *x) WEIR_PARKS;

/* Joins the two connections after a 101, until one side ends or both are silent. (tunnel.c) */
int respond_tunnel(struct exchange *x) WEIR_PARKS;

/* Whether the client's connection must end with this exchange, as far as is known before the
 * response's head is written. */
void respond_decide_close(struct exchange *x);

/* Writes to the client, in the time it has for taking something. Notes the cause of a failure. */
int respond_send(struct exchange *x, struct str head, struct str piece, bool last,
                 struct str trailers) WEIR_PARKS;

#endif
