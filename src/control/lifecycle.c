/* The life of a gateway process. */
#include "control/lifecycle.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/diagnose.h>
#include <weir/signal.h>

#include "base/duration.h"
#include "base/log.h"
#include "control/admin.h"
#include "control/fd_limit.h"
#include "control/source.h"
#include "export/access_log.h"
#include "export/process.h"
#include "gateway/gateway.h"
#include "runtime/runtime.h"
#include "telemetry/cause.h"

#define VIEW_BYTES_MAX (64 * MIB)
#define PLURAL(n)      ((n) == 1 ? "" : "s")

struct lifecycle {
    struct lifecycle_options options;
    struct config *started; /* with what the process began: some settings hold until it ends */
    struct config *config;  /* the one that runs */
    struct gateway *gateway;
    struct admin *admin;           /* NULL: not wanted */
    struct access_log *access_log; /* NULL: off */
};

/* -- what people read -- */

static int64_t wall_clock(void *arg)
{
    return world_wall_ns(world_real());
}

static void log_error_value(const char *event, const char *what, struct weir_error *e)
{
    char text[512];

    weir_error_format(e, text, sizeof(text));
    log_error(event, "%s: %s", what, text);
    weir_error_free(e);
}

/* One record for each finding. */
static void log_diags(const struct diag_list *diags, const char *name)
{
    struct text out = {.max = 1 * MIB};
    struct str rest, line;

    diag_write(diags, name, &out);
    rest = str_n(out.len != 0 ? out.ptr : "", out.len);
    while (str_split(&rest, '\n', &line)) {
        if (line.len != 0)
            log_write(diags->errors != 0 ? LOG_ERROR : LOG_WARN, "config", STR_FMT, STR_ARG(line));
    }
    text_done(&out);
}

static void log_ready(struct lifecycle *lc)
{
    struct gateway_view v;
    struct arena arena;
    char listeners[512], admin[ADDR_TEXT_MAX + 16];
    struct buf l = buf_on(listeners, sizeof(listeners)), a = buf_on(admin, sizeof(admin));
    struct addr at;

    arena_init(&arena, NULL, 0, VIEW_BYTES_MAX);
    if (gateway_view(lc->gateway, &arena, &v) == 0) {
        for (uint32_t i = 0; i < v.listener_count; i++) {
            buf_puts(&l, i == 0 ? STR("") : STR(", "));
            buf_puts(&l, v.listeners[i]);
        }
        if (lc->admin != NULL && admin_addr(lc->admin, &at) == 0) {
            buf_lit(&a, ", admin on ");
            addr_format(&at, &a);
        }
        log_info("ready", "serving on %.*s%.*s; %u route%s, %u upstream%s, %u worker%s", (int)l.len,
                 listeners, (int)a.len, admin, v.route_count, PLURAL(v.route_count),
                 v.upstream_count, PLURAL(v.upstream_count), runtime_processor_count(),
                 PLURAL(runtime_processor_count()));
        gateway_view_done(&v);
    }
    arena_done(&arena);
}

/* -- starting -- */

static int start_access_log(struct lifecycle *lc, const struct config *c)
{
    const struct access_log_options o = {
        .path = c->log.access == ACCESS_LOG_FILE ? c->log.access_path : STR_NULL,
    };

    if (c->log.access == ACCESS_LOG_OFF)
        return 0;
    int rc = access_log_start(&o, &lc->access_log);
    if (rc < 0)
        log_error("start_failed", "access log %.*s: %s", STR_ARG(c->log.access_path),
                  strerrordesc_np(-rc));
    return rc;
}

static int start_gateway(struct lifecycle *lc)
{
    struct weir_error *error = NULL;

    int rc = gateway_new(&lc->gateway);
    if (rc < 0) {
        log_error("start_failed", "gateway: %s", strerrordesc_np(-rc));
        return rc;
    }
    rc = gateway_apply(lc->gateway, lc->config, &error);
    if (rc < 0)
        log_error_value("start_failed", lc->options.config_path, error);
    return rc;
}

static int start_admin(struct lifecycle *lc, const struct config *c)
{
    struct admin_options o = {.gateway = lc->gateway};
    struct addr a;

    if (!c->admin_enabled)
        return 0;
    int rc = addr_parse(c->admin_address.text, &a);
    o.addr = &a;
    if (rc == 0)
        rc = admin_start(&o, &lc->admin);
    if (rc < 0)
        log_error("start_failed", "admin listener %.*s: %s", STR_ARG(c->admin_address.text),
                  strerrordesc_np(-rc));
    return rc;
}

