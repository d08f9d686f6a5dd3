/* The hierarchical timing wheel; see timer.h. */
#include "runtime/timer.h"
#include "runtime/stack.h"

#include "base/assert.h"

void wheel_init(struct wheel *w, unsigned shift, int64_t now_ns)
{
    *w = (struct wheel){.shift = shift, .tick = (uint64_t)now_ns >> shift};
    atomic_init(&w->next_ns, NS_NEVER);
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&w->lists[level][slot]);
    }
}

/* Rounded up: a timer never fires early. */
static uint64_t tick_of(const struct wheel *w, int64_t at_ns)
{
    return ((uint64_t)MAX(at_ns, 0) + (UINT64_C(1) << w->shift) - 1) >> w->shift;
}

static unsigned level_of(uint64_t differs)
{
    return differs == 0 ? 0 : (unsigned)(63 - __builtin_clzll(differs)) / WHEEL_BITS;
}

static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
}

/* The tick at which the first occupied slot of the lowest occupied level begins. All timers of a
 * level lie before all timers of the next one, and none lies before the wheel's position. */
static uint64_t first_tick(const struct wheel *w, unsigned *ret_level, unsigned *ret_slot)
{
    unsigned level = (unsigned)__builtin_ctzll(w->levels);
    unsigned slot = (unsigned)__builtin_ctzll(w->slots[level]);
    unsigned low = level * WHEEL_BITS;
    unsigned high = low + WHEEL_BITS;
    uint64_t base = high >= 64 ? 0 : w->tick >> high << high;

    *ret_level = level;
    *ret_slot = slot;
    return base | (uint64_t)slot << low;
}

static void publish_next(struct wheel *w)
{
    int64_t next_ns = NS_NEVER;
    unsigned level, slot;

    if (w->levels != 0) {
        uint64_t tick = first_tick(w, &level, &slot);

        if (tick <= (uint64_t)INT64_MAX >> w->shift)
            next_ns = (int64_t)(tick << w->shift);
    }
    atomic_store_explicit(&w->next_ns, next_ns, memory_order_relaxed);
}

/* Puts t where its at_tick belongs, and returns where its slot begins. */
static uint64_t insert(struct wheel *w, struct timer *t)
{
    unsigned level = level_of(t->at_tick ^ w->tick);
    unsigned slot = slot_of(t->at_tick, level);

    list_push_back(&w->lists[level][slot], &t->node);
    w->slots[level] |= UINT64_C(1) << slot;
    w->levels |= UINT64_C(1) << level;
    return t->at_tick >> (level * WHEEL_BITS) << (level * WHEEL_BITS);
}

static void slot_emptied(struct wheel *w, unsigned level, unsigned slot)
{
    w->slots[level] &= ~(UINT64_C(1) << slot);
    if (w->slots[level] == 0)
        w->levels &= ~(UINT64_C(1) << level);
}

static void unlink_timer(struct wheel *w, struct timer *t)
{
    /* The level at which it was put in: the wheel's position has not passed its slot since, so the
     * highest digit that differs is still the same. */
    unsigned level = level_of(t->at_tick ^ w->tick);
    unsigned slot = slot_of(t->at_tick, level);

    list_remove(&t->node);
    if (list_empty(&w->lists[level][slot]))
        slot_emptied(w, level, slot);
    atomic_store_explicit(&t->wheel, NULL, memory_order_release);
}

bool timer_cancel(struct timer *t)
{
    struct wheel *w = atomic_load_explicit(&t->wheel, memory_order_acquire);
    bool armed;

    if (w == NULL)
        return false;
    spin_lock(&w->lock);
    armed = atomic_load_explicit(&t->wheel, memory_order_relaxed) == w;
    if (armed) {
        unlink_timer(w, t);
        publish_next(w);
    }
    spin_unlock(&w->lock);
    return armed;
}

