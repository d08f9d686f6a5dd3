/* Both forms of a clause become a list of texts and a set of named texts; then the factory's row
 * says what they mean. */
#include "config/clause.h"

struct given {
    bool set;
    struct str text;
    const struct node *node;
};

struct clause {
    struct reader *r;
    const struct factory_table *table;
    const struct node *node;
    const struct path *path;
    const struct factory *factory;
    bool shortcut;
    struct str *texts; /* in order, CLAUSE_TEXTS_MAX of them */
    unsigned count;
    struct given named[FACTORY_ARGS_MAX]; /* by index of the argument */
};

static bool read_arg(struct clause *c, const struct node_entry *e);

/* "matchTrailingSlash" and "match-trailing-slash" are one name, as Spring binds them. */
static bool same_name(struct str a, const char *name)
{
    size_t i = 0;

    for (; *name != '\0'; name++, i++) {
        while (i < a.len && a.ptr[i] == '-')
            i++;
        if (i == a.len || ascii_lower(a.ptr[i]) != ascii_lower(*name))
            return false;
    }
    return i == a.len;
}

static void unknown_factory(struct clause *c, const struct node *n, struct str name)
{
    const struct factory_table *t = c->table;
    struct nearest near;
    const char *hint;

    for (size_t i = 0; i < t->absent_count; i++) {
        if (!str_eq(name, str_of(t->absent[i])))
            continue;
        reader_error(c->r, n, c->path, "weir does not have Spring's %s %s", t->what, t->absent[i]);
        return;
    }
    nearest_init(&near, name);
    for (size_t i = 0; i < t->count; i++)
        nearest_try(&near, t->items[i].name);
    hint = near.best != NULL ? arena_printf(c->r->scratch, "; did you mean %s?", near.best) : "";
    reader_error(c->r, n, c->path, "unknown %s %s%s", t->what, reader_quote(c->r, name),
                 hint != NULL ? hint : "");
}

static bool find_factory(struct clause *c, const struct node *n, struct str name)
{
    for (size_t i = 0; i < c->table->count; i++)
        if (str_eq(name, str_of(c->table->items[i].name)))
            c->factory = &c->table->items[i];
    if (c->factory == NULL)
        unknown_factory(c, n, name);
    return c->factory != NULL;
}

static bool add_text(struct clause *c, struct str text)
{
    if (c->count == CLAUSE_TEXTS_MAX) {
        reader_error(c->r, c->node, c->path, "more than %d arguments", CLAUSE_TEXTS_MAX);
        return false;
    }
    c->texts[c->count++] = text;
    return true;
}

/* Splits at commas; blanks around a part do not count, empty parts are dropped. */
static bool add_split(struct clause *c, struct str texts)
{
    struct str part;

    while (str_split(&texts, ',', &part)) {
        part = str_trim(part);
        if (part.len != 0 && !add_text(c, part))
            return false;
    }
    return true;
}

static bool read_shortcut(struct clause *c)
{
    struct str text = c->node->text;
    ssize_t equals = str_find(text, '=');
    struct str name = equals < 0 ? text : str_n(text.ptr, (size_t)equals);

    c->shortcut = true;
    if (!find_factory(c, c->node, str_trim(name)))
        return false;
    if (equals < 0)
        return true;
    return add_split(c, str_n(text.ptr + equals + 1, text.len - (size_t)equals - 1));
}

static bool is_list(const struct clause *c, unsigned arg)
{
    return arg == 0 && c->factory->shortcut != SHORTCUT_FIELDS;
}

