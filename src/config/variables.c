/* Templates in filters use {variables} that path and host patterns of the route define. */
#include "config/check.h"
#include "config/pattern.h"

static bool is_defined(const struct config_route *route, struct str name, struct nearest *near,
                       struct arena *a)
{
    for (uint32_t i = 0; i < route->predicate_count; i++) {
        const struct config_predicate *p = &route->predicates[i];

        if (p->kind != PREDICATE_PATH && p->kind != PREDICATE_HOST)
            continue;
        for (uint32_t j = 0; j < p->value_count; j++) {
            struct str rest = p->values[j], defined;

            while (pattern_next_variable(&rest, &defined)) {
                if (str_eq(defined, name))
                    return true;
                defined = arena_str(a, defined);
                if (defined.ptr != NULL)
                    nearest_try(near, defined.ptr);
            }
        }
    }
    return false;
}

static bool takes_template(const struct config_filter *f)
{
    switch (f->kind) {
    case FILTER_PREFIX_PATH:
    case FILTER_SET_PATH:
    case FILTER_ADD_REQUEST_HEADER:
    case FILTER_SET_REQUEST_HEADER:
    case FILTER_ADD_RESPONSE_HEADER:
    case FILTER_SET_RESPONSE_HEADER:
        return f->value.ptr != NULL;
    default:
        return false;
    }
}

static void check_filter(struct reader *r, const struct draft *d, const struct config_filter *f,
                         const struct node *n, const struct path *path)
{
    struct str rest = f->value, name;

    while (takes_template(f) && pattern_next_variable(&rest, &name)) {
        struct nearest near;

        nearest_init(&near, name);
        if (is_defined(&d->route, name, &near, r->scratch))
            continue;
        reader_error(r, n, path,
                     "no Path or Host pattern of the route %s defines {" STR_FMT "}%s%s%s",
                     reader_quote(r, d->route.id), STR_ARG(name),
                     near.best != NULL ? "; did you mean {" : "",
                     near.best != NULL ? near.best : "", near.best != NULL ? "}?" : "");
    }
}

static void check_list(struct reader *r, const struct draft *d, const struct config_filter *filters,
                       uint32_t count, const struct node *n, const struct path *path)
{
    const struct node_entry *e = n != NULL ? n->entries : NULL;

    for (uint32_t i = 0; i < count && e != NULL; i++, e = e->next) {
        struct path at = path_item(path, i);

        check_filter(r, d, &filters[i], e->node, &at);
    }
}

void check_variables(struct reader *r, const struct draft *d)
{
    struct path filters = path_key(d->path, "filters");

    check_list(r, d, d->route.filters, d->route.filter_count, node_get(d->node, STR("filters")),
               &filters);
    check_list(r, d, r->default_filters, r->default_filter_count, r->default_filters_node,
               r->default_filters_path);
}
