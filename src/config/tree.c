/* libyaml's events into a bounded tree. The builder keeps its own stack: neither the depth of the
 * text nor its aliases decide how much stack or memory is used. */
#include "config/tree.h"

#include <yaml.h>

#include "base/assert.h"

#define ANCHORS_MAX 256

struct level {
    struct node *node;
    struct node_entry **tail;
    struct node_entry *key; /* of a map: read, its value is still to come */
};

struct anchor {
    struct anchor *next; /* newest first: a name may be defined again */
    struct str name;
    struct node *node;
};

struct builder {
    yaml_parser_t parser;
    struct str source;
    struct arena *arena;
    struct diag_list *diags;
    struct node *root;
    struct anchor *anchors;
    unsigned anchor_count;
    uint32_t nodes;
    unsigned depth;
    struct level levels[TREE_DEPTH_MAX];
};

static void refuse_at(struct builder *b, const yaml_mark_t *m, const char *message)
{
    diag_add(b->diags, DIAG_ERROR, (unsigned)m->line + 1, (unsigned)m->column + 1, "", "%s",
             message);
}

static int no_memory(struct builder *b)
{
    diag_add(b->diags, DIAG_ERROR, 0, 0, "", "out of memory while reading the text");
    return -EINVAL;
}

struct node *node_get(const struct node *map, struct str key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (struct node_entry *e = map->entries; e != NULL; e = e->next)
        if (str_eq(e->key, key))
            return e->node;
    return NULL;
}

bool node_is_null(const struct node *n)
{
    return n->kind == NODE_SCALAR && n->plain &&
           (n->text.len == 0 || str_eq(n->text, STR("~")) || str_eq(n->text, STR("null")));
}

const char *node_kind_text(const struct node *n)
{
    return n->kind == NODE_LIST ? "a list" : n->kind == NODE_MAP ? "a map" : "a text";
}

static struct node *node_new(struct builder *b, enum node_kind kind, const yaml_mark_t *m)
{
    struct node *n = arena_zalloc(b->arena, sizeof(*n));

    if (n == NULL) {
        no_memory(b);
        return NULL;
    }
    n->kind = kind;
    n->line = (unsigned)m->line + 1;
    n->column = (unsigned)m->column + 1;
    n->weight = 1;
    return n;
}

static int count_nodes(struct builder *b, uint32_t weight, const yaml_mark_t *m)
{
    if (weight > TREE_NODES_MAX - b->nodes) {
        refuse_at(b, m,
                  "the text stands for more than 1048576 values (aliases count as often as "
                  "they are used)");
        return -EINVAL;
    }
    b->nodes += weight;
    return 0;
}

static struct node_entry *entry_new(struct builder *b, const struct node *n)
{
    struct node_entry *e = arena_zalloc(b->arena, sizeof(*e));

    if (e == NULL) {
        no_memory(b);
        return NULL;
    }
    e->line = n->line;
    e->column = n->column;
    return e;
}

static void append(struct level *l, struct node_entry *e)
{
    *l->tail = e;
    l->tail = &e->next;
    l->node->count++;
}

static struct node_entry *entry_find(const struct node *map, struct str key)
{
    for (struct node_entry *e = map->entries; e != NULL; e = e->next)
        if (str_eq(e->key, key))
            return e;
    return NULL;
}

static int take_key(struct builder *b, struct level *l, struct node *n, const yaml_mark_t *m)
{
    struct node_entry *e;

    if (n->kind != NODE_SCALAR) {
        refuse_at(b, m,
                  "a key must be a text, not a list or a map (a value with { or [ at its "
                  "start needs quotes)");
        return -EINVAL;
    }
    if (l->node->count >= TREE_KEYS_MAX) {
        refuse_at(b, m, "a map has more than 256 keys");
        return -EINVAL;
    }
    e = entry_new(b, n);
    if (e == NULL)
        return -EINVAL;
    e->key = n->text;
    l->key = e;
    return 0;
}

/* A key that stands there twice is an error, and its first value counts. */
static void take_value(struct builder *b, struct level *l, struct node *n)
{
    struct node_entry *e = TAKE(l->key);
    struct node_entry *first = entry_find(l->node, e->key);

    e->node = n;
    if (first != NULL)
        diag_add(b->diags, DIAG_ERROR, e->line, e->column, "",
                 "the key \"" STR_FMT "\" stands here for the second time; the first is in line %u",
                 (int)MIN(e->key.len, (size_t)60), e->key.ptr, first->line);
    else
        append(l, e);
}

