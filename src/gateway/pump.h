/* The request body on its way to the endpoint, in a coroutine of its own, while the connection's
 * coroutine waits for the response: an answer that comes early is seen, and two large bodies in
 * opposite directions do not wait for each other. */
#ifndef WEIR_GATEWAY_PUMP_H
#define WEIR_GATEWAY_PUMP_H

#include <stdatomic.h>

#include "http/h1.h"
#include "telemetry/cause.h"

enum pump_state {
    PUMP_NONE,    /* the body went with the head, or there is none */
    PUMP_RUNNING, /* the pump owns the client's reader and the upstream writer */
    PUMP_LAST,    /* the client's body has ended; its last piece is on its way, out of the reader */
    PUMP_SENT,    /* the whole body is with the endpoint */
    PUMP_FAILED,  /* it is not; cause says why */
};

struct pump {
    atomic_int state; /* written by the pump; what follows is valid once that has ended */
    enum cause cause; /* a client's one has also cancelled the exchange's scope */
    const char *detail;
    int error;                        /* of sending, when that failed */
    atomic_bool sending;              /* inside a call that may find out how the endpoint ended */
    atomic_int_least64_t progress_ns; /* when the last piece went; at the end: when it ended */
    struct h1_writer writer;
};

struct exchange;

/* Starts it. The head has been sent through x->pump.writer. 0, -ENOMEM, -EAGAIN, -ECANCELED. */
int pump_start(struct exchange *x);

/* True when the endpoint's reset was told to the pump: it is told once, and whoever reads after
 * that sees an end that looks clean. */
bool pump_met_reset(struct pump *p) WEIR_PARKS;

static inline enum pump_state pump_state(const struct pump *p)
{
    return (enum pump_state)atomic_load_explicit(&p->state, memory_order_acquire);
}

static inline bool pump_runs(const struct pump *p)
{
    enum pump_state state = pump_state(p);

    return state == PUMP_RUNNING || state == PUMP_LAST;
}

#endif
