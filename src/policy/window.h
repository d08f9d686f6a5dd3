/* How many calls of late, how many of them failed or were slow: over a time, or over a number of
 * calls. Part of the breaker's public struct, hence by its address. */
#ifndef WEIR_POLICY_WINDOW_H
#define WEIR_POLICY_WINDOW_H

#include <weir/breaker.h>

struct window_counts {
    uint32_t calls, failures, slow;
};

/* For the breaker's options. */
void window_init(struct weir_breaker *b);
/* Adds one call, age_ns after the breaker's birth. */
void window_add(struct weir_breaker *b, int64_t age_ns, bool failed, bool slow);
struct window_counts window_counts(const struct weir_breaker *b, int64_t age_ns);
/* Forgets all calls. */
void window_clear(struct weir_breaker *b, int64_t age_ns);
/* The options' window_ns has changed: forgets all calls. */
void window_resize(struct weir_breaker *b, int64_t age_ns);

#endif
