/* Sockets: no event is lost, and a watch fires exactly once, whoever comes first. Over socket pairs
 * in the real world. */
#include "runtime/poller.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

static void make_pair(int ret[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret), 0);
}

static struct poll_fd *register_sock(int sock)
{
    struct poll_fd *pf = NULL;

    CHECK_EQ(poll_fd_new(sock, &pf), 0);
    CHECK_EQ(poll_fd_sock(pf), sock);
    return pf;
}

/* Reads like net does. */
static ssize_t read_some(struct poll_fd *pf, bool *drained, void *data, size_t size)
{
    for (;;) {
        ssize_t n;

        if (*drained) {
            int r = poll_fd_wait(pf, POLL_READ);

            if (r < 0)
                return r;
            *drained = false;
        } else {
            poll_fd_clear(pf, POLL_READ);
        }
        n = world_recv(runtime_world(), poll_fd_sock(pf), data, size);
        *drained = n == -EAGAIN || (n > 0 && n < (ssize_t)size);
        if (n != -EAGAIN)
            return n;
    }
}

static void write_all(int sock, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(sock, data, size);

        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else {
            CHECK_EQ(errno, EAGAIN);
            sched_yield(); /* to whoever reads */
        }
    }
}

enum { STREAM_BYTES = 100000 / SLOWER };

static void *write_in_pieces(void *arg)
{
    static const char data[64];
    unsigned step = 1;

    for (int left = STREAM_BYTES; left > 0;) {
        int n = (int)(step = step * 75 % 65537) % 13 + 1;

        n = n < left ? n : left;
        write_all(*(int *)arg, data, (size_t)n);
        left -= n;
    }
    close(*(int *)arg);
    return NULL;
}

/* Edges come while the reader is anywhere between its read and its wait; the end comes with the
 * last bytes. */
static int read_stream(void *arg)
{
    int socks[2];
    pthread_t writer;
    struct poll_fd *pf;
    bool drained = true;
    char data[8];
    long total = 0;
    ssize_t n = -1;

    make_pair(socks);
    pf = register_sock(socks[0]);
    CHECK_EQ(pthread_create(&writer, NULL, write_in_pieces, &socks[1]), 0);
    WEIR_DEADLINE (weir_now() + 60 * WEIR_S) {
        while ((n = read_some(pf, &drained, data, sizeof(data))) > 0)
            total += n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(total, STREAM_BYTES);
    pthread_join(writer, NULL);
    poll_fd_close(pf, false);
    return 0;
}

static void no_edge_is_lost_between_read_and_wait(void)
{
    run_on_all(read_stream, NULL);
}

static int wait_with_deadline(void *arg)
{
    int socks[2];
    struct poll_fd *pf;
    int64_t start = weir_now();

    make_pair(socks);
    pf = register_sock(socks[0]);
    WEIR_DEADLINE (start + 5 * WEIR_MS) {
        CHECK_EQ(poll_fd_wait(pf, POLL_READ), -ETIMEDOUT);
    }
    CHECK(weir_now() - start >= 5 * WEIR_MS);
    CHECK_EQ(poll_fd_wait(pf, POLL_WRITE), 0); /* it was writable all the time */
    write_all(socks[1], "x", 1);
    CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
    WEIR_DEADLINE (weir_now() + 2 * WEIR_MS) {
        CHECK_EQ(poll_fd_wait(pf, POLL_READ), -ETIMEDOUT); /* that edge has been consumed */
    }
    CHECK(!poll_fd_hung_up(pf));
    close(socks[1]);
    CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
    CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0); /* and stays so */
    CHECK(poll_fd_hung_up(pf));
    poll_fd_close(pf, false);
    return 0;
}

static void waits_time_out_consume_and_stay_ready_after_hang_up(void)
{
    run_on_all(wait_with_deadline, NULL);
}

static void expect_closed(void *arg)
{
    CHECK_EQ(poll_fd_wait(arg, POLL_READ), -EBADF);
}

static int close_while_waiting(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int socks[2];
        struct poll_fd *pf;

        make_pair(socks);
        pf = register_sock(socks[0]);
        WEIR_SCOPE (s) {
            weir_scope_go(s, "waiter", expect_closed, pf);
            while (poll_fd_wait(pf, POLL_WRITE) == 0 && weir_sleep(200 * WEIR_US) == 0)
                break;
            poll_fd_close(pf, false);
        }
        close(socks[1]);
    }
    return 0;
}

static void closing_wakes_who_waits(void)
{
    run_on_all(close_while_waiting, NULL);
}

