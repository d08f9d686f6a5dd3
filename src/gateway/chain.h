/* A chain of filters. A filter is a function that calls the next one: what stands before
 * chain_next() is the request's way in, what stands after it is the response's way out.
 *
 *     static int add_response_header(struct exchange *x, const struct chain *next)
 *     {
 *         int rc = chain_next(next, x);
 *
 *         if (rc == 0)
 *             ... x->response ...
 *         return rc;
 *     }
 *
 * 0: the exchange has a response, of an upstream or our own (exchange_refuse(), exchange_answer());
 * nothing of it has been sent. Negative: none can be given, the connection will be cut. A filter
 * that does not call the next one must have made a response. */
#ifndef WEIR_GATEWAY_CHAIN_H
#define WEIR_GATEWAY_CHAIN_H

#include "base/base.h"

struct exchange;
struct chain;

typedef int filter_fn(struct exchange *x, const struct chain *next) WEIR_PARKS;

/* An array of these is a chain; its last one does not call the next. */
struct chain {
    filter_fn *run;
    const void *settings; /* what the filter was made with */
};

static inline int chain_next(const struct chain *next, struct exchange *x)
{
    return next->run(x, next + 1);
}

/* The settings of the filter that was given this next. */
static inline const void *chain_settings(const struct chain *next)
{
    return next[-1].settings;
}

#endif
