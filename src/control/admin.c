/* The admin listener: a table of pages behind a small HTTP server. */
#include "control/admin.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <weir/diagnose.h>

#include "control/policy_pages.h"
#include "control/view_json.h"
#include "export/prometheus.h"
#include "runtime/runtime.h"

/* A view of thousands of routes and endpoints, with room; beyond, the page says 503. */
#define VIEW_BYTES_MAX (64 * MIB)
#define PAGE_BYTES_MAX (64 * MIB)

#define TEXT_PLAIN STR("text/plain; charset=utf-8")
#define TEXT_JSON  STR("application/json")

struct admin {
    struct http_server *server;
    struct gateway *gateway;
    const struct admin_page *pages;
    size_t page_count;
    atomic_bool stopping;
};

static int serve_index(struct admin *a, struct http_call *call, void *arg);

static int serve_health(struct admin *a, struct http_call *call, void *arg)
{
    return http_reply(call, 200, TEXT_PLAIN, STR("ok\n"));
}

/* NULL when ready, else what is missing. */
static const char *unready_reason(struct admin *a)
{
    if (atomic_load(&a->stopping))
        return "stopping";
    return gateway_ready(a->gateway) ? NULL : "no configuration is applied, or nothing listens";
}

static int serve_ready(struct admin *a, struct http_call *call, void *arg)
{
    const char *reason = unready_reason(a);
    char line[128];
    struct buf b = buf_on(line, sizeof(line));

    buf_printf(&b, "%s\n", reason != NULL ? reason : "ready");
    return http_reply(call, reason != NULL ? 503 : 200, TEXT_PLAIN, buf_str(&b));
}

static int reply_text(struct http_call *call, int rc, struct str type, struct text *body)
{
    if (rc < 0 || body->overflow)
        rc = admin_reply_error(call, 503, "the answer does not fit the memory set aside for it");
    else
        rc = http_reply(call, 200, type, str_n(body->ptr, body->len));
    text_done(body);
    return rc;
}

static int serve_metrics(struct admin *a, struct http_call *call, void *arg)
{
    struct text body = {.max = PAGE_BYTES_MAX};

    return reply_text(call, prometheus_write(&body), STR(PROMETHEUS_CONTENT_TYPE), &body);
}

typedef int view_writer(const struct gateway_view *v, struct text *out);

static int serve_view(struct admin *a, struct http_call *call, view_writer *write)
{
    struct text body = {.max = PAGE_BYTES_MAX};
    struct gateway_view view;
    struct arena arena;

    arena_init(&arena, NULL, 0, VIEW_BYTES_MAX);
    int rc = gateway_view(a->gateway, &arena, &view);
    if (rc == 0) {
        rc = write(&view, &body);
        gateway_view_done(&view);
    }
    arena_done(&arena);
    return reply_text(call, rc, TEXT_JSON, &body);
}

static int serve_routes(struct admin *a, struct http_call *call, void *arg)
{
    return serve_view(a, call, view_json_routes);
}

static int serve_upstreams(struct admin *a, struct http_call *call, void *arg)
{
    return serve_view(a, call, view_json_upstreams);
}

static int serve_config(struct admin *a, struct http_call *call, void *arg)
{
    return serve_view(a, call, view_json_config);
}

static int serve_coroutines(struct admin *a, struct http_call *call, void *arg)
{
    bool json = str_eq(call->request->query, STR("format=json"));
    struct text body = {.max = PAGE_BYTES_MAX};

    return reply_text(call, runtime_dump_text(&body, json ? WEIR_DUMP_JSON : 0),
                      json ? TEXT_JSON : TEXT_PLAIN, &body);
}

#define PAGE_BY(method_, path_, serve_, help_)                                                     \
    {                                                                                              \
        .path = {path_, sizeof(path_) - 1}, .methods = {method_, sizeof(method_) - 1},             \
        .help = {help_, sizeof(help_) - 1}, .serve = (serve_)                                      \
    }
#define PAGE(path_, serve_, help_) PAGE_BY("GET", path_, serve_, help_)

static const struct admin_page built_in[] = {
    PAGE("/", serve_index, "this list"),
    PAGE("/healthz", serve_health, "200 while the process lives"),
    PAGE("/readyz", serve_ready, "200 while requests are welcome, else 503 and why not"),
    PAGE("/metrics", serve_metrics, "counters and latencies, Prometheus text format"),
    PAGE("/api/routes", serve_routes, "routes in matching order, with their traffic"),
    PAGE("/api/upstreams", serve_upstreams, "upstreams and the state of each endpoint"),
    PAGE("/api/policies", serve_policies, "limits and breakers of routes, with their state"),
    PAGE_BY("POST", "/api/policies/", serve_policy_action,
            "ID?action=reset|force_open|disable|enable"),
    PAGE("/api/coroutines", serve_coroutines, "what every coroutine does; ?format=json"),
    PAGE("/api/config", serve_config, "which configuration runs, since when; causes of refusals"),
};

