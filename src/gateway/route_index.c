/* The route index: see route_index.h. */
#include "gateway/route_index.h"
#include "gateway/path.h"

/* Lists that one walk may collect; a configuration that needs more is served by the scan. */
#define LISTS_MAX 64

struct id_list {
    uint32_t *ids; /* sorted, no duplicates */
    uint32_t count, cap;
};

/* A node of either tree. Paths: here and rest are lists of routes. Hosts: trees of paths. */
struct node {
    struct str key;
    struct node **children; /* literals, sorted by key */
    uint32_t child_count, child_cap;
    struct node *any;
    struct id_list here, rest;
    struct node *here_paths, *rest_paths;
};

struct route_index {
    const struct route_match *routes;
    uint32_t route_count;
    struct arena *arena;
    struct node hosts;
};

/* -- building -- */

/* Where key is, or where it belongs. */
static bool find_child(const struct node *n, struct str key, uint32_t *ret_at)
{
    uint32_t low = 0, high = n->child_count;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        struct str k = n->children[mid]->key;
        int order = k.len != key.len ? (k.len < key.len ? -1 : 1) : memcmp(k.ptr, key.ptr, k.len);

        if (order == 0) {
            *ret_at = mid;
            return true;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_at = low;
    return false;
}

static struct node *add_child(struct node *n, struct str key, struct arena *a)
{
    struct node *child;
    uint32_t at;

    if (find_child(n, key, &at))
        return n->children[at];
    if (n->child_count == n->child_cap) {
        uint32_t cap = n->child_cap != 0 ? n->child_cap * 2 : 4;
        struct node **grown = arena_alloc(a, cap * sizeof(struct node *));

        if (grown == NULL)
            return NULL;
        if (n->child_count != 0)
            memcpy(grown, n->children, n->child_count * sizeof(struct node *));
        n->children = grown;
        n->child_cap = cap;
    }
    child = arena_zalloc(a, sizeof(*child));
    if (child == NULL)
        return NULL;
    child->key = key;
    memmove(n->children + at + 1, n->children + at, (n->child_count - at) * sizeof(struct node *));
    n->children[at] = child;
    n->child_count++;
    return child;
}

static struct node *add_any(struct node *n, struct arena *a)
{
    if (n->any == NULL)
        n->any = arena_zalloc(a, sizeof(*n->any));
    return n->any;
}

/* Routes are added in rising order, so lists stay sorted. */
static int add_id(struct id_list *l, uint32_t id, struct arena *a)
{
    if (l->count != 0 && l->ids[l->count - 1] == id)
        return 0;
    if (l->count == l->cap) {
        uint32_t cap = l->cap != 0 ? l->cap * 2 : 4;
        uint32_t *grown = arena_alloc(a, cap * sizeof(uint32_t));

        if (grown == NULL)
            return -ENOMEM;
        if (l->count != 0)
            memcpy(grown, l->ids, l->count * sizeof(uint32_t));
        l->ids = grown;
        l->cap = cap;
    }
    l->ids[l->count++] = id;
    return 0;
}

/* The node where the pattern ends; *ret_rest: it matches everything below it too. NULL pattern:
 * matches everything. */
static struct node *add_pattern(struct node *n, const struct pattern *p, struct arena *a,
                                bool *ret_rest)
{
    *ret_rest = p == NULL;
    for (uint32_t i = 0; p != NULL && n != NULL && i < p->segment_count; i++) {
        const struct segment *s = &p->segments[p->host ? p->segment_count - 1 - i : i];

        if (s->kind == SEGMENT_REST || s->kind == SEGMENT_CAPTURE_REST) {
            *ret_rest = true;
            return n;
        }
        n = s->kind == SEGMENT_LITERAL ? add_child(n, s->text, a) : add_any(n, a);
    }
    return n;
}

static int add_path(struct node *paths, const struct pattern *path, uint32_t id, struct arena *a)
{
    bool rest;
    struct node *n = add_pattern(paths, path, a, &rest);

    return n == NULL ? -ENOMEM : add_id(rest ? &n->rest : &n->here, id, a);
}

static int add_host(struct node *hosts, const struct pattern *host, const struct predicate *path,
                    uint32_t id, struct arena *a)
{
    bool rest;
    struct node *n = add_pattern(hosts, host, a, &rest), **paths;

    if (n == NULL)
        return -ENOMEM;
    paths = rest ? &n->rest_paths : &n->here_paths;
    if (*paths == NULL)
        *paths = arena_zalloc(a, sizeof(**paths));
    if (*paths == NULL)
        return -ENOMEM;
    if (path == NULL)
        return add_path(*paths, NULL, id, a);
    for (uint32_t i = 0; i < path->pattern_count; i++) {
        int rc = add_path(*paths, &path->patterns[i], id, a);

        if (rc < 0)
            return rc;
    }
    return 0;
}

static const struct predicate *first_of(const struct route_match *r, enum config_predicate_kind k)
{
    for (uint32_t i = 0; i < r->predicate_count; i++) {
        if (r->predicates[i].kind == k)
            return &r->predicates[i];
    }
    return NULL;
}

static int add_route(struct route_index *ix, uint32_t id)
{
    const struct predicate *host = first_of(&ix->routes[id], PREDICATE_HOST);
    const struct predicate *path = first_of(&ix->routes[id], PREDICATE_PATH);
    int rc = 0;

    if (host == NULL)
        return add_host(&ix->hosts, NULL, path, id, ix->arena);
    for (uint32_t i = 0; i < host->pattern_count && rc == 0; i++)
        rc = add_host(&ix->hosts, &host->patterns[i], path, id, ix->arena);
    return rc;
}

struct route_index *route_index_new(const struct route_match *routes, uint32_t count,
                                    struct arena *a)
{
    struct route_index *ix = arena_zalloc(a, sizeof(*ix));

    if (ix == NULL)
        return NULL;
    ix->routes = routes;
    ix->route_count = count;
    ix->arena = a;
    for (uint32_t i = 0; i < count; i++) {
        if (add_route(ix, i) < 0)
            return NULL;
    }
    return ix;
}

/* -- finding -- */

struct candidates {
    const struct id_list *lists[LISTS_MAX];
    uint32_t next[LISTS_MAX]; /* index of the first id not yet looked at */
    uint32_t count;
    bool overflow;
};

static void collect(struct candidates *c, const struct id_list *l)
{
    if (l->count == 0)
        return;
    if (c->count == LISTS_MAX) {
        c->overflow = true;
        return;
    }
    c->lists[c->count] = l;
    c->next[c->count++] = 0;
}

/* Depth is bounded by the patterns, not by the path. */
static void walk_paths(const struct node *n, struct str rest, struct candidates *c)
{
    struct str segment;
    uint32_t at;

    collect(c, &n->rest);
    if (!path_segment(&rest, &segment)) {
        collect(c, &n->here);
        if (rest.len == 1 && n->any != NULL)
            collect(c, &n->any->here); /* a final "*" takes the empty segment of "/a/" */
        return;
    }
    if (find_child(n, segment, &at))
        walk_paths(n->children[at], rest, c);
    if (n->any != NULL)
        walk_paths(n->any, rest, c);
}

/* Takes the last label off a host. */
static bool take_last_label(struct str *rest, struct str *ret_label)
{
    const char *dot;

    if (rest->len == 0)
        return false;
    dot = memrchr(rest->ptr, '.', rest->len);
    if (dot == NULL) {
        *ret_label = *rest;
        rest->len = 0;
        return true;
    }
    *ret_label = str_n(dot + 1, (size_t)(rest->ptr + rest->len - dot - 1));
    rest->len = (size_t)(dot - rest->ptr);
    return true;
}

static void walk_hosts(const struct node *n, struct str rest, struct str path, struct candidates *c)
{
    struct str label;
    uint32_t at;

    if (n->rest_paths != NULL)
        walk_paths(n->rest_paths, path, c);
    if (n->child_count == 0 && n->any == NULL && n->here_paths == NULL)
        return;
    if (!take_last_label(&rest, &label)) {
        if (n->here_paths != NULL)
            walk_paths(n->here_paths, path, c);
        return;
    }
    if (find_child(n, label, &at))
        walk_hosts(n->children[at], rest, path, c);
    if (n->any != NULL)
        walk_hosts(n->any, rest, path, c);
}

/* The smallest id not yet looked at, taken from every list that has it; -1 at the end. */
static int64_t next_candidate(struct candidates *c)
{
    int64_t best = -1;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct id_list *l = c->lists[i];

        if (c->next[i] < l->count && (best < 0 || l->ids[c->next[i]] < best))
            best = l->ids[c->next[i]];
    }
    for (uint32_t i = 0; i < c->count && best >= 0; i++) {
        const struct id_list *l = c->lists[i];

        if (c->next[i] < l->count && l->ids[c->next[i]] == best)
            c->next[i]++;
    }
    return best;
}

uint32_t route_failing(const struct route_match *r, const struct match_input *in, struct vars *v)
{
    uint32_t i = 0;

    v->count = 0;
    while (i < r->predicate_count && predicate_holds(&r->predicates[i], in, v))
        i++;
    return i;
}

int32_t route_scan_find(const struct route_match *routes, uint32_t count,
                        const struct match_input *in, struct vars *v)
{
    for (uint32_t i = 0; i < count; i++) {
        if (route_matches(&routes[i], in, v))
            return (int32_t)i;
    }
    return -1;
}

int32_t route_index_find(const struct route_index *ix, const struct match_input *in, struct vars *v)
{
    struct candidates c;
    int64_t id;

    c.count = 0;
    c.overflow = false;
    walk_hosts(&ix->hosts, in->host, in->path, &c);
    if (unlikely(c.overflow))
        return route_scan_find(ix->routes, ix->route_count, in, v);
    while ((id = next_candidate(&c)) >= 0) {
        if (route_matches(&ix->routes[id], in, v))
            return (int32_t)id;
    }
    return -1;
}