static void unknown_arg(struct clause *c, const struct node_entry *e)
{
    struct node place = {.line = e->line, .column = e->column};
    const struct factory *f = c->factory;
    struct nearest near;
    char known[400];
    struct buf b = buf_on(known, sizeof(known));

    nearest_init(&near, e->key);
    for (unsigned i = 0; i < f->arg_count; i++) {
        nearest_try(&near, f->args[i].name);
        buf_printf(&b, "%s%s", i != 0 ? ", " : "", f->args[i].name);
    }
    if (f->arg_count == 0)
        buf_lit(&b, "none");
    reader_error(c->r, &place, c->path, "%s has no argument %s; it has " STR_FMT "%s%s%s", f->name,
                 reader_quote(c->r, e->key), STR_ARG(buf_str(&b)),
                 near.best != NULL ? "; did you mean " : "", near.best != NULL ? near.best : "",
                 near.best != NULL ? "?" : "");
}

/* A list argument: a YAML list, or a text with commas. */
static bool add_list(struct clause *c, const struct node *n)
{
    if (n->kind == NODE_SCALAR)
        return add_split(c, n->text);
    if (n->kind == NODE_MAP) {
        reader_error(c->r, n, c->path, "found a map; expected a list of texts");
        return false;
    }
    for (const struct node_entry *e = n->entries; e != NULL; e = e->next) {
        if (e->node->kind != NODE_SCALAR) {
            reader_error(c->r, e->node, c->path, "found %s; expected a text",
                         node_kind_text(e->node));
            return false;
        }
        if (!add_text(c, e->node->text))
            return false;
    }
    return true;
}

/* The N of "patterns.N" or "patterns[N]" or "_genkey_N" does not matter: the texts come in the
 * order of the file. */
static bool is_indexed(struct str key, struct str *ret_name)
{
    ssize_t dot = str_find(key, '.'), bracket = str_find(key, '[');

    if (str_starts(key, STR("_genkey_"))) {
        *ret_name = STR_NULL;
        return true;
    }
    if (dot < 0)
        dot = bracket;
    if (dot < 0)
        return false;
    *ret_name = str_n(key.ptr, (size_t)dot);
    return true;
}

/* A set stays one text with commas. */
static bool add_to_set(struct clause *c, unsigned i, const struct node *n)
{
    struct given *g = &c->named[i];

    if (n->kind == NODE_LIST) {
        if (!g->set)
            *g = (struct given){true, STR(""), n}; /* [] is none, not the default */
        for (const struct node_entry *e = n->entries; e != NULL; e = e->next)
            if (!add_to_set(c, i, e->node))
                return false;
        return true;
    }
    if (n->kind != NODE_SCALAR) {
        reader_error(c->r, n, c->path, "%s %s: found %s; expected a list of texts",
                     c->factory->name, c->factory->args[i].name, node_kind_text(n));
        return false;
    }
    if (g->set) {
        char *joined =
            arena_printf(c->r->scratch, STR_FMT "," STR_FMT, STR_ARG(g->text), STR_ARG(n->text));

        c->r->no_memory |= joined == NULL;
        g->text = str_of(joined != NULL ? joined : "");
    } else {
        *g = (struct given){true, n->text, n};
    }
    return true;
}

/* "backoff: {firstBackoff: 10ms}" is "backoff.firstBackoff: 10ms". */
static bool read_nested(struct clause *c, const struct node_entry *e, bool *ret_nested)
{
    bool ok = true;

    *ret_nested = false;
    for (unsigned i = 0; e->node->kind == NODE_MAP && i < c->factory->arg_count; i++) {
        const char *dot = strchr(c->factory->args[i].name, '.');

        *ret_nested |=
            dot != NULL && str_eq(e->key, str_n(c->factory->args[i].name,
                                                (size_t)(dot - c->factory->args[i].name)));
    }
    for (const struct node_entry *in = e->node->entries; *ret_nested && in != NULL; in = in->next) {
        struct node_entry whole = *in;
        char *key =
            arena_printf(c->r->scratch, STR_FMT "." STR_FMT, STR_ARG(e->key), STR_ARG(in->key));

        c->r->no_memory |= key == NULL;
        whole.key = str_of(key != NULL ? key : "");
        ok &= key != NULL && read_arg(c, &whole);
    }
    return ok;
}

