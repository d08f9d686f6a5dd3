/* Costs of the runtime's primitives on one worker, as the least of several runs: the machine may be
 * shared. runtime_micro [workers] prints one line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/runtime.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "runtime/poller.h"

enum { N = 20000, RUNS = 60 }; /* short runs: one of them is not interrupted */

static int64_t best(void (*run)(void))
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < RUNS; i++) {
        int64_t start = weir_now();

        run();
        least = MIN(least, weir_now() - start);
    }
    return least;
}

static void report(const char *what, void (*run)(void), int operations)
{
    printf("%-42s %8.1f ns\n", what, (double)best(run) / operations);
    fflush(stdout);
}

static void yield_loop(void *arg)
{
    for (int i = 0; i < N; i++)
        weir_yield();
}

static void switch_two(void)
{
    WEIR_SCOPE (s) {
        weir_scope_go(s, "a", yield_loop, NULL);
        weir_scope_go(s, "b", yield_loop, NULL);
    }
}

static void yield_some(void *arg)
{
    for (int i = 0; i < N / 1000; i++)
        weir_yield();
}

static void switch_many(void)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 1000; i++)
            weir_scope_go(s, "a", yield_some, NULL);
    }
}

static void nothing(void *arg)
{
}

static void spawn_join(void)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < N; i++) {
            weir_scope_go(s, "child", nothing, NULL);
            weir_scope_join(s);
        }
    }
}

static void spawn_batch(void)
{
    for (int i = 0; i < N; i += 100) {
        WEIR_SCOPE (s) {
            for (int j = 0; j < 100; j++)
                weir_scope_go(s, "child", nothing, NULL);
        }
    }
}

static struct weir_chan *there, *back;

static void echo(void *arg)
{
    void *v;

    while (weir_chan_recv(there, &v) == 1)
        weir_chan_send(back, &v);
}

static void ping_pong(void)
{
    there = weir_chan_new(sizeof(void *), 0);
    back = weir_chan_new(sizeof(void *), 0);
    WEIR_SCOPE (s) {
        void *v = NULL;

        weir_scope_go(s, "echo", echo, NULL);
        for (int i = 0; i < N; i++) {
            weir_chan_send(there, &v);
            weir_chan_recv(back, &v);
        }
        weir_chan_close(there);
    }
    weir_chan_free(there);
    weir_chan_free(back);
}

static void drain(void *arg)
{
    void *v;

    while (weir_chan_recv(there, &v) == 1)
        ;
}

static void buffered(void)
{
    there = weir_chan_new(sizeof(void *), 128);
    WEIR_SCOPE (s) {
        void *v = NULL;

        weir_scope_go(s, "drain", drain, NULL);
        for (int i = 0; i < N; i++)
            weir_chan_send(there, &v);
        weir_chan_close(there);
    }
    weir_chan_free(there);
}

static void mutex(void)
{
    struct weir_mutex m = {0};

    for (int i = 0; i < N; i++) {
        weir_mutex_lock(&m);
        weir_mutex_unlock(&m);
    }
}

static void deadline(void)
{
    int64_t at = weir_now() + WEIR_S;

    for (int i = 0; i < N; i++)
        WEIR_DEADLINE (at) {
        }
}

static void leaf(void *arg)
{
    int depth = (int)(intptr_t)arg;

    if (depth == 0)
        return;
    WEIR_SCOPE (s) {
        for (int i = 0; i < 10; i++)
            weir_scope_go(s, "skynet", leaf, (void *)(intptr_t)(depth - 1));
    }
}

static void skynet(void)
{
    leaf((void *)3);
}

/* ---- the gateway's path: a watch fires, its coroutine waits once with a deadline, and ends ----
 */

enum { PAIRS = 64, REQUESTS = 2000 };

static struct pair {
    struct poll_fd *client, *origin;
    int client_peer, origin_peer;
} pairs[PAIRS];

static struct weir_wait_group requests;
static char byte;

static void take(struct poll_fd *pf)
{
    while (world_recv(runtime_world(), poll_fd_sock(pf), &byte, 1) != 1)
        poll_fd_wait(pf, POLL_READ);
}

