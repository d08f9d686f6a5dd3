/* Channels, mutex, wait group. */
#include <stdatomic.h>

#include <sys/wait.h>

#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

enum { SENDERS = 4, RECEIVERS = 3, EACH = 4000 / SLOWER };

struct traffic {
    struct weir_chan *c;
    struct weir_wait_group senders;
    atomic_long sum;
    atomic_int count, number;
};

static void send_numbers(void *arg)
{
    struct traffic *t = arg;
    int from = atomic_fetch_add(&t->number, 1) * EACH;

    for (int i = from; i < from + EACH; i++)
        CHECK_EQ(weir_chan_send(t->c, &i), 0);
    weir_wait_group_done(&t->senders);
}

static void receive_numbers(void *arg)
{
    struct traffic *t = arg;
    int v, r;

    while ((r = weir_chan_recv(t->c, &v)) == 1) {
        atomic_fetch_add(&t->sum, v);
        atomic_fetch_add(&t->count, 1);
    }
    CHECK_EQ(r, 0);
}

static int exchange(void *arg)
{
    struct traffic t = {.c = weir_chan_new(sizeof(int), *(size_t *)arg)};
    long n = SENDERS * EACH;

    WEIR_SCOPE (s) {
        weir_wait_group_add(&t.senders, SENDERS);
        for (int i = 0; i < SENDERS; i++)
            weir_scope_go(s, "sender", send_numbers, &t);
        for (int i = 0; i < RECEIVERS; i++)
            weir_scope_go(s, "receiver", receive_numbers, &t);
        CHECK_EQ(weir_wait_group_wait(&t.senders), 0);
        weir_chan_close(t.c);
    }
    CHECK_EQ(t.count, n);
    CHECK_EQ(t.sum, n * (n - 1) / 2);
    weir_chan_free(t.c);
    return 0;
}

static void every_element_arrives_once(void)
{
    for (size_t cap = 0; cap < 20; cap = cap * 2 + 1)
        run_on_all(exchange, &cap);
}

static int order_and_close(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 3);
    int v;

    for (int i = 1; i <= 3; i++)
        CHECK_EQ(weir_chan_try_send(c, &i), 0);
    v = 9;
    CHECK_EQ(weir_chan_try_send(c, &v), -EAGAIN);
    CHECK_EQ(weir_chan_len(c), 3);
    weir_chan_close(c);
    weir_chan_close(c);
    CHECK_EQ(weir_chan_send(c, &v), -EPIPE);
    CHECK_EQ(weir_chan_try_send(c, &v), -EPIPE);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(weir_chan_recv(c, &v), 1);
        CHECK_EQ(v, i);
    }
    CHECK_EQ(weir_chan_recv(c, &v), 0);
    CHECK_EQ(weir_chan_try_recv(c, &v), 0);
    weir_chan_free(c);
    return 0;
}

static void buffered_is_first_in_first_out_and_drains_after_close(void)
{
    run_on(1, order_and_close, NULL);
}

static void blocked_sender(void *arg)
{
    int v = 1;

    CHECK_EQ(weir_chan_send(arg, &v), -EPIPE);
}

static void blocked_receiver(void *arg)
{
    int v;

    CHECK_EQ(weir_chan_recv(arg, &v), 0);
}

static int close_wakes(void *arg)
{
    struct weir_chan *a = weir_chan_new(sizeof(int), 0), *b = weir_chan_new(sizeof(int), 0);

    WEIR_SCOPE (s) {
        for (int i = 0; i < 5; i++) {
            weir_scope_go(s, "sender", blocked_sender, a);
            weir_scope_go(s, "receiver", blocked_receiver, b);
        }
        settle();
        weir_chan_close(a);
        weir_chan_close(b);
    }
    weir_chan_free(a);
    weir_chan_free(b);
    return 0;
}

static void closing_wakes_all_who_wait(void)
{
    run_on_all(close_wakes, NULL);
}

static int time_out(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int v = 77;

    WEIR_DEADLINE (weir_now() + 2 * WEIR_MS) {
        CHECK_EQ(weir_chan_recv(c, &v), -ETIMEDOUT);
        CHECK_EQ(weir_chan_send(c, &v), -ETIMEDOUT);
    }
    CHECK_EQ(v, 77);
    CHECK_EQ(weir_chan_try_recv(c, &v), -EAGAIN); /* no ghost of the sender is left */
    weir_chan_free(c);
    return 0;
}

static void waits_on_channels_time_out(void)
{
    run_on_all(time_out, NULL);
}

/* Senders and receivers with deadlines of the same order as the traffic: what is sent and what is
 * received must agree to the last element, whoever wins each race. */
struct race {
    struct weir_chan *c;
    atomic_long sent, received;
    atomic_int sent_count, received_count;
};

static void racing_sender(void *arg)
{
    struct race *x = arg;

    for (long i = 1, last = 1500 / SLOWER; i <= last; i++) {
        WEIR_DEADLINE (i < last ? weir_now() + (i % 7) * 50 * WEIR_US : INT64_MAX) {
            int r = weir_chan_send(x->c, &i);

            CHECK(r == 0 || r == -ETIMEDOUT);
            if (r == 0) {
                atomic_fetch_add(&x->sent, i);
                atomic_fetch_add(&x->sent_count, 1);
            }
        }
    }
}