/* Spring's arguments of the rate limiter stand below the name of a store. */
#define STORE STR("redis-rate-limiter.")

static bool read_arg(struct clause *c, const struct node_entry *e)
{
    struct str name = e->key;
    bool indexed = is_indexed(e->key, &name), nested, ok;
    struct node_entry plain = *e;

    if (str_starts(e->key, STORE)) {
        plain.key = str_n(e->key.ptr + STORE.len, e->key.len - STORE.len);
        return read_arg(c, &plain);
    }
    ok = read_nested(c, e, &nested);
    if (nested)
        return ok;
    if (indexed && name.ptr == NULL) {
        if (e->node->kind == NODE_SCALAR)
            return add_text(c, e->node->text);
        reader_error(c->r, e->node, c->path, "found %s; expected a text", node_kind_text(e->node));
        return false;
    }
    for (unsigned i = 0; i < c->factory->arg_count; i++) {
        if (same_name(e->key, c->factory->args[i].name)) /* "backoff.firstBackoff" is whole */
            indexed = false;
        else if (!same_name(name, c->factory->args[i].name))
            continue;
        if (arg_is_set(c->factory->args[i].kind))
            return add_to_set(c, i, e->node);
        if (is_list(c, i))
            return indexed && e->node->kind == NODE_SCALAR ? add_text(c, e->node->text)
                                                           : add_list(c, e->node);
        if (indexed)
            break;
        if (e->node->kind == NODE_SCALAR) {
            c->named[i] = (struct given){true, e->node->text, e->node};
            return true;
        }
        reader_error(c->r, e->node, c->path, "%s %s: found %s; expected a text", c->factory->name,
                     c->factory->args[i].name, node_kind_text(e->node));
        return false;
    }
    unknown_arg(c, e);
    return false;
}

static bool read_args(struct clause *c, const struct node *args)
{
    bool ok = true;

    if (args == NULL || node_is_null(args))
        return true;
    if (args->kind != NODE_MAP) {
        reader_error(c->r, args, c->path, "args: found %s; expected a map (name: value)",
                     reader_found(c->r, args));
        return false;
    }
    for (const struct node_entry *e = args->entries; e != NULL; e = e->next)
        ok &= read_arg(c, e);
    return ok;
}

/* "StripPrefix: 1" is a map to YAML, and not what the writer meant. */
static void unknown_key(struct clause *c, const struct node_entry *e)
{
    struct node place = {.line = e->line, .column = e->column};

    for (size_t i = 0; i < c->table->count; i++) {
        if (!str_eq(e->key, str_of(c->table->items[i].name)))
            continue;
        reader_error(c->r, &place, c->path, "write %s with = and not with a colon, as in %s",
                     c->table->items[i].name, c->table->items[i].example);
        return;
    }
    reader_error(c->r, &place, c->path,
                 "unknown key %s; a %s is a text like %s or a map with name and args",
                 reader_quote(c->r, e->key), c->table->what, c->table->items[0].example);
}

static bool read_long(struct clause *c)
{
    const struct node *name = node_get(c->node, STR("name"));
    bool ok = true;

    for (const struct node_entry *e = c->node->entries; e != NULL; e = e->next) {
        if (str_eq(e->key, STR("name")) || str_eq(e->key, STR("args")))
            continue;
        unknown_key(c, e);
        ok = false;
    }
    if (!ok)
        return false;
    if (name == NULL || name->kind != NODE_SCALAR) {
        reader_error(c->r, name != NULL ? name : c->node, c->path,
                     "a %s is a text like %s or a map with name and args", c->table->what,
                     c->table->items[0].example);
        return false;
    }
    return find_factory(c, name, name->text) && read_args(c, node_get(c->node, STR("args")));
}

static bool is_flag(struct str s)
{
    return str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("false"));
}

