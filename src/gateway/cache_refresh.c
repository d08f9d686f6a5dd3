/* Fetching anew in the background: see cache_refresh.h. */
#include "gateway/cache_refresh.h"

#include <stdlib.h>

#include <weir/panic.h>

#include "base/duration.h"
#include "gateway/gateway_impl.h"
#include "gateway/mishap.h"
#include "gateway/response_cache.h"
#include "gateway/serve.h"
#include "runtime/here.h"

/* Beyond what the route's own timeouts allow, nothing runs without a client. */
#define REFRESH_MAX_NS (30 * NS_PER_SEC)

struct refresh {
    struct serving serving; /* of nobody: conn is NULL, and the reader has no stream */
    struct exchange x;
};

/* -- a copy of the request, which goes on living when the client's has ended -- */

static struct str copy(struct refresh *r, struct str s)
{
    return s.ptr == NULL ? STR_NULL : arena_str(&r->x.arena, s);
}

static bool is_condition(struct str name)
{
    return str_eq_nocase(name, STR("If-None-Match")) ||
           str_eq_nocase(name, STR("If-Modified-Since"));
}

static bool copy_fields(struct refresh *r, const struct http_head *from)
{
    for (uint32_t i = 0; i < from->field_count; i++) {
        const struct http_field *f = &from->fields[i];
        struct str name, value;

        if (f->dropped || is_condition(http_field_name(f)))
            continue;
        name = copy(r, http_field_name(f));
        value = copy(r, http_field_value(f));
        if (name.ptr == NULL || value.ptr == NULL ||
            http_head_add_id(&r->x.request, f->id, name, value) < 0)
            return false;
    }
    return true;
}

static bool copy_vars(struct refresh *r, const struct vars *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        struct str value = copy(r, from->items[i].value);

        if (value.ptr == NULL || !vars_put(&r->x.vars, from->items[i].name, value))
            return false;
    }
    return true;
}

static bool copy_request(struct refresh *r, struct exchange *from)
{
    struct exchange *x = &r->x;

    x->trusted = from->trusted;
    x->host = copy(r, from->host);
    x->port = from->port;
    x->request_id = copy(r, from->request_id);
    x->route = from->route;
    x->path = copy(r, from->path);
    x->query = copy(r, from->query);
    x->body_piece = STR("");
    x->body_whole = x->request_body.done = true;
    x->request.method = HTTP_GET;
    x->request.method_text = http_method_text(HTTP_GET);
    x->request.authority = copy(r, from->request.authority);
    x->request.path = x->path;
    x->request.query = x->query;
    x->request.version_minor = 0; /* there is nobody to send interim responses to */
    return x->path.ptr != NULL && x->host.ptr != NULL && copy_fields(r, &from->request) &&
           copy_vars(r, &from->vars);
}

static bool copy_use(struct refresh *r, const struct cache_use *from, struct cache_flight *flight)
{
    struct cache_use *use = arena_zalloc(&r->x.arena, sizeof(*use));

    if (use == NULL)
        return false;
    use->store = from->store;
    use->config = from->config;
    use->hash = from->hash;
    use->key = copy(r, from->key);
    if (use->key.ptr == NULL)
        return false;
    use->background = true;
    use->entry = cache_entry_ref(from->entry);
    use->flight = flight;
    r->x.cache = use;
    return true;
}

/* -- its life -- */

static void refresh_free(struct refresh *r)
{
    struct exchange *x = &r->x;

    generation_unpin(&x->pin);
    arena_done(&x->arena);
    workspace_put(&r->serving.gateway->workspaces, r->serving.space);
    free(r);
}

static struct refresh *refresh_new(struct exchange *from)
{
    struct refresh *r = malloc(sizeof(*r));
    struct workspace *space =
        workspace_get(&from->gateway->workspaces, from->generation->buffer_class);

    if (r == NULL || space == NULL) {
        workspace_put(&from->gateway->workspaces, space);
        free(r);
        return NULL;
    }
    r->serving = (struct serving){
        .gateway = from->gateway,
        .space = space,
        .limits = from->generation->limits,
        .now_ns = here_now_ns(),
    };
    h1_reader_init(&r->serving.reader, NULL, space->client_buf, space->reader_bytes,
                   &r->serving.limits);
    exchange_begin(&r->x, &r->serving);
    r->x.pin = generation_pin_again(&from->pin);
    r->x.generation = r->x.pin.generation;
    return r;
}

static void read_body(struct exchange *x)
{
    struct str piece;
    ssize_t n = 1;

    while (x->cache->filling != NULL && n > 0) {
        WEIR_DEADLINE (ns_add(here_now_ns(), x->route->config->timeouts.read_ns)) {
            n = h1_body_next(&x->response_body, &piece);
        }
        if (n >= 0)
            response_cache_take(x, n > 0 ? piece : STR(""), x->response_body.done);
    }
}

static void run(void *arg)
{
    struct exchange *x = arg;

    if (cache_ask(x, x->route->inner) == 0 && x->source == RESPONSE_UPSTREAM)
        read_body(x);
}

static void refresh_main(void *arg)
{
    struct refresh *r = arg;
    struct weir_panic_info panic;

    WEIR_DEADLINE (ns_add(weir_now(), REFRESH_MAX_NS)) {
        if (weir_try(run, &r->x, &panic) < 0)
            mishap_log(&r->x, &panic);
    }
    r->x.end_ns = weir_now();
    exchange_let_go(&r->x);
    refresh_free(r);
}

void cache_refresh(struct exchange *x)
{
    struct cache_use *use = x->cache;
    struct cache_flight *flight;
    struct refresh *r;

    if (gateway_stopping(x->gateway) || x->route->inner == NULL)
        return;
    flight = cache_try_ask(&use->store->cache, use->hash, use->key);
    if (flight == NULL)
        return;
    r = refresh_new(x);
    if (r == NULL) {
        cache_land(&use->store->cache, flight, false);
        return;
    }
    if (!copy_request(r, x) || !copy_use(r, use, flight)) {
        cache_land(&use->store->cache, flight, false);
        refresh_free(r);
    } else if (weir_go("refresh", refresh_main, r) < 0) {
        response_cache_leave(&r->x);
        refresh_free(r);
    }
}
