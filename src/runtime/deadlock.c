/* Deadlocks in the real world. Go's rule (runtime/proc.go, checkdead): everybody waits for somebody
 * who waits. It is looked for when all have been idle for a while, by the monitor, so that it costs
 * the scheduler nothing.
 *
 * Threads that are not the runtime's may wake coroutines at any time. While the process has one, a
 * deadlock is reported only if the program has said that they do not. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/backtrace.h"
#include "runtime/diagnose.h"
#include "runtime/sched.h"

enum { THREADS_MAX = 1024 };

static const int64_t again_first_ns = 100 * NS_PER_MS;
static const int64_t again_last_ns = 10 * NS_PER_SEC;

static struct {
    struct spinlock lock;
    pid_t threads[THREADS_MAX]; /* the runtime's; 0: free */

    /* The monitor's own. */
    enum weir_deadlock mode;
    int64_t again_ns;
} dead;

void deadlock_begin(enum weir_deadlock mode)
{
    dead.mode = mode;
    dead.again_ns = again_first_ns;
}

/* ---- threads ---- */

/* Under the lock. */
static pid_t *find_thread(pid_t tid)
{
    for (int i = 0; i < THREADS_MAX; i++) {
        if (dead.threads[i] == tid)
            return &dead.threads[i];
    }
    return NULL;
}

static void replace_thread(pid_t from, pid_t to)
{
    pid_t *place;

    spin_lock(&dead.lock);
    place = find_thread(from);
    if (place != NULL) /* else it counts as somebody else's: nothing is reported */
        *place = to;
    spin_unlock(&dead.lock);
}

void deadlock_thread_begin(void)
{
    replace_thread(0, gettid());
}

void deadlock_thread_end(void)
{
    replace_thread(gettid(), 0);
}

static bool is_own_thread(pid_t tid)
{
    bool found;

    spin_lock(&dead.lock);
    found = find_thread(tid) != NULL;
    spin_unlock(&dead.lock);
    return found || tid == gettid();
}

static bool has_other_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    bool others = false;

    if (dir == NULL)
        return true; /* who knows */
    while (!others && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            others = !is_own_thread((pid_t)strtol(entry->d_name, NULL, 10));
    }
    closedir(dir);
    return others;
}

/* ---- coroutines ---- */

/* Ends without another coroutine's doing. */
static bool is_external(enum wait_reason reason)
{
    switch (reason) {
    case WAIT_SLEEP:
    case WAIT_READ:
    case WAIT_WRITE:
    case WAIT_FD:
    case WAIT_BLOCKING:
    case WAIT_SIGNAL:
        return true;
    default:
        return false;
    }
}

/* Who has been woken since may be writing the reason of its next wait. Then a processor has picked
 * it, and deadlock_check() finds that out afterwards. */
static READS_RACILY enum wait_reason reason_of(const struct co *co)
{
    return co->wait_reason;
}

static bool all_wait_for_each_other(void)
{
    uint32_t used = stack_used_count(), count = 0;

    for (uint32_t i = 0; i < used; i++) {
        const struct co *co = stack_co(i);

        if (!atomic_load_explicit(&co->live, memory_order_acquire))
            continue;
        count++;
        if ((atomic_load_explicit(&co->claim, memory_order_acquire) & CLAIM_WAITING) == 0 ||
            is_external(reason_of(co)))
            return false;
    }
    return count > 0;
}

/* Nothing is due, ever. */
static bool nothing_is_armed(void)
{
    unsigned homes = atomic_load(&rt.home_count);

    for (unsigned i = 0; i < homes; i++) {
        if (wheel_next_ns(rt.homes[i]->wheel) != NS_NEVER)
            return false;
    }
    return atomic_load(&rt.global_len) == 0 && !poller_has_starved() && !poller_has_watches();
}

/* Changes whenever a coroutine runs. */
static uint64_t picks(void)
{
    unsigned count = atomic_load(&rt.p_count);
    uint64_t sum = atomic_load(&rt.foreign_unparks) + atomic_load(&rt.foreign_started);

    for (unsigned i = 0; i < count; i++)
        sum += sched_tick(rt.ps[i]) + (atomic_load(&rt.ps[i]->idle) ? 0 : UINT64_C(1) << 40);
    return sum;
}

int64_t deadlock_check(void)
{
    uint64_t before = picks();
    int64_t again_ns = dead.again_ns;

    if (dead.mode == WEIR_DEADLOCK_OFF || !nothing_is_armed() || !all_wait_for_each_other())
        return NS_NEVER; /* whatever happens next wakes a processor, which wakes the monitor */
    if (dead.mode == WEIR_DEADLOCK_AUTO && has_other_threads()) {
        dead.again_ns = MIN(again_ns * 2, again_last_ns); /* they may end */
        return again_ns;
    }
    if (picks() != before || !nothing_is_armed())
        return 0; /* they were not all seen at one moment */
    runtime_deadlocked();
    return 0;
}