static void racing_receiver(void *arg)
{
    struct race *x = arg;
    long v;
    int r = 1;

    for (int i = 0; r != 0; i++) {
        WEIR_DEADLINE (weir_now() + (i % 5) * 70 * WEIR_US) {
            r = weir_chan_recv(x->c, &v);
            CHECK(r == 1 || r == 0 || r == -ETIMEDOUT);
            if (r == 1) {
                atomic_fetch_add(&x->received, v);
                atomic_fetch_add(&x->received_count, 1);
            }
        }
    }
}

static int race_channel(void *arg)
{
    struct race x = {.c = weir_chan_new(sizeof(long), 0)};

    WEIR_SCOPE (outer) {
        for (int i = 0; i < 2; i++)
            weir_scope_go(outer, "receiver", racing_receiver, &x);
        WEIR_SCOPE (inner) {
            for (int i = 0; i < 3; i++)
                weir_scope_go(inner, "sender", racing_sender, &x);
        }
        weir_chan_close(x.c);
    }
    CHECK_EQ(x.sent, x.received);
    CHECK_EQ(x.sent_count, x.received_count);
    CHECK(x.sent_count >= 3); /* the last of each had time */
    weir_chan_free(x.c);
    return 0;
}

static void deadline_and_hand_off_never_both_win(void)
{
    run_on_all(race_channel, NULL);
}

struct guarded {
    struct weir_mutex m;
    long count;
    bool inside;
};

struct meeting {
    struct weir_chan *c;
    atomic_bool sender_is_through;
    int sent, received;
};

static void meet_as_sender(void *arg)
{
    struct meeting *m = arg;
    int v = 7;

    m->sent = weir_chan_send(m->c, &v);
    atomic_store(&m->sender_is_through, true);
}

static void meet_as_receiver(void *arg)
{
    struct meeting *m = arg;
    int v = 0;

    m->received = weir_chan_recv(m->c, &v);
    CHECK_EQ(v, m->received == 1 ? 7 : 0);
    while (!atomic_load(&m->sender_is_through))
        weir_yield();
    weir_chan_free(m->c); /* the canceller may be looking for who waits in it */
}

static int cancel_meetings(void *arg)
{
    for (int i = 0; i < 20000 / SLOWER; i++) {
        struct meeting m = {.c = weir_chan_new(sizeof(int), 0)};

        WEIR_SCOPE (s) {
            weir_scope_go(s, "receiver", meet_as_receiver, &m);
            if (i % 2 == 0)
                weir_yield();
            weir_scope_go(s, "sender", meet_as_sender, &m);
            if (i % 3 == 0)
                weir_yield();
            weir_scope_cancel(s);
        }
        CHECK(m.received == 1 || m.received == -ECANCELED);
        CHECK_EQ(m.sent, m.received == 1 ? 0 : -ECANCELED);
    }
    return 0;
}

static void cancellation_and_hand_off_never_both_win(void)
{
    run_on_all(cancel_meetings, NULL);
}

static void lock_and_count(void *arg)
{
    struct guarded *g = arg;

    for (int i = 0; i < 5000 / SLOWER; i++) {
        weir_mutex_lock(&g->m);
        CHECK(!g->inside);
        g->inside = true;
        g->count++;
        if (i % 16 == 0)
            weir_yield();
        g->inside = false;
        weir_mutex_unlock(&g->m);
    }
}

static int contend(void *arg)
{
    struct guarded g = {0};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            weir_scope_go(s, "locker", lock_and_count, &g);
    }
    CHECK_EQ(g.count, 8 * (5000 / SLOWER));
    CHECK(weir_mutex_try_lock(&g.m));
    CHECK(!weir_mutex_try_lock(&g.m));
    weir_mutex_unlock(&g.m);
    return 0;
}

static void mutex_excludes(void)
{
    run_on_all(contend, NULL);
}

struct greedy {
    struct weir_mutex m;
    atomic_bool stop;
    atomic_int rounds;
};

enum { ROUNDS_MAX = 10000 };

static void hold_again_and_again(void *arg)
{
    struct greedy *g = arg;

    while (!atomic_load(&g->stop) && atomic_fetch_add(&g->rounds, 1) < ROUNDS_MAX) {
        weir_mutex_lock(&g->m);
        weir_sleep(300 * WEIR_US);
        weir_mutex_unlock(&g->m);
    }
}

/* The other one would hold it for ever: between two of its rounds it does not park. */
static int suffer(void *arg)
{
    struct greedy g = {0};
    int before;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "greedy", hold_again_and_again, &g);
        WAIT_UNTIL(atomic_load(&g.rounds) > 0);
        before = atomic_load(&g.rounds);
        weir_mutex_lock(&g.m);
        CHECK(atomic_load(&g.rounds) - before < ROUNDS_MAX / 10);
        atomic_store(&g.stop, true);
        weir_mutex_unlock(&g.m);
    }
    return 0;
}

