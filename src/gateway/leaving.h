/* Clients that leave while their request waits: in a queue of the route, for a turn, before a
 * retry, for the head of a response. What is waited for then is for nobody, so the wait ends, what
 * was queued for or asked of the endpoint is given up, and the record says client_closed (499).
 *
 * Whoever is about to wait says so with client_attend() and ends it with client_unattend(); between
 * the two the client's hang-up cancels the scope of its connection (conn.c), and every call that
 * parks returns -ECANCELED. That costs a request a few instructions and no system call, since the
 * poller learns of a hang-up anyway.
 *
 * A hang-up is the end of what the client sends: a close, a reset, or a shutdown of its sending
 * side, which nobody can tell from a close. client.half_close says that clients do the last.
 * Further requests on the connection (pipelining) are no hang-up. A request whose answer others
 * wait for (response cache) is served to its end. */
#ifndef WEIR_GATEWAY_LEAVING_H
#define WEIR_GATEWAY_LEAVING_H

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/response_cache.h"

/* True: the wait may begin. False: the client has left before; see client_gone(). Either way
 * client_unattend() follows. */
static inline bool client_attend(struct exchange *x)
{
    struct conn *c = x->conn;

    if (c == NULL || x->generation->config->client.half_close)
        return true;
    if (unlikely(x->cache != NULL) && x->cache->flight != NULL)
        return true;
    atomic_exchange(&c->attended, true); /* before the look at the flag: the event does it vice
                                            versa, so one of them sees the other */
    return likely(!stream_hung_up(c->stream));
}

static inline void client_unattend(struct exchange *x)
{
    if (x->conn != NULL)
        atomic_store_explicit(&x->conn->attended, false, memory_order_release);
}

/* True when a wait was cut short because the client left. */
static inline bool client_left(const struct exchange *x)
{
    return x->conn != NULL && atomic_load_explicit(&x->conn->left, memory_order_relaxed);
}

/* Why a call was cancelled. */
static inline enum cause client_cancel_cause(const struct exchange *x)
{
    return client_left(x) ? CAUSE_CLIENT_CLOSED : CAUSE_STOPPING;
}

/* Ends the exchange: nobody is there to be told. Returns 0, so that a filter can end with it. */
int client_gone(struct exchange *x);

/* The same after a wait that was cancelled, for whichever reason. */
int client_cancelled(struct exchange *x);

#endif
