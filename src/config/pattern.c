/* Checks of patterns. The gateway compiles what passes here without checking again. */
#include "config/pattern.h"

#include "config/regex.h"

#define VARIABLES_MAX 16

struct check {
    struct str s;
    size_t at;
    bool is_path;        /* else there is neither {name:regex} nor {*name} */
    struct arena *arena; /* NULL: nobody reads the problem */
    const char *problem;
    struct str names[VARIABLES_MAX];
    unsigned name_count;
};

static bool fail(struct check *k, const char *problem)
{
    const char *text = NULL;

    if (k->arena != NULL)
        text = arena_printf(k->arena, "%s, at character %zu", problem, k->at + 1);
    k->problem = text != NULL ? text : problem;
    return false;
}

static bool is_identifier(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = ascii_lower(s.ptr[i]);
        bool digit = c >= '0' && c <= '9';

        if (!(c >= 'a' && c <= 'z') && c != '_' && !(i > 0 && (digit || c == '-')))
            return false;
    }
    return s.len > 0;
}

static bool add_name(struct check *k, struct str name)
{
    if (!is_identifier(name))
        return fail(k, "the name of a variable consists of letters, digits, _ and -");
    for (unsigned i = 0; i < k->name_count; i++)
        if (str_eq(k->names[i], name))
            return fail(k, "a variable with this name stands there already");
    if (k->name_count == VARIABLES_MAX)
        return fail(k, "more than 16 variables");
    k->names[k->name_count++] = name;
    return true;
}

/* The text between braces at k->at; braces inside (of an expression) are balanced. */
static bool brace_content(struct check *k, struct str *ret)
{
    size_t depth = 0;

    for (size_t i = k->at; i < k->s.len; i++) {
        if (k->s.ptr[i] == '\\' && depth > 0) {
            i++;
        } else if (k->s.ptr[i] == '{') {
            depth++;
        } else if (k->s.ptr[i] == '}' && --depth == 0) {
            *ret = str_n(k->s.ptr + k->at + 1, i - k->at - 1);
            return true;
        }
    }
    return fail(k, "{ without }");
}

static bool check_constraint(struct check *k, struct str text)
{
    unsigned groups;
    const char *why;

    if (text.len == 0)
        return fail(k, "the expression behind : is missing");
    why = regex_check(text, k->arena, &groups);
    if (why != NULL) {
        k->problem =
            arena_printf(k->arena, "the expression \"" STR_FMT "\": %s", STR_ARG(text), why);
        if (k->problem == NULL)
            k->problem = why;
        return false;
    }
    if (groups != 0)
        return fail(k, "an expression in a pattern has no capturing groups; write (?:...)");
    return true;
}

static bool check_variable(struct check *k, bool whole_segment)
{
    struct str content, name;

    if (!brace_content(k, &content))
        return false;
    name = content;
    if (!k->is_path && (str_starts(content, STR("*")) || str_find(content, ':') >= 0))
        return fail(k, "{*name} and {name:regex} are for paths only");
    if (content.len != 0 && content.ptr[0] == '*') {
        name = str_n(content.ptr + 1, content.len - 1);
        if (!whole_segment || k->at + content.len + 2 != k->s.len)
            return fail(k, "{*name} must be the whole last segment");
    } else if (str_find(content, ':') >= 0) {
        size_t colon = (size_t)str_find(content, ':');

        name = str_n(content.ptr, colon);
        if (!check_constraint(k, str_n(content.ptr + colon + 1, content.len - colon - 1)))
            return false;
    }
    if (!add_name(k, name))
        return false;
    k->at += content.len + 2;
    if (k->at < k->s.len && k->s.ptr[k->at] == '{')
        return fail(k, "two variables need something between them");
    return true;
}

static bool check_stars(struct check *k, bool whole_segment)
{
    if (k->at + 1 < k->s.len && k->s.ptr[k->at + 1] == '*' &&
        (!whole_segment || k->at + 2 != k->s.len))
        return fail(k, "** must be the whole last segment");
    while (k->at < k->s.len && k->s.ptr[k->at] == '*')
        k->at++;
    return true;
}

const char *pattern_check_path(struct str s, struct arena *a)
{
    struct check k = {.s = s, .is_path = true, .arena = a};
    bool ok = true;

    if (s.len == 0)
        return "the pattern is empty";
    if (s.ptr[0] != '/')
        return "a pattern starts with /";
    while (ok && k.at < s.len) {
        unsigned char ch = (unsigned char)s.ptr[k.at];
        bool starts_segment = k.at > 0 && s.ptr[k.at - 1] == '/';

        if (ch == '{')
            ok = check_variable(&k, starts_segment);
        else if (ch == '*')
            ok = check_stars(&k, starts_segment);
        else if (ch == '}')
            ok = fail(&k, "} without {");
        else if (ch <= ' ' || ch == 0x7f)
            ok = fail(&k, "a pattern has no blanks or control characters");
        else
            k.at++;
    }
    return k.problem;
}

static bool check_host_char(struct check *k)
{
    char ch = k->s.ptr[k->at];

    if (ch == '{')
        return check_variable(k, true);
    if (ascii_lower(ch) < 'a' || ascii_lower(ch) > 'z') {
        if ((ch < '0' || ch > '9') && (ch == '\0' || strchr(".-_*?", ch) == NULL))
            return fail(k, "not a character of a host name or pattern");
    }
    k->at++;
    return true;
}

const char *pattern_check_host(struct str s, struct arena *a)
{
    const char *colon = s.len != 0 ? memrchr(s.ptr, ':', s.len) : NULL;
    struct check k = {.s = s, .arena = a};
    uint64_t port;

    if (colon != NULL && memchr(colon, '}', (size_t)(s.ptr + s.len - colon)) != NULL)
        colon = NULL; /* not that of a port */
    if (colon != NULL) {
        size_t at = (size_t)(colon - s.ptr);

        if (str_to_u64(str_n(colon + 1, s.len - at - 1), 65535, &port) < 0 || port == 0)
            return "the port must be a number from 1 to 65535";
        k.s = s = str_n(s.ptr, at);
    }
    if (s.len == 0)
        return "the pattern is empty";
    while (k.at < s.len && check_host_char(&k))
        ;
    return k.problem;
}

const char *pattern_check_template(struct str s, struct arena *a)
{
    struct check k = {.s = s, .arena = a};
    struct str name;

    while (k.at < s.len) {
        if (s.ptr[k.at] != '{') {
            k.at++;
            continue;
        }
        if (!brace_content(&k, &name))
            return k.problem;
        if (!is_identifier(name)) {
            fail(&k, "{ starts a variable, whose name consists of letters, digits, _ and -");
            return k.problem;
        }
        k.at += name.len + 2;
    }
    return NULL;
}

bool pattern_next_variable(struct str *rest, struct str *ret_name)
{
    struct check k = {.s = *rest};
    ssize_t open = str_find(*rest, '{');
    struct str content;
    ssize_t colon;

    if (open < 0)
        return false;
    k.at = (size_t)open;
    if (!brace_content(&k, &content))
        return false;
    *rest = str_n(content.ptr + content.len + 1,
                  (size_t)(rest->ptr + rest->len - content.ptr) - content.len - 1);
    if (content.len != 0 && content.ptr[0] == '*')
        content = str_n(content.ptr + 1, content.len - 1);
    colon = str_find(content, ':');
    *ret_name = colon >= 0 ? str_n(content.ptr, (size_t)colon) : content;
    return true;
}
