/* Passive ejection. */
#include "policy/eject.h"

#include "base/assert.h"

#define FAILURES_MAX  UINT64_C(0xffff)
#define EJECTIONS_MAX UINT64_C(0xff)
#define UNTIL_MAX     ((UINT64_C(1) << 40) - 1)

/* The word taken apart. */
struct state {
    uint64_t failures;
    uint64_t ejections;
    uint64_t until_ms;
};

static struct state unpack(uint64_t word)
{
    return (struct state){
        .failures = word & FAILURES_MAX,
        .ejections = (word >> 16) & EJECTIONS_MAX,
        .until_ms = word >> 24,
    };
}

static uint64_t pack(struct state s)
{
    return MIN(s.failures, FAILURES_MAX) | MIN(s.ejections, EJECTIONS_MAX) << 16 |
           MIN(s.until_ms, UNTIL_MAX) << 24;
}

static bool out_at(struct state s, int64_t now_ns)
{
    return (uint64_t)now_ns < s.until_ms * (uint64_t)NS_PER_MS;
}

static uint64_t load(const struct eject *e)
{
    return atomic_load_explicit(&e->word, memory_order_relaxed);
}

static bool swap(struct eject *e, uint64_t *expected, struct state s)
{
    return atomic_compare_exchange_weak_explicit(&e->word, expected, pack(s), memory_order_relaxed,
                                                 memory_order_relaxed);
}

/* The next ejection: one more in a row, less one for every time_ns of good behaviour since the
 * last; as long as that many first ones. */
static struct state ejected(struct state s, const struct eject_options *o, int64_t now_ns)
{
    uint64_t back_ns = s.until_ms * (uint64_t)NS_PER_MS;
    uint64_t quiet_ns = (uint64_t)now_ns > back_ns ? (uint64_t)now_ns - back_ns : 0;
    uint64_t forgiven = o->time_ns > 0 ? quiet_ns / (uint64_t)o->time_ns : 0;
    int64_t out_ns;

    s.ejections = s.ejections > forgiven ? s.ejections - forgiven : 0;
    s.ejections = MIN(s.ejections + 1, EJECTIONS_MAX);
    s.failures = 0;
    if (__builtin_mul_overflow(o->time_ns, (int64_t)s.ejections, &out_ns))
        out_ns = INT64_MAX;
    out_ns = MIN(out_ns, o->time_max_ns);
    s.until_ms =
        ((uint64_t)now_ns + (uint64_t)out_ns + (uint64_t)NS_PER_MS - 1) / (uint64_t)NS_PER_MS;
    return s;
}

/* May one more go? Counts what would be out then, not what is out now: a percentage checked before
 * lets two of three go at 50 %. */
static enum eject_verdict room_for(const struct eject *e, const struct eject_group *g,
                                   const struct eject_options *o, int64_t now_ns)
{
    uint64_t allowed = MAX((uint64_t)g->count * o->percent_max / 100, UINT64_C(1));
    uint64_t out = 1;
    bool other_usable = false;

    for (uint32_t i = 0; i < g->count; i++) {
        const struct eject_member *m = &g->members[i];

        if (m->eject == e)
            continue;
        if (eject_is_out(m->eject, now_ns))
            out++;
        else if (m->health == NULL || health_usable(m->health))
            other_usable = true;
    }
    if (!other_usable)
        return EJECT_LAST;
    return out > allowed ? EJECT_AT_PERCENT : EJECT_EJECTED;
}

/* Under the group's lock nobody else ejects, so what room_for() saw still holds. */
static enum eject_verdict eject_locked(struct eject *e, const struct eject_group *g,
                                       const struct eject_options *o, int64_t now_ns)
{
    uint64_t word = load(e);

    for (;;) {
        struct state s = unpack(word);
        enum eject_verdict verdict;

        if (out_at(s, now_ns))
            return EJECT_OUT;
        if (s.failures < o->failures)
            return EJECT_COUNTED; /* a success came between */
        verdict = room_for(e, g, o, now_ns);
        if (verdict != EJECT_EJECTED || swap(e, &word, ejected(s, o, now_ns)))
            return verdict;
    }
}

enum eject_verdict eject_failure(struct eject *e, const struct eject_group *g,
                                 const struct eject_options *o, int64_t now_ns)
{
    uint64_t word = load(e);
    enum eject_verdict verdict;
    struct state s;

    if (o->failures == 0)
        return EJECT_COUNTED;
    do {
        s = unpack(word);
        if (out_at(s, now_ns))
            return EJECT_OUT;
        s.failures = MIN(s.failures + 1, FAILURES_MAX);
    } while (!swap(e, &word, s));
    if (s.failures < o->failures)
        return EJECT_COUNTED;
    spin_lock(g->lock);
    verdict = eject_locked(e, g, o, now_ns);
    spin_unlock(g->lock);
    return verdict;
}

void eject_success(struct eject *e)
{
    uint64_t word = load(e);
    struct state s;

    do {
        s = unpack(word);
        if (s.failures == 0)
            return;
        s.failures = 0;
    } while (!swap(e, &word, s));
}

bool eject_restore(struct eject *e, int64_t now_ns)
{
    uint64_t word = load(e);
    struct state s;

    do {
        s = unpack(word);
        if (!out_at(s, now_ns))
            return false;
        s.until_ms = (uint64_t)now_ns / (uint64_t)NS_PER_MS;
    } while (!swap(e, &word, s));
    return true;
}

bool eject_is_out(const struct eject *e, int64_t now_ns)
{
    return out_at(unpack(load(e)), now_ns);
}

int64_t eject_until_ns(const struct eject *e)
{
    return (int64_t)(unpack(load(e)).until_ms * (uint64_t)NS_PER_MS);
}

uint32_t eject_failures_in_row(const struct eject *e)
{
    return (uint32_t)unpack(load(e)).failures;
}

uint32_t eject_ejections_in_row(const struct eject *e)
{
    return (uint32_t)unpack(load(e)).ejections;
}
