/* Which coroutine runs next: local queue, global queue, poller, timers, the queues of others,
 * sleep. The order and the throttling of wake-ups follow Go's findRunnable (runtime/proc.go); what
 * differs is that an idle processor sleeps in its own poller, so that there is nothing else to
 * wake. */
#include "runtime/sched.h"
#include "runtime/alarm.h"
#include "runtime/profile.h"

enum {
    BUSY_POLL_NS = 500 * 1000,       /* least time between polls while there is other work, */
    FULL_POLL_NS = 10 * 1000 * 1000, /* and while the ring is half full of it */
    EVENTS_MIN = 16,
    OLDEST_NS = 1000 * 1000, /* the oldest of the newborn runs so often, whatever comes */
    TRIM_NS = 1000 * 1000 * 1000,
    TRIM_BATCH = 1024,
    EXPIRE_BATCH = 64,
    STEAL_PASSES = 4,
};

/* ---- sleepers and seekers ---- */

static bool rings_have_work(void)
{
    unsigned count = atomic_load_explicit(&rt.p_count, memory_order_acquire);

    for (unsigned i = 0; i < count; i++) {
        if (runq_len(&rt.ps[i]->q) > 0)
            return true;
    }
    return atomic_load(&rt.global_len) > 0;
}

/* Takes a sleeper off the list; it counts as spinning from now on. Returns where it sleeps: read
 * under the lock, since a spare sleeps elsewhere in its next turn. */
static struct world_poller *pop_sleeper(void)
{
    struct world_poller *poller = NULL;

    spin_lock(&rt.idle_lock);
    if (!list_empty(&rt.idle_list)) {
        struct p *p = list_entry(list_pop_front(&rt.idle_list), struct p, idle_node);

        atomic_store(&p->idle, false);
        atomic_fetch_sub(&rt.idle_count, 1);
        poller = p->poller;
    }
    spin_unlock(&rt.idle_lock);
    return poller;
}

/* Wakes a sleeper to look for work, unless somebody looks already: one finds it and then wakes the
 * next, so that wake-ups grow with the work there is and not with the number of submissions. */
void sched_wake_one(void)
{
    do {
        unsigned none = 0;
        struct world_poller *poller;

        if (atomic_load(&rt.idle_count) == 0 || atomic_load(&rt.spinning) != 0 ||
            !atomic_compare_exchange_strong(&rt.spinning, &none, 1))
            return;
        poller = pop_sleeper();
        if (poller != NULL) {
            world_poller_wake(rt.world, poller);
            return;
        }
        /* The last sleeper woke by itself, so nobody looks on our behalf. Who submitted meanwhile
         * took us for a seeker and woke nobody: we owe it another look, as every seeker does. */
        atomic_fetch_sub(&rt.spinning, 1);
        fence_after_rmw();
    } while (rings_have_work());
}

void sched_wake_all(void)
{
    unsigned count = atomic_load_explicit(&rt.home_count, memory_order_acquire);

    for (unsigned i = 0; i < count; i++)
        world_poller_wake(rt.world, rt.homes[i]->poller);
}

/* Has found work, or gives up. The last one to stop makes sure that work published meanwhile, by
 * somebody who saw a seeker and so woke nobody, is not left alone. */
static void stop_seeking(struct m *m, bool found)
{
    if (!m->spinning)
        return;
    m->spinning = false;
    if (atomic_fetch_sub(&rt.spinning, 1) != 1 || !found)
        return;
    fence_after_rmw();
    if (rings_have_work())
        sched_wake_one();
}

/* Events and timers come in batches, and each of the batch wakes nobody. What is behind the first
 * of them is for others, too. */
static void share_surplus(struct p *p)
{
    if (!sched_crowded() || runq_len(&p->q) == 0)
        return;
    full_fence(); /* published, then look whether somebody sleeps */
    sched_wake_one();
}

/* The slot of a victim that keeps on working will be taken by its owner at once (a hand-off takes
 * some 50 ns): only a victim that stays on one coroutine for a few microseconds is robbed of it. */
static struct co *steal_next(struct p *victim)
{
    unsigned tick = sched_tick(victim);
    struct co *co = atomic_load_explicit(&victim->q.next, memory_order_relaxed);

    if (co == NULL)
        return NULL;
    for (int i = 0; i < 100; i++)
        spin_pause();
    if (sched_tick(victim) != tick ||
        atomic_load_explicit(&victim->q.next, memory_order_relaxed) != co)
        return NULL;
    return runq_steal_next(&victim->q);
}

