/* The lab: see lab.h. */
#include "lab.h"

#include <stdlib.h>

#include <weir/scope.h>

#include "base/assert.h"
#include "base/log.h"

uint64_t lab_seed = 1;

struct lab_main {
    lab_script *script;
    const char *routes, *more;
    struct lab *lab;
};

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

/* Bytes of the request's head and, if it is waited for, of a body by length; 0: the end. */
static size_t read_request(struct stream *s, char *out, bool head_only)
{
    size_t len = 0, need = 0;
    ssize_t n;

    while (need == 0 || len < need) {
        char *end, *field;

        n = stream_read(s, out + len, LAB_TEXT - 1 - len);
        if (n <= 0)
            return 0;
        len += (size_t)n;
        out[len] = 0;
        end = strstr(out, "\r\n\r\n");
        if (end == NULL)
            continue;
        field = strcasestr(out, "\r\nContent-Length: ");
        need = (size_t)(end - out) + 4;
        if (field != NULL && field < end && !head_only)
            need += strtoul(field + 18, NULL, 10);
    }
    return len;
}

struct origin_conn {
    struct lab *lab;
    struct stream *stream;
};

static void origin_conn_main(void *arg)
{
    struct origin_conn c = *(struct origin_conn *)arg;
    char *text = malloc(LAB_TEXT);

    free(arg);
    while (read_request(c.stream, text, c.lab->early) != 0) {
        memcpy(c.lab->seen, text, LAB_TEXT);
        c.lab->requests++;
        if (c.lab->hold)
            continue;
        if (c.lab->delay_ns != 0 && weir_sleep(c.lab->delay_ns) < 0)
            break;
        if (c.lab->answer != NULL &&
            stream_write(c.stream, c.lab->answer, strlen(c.lab->answer)) < 0)
            break;
        if (c.lab->close_after || c.lab->reset_after)
            break;
    }
    if (c.lab->reset_after)
        stream_reset(c.stream);
    else
        stream_close(c.stream);
    free(text);
}

static void origin_main(void *arg)
{
    struct lab *lab = arg;
    struct listener *l;

    ASSERT(listener_open(&lab->origin_addr, 16, &l) == 0);
    WEIR_SCOPE (scope) {
        struct stream *s;

        while (listener_accept(l, &s) == 0) {
            struct origin_conn *c = malloc(sizeof(*c));

            lab->connections++;
            *c = (struct origin_conn){lab, s};
            ASSERT(weir_scope_go(scope, "origin", origin_conn_main, c) == 0);
        }
    }
    listener_close(l);
}

int lab_apply(struct lab *lab, const char *routes, const char *more)
{
    static const char *const usual = "  - {id: all, uri: \"lb://o\", predicates: [\"Path=/**\"]}\n";
    struct text text = {0}, problems = {0};
    struct diag_list diags;
    struct config *config;
    struct weir_error *error = NULL;
    int rc;

    text_printf(&text,
                "listeners: [\"10.1.0.1:80\"]\n%s\nupstreams:\n  - id: o\n    health: off\n    "
                "eject: off\n    %s\n    endpoints: [\"10.0.0.1:8001\"]\nroutes:\n%s",
                more != NULL ? more : "", lab->upstream != NULL ? lab->upstream : "breaker: off",
                routes != NULL ? routes : usual);
    diag_list_init(&diags);
    rc = config_load(str_n(text.ptr, text.len), "lab", &diags, &config);
    if (rc == 0) {
        rc = gateway_apply(lab->gateway, config, &error);
        config_unref(config);
    }
    if (rc < 0) {
        diag_write(&diags, "lab", &problems);
        print_error("%s%s\n%s\n", problems.ptr != NULL ? problems.ptr : "",
                    error != NULL ? weir_error_message(error) : "", text.ptr);
    }
    weir_error_free(error);
    diag_list_done(&diags);
    text_done(&text);
    text_done(&problems);
    return rc;
}

static int lab_main(void *arg)
{
    struct lab_main *m = arg;
    struct lab *lab = m->lab;
    int rc;

    ASSERT(gateway_new(&lab->gateway) == 0);
    WEIR_SCOPE (scope) {
        ASSERT(weir_scope_go(scope, "origin", origin_main, lab) == 0);
        rc = lab_apply(lab, m->routes, m->more);
        if (rc == 0)
            m->script(lab);
        (void)gateway_stop(lab->gateway, weir_now() + NS_PER_SEC);
        gateway_free(lab->gateway);
        weir_scope_cancel(scope);
    }
    return rc;
}

void lab_run(lab_script *script, const char *routes, const char *more)
{
    lab_run_upstream(script, routes, more, NULL);
}

void lab_run_upstream(lab_script *script, const char *routes, const char *more,
                      const char *upstream)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    struct lab_main m = {script, routes, more, lab};
    struct weir_options options = {.size = sizeof(options), .workers = 1};
    struct sim_stats stats;
    int rc;

    lab->upstream = upstream;
    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    lab->world = options.world = sim_new(lab_seed);
    lab->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ASSERT(addr_parse(STR("10.1.0.1:80"), &lab->gateway_addr) == 0);
    ASSERT(addr_parse(STR("10.0.0.1:8001"), &lab->origin_addr) == 0);
    rc = weir_main(lab_main, &m, &options);
    sim_get_stats(lab->world, &stats);
    sim_free(lab->world);
    if (lab->failure[0] == 0 && rc != 0)
        lab_fail(lab, __LINE__, strerror(-rc), "", "");
    if (lab->failure[0] == 0 && stats.open_sockets != 0)
        lab_fail(lab, __LINE__, "no socket is left open", "", "");
    if (lab->failure[0] != 0) {
        print_error("%s\n", lab->failure);
        free(lab);
        fail();
    }
    free(lab);
}

void lab_fail(struct lab *lab, int line, const char *what, const char *text, const char *in)
{
    if (lab->failure[0] == 0)
        snprintf(lab->failure, sizeof(lab->failure), "line %d: expected: %s \"%s\"\n%s", line, what,
                 text, in);
}

void lab_collect(struct lab *lab, struct stream *s, int64_t ns)
{
    size_t len = 0;
    ssize_t n = 0;

    WEIR_DEADLINE (weir_now() + ns) {
        while (len < LAB_TEXT - 1 && (n = stream_read(s, lab->reply + len, LAB_TEXT - 1 - len)) > 0)
            len += (size_t)n;
    }
    lab->reply[len] = 0;
    lab->cut = n == -ECONNRESET;
    lab->closed = n == 0;
    stream_close(s);
}

void lab_talk_for(struct lab *lab, const char *bytes, int64_t ns)
{
    struct stream *s;

    ASSERT(stream_dial(&lab->gateway_addr, &s) == 0);
    (void)stream_write(s, bytes, strlen(bytes));
    lab_collect(lab, s, ns);
}

void lab_talk(struct lab *lab, const char *bytes)
{
    lab_talk_for(lab, bytes, 5 * NS_PER_SEC);
}

bool lab_origin_saw(struct lab *lab, const char *text)
{
    return strstr(lab->seen, text) != NULL;
}

bool lab_client_got(struct lab *lab, const char *text)
{
    return strstr(lab->reply, text) != NULL;
}
