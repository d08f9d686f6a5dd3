/* The monitor: a thread that runs no coroutines and watches those that do. It asks who has run for
 * long to yield, gives the mandate of a stuck processor to a spare, has hogs reported, gives work
 * that was left alone another push, and follows the number of processors asked for. While all are
 * idle it sleeps without a time limit. As Go's sysmon (runtime/proc.go); README.md says what
 * differs. */
#include "runtime/diagnose.h"
#include "runtime/sched.h"

enum {
    LOOKS_IDLE = 2,    /* before it goes to sleep */
    LOOKS_BLOCKS = 40, /* short ones after a block was announced */
};

static const int64_t period_ns = 5 * NS_PER_MS;
static const int64_t period_blocks_ns = 250 * NS_PER_US;
static const int64_t slice_ns = 5 * NS_PER_MS;  /* at the least: up to a period more */
static const int64_t stuck_ns = 10 * NS_PER_MS; /* likewise */
static const int64_t block_ns = NS_PER_MS;      /* announced, and nothing is known to be waiting */
static const int64_t block_busy_ns = 20 * NS_PER_US;
static const int64_t unpolled_ns = 10 * NS_PER_MS;
static const int64_t recount_ns = 2 * NS_PER_SEC;

unsigned weir_checkpoint_wanted;

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken, look_now, stop; /* under the lock */

    /* Its own. */
    int idle_looks, block_looks;
    int64_t recount_ns;
    bool slice_over; /* somebody was asked to yield, at this look */

    /* For statistics. */
    _Atomic(uint64_t) handoffs, substitutions, hogs, wake_ups;
} monitor;

static enum stage stage_of(const struct p *p)
{
    return (enum stage)atomic_load_explicit(&p->stage, memory_order_acquire);
}

/* ---- what a processor does ---- */

static void ask_to_yield(struct p *p)
{
    struct co *co = atomic_load_explicit(&p->m->running, memory_order_relaxed);

    atomic_store_explicit(&p->slice_over, true, memory_order_relaxed);
    monitor.slice_over = true;
    monitor_want_checkpoints();
    sched_prod(p);
    /* If it has left meanwhile, it or another one yields a little early; and should the store be
     * lost against that of the coroutine, there will be another one. */
    if (co != NULL && co != &p->m->g0)
        atomic_store_explicit(&co->budget, 1, memory_order_relaxed);
}

/* It would run, and the machine does not let it: not its doing. */
static bool starved(const struct p *p, int64_t now_ns)
{
    const struct watch *w = &p->watch;
    int64_t ran_ns = hog_ran_ns(p);

    return ran_ns != 0 && hog_runs(p) && ran_ns - w->ran_ns < (now_ns - w->stuck_ns) / 4;
}

static void look_at(struct p *p, int64_t now_ns)
{
    struct watch *w = &p->watch;
    unsigned tick = sched_tick(p);
    int64_t age_ns;

    if (stage_of(p) != STAGE_RUN || tick != w->tick || w->since_ns == 0 ||
        atomic_load_explicit(&p->in_block, memory_order_relaxed)) {
        w->tick = tick;
        w->since_ns = now_ns;
        w->report_ns = rt.hog_ns;
        w->hog = false;
        return;
    }
    age_ns = now_ns - w->since_ns;
    if (age_ns >= slice_ns)
        ask_to_yield(p);
    if (age_ns >= stuck_ns && !w->hog) {
        w->hog = true;
        w->ran_ns = hog_ran_ns(p);
        w->stuck_ns = now_ns;
        stat_add(&monitor.hogs, 1);
    }
    if (rt.hog_ns > 0 && age_ns >= w->report_ns && !starved(p, now_ns)) {
        w->report_ns = age_ns * 10;
        hog_report(p, age_ns);
    }
}

/* ---- seats ---- */

/* In the ring of one that was replaced and has not come back: should all be stuck, no thief comes
 * by. */
static bool work_left_behind(void)
{
    unsigned count = atomic_load(&rt.p_count);

    for (unsigned i = 0; i < count; i++) {
        struct p *p = rt.ps[i];

        if (!runq_empty(&p->q) && !mandate_held_by(&p->home->mandate, p->place.processor))
            return true;
    }
    return false;
}

static bool work_waits(struct p *home, struct p *holder, int64_t now_ns)
{
    return !runq_empty(&holder->q) || !runq_empty(&home->q) ||
           atomic_load_explicit(&rt.global_len, memory_order_relaxed) > 0 ||
           wheel_next_ns(home->wheel) <= now_ns || work_left_behind();
}

