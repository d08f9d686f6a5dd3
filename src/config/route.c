/* Routes as they are written, each by itself. */
#include "config/route.h"

#include "config/clause.h"
#include "config/forms.h"
#include "config/value.h"

/* "http://127.0.0.1:9003/x" -> the address; port 80 when there is none. */
static void read_http_uri(struct reader *r, const struct node *n, const struct path *path,
                          struct str rest, struct config_route *route)
{
    ssize_t slash = str_find(rest, '/');
    struct str authority = slash >= 0 ? str_n(rest.ptr, (size_t)slash) : rest;
    bool bare = str_find(authority, ':') < 0 ||
                (str_ends(authority, STR("]")) && str_starts(authority, STR("[")));
    struct str full = authority, address = STR_NULL;
    const char *problem;

    if (bare)
        full = str_of(arena_printf(r->scratch, STR_FMT ":80", STR_ARG(authority)));
    if (full.ptr == NULL) {
        r->no_memory = true;
        return;
    }
    problem = str_starts(full, STR("unix:")) ? "an address is expected behind http://"
                                             : form_address(full, 1, false, r->scratch, &address);
    if (problem != NULL) {
        reader_error(r, n, path, "found %s: %s; expected http://ADDRESS:PORT",
                     reader_quote(r, n->text), problem);
        return;
    }
    if (slash >= 0 && rest.len > (size_t)slash + 1)
        reader_warn(r, n, path, "the path of the uri is not used; PrefixPath or SetPath change it");
    route->uri_kind = URI_ADDRESS;
    route->uri = address; /* route_finish() makes it an upstream and puts the text here */
}

static void read_lb_uri(struct reader *r, const struct node *n, const struct path *path,
                        struct str id, struct config_route *route)
{
    if (str_ends(id, STR("/")))
        id.len--;
    if (!form_is_id(id)) {
        reader_error(r, n, path,
                     "found %s; expected lb://ID with the id of an upstream (plain HTTP; lb:ws: is "
                     "not supported)",
                     reader_quote(r, n->text));
        return;
    }
    route->uri_kind = URI_UPSTREAM;
    route->uri = id;
}

static const char *unsupported_uri(struct str s)
{
    if (str_starts(s, STR("https://")))
        return "https towards upstreams is not supported, http is";
    if (str_starts(s, STR("ws://")) || str_starts(s, STR("wss://")) ||
        str_starts(s, STR("lb:ws://")) || str_starts(s, STR("lb:wss://")))
        return "WebSocket upstreams are not supported";
    if (str_starts(s, STR("forward:")))
        return "forward: names a handler inside a Spring application, which weir is not";
    if (str_starts(s, STR("${")))
        return "placeholders in ${...} are Spring's; weir does not fill them in";
    return NULL;
}

void route_read_uri(struct reader *r, const struct node *n, const struct path *path,
                    struct config_route *route)
{
    const char *problem;

    if (n->kind == NODE_SCALAR) {
        struct str s = n->text;

        if (str_starts(s, STR("lb://"))) {
            read_lb_uri(r, n, path, str_n(s.ptr + 5, s.len - 5), route);
            return;
        }
        if (str_starts(s, STR("http://"))) {
            read_http_uri(r, n, path, str_n(s.ptr + 7, s.len - 7), route);
            return;
        }
        if (str_eq(s, STR("no://op"))) {
            route->uri_kind = URI_NONE;
            route->uri = s;
            return;
        }
        problem = unsupported_uri(s);
        if (problem != NULL) {
            reader_error(r, n, path, "found %s: %s", reader_quote(r, s), problem);
            return;
        }
    }
    reader_error(r, n, path, "found %s; expected lb://ID, http://ADDRESS:PORT or no://op",
                 reader_found(r, n));
}

