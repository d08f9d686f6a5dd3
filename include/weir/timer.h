/* Timers and tickers.
 *
 * For waiting, weir_sleep(), WEIR_DEADLINE and WEIR_AFTER need no timer; these are for what shall
 * happen later while the caller goes on. Zero-initialised; times are spans from now, in
 * nanoseconds, and fire never early and as a rule within 0.2 ms. A timer that runs must be stopped
 * before its memory goes, and before weir_main() returns. Each is started, reset and waited for by
 * one coroutine at a time. */
#ifndef WEIR_TIMER_H
#define WEIR_TIMER_H

#include <weir/chan.h>

struct weir_timer {
    void *private_[12];
};

/* Starts fn(arg) on a coroutine of its own (named "timer", belonging to nobody) after_ns from now.
 * A timer that runs is stopped first. Does not park. From a coroutine. */
WEIR_API void weir_timer_call(struct weir_timer *t, int64_t after_ns, void (*fn)(void *arg),
                              void *arg);
/* Sends the time (an int64_t of weir_now()) into c, whose elements have eight bytes, unless it is
 * full then (unbuffered: unless somebody receives just then) or closed. */
WEIR_API void weir_timer_send(struct weir_timer *t, int64_t after_ns, struct weir_chan *c);
/* True: it will not fire. False: it has fired, or did not run; what it started may still be under
 * way. In either case the timer's memory is the caller's. From any thread. Does not park. */
WEIR_API bool weir_timer_stop(struct weir_timer *t);
/* Starts it again with what it did last; true when it ran. Moving a running timer to a later time
 * again and again costs a few stores each. A timer never started: an assert. */
WEIR_API bool weir_timer_reset(struct weir_timer *t, int64_t after_ns);

/* A steady beat that drops ticks nobody was there for. */
struct weir_ticker {
    struct weir_timer timer_;
    int64_t period_ns_;
    int64_t next_ns_;
};

/* The first tick comes after one period (more than 0, or an assert), the others at multiples of it,
 * whatever the delays. c: each tick is sent there as weir_timer_send() does; NULL: for
 * weir_ticker_wait(). Does not park. */
WEIR_API void weir_ticker_start(struct weir_ticker *t, int64_t period_ns, struct weir_chan *c);
/* Parks until the next tick of a ticker without channel. Returns how many have come since the last
 * one that was waited for: 1, or more when the caller was slow. -ECANCELED, -ETIMEDOUT. */
WEIR_API int weir_ticker_wait(struct weir_ticker *t) WEIR_PARKS;
/* No tick is sent after it returns. */
WEIR_API void weir_ticker_stop(struct weir_ticker *t);

#endif
