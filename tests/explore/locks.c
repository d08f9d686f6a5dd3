/* Mutex, and readers and writers, with the code of sync.c and rwmutex.c itself and every atomic
 * operation of theirs a scheduling point; waiting and waking are the real ones. Nobody is in beside
 * somebody who keeps others out, nobody waits for ever, and whoever has come too late after a long
 * wait does so once. */
#include "tests/explore/atomics.h"

#include "runtime/explore.h"
#include "runtime/stack.h"
#include "runtime/waitq.h"

#include <weir/scope.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* of what gets another name here */

/* Also as if the others ran on processors of their own: then who waits looks a few times first. */
static bool crowded;

static int64_t clock_now_ns, tick_ns; /* a clock that goes on with each look at it */
static unsigned pauses;
static int turns;
static int lockers; /* that wait if they cannot get it */
static unsigned parks[EXPLORER_THREADS_MAX];
static int turns_then[EXPLORER_THREADS_MAX]; /* when it parked last */

/* Not between park_prepare() and park(): the lock of the queue is held there. */
static void step(const char *what, const volatile void *object)
{
    if ((atomic_load_explicit(&co_self()->claim, memory_order_relaxed) & CLAIM_PREPARE) == 0)
        explorer_step(what, object);
}

/* Some pauses in a row are one: what matters is what others do meanwhile. */
static void pause_some(void)
{
    if (++pauses % 32 == 0)
        explorer_yield();
}

static int count_and_park(struct co *co, int64_t at_ns, struct spinlock *unlock)
{
    int self = explorer_self();

    if (self >= 0) {
        parks[self]++;
        turns_then[self] = turns;
    }
    return park(co, at_ns, unlock);
}

#undef spin_pause
#define spin_pause          pause_some
#define explorer_step       step
#define park                count_and_park
#define sched_crowded()     crowded
#define world_now_ns(world) (clock_now_ns += tick_ns)
#define explore_active      false /* the atomic operations are scheduling points enough */
#define explore_point(w, o) ((void)0)
#define __atomic_and_fetch(p, v, order)                                                            \
    ({                                                                                             \
        __typeof__(v) explored_and_ = (v);                                                         \
        EXPLORED_RMW("and", p, *explored_p_ = explored_old_ & explored_and_) & explored_and_;      \
    })

#define mutex_owner                model_mutex_owner
#define mutex_lock                 model_mutex_lock
#define mutex_try_lock             model_mutex_try_lock
#define mutex_unlock               model_mutex_unlock
#define weir_mutex_lock            model_weir_mutex_lock
#define weir_mutex_try_lock        model_weir_mutex_try_lock
#define weir_mutex_unlock          model_weir_mutex_unlock
#define weir_rwmutex_read_lock     model_weir_rwmutex_read_lock
#define weir_rwmutex_try_read_lock model_weir_rwmutex_try_read_lock
#define weir_rwmutex_read_unlock   model_weir_rwmutex_read_unlock
#define weir_rwmutex_lock          model_weir_rwmutex_lock
#define weir_rwmutex_try_lock      model_weir_rwmutex_try_lock
#define weir_rwmutex_unlock        model_weir_rwmutex_unlock
#define weir_wait_group_add        model_weir_wait_group_add
#define weir_wait_group_done       model_weir_wait_group_done
#define weir_wait_group_wait       model_weir_wait_group_wait

#include "../../src/runtime/sync.c"

#include "../../src/runtime/rwmutex.c"

static struct weir_mutex mutex;
static struct weir_rwmutex rwmutex;
static int readers, writers; /* that are in */

static void begin(bool with_looks, int64_t tick)
{
    memset(&mutex, 0, sizeof(mutex));
    memset(&rwmutex, 0, sizeof(rwmutex));
    memset(parks, 0, sizeof(parks));
    readers = writers = turns = 0;
    pauses = 0;
    clock_now_ns = 10000 * NS_PER_MS; /* longer ago than any reader has waited */
    crowded = with_looks;
    tick_ns = tick;
}

static void begin_alone(void)
{
    begin(false, 0);
}

static void begin_crowded(void)
{
    begin(true, 100);
}

static void begin_late(void)
{
    begin(false, 2 * STARVING_NS);
    lockers = 2;
}

/* And one finds it taken, so that there is less to explore until it is late. */
static void begin_late_alone(void)
{
    begin(false, 2 * STARVING_NS);
    lockers = 1;
    weir_mutex_lock(&mutex);
}

/* Who comes back is late, or not yet. */
static void begin_mixed(void)
{
    begin(false, STARVING_NS * 2 / 5);
}

static void inside_alone(void)
{
    EXPECT(writers++ == 0 && readers == 0);
    explorer_step("inside", NULL);
    EXPECT(--writers == 0 && readers == 0);
    turns++;
}

/* ---- mutex ---- */

/* While one waits who has come too late once, others have a turn each: the owner, and who has come
 * too late, too. */
static void lock_once(void)
{
    int self = explorer_self();
    unsigned before = parks[self];

    weir_mutex_lock(&mutex);
    if (tick_ns > STARVING_NS && parks[self] > before + 1)
        EXPECT(parks[self] == before + 2 && turns - turns_then[self] <= lockers);
    EXPECT(mutex_owner(&mutex) == co_self());
    inside_alone();
    weir_mutex_unlock(&mutex);
}

