/* Replacing parts of a configuration: the tree is copied along the way to what changes, the rest
 * is shared. */
#include <stdio.h>

#include "drill/scenario.h"

#define PATH_PARTS_MAX 16

struct replacement {
    struct arena *arena;
    struct diag_list *diags;
    const struct node_entry *set; /* the row that says so: its key is the path */
};

static struct node *fail(struct replacement *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct node *fail(struct replacement *r, const char *fmt, ...)
{
    struct node place = {.line = r->set->line, .column = r->set->column};
    char path[160], message[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "set.%.120s", r->set->key.ptr);
    config_say_error(r->diags, &place, path, "%s", message);
    return NULL;
}

static void *alloc(struct replacement *r, size_t size)
{
    void *p = arena_zalloc(r->arena, size);

    if (p == NULL)
        fail(r, "out of memory");
    return p;
}

/* A copy whose entries are its own; what they lead to is shared. */
static struct node *copy_node(struct replacement *r, const struct node *n)
{
    struct node *copy = alloc(r, sizeof(*copy));
    struct node_entry **tail;

    if (copy == NULL)
        return NULL;
    *copy = *n;
    copy->entries = NULL;
    tail = &copy->entries;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next) {
        *tail = alloc(r, sizeof(**tail));
        if (*tail == NULL)
            return NULL;
        **tail = *e;
        (*tail)->next = NULL;
        tail = &(*tail)->next;
    }
    return copy;
}

/* An item by its number or by its id. */
static struct node_entry *find_item(struct node *list, struct str part)
{
    uint64_t index, i = 0;
    bool numbered = str_to_u64(part, UINT32_MAX, &index) == 0;

    for (struct node_entry *e = list->entries; e != NULL; e = e->next, i++) {
        const struct node *id = node_get(e->node, STR("id"));

        if ((numbered && i == index) ||
            (id != NULL && id->kind == NODE_SCALAR && str_eq(id->text, part)))
            return e;
    }
    return NULL;
}

static struct node_entry *find_or_add_key(struct replacement *r, struct node *map, struct str part)
{
    struct node_entry **at = &map->entries, *e;

    for (; *at != NULL; at = &(*at)->next)
        if (str_eq((*at)->key, part))
            return *at;
    e = alloc(r, sizeof(*e));
    if (e == NULL)
        return NULL;
    *e = (struct node_entry){.key = part, .line = r->set->line, .column = r->set->column};
    map->count++;
    *at = e;
    return e;
}

static struct node *new_map(struct replacement *r)
{
    struct node *n = alloc(r, sizeof(*n));

    if (n != NULL)
        *n = (struct node){.kind = NODE_MAP, .line = r->set->line, .column = r->set->column};
    return n;
}

static struct node *replace(struct replacement *r, const struct node *in, struct str rest,
                            unsigned depth)
{
    struct node_entry *e;
    struct node *copy;
    struct str part;

    if (depth == PATH_PARTS_MAX)
        return fail(r, "the path has more than 16 parts");
    if (!str_split(&rest, '.', &part) || part.len == 0)
        return fail(r, "found an empty part; expected keys with dots between them");
    if (in != NULL && in->kind == NODE_SCALAR)
        in = NULL; /* "health: off" gives way to "health.path" */
    copy = in != NULL ? copy_node(r, in) : new_map(r);
    if (copy == NULL)
        return NULL;
    e = copy->kind == NODE_LIST ? find_item(copy, part) : find_or_add_key(r, copy, part);
    if (e == NULL)
        return fail(r, "found \"%.*s\"; expected the number (from 0) or the id of an item",
                    (int)MIN(part.len, (size_t)60), part.ptr);
    e->node = rest.ptr != NULL ? replace(r, e->node, rest, depth + 1) : r->set->node;
    return e->node != NULL ? copy : NULL;
}

struct node *drill_variant_apply(const struct node *base, const struct node *set, struct arena *a,
                                 struct diag_list *diags)
{
    struct replacement r = {.arena = a, .diags = diags};
    struct node *result = (struct node *)(uintptr_t)base; /* copied before it is changed */

    if (set == NULL)
        return result;
    if (set->kind != NODE_MAP) {
        config_say_error(diags, set, "set",
                         "found %s; expected a map from paths to values, like "
                         "{upstreams.0.retry.budget: 10%%}",
                         node_kind_text(set));
        return NULL;
    }
    for (const struct node_entry *e = set->entries; e != NULL && result != NULL; e = e->next) {
        r.set = e;
        result = replace(&r, result, e->key, 0);
    }
    return result;
}
