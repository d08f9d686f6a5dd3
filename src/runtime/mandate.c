/* Seats and who holds them: spares that stand in for stuck processors and leave again, homes that
 * take their seat back, seats that are opened and closed while running; and which queues nobody but
 * their owners looks at (mandate.h). */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/sched.h"

static const int64_t spare_keep_ns = 5 * NS_PER_SEC;

/* Looks at which nobody was without work before a queue is alone, while there are others: some
 * 8,000 picks, since a heavy fence takes as long as a thousand exchanges. */
enum { QUIET_LOOKS = 128 };

/* Some microseconds for owners to see by themselves that they are not alone any more. */
enum { SEE_PAUSES = 100 };

/* Under the lock: spares without a turn, those whose thread waits first. */
static struct {
    pthread_mutex_t lock; /* never held by a coroutine */
    struct p *waiting;    /* a stack: the last one is the warmest */
    struct p *dormant;    /* whose thread has ended, or was never started */
    unsigned count;       /* spares that exist */
    atomic_uint threads;  /* of all processors */
    bool stop;
} spares = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the heavy fence ---- */

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

bool mandate_fence_open(void)
{
#if defined(WEIR_TSAN)
    return false; /* the sanitizer would see races where this fence orders */
#else
    long known = membarrier(MEMBARRIER_CMD_QUERY);

    return known > 0 && (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
           membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
#endif
}

void mandate_heavy_fence(void)
{
    long r = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);

    ASSERT(r == 0); /* mandate_fence_open() tried */
}

/* ---- who is alone ---- */

static bool anybody_looks(void)
{
    return atomic_load(&rt.idle_count) != 0 || atomic_load(&rt.spinning) != 0;
}

/* Under the lock. All owners but p. */
static bool wait_until_seen(const struct p *p, unsigned count)
{
    unsigned i = 0;

    for (int pauses = 0; pauses < SEE_PAUSES; pauses++) {
        while (i < count && (rt.homes[i] == p || lone_is_seen(&rt.homes[i]->q.lone)))
            i++;
        if (i == count)
            return true;
        spin_pause();
    }
    return false;
}

/* The own queue may stay as it is. */
static bool end_alone(const struct p *p)
{
    unsigned count = atomic_load(&rt.home_count);
    bool revoked = false, over = true;

    pthread_mutex_lock(&rt.alone_lock);
    for (unsigned i = 0; i < count; i++)
        revoked |= rt.homes[i] != p && lone_revoke(&rt.homes[i]->q.lone);
    if (revoked && !wait_until_seen(p, count))
        mandate_heavy_fence();
    for (unsigned i = 0; i < count; i++)
        over &= rt.homes[i] == p || lone_is_over(&rt.homes[i]->q.lone, &rt.alone);
    pthread_mutex_unlock(&rt.alone_lock);
    return over;
}

bool mandate_end_alone(const struct p *p)
{
    unsigned alone = atomic_load(&rt.alone); /* before the other: that only others can end */

    return likely(alone == 0) ||
           (alone == 1 && atomic_load_explicit(&p->q.lone.alone, memory_order_acquire)) ||
           end_alone(p);
}

void mandate_settle(struct p *p)
{
    if (likely(atomic_load_explicit(&p->q.lone.alone, memory_order_relaxed) || !rt.can_be_alone ||
               p->home != p))
        return;
    p->quiet = anybody_looks() ? 0 : p->quiet + 1;
    if (p->quiet < QUIET_LOOKS && sched_crowded())
        return;
    p->quiet = 0;
    pthread_mutex_lock(&rt.alone_lock);
    lone_begin(&p->q.lone, &rt.alone, anybody_looks);
    pthread_mutex_unlock(&rt.alone_lock);
}

/* ---- who is active ---- */

static void join_active(struct p *p)
{
    if (!atomic_exchange(&p->active, true))
        atomic_fetch_add(&rt.active, 1);
}

static void leave_active(struct p *p)
{
    if (atomic_exchange(&p->active, false))
        atomic_fetch_sub(&rt.active, 1);
}

/* ---- looks of a processor at its own seat ---- */

/* The home is back: whoever stood in for it finds out, asleep in our poller or at its next pick. */
static void reclaim(struct p *home)
{
    unsigned other = mandate_reclaim(&home->mandate, home->place.processor);

    if (other == home->place.processor)
        return;
    sched_prod(rt.ps[other]);
    world_poller_wake(rt.world, home->poller);
}