static void lock_twice(void)
{
    lock_once();
    lock_once();
}

static void lock_again_and_again(void)
{
    lock_twice();
    lock_twice();
    lock_twice();
}

static void try_thrice(void)
{
    for (int i = 0; i < 3; i++) {
        if (weir_mutex_try_lock(&mutex)) {
            inside_alone();
            weir_mutex_unlock(&mutex);
        }
    }
}

static void unlock_and_try(void)
{
    weir_mutex_unlock(&mutex);
    try_thrice();
}

static void check_mutex(void)
{
    EXPECT(mutex.owner_ == 0 && mutex.lock_ == 0 && mutex.waiters_[0] == NULL);
    EXPECT(turns >= 1);
}

/* ---- readers and writers ---- */

static void inside_with_readers(void)
{
    readers++;
    EXPECT(writers == 0);
    explorer_step("inside", NULL);
    EXPECT(writers == 0);
    readers--;
    turns++;
}

static void read_once(void)
{
    weir_rwmutex_read_lock(&rwmutex);
    inside_with_readers();
    weir_rwmutex_read_unlock(&rwmutex);
}

static void read_twice(void)
{
    read_once();
    read_once();
}

static void write_once(void)
{
    weir_rwmutex_lock(&rwmutex);
    inside_alone();
    weir_rwmutex_unlock(&rwmutex);
}

static void write_twice(void)
{
    write_once();
    write_once();
}

static void try_both(void)
{
    if (weir_rwmutex_try_lock(&rwmutex)) {
        inside_alone();
        weir_rwmutex_unlock(&rwmutex);
    }
    if (weir_rwmutex_try_read_lock(&rwmutex)) {
        inside_with_readers();
        weir_rwmutex_read_unlock(&rwmutex);
    }
}

static void write_in_scope(void *arg)
{
    write_once();
}

static void read_in_scope(void *arg)
{
    read_once();
}

/* Who waits for a lock goes on waiting: it gets it, and gives it back. */
static void cancel_both(void)
{
    WEIR_SCOPE (s) {
        EXPECT(weir_scope_go(s, "writer", write_in_scope, NULL) == 0);
        EXPECT(weir_scope_go(s, "reader", read_in_scope, NULL) == 0);
        weir_yield();
        weir_scope_cancel(s);
    }
}

static void check_rwmutex(void)
{
    EXPECT(rwmutex.state_ == 0 && rwmutex.lock_ == 0 && rwmutex.writer_ == 0);
    EXPECT(rwmutex.waiters_[0] == NULL && rwmutex.writers_.owner_ == 0);
    EXPECT(turns >= 2);
}

#define MUTEX_CASE(name_, begin_, preemptions_, ...)                                               \
    {                                                                                              \
        .name = #name_, .begin = begin_, .threads = {__VA_ARGS__}, .check = check_mutex,           \
        .preemptions = preemptions_                                                                \
    }
#define RWMUTEX_CASE(name_, begin_, preemptions_, ...)                                             \
    {                                                                                              \
        .name = #name_, .begin = begin_, .threads = {__VA_ARGS__}, .check = check_rwmutex,         \
        .preemptions = preemptions_                                                                \
    }

static const struct explorer_case cases[] = {
    MUTEX_CASE(mutex, begin_alone, 2, lock_twice, lock_twice),
    MUTEX_CASE(mutex_of_three, begin_alone, 2, lock_twice, lock_twice, lock_once),
    MUTEX_CASE(mutex_with_looks, begin_crowded, 1, lock_twice, lock_once, lock_once),
    MUTEX_CASE(mutex_tried, begin_alone, 2, lock_twice, lock_twice, try_thrice),
    MUTEX_CASE(late_comer_waits_twice_at_most, begin_late, 2, lock_again_and_again, lock_once),
    MUTEX_CASE(late_comers_wait_twice_at_most, begin_late, 1, lock_again_and_again, lock_twice,
               try_thrice),
    MUTEX_CASE(late_comer_goes_before_tries, begin_late_alone, 2, lock_once, unlock_and_try,
               try_thrice),
    MUTEX_CASE(late_comers_among_others, begin_mixed, 1, lock_again_and_again, lock_twice,
               lock_twice, lock_twice),
    RWMUTEX_CASE(reader_and_writer, begin_alone, 3, read_twice, write_once),
    RWMUTEX_CASE(reader_and_writers, begin_alone, 2, read_once, write_once, write_once),
    RWMUTEX_CASE(readers_and_writer, begin_alone, 2, read_once, read_once, write_twice),
    RWMUTEX_CASE(readers_and_writers, begin_alone, 1, read_twice, read_once, write_twice,
                 write_once),
    RWMUTEX_CASE(rwmutex_with_looks, begin_crowded, 1, read_twice, read_once, write_twice),
    RWMUTEX_CASE(rwmutex_tried, begin_alone, 1, read_once, write_once, try_both, try_both),
    RWMUTEX_CASE(waits_for_rwmutex_are_not_cancelled, begin_alone, 0, cancel_both, write_once,
                 read_once),
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
