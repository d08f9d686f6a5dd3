/* weir demo: gateway, services and clients in one process, to look at. */
#include "cli/demo/demo.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/signal.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/demo/terminal.h"
#include "cli/demo_yaml.h"
#include "export/process.h"

#define GATEWAY_PORT 8080
#define ADMIN_PORT   9900

/* -- the configuration -- */

/* Appends text with the first occurrence of what replaced by "127.0.0.1:PORT". */
static void put_with_port(struct text *out, struct str text, const char *what, unsigned port)
{
    const char *at = memmem(text.ptr, text.len, what, strlen(what));
    size_t before = (size_t)(at - text.ptr);

    text_put(out, text.ptr, before);
    text_printf(out, "127.0.0.1:%u", port);
    text_put(out, at + strlen(what), text.len - before - strlen(what));
}

/* The embedded text with the ports of the options. */
static int write_config(const struct demo_options *o, struct text *out)
{
    struct text half = {0};

    put_with_port(&half, str_n(demo_yaml, sizeof(demo_yaml) - 1), "127.0.0.1:8080", o->port);
    put_with_port(out, str_n(half.ptr, half.len), "127.0.0.1:9900", o->admin_port);
    bool failed = half.overflow || out->overflow;
    text_done(&half);
    return failed ? -ENOMEM : 0;
}

static int load_config(struct demo *d)
{
    struct text text = {0};
    struct diag_list diags;

    int rc = write_config(&d->options, &text);
    if (rc < 0)
        return rc;
    diag_list_init(&diags);
    rc = config_load(str_n(text.ptr, text.len), "demo.yaml", &diags, &d->config);
    if (rc < 0) {
        struct text out = {0};

        diag_write(&diags, "demo.yaml", &out);
        fwrite(out.ptr, 1, out.len, stderr);
        text_done(&out);
    }
    diag_list_done(&diags);
    text_done(&text);
    return rc;
}

/* -- starting -- */

static int fail_start(const char *what, unsigned port, int rc, const char *advice)
{
    if (rc == -EADDRINUSE)
        fprintf(stderr, "weir demo: port %u, for %s, is in use by another program%s\n", port, what,
                advice);
    else
        fprintf(stderr, "weir demo: %s on port %u: %s\n", what, port, strerrordesc_np(-rc));
    return rc;
}

static int start_fleet(struct demo *d)
{
    const struct demo_endpoint *failed = NULL;

    demo_fleet_init(&d->fleet);
    int rc = demo_fleet_start(&d->fleet, &failed);
    return rc < 0 ? fail_start(failed->name, failed->port, rc, "; is another demo running?") : 0;
}

static int start_gateway(struct demo *d)
{
    struct weir_error *error = NULL;

    int rc = gateway_new(&d->gateway);
    if (rc < 0)
        return rc;
    rc = gateway_apply(d->gateway, d->config, &error);
    if (weir_error_is(error, -EADDRINUSE)) {
        rc = fail_start("the gateway", d->options.port, -EADDRINUSE,
                        "; choose another one: weir demo --port N");
    } else if (rc < 0) {
        char text[256];

        weir_error_format(error, text, sizeof(text));
        fprintf(stderr, "weir demo: %s\n", text);
    }
    weir_error_free(error);
    return rc;
}

#define DEMO_PAGE(path_, serve_, help_, demo_)                                                     \
    {                                                                                              \
        .path = STR(path_), .methods = STR("POST"), .help = STR(help_), .serve = (serve_),         \
        .arg = (demo_)                                                                             \
    }

static int start_admin(struct demo *d, const struct admin_page pages[2])
{
    struct addr a;
    struct admin_options o = {.addr = &a, .gateway = d->gateway, .pages = pages, .page_count = 2};

    int rc = addr_parse(d->config->admin_address.text, &a);
    if (rc == 0)
        rc = admin_start(&o, &d->admin);
    return rc < 0 ? fail_start("the admin API", d->options.admin_port, rc,
                               "; choose another one: weir demo --admin-port N")
                  : 0;
}

/* -- running -- */

