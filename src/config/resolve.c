/* From drafts to routes: names become indexes, and every route gets all that it runs with. */
#include <stdlib.h>

#include "base/duration.h"
#include "base/map.h"
#include "config/check.h"
#include "config/value.h"

struct resolver {
    struct reader *r;
    struct map by_id;  /* upstream index + 1; of addresses, too: no id holds a colon */
    struct map routes; /* id to draft */
    bool *used;        /* by upstream */
    uint32_t written;  /* upstreams that stand in the text */
};

static const uint64_t map_key[2] = {0x776569725f726f75, 0x7465735f5f5f5f5f};

static const struct node *value_node(const struct draft *d, const char *key)
{
    const struct node *n = node_get(d->node, str_of(key));

    return n != NULL ? n : d->node;
}

static void *as_value(uint32_t index)
{
    return (void *)((uintptr_t)index + 1);
}

static uint32_t index_of(const void *value)
{
    return (uint32_t)((uintptr_t)value - 1);
}

/* An upstream of one endpoint, with the defaults, for an address in a uri. */
static bool add_upstream(struct resolver *v, struct str address, uint32_t *ret)
{
    struct config *c = v->r->config;
    struct config_upstream *u = &c->upstreams[c->upstream_count];

    memset(u, 0, sizeof(*u));
    reader_defaults(v->r, &upstream_section, u);
    u->id = reader_str(v->r, address);
    u->endpoints = reader_alloc(v->r, sizeof(*u->endpoints));
    if (v->r->no_memory)
        return false;
    reader_defaults(v->r, &endpoint_section, u->endpoints);
    u->endpoints[0].address.text = u->id;
    u->endpoint_count = 1;
    u->timeouts.first_byte_ns = u->timeouts.read_ns;
    if (map_put(&v->by_id, u->id, as_value(c->upstream_count)) < 0) {
        v->r->no_memory = true;
        return false;
    }
    *ret = c->upstream_count++;
    return true;
}

static void undefined_upstream(struct resolver *v, const struct draft *d, const struct path *path)
{
    struct config *c = v->r->config;
    struct nearest near;
    const char *hint = "";

    nearest_init(&near, d->route.uri);
    for (uint32_t i = 0; i < v->written; i++)
        if (c->upstreams[i].id.ptr != NULL)
            nearest_try(&near, c->upstreams[i].id.ptr); /* terminated: the arena's copies are */
    if (near.best != NULL)
        hint = arena_printf(v->r->scratch, "; did you mean lb://%s?", near.best);
    reader_error(v->r, value_node(d, "uri"), path, "no upstream has the id %s%s",
                 reader_quote(v->r, d->route.uri), hint != NULL ? hint : "");
}

static void resolve_uri(struct resolver *v, struct draft *d)
{
    struct path at = path_key(d->path, "uri");
    const struct node *n = node_get(d->node, STR("uri"));
    struct config_route *route = &d->route;
    void *found;

    if (route->uri.ptr == NULL) /* an error was reported */
        return;
    if (route->uri_kind != URI_NONE) {
        found = map_get(&v->by_id, route->uri);
        if (found != NULL)
            route->upstream = index_of(found);
        else if (route->uri_kind == URI_UPSTREAM)
            undefined_upstream(v, d, &at);
        else if (!add_upstream(v, route->uri, &route->upstream))
            return;
        if (found != NULL && route->upstream < v->written)
            v->used[route->upstream] = true;
    }
    route->uri = reader_str(v->r, n->text);
}

/* The upstreams that fallbacks name. */
static void resolve_steps(struct resolver *v, struct config_fallback_steps *steps,
                          const struct node *n, const struct path *path)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        struct config_fallback_step *step = &steps->items[i];
        void *found;

        if (step->kind != FALLBACK_UPSTREAM || step->id.ptr == NULL)
            continue;
        found = map_get(&v->by_id, step->id);
        if (found == NULL) {
            reader_error(v->r, n, path, "Fallback: no upstream has the id %s",
                         reader_quote(v->r, step->id));
            continue;
        }
        step->upstream = index_of(found);
        if (step->upstream < v->written)
            v->used[step->upstream] = true;
    }
}

static void resolve_fallbacks(struct resolver *v, const struct config_filter *filters,
                              uint32_t count, const struct node *n, const struct path *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (filters[i].kind == FILTER_FALLBACK)
            resolve_steps(v, &filters[i].fallback->steps, n, path);
    }
}