/* What still runs; the gateway has stopped, or never began to serve. */
static void free_all(struct lifecycle *lc)
{
    WEIR_DEADLINE (weir_now() + NS_PER_SEC) {
        admin_stop(lc->admin);
    }
    if (lc->gateway != NULL)
        gateway_free(lc->gateway);
    access_log_stop(lc->access_log);
    process_metrics_stop();
}

/* -- reloading -- */

static bool admin_changed(const struct config *a, const struct config *b)
{
    return a->admin_enabled != b->admin_enabled ||
           (a->admin_enabled && !str_eq(a->admin_address.text, b->admin_address.text));
}

static bool access_log_changed(const struct config *a, const struct config *b)
{
    return a->log.access != b->log.access || !str_eq(a->log.access_path, b->log.access_path);
}

/* What of the new configuration has to wait for the next start. */
static void warn_of_restart(const struct config *before, const struct config *now)
{
    if (admin_changed(before, now))
        log_warn("reload", "admin: a change takes effect at the next start");
    if (access_log_changed(before, now))
        log_warn("reload", "log.access: a change takes effect at the next start");
    if (before->workers != now->workers)
        log_warn("reload", "workers: a change takes effect at the next start");
}

static int apply_reloaded(struct lifecycle *lc, struct config *next)
{
    struct weir_error *error = NULL;

    int rc = gateway_apply(lc->gateway, next, &error);
    if (rc < 0) {
        log_error_value("reload_failed", "the old configuration stays", error);
        return rc;
    }
    log_set_level((enum log_level)next->log.level);
    warn_of_restart(lc->started, next);
    log_info("reloaded", "%s: %u route%s, %u upstream%s", lc->options.config_path,
             next->route_count, PLURAL(next->route_count), next->upstream_count,
             PLURAL(next->upstream_count));
    config_unref(lc->config);
    lc->config = config_ref(next);
    return 0;
}

static void reopen_access_log(struct lifecycle *lc)
{
    if (lc->access_log != NULL)
        access_log_reopen(lc->access_log);
}

static void reload(struct lifecycle *lc)
{
    struct config *next = NULL;
    struct diag_list diags;

    diag_list_init(&diags);
    int rc = source_load_file_parked(lc->options.config_path, &diags, &next);
    log_diags(&diags, lc->options.config_path);
    if (rc < 0)
        log_error("reload_failed", "%s: %u error%s; the old configuration stays",
                  lc->options.config_path, diags.errors, PLURAL(diags.errors));
    else
        apply_reloaded(lc, next);
    config_unref(next);
    diag_list_done(&diags);
    reopen_access_log(lc);
}

/* -- stopping -- */

struct stopping {
    struct lifecycle *lc;
    int64_t deadline_ns;
    atomic_bool done;
};

static uint32_t requests_in_flight(struct gateway *g, uint32_t *ret_connections)
{
    struct gateway_view v;
    struct arena arena;
    uint32_t in_flight = 0;

    *ret_connections = 0;
    arena_init(&arena, NULL, 0, VIEW_BYTES_MAX);
    if (gateway_view(g, &arena, &v) == 0) {
        for (uint32_t u = 0; u < v.upstream_count; u++)
            for (uint32_t e = 0; e < v.upstreams[u].endpoint_count; e++)
                in_flight += v.upstreams[u].endpoints[e].in_flight;
        *ret_connections = v.connections_open;
        gateway_view_done(&v);
    }
    arena_done(&arena);
    return in_flight;
}

static void report_stopping(void *arg)
{
    struct stopping *s = arg;

    while (weir_sleep(NS_PER_SEC) == 0 && !atomic_load(&s->done)) {
        uint32_t connections;
        uint32_t in_flight = requests_in_flight(s->lc->gateway, &connections);
        int64_t left_ns = s->deadline_ns - weir_now();

        log_info("stopping", "waiting for %u request%s on %u client connection%s, %lld s more",
                 in_flight, PLURAL(in_flight), connections, PLURAL(connections),
                 (long long)MAX(left_ns / NS_PER_SEC, (int64_t)0));
    }
}

