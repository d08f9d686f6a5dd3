/* One measure of the offload benchmark (bench_offload): an HTTP server whose handler has a slow
 * side task, and clients on loopback that ask it, each one request after the other.
 *
 *     offload --mode inline|waiting|offloaded [--clients N] [--requests N] [--side-us N]
 *             [--threads N]
 *
 * The side task waits --side-us for something that needs no processor, as for a disk or a log
 * collector, in a call that blocks its thread. inline: the handler makes the call. waiting: it has
 * a thread make it (weir_blocking) and waits for that. offloaded: it submits the call to a pool and
 * answers. Prints one line of JSON. Status 1 unless every request was answered with 200 and every
 * side task was done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/weir.h>

static struct {
    const char *mode;
    int clients, requests, side_us, threads;
} options = {"offloaded", 4, 2000, 2000, 64};

static struct weir_pool *pool;
static struct weir_counter side_done, failed;

/* ---- the server ---- */

static long side_task(void *arg)
{
    struct timespec t = {.tv_nsec = (long)options.side_us * 1000};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    weir_counter_add(&side_done, 1);
    return 0;
}

static int handle(struct weir_http_request *q, struct weir_http_response *r)
{
    long done = 0;

    if (strcmp(options.mode, "inline") == 0)
        done = side_task(NULL);
    else if (strcmp(options.mode, "waiting") == 0)
        done = weir_blocking(side_task, NULL);
    else
        done = weir_pool_go(pool, side_task, NULL);
    return done < 0 ? (int)done : weir_http_printf(r, "order %s taken\n", weir_http_path(q));
}

static void serve(void *listener)
{
    weir_http_serve_on(listener, handle, NULL, NULL);
}

/* ---- the clients ---- */

struct client {
    const char *url;
    struct weir_http_client *http;
    int count;
    int64_t *took_ns; /* of each request */
};

static int ask(struct client *c)
{
    struct weir_http_reply *reply;
    int r = weir_http_get(c->http, c->url, &reply);

    if (r < 0)
        return r;
    r = reply->status == 200 ? 0 : -EIO;
    weir_http_reply_free(reply);
    return r;
}

static void be_client(void *arg)
{
    struct client *c = arg;

    for (int i = 0; i < c->count; i++) {
        int64_t from_ns = weir_now();

        if (ask(c) < 0)
            weir_counter_add(&failed, 1);
        c->took_ns[i] = weir_now() - from_ns;
    }
}

/* Each client makes so many requests; ends when all are answered. */
static void load(struct client *clients, int each)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < options.clients; i++) {
            clients[i].count = each;
            if (weir_scope_go(s, "client", be_client, &clients[i]) < 0)
                weir_counter_add(&failed, 1);
        }
    }
}

/* ---- the measure ---- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print_result(const int64_t *took_ns, int requests, int64_t answered_ns,
                         int64_t drained_ns)
{
    struct weir_pool_stats s = {.size = sizeof(s)};
    double sum_ns = 0;

    for (int i = 0; i < requests; i++)
        sum_ns += (double)took_ns[i];
    weir_pool_get_stats(pool, &s);
    printf("{\"mode\": \"%s\", \"requests\": %d, \"side_done\": %lld, \"failed\": %lld, "
           "\"rate\": %.1f, \"rate_drained\": %.1f, \"mean_us\": %.2f, \"p50_us\": %.2f, "
           "\"p99_us\": %.2f, \"drain_ms\": %.3f, \"queued_max\": %zu, \"pool_wait_p99_us\": %.2f, "
           "\"pool_busy_mean\": %.2f}\n",
           options.mode, requests, (long long)weir_counter_get(&side_done),
           (long long)weir_counter_get(&failed), requests / ((double)answered_ns / 1e9),
           requests / ((double)drained_ns / 1e9), sum_ns / requests / 1e3,
           (double)took_ns[requests / 2] / 1e3, (double)took_ns[requests * 99LL / 100] / 1e3,
           (double)(drained_ns - answered_ns) / 1e6, s.queued_max, (double)s.wait_p99_ns / 1e3,
           (double)s.busy_ns / (double)drained_ns);
}

static int measure(struct client *clients, int64_t *took_ns)
{
    int each = options.requests / options.clients, requests = each * options.clients;
    int64_t from_ns, answered_ns;

    load(clients, each < 50 ? each : 50); /* warm: connections, threads */
    weir_pool_drain(pool);
    weir_counter_set(&side_done, 0);
    from_ns = weir_now();
    load(clients, each);
    answered_ns = weir_now() - from_ns;
    weir_pool_drain(pool);
    qsort(took_ns, (size_t)requests, sizeof(*took_ns), compare);
    print_result(took_ns, requests, answered_ns, weir_now() - from_ns);
    return weir_counter_get(&failed) == 0 && weir_counter_get(&side_done) == requests ? 0 : 1;
}

static int run(void *arg)
{
    struct weir_pool_options o = {.size = sizeof(o),
                                  .name = "side",
                                  .workers = (unsigned)options.threads,
                                  .queue = 1024,
                                  .threads = true};
    int each = options.requests / options.clients, r = 2;
    int64_t *took_ns = calloc((size_t)options.requests, sizeof(*took_ns));
    struct client *clients = calloc((size_t)options.clients, sizeof(*clients));
    char address[WEIR_ADDRESS_MAX], url[WEIR_ADDRESS_MAX + 32];
    struct weir_listener *listener;

    pool = weir_pool_new(&o);
    if (took_ns == NULL || clients == NULL || pool == NULL ||
        weir_listen("127.0.0.1:0", &listener) < 0)
        return 2;
    weir_listener_address(listener, address, sizeof(address));
    snprintf(url, sizeof(url), "http://%s/42", address);
    for (int i = 0; i < options.clients; i++)
        clients[i] = (struct client){
            .url = url, .http = weir_http_client_new(), .took_ns = took_ns + (ptrdiff_t)each * i};
    WEIR_SCOPE (s) {
        weir_scope_go(s, "server", serve, listener);
        r = measure(clients, took_ns);
        weir_scope_cancel(s);
    }
    for (int i = 0; i < options.clients; i++)
        weir_http_client_free(clients[i].http);
    weir_pool_free(pool);
    free(clients);
    free(took_ns);
    return r;
}

static int read_options(int argc, char **argv)
{
    const struct {
        const char *name;
        int *value;
    } numbers[] = {{"--clients", &options.clients},
                   {"--requests", &options.requests},
                   {"--side-us", &options.side_us},
                   {"--threads", &options.threads}};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--mode") == 0)
            options.mode = argv[i + 1];
        for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
            if (strcmp(argv[i], numbers[n].name) == 0)
                *numbers[n].value = atoi(argv[i + 1]);
        }
    }
    return options.clients > 0 && options.requests >= options.clients ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    if (read_options(argc, argv) < 0) {
        fprintf(stderr, "offload: bad options\n");
        return 2;
    }
    return weir_exit_status(weir_main(run, NULL, NULL));
}