static bool parse_millis(struct str text, int64_t *ret_ns)
{
    int64_t ms;

    if (value_parse_integer(text, &ms) == 0) {
        *ret_ns = ms;
        return ms <= 86400000 && !__builtin_mul_overflow(ms, NS_PER_MS, ret_ns);
    }
    return duration_parse(text, ret_ns) == 0;
}

static void apply_timeout(struct resolver *v, struct draft *d, uint32_t i)
{
    struct config_route *route = &d->route;
    struct str key = route->metadata_keys[i], value = route->metadata_values[i];
    bool connect = str_eq(key, STR("connect-timeout"));
    struct path metadata = path_key(d->path, "metadata"), at = {&metadata, key, 0};
    const struct node *n = node_get(value_node(d, "metadata"), key);
    int64_t ns;

    if (!connect && !str_eq(key, STR("response-timeout")))
        return;
    if (!parse_millis(value, &ns) || (connect && ns <= 0)) {
        reader_error(v->r, n, &at,
                     "found %s; expected milliseconds, like 500, or a duration, "
                     "like 2s%s",
                     reader_quote(v->r, value), connect ? "" : ", or -1 for none");
    } else if (connect) {
        route->timeouts.connect_ns = ns;
    } else {
        route->timeouts.first_byte_ns = ns > 0 ? ns : NS_NEVER;
        route->timeouts.total_ns = ns > 0 ? ns : NS_NEVER;
    }
}

static void apply_priority(struct resolver *v, struct draft *d, uint32_t i)
{
    static const struct str names[CONFIG_PRIORITY_MAX] = {
        {"sheddable", 9}, {"low", 3}, {"normal", 6}, {"high", 4}};
    struct str key = d->route.metadata_keys[i], value = d->route.metadata_values[i];
    struct path metadata = path_key(d->path, "metadata"), at = {&metadata, key, 0};

    if (!str_eq(key, STR("priority")))
        return;
    for (int n = 0; n < CONFIG_PRIORITY_MAX; n++) {
        if (str_eq(value, names[n]))
            d->route.priority = (uint8_t)(n + 1);
    }
    if (d->route.priority == 0)
        reader_error(v->r, node_get(value_node(d, "metadata"), key), &at,
                     "found %s; expected sheddable, low, normal or high",
                     reader_quote(v->r, value));
}

static void default_per_try(struct config_timeouts *t)
{
    if (t->per_try_ns == 0)
        t->per_try_ns = ns_add(t->connect_ns, t->first_byte_ns);
}

static void resolve_timeouts(struct resolver *v, struct draft *d)
{
    struct config *c = v->r->config;

    if (d->route.uri_kind != URI_NONE && c->upstream_count > 0)
        d->route.timeouts = c->upstreams[d->route.upstream].timeouts;
    for (uint32_t i = 0; i < d->route.metadata_count; i++)
        apply_timeout(v, d, i);
    for (uint32_t i = 0; i < d->route.metadata_count; i++)
        apply_priority(v, d, i);
    default_per_try(&d->route.timeouts);
}

/* Of the upstreams themselves, after the routes have made their own of them: for requests that a
 * fallback sends there. */
static void resolve_upstream_timeouts(struct config *c)
{
    for (uint32_t i = 0; i < c->upstream_count; i++)
        default_per_try(&c->upstreams[i].timeouts);
}

static void resolve_id(struct resolver *v, struct draft *d, uint32_t i)
{
    struct path at = path_key(d->path, "id");
    struct draft *first;

    if (d->route.id.ptr == NULL)
        d->route.id = str_of(arena_printf(&v->r->config->arena, "route-%u", i + 1));
    if (d->route.id.ptr == NULL) {
        v->r->no_memory = true;
        return;
    }
    first = map_get(&v->routes, d->route.id);
    if (first != NULL)
        reader_error(v->r, value_node(d, "id"), &at, "the route %s is there already, in line %u",
                     reader_quote(v->r, d->route.id), first->route.line);
    else if (map_put(&v->routes, d->route.id, d) < 0)
        v->r->no_memory = true;
}

static bool answers(const struct config_filter *filters, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (filters[i].kind == FILTER_REDIRECT_TO || filters[i].kind == FILTER_SET_STATUS)
            return true;
    return false;
}

/* A redirect answers by itself; any other route without an upstream has no answer. */
static void check_no_op(struct resolver *v, const struct draft *d)
{
    struct path at = path_key(d->path, "uri");

    if (d->route.uri_kind == URI_NONE && d->route.uri.ptr != NULL &&
        !answers(d->route.filters, d->route.filter_count) &&
        !answers(v->r->default_filters, v->r->default_filter_count))
        reader_warn(v->r, value_node(d, "uri"), &at,
                    "no filter of this route answers (RedirectTo or SetStatus)");
}

