/* Waits between attempts. All arithmetic saturates; a wait is clipped before its jitter, which only
 * shortens it. */
#include <math.h>

#include <weir/retry.h>

#include "base/base.h"

static int64_t exponential(const struct weir_backoff *o, int64_t base, uint32_t attempt,
                           int64_t max_ns)
{
    uint32_t percent = o->multiplier_percent != 0 ? o->multiplier_percent : 200;
    int64_t wait = MIN(base, max_ns);

    /* Ends after a few rounds: the wait grows to its maximum, or stays, or shrinks until it stays.
     */
    for (uint32_t i = 1; i < attempt && wait < max_ns; i++) {
        __int128 next = (__int128)wait * percent / 100;

        if (next == wait)
            break;
        wait = next > max_ns ? max_ns : (int64_t)next;
    }
    return wait;
}

static int64_t linear(int64_t base, uint32_t attempt, int64_t max_ns)
{
    int64_t wait;

    return __builtin_mul_overflow(base, (int64_t)attempt, &wait) ? max_ns : MIN(wait, max_ns);
}

/* t = n + U; next = 2^t * tanh(sqrt(4t)); wait = base * (next - previous) / 1.4 */
static int64_t decorrelated(struct weir_backoff_state *state, int64_t base, uint32_t attempt,
                            uint64_t random, int64_t max_ns)
{
    double t = (double)(attempt - 1) + (double)(random >> 11) * 0x1p-53;
    double next = exp2(t) * tanh(sqrt(4 * t));
    double wait = (double)base * (next - state->previous_) / 1.4;

    if (!isfinite(next) || !(wait < (double)max_ns)) {
        state->previous_ = next;
        return base == 0 ? 0 : max_ns;
    }
    state->previous_ = next;
    return wait > 0 ? (int64_t)wait : 0;
}

int64_t weir_backoff_ns(const struct weir_backoff *o, struct weir_backoff_state *state,
                        uint32_t attempt, uint64_t random)
{
    int64_t base = MAX(o->base_ns, INT64_C(0));
    int64_t max_ns = o->max_ns > 0 ? o->max_ns : INT64_MAX;
    int64_t wait = MIN(base, max_ns);
    uint64_t span;

    attempt = MAX(attempt, 1u);
    if (o->kind == WEIR_BACKOFF_DECORRELATED)
        return decorrelated(state, base, attempt, random, max_ns);
    if (o->kind == WEIR_BACKOFF_EXPONENTIAL)
        wait = exponential(o, base, attempt, max_ns);
    else if (o->kind == WEIR_BACKOFF_LINEAR)
        wait = linear(base, attempt, max_ns);
    span = (uint64_t)(((unsigned __int128)(uint64_t)wait * MIN(o->jitter_percent, 100u)) / 100);
    return wait - (int64_t)(((unsigned __int128)span * random) >> 64);
}