static const struct admin_page *page_at(const struct admin *a, size_t i)
{
    if (i < ARRAY_LEN(built_in))
        return &built_in[i];
    i -= ARRAY_LEN(built_in);
    return i < a->page_count ? &a->pages[i] : NULL;
}

static int serve_index(struct admin *a, struct http_call *call, void *arg)
{
    struct text body = {.max = 64 * KIB};
    const struct admin_page *p;

    text_puts(&body, STR("weir admin\n\n"));
    for (size_t i = 0; (p = page_at(a, i)) != NULL; i++)
        text_printf(&body, "%-4.*s %-18.*s %.*s\n", STR_ARG(p->methods), STR_ARG(p->path),
                    STR_ARG(p->help));
    return reply_text(call, 0, TEXT_PLAIN, &body);
}

static bool page_matches(const struct admin_page *p, struct str path)
{
    bool subtree = p->path.len > 1 && p->path.ptr[p->path.len - 1] == '/';

    return subtree ? str_starts(path, p->path) && path.len > p->path.len : str_eq(path, p->path);
}

static const struct admin_page *page_find(const struct admin *a, struct str path)
{
    const struct admin_page *p;

    for (size_t i = 0; (p = page_at(a, i)) != NULL; i++) {
        if (page_matches(p, path))
            return p;
    }
    return NULL;
}

static bool method_allowed(const struct admin_page *p, const struct http_head *request)
{
    if (str_eq(p->methods, STR("GET")))
        return request->method == HTTP_GET || request->method == HTTP_HEAD;
    return str_eq(p->methods, request->method_text);
}

static int reply_unknown(struct admin *a, struct http_call *call)
{
    struct text body = {.max = 64 * KIB};
    const struct admin_page *p;

    text_puts(&body, STR("{\"error\": \"there is no such page\", \"pages\": ["));
    for (size_t i = 0; (p = page_at(a, i)) != NULL; i++) {
        text_puts(&body, i == 0 ? STR("\"") : STR(", \""));
        text_put_json(&body, p->path);
        text_puts(&body, STR("\""));
    }
    text_puts(&body, STR("]}\n"));
    int rc = body.overflow ? -ENOMEM : http_reply(call, 404, TEXT_JSON, str_n(body.ptr, body.len));
    text_done(&body);
    return rc;
}

static int handle(struct http_call *call)
{
    struct admin *a = call->arg;
    const struct admin_page *p = page_find(a, call->request->path);

    if (p == NULL)
        return reply_unknown(a, call);
    if (!method_allowed(p, call->request)) {
        bool reads = str_eq(p->methods, STR("GET"));

        int rc = http_reply_field(call, STR("Allow"), reads ? STR("GET, HEAD") : p->methods);
        return rc < 0 ? rc : admin_reply_error(call, 405, "this page takes another method");
    }
    return p->serve(a, call, p->arg);
}

int admin_reply_error(struct http_call *call, int status, const char *message)
{
    char line[512];
    struct buf b = buf_on(line, sizeof(line));

    buf_lit(&b, "{\"error\": \"");
    buf_put_json(&b, str_of(message));
    buf_lit(&b, "\"}\n");
    return http_reply(call, status, TEXT_JSON, buf_str(&b));
}

int admin_reply_json(struct http_call *call, int status, struct str json)
{
    return http_reply(call, status, TEXT_JSON, json);
}

int admin_start(const struct admin_options *o, struct admin **ret)
{
    struct admin *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return -ENOMEM;
    a->gateway = o->gateway;
    a->pages = o->pages;
    a->page_count = o->page_count;
    const struct http_server_options options = {
        .name = "admin",
        .handler = handle,
        .arg = a,
        .connections_max = 64,
    };
    int rc = http_server_start(o->addr, &options, &a->server);
    if (rc < 0) {
        free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

int admin_addr(const struct admin *a, struct addr *ret)
{
    return http_server_addr(a->server, ret);
}

void admin_stopping(struct admin *a)
{
    atomic_store(&a->stopping, true);
}

void admin_stop(struct admin *a)
{
    if (a == NULL)
        return;
    http_server_stop(a->server);
    free(a);
}

struct gateway *admin_gateway(struct admin *a)
{
    return a->gateway;
}
