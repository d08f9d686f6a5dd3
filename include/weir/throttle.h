/* Two limiters that learn: client-side throttling, and warming up.
 *
 * Decisions only; nothing parks or allocates. May be shared by coroutines and threads.
 */
#ifndef WEIR_THROTTLE_H
#define WEIR_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

/* Client-side throttling: when a server rejects much of what it gets, stop asking for some of it
 * here, where refusing is cheap. A request is refused with probability
 * (requests - k * accepted) / (requests + 1), both of the last two minutes (Beyer et al., "Site
 * Reliability Engineering", chapter 21). */
struct weir_throttle {
    int64_t birth_ns_;
    uint64_t slice_;
    uint32_t requests_[13], accepted_[13]; /* by slice of ten seconds */
    uint32_t requests_sum_, accepted_sum_;
    uint32_t k_percent_;
    uint32_t lock_;
};

/* k_percent: 200 lets twice as much through as is accepted; lower is stricter. -EINVAL: below 100.
 */
WEIR_API int weir_throttle_init(struct weir_throttle *t, uint32_t k_percent, int64_t now_ns);

/* True: ask the server, and say how it went. random: any 64 bits of chance. Refused requests count
 * as requests, too. */
WEIR_API bool weir_throttle_admit(struct weir_throttle *t, uint64_t random, int64_t now_ns);

/* The server has accepted it: answered with anything but a refusal because of load. */
WEIR_API void weir_throttle_accepted(struct weir_throttle *t, int64_t now_ns);

/* Of a million requests, how many would be refused now. */
WEIR_API uint32_t weir_throttle_refused_ppm(struct weir_throttle *t, int64_t now_ns);

/* Warming up: after idling, a third of the rate at first, rising to all of it over warmup_ns of
 * use (the "smooth warming up" limiter of Google's Guava, cold factor 3). Who asks waits for those
 * who asked before; the price of one's own event is paid by the next. */
struct weir_warmup {
    double stable_ns_, slope_ns_, threshold_, stored_max_, refill_ns_;
    double stored_;
    double next_ns_; /* since birth */
    int64_t birth_ns_;
    uint32_t lock_;
};

/* count events per per_ns once warm. -EINVAL: one of them is not positive. */
WEIR_API int weir_warmup_init(struct weir_warmup *w, uint64_t count, int64_t per_ns,
                              int64_t warmup_ns, int64_t now_ns);

/* Takes n events; the caller waits until *ret_at_ns. -EAGAIN when that would be longer than
 * max_wait_ns: nothing is taken. */
WEIR_API int weir_warmup_take(struct weir_warmup *w, uint32_t n, int64_t max_wait_ns,
                              int64_t now_ns, int64_t *ret_at_ns);

#endif