void route_read_predicates(struct reader *r, const struct setting *s, const struct node *n,
                           const struct path *path, struct config_route *route)
{
    struct config_predicate *items = reader_list(r, s, n, path, sizeof(*items));
    unsigned i = 0;

    if (items == NULL)
        return;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i++) {
        struct path at = path_item(path, i);
        const struct factory *f =
            clause_read(r, &predicate_table, e->node, &at, &items[i], &items[i].text);

        if (f != NULL)
            items[i].kind = (enum config_predicate_kind)f->kind;
    }
    route->predicates = items;
    route->predicate_count = n->count;
}

static struct config_filter *read_filter_list(struct reader *r, const struct setting *s,
                                              const struct node *n, const struct path *path)
{
    struct config_filter *items = reader_list(r, s, n, path, sizeof(*items));
    unsigned i = 0;

    if (items == NULL)
        return NULL;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i++) {
        struct path at = path_item(path, i);
        const struct factory *f =
            clause_read(r, &filter_table, e->node, &at, &items[i], &items[i].text);

        if (f != NULL)
            items[i].kind = (enum config_filter_kind)f->kind;
    }
    return items;
}

void route_read_filters(struct reader *r, const struct setting *s, const struct node *n,
                        const struct path *path, struct config_route *route)
{
    route->filters = read_filter_list(r, s, n, path);
    route->filter_count = route->filters != NULL ? n->count : 0;
}

void route_read_default_filters(struct reader *r, const struct setting *s, const struct node *n,
                                const struct path *path)
{
    struct config_filter *items;

    if (r->default_filter_count != 0) {
        reader_error(r, n, path, "default-filters stand in another place, too; keep one");
        return;
    }
    items = read_filter_list(r, s, n, path);
    if (items == NULL)
        return;
    r->default_filters = items;
    r->default_filter_count = n->count;
    r->default_filters_node = n;
    r->default_filters_path = reader_keep_path(r, path);
}

void route_read_metadata(struct reader *r, const struct setting *s, const struct node *n,
                         const struct path *path, struct config_route *route)
{
    uint32_t i = 0;

    if (n->kind != NODE_MAP || n->count > s->max) {
        reader_error(r, n, path, "found %s; expected a map (key: value) of at most %lld keys",
                     reader_found(r, n), (long long)s->max);
        return;
    }
    route->metadata_keys = reader_alloc(r, n->count * sizeof(struct str));
    route->metadata_values = reader_alloc(r, n->count * sizeof(struct str));
    if (r->no_memory)
        return;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next) {
        struct path at = {path, e->key, 0};

        if (e->node->kind != NODE_SCALAR) {
            reader_error(r, e->node, &at, "found %s; expected a text", node_kind_text(e->node));
            continue;
        }
        route->metadata_keys[i] = reader_str(r, e->key);
        route->metadata_values[i++] = reader_str(r, e->node->text);
    }
    route->metadata_count = i;
}

static struct draft *grow_drafts(struct reader *r, uint32_t more)
{
    struct draft *grown = arena_zalloc(r->scratch, (r->draft_count + more) * sizeof(*r->drafts));

    if (grown == NULL) {
        r->no_memory = true;
        return NULL;
    }
    if (r->draft_count != 0)
        memcpy(grown, r->drafts, r->draft_count * sizeof(*grown));
    r->drafts = grown;
    return grown + r->draft_count;
}

void route_read_all(struct reader *r, const struct setting *s, const struct node *n,
                    const struct path *path)
{
    struct draft *d;
    unsigned i = 0;

    if (!reader_is_list(r, s, n, path))
        return;
    d = grow_drafts(r, n->count);
    if (d == NULL)
        return;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i++, d++) {
        struct path at = path_item(path, i);

        reader_defaults(r, &route_section, &d->route);
        d->route.line = e->node->line;
        d->node = e->node;
        d->path = reader_keep_path(r, &at);
        reader_section(r, &route_section, e->node, &at, &d->route);
    }
    r->draft_count += n->count;
}