static void serve(void *arg, enum poll_watch_cause cause)
{
    struct pair *p = arg;

    if (cause == POLL_WATCH_CANCELLED)
        return;
    take(p->client);
    WEIR_DEADLINE (runtime_now_coarse() + 30 * WEIR_S) {
        if (write(p->origin_peer, "x", 1) != 1) /* the origin answers when we have parked */
            abort();
        poll_fd_wait(p->origin, POLL_READ);
        take(p->origin);
    }
    weir_wait_group_done(&requests);
    poll_fd_watch(p->client, "request", serve, p, runtime_now_coarse() + 60 * WEIR_S);
}

static void open_pair(struct poll_fd **pf, int *peer)
{
    int socks[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, socks) != 0 ||
        poll_fd_new(socks[0], pf) != 0)
        abort();
    *peer = socks[1];
}

static void gateway_path(void)
{
    for (int i = 0; i < REQUESTS / PAIRS; i++) {
        weir_wait_group_add(&requests, PAIRS);
        for (int j = 0; j < PAIRS; j++) {
            if (write(pairs[j].client_peer, "x", 1) != 1)
                abort();
        }
        weir_wait_group_wait(&requests);
    }
}

static void gateway(void)
{
    for (int i = 0; i < PAIRS; i++) {
        open_pair(&pairs[i].client, &pairs[i].client_peer);
        open_pair(&pairs[i].origin, &pairs[i].origin_peer);
        poll_fd_watch(pairs[i].client, "request", serve, &pairs[i], NS_NEVER);
    }
    report("watch, spawn, 2 reads, 1 wait, watch (syscalls)", gateway_path,
           REQUESTS / PAIRS * PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        poll_fd_unwatch(pairs[i].client);
        poll_fd_close(pairs[i].client, false);
        poll_fd_close(pairs[i].origin, false);
    }
}

/* ---- memory ---- */

static long resident_kib(const char *key)
{
    char line[256];
    long value = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    }
    if (f != NULL)
        fclose(f);
    return value;
}

static void park_for_good(void *arg)
{
    void *v;

    weir_chan_recv(there, &v);
}

static void parked_memory(int count)
{
    long before = resident_kib("VmRSS:") + resident_kib("VmPTE:"), after;
    int64_t start = weir_now();

    there = weir_chan_new(sizeof(void *), 0);
    for (int i = 0; i < count; i++) {
        if (weir_go("parked", park_for_good, NULL) < 0)
            abort();
        if (i % 64 == 0)
            weir_yield();
    }
    weir_yield();
    after = resident_kib("VmRSS:") + resident_kib("VmPTE:");
    printf("%d parked: %.0f bytes each with page tables, %.2f us to start\n", count,
           (double)(after - before) * 1024 / count, (double)(weir_now() - start) / 1000 / count);
    weir_chan_close(there);
    for (int i = 0; i < 100; i++)
        weir_yield();
}

static void sleep_a_while(void *arg)
{
    weir_sleep(100 * WEIR_MS + (int64_t)(uintptr_t)arg % 1000 * WEIR_US);
}

static void sleepers(int count)
{
    int64_t start = weir_now();

    WEIR_SCOPE (s) {
        for (int i = 0; i < count; i++) {
            weir_scope_go(s, "sleeper", sleep_a_while, (void *)(uintptr_t)i);
            if (i % 64 == 0)
                weir_yield();
        }
    }
    printf("%d sleepers: %.2f s\n", count, (double)(weir_now() - start) / 1e9);
}

static int bench(void *arg)
{
    int million = getenv("MILLION") != NULL ? 1000 * 1000 - 10 : 100 * 1000;

    report("switch (yield), two coroutines", switch_two, 2 * N);
    report("switch (yield), 1000 coroutines", switch_many, 1000 * (N / 1000));
    report("spawn + join", spawn_join, N);
    report("spawn, joined by the hundred", spawn_batch, N);
    report("ping-pong over unbuffered channels", ping_pong, N);
    report("buffered channel, an element", buffered, N);
    report("mutex lock + unlock", mutex, N);
    report("deadline block", deadline, N);
    report("skynet, a leaf of 1,000", skynet, 1000);
    gateway();
    parked_memory(million);
    sleepers(million);
    return 0;
}

static int gateway_only(void *arg)
{
    gateway();
    return 0;
}

int main(int argc, char **argv)
{
    struct weir_options o = {.size = sizeof(o), .workers = argc > 1 ? (unsigned)atoi(argv[1]) : 1};

    return weir_main(argc > 2 && strcmp(argv[2], "gateway") == 0 ? gateway_only : bench, NULL, &o);
}