static void add_default_filters(struct reader *r, struct config_route *route)
{
    uint32_t count = r->default_filter_count + route->filter_count;
    struct config_filter *all;

    if (r->default_filter_count == 0)
        return;
    all = reader_alloc(r, count * sizeof(*all));
    if (all == NULL)
        return;
    memcpy(all, r->default_filters, r->default_filter_count * sizeof(*all));
    if (route->filter_count != 0)
        memcpy(all + r->default_filter_count, route->filters, route->filter_count * sizeof(*all));
    route->filters = all;
    route->filter_count = count;
}

static int by_order(const void *a, const void *b)
{
    const struct draft *x = *(struct draft *const *)a, *y = *(struct draft *const *)b;

    if (x->route.order != y->route.order)
        return x->route.order < y->route.order ? -1 : 1;
    return x < y ? -1 : x > y; /* drafts stand in the order of the text */
}

static void publish_routes(struct reader *r)
{
    struct draft **sorted = arena_alloc(r->scratch, r->draft_count * sizeof(struct draft *) + 1);
    struct config *c = r->config;
    uint32_t count = 0;

    if (sorted == NULL) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < r->draft_count; i++)
        if (r->drafts[i].route.enabled)
            sorted[count++] = &r->drafts[i];
    qsort(sorted, count, sizeof(struct draft *), by_order);
    c->routes = reader_alloc(r, count * sizeof(*c->routes));
    if (c->routes == NULL)
        return;
    if (r->diags->errors == 0)
        check_shadows(r, sorted, count);
    if (r->diags->errors == 0)
        check_fallback_uris(r);
    for (uint32_t i = 0; i < count; i++) {
        c->routes[i] = sorted[i]->route;
        add_default_filters(r, &c->routes[i]);
    }
    c->route_count = count;
}

static void warn_unused(struct resolver *v)
{
    const struct node *list = node_get(v->r->root, STR("upstreams"));
    const struct node_entry *e = list != NULL ? list->entries : NULL;
    struct path top = path_key(NULL, "upstreams");

    for (uint32_t i = 0; i < v->written && e != NULL; i++, e = e->next) {
        struct path at = path_item(&top, i);
        struct str id = v->r->config->upstreams[i].id;

        if (!v->used[i] && id.ptr != NULL)
            reader_warn(v->r, e->node, &at, "no route uses the upstream %s",
                        reader_quote(v->r, id));
    }
}

/* Room for the upstreams that addresses in routes may add. */
static bool resolver_init(struct resolver *v, struct reader *r)
{
    struct config *c = r->config;
    struct config_upstream *all;

    *v = (struct resolver){.r = r, .written = c->upstream_count};
    map_init(&v->by_id, map_key, 0);
    map_init(&v->routes, map_key, 0);
    all = reader_alloc(r, (c->upstream_count + r->draft_count) * sizeof(*all));
    v->used = arena_zalloc(r->scratch, c->upstream_count + 1);
    if (all == NULL || v->used == NULL) {
        r->no_memory = true;
        return false;
    }
    if (c->upstream_count != 0)
        memcpy(all, c->upstreams, c->upstream_count * sizeof(*all));
    c->upstreams = all;
    for (uint32_t i = 0; i < c->upstream_count; i++)
        if (all[i].id.ptr != NULL && map_put(&v->by_id, all[i].id, as_value(i)) < 0)
            r->no_memory = true;
    return !r->no_memory;
}

void resolve_routes(struct reader *r)
{
    struct resolver v;

    if (resolver_init(&v, r)) {
        resolve_fallbacks(&v, r->default_filters, r->default_filter_count, r->default_filters_node,
                          r->default_filters_path);
        for (uint32_t i = 0; i < r->draft_count && !r->no_memory; i++) {
            struct draft *d = &r->drafts[i];

            resolve_id(&v, d, i);
            resolve_uri(&v, d);
            resolve_timeouts(&v, d);
            resolve_fallbacks(&v, d->route.filters, d->route.filter_count, value_node(d, "filters"),
                              d->path);
            check_no_op(&v, d);
            check_variables(r, d);
        }
        resolve_upstream_timeouts(r->config);
        if (r->diags->errors == 0) /* a name written wrong is not a second finding */
            warn_unused(&v);
        publish_routes(r);
    }
    map_done(&v.by_id);
    map_done(&v.routes);
}
