/* weir_main(): setting the runtime up, the first coroutine, and the orderly end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/diagnose.h"
#include "runtime/dump.h"
#include "runtime/fault.h"
#include "runtime/pool.h"
#include "runtime/sched.h"

struct runtime rt;

enum {
#if defined(WEIR_SANITIZED)
    CO_MAX_DEFAULT = 32768, /* shadow memory is mapped for all of them */
#else
    CO_MAX_DEFAULT = 1 << 20,
#endif
    CO_MAX_LEAST = 1024,
    STACK_DEFAULT = 128 * 1024,
    END_ROUNDS_SIMULATED = 10000, /* then what is left will never end */
};

static const int64_t hog_default_ns = 100 * NS_PER_MS;

/* ---- the end ---- */

/* Cancels whatever lives, again and again, since what lives may start more. */
static void cancel_all(struct co *self)
{
    uint32_t used = stack_used_count();

    for (uint32_t i = 0; i < used; i++) {
        struct co *co = stack_co(i);

        if (co != self && atomic_load_explicit(&co->live, memory_order_acquire))
            scope_doom(co);
    }
    poller_cancel_watches();
}

/* A watch that fires between two looks, on its way from the socket's word to a coroutine of its
 * own, is neither among the watches nor among the coroutines; then its processor says so. */
static bool all_have_ended(void)
{
    if (poller_has_starved())
        return false;
    for (unsigned i = 0; i < atomic_load(&rt.p_count); i++) {
        if (atomic_load_explicit(&rt.ps[i]->firing, memory_order_acquire))
            return false;
    }
    return spawn_live_count() <= 1;
}

static void join_all(struct co *self)
{
    int64_t pause_ns = 0;

    atomic_store(&rt.ending, true);
    cancel_all(self);
    for (int rounds = 0; !all_have_ended(); rounds++) {
        if (rt.simulated && rounds > END_ROUNDS_SIMULATED)
            break;
        if (rounds < 10)
            park_yield(self);
        else
            weir_sleep(pause_ns);
        pause_ns = MIN(pause_ns + NS_PER_MS / 10, 10 * NS_PER_MS);
        cancel_all(self);
    }
}

static void main_co(void *arg)
{
    runtime_main_ended(co_self(), rt.main_fn(rt.main_arg));
}

void runtime_main_ended(struct co *self, int result)
{
    ASSERT(self != NULL);
    rt.main_result = result;
    atomic_store(&self->cancelled, false); /* a deadlock has cancelled us, too */
    self->deadline_ns = NS_NEVER;
    join_all(self);
    atomic_store(&rt.stop, true);
    sched_wake_all();
}

/* Everybody is cancelled once; when that does not help, the run is given up. */
void runtime_deadlocked(void)
{
    bool again = atomic_exchange(&rt.deadlock, true);

    if (explore_active)
        explore_print_schedule();
    dprintf(STDERR_FILENO, "weir: deadlock: all coroutines wait and nothing can wake one\n");
    runtime_dump(STDERR_FILENO);
    if (again || atomic_load(&rt.ending)) {
        atomic_store(&rt.stop, true);
        sched_wake_all();
        return;
    }
    cancel_all(NULL);
}

/* ---- the beginning ---- */

static void p_free(struct p *p)
{
    if (p == NULL)
        return;
    if (p->home == p && p->poller != NULL)
        world_poller_free(rt.world, p->poller);
    free(p);
}

static struct m *m_new(struct p *p)
{
    struct m *m = NULL;
    pthread_condattr_t attr;

    if (posix_memalign((void **)&m, CACHE_LINE, sizeof(*m)) != 0)
        return NULL;
    memset(m, 0, sizeof(*m));
    m->g0.m = m;
    m->g0.name = "scheduler";
    m->p = p;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the clock of the real world */
    pthread_cond_init(&m->turn, &attr);
    pthread_condattr_destroy(&attr);
    return m;
}

/* What a home has beyond a spare. */
static int furnish(struct p *p)
{
    p->home = p;
    p->wheel = &p->home_wheel;
    wheel_init(p->wheel, rt.simulated ? 0 : WHEEL_TICK_SHIFT, p->place.now_ns);
    return world_poller_new(rt.world, &p->poller);
}

int processor_new(struct p *home, struct p **ret)
{
    unsigned index = atomic_load(&rt.p_count);
    struct p *p = NULL;
    uint64_t seed;
    int r = 0;

    if (index == PROCESSORS_MAX || posix_memalign((void **)&p, CACHE_LINE, sizeof(*p)) != 0)
        return -ENOMEM;
    memset(p, 0, sizeof(*p));
    p->place.processor = index;
    p->place.now_ns = world_now_ns(rt.world);
    atomic_init(&p->polled_ns, p->place.now_ns);
    p->stacks.max = stack_cache_limit();
    list_init(&p->idle_node);
    world_random(rt.world, &seed, sizeof(seed));
    rng_seed(&p->place.rng, seed);
    p->home = home;
    if (home == NULL)
        r = furnish(p);
    if (r == 0 && (p->m = m_new(p)) == NULL)
        r = -ENOMEM;
    if (r < 0) {
        p_free(p);
        return r;
    }
    rt.ps[index] = p;
    rt.ms[index] = p->m;
    atomic_store_explicit(&rt.p_count, index + 1, memory_order_release);
    *ret = p;
    return 0;
}