enum duty mandate_duty(struct m *m)
{
    struct p *p = m->p;

    if (p->home == p)
        reclaim(p);
    else if (!mandate_held_by(&p->home->mandate, p->place.processor))
        return DUTY_LEAVE;
    if (p->home->seat >= sched_workers()) {
        leave_active(p);
        return DUTY_ATTEND;
    }
    join_active(p);
    return DUTY_RUN;
}

/* ---- announced blocks ---- */

void weir_block_enter(void)
{
    struct co *co = co_self();
    struct p *p = co != NULL ? co->m->p : NULL;

    if (p == NULL || rt.simulated)
        return;
    atomic_store_explicit(&p->in_block, true, memory_order_relaxed);
    mandate_block(&p->home->mandate, p->place.processor);
    if (!atomic_load_explicit(&rt.blocks, memory_order_relaxed))
        atomic_store_explicit(&rt.blocks, true, memory_order_relaxed);
}

void weir_block_exit(void)
{
    struct co *co = co_self();
    struct m *m = co != NULL ? co->m : NULL;
    struct p *p = m != NULL ? m->p : NULL;

    if (p == NULL || rt.simulated)
        return;
    atomic_store_explicit(&p->in_block, false, memory_order_relaxed);
    if (mandate_unblock(&p->home->mandate, p->place.processor))
        return;
    if (p->home == p)
        reclaim(p);
    else
        switch_away(m, co, &m->g0, AFTER_YIELD, NULL);
}

/* ---- threads ---- */

static void begin_thread(struct m *m)
{
    atomic_store(&m->tid, (int)syscall(SYS_gettid));
    m_set_this_thread(m);
    switch_bounds(m);
    sanitize_thread(&m->g0);
}

/* The caller's thread becomes the first one's. */
void mandate_run_first(void)
{
    begin_thread(rt.ms[0]);
    sched_loop(rt.ms[0]);
}

static void *run_home(void *arg)
{
    struct m *m = arg;

    begin_thread(m);
    sched_loop(m);
    m_set_this_thread(NULL);
    return NULL;
}

static void unlink_spare(struct p **list, struct p *p)
{
    while (*list != p && *list != NULL)
        list = &(*list)->next_spare;
    if (*list != NULL)
        *list = p->next_spare;
}

static void link_spare(struct p **list, struct p *p)
{
    p->next_spare = *list;
    *list = p;
}

static struct timespec until_spare_ends(void)
{
    int64_t until_ns = world_now_ns(rt.world) + spare_keep_ns;

    return (struct timespec){.tv_sec = (time_t)(until_ns / NS_PER_SEC),
                             .tv_nsec = (long)(until_ns % NS_PER_SEC)};
}

/* Waits for a turn. False: the thread shall end, and is no longer among those that wait. */
static bool wait_for_turn(struct m *m)
{
    struct timespec until;
    int error = ETIMEDOUT;
    bool turn;

    pthread_mutex_lock(&spares.lock);
    for (bool first = true; !m->has_turn && !spares.stop; first = false) {
        if (error != 0 && !first && !m->taken)
            break;
        if (error != 0)
            until = until_spare_ends();
        error = pthread_cond_timedwait(&m->turn, &spares.lock, &until);
    }
    turn = m->has_turn;
    m->has_turn = m->taken = false;
    if (!turn) {
        unlink_spare(&spares.waiting, m->p);
        link_spare(&spares.dormant, m->p);
        m->ended = true;
    }
    pthread_mutex_unlock(&spares.lock);
    return turn;
}

/* Free stacks are of no use to others here. */
static void flush_stacks(struct stack_cache *cache)
{
    while (cache->count > 0) {
        struct co *co = cache->slots[--cache->count];

        stack_put_slow(cache, co);
    }
}

static void *run_spare(void *arg)
{
    struct m *m = arg;
    struct p *p = m->p;

    begin_thread(m);
    while (wait_for_turn(m)) {
        sched_loop(m);
        flush_stacks(&p->stacks);
        leave_active(p);
        sched_set_stage(p, STAGE_AWAY);
        pthread_mutex_lock(&spares.lock);
        link_spare(&spares.waiting, p);
        pthread_mutex_unlock(&spares.lock);
    }
    m_set_this_thread(NULL);
    return NULL;
}

