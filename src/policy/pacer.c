/* Leaky bucket as a queue: one word says when the next turn is free. */
#include <errno.h>

#include <weir/limiter.h>

#include "policy/atomic.h"

int weir_pacer_init(struct weir_pacer *p, int64_t interval_ns, uint32_t capacity)
{
    int64_t room_ns;

    if (interval_ns <= 0 || __builtin_mul_overflow(interval_ns, (int64_t)capacity, &room_ns))
        return -EINVAL;
    *p = (struct weir_pacer){
        .next_ns_ = INT64_MIN, .interval_ns_ = interval_ns, .capacity_ = capacity};
    return 0;
}

int weir_pacer_turn(struct weir_pacer *p, int64_t now_ns, int64_t deadline_ns, int64_t *ret_at_ns)
{
    int64_t next = acquire_load(&p->next_ns_), turn, room_ns = p->interval_ns_ * p->capacity_;

    do {
        turn = MAX(next, now_ns);
        if (turn - now_ns > room_ns || turn > deadline_ns) {
            *ret_at_ns = MAX(turn - room_ns, now_ns);
            return -EAGAIN;
        }
    } while (!__atomic_compare_exchange_n(&p->next_ns_, &next, turn + p->interval_ns_, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    *ret_at_ns = turn;
    return 0;
}

void weir_pacer_cancel(struct weir_pacer *p, int64_t at_ns)
{
    int64_t last = at_ns + p->interval_ns_;

    __atomic_compare_exchange_n(&p->next_ns_, &last, at_ns, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
}