static void teardown(void)
{
    while (atomic_load(&rt.foreign_busy) != 0)
        sched_yield();
    dump_close();
    poller_done();
    for (unsigned i = 0; i < rt.p_count; i++) {
        p_free(rt.ps[i]);
        pthread_cond_destroy(&rt.ms[i]->turn);
        free(rt.ms[i]);
    }
    pthread_mutex_destroy(&rt.alone_lock);
    bag_done();
    stack_arena_close();
}

/* The default takes what address space there is: less under a limit, or under valgrind. */
static int open_arena(const struct weir_options *o)
{
    size_t slot = o->stack_bytes != 0 ? o->stack_bytes : STACK_DEFAULT;
    uint32_t max = o->coroutines_max != 0 ? o->coroutines_max : CO_MAX_DEFAULT;
    int r;

    while ((r = stack_arena_open(slot, max, rt.workers)) == -ENOMEM && o->coroutines_max == 0 &&
           max > CO_MAX_LEAST)
        max /= 2;
    return r;
}

static int setup(const struct weir_options *o)
{
    int r;

    rt.world = o->world != NULL ? o->world : world_real();
    rt.simulated = rt.world->simulated;
    rt.workers_fixed = o->workers != 0;
    rt.workers_wanted = o->workers != 0 ? MIN(o->workers, (unsigned)WORKERS_MAX) : cpus_count(0);
    rt.workers = rt.simulated ? 1 : rt.workers_wanted;
    rt.can_be_alone = !rt.simulated && mandate_fence_open();
    rt.hog_ns = o->hog_ns == 0 ? hog_default_ns : o->hog_ns;
    if (sanitize_slow())
        rt.hog_ns = -1;
    rt.hog_fn = o->hog_fn;
    rt.hog_arg = o->hog_arg;
    weir_checkpoint_wanted = rt.simulated; /* nobody would raise it */
    list_init(&rt.idle_list);
    pthread_mutex_init(&rt.alone_lock, NULL);
    r = open_arena(o);
    if (r == 0)
        r = mandate_open_seats(rt.workers);
    if (r < 0)
        teardown();
    for (unsigned i = 0; r == 0 && i < rt.workers; i++)
        atomic_store(&rt.homes[i]->active, true);
    rt.active = rt.workers;
    deadlock_begin((enum weir_deadlock)o->deadlock);
    trace_begin(world_now_ns(rt.world));
    dump_open();
    return r;
}

/* With fewer threads than asked for everything would still work; but this is the time to say that
 * there are none to be had. */
static int start_threads(void)
{
    int r = mandate_start_threads();

    if (r == 0 && !rt.simulated)
        r = monitor_start();
    if (r < 0) {
        atomic_store(&rt.stop, true);
        sched_wake_all();
        mandate_stop();
    }
    return r;
}

static int run(int (*fn)(void *arg), void *arg)
{
    int r;

    rt.main_fn = fn;
    rt.main_arg = arg;
    m_set_this_thread(rt.ms[0]);
    rt.main_co = spawn(rt.ms[0], "main", (union co_fn){.plain = main_co}, NULL, CO_PLAIN);
    r = rt.main_co != NULL ? start_threads() : -ENOMEM;
    if (r == 0) {
        sched_ready_next(rt.ms[0], rt.main_co);
        mandate_run_first();
        if (!rt.simulated)
            monitor_stop();
        mandate_stop();
        r = atomic_load(&rt.deadlock) ? -EDEADLK : rt.main_result;
    }
    m_set_this_thread(NULL);
    return r;
}

static void dump_hook(int fd)
{
    runtime_dump(fd);
}

int weir_main(int (*fn)(void *arg), void *arg, const struct weir_options *options)
{
    static atomic_bool running;
    struct weir_options o = {0};
    int r;

    if (options != NULL && options->size > sizeof(o))
        return -EINVAL; /* made for a later version of the library */
    if (options != NULL)
        memcpy(&o, options, options->size);
    if (atomic_exchange(&running, true))
        return -EBUSY;
    memset(&rt, 0, sizeof(rt));
    r = explore_begin(&o);
    if (r == 0)
        r = setup(&o);
    if (r == 0) {
        rt.panic_aborts = o.panic_aborts;
        assert_set_hook(dump_hook);
        fault_install(o.contain_faults);
        r = run(fn, arg);
        assert_set_hook(NULL);
        blocking_stop();
        signal_stop();
        pool_stop();
        fault_uninstall();
        teardown();
    }
    r = explore_end(r);
    memset(&rt, 0, sizeof(rt));
    atomic_store(&running, false);
    return r;
}

/* ---- what the layers above ask ---- */

struct world *runtime_world(void)
{
    return rt.world != NULL ? rt.world : world_real();
}

int64_t runtime_now_coarse(void)
{
    struct m *m = m_current();

    return m != NULL ? m->p->place.now_ns : world_now_ns(runtime_world());
}

unsigned runtime_processor_index(void)
{
    struct m *m = m_current();

    return m != NULL ? m->p->place.processor : 0;
}

unsigned runtime_processor_count(void)
{
    return MAX(sched_workers(), 1u);
}

uint64_t runtime_random(void)
{
    struct m *m = m_current();
    uint64_t number;

    if (m != NULL)
        return rng_next(&m->p->place.rng);
    world_random(runtime_world(), &number, sizeof(number));
    return number;
}