/* The impatient way out: nothing is waited for, not even what is buffered. */
static void watch_second_signal(void *arg)
{
    for (;;) {
        int signo = weir_signal_wait();

        if (signo < 0)
            return;
        if (signo != SIGTERM && signo != SIGINT)
            continue;
        log_warn("stopping", "second signal: stopping at once, requests in flight are cut");
        _exit(128 + signo);
    }
}

static void stop_gracefully(struct lifecycle *lc, int signo)
{
    int64_t timeout_ns = lc->config->client.shutdown_ns;
    struct stopping s = {.lc = lc, .deadline_ns = ns_add(weir_now(), timeout_ns)};
    uint32_t connections;
    uint32_t in_flight = requests_in_flight(lc->gateway, &connections);

    log_info("stopping",
             "%s: %u request%s in flight on %u client connection%s get up to %lld s; a "
             "second signal stops at once",
             signo == SIGTERM ? "SIGTERM" : "SIGINT", in_flight, PLURAL(in_flight), connections,
             PLURAL(connections), (long long)(timeout_ns / NS_PER_SEC));
    if (lc->admin != NULL)
        admin_stopping(lc->admin);
    WEIR_SCOPE (scope) {
        weir_scope_go(scope, "stop report", report_stopping, &s);
        weir_scope_go(scope, "second signal", watch_second_signal, NULL);
        int cut = gateway_stop(lc->gateway, s.deadline_ns);
        atomic_store(&s.done, true);
        if (cut > 0)
            log_warn("stopping", "the time is over: %d requests were cut", cut);
        break; /* cancels the two helpers */
    }
    log_info("stopped", "after %s", signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* Until a signal asks for the end; returns it, or a negative code. */
static int serve_signals(struct lifecycle *lc)
{
    for (;;) {
        int signo = weir_signal_wait();

        switch (signo) {
        case SIGHUP:
            reload(lc);
            break;
        case SIGUSR1:
            reopen_access_log(lc);
            break;
        case SIGQUIT:
            runtime_dump(STDERR_FILENO);
            break;
        default:
            return signo;
        }
    }
}

static int serve(void *arg)
{
    struct lifecycle *lc = arg;

    cause_setup();
    int rc = process_metrics_start(lc->options.version);
    if (rc == 0)
        rc = start_access_log(lc, lc->config);
    if (rc == 0)
        rc = start_gateway(lc);
    if (rc == 0)
        rc = start_admin(lc, lc->config);
    if (rc == 0) {
        log_ready(lc);
        rc = serve_signals(lc);
        if (rc < 0)
            log_error("stopping", "signals cannot be waited for: %s", strerrordesc_np(-rc));
    }
    if (rc > 0)
        stop_gracefully(lc, rc);
    else if (lc->gateway != NULL)
        gateway_stop(lc->gateway, weir_now());
    free_all(lc);
    return rc > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void raise_fd_limit(const struct config *c)
{
    uint64_t have = fd_limit_raise();
    uint64_t need = fd_limit_needed(c->limits.connections);

    if (have < need)
        log_warn("fd_limit",
                 "limits.connections is %u, which may need %llu descriptors; the process may open "
                 "%llu (raise the hard limit: ulimit -Hn, LimitNOFILE=)",
                 c->limits.connections, (unsigned long long)need, (unsigned long long)have);
}

/* Reads the first configuration and says what is wrong with it. */
static int load_first(struct lifecycle *lc)
{
    struct diag_list diags;

    diag_list_init(&diags);
    int rc = source_load_file(lc->options.config_path, &diags, &lc->config);
    if (rc == 0)
        log_set_level((enum log_level)lc->config->log.level);
    log_diags(&diags, lc->options.config_path);
    diag_list_done(&diags);
    return rc;
}

int lifecycle_run(const struct lifecycle_options *o)
{
    struct lifecycle lc = {.options = *o};

    log_setup(NULL, wall_clock, NULL, LOG_INFO, o->log_plain);
    int rc = load_first(&lc);
    if (rc < 0)
        return EXIT_FAILURE;
    lc.started = config_ref(lc.config);
    raise_fd_limit(lc.config);
    weir_signal_block();
    if (weir_dump_on_sigquit() < 0)
        log_warn("sigquit", "no thread for it: the dump will come from a coroutine");
    const struct weir_options options = {.size = sizeof(options), .workers = lc.config->workers};
    rc = weir_main(serve, &lc, &options);
    config_unref(lc.config);
    config_unref(lc.started);
    if (rc < 0)
        log_error("start_failed", "runtime: %s", strerrordesc_np(-rc));
    return rc == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