static int start_thread(struct m *m, void *(*fn)(void *arg))
{
    int error;

    if (m->has_thread) { /* its last one has ended */
        pthread_join(m->thread, NULL);
        m->has_thread = false;
        atomic_fetch_sub(&spares.threads, 1);
    }
    m->ended = false;
    error = pthread_create(&m->thread, NULL, fn, m);
    m->has_thread = error == 0;
    if (error == 0)
        atomic_fetch_add(&spares.threads, 1);
    return -error;
}

unsigned mandate_threads(void)
{
    return 1 + atomic_load(&spares.threads);
}

/* ---- seats ---- */

int mandate_open_seats(unsigned count)
{
    while (atomic_load(&rt.home_count) < count) {
        unsigned seat = atomic_load(&rt.home_count);
        struct p *p;
        int r = processor_new(NULL, &p);

        if (r < 0)
            return r;
        p->seat = seat;
        mandate_init(&p->mandate, p->place.processor);
        rt.homes[seat] = p;
        atomic_store_explicit(&rt.home_count, seat + 1, memory_order_release);
    }
    return 0;
}

int mandate_start_threads(void)
{
    unsigned count = atomic_load(&rt.home_count);
    int r = 0;

    for (unsigned i = 1; r == 0 && i < count; i++) {
        struct m *m = rt.homes[i]->m;

        if (!m->has_thread)
            r = start_thread(m, run_home);
    }
    return r;
}

/* The monitor. Seats that cannot be opened are missed by nobody: the others do their work. */
void mandate_resize(unsigned count)
{
    if (mandate_open_seats(count) < 0 || mandate_start_threads() < 0) {
        unsigned running = 1;

        while (running < atomic_load(&rt.home_count) && rt.homes[running]->m->has_thread)
            running++;
        count = MIN(count, running);
    }
    atomic_store(&rt.workers, count);
    for (unsigned i = 0; i < atomic_load(&rt.p_count); i++)
        sched_prod(rt.ps[i]);
    sched_wake_all();
}

/* ---- standing in ---- */

/* A spare, with a thread that waits for its turn if possible. NULL: there are too many. */
static struct p *take_spare(void)
{
    struct p *p = NULL;

    pthread_mutex_lock(&spares.lock);
    if ((p = spares.waiting) != NULL)
        unlink_spare(&spares.waiting, p);
    else if ((p = spares.dormant) != NULL)
        unlink_spare(&spares.dormant, p);
    else if (spares.count < SPARES_MAX && processor_new(rt.homes[0], &p) == 0)
        spares.count++;
    if (p != NULL)
        p->m->taken = true;
    pthread_mutex_unlock(&spares.lock);
    return p;
}

static void give_spare_back(struct p *p)
{
    pthread_mutex_lock(&spares.lock);
    p->m->taken = false;
    link_spare(p->m->has_thread && !p->m->ended ? &spares.waiting : &spares.dormant, p);
    pthread_mutex_unlock(&spares.lock);
}

/* Its thread, which is there, begins. */
static void begin_turn(struct m *m)
{
    pthread_mutex_lock(&spares.lock);
    m->has_turn = true;
    pthread_cond_signal(&m->turn);
    pthread_mutex_unlock(&spares.lock);
}

bool mandate_replace(struct p *home, uint64_t seen)
{
    struct p *p = take_spare();
    struct p *stuck = rt.ps[mandate_holder(seen)];

    if (p == NULL)
        return false;
    p->home = home;
    p->poller = home->poller;
    p->wheel = home->wheel;
    if ((!p->m->has_thread || p->m->ended) && start_thread(p->m, run_spare) < 0)
        goto fail;
    join_active(p);
    if (!mandate_give(&home->mandate, seen, p->place.processor)) {
        leave_active(p);
        goto fail;
    }
    /* Should it have come back just now and gone to sleep in its poller, it wakes and finds out. */
    sched_prod(stuck);
    world_poller_wake(rt.world, home->poller);
    begin_turn(p->m);
    return true;

fail:
    give_spare_back(p);
    return false;
}

/* ---- the end ---- */

void mandate_stop(void)
{
    unsigned count = atomic_load(&rt.p_count);

    pthread_mutex_lock(&spares.lock);
    spares.stop = true;
    for (unsigned i = 0; i < count; i++)
        pthread_cond_signal(&rt.ms[i]->turn);
    pthread_mutex_unlock(&spares.lock);
    for (unsigned i = 1; i < count; i++) {
        if (rt.ms[i]->has_thread)
            pthread_join(rt.ms[i]->thread, NULL);
    }
    spares.waiting = spares.dormant = NULL;
    spares.count = 0;
    atomic_store(&spares.threads, 0);
    spares.stop = false;
}
