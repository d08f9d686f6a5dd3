/* Waiting and waking, with the code of park.c and finish_park.h itself: one coroutine that waits
 * again and again, wakers and a canceller. A wait ends once, nobody is made runnable twice or
 * before it has left its stack, no wake-up and no cancellation is lost.
 *
 * The coroutine of the model is a simulated thread. Its switch does what the code on the other
 * stack would do first and then waits until it has been made runnable. */
#include "tests/explore/atomics.h"

#include "runtime/profile.h"
#include "runtime/stack.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* of what gets another name here */

/* The runtime under test is another one than the one that explores: all that park.c defines or
 * looks for gets a name of its own. */
static void lock_alive(struct spinlock *l);

#undef spin_lock
#define spin_lock           lock_alive
#define rt                  model_rt
#define co_self             model_self
#define stack_co            model_stack_co
#define m_this_thread       model_this_thread
#define switch_away         model_switch_away
#define park                model_park
#define park_held           model_park_held
#define park_wake           model_park_wake
#define park_claim          model_park_claim
#define park_run            model_park_run
#define park_run_on         model_park_run_on
#define park_interrupt      model_park_interrupt
#define park_lock_ends      model_park_lock_ends
#define park_yield          model_park_yield
#define weir_yield          model_weir_yield
#define weir_sleep          model_weir_sleep
#define weir_now            model_weir_now
#define sched_pick          model_sched_pick
#define sched_ready_next    model_sched_ready_next
#define sched_ready_last    model_sched_ready_last
#define sched_ready_yielded model_sched_ready_yielded

static struct co *model_self(void);
static struct co *model_stack_co(uint32_t index);

#include "../../src/runtime/park.c"
#include "runtime/finish_park.h"

struct runtime model_rt;

static struct m sleeper_m; /* the thread that the coroutine runs on */
static struct p sleeper_p;
static struct co sleeper, other; /* other: what the thread goes on with */
static bool on_stack, runnable;
static bool lock_is_gone, waker_is_through;

static int waits, wakes, ended;
static int results[4];
static _Atomic(co_ticket) ticket; /* where wakers look */
static bool queued;               /* likewise; under the lock */
static struct spinlock lock;      /* under which it is published */

enum { SLEEPER = 0 }; /* its simulated thread */

static void lock_alive(struct spinlock *l)
{
    explored_lock(l);
    EXPECT(l != &lock || !lock_is_gone);
}

static struct co *model_self(void)
{
    return explorer_self() == SLEEPER ? &sleeper : NULL;
}

static struct co *model_stack_co(uint32_t index)
{
    return &sleeper;
}

struct m *model_this_thread(void)
{
    return explorer_self() == SLEEPER ? &sleeper_m : NULL; /* wakers are foreign */
}

static void make_runnable(struct co *co)
{
    EXPECT(co == &sleeper);
    EXPECT(!runnable); /* once */
    EXPECT(!on_stack); /* and not before it has left its stack */
    runnable = true;
}

void model_sched_ready_next(struct m *m, struct co *co)
{
    make_runnable(co);
}

void model_sched_ready_last(struct m *m, struct co *co)
{
    make_runnable(co);
}

void model_sched_ready_yielded(struct m *m, struct co *co)
{
    make_runnable(co);
}

struct co *model_sched_pick(struct m *m)
{
    return &other;
}

void model_switch_away(struct m *m, struct co *from, struct co *to, enum after after,
                       struct spinlock *unlock)
{
    EXPECT(from == &sleeper && to == &other);
    on_stack = false;
    if (after == AFTER_PARK_HELD)
        finish_park_held(m, from, unlock);
    else
        finish_park(m, from, unlock);
    while (!runnable)
        explorer_yield();
    runnable = false;
    on_stack = true;
}

/* ---- the players ---- */

static void begin(void)
{
    memset(&sleeper_m, 0, sizeof(sleeper_m));
    memset(&sleeper_p, 0, sizeof(sleeper_p));
    memset(&sleeper, 0, sizeof(sleeper));
    memset(results, 0, sizeof(results));
    memset(&lock, 0, sizeof(lock));
    sleeper_m.p = &sleeper_p;
    sleeper.m = &sleeper_m;
    sleeper.place = &sleeper_p.place;
    sleeper.deadline_ns = NS_NEVER;
    on_stack = true;
    runnable = false;
    lock_is_gone = waker_is_through = queued = false;
    waits = wakes = ended = 0;
    ticket = 0;
}

