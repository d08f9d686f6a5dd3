/* The walk: sections, lists, scalars, each by its row. */
#include "config/reader.h"

#include <stdio.h>

#include "base/assert.h"
#include "config/forms.h"
#include "config/route.h"
#include "config/value.h"

#define PATH_TEXT_MAX 256

static void put_path(const struct path *p, struct buf *out)
{
    if (p == NULL)
        return;
    put_path(p->up, out);
    if (p->key.ptr == NULL) {
        buf_printf(out, "[%u]", p->index);
        return;
    }
    if (out->len != 0)
        buf_lit(out, ".");
    buf_put(out, p->key.ptr, MIN(p->key.len, (size_t)64));
}

void reader_say(struct reader *r, enum diag_level level, const struct node *n,
                const struct path *path, const char *fmt, ...)
{
    char path_text[PATH_TEXT_MAX + 1], message[1024];
    struct buf b = buf_on(path_text, PATH_TEXT_MAX);
    va_list ap;

    put_path(path, &b);
    path_text[b.len] = '\0';
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    diag_add(r->diags, level, n != NULL ? n->line : 0, n != NULL ? n->column : 0, path_text, "%s",
             message);
}

const char *reader_quote(struct reader *r, struct str s)
{
    char text[6 * 60 + 8];
    struct buf b = buf_on(text, sizeof(text));
    size_t shown = MIN(s.len, (size_t)60);

    while (shown < s.len && shown > 0 && ((unsigned char)s.ptr[shown] & 0xc0) == 0x80)
        shown--; /* not in the middle of a character */
    buf_lit(&b, "\"");
    buf_put_json(&b, str_n(s.ptr, shown));
    if (shown < s.len)
        buf_lit(&b, "...");
    buf_lit(&b, "\"");
    s = arena_str(r->scratch, buf_str(&b));
    return s.ptr != NULL ? s.ptr : "?";
}

const char *reader_found(struct reader *r, const struct node *n)
{
    return n->kind == NODE_SCALAR ? reader_quote(r, n->text) : node_kind_text(n);
}

void *reader_alloc(struct reader *r, size_t size)
{
    void *p = arena_zalloc(&r->config->arena, size);

    r->no_memory |= p == NULL;
    return p;
}

struct str reader_str(struct reader *r, struct str s)
{
    s = arena_str(&r->config->arena, s);
    r->no_memory |= s.ptr == NULL;
    return s;
}

const struct path *reader_keep_path(struct reader *r, const struct path *path)
{
    struct path *copy;

    if (path == NULL)
        return NULL;
    copy = arena_alloc(r->scratch, sizeof(*copy));
    if (copy == NULL) {
        r->no_memory = true;
        return NULL;
    }
    *copy = *path;
    copy->up = reader_keep_path(r, path->up);
    return copy;
}

static void *field_of(const struct setting *s, void *base)
{
    return (char *)base + s->offset;
}

/* value_parse(), with an eye on memory. */
static const char *parse_into(struct reader *r, const struct setting *s, struct str text,
                              bool plain, void *base)
{
    const char *problem = value_parse(s, text, plain, &r->config->arena, field_of(s, base));
    bool is_text = s->kind == SETTING_TEXT || s->kind == SETTING_ADDRESS;

    if (problem == NULL && is_text && ((struct str *)field_of(s, base))->ptr == NULL)
        r->no_memory = true;
    return problem;
}

static void scalar_default(struct reader *r, const struct setting *s, void *base)
{
    if (s->fallback != NULL)
        ASSERT(parse_into(r, s, str_of(s->fallback), true, base) == NULL);
}

void reader_defaults(struct reader *r, const struct section *section, void *base)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];

        if (s->kind < SETTING_SCALARS) {
            scalar_default(r, s, base);
        } else if (s->kind == SETTING_SECTION) {
            reader_defaults(r, s->section, field_of(s, base));
            if (s->toggle && s->fallback != NULL)
                ASSERT(value_parse_bool(str_of(s->fallback),
                                        (bool *)((char *)base + s->other_offset)));
        }
    }
}