static bool work_may_come(struct p *home)
{
    return atomic_load_explicit(&home->has_sockets, memory_order_relaxed) ||
           wheel_next_ns(home->wheel) != NS_NEVER;
}

/* In an announced block: given on as soon as somebody waits, or in a while in any case. */
static void look_at_block(struct p *home, struct p *holder, uint64_t word, int64_t now_ns)
{
    struct watch *w = &home->watch;
    int64_t age_ns;
    bool replace;

    if (word != w->word) {
        w->word = word;
        w->blocked_ns = now_ns;
    }
    age_ns = now_ns - w->blocked_ns;
    replace = age_ns >= block_busy_ns && work_waits(home, holder, now_ns);
    replace |= age_ns >= block_ns && work_may_come(home);
    if (replace && mandate_replace(home, word))
        stat_add(&monitor.handoffs, 1);
}

static void look_at_seat(struct p *home, int64_t now_ns)
{
    uint64_t word = mandate_look(&home->mandate);
    struct p *holder = rt.ps[mandate_holder(word)];

    if ((word & MANDATE_BLOCKED) != 0) {
        look_at_block(home, holder, word, now_ns);
    } else if (holder->watch.hog) {
        bool replace = work_waits(home, holder, now_ns) || work_may_come(home);

        if (replace && mandate_replace(home, word))
            stat_add(&monitor.substitutions, 1);
    } else if (stage_of(holder) == STAGE_RUN) {
        int64_t polled_ns = atomic_load_explicit(&home->polled_ns, memory_order_relaxed);

        if (now_ns - polled_ns >= unpolled_ns)
            sched_prod(holder);
    } else if (wheel_next_ns(home->wheel) < now_ns - NS_PER_MS) {
        world_poller_wake(rt.world,
                          home->poller); /* armed by a stuck one, after it went to sleep */
    }
}

/* ---- all of them ---- */

/* The affinity is that of the thread that called weir_main(): a later change of it is followed. */
static unsigned count_cpus(void)
{
    return cpus_count(atomic_load(&rt.ms[0]->tid));
}

/* The number of processors asked for may have changed, or what the machine grants. */
static void follow_wishes(int64_t now_ns)
{
    unsigned wanted;

    if (!atomic_load(&rt.workers_fixed) && now_ns >= monitor.recount_ns) {
        atomic_store(&rt.workers_wanted, count_cpus());
        monitor.recount_ns = now_ns + recount_ns;
    }
    wanted = atomic_load(&rt.workers_wanted);
    if (wanted != sched_workers())
        mandate_resize(wanted);
}

/* Anything to run while somebody sleeps: there are gaps by which it may be left alone (README). */
static void offer_work(void)
{
    unsigned count = atomic_load(&rt.p_count);
    bool any = atomic_load(&rt.global_len) > 0;

    if (atomic_load(&rt.idle_count) == 0)
        return;
    for (unsigned i = 0; i < count && !any; i++)
        any = !runq_empty(&rt.ps[i]->q);
    if (any)
        sched_wake_one();
}

static void look(int64_t now_ns)
{
    unsigned homes, count;

    follow_wishes(now_ns);
    count = atomic_load(&rt.p_count);
    homes = atomic_load(&rt.home_count);
    monitor.slice_over = false;
    for (unsigned i = 0; i < count; i++)
        look_at(rt.ps[i], now_ns);
    for (unsigned i = 0; i < homes; i++)
        look_at_seat(rt.homes[i], now_ns);
    offer_work();
    if (!monitor.slice_over && __atomic_load_n(&weir_checkpoint_wanted, __ATOMIC_RELAXED) != 0)
        __atomic_store_n(&weir_checkpoint_wanted, 0, __ATOMIC_RELAXED);
}

/* ---- sleeping ---- */

static bool all_idle(void)
{
    unsigned count = atomic_load(&rt.p_count);

    for (unsigned i = 0; i < count; i++) {
        if (stage_of(rt.ps[i]) != STAGE_AWAY && !atomic_load(&rt.ps[i]->idle))
            return false;
    }
    return true;
}

/* True: whoever is no longer idle from now on wakes the monitor. */
static bool arrange_wake(void)
{
    bool idle;

    spin_lock(&rt.idle_lock);
    idle = all_idle();
    atomic_store(&rt.monitor_sleeps, idle);
    spin_unlock(&rt.idle_lock);
    return idle;
}

