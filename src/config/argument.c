/* Arguments of predicates and filters, each kind with its check. */
#include <stdio.h>

#include "base/assert.h"
#include "config/argument.h"
#include "config/forms.h"
#include "config/pattern.h"
#include "config/regex.h"
#include "config/value.h"

static void *field(const struct argument *a)
{
    return argument_field(a);
}

bool argument_wrong(const struct argument *a, const char *problem)
{
    reader_error(a->r, a->at->node, a->at->path, "%s %s %s: %s", a->at->factory->name, a->arg->name,
                 reader_quote(a->r, a->text), problem);
    return false;
}

static bool wrong(const struct argument *a, const char *problem)
{
    return argument_wrong(a, problem);
}

static bool keep(const struct argument *a)
{
    *(struct str *)field(a) = reader_str(a->r, a->text);
    return true;
}

static bool parse_field_name(const struct argument *a)
{
    if (!form_is_token(a->text))
        return wrong(a, "not the name of a header field (letters, digits and !#$%&'*+-.^_`|~)");
    if (a->arg->kind == ARG_CHANGED_FIELD && form_is_framing_field(a->text))
        return wrong(a, "this field frames messages or belongs to one connection; the gateway "
                        "writes it itself");
    return keep(a);
}

static bool parse_template(const struct argument *a)
{
    const char *problem = pattern_check_template(a->text, a->r->scratch);

    return problem != NULL ? wrong(a, problem) : keep(a);
}

static bool parse_field_value(const struct argument *a)
{
    if (!form_is_field_value(a->text))
        return wrong(a, "a header field holds no line ends or other control characters");
    return parse_template(a);
}

static bool parse_path_template(const struct argument *a)
{
    if (a->text.len == 0 || a->text.ptr[0] != '/')
        return wrong(a, "a path starts with /");
    if (!form_is_target(a->text))
        return wrong(a, "blanks and other than ASCII characters are written %XX in a path");
    if (str_find(a->text, '?') >= 0 || str_find(a->text, '#') >= 0)
        return wrong(a, "a path holds no ? or #");
    return parse_template(a);
}

static bool parse_regex(const struct argument *a, bool whole)
{
    const char *why;
    struct config_regex *regex = regex_compile(a->r->config, a->text, whole, a->r->scratch, &why);

    if (regex == NULL)
        return wrong(a, why);
    *(struct config_regex **)field(a) = regex;
    return true;
}

/* Spring's files write $\ for $, since ${...} is a placeholder there. */
static struct str plain_dollars(struct reader *r, struct str s)
{
    char *out = reader_alloc(r, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; out != NULL && i < s.len; i++) {
        out[n++] = s.ptr[i];
        if (s.ptr[i] == '$' && i + 1 < s.len && s.ptr[i + 1] == '\\')
            i++;
    }
    return str_n(out, n);
}

/* One reference at s.ptr[i], a dollar; returns what is wrong with it. */
static const char *check_group(const struct config_regex *regex, struct str s, size_t i)
{
    ssize_t end;

    s = str_n(s.ptr + i + 1, s.len - i - 1);
    if (s.len == 0)
        return "$ needs the number or {name} of a group behind it";
    if (s.ptr[0] >= '0' && s.ptr[0] <= '9')
        return (unsigned)(s.ptr[0] - '0') > regex_group_count(regex)
                   ? "the expression has no group with this number"
                   : NULL;
    end = str_find(s, '}');
    if (s.ptr[0] != '{' || end < 0)
        return "$ needs the number or {name} of a group behind it";
    return regex_has_group(regex, str_n(s.ptr + 1, (size_t)end - 1))
               ? NULL
               : "the expression has no group with this name";
}

static bool parse_replacement(const struct argument *a)
{
    struct config_filter *f = a->target;
    struct str s = plain_dollars(a->r, a->text);

    if (s.ptr == NULL)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const char *problem = NULL;

        if ((unsigned char)s.ptr[i] <= ' ' || (unsigned char)s.ptr[i] >= 0x7f)
            return wrong(a, "blanks and other than ASCII characters are written %XX in a path");
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '$' && f->regex != NULL)
            problem = check_group(f->regex, s, i);
        if (problem != NULL)
            return wrong(a, problem);
    }
    f->value = s;
    return true;
}

static bool parse_url(const struct argument *a)
{
    bool absolute = str_starts(a->text, STR("http://")) || str_starts(a->text, STR("https://"));

    for (size_t i = 0; i < a->text.len; i++)
        if ((unsigned char)a->text.ptr[i] <= ' ' || (unsigned char)a->text.ptr[i] >= 0x7f)
            return wrong(a, "blanks and other than ASCII characters are written %XX in a URL");
    if (!absolute && !str_starts(a->text, STR("/")))
        return wrong(a, "expected a URL with http:// or https://, or a path that starts with /");
    return keep(a);
}

