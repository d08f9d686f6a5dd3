/* A new or revived endpoint takes its share gradually: cold caches, empty pools and a compiler that
 * has not seen the code yet do not meet the full load at once. Envoy's idea with HAProxy's shape:
 * from a tenth, linear, to all. The balancer thins its picks by that share. */
#ifndef WEIR_POLICY_SLOW_START_H
#define WEIR_POLICY_SLOW_START_H

#include "base/base.h"

#define SLOW_START_WHOLE 1000 /* the share of an endpoint that is not starting, in 1/1000 */
#define SLOW_START_FIRST 100  /* at the first instant */

/* The share at now_ns of an endpoint that began at since_ns (0: it always was there; in the future:
 * it has yet to begin), in 1/1000. window_ns 0: no slow start. */
static inline uint32_t slow_start_share(int64_t since_ns, int64_t window_ns, int64_t now_ns)
{
    int64_t age_ns = now_ns - since_ns;

    if (since_ns == 0 || age_ns >= window_ns)
        return SLOW_START_WHOLE;
    if (age_ns < 0)
        return SLOW_START_FIRST;
    return SLOW_START_FIRST +
           (uint32_t)((double)age_ns / (double)window_ns * (SLOW_START_WHOLE - SLOW_START_FIRST));
}

#endif
