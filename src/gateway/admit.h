/* What is decided about a request before any route is looked at. */
#ifndef WEIR_GATEWAY_ADMIT_H
#define WEIR_GATEWAY_ADMIT_H

#include "gateway/predicate.h"
#include "telemetry/cause.h"

enum admission {
    ADMIT_ROUTE,  /* routes decide; ret holds what their predicates look at */
    ADMIT_ANSWER, /* the gateway itself is meant ("OPTIONS *"): 204 */
    ADMIT_REFUSE, /* *ret_cause and *ret_why say it */
};

/* Brings path and host into the form that routes see, in the arena. body_max: the longest body, 0:
 * any. Does not park. */
enum admission request_admit(struct http_head *head, uint64_t body_max, struct arena *a,
                             struct match_input *ret, enum cause *ret_cause, const char **ret_why);

#endif
