/* Keys may be nested or joined by dots, "spring: cloud: gateway:" or "spring.cloud.gateway:". */
#include "config/spring.h"

#include "config/route.h"
#include "config/value.h"

static bool is_above(struct str key, struct str name)
{
    return str_starts(name, key) && name.len > key.len && name.ptr[key.len] == '.';
}

/* The value at a dotted name below n, or NULL. */
static const struct node *find(const struct node *n, struct str name)
{
    const struct node_entry *e = n->kind == NODE_MAP ? n->entries : NULL;

    for (; e != NULL; e = e->next) {
        const struct node *hit = NULL;

        if (str_eq(e->key, name))
            return e->node;
        if (is_above(e->key, name))
            hit = find(e->node, str_n(name.ptr + e->key.len + 1, name.len - e->key.len - 1));
        if (hit != NULL)
            return hit;
    }
    return NULL;
}

bool spring_is_present(const struct node *root)
{
    for (const struct node_entry *e = root->entries; e != NULL; e = e->next)
        if (str_eq(e->key, STR("spring")) || str_starts(e->key, STR("spring.")))
            return true;
    return false;
}

/* People may rely on what is not read: say so. */
static void warn_ignored(struct reader *r, const struct node *gateway, const struct path *path)
{
    const struct node_entry *e = gateway->kind == NODE_MAP ? gateway->entries : NULL;

    for (; e != NULL; e = e->next) {
        struct node place = {.line = e->line, .column = e->column};
        struct path at = {path, e->key, 0};

        if (!str_eq(e->key, STR("routes")) && !str_eq(e->key, STR("default-filters")) &&
            !str_starts(e->key, STR("server")))
            reader_warn(r, &place, &at, "not a setting of weir: ignored");
    }
}

static void read_below(struct reader *r, const char *prefix)
{
    const struct setting *routes = setting_find(&config_section, STR("routes"));
    const struct setting *filters = setting_find(&config_section, STR("default-filters"));
    struct path path = path_key(NULL, prefix);
    struct path routes_path = path_key(&path, routes->key);
    struct path filters_path = path_key(&path, filters->key);
    const struct node *n;
    const char *name = arena_printf(r->scratch, "%s.%s", prefix, routes->key);

    n = name != NULL ? find(r->root, str_of(name)) : NULL;
    if (n != NULL && !node_is_null(n))
        route_read_all(r, routes, n, &routes_path);
    name = arena_printf(r->scratch, "%s.%s", prefix, filters->key);
    n = name != NULL ? find(r->root, str_of(name)) : NULL;
    if (n != NULL && !node_is_null(n))
        route_read_default_filters(r, filters, n, &filters_path);
    n = find(r->root, str_of(prefix));
    if (n != NULL)
        warn_ignored(r, n, &path);
}

static void listen_on_server_port(struct reader *r)
{
    struct config *c = r->config;
    const struct node *n = find(r->root, STR("server.port"));
    struct path at = path_key(NULL, "server.port");
    int64_t port = 8080;

    if (n != NULL && (n->kind != NODE_SCALAR || value_parse_integer(n->text, &port) < 0 ||
                      port < 0 || port > UINT16_MAX)) {
        reader_error(r, n, &at, "found %s; expected a port from 0 to 65535", reader_found(r, n));
        return;
    }
    c->listeners = reader_alloc(r, sizeof(*c->listeners));
    if (c->listeners == NULL)
        return;
    c->listeners->address.text =
        str_of(arena_printf(&c->arena, "0.0.0.0:%u", (unsigned)(uint16_t)port));
    c->listener_count = 1;
    r->no_memory |= c->listeners->address.text.ptr == NULL;
}

void spring_read(struct reader *r)
{
    const struct node *listeners = node_get(r->root, STR("listeners"));

    read_below(r, "spring.cloud.gateway");
    read_below(r, "spring.cloud.gateway.server.webflux");
    if (listeners == NULL || node_is_null(listeners))
        listen_on_server_port(r);
    if (r->draft_count == 0 && r->diags->errors == 0)
        reader_error(r, r->root, NULL,
                     "there are no routes, neither at the top nor under "
                     "spring.cloud.gateway or "
                     "spring.cloud.gateway.server.webflux");
}
