/* The runtime in the simulated world: the same seed gives the same run, other seeds other runs;
 * time is virtual and exact; a deadlock is noticed. */
#include <stdatomic.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/hash.h"
#include "check.h"
#include "runtime/poller.h"
#include "runtime/runtime.h"
#include "world/sim.h"

static int run_seed(uint64_t seed, int (*fn)(void *arg), void *arg)
{
    struct world *w = sim_new(seed);
    struct weir_options o = {.size = sizeof(o),
                             .world = w,
                             .workers = 4, /* one is used */
                             .coroutines_max = TEST_COROUTINES_MAX};
    int r = weir_main(fn, arg, &o);

    sim_free(w);
    return r;
}

struct trace {
    uint64_t hash;
    int64_t end_ns;
    int next;
};

static void note(struct trace *t, uint64_t what)
{
    t->hash = mix64(t->hash + what + 1);
}

static struct trace *trace;
static struct weir_chan *chan;
static struct weir_mutex mutex;

static void actor(void *arg)
{
    uint64_t id = (uint64_t)trace->next++;

    for (uint64_t i = 0; i < 20; i++) {
        void *v = (void *)(uintptr_t)(id * 100 + i);

        note(trace, id);
        switch (runtime_random() % 5) {
        case 0:
            weir_sleep((int64_t)(runtime_random() % 1000000));
            break;
        case 1:
            weir_yield();
            break;
        case 2:
            weir_mutex_lock(&mutex);
            weir_yield();
            weir_mutex_unlock(&mutex);
            break;
        case 3:
            WEIR_DEADLINE (weir_now() + WEIR_MS) {
                note(trace, (uint64_t)weir_chan_send(chan, &v));
            }
            break;
        default:
            WEIR_DEADLINE (weir_now() + 2 * WEIR_MS) {
                if (weir_chan_recv(chan, &v) == 1)
                    note(trace, (uintptr_t)v);
            }
            break;
        }
    }
}

static int play(void *arg)
{
    int64_t start = weir_now();

    trace = arg;
    chan = weir_chan_new(sizeof(void *), 1);
    memset(&mutex, 0, sizeof(mutex));
    CHECK_EQ(runtime_processor_count(), 1);
    WEIR_SCOPE (s) {
        for (int i = 0; i < 20; i++)
            CHECK_EQ(weir_scope_go(s, "actor", actor, NULL), 0);
    }
    weir_chan_free(chan);
    trace->end_ns = weir_now() - start;
    return 0;
}

static void same_seed_same_run(void)
{
    struct trace first = {0};
    int different = 0;

    CHECK_EQ(run_seed(1, play, &first), 0);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct trace a = {0}, b = {0};

        CHECK_EQ(run_seed(seed, play, &a), 0);
        CHECK_EQ(run_seed(seed, play, &b), 0);
        CHECK(a.hash == b.hash && a.end_ns == b.end_ns);
        different += a.hash != first.hash;
    }
    CHECK_EQ(different, 9);
}

static int sleep_virtually(void *arg)
{
    int64_t start = weir_now();

    CHECK_EQ(weir_sleep(3600 * WEIR_S + 1), 0);
    CHECK_EQ(weir_now() - start, 3600 * WEIR_S + 1); /* to the nanosecond */
    WEIR_DEADLINE (weir_now() + 12345) {
        start = weir_now();
        CHECK_EQ(weir_sleep(WEIR_S), -ETIMEDOUT);
        CHECK_EQ(weir_now() - start, 12345);
    }
    return 0;
}

static void virtual_time_is_exact(void)
{
    CHECK_EQ(run_seed(7, sleep_virtually, NULL), 0);
}

static long answer(void *arg)
{
    return 42;
}

static int block_inline(void *arg)
{
    return (int)weir_blocking(answer, NULL);
}

static void blocking_calls_run_inline(void)
{
    CHECK_EQ(run_seed(7, block_inline, NULL), 42);
}

static int wait_for_nothing(void *arg)
{
    struct weir_chan *c = weir_chan_new(1, 0);
    char v;

    CHECK_EQ(weir_chan_recv(c, &v), -ECANCELED); /* all are cancelled, so that cleanups run */
    weir_chan_free(c);
    *(bool *)arg = true;
    return 0;
}

