/* The demo's services. */
#include "cli/demo/service.h"

#include <stdio.h>

#include "base/assert.h"

#define ID_MISSING STR("/0") /* the one thing that no service has */

static const struct demo_endpoint fleet[DEMO_FLEET] = {
    {.name = "orders-1", .service = "orders", .port = 9101, .habits = {.delay_ns = NS_PER_MS}},
    {.name = "orders-2", .service = "orders", .port = 9102, .habits = {.delay_ns = NS_PER_MS}},
    {.name = "users-1", .service = "users", .port = 9201, .habits = {.delay_ns = 2 * NS_PER_MS}},
    {.name = "users-2",
     .service = "users",
     .port = 9202,
     .habits = {.delay_ns = 2 * NS_PER_MS,
                .cut_every = 90,
                .cut_count = 8,
                .word = "unreliable",
                .help = "has bad spells, in which it drops connections"}},
    {.name = "inventory-1",
     .service = "inventory",
     .port = 9301,
     .habits = {.delay_ns = 3 * NS_PER_MS}},
    {.name = "inventory-2",
     .service = "inventory",
     .port = 9302,
     .habits = {.delay_ns = 120 * NS_PER_MS,
                .slow_every = 60,
                .slow_ns = 600 * NS_PER_MS,
                .word = "slow",
                .help = "takes 120 ms, at times longer than weir waits"}},
};

void demo_fleet_init(struct demo_fleet *f)
{
    memcpy(f->endpoints, fleet, sizeof(fleet));
}

static bool every(unsigned n, unsigned count)
{
    return n != 0 && count % n == 0;
}

static bool in_bad_spell(const struct demo_habits *h, unsigned count)
{
    return h->cut_every != 0 && count % h->cut_every >= h->cut_every - h->cut_count;
}

static int reply_body(struct http_call *call, struct demo_endpoint *e, int status)
{
    char body[512];
    struct buf b = buf_on(body, sizeof(body));
    struct str path = call->request->path;

    buf_printf(&b, "{\"service\": \"%s\", \"served_by\": \"%s\", \"path\": \"", e->service,
               e->name);
    buf_put_json(&b, str_n(path.ptr, MIN(path.len, (size_t)64)));
    buf_lit(&b, "\"}\n");
    return http_reply(call, status, STR("application/json"), buf_str(&b));
}

/* A client that asked and never hears: what a crash in the middle of a request looks like. */
static int cut(struct http_call *call)
{
    stream_shutdown(call->body->reader->stream);
    return -ECONNRESET;
}

static int serve(struct http_call *call)
{
    struct demo_endpoint *e = call->arg;
    struct str path = call->request->path;

    if (str_eq(path, STR("/health")))
        return http_reply(call, 200, STR("text/plain"), STR("ok\n"));
    unsigned count = atomic_fetch_add(&e->served, 1) + 1;
    if (in_bad_spell(&e->habits, count))
        return cut(call);
    bool slow = every(e->habits.slow_every, count);
    int rc = weir_sleep(slow ? e->habits.slow_ns : e->habits.delay_ns);
    if (rc < 0)
        return rc;
    return reply_body(call, e, str_ends(path, ID_MISSING) ? 404 : 200);
}

static int start(struct demo_endpoint *e)
{
    const struct http_server_options options = {.name = e->name, .handler = serve, .arg = e};
    char text[32];
    struct addr a;

    snprintf(text, sizeof(text), "127.0.0.1:%u", e->port);
    int rc = addr_parse(str_of(text), &a);
    ASSERT(rc == 0);
    return http_server_start(&a, &options, &e->server);
}

static void stop(struct demo_endpoint *e)
{
    struct http_server *s = TAKE(e->server);

    if (s == NULL)
        return;
    WEIR_DEADLINE (weir_now()) /* nobody who dies says goodbye */
    {
        http_server_stop(s);
    }
}

int demo_fleet_start(struct demo_fleet *f, const struct demo_endpoint **ret_failed)
{
    for (size_t i = 0; i < DEMO_FLEET; i++) {
        int rc = start(&f->endpoints[i]);

        if (rc < 0) {
            demo_fleet_stop(f);
            *ret_failed = &f->endpoints[i];
            return rc;
        }
    }
    return 0;
}

void demo_fleet_stop(struct demo_fleet *f)
{
    for (size_t i = 0; i < DEMO_FLEET; i++)
        demo_endpoint_kill(&f->endpoints[i]);
}

struct demo_endpoint *demo_fleet_find(struct demo_fleet *f, struct str name)
{
    for (size_t i = 0; i < DEMO_FLEET; i++) {
        if (str_eq(str_of(f->endpoints[i].name), name))
            return &f->endpoints[i];
    }
    return NULL;
}

struct demo_endpoint *demo_fleet_by_port(struct demo_fleet *f, unsigned port)
{
    for (size_t i = 0; i < DEMO_FLEET; i++) {
        if (f->endpoints[i].port == port)
            return &f->endpoints[i];
    }
    return NULL;
}

bool demo_endpoint_kill(struct demo_endpoint *e)
{
    weir_mutex_lock(&e->lock);
    bool alive = !atomic_exchange(&e->killed, true);
    stop(e);
    weir_mutex_unlock(&e->lock);
    return alive;
}

int demo_endpoint_revive(struct demo_endpoint *e)
{
    int rc = 1;

    weir_mutex_lock(&e->lock);
    if (atomic_load(&e->killed)) {
        rc = start(e);
        if (rc == 0)
            atomic_store(&e->killed, false);
    }
    weir_mutex_unlock(&e->lock);
    return rc;
}
