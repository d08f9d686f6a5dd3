/* Upstreams whose endpoints differ in priority or zone, or that may panic. */
#ifndef WEIR_GATEWAY_UPSTREAM_LOCALITY_H
#define WEIR_GATEWAY_UPSTREAM_LOCALITY_H

#include "gateway/upstream.h"

/* Makes u->locality when u needs it. After the balancer. list: what that was made of. -ENOMEM. */
int upstream_locality_make(struct upstream *u, const struct balancer_endpoint *list,
                           struct arena *a);

/* balancer_pick() in the group whose turn it is, else among all; u->locality is set. tried: avoids
 * only what was tried already (NULL: nothing was), for levels in panic. Any thread, does not park.
 */
int upstream_locality_pick(const struct upstream *u, const struct balancer_query *q,
                           balancer_avoid_fn *tried, int64_t now_ns);

#endif