static void watch_signals(void *arg)
{
    struct demo *d = arg;
    int signo;

    while ((signo = weir_signal_wait()) > 0) {
        if (signo == SIGUSR1)
            continue;
        if (signo == SIGQUIT)
            model_note(&d->model, DEMO_NEUTRAL, "SIGQUIT: stopping");
        atomic_store(&d->stop_signal, signo);
    }
}

/* On the screen a line of the log would land anywhere; it becomes an event instead. */
static void log_as_event(void *arg, enum log_level level, struct str line)
{
    struct demo *d = arg;

    model_note(&d->model, level >= LOG_ERROR ? DEMO_BAD : DEMO_NEUTRAL, "%.*s",
               (int)MIN(line.len - 1, (size_t)DEMO_EVENT_MAX), line.ptr);
}

static void watch(struct demo *d)
{
    if (!d->options.plain && terminal_open() == 0) {
        log_setup(log_as_event, NULL, d, LOG_ERROR, true);
        demo_watch_screen(d);
        terminal_close();
        log_setup(NULL, NULL, NULL, LOG_ERROR, true);
        return;
    }
    printf("weir demo: gateway http://127.0.0.1:%u, admin http://127.0.0.1:%u; Ctrl-C ends it\n",
           d->options.port, d->options.admin_port);
    for (size_t i = 0; i < DEMO_FLEET; i++) {
        const struct demo_endpoint *e = &d->fleet.endpoints[i];

        printf("  %-12s :%u  %s\n", e->name, e->port,
               e->habits.help != NULL ? e->habits.help : "well behaved");
    }
    fflush(stdout);
    demo_watch_plain(d);
}

static void run_load(struct demo *d)
{
    WEIR_SCOPE (scope) {
        int rc = weir_scope_go(scope, "demo signals", watch_signals, d);

        if (rc == 0)
            rc = demo_load_start(&d->load, scope);
        if (rc < 0)
            fprintf(stderr, "weir demo: %s\n", strerrordesc_np(-rc));
        else
            watch(d);
        break; /* cancels the clients and joins them */
    }
}

static int summarise(struct demo *d)
{
    struct demo_load_counts zero = {0}, all;
    char p50[16] = "", p99[16] = "";
    struct buf b50 = buf_on(p50, sizeof(p50) - 1), b99 = buf_on(p99, sizeof(p99) - 1);

    demo_load_read(&d->load, &all);
    demo_format_latency(demo_load_quantile(&zero, &all, 0.50), &b50);
    demo_format_latency(demo_load_quantile(&zero, &all, 0.99), &b99);
    double percent = all.requests != 0 ? 100.0 * (double)all.ok / (double)all.requests : 0;
    bool kept = all.requests != 0 && percent >= DEMO_SUCCESS_PERCENT_MIN;
    printf("\n%llu requests: %llu ok, %llu failed for clients (%.2f%% ok)\n"
           "%llu retries; p50 %s, p99 %s\n",
           (unsigned long long)all.requests, (unsigned long long)all.ok,
           (unsigned long long)all.failed, percent,
           (unsigned long long)d->model.view.totals.retries, p50, p99);
    if (!d->options.plain)
        return EXIT_OK; /* people may kill what they like */
    if (d->victim_left)
        printf("orders-1 was killed, left out of the rotation%s\n",
               d->victim_returned ? ", revived, and got its share again" : "");
    printf("the promise, %.0f%% for the clients whatever the endpoints do: %s\n",
           DEMO_SUCCESS_PERCENT_MIN, kept ? "kept" : "BROKEN");
    return kept ? EXIT_OK : EXIT_FAILED;
}

static void stop_all(struct demo *d)
{
    if (d->gateway != NULL)
        gateway_stop(d->gateway, weir_now() + NS_PER_SEC);
    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        admin_stop(d->admin);
    }
    if (d->gateway != NULL)
        gateway_free(d->gateway);
    demo_fleet_stop(&d->fleet);
    process_metrics_stop();
}