static void wait_until_cancelled(void *arg)
{
    CHECK_EQ(poll_fd_wait(arg, POLL_READ), -ECANCELED);
}

static int cancel_while_waiting(void *arg)
{
    int socks[2];
    struct poll_fd *pf;

    make_pair(socks);
    pf = register_sock(socks[0]);
    for (int i = 0; i < 50; i++) {
        WEIR_SCOPE (s) {
            weir_scope_go(s, "waiter", wait_until_cancelled, pf);
            if (i % 2 != 0)
                weir_sleep(100 * WEIR_US);
            weir_scope_cancel(s);
        }
    }
    write_all(socks[1], "x", 1);
    CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
    close(socks[1]);
    poll_fd_close(pf, true);
    return 0;
}

static void cancelled_waits_leave_nothing_behind(void)
{
    run_on_all(cancel_while_waiting, NULL);
}

/* ---- watches ---- */

struct watched {
    struct poll_fd *pf;
    int peer;
    atomic_int fired[3]; /* per cause */
    struct weir_wait_group *wg;
};

static void count_cause(void *arg, enum poll_watch_cause cause)
{
    struct watched *w = arg;

    atomic_fetch_add(&w->fired[cause], 1);
    weir_wait_group_done(w->wg);
}

static void watch_init(struct watched *w, struct weir_wait_group *wg)
{
    int socks[2];

    make_pair(socks);
    *w = (struct watched){.pf = register_sock(socks[0]), .peer = socks[1], .wg = wg};
}

static void watch_done(struct watched *w)
{
    poll_fd_close(w->pf, false);
    close(w->peer);
}

/* Returns how often the timeout came first, as it may where the caller is kept waiting. */
static int take_back_before_timeout(struct watched *w)
{
    for (int timeouts = 0;; timeouts++) {
        weir_wait_group_add(w->wg, 1);
        poll_fd_watch(w->pf, "watch", count_cause, w, weir_now() + 2 * WEIR_MS);
        if (poll_fd_unwatch(w->pf)) {
            weir_wait_group_done(w->wg);
            return timeouts;
        }
        CHECK_EQ(weir_wait_group_wait(w->wg), 0);
        CHECK(timeouts < 100);
    }
}

static int watch_causes(void *arg)
{
    struct weir_wait_group wg = {0};
    struct watched w;
    int timeouts;

    watch_init(&w, &wg);
    weir_wait_group_add(&wg, 1);
    poll_fd_watch(w.pf, "watch", count_cause, &w, NS_NEVER);
    CHECK_EQ(weir_sleep(WEIR_MS), 0);
    CHECK_EQ(w.fired[POLL_WATCH_READY], 0); /* being writable is nothing to it */
    write_all(w.peer, "x", 1);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_READY], 1);

    write_all(w.peer, "x", 1); /* ready before it is watched */
    CHECK_EQ(weir_sleep(WEIR_MS), 0);
    weir_wait_group_add(&wg, 1);
    poll_fd_watch(w.pf, "watch", count_cause, &w, NS_NEVER);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_READY], 2);

    weir_wait_group_add(&wg, 1);
    poll_fd_watch(w.pf, "watch", count_cause, &w, weir_now() + 2 * WEIR_MS);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_TIMEOUT], 1);

    timeouts = take_back_before_timeout(&w);
    CHECK(!poll_fd_unwatch(w.pf));
    CHECK(!poll_fd_unwatch_run(w.pf));
    CHECK_EQ(weir_sleep(4 * WEIR_MS), 0);
    CHECK_EQ(w.fired[POLL_WATCH_TIMEOUT], 1 + timeouts);

    weir_wait_group_add(&wg, 1);
    poll_fd_watch(w.pf, "watch", count_cause, &w, NS_NEVER);
    CHECK(poll_fd_unwatch_run(w.pf));
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_CANCELLED], 1);

    weir_wait_group_add(&wg, 1); /* a hang-up fires, too */
    poll_fd_watch(w.pf, "watch", count_cause, &w, NS_NEVER);
    close(w.peer);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_READY], 3);
    w.peer = dup(0);
    watch_done(&w);
    return 0;
}

static void watch_fires_for_each_cause(void)
{
    run_on_all(watch_causes, NULL);
}

enum { WATCHED = 32, ROUNDS = 60 / SLOWER + 2 };