static bool parse_number(const struct argument *a)
{
    char expected[96];
    int64_t n;

    if (value_parse_integer(a->text, &n) == 0 && n >= a->arg->min && n <= a->arg->max) {
        *(int64_t *)field(a) = n;
        return true;
    }
    snprintf(expected, sizeof(expected), "expected a whole number from %lld to %lld",
             (long long)a->arg->min, (long long)a->arg->max);
    return wrong(a, expected);
}

static bool parse_status(const struct argument *a)
{
    int64_t n = factory_status(a->text);
    struct nearest near;
    char expected[160];

    if (n >= a->arg->min && n <= a->arg->max) {
        *(int64_t *)field(a) = n;
        return true;
    }
    nearest_init(&near, a->text);
    for (size_t i = 0; n == 0 && factory_status_name(i) != NULL; i++)
        nearest_try(&near, factory_status_name(i));
    snprintf(expected, sizeof(expected), "expected a status from %lld to %lld, or a name like %s",
             (long long)a->arg->min, (long long)a->arg->max,
             near.best != NULL   ? near.best
             : a->arg->max < 400 ? "FOUND"
                                 : "BAD_REQUEST");
    return wrong(a, expected);
}

static bool parse_flag(const struct argument *a)
{
    if (str_eq_nocase(a->text, STR("true")))
        *(bool *)field(a) = true;
    else if (str_eq_nocase(a->text, STR("false")))
        *(bool *)field(a) = false;
    else
        return wrong(a, "expected true or false");
    return true;
}

bool clause_parse_arg(struct reader *r, const struct clause_place *at, const struct arg *arg,
                      struct str text, void *target)
{
    struct argument a = {r, at, arg, text, target};

    if (str_starts(text, STR("#{")))
        return wrong(&a, "expressions in #{...} are Spring's; weir does not evaluate them");
    switch (arg->kind) {
    case ARG_FIELD_NAME:
    case ARG_CHANGED_FIELD:
        return parse_field_name(&a);
    case ARG_FIELD_VALUE:
        return parse_field_value(&a);
    case ARG_QUERY_NAME:
        return form_is_plain_text(text) ? keep(&a) : wrong(&a, "expected the name of a parameter");
    case ARG_REGEX_WHOLE:
        return parse_regex(&a, true);
    case ARG_REGEX_PART:
        return parse_regex(&a, false);
    case ARG_REPLACEMENT:
        return parse_replacement(&a);
    case ARG_PATH_TEMPLATE:
        return parse_path_template(&a);
    case ARG_URL:
        return parse_url(&a);
    case ARG_NUMBER:
        return parse_number(&a);
    case ARG_STATUS:
        return parse_status(&a);
    case ARG_FLAG:
        return parse_flag(&a);
    case ARG_PATHS:
    case ARG_HOSTS:
    case ARG_METHODS:
        ASSERT(!"not a list");
        return false;
    case ARG_SIZE:
    case ARG_KEY:
        return argument_parse_limit(&a);
    case ARG_WORDS:
    case ARG_STEPS:
    case ARG_CONTENT:
    case ARG_FORWARD:
        return argument_parse_fallback(&a);
    default:
        return argument_parse_policy(&a);
    }
}

const char *argument_check_method(struct str s)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                          "PATCH", "DELETE", "OPTIONS", "TRACE"};

    if (!form_is_token(s))
        return "not a method";
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq_nocase(s, str_of(methods[i])) && !str_eq(s, str_of(methods[i])))
            return "methods are case-sensitive; write it in capitals";
    return NULL;
}

/* Spring puts the slash in front of a pattern that has none. */
static struct str with_slash(struct reader *r, struct str s)
{
    char *p;

    if (s.len == 0 || s.ptr[0] == '/')
        return s;
    p = arena_printf(r->scratch, "/" STR_FMT, STR_ARG(s));
    r->no_memory |= p == NULL;
    return str_of(p);
}

static const char *check_item(struct reader *r, enum arg_kind kind, struct str text)
{
    if (kind == ARG_PATHS)
        return pattern_check_path(text, r->scratch);
    if (kind == ARG_HOSTS)
        return pattern_check_host(text, r->scratch);
    return argument_check_method(text);
}

bool clause_parse_list(struct reader *r, const struct clause_place *at, const struct arg *arg,
                       const struct str *texts, unsigned count, struct config_predicate *target)
{
    struct str *values = reader_alloc(r, count * sizeof(*values));
    bool ok = true;

    for (unsigned i = 0; values != NULL && i < count; i++) {
        struct str text = arg->kind == ARG_PATHS ? with_slash(r, texts[i]) : texts[i];
        const char *problem = check_item(r, arg->kind, text);

        values[i] = reader_str(r, text);
        if (problem == NULL)
            continue;
        ok = false;
        reader_error(r, at->node, at->path, "%s %s: %s%s", at->factory->name, reader_quote(r, text),
                     problem,
                     count > 1 && str_find(text, '{') >= 0 && str_find(text, '}') < 0
                         ? " (a comma separates patterns; in an expression it needs the long form: "
                           "name and args)"
                         : "");
    }
    target->values = values;
    target->value_count = count;
    return ok && values != NULL;
}