static void deadlock_is_noticed(void)
{
    bool cleaned = false;
    int saved = dup(STDERR_FILENO), pipe_fds[2];
    char text[512];
    ssize_t n;

    CHECK_EQ(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    int r = run_seed(3, wait_for_nothing, &cleaned);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    n = read(pipe_fds[0], text, sizeof(text) - 1);
    close(pipe_fds[0]);
    CHECK_EQ(r, -EDEADLK);
    CHECK(cleaned);
    CHECK(n > 0);
    text[n] = 0;
    CHECK(strstr(text, "channel receive") != NULL); /* the dump says who waits for what */
}

struct server {
    int listener;
    struct poll_fd *pf;
    atomic_int served;
};

static struct addr server_addr(void)
{
    struct addr a;

    CHECK_EQ(addr_parse(STR("10.0.0.1:80"), &a), 0);
    return a;
}

static void serve_one(void *arg, enum poll_watch_cause cause)
{
    struct poll_fd *pf = arg;
    char data[16];
    ssize_t n;

    if (cause == POLL_WATCH_READY) {
        while ((n = world_recv(runtime_world(), poll_fd_sock(pf), data, sizeof(data))) == -EAGAIN)
            CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
        if (n > 0) {
            struct iovec iov = {data, (size_t)n};

            CHECK_EQ(world_sendv(runtime_world(), poll_fd_sock(pf), &iov, 1), n);
            poll_fd_watch(pf, "served", serve_one, pf, weir_now() + 5 * WEIR_S);
            return;
        }
    }
    poll_fd_close(pf, false);
}

static void accept_all(void *arg)
{
    struct server *s = arg;

    while (poll_fd_wait(s->pf, POLL_READ) == 0) {
        int sock;

        while ((sock = world_accept(runtime_world(), s->listener, NULL)) >= 0) {
            struct poll_fd *pf;

            CHECK_EQ(poll_fd_new(sock, &pf), 0);
            poll_fd_watch(pf, "served", serve_one, pf, weir_now() + 5 * WEIR_S);
        }
    }
    poll_fd_close(s->pf, false);
}

static void ask(void *arg)
{
    struct server *s = arg;
    struct addr a = server_addr();
    int sock = world_connect(runtime_world(), &a);
    struct poll_fd *pf;
    char data[16];
    char ping[] = "ping";
    struct iovec iov = {ping, 4};

    CHECK(sock >= 0);
    CHECK_EQ(poll_fd_new(sock, &pf), 0);
    CHECK_EQ(poll_fd_wait(pf, POLL_WRITE), 0);
    CHECK_EQ(world_connect_result(runtime_world(), sock), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(world_sendv(runtime_world(), sock, &iov, 1), 4);
        do
            CHECK_EQ(poll_fd_wait(pf, POLL_READ), 0);
        while (world_recv(runtime_world(), sock, data, sizeof(data)) != 4);
        s->served++;
        weir_sleep(10 * WEIR_MS);
    }
    poll_fd_close(pf, false);
}

static int talk(void *arg)
{
    struct server *s = arg;
    struct addr a = server_addr();

    s->listener = world_listen(runtime_world(), &a, 64);
    CHECK(s->listener >= 0);
    CHECK_EQ(poll_fd_new(s->listener, &s->pf), 0);
    weir_go("accept", accept_all, s);
    WEIR_SCOPE (scope) {
        for (int i = 0; i < 20; i++)
            weir_scope_go(scope, "client", ask, s);
    }
    return 0;
}

static void watched_connections_work_in_the_simulated_network(void)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct server s = {0};
        struct world *w = sim_new(seed);
        struct weir_options o = {
            .size = sizeof(o), .world = w, .coroutines_max = TEST_COROUTINES_MAX};
        struct sim_stats stats;

        CHECK_EQ(weir_main(talk, &s, &o), 0);
        CHECK_EQ(s.served, 100);
        sim_get_stats(w, &stats);
        CHECK_EQ(stats.open_sockets, 0); /* left watches have run and closed theirs */
        sim_free(w);
    }
}

static const struct test tests[] = {
    TEST_REAL(same_seed_same_run, "brings its own worlds"),
    TEST_REAL(virtual_time_is_exact, "brings its own worlds"),
    TEST_REAL(blocking_calls_run_inline, "brings its own worlds"),
    TEST_REAL(deadlock_is_noticed, "brings its own worlds"),
    TEST_REAL(watched_connections_work_in_the_simulated_network, "brings its own worlds"),
};
RUN_TESTS(tests)