/* Event, deadline, taking back and forcing all at about the same time: exactly one has each. */
static int race_watches(void *arg)
{
    static struct watched w[WATCHED];
    struct weir_wait_group wg = {0};
    int taken_back = 0, fired = 0;

    for (int i = 0; i < WATCHED; i++)
        watch_init(&w[i], &wg);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t now = weir_now();

        weir_wait_group_add(&wg, WATCHED);
        for (int i = 0; i < WATCHED; i++)
            poll_fd_watch(w[i].pf, "watch", count_cause, &w[i],
                          now + (int64_t)(runtime_random() % 600) * WEIR_US);
        weir_sleep((int64_t)(runtime_random() % 300) * WEIR_US);
        for (int i = 0; i < WATCHED; i++) {
            if (runtime_random() % 2 == 0)
                write_all(w[i].peer, "x", 1);
            if (runtime_random() % 4 == 0)
                poll_fd_unwatch_run(w[i].pf);
            if (runtime_random() % 4 == 0 && poll_fd_unwatch(w[i].pf)) {
                taken_back++;
                weir_wait_group_done(&wg);
            }
        }
        WEIR_DEADLINE (weir_now() + CHECK_WAITS_SECONDS * WEIR_S) {
            CHECK_EQ(weir_wait_group_wait(&wg), 0); /* below zero would be an assert */
        }
    }
    for (int i = 0; i < WATCHED; i++) {
        for (int cause = 0; cause < 3; cause++)
            fired += w[i].fired[cause];
        watch_done(&w[i]);
    }
    CHECK_EQ(fired + taken_back, WATCHED * ROUNDS);
    return 0;
}

static void watch_fires_exactly_once_under_races(void)
{
    run_on_all(race_watches, NULL);
}

static int leave_watches(void *arg)
{
    static struct weir_wait_group wg;
    struct watched *w = arg;

    memset(&wg, 0, sizeof(wg));
    weir_wait_group_add(&wg, 3);
    for (int i = 0; i < 3; i++) {
        watch_init(&w[i], &wg);
        poll_fd_watch(w[i].pf, "watch", count_cause, &w[i], NS_NEVER);
    }
    return 0;
}

static void watches_left_at_the_end_run_as_cancelled(void)
{
    static struct watched w[3];

    run_on(2, leave_watches, w);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(w[i].fired[POLL_WATCH_CANCELLED], 1);
        close(w[i].peer);
    }
}

static void linger(void *arg)
{
    weir_sleep(3 * WEIR_MS);
}

static int starve_watch(void *arg)
{
    struct weir_wait_group wg = {0};
    struct watched w;

    watch_init(&w, &wg);
    weir_wait_group_add(&wg, 1);
    poll_fd_watch(w.pf, "watch", count_cause, &w, NS_NEVER);
    while (weir_go("linger", linger, NULL) == 0)
        ;
    write_all(w.peer, "x", 1);
    CHECK_EQ(weir_wait_group_wait(&wg), 0);
    CHECK_EQ(w.fired[POLL_WATCH_READY], 1);
    watch_done(&w);
    return 0;
}

static void watch_without_room_starts_when_a_coroutine_ends(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = 4};

    CHECK_EQ(weir_main(starve_watch, NULL, &o), 0);
}

/* Sockets are closed and their poll_fds used again while events for them are on their way. */
static int recycle(void *arg)
{
    for (int i = 0; i < 3000 / SLOWER; i++) {
        int socks[2];
        struct poll_fd *pf;

        make_pair(socks);
        pf = register_sock(socks[0]);
        CHECK(!poll_fd_hung_up(pf));
        if (i % 3 == 0)
            write_all(socks[1], "x", 1);
        close(socks[1]); /* an event with a hang-up */
        if (i % 2 == 0)
            CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
        poll_fd_close(pf, i % 5 == 0);
    }
    return 0;
}

static void recycled_poll_fds_see_no_old_events(void)
{
    run_on_all(recycle, NULL);
}

static const struct test tests[] = {
    TEST_REAL(no_edge_is_lost_between_read_and_wait, "real sockets"),
    TEST_REAL(waits_time_out_consume_and_stay_ready_after_hang_up, "real sockets"),
    TEST_REAL(closing_wakes_who_waits, "real sockets"),
    TEST_REAL(cancelled_waits_leave_nothing_behind, "real sockets"),
    TEST_REAL(watch_fires_for_each_cause, "real sockets"),
    TEST_REAL(watch_fires_exactly_once_under_races, "real sockets"),
    TEST_REAL(watches_left_at_the_end_run_as_cancelled, "real sockets"),
    TEST_REAL(watch_without_room_starts_when_a_coroutine_ends, "real sockets"),
    TEST_REAL(recycled_poll_fds_see_no_old_events, "real sockets"),
};
RUN_TESTS(tests)
