/* An attempt at a request besides the one that its exchange makes: an exchange of its own, without
 * a client, with memory, connection, permit and record of its own. It borrows the request, so the
 * exchange must neither change that nor end while the side attempt lives. Interim responses that it
 * gets go nowhere. */
#ifndef WEIR_GATEWAY_SIDE_ATTEMPT_H
#define WEIR_GATEWAY_SIDE_ATTEMPT_H

#include "gateway/exchange.h"

/* An attempt at an endpoint that neither x nor before (a side attempt that has begun; NULL: none)
 * has tried, as attempt number number. It has begun: the endpoint is chosen, its permit taken. Run
 * what is left of the chain with it next. NULL: no memory, no such endpoint, or no time left. Does
 * not park. */
struct exchange *side_attempt_new(struct exchange *x, const struct exchange *before,
                                  unsigned number);

/* Gives x the response that the side attempt has, with everything that belongs to it, in the place
 * of x's own attempt, which is over and dropped. The side attempt is then to be freed. */
void side_attempt_adopt(struct exchange *x, struct exchange *side);

/* Whatever became of it: ends the attempt, and closes its connection unless it can serve again.
 * NULL is fine. Does not park. */
void side_attempt_free(struct exchange *side);

/* The response of an attempt that has one is not wanted, nor is the attempt. */
void attempt_drop(struct exchange *x);

#endif
