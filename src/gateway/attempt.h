/* One attempt: an endpoint, a connection to it, the request sent, the head of a response. */
#ifndef WEIR_GATEWAY_ATTEMPT_H
#define WEIR_GATEWAY_ATTEMPT_H

#include "gateway/exchange.h"

/* How the attempt ended, for retry.c; and in the record, for people. Returns 0, so that the forward
 * filter can end with it. */
int attempt_fail(struct exchange *x, enum retry_failure failure, enum cause cause);

/* Chooses x->endpoint and counts the attempt. False: none is usable. same: the one of the last
 * attempt again. */
bool attempt_begin(struct exchange *x, bool same);

/* How the attempt went, for the breaker of its endpoint. Only the first call of an attempt counts.
 */
void attempt_report(struct exchange *x, enum weir_outcome outcome);

/* Breaker and retry together: the request might be sent again after its last attempt failed. Opens
 * the breaker of that endpoint when enough of its requests fail, or three attempts of this one. */
void attempt_ladder(struct exchange *x);

/* Refuses because no endpoint takes the request, with the cause that fits. Returns 0. */
int attempt_refuse(struct exchange *x);

/* The attempt is over: whatever became of it. */
void attempt_end(struct exchange *x);

/* True when an endpoint that was not tried yet is usable. */
bool attempt_others(struct exchange *x);

/* The head of the final response, behind which its body waits; interim responses are passed on.
 * 0, or the attempt has failed (attempt_fail() was called): -1. (await.c) */
int attempt_await(struct exchange *x) WEIR_PARKS;

#endif
