/* Which coroutine runs next: local queue, global queue, poller, timers, the queues of others,
 * sleep. The order and the throttling of wake-ups follow Go's findRunnable (runtime/proc.go); what
 * differs is that an idle processor sleeps in its own poller, so that there is nothing else to
 * wake. */
#include "runtime/sched.h"

enum {
    LOOKOUT_NS = 10 * 1000 * 1000, /* how long a working processor may leave its poller alone */
    BUSY_POLL_NS = 500 * 1000,     /* least time between polls while there is other work */
    TRIM_NS = 1000 * 1000 * 1000,
    TRIM_BATCH = 1024,
    EXPIRE_BATCH = 64,
    STEAL_PASSES = 4,
};

static unsigned tick_of(const struct p *p)
{
    return atomic_load_explicit(&p->tick, memory_order_relaxed);
}

/* ---- sleepers and seekers ---- */

static bool rings_have_work(void)
{
    for (unsigned i = 0; i < rt.p_count; i++) {
        if (runq_len(&rt.ps[i]->q) > 0)
            return true;
    }
    return atomic_load(&rt.global_len) > 0;
}

/* Takes a sleeper off the list; it counts as spinning from now on. */
static struct p *pop_sleeper(void)
{
    struct p *p = NULL;

    spin_lock(&rt.idle_lock);
    if (!list_empty(&rt.idle_list)) {
        p = list_entry(list_pop_front(&rt.idle_list), struct p, idle_node);
        atomic_store(&p->idle, false);
        atomic_fetch_sub(&rt.idle_count, 1);
    }
    spin_unlock(&rt.idle_lock);
    return p;
}

/* Wakes a sleeper to look for work, unless somebody looks already: one finds it and then wakes the
 * next, so that wake-ups grow with the work there is and not with the number of submissions. */
