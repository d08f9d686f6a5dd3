/* Values with {variables}: see template.h. */
#include "gateway/template.h"

static bool pattern_sets(const struct pattern *p, struct str name)
{
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *s = &p->segments[i];

        if ((s->kind == SEGMENT_VARIABLE || s->kind == SEGMENT_CAPTURE_REST) &&
            str_eq(s->name, name))
            return true;
        for (uint32_t j = 0; j < s->name_count; j++) {
            if (str_eq(s->names[j], name))
                return true;
        }
    }
    return false;
}

static bool route_sets(const struct route_match *r, struct str name)
{
    for (uint32_t i = 0; i < r->predicate_count; i++) {
        const struct predicate *p = &r->predicates[i];

        for (uint32_t j = 0; j < p->pattern_count; j++) {
            if (pattern_sets(&p->patterns[j], name))
                return true;
        }
    }
    return false;
}

/* The variable that begins at the brace at s.ptr[at], or STR_NULL. */
static struct str variable_at(struct str s, size_t at, const struct route_match *route)
{
    ssize_t len = str_find(str_n(s.ptr + at, s.len - at), '}');
    struct str name;

    if (len < 2)
        return STR_NULL;
    name = str_n(s.ptr + at + 1, (size_t)len - 1);
    return route_sets(route, name) ? name : STR_NULL;
}

static void add(struct template *t, bool variable, struct str text)
{
    if (variable || text.len != 0)
        t->pieces[t->count++] = (struct template_piece){variable, text};
}

int template_compile(struct str text, const struct route_match *route, struct arena *a,
                     struct template *ret)
{
    struct template t = {0};
    size_t braces = 0, from = 0;

    for (size_t i = 0; i < text.len; i++)
        braces += text.ptr[i] == '{';
    t.pieces = arena_alloc(a, (2 * braces + 1) * sizeof(*t.pieces));
    if (t.pieces == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        struct str name = text.ptr[i] == '{' ? variable_at(text, i, route) : STR_NULL;

        if (name.ptr == NULL)
            continue;
        add(&t, false, str_n(text.ptr + from, i - from));
        add(&t, true, name);
        i += name.len + 1;
        from = i + 1;
    }
    add(&t, false, str_n(text.ptr + from, text.len - from));
    *ret = t;
    return 0;
}

struct str template_expand(const struct template *t, const struct vars *v, struct arena *a)
{
    size_t len = 0;
    struct buf out;
    char *mem;

    if (t->count == 0)
        return STR("");
    if (t->count == 1 && !t->pieces[0].variable)
        return t->pieces[0].text;
    for (uint32_t i = 0; i < t->count; i++)
        len += t->pieces[i].variable ? vars_get(v, t->pieces[i].text).len : t->pieces[i].text.len;
    mem = arena_alloc(a, len + 1);
    if (mem == NULL)
        return STR_NULL;
    out = buf_on(mem, len);
    for (uint32_t i = 0; i < t->count; i++)
        buf_puts(&out, t->pieces[i].variable ? vars_get(v, t->pieces[i].text) : t->pieces[i].text);
    return buf_str(&out);
}