static void note_result(int r)
{
    results[r == 0 ? RESULT_WOKEN : r == -ETIMEDOUT ? RESULT_TIMEOUT : RESULT_CANCELLED]++;
    EXPECT(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
    ended++;
}

/* Waits until each waker has won once, or it is cancelled. */
static void wait_plainly(void)
{
    for (int i = 0; i < 2 && results[RESULT_CANCELLED] == 0; i++) {
        co_ticket t = park_prepare(&sleeper, WAIT_SLEEP, NULL, 0);

        waits++;
        atomic_store(&ticket, t);
        note_result(model_park(&sleeper, NS_NEVER, NULL));
    }
}

/* Like a sleep: no waker knows of it, and nothing between the two steps orders memory. */
static void wait_alone(void)
{
    park_prepare(&sleeper, WAIT_SLEEP, NULL, 0);
    waits++;
    note_result(model_park(&sleeper, NS_NEVER, NULL));
}

static void wait_under_lock(void)
{
    for (int i = 0; i < 2 && results[RESULT_CANCELLED] == 0; i++) {
        spin_lock(&lock);
        waits++;
        ticket = park_prepare(&sleeper, WAIT_SLEEP, NULL, 0);
        note_result(model_park(&sleeper, NS_NEVER, &lock));
    }
}

/* As a join: all that can end it hold the lock. */
static void wait_held(void)
{
    for (int i = 0; i < 2 && results[RESULT_CANCELLED] == 0; i++) {
        spin_lock(&lock);
        waits++;
        ticket = park_prepare(&sleeper, WAIT_SCOPE, NULL, 0);
        note_result(model_park_held(&sleeper, &lock));
    }
}

/* As an operation on a channel. */
static void wait_locked_once(void)
{
    waits++;
    park_prepare_locked(&sleeper, WAIT_CHAN_RECV, NULL, &lock);
    while (!spin_trylock(&lock)) { /* contended: without the lock it must not stay prepared */
        park_abandon(&sleeper);
        explorer_yield();
        park_prepare_locked(&sleeper, WAIT_CHAN_RECV, NULL, &lock);
    }
    queued = true;
    note_result(model_park_held(&sleeper, &lock));
    if (!queued)
        return; /* who ended the wait has taken the record out */
    lock_alive(&lock);
    queued = false;
    spin_unlock(&lock);
}

static void wait_locked(void)
{
    for (int i = 0; i < 2 && results[RESULT_CANCELLED] == 0; i++)
        wait_locked_once();
}

/* Takes the lock away right after the wait, as who frees the channel. */
static void wait_locked_and_free(void)
{
    wait_locked_once();
    model_park_lock_ends();
    lock_is_gone = true;
}

static void wait_locked_with_waker_and_free(void)
{
    wait_locked_once();
    while (!waker_is_through)
        explorer_yield();
    model_park_lock_ends();
    lock_is_gone = true;
}

/* Nobody waits on that lock: prepares, and finds that it need not wait. */
static void abandon_and_free(void)
{
    park_prepare_locked(&sleeper, WAIT_CHAN_RECV, NULL, &lock);
    while (!spin_trylock(&lock))
        explorer_yield();
    park_abandon(&sleeper);
    spin_unlock(&lock);
    model_park_lock_ends();
    lock_is_gone = true;
}

static void wait_shielded(void)
{
    co_ticket t = park_prepare(&sleeper, WAIT_MUTEX, NULL, PARK_SHIELDED);

    waits++;
    atomic_store(&ticket, t);
    note_result(model_park(&sleeper, NS_NEVER, NULL));
}

static void win_once(enum claim_result result)
{
    while (ended < 2 && results[RESULT_CANCELLED] == 0) {
        co_ticket t = atomic_load(&ticket);

        if (t != 0 && model_park_wake(t, result)) {
            wakes++;
            return;
        }
        explorer_yield();
    }
}

static void wake_once(void)
{
    win_once(RESULT_WOKEN);
}

static void time_out_once(void)
{
    win_once(RESULT_TIMEOUT);
}

/* The two-step wake of who holds the lock (channels). */
static void claim_and_run(void)
{
    while (ended < 2 && results[RESULT_CANCELLED] == 0) {
        struct co *co = NULL;

        spin_lock(&lock);
        if (ticket != 0)
            co = model_park_claim(ticket);
        spin_unlock(&lock);
        if (co != NULL) {
            wakes++;
            model_park_run(co);
            return;
        }
        explorer_yield();
    }
}

/* As scope_child_ended(). */
static void claim_held_and_run(void)
{
    while (ended < 2 && results[RESULT_CANCELLED] == 0) {
        bool claimed;

        spin_lock(&lock);
        claimed = ticket != 0 && co_claim_held(&sleeper, (uint32_t)(ticket >> 32), RESULT_WOKEN);
        spin_unlock(&lock);
        if (claimed) {
            wakes++;
            model_park_run(&sleeper);
            return;
        }
        explorer_yield();
    }
}

/* As chan_claim_first() for a wait_locked(). */
static void claim_queued_and_run(void)
{
    while (ended < 2 && results[RESULT_CANCELLED] == 0) {
        bool claimed;

        lock_alive(&lock);
        claimed = queued && co_claim_queued(&sleeper);
        queued = false;
        spin_unlock(&lock);
        if (claimed) {
            wakes++;
            model_park_run(&sleeper);
            return;
        }
        explorer_yield();
    }
}

/* Who frees the lock knows that this is through with it. */
static void claim_queued_before_free(void)
{
    bool claimed = false;

    while (!claimed && ended == 0) {
        lock_alive(&lock);
        claimed = queued && co_claim_queued(&sleeper);
        queued = queued && !claimed;
        spin_unlock(&lock);
        if (!claimed)
            explorer_yield();
    }
    wakes += claimed;
    if (claimed)
        model_park_run(&sleeper);
    waker_is_through = true;
}

/* As doom_one() in scope.c. */
static void cancel(void)
{
    atomic_store(&sleeper.cancelled, true);
    model_park_interrupt(&sleeper);
}

static void cancel_held(void)
{
    spin_lock(&lock);
    cancel();
    spin_unlock(&lock);
}

/* Exactly one wake for each wait: that it came to its end is checked by there being no deadlock. */
static void check_each_wait_ended_once(void)
{
    EXPECT(ended == waits);
    EXPECT(!runnable && on_stack);
    EXPECT(results[RESULT_WOKEN] + results[RESULT_TIMEOUT] == wakes);
    EXPECT(results[RESULT_CANCELLED] <= 1);
}

static void check_cancelled(void)
{
    check_each_wait_ended_once();
    EXPECT(results[RESULT_CANCELLED] == 1 || ended == 2);
}

static void check_not_cancelled(void)
{
    check_each_wait_ended_once();
    EXPECT(results[RESULT_CANCELLED] == 0);
}

static void check_ended_once(void)
{
    check_each_wait_ended_once();
    EXPECT(ended == 1);
}

static const struct explorer_case cases[] = {
    {"two_wakers",
     begin,
     {wait_plainly, wake_once, wake_once},
     check_each_wait_ended_once,
     false,
     1},
    {"waker_and_timer",
     begin,
     {wait_plainly, wake_once, time_out_once},
     check_each_wait_ended_once,
     false,
     1},
    {"claims_under_lock",
     begin,
     {wait_under_lock, claim_and_run, claim_and_run},
     check_each_wait_ended_once,
     false,
     1},
    {"lock_and_timer",
     begin,
     {wait_under_lock, claim_and_run, time_out_once},
     check_each_wait_ended_once,
     false,
     1},
    {"cancelled", begin, {wait_plainly, cancel}, check_cancelled, false, 4},
    {"cancelled_and_woken", begin, {wait_plainly, wake_once, cancel}, check_cancelled, false, 2},
    {"cancelled_under_lock",
     begin,
     {wait_under_lock, claim_and_run, cancel},
     check_cancelled,
     false,
     2},
    {"held",
     begin,
     {wait_held, claim_held_and_run, claim_held_and_run},
     check_each_wait_ended_once,
     false,
     1},
    {"cancelled_held",
     begin,
     {wait_held, claim_held_and_run, cancel_held},
     check_cancelled,
     false,
     2},
    {"locked",
     begin,
     {wait_locked, claim_queued_and_run, claim_queued_and_run},
     check_each_wait_ended_once,
     false,
     1},
    {"cancelled_locked",
     begin,
     {wait_locked, claim_queued_and_run, cancel},
     check_cancelled,
     false,
     2},
    {"cancelled_locked_store_buffers", begin, {wait_locked, cancel}, check_cancelled, true, 2},
    {"cancelled_locked_and_freed",
     begin,
     {wait_locked_and_free, cancel},
     check_ended_once,
     true,
     2},
    {"woken_or_cancelled_and_freed",
     begin,
     {wait_locked_with_waker_and_free, claim_queued_before_free, cancel},
     check_ended_once,
     false,
     2},
    {"abandoned_and_freed", begin, {abandon_and_free, cancel}, check_each_wait_ended_once, true, 2},
    {"shielded", begin, {wait_shielded, wake_once, cancel}, check_not_cancelled, false, 2},
    {"cancelled_alone_store_buffers", begin, {wait_alone, cancel}, check_cancelled, true, 1},
};

int main(int argc, char **argv)
{
    return explorer_main(argc, argv, cases, ARRAY_LEN(cases));
}
