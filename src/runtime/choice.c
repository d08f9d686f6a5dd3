/* The strategies of exploration; see choice.h. */
#include "runtime/choice.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

/* Priorities from the bottom: those of who has yielded (each below the one before), those of change
 * points, those that one is born with. */
#define LOWEST_START (UINT64_C(1) << 60)
#define CHANGED      (UINT64_C(1) << 61)
#define BORN         (UINT64_C(1) << 63)

void chooser_init(struct chooser *c, enum choice_strategy strategy)
{
    *c = (struct chooser){.strategy = strategy};
}

void chooser_done(struct chooser *c)
{
    free(c->decisions);
    c->decisions = NULL;
}

static void draw_change_steps(struct chooser *c, uint64_t steps)
{
    uint64_t scale = rng_below(&c->rng, 12); /* drawn in any case: a seed means the same */

    if (steps == 0)
        steps = UINT64_C(8) << scale;
    for (unsigned i = 0; i + 1 < c->depth; i++)
        c->change_steps[i] = 1 + rng_below(&c->rng, steps);
}

void chooser_begin(struct chooser *c, uint64_t seed, unsigned depth, uint64_t steps)
{
    rng_seed(&c->rng, seed);
    c->step = 0;
    c->depth = MIN(depth, (unsigned)CHOICE_DEPTH_MAX);
    c->lowest = LOWEST_START;
    c->preemptions = 0;
    c->decision_count = 0;
    if (c->strategy == CHOICE_PCT)
        draw_change_steps(c, steps);
}

uint64_t chooser_priority(struct chooser *c)
{
    return c->strategy == CHOICE_PCT ? rng_next(&c->rng) | BORN : 0;
}

uint64_t chooser_yield_priority(struct chooser *c)
{
    return c->strategy == CHOICE_PCT ? --c->lowest : 0;
}

/* ---- PCT ---- */

static size_t highest(const struct candidate *list, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        if (list[i].priority > list[best].priority)
            best = i;
    }
    return best;
}

/* Who is about to make a step of change falls first. */
static size_t pick_by_priority(struct chooser *c, struct candidate *list, size_t n)
{
    size_t best = highest(list, n);

    for (unsigned i = 0; i + 1 < c->depth; i++) {
        if (c->change_steps[i] == c->step) {
            list[best].priority = CHANGED + c->depth - i;
            best = highest(list, n);
        }
    }
    return best;
}

/* ---- search and path ---- */

/* Takes the next decision out of count options. */
static uint32_t decide(struct chooser *c, uint32_t count)
{
    struct decision *d;

    if (count == 1)
        return 0;
    if (c->decision_count >= c->replay_len) {
        if (c->decision_count >= CHOICE_DECISIONS_MAX) {
            c->truncated = true;
            return 0;
        }
        if (c->decision_count == c->decision_cap) {
            c->decision_cap = c->decision_cap != 0 ? c->decision_cap * 2 : 64;
            c->decisions = reallocarray(c->decisions, c->decision_cap, sizeof(*c->decisions));
            ASSERT(c->decisions != NULL); /* bounded; a tool for tests */
        }
        c->decisions[c->decision_count] = (struct decision){0, count};
    }
    d = &c->decisions[c->decision_count++];
    d->count = count;
    if (d->taken >= count) /* a path of some other program */
        d->taken = count - 1;
    return d->taken;
}

/* Others than the current one, who became candidates at limit or before. */
static size_t count_others(const struct candidate *list, size_t n, ptrdiff_t current,
                           uint64_t limit)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += (ptrdiff_t)i != current && list[i].since_step <= limit;
    return count;
}

static size_t nth_other(const struct candidate *list, size_t which, ptrdiff_t current,
                        uint64_t limit)
{
    for (size_t i = 0;; i++) {
        if ((ptrdiff_t)i != current && list[i].since_step <= limit && which-- == 0)
            return i;
    }
}