void timer_arm_slow(struct wheel *w, struct timer *t, int64_t at_ns, uint64_t ticket)
{
    uint64_t begins;

    timer_cancel(t);
    spin_lock(&w->lock);
    t->want_ns = at_ns;
    t->ticket = ticket;
    t->at_tick = MAX(tick_of(w, at_ns), w->tick + 1);
    atomic_store_explicit(&t->wheel, w, memory_order_relaxed);
    begins = insert(w, t);
    if (begins < (uint64_t)wheel_next_ns(w) >> w->shift)
        atomic_store_explicit(&w->next_ns, (int64_t)(begins << w->shift), memory_order_relaxed);
    spin_unlock(&w->lock);
}

/* A list is a chain of cache misses, each of which tells where the next one is. Who walks it from
 * its head calls this for each timer: a second walk, from the tail, brings in the other half
 * meanwhile. Returns where that one stands, NULL once they meet: never at the head, which is about
 * to leave the list and may then be anybody's. */
static inline const struct list *fetch_from_tail(const struct list *list, const struct list *tail)
{
    if (tail == NULL || tail == list || tail == list->next || tail->prev == list->next)
        return NULL;
    tail = tail->prev;
    __builtin_prefetch(tail, 1);
    return tail;
}

/* Moves a slot of a higher level, which the wheel has just reached, down to where its timers belong
 * now; those due at once land in the slot of level 0 that is run next. */
static void cascade(struct wheel *w, unsigned level, unsigned slot)
{
    struct list *list = &w->lists[level][slot];
    const struct list *tail = list->prev;

    while (!list_empty(list)) {
        struct timer *t = list_entry(list->next, struct timer, node);

        tail = fetch_from_tail(list, tail);
        list_remove(&t->node);
        t->at_tick = MAX(t->at_tick, tick_of(w, t->want_ns));
        insert(w, t);
    }
    slot_emptied(w, level, slot);
}

/* The control block that a ticket names, on a page of its own, comes while the walk goes on. (Of a
 * watch or an alarm it is the first one, which does no harm.) */
static inline void fetch_sleeper(uint64_t ticket)
{
    const char *co = (const char *)stack_co((uint32_t)ticket >> 8);

    for (size_t i = 0; i < 4; i++)
        __builtin_prefetch(co + i * CACHE_LINE, 1);
}

/* Runs a slot of level 0: all its timers are due, or have been moved to a later time. */
static size_t run_slot(struct wheel *w, unsigned slot, struct expired *out, size_t max)
{
    struct list *list = &w->lists[0][slot];
    const struct list *tail = list->prev;
    size_t count = 0;

    while (count < max && !list_empty(list)) {
        struct timer *t = list_entry(list->next, struct timer, node);
        uint64_t want = tick_of(w, t->want_ns);

        tail = fetch_from_tail(list, tail);
        list_remove(&t->node);
        if (want > w->tick) {
            t->at_tick = want;
            insert(w, t);
        } else {
            fetch_sleeper(t->ticket);
            out[count++] = (struct expired){t, t->ticket};
            atomic_store_explicit(&t->wheel, NULL, memory_order_release);
        }
    }
    if (list_empty(list))
        slot_emptied(w, 0, slot);
    return count;
}

size_t wheel_expire(struct wheel *w, int64_t now_ns, struct expired *out, size_t max)
{
    uint64_t target = (uint64_t)now_ns >> w->shift;
    size_t count = 0;

    spin_lock(&w->lock);
    while (count < max) {
        unsigned level, slot;
        uint64_t tick;

        if (w->levels == 0 || (tick = first_tick(w, &level, &slot)) > target) {
            w->tick = MAX(w->tick, target);
            break;
        }
        w->tick = tick;
        if (level > 0)
            cascade(w, level, slot);
        else
            count += run_slot(w, slot, out + count, max - count);
    }
    publish_next(w);
    spin_unlock(&w->lock);
    return count;
}