static struct co *steal_from_all(struct p *p)
{
    unsigned count = atomic_load_explicit(&rt.p_count, memory_order_acquire);

    for (int pass = 0; pass < STEAL_PASSES; pass++) {
        unsigned start = (unsigned)rng_below(&p->place.rng, count);

        for (unsigned i = 0; i < count; i++) {
            struct p *victim = rt.ps[(start + i) % count];
            struct co *co;

            if (victim == p)
                continue;
            co = runq_steal(&p->q, &victim->q);
            if (co == NULL && pass == STEAL_PASSES - 1)
                co = steal_next(victim);
            if (co != NULL)
                return co;
        }
    }
    return NULL;
}

/* At most half of the busy processors look for work at a time. */
static bool may_seek(struct m *m)
{
    unsigned idle = atomic_load(&rt.idle_count);

    if (m->spinning)
        return true;
    if (2 * atomic_load(&rt.spinning) + idle >= atomic_load(&rt.active))
        return false;
    m->spinning = true;
    atomic_fetch_add(&rt.spinning, 1);
    return true;
}

static bool poll_once(struct m *m, int64_t timeout_ns);

static struct co *steal(struct m *m)
{
    struct p *p = m->p;
    struct co *co;

    if (!sched_crowded() || !may_seek(m) || !mandate_end_alone(p))
        return NULL;
    if (rings_have_work()) {
        poll_once(m, 0); /* own sockets come before the work of others */
        co = runq_get(&p->q);
        if (co != NULL)
            return co;
    }
    co = steal_from_all(p);
    if (co != NULL)
        stat_add(&p->steals, 1);
    return co;
}

/* ---- polling, timers, sleeping ---- */

/* Who sees that a watch was taken away sees this, too, until its coroutine counts as started. */
static void set_firing(struct p *p, bool firing)
{
    atomic_store_explicit(&p->firing, firing, memory_order_release);
}

/* No more than the ring holds: what overflows into the global queue is overtaken by all that comes
 * later. What is left waits its turn in the kernel. */
static int events_max(const struct p *p)
{
    return (int)MIN(MAX(runq_room(&p->q), (unsigned)EVENTS_MIN), (unsigned)POLL_EVENTS);
}

/* While there is other work: soon, but those that are there already come first. */
static bool busy_poll_due(const struct p *p)
{
    int64_t polled_ns = atomic_load_explicit(&p->home->polled_ns, memory_order_relaxed);
    int64_t age_ns = p->place.now_ns - polled_ns;

    return age_ns >= (runq_room(&p->q) >= RUNQ_SIZE / 2 ? BUSY_POLL_NS : FULL_POLL_NS);
}

/* One round of the seat's poller. Nobody else polls it meanwhile: sockets closed before a round
 * begins cannot be named by it (see poller_recycle()). False: somebody does, who is on his way out
 * of the seat or into it. */
static bool poll_once(struct m *m, int64_t timeout_ns)
{
    struct p *p = m->p;
    struct p *home = p->home;
    int n;

    if (!spin_trylock(&home->poll_lock))
        return false;
    poller_recycle(home);
    n = world_poll(rt.world, home->poller, m->events, events_max(p), timeout_ns);
    p->place.now_ns = world_now_ns(rt.world);
    atomic_store_explicit(&home->polled_ns, p->place.now_ns, memory_order_relaxed);
    stat_add(&p->polls, 1);
    set_firing(p, true);
    for (int i = 0; i < n; i++)
        poller_event(m, m->events[i].udata, m->events[i].events);
    set_firing(p, false);
    spin_unlock(&home->poll_lock);
    if (n > 0)
        stat_add(&p->events, (uint64_t)n);
    if (n == -EDEADLK)
        runtime_deadlocked();
    else
        ASSERT(n >= 0);
    return true;
}

/* What is due, but no more than the ring has room for: the rest is as well off in the wheel, for
 * the next round, as in the global queue, and is not touched twice. */
