/* From the text of a pattern to its segments: see pattern.h. */
#include "gateway/expression.h"
#include "gateway/path.h"
#include "gateway/pattern.h"

#define SEGMENTS_MAX 64

struct compiler {
    struct arena *arena;
    bool host;
    struct segment segments[SEGMENTS_MAX];
    uint32_t count;
    uint32_t rests; /* "**" so far */
    uint32_t vars;
    const char *message;
};

static int refuse(struct compiler *c, const char *message)
{
    c->message = message;
    return -EINVAL;
}

static bool is_name(struct str s)
{
    if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = ascii_lower(s.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

/* Index of the brace that closes the one at from, with nesting ("{n:a{1,3}}"), or -1. */
static ssize_t closing_brace(struct str s, size_t from)
{
    int depth = 0;

    for (size_t i = from; i < s.len; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '{')
            depth++;
        else if (s.ptr[i] == '}' && --depth == 0)
            return (ssize_t)i;
    }
    return -1;
}

/* Appends literal text to the expression, every special character escaped. */
static int put_literal(struct compiler *c, struct text *re, struct str s)
{
    struct str canonical = s;

    if (!c->host && path_canonical_segment(s, c->arena, &canonical) < 0)
        return refuse(c, "a character that cannot stand in a path");
    for (size_t i = 0; i < canonical.len; i++) {
        char ch = c->host ? ascii_lower(canonical.ptr[i]) : canonical.ptr[i];
        bool plain = (ascii_lower(ch) >= 'a' && ascii_lower(ch) <= 'z') ||
                     (ch >= '0' && ch <= '9') || (unsigned char)ch >= 0x80;

        if (!plain)
            text_put(re, "\\", 1);
        text_put(re, &ch, 1);
    }
    return 0;
}

/* "{name}" or "{name:regex}" inside a segment; s is what stands between the braces. */
static int put_variable(struct compiler *c, struct text *re, struct segment *seg, struct str s)
{
    ssize_t colon = str_find(s, ':');
    struct str name = colon < 0 ? s : str_n(s.ptr, (size_t)colon);

    if (!is_name(name))
        return refuse(c, "a variable's name must be letters, digits, '_', '-' and '.'");
    if (seg->name_count + 1 >= EXPRESSION_GROUPS_MAX)
        return refuse(c, "too many variables in one segment");
    text_put(re, "(", 1);
    if (colon < 0)
        text_puts(re, STR(".*"));
    else
        text_puts(re, str_n(s.ptr + colon + 1, s.len - (size_t)colon - 1));
    text_put(re, ")", 1);
    seg->names[seg->name_count++] = name;
    c->vars++;
    return 0;
}

static int put_mixture(struct compiler *c, struct text *re, struct segment *seg, struct str s)
{
    size_t from = 0;

    for (size_t i = 0; i <= s.len; i++) {
        ssize_t close;
        int rc;

        if (i < s.len && s.ptr[i] != '{' && s.ptr[i] != '*' && s.ptr[i] != '?')
            continue;
        rc = put_literal(c, re, str_n(s.ptr + from, i - from));
        if (rc < 0)
            return rc;
        from = i + 1;
        if (i == s.len)
            break;
        if (s.ptr[i] != '{') {
            text_puts(re, s.ptr[i] == '*' ? STR(".*") : STR("."));
            continue;
        }
        close = closing_brace(s, i);
        if (close < 0)
            return refuse(c, "a '{' without its '}'");
        rc = put_variable(c, re, seg, str_n(s.ptr + i + 1, (size_t)close - i - 1));
        if (rc < 0)
            return rc;
        i = (size_t)close;
        from = i + 1;
    }
    return 0;
}

static int compile_mixture(struct compiler *c, struct segment *seg, struct str s)
{
    struct text re = {.max = 64 * KIB};
    size_t at;
    int rc;

    seg->kind = SEGMENT_REGEX;
    seg->names = arena_alloc(c->arena, EXPRESSION_GROUPS_MAX * sizeof(*seg->names));
    if (seg->names == NULL)
        return -ENOMEM;
    rc = put_mixture(c, &re, seg, s);
    if (rc == 0 && re.overflow)
        rc = -ENOMEM;
    if (rc == 0)
        rc = expression_compile(str_n(re.ptr, re.len), c->arena, &seg->regex, &c->message, &at);
    if (rc == 0 && expression_groups(seg->regex) != seg->name_count)
        rc = refuse(c, "groups inside a variable's expression must be written (?:...)");
    text_done(&re);
    return rc;
}

static int compile_literal(struct compiler *c, struct segment *seg, struct str s)
{
    char *lower;

    seg->kind = SEGMENT_LITERAL;
    if (!c->host) {
        if (path_canonical_segment(s, c->arena, &seg->text) < 0)
            return refuse(c, "a character that cannot stand in a path");
        return 0;
    }
    lower = arena_alloc(c->arena, s.len);
    if (lower == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s.len; i++)
        lower[i] = ascii_lower(s.ptr[i]);
    seg->text = str_n(lower, s.len);
    return 0;
}

static int compile_rest(struct compiler *c, struct segment *seg)
{
    seg->kind = SEGMENT_REST;
    if (++c->rests > (c->host ? 2 : 1))
        return refuse(c, "too many \"**\"");
    return 0;
}

static int compile_segment(struct compiler *c, struct str s)
{
    struct segment *seg = &c->segments[c->count];
    struct str inner;

    if (c->count > 0 && !c->host &&
        (seg[-1].kind == SEGMENT_REST || seg[-1].kind == SEGMENT_CAPTURE_REST))
        return refuse(c, "nothing may follow \"**\" or \"{*name}\"");
    if (c->count == SEGMENTS_MAX)
        return refuse(c, "too many segments");
    memset(seg, 0, sizeof(*seg));
    c->count++;
    if (str_eq(s, STR("**")))
        return compile_rest(c, seg);
    if (str_eq(s, STR("*"))) {
        seg->kind = SEGMENT_ANY;
        return 0;
    }
    if (str_find(s, '{') < 0 && str_find(s, '*') < 0 && str_find(s, '?') < 0)
        return compile_literal(c, seg, s);
    inner = s.len > 2 ? str_n(s.ptr + 1, s.len - 2) : STR("");
    if (s.ptr[0] == '{' && closing_brace(s, 0) == (ssize_t)s.len - 1) {
        if (is_name(inner)) {
            seg->kind = SEGMENT_VARIABLE;
            seg->name = inner;
            c->vars++;
            return 0;
        }
        if (!c->host && inner.len > 1 && inner.ptr[0] == '*' &&
            is_name(str_n(inner.ptr + 1, inner.len - 1))) {
            seg->kind = SEGMENT_CAPTURE_REST;
            seg->name = str_n(inner.ptr + 1, inner.len - 1);
            c->vars++;
            return 0;
        }
    }
    return compile_mixture(c, seg, s);
}

/* Splits at the separator, but not inside braces, and compiles each piece. */
static int compile_segments(struct compiler *c, struct str s, char separator)
{
    size_t from = 0;

    for (size_t i = 0; i <= s.len; i++) {
        int rc;

        if (i < s.len && s.ptr[i] == '{') {
            ssize_t close = closing_brace(s, i);

            if (close < 0)
                return refuse(c, "a '{' without its '}'");
            i = (size_t)close;
            continue;
        }
        if (i < s.len && s.ptr[i] != separator)
            continue;
        if (i == from && c->host)
            return refuse(c, "an empty label");
        rc = i == from ? 0 : compile_segment(c, str_n(s.ptr + from, i - from));
        if (rc < 0)
            return rc;
        from = i + 1; /* several slashes are one, as in the paths that come */
    }
    return 0;
}

static int finish(struct compiler *c, int rc, struct pattern *p, const char **ret_message)
{
    if (rc == 0 && c->vars > VARS_MAX)
        rc = refuse(c, "too many variables");
    if (rc == 0) {
        p->segments = arena_alloc(c->arena, c->count * sizeof(*p->segments));
        if (p->segments != NULL || c->count == 0) {
            if (c->count != 0)
                memcpy(p->segments, c->segments, c->count * sizeof(*p->segments));
            p->segment_count = c->count;
            p->var_count = c->vars;
            return 0;
        }
        rc = -ENOMEM;
    }
    for (uint32_t i = 0; i < c->count; i++)
        expression_free(c->segments[i].regex);
    *ret_message = rc == -ENOMEM ? "out of memory" : c->message;
    return rc;
}

int pattern_compile_path(struct str text, bool match_trailing_slash, struct arena *a,
                         struct pattern *ret, const char **ret_message)
{
    struct compiler c = {.arena = a};
    struct pattern p = {.slash_optional = match_trailing_slash};
    struct str s = text;
    int rc = 0;

    if (s.len != 0 && s.ptr[0] == '/')
        s = str_n(s.ptr + 1, s.len - 1);
    if (s.len != 0 && s.ptr[s.len - 1] == '/') {
        p.trailing_slash = true;
        s.len--;
    }
    if (s.len == 0)
        p.trailing_slash = true; /* "/": the root and nothing else */
    else
        rc = compile_segments(&c, s, '/');
    rc = finish(&c, rc, &p, ret_message);
    if (rc == 0)
        *ret = p;
    return rc;
}

/* A port is a colon and digits behind the last brace and bracket. */
static int split_port(struct str *host, uint16_t *ret_port)
{
    uint64_t port;

    for (size_t i = host->len; i-- > 0;) {
        char ch = host->ptr[i];

        if (ch == '}' || ch == ']')
            return 0;
        if (ch != ':')
            continue;
        if (str_to_u64(str_n(host->ptr + i + 1, host->len - i - 1), 65535, &port) < 0 || port == 0)
            return -EINVAL;
        *ret_port = (uint16_t)port;
        host->len = i;
        return 0;
    }
    return 0;
}

int pattern_compile_host(struct str text, struct arena *a, struct pattern *ret,
                         const char **ret_message)
{
    struct compiler c = {.arena = a, .host = true};
    struct pattern p = {.host = true};
    struct str s = text;
    int rc = 0;

    if (split_port(&s, &p.port) < 0 || s.len == 0)
        rc = refuse(&c, "expected a host, then perhaps a colon and a port");
    else if (s.ptr[0] == '[')
        rc = compile_literal(&c, &c.segments[c.count++], s); /* an IPv6 literal has no labels */
    else
        rc = compile_segments(&c, s, '.');
    rc = finish(&c, rc, &p, ret_message);
    if (rc == 0)
        *ret = p;
    return rc;
}

void pattern_done(struct pattern *p)
{
    for (uint32_t i = 0; i < p->segment_count; i++)
        expression_free(p->segments[i].regex);
}
