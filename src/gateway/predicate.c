/* Evaluating predicates: see predicate.h. */
#include "gateway/predicate.h"
#include "gateway/expression.h"
#include "gateway/path.h"
#include "http/escape.h"

int predicate_compile(const struct config_predicate *c, struct arena *a, struct predicate *ret,
                      const char **ret_message)
{
    *ret = (struct predicate){.kind = c->kind, .config = c};
    if (c->kind != PREDICATE_PATH && c->kind != PREDICATE_HOST)
        return 0;
    ret->patterns = arena_zalloc(a, c->value_count * sizeof(*ret->patterns));
    if (ret->patterns == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < c->value_count; i++) {
        const char *why = "";
        int rc = c->kind == PREDICATE_PATH
                     ? pattern_compile_path(c->values[i], c->match_trailing_slash, a,
                                            &ret->patterns[i], &why)
                     : pattern_compile_host(c->values[i], a, &ret->patterns[i], &why);

        if (rc < 0) {
            *ret_message =
                arena_printf(a, "pattern \"" STR_FMT "\": %s", STR_ARG(c->values[i]), why);
            return rc;
        }
        ret->pattern_count++;
    }
    return 0;
}

void predicate_done(struct predicate *p)
{
    for (uint32_t i = 0; i < p->pattern_count; i++)
        pattern_done(&p->patterns[i]);
}

static bool pattern_holds(const struct predicate *p, const struct match_input *in, struct vars *v)
{
    uint32_t mark = v->count;

    for (uint32_t i = 0; i < p->pattern_count; i++) {
        v->count = mark;
        if (p->kind == PREDICATE_PATH
                ? pattern_match_path(&p->patterns[i], in->path, in->arena, v)
                : pattern_match_host(&p->patterns[i], in->host, in->port, in->arena, v))
            return true;
    }
    return false;
}

static bool method_holds(const struct config_predicate *c, const struct match_input *in)
{
    for (uint32_t i = 0; i < c->value_count; i++) {
        if (str_eq(c->values[i], in->head->method_text))
            return true;
    }
    return false;
}

static bool value_holds(const struct config_predicate *c, struct str value, struct arena *a)
{
    return c->regex == NULL || expression_match(c->regex->code, value, 0, true, a, NULL) == 1;
}

/* The whole value of a line, or one element of it when it is a list. */
static bool header_holds(const struct config_predicate *c, const struct match_input *in)
{
    for (uint32_t i = 0; i < in->head->field_count; i++) {
        const struct http_field *f = &in->head->fields[i];
        struct str rest = http_field_value(f), part;

        if (!str_eq_nocase(http_field_name(f), c->name))
            continue;
        if (value_holds(c, rest, in->arena))
            return true;
        if (str_find(rest, ',') < 0)
            continue;
        while (str_split(&rest, ',', &part)) {
            if (value_holds(c, str_trim(part), in->arena))
                return true;
        }
    }
    return false;
}

/* One "name=value" of the query, both decoded as a form is. */
static bool parameter_holds(const struct config_predicate *c, struct str pair, struct arena *a)
{
    ssize_t eq = str_find(pair, '=');
    size_t name_len = eq < 0 ? pair.len : (size_t)eq;
    char *mem = arena_alloc(a, pair.len + 1);
    ssize_t len;

    if (mem == NULL)
        return false;
    len = percent_decode(str_n(pair.ptr, name_len), true, mem);
    if (len < 0 || !str_eq(str_n(mem, (size_t)len), c->name))
        return false;
    if (c->regex == NULL)
        return true;
    len = eq < 0
              ? 0
              : percent_decode(str_n(pair.ptr + name_len + 1, pair.len - name_len - 1), true, mem);
    return len >= 0 && value_holds(c, str_n(mem, (size_t)len), a);
}

static bool query_holds(const struct config_predicate *c, const struct match_input *in)
{
    struct str rest = in->head->query, pair;

    if (rest.ptr == NULL)
        return false;
    while (str_split(&rest, '&', &pair)) {
        if (parameter_holds(c, pair, in->arena))
            return true;
    }
    return false;
}

bool predicate_holds(const struct predicate *p, const struct match_input *in, struct vars *v)
{
    switch (p->kind) {
    case PREDICATE_PATH:
    case PREDICATE_HOST:
        return pattern_holds(p, in, v);
    case PREDICATE_METHOD:
        return method_holds(p->config, in);
    case PREDICATE_HEADER:
        return header_holds(p->config, in);
    case PREDICATE_QUERY:
        return query_holds(p->config, in);
    case PREDICATE_MAX:
        break;
    }
    return false;
}

uint32_t predicate_vars(const struct predicate *p)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < p->pattern_count; i++)
        most = MAX(most, p->patterns[i].var_count);
    return most;
}