static void name_addresses(struct demo *d)
{
    struct demo_view *v = &d->model.view;

    addr_parse(d->config->listeners[0].address.text, &d->load.gateway);
    snprintf(v->gateway, sizeof(v->gateway), "127.0.0.1:%u", d->options.port);
    snprintf(v->admin, sizeof(v->admin), "127.0.0.1:%u", d->options.admin_port);
}

static int serve_demo(void *arg)
{
    struct demo *d = arg;
    const struct admin_page pages[2] = {
        DEMO_PAGE("/demo/kill/", demo_serve_kill, "+ NAME: kill an endpoint (orders-1, ...)", d),
        DEMO_PAGE("/demo/revive/", demo_serve_revive, "+ NAME: revive it", d),
    };
    int code = EXIT_FAILED;

    cause_setup();
    int rc = process_metrics_start(STR(WEIR_VERSION));
    if (rc == 0)
        rc = start_fleet(d);
    if (rc == 0)
        rc = start_gateway(d);
    if (rc == 0) {
        model_init(&d->model, d->gateway, &d->fleet, &d->load);
        name_addresses(d);
        rc = start_admin(d, pages);
    }
    if (rc == 0) {
        run_load(d);
        code = summarise(d);
    }
    stop_all(d);
    return code;
}

static int run_in_runtime(struct demo_options *o)
{
    const struct weir_options runtime = {.size = sizeof(runtime)};
    struct demo *d = calloc(1, sizeof(*d));
    int code = EXIT_FAILED;

    if (d == NULL)
        return EXIT_FAILED;
    d->options = *o;
    log_setup(NULL, NULL, NULL, LOG_ERROR, true);
    weir_signal_block();
    if (load_config(d) == 0)
        code = weir_main(serve_demo, d, &runtime);
    if (code < 0)
        fprintf(stderr, "weir demo: %s\n", strerrordesc_np(-code));
    config_unref(d->config);
    free(d);
    return code < 0 ? EXIT_FAILED : code;
}

/* -- the command -- */

static const struct args_option options[] = {
    {"seconds", 's', "N", "end by itself after N seconds"},
    {"plain", 'p', NULL, "one line each second instead of a screen (the default in a pipe)"},
    {"port", 0, "N", "port of the gateway (8080)"},
    {"admin-port", 0, "N", "port of the admin API (9900)"},
    {"print-config", 0, NULL, "print the configuration of the demo, to start your own from"},
    {0},
};

static int number_option(const struct args *a, const char *name, uint64_t max, unsigned *value,
                         char error[static ARGS_ERROR_MAX])
{
    const char *text = args_value(&command_demo.args, a, name);
    uint64_t n;

    if (text == NULL)
        return 0;
    int rc = args_number(name, text, 1, max, &n, error);
    if (rc == 0)
        *value = (unsigned)n;
    return rc;
}

static int run_demo(const struct args *a)
{
    struct demo_options o = {.port = GATEWAY_PORT, .admin_port = ADMIN_PORT};
    char error[ARGS_ERROR_MAX];

    if (number_option(a, "seconds", 86400, &o.seconds, error) < 0 ||
        number_option(a, "port", 65535, &o.port, error) < 0 ||
        number_option(a, "admin-port", 65535, &o.admin_port, error) < 0)
        return command_usage_error("demo", error);
    if (args_value(&command_demo.args, a, "print-config") != NULL) {
        struct text text = {0};
        bool ok = write_config(&o, &text) == 0 && command_print(str_n(text.ptr, text.len));

        text_done(&text);
        return ok ? EXIT_OK : EXIT_FAILED;
    }
    o.plain = args_value(&command_demo.args, a, "plain") != NULL || !terminal_usable();
    return run_in_runtime(&o);
}

const struct command command_demo = {
    .name = "demo",
    .summary = "Show the gateway at work, with services and clients of its own",
    .args = {.options = options},
    .details =
        "Runs the gateway, three services with two endpoints each (one slow, one unreliable) and\n"
        "some clients in one process, on loopback only. On a terminal: keys 1-6 kill and revive\n"
        "the endpoints, k the first of them, q quits. In plain mode it kills and revives orders-1\n"
        "by itself, and exits with 0 when at least 99% of the clients' requests succeeded, else "
        "1.\n",
    .run = run_demo,
};
