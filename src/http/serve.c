/* <weir/http.h>: the server of this layer under handlers of everybody. */
#include "base/duration.h"
#include "http/handler.h"
#include "net/conn.h"

#define CONNECTIONS_MAX 16384
#define GRACE           (5 * NS_PER_SEC)
#define BODY_MAX        MIB

struct service {
    weir_http_handler *handler;
    void *arg;
    uint64_t body_max;
};

static int status_of(int body_error)
{
    switch (body_error) {
    case -E2BIG:
        return 413;
    case -EBADMSG:
        return 400;
    case -ETIMEDOUT:
        return 408;
    default:
        return 500;
    }
}

static int serve_call(struct http_call *call)
{
    const struct service *s = call->arg;
    struct weir_http_request q;
    struct weir_http_response r;
    int error = request_init(&q, call, s->arg, s->body_max);

    if (error == -EBADMSG)
        return http_reply(call, 400, STR("text/plain"), STR("the path has a broken escape\n"));
    if (error != 0)
        return error;
    response_init(&r, call);
    error = s->handler(&q, &r);
    if (error >= 0)
        error = response_finish(&r);
    else if (error == q.body_error)
        call->failure_status = status_of(error);
    return error < 0 ? error : 0;
}

/* Parks until the caller's scope ends, and says how. */
static int wait_for_end(void)
{
    int r;

    do {
        r = weir_sleep(INT64_MAX);
    } while (r == 0);
    return r;
}

static int64_t or_default(int64_t value, int64_t when_zero)
{
    return value != 0 ? value : when_zero;
}

/* Options of an older program are shorter. */
static struct weir_http_options take_options(const struct weir_http_options *given)
{
    struct weir_http_options o = {0};

    if (given != NULL)
        memcpy(&o, given, MIN(given->size, sizeof(o)));
    return o;
}

int weir_http_serve_on(struct weir_listener *l, weir_http_handler *handler, void *arg,
                       const struct weir_http_options *options)
{
    const struct weir_http_options o = take_options(options);
    struct service service = {
        .handler = handler,
        .arg = arg,
        .body_max = o.body_max != 0 ? o.body_max : BODY_MAX,
    };
    const struct http_server_options inner = {
        .name = o.name != NULL ? o.name : "http",
        .handler = serve_call,
        .arg = &service, /* stopped below, before this returns */
        .connections_max = o.connections_max != 0 ? o.connections_max : CONNECTIONS_MAX,
        .header_timeout_ns = o.header_timeout_ns,
        .idle_timeout_ns = o.idle_timeout_ns,
        .request_timeout_ns = o.request_timeout_ns,
        .panicked = o.panicked,
        .panicked_arg = arg,
    };
    struct http_server *server;
    int r = http_server_start_on(listener_of(l), &inner, &server);

    if (r != 0)
        return r;
    r = wait_for_end();
    http_server_stop_by(server, ns_add(weir_now(), or_default(o.grace_ns, GRACE)));
    return r;
}

int weir_http_serve(const char *address, weir_http_handler *handler, void *arg)
{
    struct weir_listener *l;
    int r = weir_listen(address, &l);

    return r != 0 ? r : weir_http_serve_on(l, handler, arg, NULL);
}
