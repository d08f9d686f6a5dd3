/* Peak EWMA of an endpoint's latency, as Finagle's load balancer has it: a slower answer counts at
 * once and in full, a faster one only as its weight grows with the time since the last; without
 * answers the value decays, so that an endpoint which was slow is tried again. One atomic word. */
#ifndef WEIR_POLICY_PEAK_H
#define WEIR_POLICY_PEAK_H

#include <stdatomic.h>

#include "base/base.h"

#define PEAK_DECAY_NS (10 * NS_PER_SEC) /* time constant */

/* Zero-initialised: nothing known. The value as a float in ns, and when it was computed in ms of
 * the caller's clock, 32 bits each. */
struct peak {
    atomic_uint_least64_t word;
};

/* An answer took so long. failed: it was none, or a bad one; that never makes the value better, or
 * an endpoint that refuses quickly would draw the traffic. Any thread, does not park. */
void peak_observe(struct peak *l, int64_t took_ns, bool failed, int64_t now_ns);

/* The value now, in ns; 0: nothing known. */
double peak_ns(const struct peak *l, int64_t now_ns);

#endif
