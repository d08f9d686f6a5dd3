/* Deadlines that travel: timeouts.deadline_header names a field in which a request says how long
 * its sender will wait, and in which the next hop is told what is left. */
#ifndef WEIR_GATEWAY_DEADLINE_H
#define WEIR_GATEWAY_DEADLINE_H

#include "gateway/exchange.h"

/* Sets x->limit_ns: until when the client waits; NS_NEVER when it does not say, or not so that one
 * can read it. */
void deadline_begin(struct exchange *x);

/* Before an attempt: puts the time that is left into the request. False: there is none, and the
 * exchange is refused. */
bool deadline_pass_on(struct exchange *x);

#endif