/* Gives the texts in order to the arguments they stand for. */
static bool assign_texts(struct clause *c)
{
    const struct factory *f = c->factory;

    if (f->shortcut == SHORTCUT_FIELDS) {
        if (c->count > f->arg_count) {
            reader_error(c->r, c->node, c->path, "%s takes at most %u arguments, here are %u%s",
                         f->name, f->arg_count, c->count,
                         c->shortcut ? " (a value with a comma needs the long form: name and args)"
                                     : "");
            return false;
        }
        for (unsigned i = 0; i < c->count; i++)
            if (!c->named[i].set)
                c->named[i] = (struct given){true, c->texts[i], c->node};
    } else if (f->shortcut == SHORTCUT_LIST_FLAG && !c->named[1].set && c->count > 0 &&
               is_flag(c->texts[c->count - 1])) {
        c->named[1] = (struct given){true, c->texts[--c->count], c->node};
    }
    return true;
}

static bool parse_one(struct clause *c, unsigned i, void *target)
{
    const struct arg *arg = &c->factory->args[i];
    struct given *g = &c->named[i];
    struct clause_place at = {g->set ? g->node : c->node, c->path, c->factory};

    if (is_list(c, i) && c->count > 0)
        return clause_parse_list(c->r, &at, arg, c->texts, c->count, target);
    if (g->set)
        return clause_parse_arg(c->r, &at, arg, g->text, target);
    if (arg->required) {
        reader_error(c->r, c->node, c->path, "%s needs the argument \"%s\", as in %s",
                     c->factory->name, arg->name, c->factory->example);
        return false;
    }
    return arg->fallback == NULL || clause_parse_arg(c->r, &at, arg, str_of(arg->fallback), target);
}

/* "Name=a, b" of what was given. */
static struct str compose(struct clause *c)
{
    struct text t = {.max = 64 * KIB};
    const char *sep = "=";
    struct str out;

    text_puts(&t, str_of(c->factory->name));
    for (unsigned i = 0; i < c->factory->arg_count; i++) {
        for (unsigned j = 0; is_list(c, i) && j < c->count; j++, sep = ",")
            text_printf(&t, "%s" STR_FMT, sep, STR_ARG(c->texts[j]));
        if (c->named[i].set) {
            text_printf(&t, "%s%s%s" STR_FMT, sep,
                        c->factory->own_size != 0 ? c->factory->args[i].name : "",
                        c->factory->own_size != 0 ? ": " : "", STR_ARG(c->named[i].text));
            sep = c->factory->own_size != 0 ? "; " : ",";
        }
    }
    out = reader_str(c->r, str_n(t.ptr, t.len));
    text_done(&t);
    return out;
}

const struct factory *clause_read(struct reader *r, const struct factory_table *table,
                                  const struct node *n, const struct path *path, void *target,
                                  struct str *ret_text)
{
    struct clause c = {.r = r, .table = table, .node = n, .path = path};
    bool ok;

    if (r->clause_texts == NULL)
        r->clause_texts = arena_alloc(r->scratch, CLAUSE_TEXTS_MAX * sizeof(*c.texts));
    c.texts = r->clause_texts;
    if (c.texts == NULL) {
        r->no_memory = true;
        return NULL;
    }
    if (n->kind == NODE_LIST) {
        reader_error(r, n, path, "found a list; a %s is a text like %s or a map with name and args",
                     table->what, table->items[0].example);
        return NULL;
    }
    ok = n->kind == NODE_SCALAR ? read_shortcut(&c) : read_long(&c);
    if (!ok || !assign_texts(&c))
        return NULL;
    if (c.factory->own_size != 0) {
        struct config_filter *f = target;

        target = f->own = reader_alloc(r, c.factory->own_size);
        if (target == NULL)
            return NULL;
    }
    for (unsigned i = 0; i < c.factory->arg_count; i++)
        ok &= parse_one(&c, i, target);
    *ret_text = c.shortcut ? reader_str(r, str_trim(n->text)) : compose(&c);
    return ok ? c.factory : NULL;
}
