/* Bulkhead: places taken and whether somebody waits in one word, as in the runtime's semaphore.
 * While nobody waits, entering and leaving are one compare-and-swap; from the moment somebody waits
 * until nobody does, all changes are made under the lock, so that a place which is left goes to the
 * first in the queues and to no newcomer. */
#include <weir/bulkhead.h>

#include "base/assert.h"
#include "base/duration.h"
#include "runtime/explore.h"
#include "runtime/waitq.h"

enum { WAITED_FOR = 1, PLACE = 2 };

struct __attribute__((may_alias)) bulkhead {
    _Atomic(uint64_t) word;
    struct spinlock lock;
    _Atomic(uint32_t) waiting;
    struct waitq queues[WEIR_BULKHEAD_PRIORITIES];
    _Atomic(uint32_t) running_max, waiting_max;
    _Atomic(int64_t) max_wait_ns;
    _Atomic(uint64_t) refused[WEIR_BULKHEAD_REFUSALS];
};
_Static_assert(sizeof(struct bulkhead) == sizeof(struct weir_bulkhead), "weir_bulkhead");

struct entrant {
    struct waiter waiter;
    unsigned priority;
};

static struct bulkhead *bulkhead_of(const struct weir_bulkhead *b)
{
    return (struct bulkhead *)(uintptr_t)b;
}

static bool options_valid(const struct weir_bulkhead_options *o)
{
    return o->size == sizeof(*o) && o->running_max > 0 && o->max_wait_ns >= 0;
}

static void take_options(struct bulkhead *b, const struct weir_bulkhead_options *o)
{
    atomic_store_explicit(&b->running_max, o->running_max, memory_order_relaxed);
    atomic_store_explicit(&b->waiting_max, o->waiting_max, memory_order_relaxed);
    atomic_store_explicit(&b->max_wait_ns, o->max_wait_ns, memory_order_relaxed);
}

int weir_bulkhead_init(struct weir_bulkhead *b, const struct weir_bulkhead_options *options)
{
    if (!options_valid(options))
        return -EINVAL;
    *b = (struct weir_bulkhead){0};
    take_options(bulkhead_of(b), options);
    return 0;
}

static uint32_t running_max(struct bulkhead *b)
{
    return atomic_load_explicit(&b->running_max, memory_order_relaxed);
}

