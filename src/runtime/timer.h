/* Timers: one hierarchical wheel per processor, O(1) to arm and to cancel (Varghese and Lauck,
 * "Hashed and hierarchical timing wheels", 1987), with the level chosen by the highest digit in
 * which expiry and clock differ, so that the next expiry is two find-first-set instructions away.
 *
 * A timer is lazy: arming it again for a later time only notes the time; when the old time comes,
 * the wheel moves it. Deadlines that are moved with every request so cost no list operation. */
#ifndef WEIR_RUNTIME_TIMER_H
#define WEIR_RUNTIME_TIMER_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/list.h"
#include "base/lock.h"

enum {
    WHEEL_BITS = 6,
    WHEEL_SLOTS = 1 << WHEEL_BITS,
    WHEEL_LEVELS = 11,    /* 66 bits: any expiry has a place, whatever the tick */
    WHEEL_TICK_SHIFT = 17 /* 131 us */
};

struct wheel;

/* Zero-initialised. Belongs to one owner, who arms and cancels it; memory that holds a timer must
 * stay readable for as long as the runtime lives (its ticket may be looked at after a cancel). */
struct timer {
    struct list node;
    /* Where it is armed; changed under that wheel's lock. NULL (store-release, the wheel's last
     * touch; load-acquire by the owner): on none, and the rest is the owner's. */
    _Atomic(struct wheel *) wheel;
    uint64_t at_tick; /* under the lock: where it sits */
    int64_t want_ns;  /* under the lock: when it shall fire, not before at_tick */
    uint64_t ticket;  /* under the lock: what fires then */
};

struct expired {
    struct timer *timer;
    uint64_t ticket;
};

struct wheel {
    struct spinlock lock;
    unsigned shift;               /* constant: nanoseconds to ticks */
    _Atomic(int64_t) next_ns;     /* nothing is due before; written under the lock, read by all */
    uint64_t tick;                /* all below is under the lock: ticks up to here have been run */
    uint64_t levels;              /* bit per level with timers */
    uint64_t slots[WHEEL_LEVELS]; /* bit per slot with timers */
    struct list lists[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* shift 0 in the simulated world: timers fire at their exact time. */
void wheel_init(struct wheel *w, unsigned shift, int64_t now_ns);

/* Arms t on w, or moves it, wherever it is armed. Fires ticket not before at_ns and at most one
 * tick (plus the scheduler's delay) after it. */
void timer_arm_slow(struct wheel *w, struct timer *t, int64_t at_ns, uint64_t ticket);

static inline void timer_arm(struct wheel *w, struct timer *t, int64_t at_ns, uint64_t ticket)
{
    struct wheel *on = atomic_load_explicit(&t->wheel, memory_order_acquire);

    if (likely(on != NULL)) {
        spin_lock(&on->lock);
        if (likely(atomic_load_explicit(&t->wheel, memory_order_relaxed) == on &&
                   t->at_tick <= (uint64_t)at_ns >> on->shift)) {
            t->want_ns = at_ns; /* it sits early enough: the wheel will move it then */
            t->ticket = ticket;
            spin_unlock(&on->lock);
            return;
        }
        spin_unlock(&on->lock);
    }
    timer_arm_slow(w, t, at_ns, ticket);
}

/* After it returns the timer is on no wheel. True: it was on one, and will not fire; false: a
 * ticket taken before may still be on its way. */
bool timer_cancel(struct timer *t);

/* Takes up to max timers that are due; fewer than max: there are no more. */
size_t wheel_expire(struct wheel *w, int64_t now_ns, struct expired *out, size_t max);

/* A time before which nothing is due: exact for the next 8 ms, a lower bound beyond; NS_NEVER. */
static inline int64_t wheel_next_ns(struct wheel *w)
{
    return atomic_load_explicit(&w->next_ns, memory_order_relaxed);
}

#endif
