/* Passive ejection: what ordinary traffic says about an endpoint. `failures` in a row take it out
 * for base * (ejections in a row), at most base_max; it comes back by time alone, or as soon as an
 * active check passes. At most percent_max of an upstream's endpoints are out at once (one may
 * always go), and never the last usable one.
 *
 * Counted as failures: connect errors, timeouts, broken or missing responses, 5xx. Not: 4xx, and
 * whatever the client or the gateway itself caused (cancels, limits, stops).
 *
 * Pure: time comes as an argument. The state is one atomic word per endpoint; only the decision to
 * eject takes the upstream's spinlock, because "how many are out" must not change under it. */
#ifndef WEIR_POLICY_EJECT_H
#define WEIR_POLICY_EJECT_H

#include "base/lock.h"
#include "policy/health.h"

struct eject_options {
    uint32_t failures;    /* in a row; 0: never ejects */
    int64_t time_ns;      /* the first ejection; also the time of good behaviour that takes one
                             from the count of ejections in a row */
    int64_t time_max_ns;  /* the longest ejection */
    uint32_t percent_max; /* of the members */
};

struct eject { /* zero-initialised: in; kept with the endpoint across generations */
    /* until, in ms of the caller's clock, rounded up (40 bits) | ejections in a row (8) | failures
     * in a row (16). In one word so that the time and the counts it came from agree. */
    atomic_uint_least64_t word;
};

struct eject_member {
    struct eject *eject;
    const struct health *health; /* NULL: not checked */
};

/* The endpoints of one upstream. The lock lives with the upstream, across generations. */
struct eject_group {
    struct spinlock *lock;
    const struct eject_member *members;
    uint32_t count;
};

enum eject_verdict {
    EJECT_COUNTED,    /* noted; it stays */
    EJECT_EJECTED,    /* this failure took it out */
    EJECT_AT_PERCENT, /* would go, but percent_max are out already */
    EJECT_LAST,       /* would go, but no other endpoint is usable */
    EJECT_OUT,        /* is out already (a request from before): not counted */
    EJECT_VERDICT_MAX,
};

/* A request or attempt on e, a member of g, failed. now_ns >= 0. Any thread, does not park. */
enum eject_verdict eject_failure(struct eject *e, const struct eject_group *g,
                                 const struct eject_options *o, int64_t now_ns);

/* One succeeded: the count of failures in a row starts again. No write when it is 0. An endpoint
 * that is out stays out (the answer may be an old one). */
void eject_success(struct eject *e);

/* An active check passed: back at once; ejections in a row stay counted, so that an endpoint which
 * passes checks and fails requests is out longer every time. True when it was out. */
bool eject_restore(struct eject *e, int64_t now_ns);

/* True while it is out. One load. */
bool eject_is_out(const struct eject *e, int64_t now_ns);

/* When it will be back, or came back last; 0 when it was never out. */
int64_t eject_until_ns(const struct eject *e);
uint32_t eject_failures_in_row(const struct eject *e);
uint32_t eject_ejections_in_row(const struct eject *e);

#endif