static void starving_waiter_is_handed_the_mutex(void)
{
    run_on_all(suffer, NULL);
}

/* Works long and pauses hardly at all, so that a newcomer is nearly always faster than who was
 * woken; and never looks at the clock, nor lets its processor do so. */
static void hold_without_parking(void *arg)
{
    struct greedy *g = arg;

    while (!atomic_load(&g->stop)) {
        weir_mutex_lock(&g->m);
        atomic_fetch_add(&g->rounds, 1);
        for (volatile int i = 0; i < 20000; i = i + 1)
            ;
        weir_mutex_unlock(&g->m);
    }
}

static int suffer_beside_a_loop(void *arg)
{
    struct greedy g = {0};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "greedy", hold_without_parking, &g);
        WAIT_UNTIL(atomic_load(&g.rounds) > 0);
        for (int i = 0; i < 20; i++) {
            weir_mutex_lock(&g.m);
            weir_mutex_unlock(&g.m);
        }
        atomic_store(&g.stop, true);
    }
    return 0;
}

static void loop_without_parks_starves_nobody(void)
{
    run_on(2, suffer_beside_a_loop, NULL);
}

static void try_out_of_place(void)
{
    static struct weir_mutex m;

    weir_mutex_try_lock(&m);
}

static void try_to_write_out_of_place(void)
{
    static struct weir_rwmutex m;

    weir_rwmutex_try_lock(&m);
}

static void check_crashes(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* A mutex without an owner would be a mutex that nobody has taken. */
static void only_coroutines_take_a_mutex(void)
{
    check_crashes(try_out_of_place);
    check_crashes(try_to_write_out_of_place);
}

static void leave_in_a_while(void *arg)
{
    weir_sleep(10 * WEIR_S);
    _exit(0);
}

/* While another coroutine sleeps, so that no deadlock is found first. */
static int lock_twice(void *arg)
{
    struct weir_mutex m = {0};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "sleeper", leave_in_a_while, NULL);
        weir_mutex_lock(&m);
        weir_mutex_lock(&m);
    }
    return 0;
}

static void try_to_lock_twice(void)
{
    run_on(1, lock_twice, NULL);
}

/* It would wait for itself, and only a dump would say so. */
static void mutex_is_not_recursive(void)
{
    check_crashes(try_to_lock_twice);
}

static void try_to_leave_a_free_one(void)
{
    static struct weir_rwmutex m;

    weir_rwmutex_read_unlock(&m);
}

static int leave_what_is_written(void *arg)
{
    struct weir_rwmutex m = {0};

    weir_rwmutex_lock(&m);
    weir_rwmutex_read_unlock(&m);
    return 0;
}

static void try_to_leave_what_is_written(void)
{
    run_on(1, leave_what_is_written, NULL);
}

/* The count of readers would lack one, and a writer get in beside a reader. */
static void only_readers_read_unlock(void)
{
    check_crashes(try_to_leave_a_free_one);
    check_crashes(try_to_leave_what_is_written);
}

static int lock_when_cancelled(void *arg)
{
    struct weir_mutex m = {0};

    WEIR_SCOPE (s) {
        weir_scope_cancel(s);
        weir_mutex_lock(&m); /* not cancellable */
        weir_mutex_unlock(&m);
    }
    return 0;
}

static void mutex_is_shielded(void)
{
    run_on(1, lock_when_cancelled, NULL);
}

static void wait_for_group(void *arg)
{
    CHECK_EQ(weir_wait_group_wait(arg), 0);
}

static int wait_groups(void *arg)
{
    struct weir_wait_group wg = {0};

    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    weir_wait_group_add(&wg, 3);
    WEIR_DEADLINE (weir_now() + WEIR_MS) {
        CHECK_EQ(weir_wait_group_wait(&wg), -ETIMEDOUT);
    }
    WEIR_SCOPE (s) {
        for (int i = 0; i < 5; i++)
            weir_scope_go(s, "waiter", wait_for_group, &wg);
        settle();
        for (int i = 0; i < 3; i++)
            weir_wait_group_done(&wg);
    }
    return 0;
}

static void wait_group_wakes_all_at_zero(void)
{
    run_on_all(wait_groups, NULL);
}

static const struct test tests[] = {
    TEST(every_element_arrives_once),
    TEST(buffered_is_first_in_first_out_and_drains_after_close),
    TEST(closing_wakes_all_who_wait),
    TEST(waits_on_channels_time_out),
    TEST(deadline_and_hand_off_never_both_win),
    TEST(cancellation_and_hand_off_never_both_win),
    TEST(mutex_excludes),
    TEST(starving_waiter_is_handed_the_mutex),
    TEST_REAL(loop_without_parks_starves_nobody, "two processors"),
    TEST_REAL(only_coroutines_take_a_mutex, "forks"),
    TEST_REAL(mutex_is_not_recursive, "forks"),
    TEST_REAL(only_readers_read_unlock, "forks"),
    TEST(mutex_is_shielded),
    TEST(wait_group_wakes_all_at_zero),
};
RUN_TESTS(tests)
