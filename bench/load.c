/* The load generator of the proxy benchmark, one thread, in three modes that are one loop:
 *
 *   closed   every connection sends its next request when the last is answered
 *   open     requests fall due on a fixed schedule, answered or not, and a latency counts from
 *            the instant a request was due, so a stall is charged to all it delayed
 *   idle     every connection makes one request and is then kept open
 *
 * With --hold it waits for commands on its standard input, which lets the caller look at the proxy
 * while nothing moves: see the README. SIGINT ends a run: it begins no more
 * requests. Each result is one line of JSON on the standard output. */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char usage[] =
    "usage: load ADDRESS:PORT [options]\n"
    "  --connections N    keep-alive connections (64)\n"
    "  --requests N       how many requests to make, or\n"
    "  --seconds N        for how long to make them (default: 1 second)\n"
    "  --rate N           open loop: requests a second on a fixed schedule\n"
    "  --idle             one request on each connection, at most --window at a time\n"
    "  --window N         requests in flight at most (default: all connections)\n"
    "  --warmup N         requests made and not counted before the first run\n"
    "  --path PATH        what to ask for (/assets/catalogue.json?page=3)\n"
    "  --plain            ask for / with no field but Host\n"
    "  --expect-bytes N   length of the body every answer must have (1024)\n"
    "  --awake            poll instead of sleeping, so that no proxy pays for waking it\n"
    "  --hold             print a ready line, then obey lines on standard input:\n"
    "                     'run [WINDOW]' makes the requests, 'quit' or the end of input ends\n";

struct options {
    const char *target;
    const char *path;
    uint64_t connections, requests, seconds, rate, window, warmup, expect_bytes;
    bool idle, hold, awake;
};

static uint64_t *number_option(struct options *o, const char *name)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {
        {"connections", &o->connections},
        {"requests", &o->requests},
        {"seconds", &o->seconds},
        {"rate", &o->rate},
        {"window", &o->window},
        {"warmup", &o->warmup},
        {"expect-bytes", &o->expect_bytes},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0)
            return numbers[i].value;
    }
    return NULL;
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"connections", required_argument, NULL, 'n'},
        {"requests", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'n'},
        {"window", required_argument, NULL, 'n'},
        {"warmup", required_argument, NULL, 'n'},
        {"expect-bytes", required_argument, NULL, 'n'},
        {"path", required_argument, NULL, 'p'},
        {"plain", no_argument, NULL, 'b'},
        {"idle", no_argument, NULL, 'i'},
        {"hold", no_argument, NULL, 'h'},
        {"awake", no_argument, NULL, 'a'},
        {0},
    };
    struct options o = {
        .path = "/assets/catalogue.json?page=3", .connections = 64, .expect_bytes = 1024};

    for (int c, i; (c = getopt_long(argc, argv, "", known, &i)) != -1;) {
        if (c == 'n')
            *number_option(&o, known[i].name) = parse_count(known[i].name, optarg);
        else if (c == 'p')
            o.path = optarg;
        else if (c == 'b')
            o.path = NULL;
        else if (c == 'i')
            o.idle = true;
        else if (c == 'h')
            o.hold = true;
        else if (c == 'a')
            o.awake = true;
        else
            die("%s", usage);
    }
    if (optind != argc - 1 || o.connections == 0 || o.connections > 1000000)
        die("%s", usage);
    o.target = argv[optind];
    return o;
}

static struct load_run run_of(const struct options *o)
{
    struct load_run run = {.requests = UINT64_MAX, .rate = o->rate, .awake = o->awake};

    run.window = o->window > 0 ? o->window : o->connections;
    if (o->idle)
        run.requests = o->connections;
    else if (o->requests > 0)
        run.requests = o->requests;
    else if (o->rate > 0)
        run.requests = o->rate * (o->seconds > 0 ? o->seconds : 1);
    else
        run.duration_ns = (int64_t)(o->seconds > 0 ? o->seconds : 1) * 1000000000;
    return run;
}

static void print_result(const struct load_result *r)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

    printf("{\"event\":\"done\",\"requests\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"failed\":%" PRIu64,
           r->requests, r->ok, r->requests - r->ok);
    printf(",\"opened\":%" PRIu64 ",\"failures\":{", r->opened);
    for (int i = 0; i < LOAD_FAILURES; i++)
        printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", load_failure_names[i], r->failures[i]);
    printf("},\"seconds\":%.6f,\"rate\":%.1f,\"latency_us\":{", (double)r->duration_ns / 1e9,
           r->duration_ns > 0 ? (double)r->ok * 1e9 / (double)r->duration_ns : 0.0);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        printf("\"%s\":%.1f,", quantiles[i].name,
               (double)histogram_quantile(&r->latency_ns, quantiles[i].fraction) / 1e3);
    printf("\"max\":%.1f}}\n", (double)r->latency_ns.max / 1e3);
    fflush(stdout);
}

/* The next command's window; 0 when it is time to end. */
static uint64_t read_command(uint64_t default_window)
{
    char line[64];
    uint64_t window;

    if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, "run", 3) != 0)
        return 0;
    return sscanf(line, "run %" SCNu64, &window) == 1 ? window : default_window;
}

static void on_interrupt(int number)
{
    (void)number;
    load_end();
}

int main(int argc, char **argv)
{
    static struct load_result result;
    struct options options = parse_options(argc, argv);
    struct load_run run = run_of(&options);
    uint64_t failed = 0;

    raise_file_limit();
    signal(SIGINT, on_interrupt);
    struct load *load =
        load_new(options.target, options.path, options.connections, options.expect_bytes);
    if (options.warmup > 0) {
        struct load_run warmup = {.requests = options.warmup, .window = run.window};
        load_make(load, &warmup, &result);
        failed += result.requests - result.ok;
    }
    if (options.hold) {
        printf("{\"event\":\"ready\",\"failed\":%" PRIu64 "}\n", failed);
        fflush(stdout);
    }
    do {
        if (options.hold && (run.window = read_command(run.window)) == 0)
            break;
        load_make(load, &run, &result);
        print_result(&result);
        failed += result.requests - result.ok;
    } while (options.hold);
    load_free(load);
    return failed > 0 ? 1 : 0;
}