static int attach(struct builder *b, struct node *n, const yaml_mark_t *m)
{
    struct level *l;
    struct node_entry *e;

    if (b->depth == 0) {
        b->root = n;
        return 0;
    }
    l = &b->levels[b->depth - 1];
    if (l->node->kind == NODE_MAP) {
        if (l->key == NULL)
            return take_key(b, l, n, m);
        take_value(b, l, n);
        return 0;
    }
    e = entry_new(b, n);
    if (e == NULL)
        return -EINVAL;
    e->node = n;
    append(l, e);
    return 0;
}

static int remember_anchor(struct builder *b, const yaml_char_t *name, struct node *n,
                           const yaml_mark_t *m)
{
    struct anchor *a;

    if (name == NULL)
        return 0;
    if (b->anchor_count == ANCHORS_MAX) {
        refuse_at(b, m, "the text has more than 256 anchors (&name)");
        return -EINVAL;
    }
    a = arena_zalloc(b->arena, sizeof(*a));
    if (a == NULL)
        return no_memory(b);
    a->name = arena_str(b->arena, str_of((const char *)name));
    if (a->name.ptr == NULL)
        return no_memory(b);
    a->node = n;
    a->next = b->anchors;
    b->anchors = a;
    b->anchor_count++;
    return 0;
}

static int check_tag(struct builder *b, const yaml_char_t *tag, const yaml_mark_t *m)
{
    if (tag == NULL || str_starts(str_of((const char *)tag), STR("tag:yaml.org,2002:")) ||
        str_eq(str_of((const char *)tag), STR("!")))
        return 0;
    refuse_at(b, m, "tags (!name) have no meaning here: leave it out");
    return -EINVAL;
}

static int on_scalar(struct builder *b, const yaml_event_t *ev)
{
    const yaml_mark_t *m = &ev->start_mark;
    struct node *n;

    if (check_tag(b, ev->data.scalar.tag, m) < 0 || count_nodes(b, 1, m) < 0)
        return -EINVAL;
    n = node_new(b, NODE_SCALAR, m);
    if (n == NULL)
        return -EINVAL;
    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_str(b->arena, str_n((char *)ev->data.scalar.value, ev->data.scalar.length));
    if (n->text.ptr == NULL)
        return no_memory(b);
    if (remember_anchor(b, ev->data.scalar.anchor, n, m) < 0)
        return -EINVAL;
    return attach(b, n, m);
}

static int on_start(struct builder *b, enum node_kind kind, const yaml_char_t *tag,
                    const yaml_char_t *anchor, const yaml_mark_t *m)
{
    struct node *n;

    if (check_tag(b, tag, m) < 0 || count_nodes(b, 1, m) < 0)
        return -EINVAL;
    if (b->depth == TREE_DEPTH_MAX) {
        refuse_at(b, m, "lists and maps are nested deeper than 32 levels");
        return -EINVAL;
    }
    n = node_new(b, kind, m);
    if (n == NULL || remember_anchor(b, anchor, n, m) < 0 || attach(b, n, m) < 0)
        return -EINVAL;
    n->open = true;
    b->levels[b->depth++] = (struct level){.node = n, .tail = &n->entries};
    return 0;
}

static int on_alias(struct builder *b, const yaml_event_t *ev)
{
    struct str name = str_of((const char *)ev->data.alias.anchor);
    struct anchor *a = b->anchors;

    while (a != NULL && !str_eq(a->name, name))
        a = a->next;
    if (a == NULL || a->node->open) {
        refuse_at(b, &ev->start_mark,
                  a == NULL ? "an alias (*name) whose anchor (&name) is not defined above it"
                            : "an alias (*name) inside the value that it stands for");
        return -EINVAL;
    }
    if (count_nodes(b, a->node->weight, &ev->start_mark) < 0)
        return -EINVAL;
    return attach(b, a->node, &ev->start_mark);
}