static void run_timers(struct m *m)
{
    struct expired expired[EXPIRE_BATCH];
    size_t max, n;

    do {
        max = MIN((size_t)events_max(m->p), (size_t)EXPIRE_BATCH);
        set_firing(m->p, true);
        n = wheel_expire(m->p->wheel, m->p->place.now_ns, expired, max);
        full_fence(); /* disarmed, then claimed: see poll_fd_watch() */
        for (size_t i = 0; i < n; i++) {
            if ((expired[i].ticket & TICKET_WATCH) != 0)
                poller_timeout(m, expired[i].timer, expired[i].ticket);
            else if ((expired[i].ticket & TICKET_ALARM) != 0)
                alarm_fire(m, expired[i].timer);
            else
                park_wake_last(m, expired[i].ticket, RESULT_TIMEOUT);
        }
        set_firing(m->p, false);
        stat_add(&m->p->fired, n);
    } while (n == max && runq_room(&m->p->q) >= EVENTS_MIN);
}

/* Reads the clock and runs what is due. */
static void begin_round(struct m *m)
{
    struct p *p = m->p;

    p->place.now_ns = world_now_ns(rt.world);
    if (unlikely(atomic_load_explicit(&p->slice_over, memory_order_relaxed)))
        atomic_store_explicit(&p->slice_over, false, memory_order_relaxed);
    if (wheel_next_ns(p->wheel) <= p->place.now_ns)
        run_timers(m);
}

static void idle_enter(struct p *p)
{
    spin_lock(&rt.idle_lock);
    atomic_store(&p->idle, true);
    list_push_front(&rt.idle_list, &p->idle_node);
    atomic_fetch_add(&rt.idle_count, 1);
    spin_unlock(&rt.idle_lock);
}

static void idle_leave(struct m *m)
{
    struct p *p = m->p;

    spin_lock(&rt.idle_lock);
    if (atomic_load(&p->idle)) {
        atomic_store(&p->idle, false);
        list_remove(&p->idle_node);
        atomic_fetch_sub(&rt.idle_count, 1);
    } else {
        m->spinning = true; /* sched_wake_one() counted us */
    }
    spin_unlock(&rt.idle_lock);
}

/* Free stacks of a burst go back a second or two after it; then there is nothing more to wake for.
 */
static int64_t trim_timeout(struct p *p)
{
    if (rt.simulated || !stack_trim_useful()) {
        p->trim_ns = 0;
        return NS_NEVER;
    }
    if (p->trim_ns == 0)
        p->trim_ns = p->place.now_ns + TRIM_NS;
    if (p->trim_ns <= p->place.now_ns)
        p->trim_ns = stack_trim(TRIM_BATCH) ? p->place.now_ns : p->place.now_ns + TRIM_NS;
    return MAX(p->trim_ns - p->place.now_ns, 0);
}

static void sleep_in_poller(struct m *m)
{
    struct p *p = m->p;
    int64_t next_ns = wheel_next_ns(p->wheel);
    int64_t timeout_ns = next_ns == NS_NEVER ? NS_NEVER : MAX(next_ns - p->place.now_ns, 0);

    timeout_ns = MIN(timeout_ns, trim_timeout(p));
    if (!poll_once(m, timeout_ns))
        sched_yield();
}

/* Nothing to run: sleeps until there may be. */
static void rest(struct m *m)
{
    struct p *p = m->p;
    bool sought = m->spinning;

    if (unlikely(poller_has_starved())) { /* all that could have made room may have ended before */
        set_firing(p, true);
        poller_retry_starved(m);
        set_firing(p, false);
        if (runq_len(&p->q) != 0 || !bag_empty())
            return;
    }
    idle_enter(p);
    stop_seeking(m, false);
    /* On the list, then look again; who submits work does the reverse. */
    full_fence();
    if (!mandate_end_alone(p))
        sched_yield();
    else if (!atomic_load(&rt.stop) && atomic_load(&rt.global_len) == 0 &&
             !(sought && rings_have_work()))
        sleep_in_poller(m);
    idle_leave(m);
}

/* ---- picking ---- */

bool sched_round_due(struct m *m)
{
    unsigned due = atomic_load_explicit(&m->p->round_tick, memory_order_relaxed);

    return (int)(sched_tick(m->p) - due) >= 0;
}

/* What is rare in sched_pick(): out of line and called last, so that the usual way through it needs
 * no frame. */
static NOINLINE struct co *pick_in_the_open(struct m *m)
{
    struct co *co = rt.simulated ? bag_pick(m->p) : runq_get(&m->p->q);

    return co != NULL ? co : &m->g0;
}

struct co *sched_pick(struct m *m)
{
    struct p *p = m->p;
    unsigned tick = sched_tick(p) + 1;
    struct co *co;

