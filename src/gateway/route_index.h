/* Which route serves a request: the first in order whose predicates all hold, found without
 * looking at all routes.
 *
 * Two trees in one form. The outer one is keyed by the labels of the host, from the right; where a
 * host pattern ends hangs an inner one keyed by the segments of the path. Both have one branch per
 * literal, one branch for "any one segment" whatever its exact condition, and a list for "anything
 * further down". A walk collects the short sorted lists of routes along its way; they are merged in
 * order and each candidate is checked with its exact predicates. The trees may therefore answer too
 * much, but never too little: the result is that of a scan over all routes. */
#ifndef WEIR_GATEWAY_ROUTE_INDEX_H
#define WEIR_GATEWAY_ROUTE_INDEX_H

#include "gateway/predicate.h"

/* The part of a route that decides whether it matches. */
struct route_match {
    struct predicate *predicates;
    uint32_t predicate_count;
};

struct route_index;

/* routes in their order; they are borrowed, all else is in the arena. NULL when memory is out. */
struct route_index *route_index_new(const struct route_match *routes, uint32_t count,
                                    struct arena *a);

/* The number of the first route in order that matches, or -1; v then holds its variables. */
int32_t route_index_find(const struct route_index *ix, const struct match_input *in,
                         struct vars *v);

/* The same by a plain scan: what route_index_find() must equal. */
int32_t route_scan_find(const struct route_match *routes, uint32_t count,
                        const struct match_input *in, struct vars *v);

/* The number of its first predicate that does not hold; predicate_count: it matches, v holds its
 * variables. */
uint32_t route_failing(const struct route_match *r, const struct match_input *in, struct vars *v);

static inline bool route_matches(const struct route_match *r, const struct match_input *in,
                                 struct vars *v)
{
    return route_failing(r, in, v) == r->predicate_count;
}

#endif
