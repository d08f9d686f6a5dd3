/* Paths of fallbackUri that lead nowhere. Whether a route really serves them depends on the request
 * (its host, its method, expressions); that no pattern of any route has room for them does not. */
#include "config/check.h"

/* The next segment, with its slash taken off; braces may hold slashes. */
static bool next_segment(struct str *rest, struct str *ret)
{
    unsigned depth = 0;
    size_t i = 1;

    if (rest->len == 0)
        return false;
    for (; i < rest->len && (depth > 0 || rest->ptr[i] != '/'); i++)
        depth += rest->ptr[i] == '{' ? 1U : rest->ptr[i] == '}' && depth > 0 ? -1U : 0U;
    *ret = str_n(rest->ptr + 1, i - 1);
    *rest = str_n(rest->ptr + i, rest->len - i);
    return true;
}

/* '?' and '*' within one segment; a variable takes whatever there is. */
static bool segment_may_match(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, from = 0;

    if (str_find(pattern, '{') >= 0)
        return true;
    while (i < s.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            from = i;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == s.ptr[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static struct str without_slash(struct str s)
{
    return s.len > 1 && s.ptr[s.len - 1] == '/' ? str_n(s.ptr, s.len - 1) : s;
}

static bool pattern_may_match(struct str pattern, struct str path)
{
    struct str a, b;

    pattern = without_slash(pattern);
    path = without_slash(path);
    while (next_segment(&pattern, &a)) {
        if (str_eq(a, STR("**")) || str_starts(a, STR("{*")))
            return true;
        if (!next_segment(&path, &b))
            return false;
        if (!segment_may_match(a, b))
            return false;
    }
    return path.len == 0;
}

static bool route_may_match(const struct config_route *route, struct str path)
{
    for (uint32_t i = 0; i < route->predicate_count; i++) {
        const struct config_predicate *p = &route->predicates[i];
        bool any = p->kind != PREDICATE_PATH;

        for (uint32_t j = 0; j < p->value_count && !any; j++)
            any = pattern_may_match(p->values[j], path);
        if (!any)
            return false;
    }
    return true;
}

static bool leads_somewhere(const struct reader *r, struct str path)
{
    /* Dots and encoded letters are resolved when requests are matched. */
    if (str_find(path, '%') >= 0 || str_find(path, '.') >= 0)
        return true;
    for (uint32_t i = 0; i < r->draft_count; i++) {
        if (r->drafts[i].route.enabled && route_may_match(&r->drafts[i].route, path))
            return true;
    }
    return false;
}

/* Where the argument stands, in the long form, else where the filter does. */
static const struct node *place_of(const struct node *list, uint32_t index)
{
    const struct node_entry *e = list != NULL && list->kind == NODE_LIST ? list->entries : NULL;
    const struct node *args, *uri;

    for (; e != NULL && index > 0; index--)
        e = e->next;
    if (e == NULL)
        return list;
    args = e->node->kind == NODE_MAP ? node_get(e->node, STR("args")) : NULL;
    uri = args != NULL && args->kind == NODE_MAP ? node_get(args, STR("fallbackUri")) : NULL;
    return uri != NULL ? uri : e->node;
}

static void check_filters(struct reader *r, const struct config_filter *filters, uint32_t count,
                          const struct node *list, const struct path *path)
{
    for (uint32_t i = 0; i < count; i++) {
        struct path at = path_item(path, i);
        struct str uri;

        if (filters[i].kind != FILTER_CIRCUIT_BREAKER)
            continue;
        uri = filters[i].circuit_breaker->fallback_uri;
        if (uri.len != 0 && !leads_somewhere(r, str_n(uri.ptr + 8, uri.len - 8)))
            reader_error(r, place_of(list, i), &at,
                         "CircuitBreaker fallbackUri %s: no route's Path matches it",
                         reader_quote(r, uri));
    }
}

void check_fallback_uris(struct reader *r)
{
    check_filters(r, r->default_filters, r->default_filter_count, r->default_filters_node,
                  r->default_filters_path);
    for (uint32_t i = 0; i < r->draft_count; i++) {
        const struct draft *d = &r->drafts[i];
        struct path at = path_key(d->path, "filters");

        check_filters(r, d->route.filters, d->route.filter_count, node_get(d->node, STR("filters")),
                      &at);
    }
}
