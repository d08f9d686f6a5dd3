/* Matching of path and host patterns: see pattern.h; compiling is in pattern_compile.c. */
#include "gateway/pattern.h"
#include "gateway/expression.h"
#include "gateway/path.h"

static bool regex_segment(const struct segment *s, struct str text, struct arena *a, struct vars *v)
{
    struct expression_match m;

    if (expression_match(s->regex, text, 0, true, a, &m) != 1)
        return false;
    for (uint32_t i = 0; i < s->name_count; i++) {
        size_t from = m.groups[i + 1].from;
        struct str value =
            from == SIZE_MAX ? STR("") : str_n(text.ptr + from, m.groups[i + 1].to - from);

        if (!vars_put(v, s->names[i], value))
            return false;
    }
    return true;
}

/* One segment that is there and not empty. */
static bool segment_matches(const struct segment *s, struct str text, struct arena *a,
                            struct vars *v)
{
    switch (s->kind) {
    case SEGMENT_LITERAL:
        return str_eq(s->text, text);
    case SEGMENT_ANY:
        return true;
    case SEGMENT_VARIABLE:
        return vars_put(v, s->name, text);
    case SEGMENT_REGEX:
        return regex_segment(s, text, a, v);
    default:
        return false;
    }
}

bool pattern_match_path(const struct pattern *p, struct str path, struct arena *a, struct vars *v)
{
    struct str rest = path, text;

    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *s = &p->segments[i];

        if (s->kind == SEGMENT_REST)
            return true;
        if (s->kind == SEGMENT_CAPTURE_REST)
            return vars_put(v, s->name, rest);
        if (!path_segment(&rest, &text)) {
            /* "/a/" has an empty last segment, which only a final "*" takes. */
            return rest.len == 1 && s->kind == SEGMENT_ANY && i + 1 == p->segment_count &&
                   !p->trailing_slash;
        }
        if (!segment_matches(s, text, a, v))
            return false;
    }
    if (p->trailing_slash)
        return rest.len == 1;
    return rest.len == 0 || (rest.len == 1 && p->slash_optional);
}

/* Takes the first label off a host. False when there is none left. */
static bool take_label(struct str *rest, struct str *ret_label)
{
    const char *dot;
    size_t len;

    if (rest->len == 0)
        return false;
    dot = memchr(rest->ptr, '.', rest->len);
    len = dot != NULL ? (size_t)(dot - rest->ptr) : rest->len;
    *ret_label = str_n(rest->ptr, len);
    *rest = dot != NULL ? str_n(dot + 1, rest->len - len - 1) : STR("");
    return true;
}

/* Recursion is bounded by the pattern; the steps by host length to the power of the number of
 * "**", of which a pattern has two at most. */
static bool match_labels(const struct segment *s, const struct segment *end, struct str rest,
                         struct arena *a, struct vars *v)
{
    struct str label;
    uint32_t mark = v->count;

    if (s == end)
        return rest.len == 0;
    if (s->kind == SEGMENT_REST) {
        do {
            v->count = mark;
            if (match_labels(s + 1, end, rest, a, v))
                return true;
        } while (take_label(&rest, &label));
        return false;
    }
    return take_label(&rest, &label) && label.len != 0 && segment_matches(s, label, a, v) &&
           match_labels(s + 1, end, rest, a, v);
}

bool pattern_match_host(const struct pattern *p, struct str host, uint16_t port, struct arena *a,
                        struct vars *v)
{
    if (p->port != 0 && p->port != port)
        return false;
    return match_labels(p->segments, p->segments + p->segment_count, host, a, v);
}