/* Adds the keys of a merged map that this one does not have itself. */
static int merge_map(struct builder *b, struct level *l, const struct node *from,
                     const struct node_entry *at)
{
    if (from->kind != NODE_MAP || from->open) {
        diag_add(b->diags, DIAG_ERROR, at->line, at->column, "",
                 "\"<<\" takes an alias of a map or a list of them");
        return -EINVAL;
    }
    for (const struct node_entry *e = from->entries; e != NULL; e = e->next) {
        struct node_entry *copy;

        if (entry_find(l->node, e->key) != NULL)
            continue;
        copy = arena_zalloc(b->arena, sizeof(*copy));
        if (copy == NULL)
            return no_memory(b);
        *copy = *e;
        copy->next = NULL;
        append(l, copy);
    }
    return 0;
}

static int resolve_merge(struct builder *b, struct level *l)
{
    struct node_entry **at = &l->node->entries, *merge;

    while (*at != NULL && !str_eq((*at)->key, STR("<<")))
        at = &(*at)->next;
    merge = *at;
    if (merge == NULL)
        return 0;
    *at = merge->next;
    if (merge->next == NULL)
        l->tail = at;
    l->node->count--;
    if (merge->node->kind != NODE_LIST)
        return merge_map(b, l, merge->node, merge);
    for (const struct node_entry *e = merge->node->entries; e != NULL; e = e->next)
        if (merge_map(b, l, e->node, merge) < 0)
            return -EINVAL;
    return 0;
}

static int on_end(struct builder *b)
{
    struct level *l = &b->levels[b->depth - 1];
    struct node *n = l->node;
    uint32_t weight = 1;

    if (n->kind == NODE_MAP && resolve_merge(b, l) < 0)
        return -EINVAL;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next)
        weight += MIN(e->node->weight, TREE_NODES_MAX - weight);
    n->weight = weight;
    n->open = false;
    b->depth--;
    return 0;
}

/* libyaml tells a byte offset, not a place, for bytes that it cannot read. */
static void report_bytes(struct builder *b)
{
    size_t end = MIN(b->parser.problem_offset, b->source.len);
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)b->source.ptr[i];

        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xc0) != 0x80) {
            column++;
        }
    }
    diag_add(b->diags, DIAG_ERROR, line, column, "", "not YAML in UTF-8: %s", b->parser.problem);
}

static int report_syntax(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const yaml_mark_t *m = &p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(b);
    if (p->error == YAML_READER_ERROR)
        report_bytes(b);
    else if (p->context != NULL)
        diag_add(b->diags, DIAG_ERROR, (unsigned)m->line + 1, (unsigned)m->column + 1, "",
                 "not YAML: %s, %s that starts in line %zu", p->problem, p->context,
                 p->context_mark.line + 1);
    else
        diag_add(b->diags, DIAG_ERROR, (unsigned)m->line + 1, (unsigned)m->column + 1, "",
                 "not YAML: %s", p->problem);
    return -EINVAL;
}

static int on_event(struct builder *b, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, ev);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, NODE_LIST, ev->data.sequence_start.tag, ev->data.sequence_start.anchor,
                        &ev->start_mark);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, NODE_MAP, ev->data.mapping_start.tag, ev->data.mapping_start.anchor,
                        &ev->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(b);
    case YAML_ALIAS_EVENT:
        return on_alias(b, ev);
    case YAML_DOCUMENT_START_EVENT:
        if (b->root == NULL)
            return 0;
        refuse_at(b, &ev->start_mark, "a second document (---): one file holds one document");
        return -EINVAL;
    default:
        return 0;
    }
}

static int build(struct builder *b)
{
    bool done = false;

    while (!done) {
        yaml_event_t ev;
        int rc;

        if (!yaml_parser_parse(&b->parser, &ev))
            return report_syntax(b);
        done = ev.type == YAML_STREAM_END_EVENT;
        rc = on_event(b, &ev);
        yaml_event_delete(&ev);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tree_parse(struct str text, struct arena *a, struct diag_list *diags, struct node **ret)
{
    struct builder b = {.source = text, .arena = a, .diags = diags};
    int rc;

    if (text.len > TREE_TEXT_MAX) {
        diag_add(diags, DIAG_ERROR, 0, 0, "", "the text has %zu bytes, more than 16 MiB", text.len);
        return -EINVAL;
    }
    if (!yaml_parser_initialize(&b.parser))
        return no_memory(&b);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.ptr, text.len);
    rc = build(&b);
    yaml_parser_delete(&b.parser);
    if (rc == 0)
        *ret = b.root;
    return rc;
}