/* How long to sleep until the next look. */
static int64_t choose_sleep(void)
{
    if (atomic_exchange_explicit(&rt.blocks, false, memory_order_relaxed))
        monitor.block_looks = LOOKS_BLOCKS;
    monitor.idle_looks = all_idle() ? monitor.idle_looks + 1 : 0;
    if (monitor.idle_looks >= LOOKS_IDLE && arrange_wake()) {
        monitor.idle_looks = 0;
        return deadlock_check();
    }
    if (monitor.block_looks > 0) {
        monitor.block_looks--;
        return period_blocks_ns;
    }
    return period_ns;
}

/* Under the lock. False: woken before the time was over. */
static bool wait_until(int64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
                             .tv_nsec = (long)(until_ns % NS_PER_SEC)};
    int error = 0;

    while (!monitor.woken && !monitor.stop && error == 0)
        error = until_ns == NS_NEVER ? pthread_cond_wait(&monitor.wake, &monitor.lock)
                                     : pthread_cond_timedwait(&monitor.wake, &monitor.lock, &until);
    return error != 0;
}

static int64_t after(int64_t ns)
{
    int64_t at_ns;

    return __builtin_add_overflow(world_now_ns(rt.world), MAX(ns, 0), &at_ns) ? NS_NEVER : at_ns;
}

/* False: the runtime stops. */
static bool sleep_for(int64_t ns)
{
    bool stop;

    pthread_mutex_lock(&monitor.lock);
    if (!wait_until(after(ns)) && !monitor.look_now) {
        monitor.woken = false;
        wait_until(after(period_ns));
    }
    monitor.woken = monitor.look_now = false;
    stop = monitor.stop;
    pthread_mutex_unlock(&monitor.lock);
    return !stop;
}

static void *watch_over(void *arg)
{
    do {
        int64_t now_ns = world_now_ns(rt.world);

        stat_add(&monitor.wake_ups, 1);
        look(now_ns);
        trace_tick(now_ns);
    } while (sleep_for(MIN(choose_sleep(), trace_wait_ns())));
    return NULL;
}

/* ---- for the others ---- */

void monitor_wake(bool now)
{
    pthread_mutex_lock(&monitor.lock);
    monitor.woken = true;
    monitor.look_now |= now;
    pthread_cond_signal(&monitor.wake);
    pthread_mutex_unlock(&monitor.lock);
}

int monitor_start(void)
{
    pthread_condattr_t attr;
    int error;

    memset(&monitor, 0, sizeof(monitor));
    pthread_mutex_init(&monitor.lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the clock of the real world */
    pthread_cond_init(&monitor.wake, &attr);
    pthread_condattr_destroy(&attr);
    monitor.recount_ns = world_now_ns(rt.world) + recount_ns;
    error = pthread_create(&monitor.thread, NULL, watch_over, NULL);
    return -error;
}

void monitor_stop(void)
{
    pthread_mutex_lock(&monitor.lock);
    monitor.stop = true;
    pthread_cond_signal(&monitor.wake);
    pthread_mutex_unlock(&monitor.lock);
    pthread_join(monitor.thread, NULL);
    pthread_cond_destroy(&monitor.wake);
    pthread_mutex_destroy(&monitor.lock);
    hog_stop();
}

void monitor_get_stats(struct monitor_stats *ret)
{
    *ret = (struct monitor_stats){.handoffs = atomic_load(&monitor.handoffs),
                                  .substitutions = atomic_load(&monitor.substitutions),
                                  .hogs = atomic_load(&monitor.hogs),
                                  .wake_ups = atomic_load(&monitor.wake_ups)};
}

/* ---- what programs call ---- */

bool weir_checkpoint_slow(void)
{
    struct co *co = co_self();

    if (co == NULL)
        return false;
    if (rt.simulated)
        co_spend(co);
    else if (atomic_load_explicit(&co->m->p->slice_over, memory_order_relaxed) ||
             brood_len(&co->m->p->q.brood) >= BROOD_MANY)
        park_yield(co);
    return co_cancelled(co) || co->deadline_ns <= world_now_ns(rt.world);
}

int weir_set_workers(unsigned n)
{
    if (rt.world == NULL)
        return -ESRCH;
    if (rt.simulated)
        return -ENOTSUP;
    atomic_store(&rt.workers_fixed, n != 0);
    atomic_store(&rt.workers_wanted, n != 0 ? MIN(n, (unsigned)WORKERS_MAX) : count_cpus());
    monitor_wake(true);
    return 0;
}

unsigned weir_workers(void)
{
    if (rt.world == NULL || rt.simulated)
        return rt.simulated ? 1 : 0;
    return atomic_load(&rt.workers_wanted);
}