static const char *did_you_mean(struct reader *r, const struct nearest *n)
{
    const char *text;

    if (n->best == NULL)
        return "";
    text = arena_printf(r->scratch, "; did you mean %s?", n->best);
    return text != NULL ? text : "";
}

static void scalar_error(struct reader *r, const struct setting *s, const struct node *n,
                         const struct path *path, const char *problem)
{
    char text[512];
    struct buf expected = buf_on(text, sizeof(text));
    struct nearest near;

    value_expected(s, &expected);
    nearest_init(&near, n->kind == NODE_SCALAR ? n->text : STR(""));
    for (size_t i = 0; s->kind == SETTING_ENUM && i < s->names->count; i++)
        nearest_try(&near, s->names->items[i]);
    reader_error(r, n, path, "found %s%s%s; expected " STR_FMT "%s", reader_found(r, n),
                 problem[0] != '\0' ? ": " : "", problem, STR_ARG(buf_str(&expected)),
                 did_you_mean(r, &near));
}

static void read_scalar(struct reader *r, const struct setting *s, const struct node *n,
                        const struct path *path, void *base)
{
    const char *problem = "";

    if (n->kind == NODE_SCALAR)
        problem = parse_into(r, s, n->text, n->plain, base);
    if (problem != NULL)
        scalar_error(r, s, n, path, problem);
}

bool reader_is_list(struct reader *r, const struct setting *s, const struct node *n,
                    const struct path *path)
{
    if (n->kind != NODE_LIST) {
        reader_error(r, n, path, "found %s; expected a list (items start with \"- \")",
                     reader_found(r, n));
        return false;
    }
    if (n->count < s->min) {
        reader_error(r, n, path, "the list is empty; expected at least %lld", (long long)s->min);
        return false;
    }
    if (n->count > s->max) {
        reader_error(r, n, path, "the list has %u items; expected at most %lld", n->count,
                     (long long)s->max);
        return false;
    }
    return true;
}

void *reader_list(struct reader *r, const struct setting *s, const struct node *n,
                  const struct path *path, size_t item_size)
{
    return reader_is_list(r, s, n, path) ? reader_alloc(r, n->count * item_size) : NULL;
}

static void read_cidrs(struct reader *r, const struct setting *s, const struct node *n,
                       const struct path *path, void *base)
{
    struct str *items = reader_list(r, s, n, path, sizeof(*items));
    unsigned i = 0;

    if (items == NULL)
        return;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i++) {
        struct path item = path_item(path, i);
        const char *problem =
            e->node->kind == NODE_SCALAR ? form_cidr(e->node->text) : "not a text";

        if (problem != NULL)
            reader_error(r, e->node, &item,
                         "found %s: %s; expected a network, like 10.0.0.0/8, fd00::/8 or "
                         "127.0.0.1",
                         reader_found(r, e->node), problem);
        else
            items[i] = reader_str(r, e->node->text);
    }
    *(struct str **)field_of(s, base) = items;
    *(uint32_t *)((char *)base + s->other_offset) = n->count;
}

/* An item written as a text stands for a map with the section's shorthand key. */
static void read_shorthand(struct reader *r, const struct section *section, const struct node *n,
                           const struct path *path, void *base)
{
    read_scalar(r, setting_find(section, str_of(section->shorthand)), n, path, base);
}

static void read_sections(struct reader *r, const struct setting *s, const struct node *n,
                          const struct path *path, void *base)
{
    const struct section *section = s->section;
    char *items = reader_list(r, s, n, path, section->size);
    unsigned i = 0;

    if (items == NULL)
        return;
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next, i++) {
        struct path item = path_item(path, i);
        void *item_base = items + i * section->size;

        reader_defaults(r, section, item_base);
        if (section->shorthand != NULL && e->node->kind == NODE_SCALAR)
            read_shorthand(r, section, e->node, &item, item_base);
        else
            reader_section(r, section, e->node, &item, item_base);
    }
    *(void **)field_of(s, base) = items;
    *(uint32_t *)((char *)base + s->other_offset) = n->count;
}

