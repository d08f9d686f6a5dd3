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

/* Until when the attempt may take: its own bound, where the request came whole, and that of all. */
static inline int64_t attempt_until_ns(const struct exchange *x)
{
    int64_t per_try_ns = x->route->config->timeouts.per_try_ns, until_ns;

    if (!x->body_whole || __builtin_add_overflow(x->attempt_start_ns, per_try_ns, &until_ns))
        return x->deadline_ns;
    return MIN(until_ns, x->deadline_ns);
}

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

/* True when the request came as a retry, of a gateway in front; or of ours, when it is one. */
bool attempt_came_again(struct exchange *x);
/* Tells the next hop which attempt it is. -ENOSPC: no room for the field, and x is refused. */
int attempt_number(struct exchange *x, uint32_t number);

/* Several attempts at one request, of which one may answer. */
struct race {
    atomic_uint winner; /* x->racer of that one; 0: none yet */
};

/* True when the attempt may answer: it is alone, or no other one has claimed that before. */
static inline bool attempt_claim(struct exchange *x)
{
    unsigned nobody = 0;

    return likely(x->race == NULL) ||
           atomic_compare_exchange_strong(&x->race->winner, &nobody, x->racer) ||
           nobody == x->racer;
}

/* Takes over what a side attempt has learnt about its endpoint. */
void attempt_merge(struct exchange *x, const struct exchange *side);

/* The head of the final response, behind which its body waits; interim responses are passed on.
 * 0, or the attempt has failed (attempt_fail() was called): -1. (await.c) */
int attempt_await(struct exchange *x) WEIR_PARKS;

#endif