    atomic_store_explicit(&p->tick, tick, memory_order_relaxed);
    if (unlikely((int)(tick - atomic_load_explicit(&p->round_tick, memory_order_relaxed)) >= 0))
        return &m->g0;
    if (unlikely(rt.simulated) || !lone_enter(&p->q.lone))
        return pick_in_the_open(m);
    co = runq_get_(&p->q, true);
    lone_leave(&p->q.lone);
    return likely(co != NULL) ? co : &m->g0;
}

/* Out of line, so that the other way needs no frame. */
static NOINLINE struct co *run_and_pick(struct m *m, struct co *co)
{
    park_run(co);
    return sched_pick(m);
}

struct co *sched_pick_after(struct m *m, struct co *co)
{
    struct p *p = m->p;

    if (likely(!rt.simulated && !sched_round_due(m) && !ready_sampled(p) &&
               !profile_on(WEIR_PROFILE_MUTEX) && runq_hand_over(&p->q))) {
        stat_add(&p->unparks, 1);
        atomic_store_explicit(&p->tick, sched_tick(p) + 1, memory_order_relaxed);
        return co;
    }
    return run_and_pick(m, co);
}

/* Every so many picks: others must not starve behind a busy local queue. */
static struct co *look_around(struct m *m)
{
    struct p *p = m->p;
    struct co *co;

    atomic_store_explicit(&p->round_tick, sched_tick(p) + GLOBAL_EVERY, memory_order_relaxed);
    mandate_settle(p);
    co = ready_take_global(p, 1);
    if (co == NULL) {
        bool oldest = p->place.now_ns - p->oldest_ns >= OLDEST_NS;

        if (oldest)
            p->oldest_ns = p->place.now_ns;
        co = runq_get_long(&p->q, sched_tick(p), oldest);
    }
    if (rt.simulated ? co == NULL : busy_poll_due(p))
        poll_once(m, 0); /* even with work in the global queue: it may never be empty */
    return co;
}

/* Serves sockets and timers of a seat that is not among the working ones; what becomes runnable is
 * for others. */
static void attend(struct m *m)
{
    ready_surrender(m->p);
    stop_seeking(m, true);
    sched_set_stage(m->p, STAGE_AWAY);
    sleep_in_poller(m);
    sched_set_stage(m->p, STAGE_LOOP);
}

/* Whether this processor may go on to look for something to run. Sets *ret_over when it shall leave
 * its loop. */
static bool may_run(struct m *m, bool *ret_over)
{
    if (unlikely(atomic_load_explicit(&rt.stop, memory_order_relaxed))) {
        *ret_over = true;
        return false;
    }
    if (likely(mandate_may_run(m->p)))
        return true;
    switch (mandate_duty(m)) {
    case DUTY_RUN:
        return true;
    case DUTY_ATTEND:
        attend(m);
        break;
    case DUTY_LEAVE:
        ready_surrender(m->p);
        stop_seeking(m, true);
        *ret_over = true;
        break;
    }
    return false;
}

/* NULL: the runtime stops, or a spare's turn is over. */
static struct co *find_runnable(struct m *m)
{
    struct p *p = m->p;
    bool over = false;

    while (!over) {
        struct co *co = NULL;

        begin_round(m);
        if (!may_run(m, &over))
            continue;
        if (sched_round_due(m))
            co = look_around(m);
        if (co == NULL)
            co = rt.simulated ? bag_draw(p) : runq_get(&p->q);
        if (co == NULL)
            co = ready_take_global(p, RUNQ_SIZE);
        if (co == NULL)
            co = steal(m);
        if (co != NULL) {
            stop_seeking(m, true);
            share_surplus(p);
            /* We are not on the idle list: the monitor has seen that, or we see that it sleeps. */
            if (unlikely(atomic_load_explicit(&rt.monitor_sleeps, memory_order_relaxed)) &&
                atomic_exchange(&rt.monitor_sleeps, false))
                monitor_wake(false);
            return co;
        }
        rest(m);
    }
    return NULL;
}

void sched_loop(struct m *m)
{
    struct co *co;

    sched_set_stage(m->p, STAGE_LOOP);
    while ((co = find_runnable(m)) != NULL) {
        sched_set_stage(m->p, STAGE_RUN);
        switch_away(m, &m->g0, co, AFTER_NOTHING, NULL);
        sched_set_stage(m->p, STAGE_LOOP);
    }
}