static bool try_enter(struct bulkhead *b)
{
    uint64_t now = atomic_load_explicit(&b->word, memory_order_relaxed);

    while ((now & WAITED_FOR) == 0 && now / PLACE < running_max(b)) {
        if (atomic_compare_exchange_weak_explicit(&b->word, &now, now + PLACE, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

static struct waiter *first_in_line(struct bulkhead *b)
{
    struct waiter *w = NULL;

    for (unsigned i = WEIR_BULKHEAD_PRIORITIES; i-- > 0 && w == NULL;)
        w = waitq_first(&b->queues[i]);
    return w;
}

/* Under the lock: w no longer waits. */
static void take_out(struct bulkhead *b, struct waiter *w)
{
    struct entrant *e = container_of(w, struct entrant, waiter);

    if (!w->queued)
        return;
    waitq_remove(&b->queues[e->priority], w);
    atomic_fetch_sub_explicit(&b->waiting, 1, memory_order_relaxed);
}

/* Under the lock, with WAITED_FOR set: free places go to those who wait. */
static void serve(struct bulkhead *b, struct wake_list *wakes)
{
    uint64_t running = atomic_load_explicit(&b->word, memory_order_relaxed) / PLACE;
    struct waiter *w;

    while ((w = first_in_line(b)) != NULL && running < running_max(b)) {
        struct co *co;

        take_out(b, w);
        if (waiter_claim(w, &co)) {
            running++;
            wake_list_add(wakes, co);
        }
    }
    atomic_store_explicit(&b->word, running * PLACE + (w != NULL ? WAITED_FOR : 0),
                          memory_order_release);
}

static enum weir_bulkhead_refusal wait_in_line(struct bulkhead *b, struct co *co, unsigned priority,
                                               int64_t until_ns)
{
    struct entrant e = {.priority = priority};
    WAKE_LIST(wakes);
    int r;

    e.waiter.ticket = park_prepare(co, WAIT_BULKHEAD, b, 0);
    waitq_push_last(&b->queues[priority], &e.waiter);
    atomic_fetch_add_explicit(&b->waiting, 1, memory_order_relaxed);
    r = park(co, until_ns, &b->lock);
    if (r == 0)
        return WEIR_BULKHEAD_ENTERED;
    spin_lock(&b->lock);
    take_out(b, &e.waiter);
    if ((atomic_load_explicit(&b->word, memory_order_relaxed) & WAITED_FOR) != 0)
        serve(b, &wakes);
    spin_unlock(&b->lock);
    wake_list_run(&wakes);
    if (r == -ECANCELED)
        return WEIR_BULKHEAD_CANCELLED;
    return until_ns < weir_deadline_now() ? WEIR_BULKHEAD_TIMED_OUT : WEIR_BULKHEAD_DEADLINE;
}

static NOINLINE enum weir_bulkhead_refusal enter_slow(struct bulkhead *b, struct co *co,
                                                      unsigned priority)
{
    int64_t max_wait_ns = atomic_load_explicit(&b->max_wait_ns, memory_order_relaxed);
    int64_t until_ns = ns_add(weir_now(), max_wait_ns);
    uint64_t now;

    spin_lock(&b->lock);
    now = atomic_fetch_or_explicit(&b->word, WAITED_FOR, memory_order_acquire);
    if ((now & WAITED_FOR) == 0 && now / PLACE < running_max(b)) {
        atomic_store_explicit(&b->word, now + PLACE, memory_order_release);
        spin_unlock(&b->lock);
        return WEIR_BULKHEAD_ENTERED;
    }
    if (max_wait_ns == 0 || atomic_load_explicit(&b->waiting, memory_order_relaxed) >=
                                atomic_load_explicit(&b->waiting_max, memory_order_relaxed)) {
        if ((now & WAITED_FOR) == 0)
            atomic_store_explicit(&b->word, now, memory_order_release);
        spin_unlock(&b->lock);
        return WEIR_BULKHEAD_FULL;
    }
    return wait_in_line(b, co, priority, until_ns);
}

int weir_bulkhead_enter(struct weir_bulkhead *wb, unsigned priority,
                        enum weir_bulkhead_refusal *ret_refusal)
{
    static const int codes[] = {[WEIR_BULKHEAD_ENTERED] = 0,
                                [WEIR_BULKHEAD_FULL] = -EAGAIN,
                                [WEIR_BULKHEAD_TIMED_OUT] = -EAGAIN,
                                [WEIR_BULKHEAD_DEADLINE] = -ETIMEDOUT,
                                [WEIR_BULKHEAD_CANCELLED] = -ECANCELED};
    struct bulkhead *b = bulkhead_of(wb);
    struct co *co = co_self();
    enum weir_bulkhead_refusal refusal = WEIR_BULKHEAD_ENTERED;
    int r;

    ASSERT(co != NULL);
    explore_point("enter", b);
    r = co_check(co);
    if (unlikely(r < 0))
        refusal = r == -ECANCELED ? WEIR_BULKHEAD_CANCELLED : WEIR_BULKHEAD_DEADLINE;
    else if (unlikely(!try_enter(b)))
        refusal = enter_slow(b, co, MIN(priority, WEIR_BULKHEAD_PRIORITIES - 1u));
    else
        co_spend(co);
    if (unlikely(refusal != WEIR_BULKHEAD_ENTERED))
        atomic_fetch_add_explicit(&b->refused[refusal], 1, memory_order_relaxed);
    if (ret_refusal != NULL)
        *ret_refusal = refusal;
    return codes[refusal];
}

bool weir_bulkhead_try_enter(struct weir_bulkhead *b)
{
    explore_point("try enter", b);
    return try_enter(bulkhead_of(b));
}

static NOINLINE void leave_slow(struct bulkhead *b)
{
    WAKE_LIST(wakes);
    uint64_t was;

    spin_lock(&b->lock);
    was = atomic_fetch_sub_explicit(&b->word, PLACE, memory_order_release);
    ASSERT(was >= PLACE);
    if ((was & WAITED_FOR) != 0)
        serve(b, &wakes);
    spin_unlock(&b->lock);
    wake_list_run(&wakes);
}

void weir_bulkhead_leave(struct weir_bulkhead *wb)
{
    struct bulkhead *b = bulkhead_of(wb);
    uint64_t now;

    explore_point("leave", b);
    now = atomic_load_explicit(&b->word, memory_order_relaxed);
    do {
        if (unlikely((now & WAITED_FOR) != 0)) {
            leave_slow(b);
            return;
        }
        ASSERT(now >= PLACE);
    } while (!atomic_compare_exchange_weak_explicit(&b->word, &now, now - PLACE,
                                                    memory_order_release, memory_order_relaxed));
}

int weir_bulkhead_set(struct weir_bulkhead *wb, const struct weir_bulkhead_options *options)
{
    struct bulkhead *b = bulkhead_of(wb);
    WAKE_LIST(wakes);

    if (!options_valid(options))
        return -EINVAL;
    spin_lock(&b->lock);
    take_options(b, options);
    if ((atomic_load_explicit(&b->word, memory_order_relaxed) & WAITED_FOR) != 0)
        serve(b, &wakes);
    spin_unlock(&b->lock);
    wake_list_run(&wakes);
    return 0;
}

struct weir_bulkhead_view weir_bulkhead_view(const struct weir_bulkhead *wb)
{
    struct bulkhead *b = bulkhead_of(wb);
    struct weir_bulkhead_view v = {
        .running = (uint32_t)(atomic_load_explicit(&b->word, memory_order_relaxed) / PLACE),
        .waiting = atomic_load_explicit(&b->waiting, memory_order_relaxed),
        .running_max = running_max(b),
        .waiting_max = atomic_load_explicit(&b->waiting_max, memory_order_relaxed),
    };

    for (unsigned i = 0; i < WEIR_BULKHEAD_REFUSALS; i++)
        v.refused[i] = atomic_load_explicit(&b->refused[i], memory_order_relaxed);
    return v;
}

const char *weir_bulkhead_refusal_text(enum weir_bulkhead_refusal refusal)
{
    static const char *const texts[] = {"entered", "full", "timed_out", "deadline", "cancelled"};

    ASSERT((unsigned)refusal < WEIR_BULKHEAD_REFUSALS);
    return texts[refusal];
}