static void read_subsection(struct reader *r, const struct setting *s, const struct node *n,
                            const struct path *path, void *base)
{
    bool *on = s->toggle ? (bool *)((char *)base + s->other_offset) : NULL;

    if (on != NULL && n->kind == NODE_SCALAR) {
        if (!n->plain || !value_parse_bool(n->text, on))
            reader_error(r, n, path, "found %s; expected a map (key: value) or off",
                         reader_found(r, n));
        return;
    }
    if (on != NULL)
        *on = true;
    reader_section(r, s->section, n, path, field_of(s, base));
}

static void read_setting(struct reader *r, const struct setting *s, const struct node *n,
                         const struct path *path, void *base)
{
    if (s->kind < SETTING_SCALARS) {
        read_scalar(r, s, n, path, base);
        return;
    }
    switch (s->kind) {
    case SETTING_CIDRS:
        read_cidrs(r, s, n, path, base);
        break;
    case SETTING_SECTION:
        read_subsection(r, s, n, path, base);
        break;
    case SETTING_SECTIONS:
        read_sections(r, s, n, path, base);
        break;
    case SETTING_URI:
        route_read_uri(r, n, path, base);
        break;
    case SETTING_PREDICATES:
        route_read_predicates(r, s, n, path, base);
        break;
    case SETTING_FILTERS:
        route_read_filters(r, s, n, path, base);
        break;
    case SETTING_METADATA:
        route_read_metadata(r, s, n, path, base);
        break;
    case SETTING_ROUTES:
        route_read_all(r, s, n, path);
        break;
    case SETTING_DEFAULT_FILTERS:
        route_read_default_filters(r, s, n, path);
        break;
    case SETTING_NODE:
        *(const struct node **)field_of(s, base) = n;
        break;
    default: /* what is under "spring" was read before */
        break;
    }
}

static void unknown_key(struct reader *r, const struct section *section, const struct node_entry *e,
                        const struct path *path)
{
    struct path at = {path, e->key, 0};
    struct node place = {.line = e->line, .column = e->column};
    struct nearest near;

    if (section == &config_section &&
        (str_starts(e->key, STR("x-")) || str_eq(e->key, STR("$schema"))))
        return; /* a place for anchors; the schema for editors */
    if (r->spring && section == &config_section) {
        if (!str_starts(e->key, STR("spring.")) && !str_starts(e->key, STR("server")))
            reader_warn(r, &place, &at, "not a setting of weir: ignored");
        return;
    }
    nearest_init(&near, e->key);
    for (size_t i = 0; i < section->count; i++)
        nearest_try(&near, section->settings[i].key);
    reader_error(r, &place, &at, "unknown setting %s%s", reader_quote(r, e->key),
                 did_you_mean(r, &near));
}

static void check_required(struct reader *r, const struct section *section, const struct node *n,
                           const struct path *path)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];
        const struct node *value = node_get(n, str_of(s->key));

        if (!s->required || (value != NULL && !node_is_null(value)))
            continue;
        if (section == &config_section && r->spring)
            continue; /* it has other places for them, see spring.c */
        reader_error(r, n, path, "the setting \"%s\" is missing", s->key);
    }
}

void reader_section(struct reader *r, const struct section *section, const struct node *n,
                    const struct path *path, void *base)
{
    if (n->kind != NODE_MAP) {
        reader_error(r, n, path, "found %s; expected a map (key: value)", reader_found(r, n));
        return;
    }
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next) {
        const struct setting *s = setting_find(section, e->key);
        struct path at;

        if (s == NULL) {
            unknown_key(r, section, e, path);
            continue;
        }
        at = path_key(path, s->key);
        if (!node_is_null(e->node))
            read_setting(r, s, e->node, &at, base);
    }
    check_required(r, section, n, path);
}