/* The options are: the current one, where it may go on; then the others as they stand. */
static size_t pick_by_search(struct chooser *c, const struct candidate *list, size_t n,
                             enum choice_kind kind, ptrdiff_t current, uint64_t yielded_step)
{
    bool stay = kind == CHOICE_POINT && current >= 0;
    uint64_t limit = kind == CHOICE_YIELD && yielded_step != 0 ? yielded_step : UINT64_MAX;
    size_t others = count_others(list, n, current, limit), taken;

    if (others == 0 && limit != UINT64_MAX) { /* nobody is overdue */
        limit = UINT64_MAX;
        others = count_others(list, n, current, limit);
    }
    if (others == 0 || (stay && c->preemptions >= c->preemptions_max))
        return (size_t)current;
    taken = decide(c, (uint32_t)(others + stay));
    if (stay && taken == 0)
        return (size_t)current;
    c->preemptions += stay;
    return nth_other(list, taken - stay, current, limit);
}

size_t chooser_pick(struct chooser *c, struct candidate *list, size_t n, enum choice_kind kind,
                    ptrdiff_t current, uint64_t yielded_step)
{
    c->step++;
    if (c->strategy == CHOICE_PCT)
        return pick_by_priority(c, list, n);
    if (c->strategy == CHOICE_SEARCH || c->strategy == CHOICE_PATH)
        return pick_by_search(c, list, n, kind, current, yielded_step);
    if (kind == CHOICE_YIELD && current >= 0 && n > 1) { /* anybody else */
        size_t i = rng_below(&c->rng, n - 1);

        return i + ((ptrdiff_t)i >= current);
    }
    return rng_below(&c->rng, n);
}

bool chooser_interrupt(struct chooser *c)
{
    if (c->preemptions >= c->preemptions_max || decide(c, 2) == 0)
        return false;
    c->preemptions++;
    return true;
}

bool chooser_next(struct chooser *c)
{
    size_t n = c->decision_count;

    while (n > 0 && c->decisions[n - 1].taken + 1 >= c->decisions[n - 1].count)
        n--;
    c->replay_len = n;
    if (n == 0)
        return false;
    c->decisions[n - 1].taken++;
    return true;
}

/* ---- paths as text ---- */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

bool chooser_path_format(const struct chooser *c, char *out, size_t out_size)
{
    size_t n = c->decision_count, at = 0;

    while (n > 0 && c->decisions[n - 1].taken == 0)
        n--;
    for (size_t i = 0; i < n; i++) {
        uint32_t taken = c->decisions[i].taken;

        if (out_size - at < 16)
            return false;
        if (taken < 36)
            out[at++] = digits[taken];
        else
            at += (size_t)snprintf(out + at, out_size - at, "(%u)", taken);
    }
    out[at] = 0;
    return true;
}

static int push_decision(struct chooser *c, uint32_t taken)
{
    if (c->replay_len == c->decision_cap) {
        size_t cap = MAX(c->decision_cap * 2, (size_t)64);
        struct decision *grown = reallocarray(c->decisions, cap, sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        c->decisions = grown;
        c->decision_cap = cap;
    }
    c->decisions[c->replay_len++] = (struct decision){taken, UINT32_MAX};
    return 0;
}

int chooser_path_parse(struct chooser *c, const char *text)
{
    c->replay_len = 0;
    c->preemptions_max = UINT32_MAX;
    while (*text != 0 && *text != ',') {
        unsigned long taken;
        const char *digit = strchr(digits, *text);
        int r;

        if (digit != NULL) {
            taken = (unsigned long)(digit - digits);
            text++;
        } else {
            char *end;

            if (*text != '(')
                return -EINVAL;
            taken = strtoul(text + 1, &end, 10);
            if (*end != ')' || c->replay_len >= CHOICE_DECISIONS_MAX)
                return -EINVAL;
            text = end + 1;
        }
        r = push_decision(c, (uint32_t)taken);
        if (r < 0)
            return r;
    }
    return 0;
}