void sched_wake_one(void)
{
    do {
        unsigned none = 0;
        struct p *p;

        if (atomic_load(&rt.idle_count) == 0 || atomic_load(&rt.spinning) != 0 ||
            !atomic_compare_exchange_strong(&rt.spinning, &none, 1))
            return;
        p = pop_sleeper();
        if (p != NULL) {
            world_poller_wake(rt.world, p->poller);
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
    for (unsigned i = 0; i < rt.p_count; i++)
        world_poller_wake(rt.world, rt.ps[i]->poller);
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
    unsigned tick = tick_of(victim);
    struct co *co = atomic_load_explicit(&victim->q.next, memory_order_relaxed);

    if (co == NULL)
        return NULL;
    for (int i = 0; i < 100; i++)
        spin_pause();
    if (tick_of(victim) != tick ||
        atomic_load_explicit(&victim->q.next, memory_order_relaxed) != co)
        return NULL;
    return runq_steal_next(&victim->q);
}

static struct co *steal_from_all(struct p *p)
{
    for (int pass = 0; pass < STEAL_PASSES; pass++) {
        unsigned start = (unsigned)rng_below(&p->place.rng, rt.p_count);

        for (unsigned i = 0; i < rt.p_count; i++) {
            struct p *victim = rt.ps[(start + i) % rt.p_count];
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
    unsigned busy = rt.p_count - atomic_load(&rt.idle_count);

    if (m->spinning)
        return true;
    if (2 * atomic_load(&rt.spinning) >= busy)
        return false;
    m->spinning = true;
    atomic_fetch_add(&rt.spinning, 1);
    return true;
}

static void poll_once(struct m *m, struct p *target, int64_t timeout_ns);
static void run_timers(struct m *m, struct wheel *w);

static struct co *steal(struct m *m)
{
    struct p *p = m->p;
    struct co *co;

    if (!sched_crowded() || !may_seek(m))
        return NULL;
    if (rings_have_work()) {
        poll_once(m, p, 0); /* own sockets come before the work of others */
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

/* One round of target's poller, by its own thread or by one that helps out. Nobody else polls it
 * meanwhile: sockets closed before a round begins cannot be named by it (see poller_recycle()). */
static void poll_once(struct m *m, struct p *target, int64_t timeout_ns)
{
    struct p *p = m->p;
    int n;

    if (!spin_trylock(&target->poll_lock))
        return;
    poller_recycle(target);
    n = world_poll(rt.world, target->poller, m->events, POLL_EVENTS, timeout_ns);
    p->place.now_ns = world_now_ns(rt.world);
    atomic_store_explicit(&target->polled_ns, p->place.now_ns, memory_order_relaxed);
    stat_add(&p->polls, 1);
    set_firing(p, true);
    for (int i = 0; i < n; i++)
        poller_event(m, m->events[i].udata, m->events[i].events);
    set_firing(p, false);
    spin_unlock(&target->poll_lock);
    if (n > 0)
        stat_add(&p->events, (uint64_t)n);
    if (n == -EDEADLK)
        runtime_deadlocked();
    else
        ASSERT(n >= 0);
}

static void run_timers(struct m *m, struct wheel *w)
{
    struct expired expired[EXPIRE_BATCH];
    size_t n;

    do {
        set_firing(m->p, true);
        n = wheel_expire(w, m->p->place.now_ns, expired, EXPIRE_BATCH);
        full_fence(); /* disarmed, then claimed: see poll_fd_watch() */
        for (size_t i = 0; i < n; i++) {
            if ((expired[i].ticket & TICKET_WATCH) != 0)
                poller_timeout(m, expired[i].timer, expired[i].ticket);
            else
                park_wake_last(m, expired[i].ticket, RESULT_TIMEOUT);
        }
        set_firing(m->p, false);
        stat_add(&m->p->fired, n);
    } while (n == EXPIRE_BATCH);
}

/* Reads the clock and runs what is due. */
static void begin_round(struct m *m)
{
    struct p *p = m->p;

    p->place.now_ns = world_now_ns(rt.world);
    if (wheel_next_ns(&p->wheel) <= p->place.now_ns)
        run_timers(m, &p->wheel);
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

/* The sleeper on the lookout looks after processors that work and have not polled for a while: one
 * long computation does not hold up the sockets and timers of its processor. */
static void look_out(struct m *m)
{
    for (unsigned i = 0; i < rt.p_count; i++) {
        struct p *other = rt.ps[i];
        int64_t polled = atomic_load_explicit(&other->polled_ns, memory_order_relaxed);

        if (other == m->p || atomic_load(&other->idle) || m->p->place.now_ns - polled < LOOKOUT_NS)
            continue;
        poll_once(m, other, 0);
        if (wheel_next_ns(&other->wheel) <= m->p->place.now_ns)
            run_timers(m, &other->wheel);
    }
}

static void sleep_in_poller(struct m *m)
{
    struct p *p = m->p;
    int64_t next_ns = wheel_next_ns(&p->wheel);
    int64_t timeout_ns = next_ns == NS_NEVER ? NS_NEVER : MAX(next_ns - p->place.now_ns, 0);
    bool lookout = sched_crowded() && atomic_load(&rt.idle_count) < rt.p_count &&
                   !atomic_exchange(&rt.lookout, true);

    if (lookout)
        timeout_ns = MIN(timeout_ns, (int64_t)LOOKOUT_NS);
    timeout_ns = MIN(timeout_ns, trim_timeout(p));
    poll_once(m, p, timeout_ns);
    if (lookout) {
        atomic_store(&rt.lookout, false);
        look_out(m);
    }
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
        if (runq_len(&p->q) != 0 || p->bag_len != 0)
            return;
    }
    idle_enter(p);
    stop_seeking(m, false);
    /* On the list, then look again; who submits work does the reverse. */
    full_fence();
    if (!atomic_load(&rt.stop) && atomic_load(&rt.global_len) == 0 &&
        !(sought && rings_have_work()))
        sleep_in_poller(m);
    idle_leave(m);
}

/* ---- picking ---- */

bool sched_round_due(struct m *m)
{
    return tick_of(m->p) == m->p->round_tick;
}

struct co *sched_pick(struct m *m)
{
    struct p *p = m->p;
    unsigned tick = tick_of(p) + 1;
    struct co *co;

    atomic_store_explicit(&p->tick, tick, memory_order_relaxed);
    if (unlikely(tick == p->round_tick))
        return &m->g0;
    co = unlikely(rt.simulated) ? ready_draw(p) : runq_get(&p->q);
    return likely(co != NULL) ? co : &m->g0;
}

/* Every so many picks: others must not starve behind a busy local queue. */
static struct co *look_around(struct m *m)
{
    struct p *p = m->p;
    int64_t polled_ns = atomic_load_explicit(&p->polled_ns, memory_order_relaxed);
    struct co *co;

    p->round_tick = tick_of(p) + GLOBAL_EVERY;
    co = ready_take_global(p, 1);
    if (rt.simulated ? co == NULL : p->place.now_ns - polled_ns >= BUSY_POLL_NS)
        poll_once(m, p, 0); /* even with work in the global queue: it may never be empty */
    return co;
}

/* NULL: the runtime stops. */
static struct co *find_runnable(struct m *m)
{
    struct p *p = m->p;

    for (;;) {
        struct co *co = NULL;

        begin_round(m);
        if (atomic_load_explicit(&rt.stop, memory_order_relaxed))
            return NULL;
        if (sched_round_due(m))
            co = look_around(m);
        if (co == NULL)
            co = rt.simulated ? ready_draw(p) : runq_get(&p->q);
        if (co == NULL)
            co = ready_take_global(p, RUNQ_SIZE);
        if (co == NULL)
            co = steal(m);
        if (co != NULL) {
            stop_seeking(m, true);
            share_surplus(p);
            return co;
        }
        rest(m);
    }
}

void sched_loop(struct m *m)
{
    struct co *co;

    while ((co = find_runnable(m)) != NULL)
        switch_away(m, &m->g0, co, AFTER_NOTHING, NULL);
}
