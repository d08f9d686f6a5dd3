/* Replacing by regular expression: see replacement.h. */
#include "gateway/replacement.h"

#include "gateway/expression.h"

struct parser {
    struct str text;
    size_t at;
    const void *regex;
    struct replacement *out;
    char *literal; /* text so far; the arena has room for all of it */
    size_t literal_len;
    const char *message;
};

static void flush(struct parser *p)
{
    if (p->literal_len == 0)
        return;
    p->out->pieces[p->out->count++] =
        (struct replacement_piece){-1, str_n(p->literal, p->literal_len)};
    p->literal += p->literal_len;
    p->literal_len = 0;
}

static int add_group(struct parser *p, int group)
{
    if (group < 0 || (uint32_t)group > expression_groups(p->regex) ||
        group >= EXPRESSION_GROUPS_MAX) {
        p->message = "the replacement names a group that the expression does not have";
        return -EINVAL;
    }
    flush(p);
    p->out->pieces[p->out->count++] = (struct replacement_piece){group, STR_NULL};
    return 0;
}

/* As Java: the first digit always counts, further ones while such a group exists. */
static int parse_number(struct parser *p)
{
    int group = p->text.ptr[p->at++] - '0';

    while (p->at < p->text.len && p->text.ptr[p->at] >= '0' && p->text.ptr[p->at] <= '9') {
        int longer = group * 10 + (p->text.ptr[p->at] - '0');

        if ((uint32_t)longer > expression_groups(p->regex))
            break;
        group = longer;
        p->at++;
    }
    return add_group(p, group);
}

static int parse_dollar(struct parser *p)
{
    struct str rest;
    ssize_t close;

    if (p->at < p->text.len && p->text.ptr[p->at] == '\\')
        p->at++; /* "$\{name}": what protects the brace from Spring's own placeholders */
    rest = str_n(p->text.ptr + p->at, p->text.len - p->at);
    if (rest.len != 0 && rest.ptr[0] >= '0' && rest.ptr[0] <= '9')
        return parse_number(p);
    close = rest.len != 0 && rest.ptr[0] == '{' ? str_find(rest, '}') : -1;
    if (close < 0) {
        p->message = "a \"$\" in a replacement is followed by a digit or {name}; write \\$ for $";
        return -EINVAL;
    }
    p->at += (size_t)close + 1;
    return add_group(p, expression_group_of(p->regex, str_n(rest.ptr + 1, (size_t)close - 1)));
}

int replacement_compile(const void *regex, struct str text, struct arena *a,
                        struct replacement *ret, const char **ret_message)
{
    struct replacement r = {.regex = regex};
    struct parser p = {.text = text, .regex = regex, .out = &r};
    int rc = 0;

    r.pieces = arena_alloc(a, (text.len + 1) * sizeof(*r.pieces));
    p.literal = arena_alloc(a, text.len + 1);
    if (r.pieces == NULL || p.literal == NULL)
        return -ENOMEM;
    while (p.at < text.len && rc == 0) {
        char c = text.ptr[p.at++];

        if (c == '$') {
            rc = parse_dollar(&p);
            continue;
        }
        if (c == '\\' && p.at < text.len)
            c = text.ptr[p.at++];
        p.literal[p.literal_len++] = c;
    }
    flush(&p);
    if (rc < 0) {
        *ret_message = p.message;
        return rc;
    }
    *ret = r;
    return 0;
}

static void put_replaced(const struct replacement *r, struct str s,
                         const struct expression_match *m, struct buf *out)
{
    for (uint32_t i = 0; i < r->count; i++) {
        int group = r->pieces[i].group;

        if (group < 0)
            buf_puts(out, r->pieces[i].text);
        else if (m->groups[group].from != SIZE_MAX)
            buf_put(out, s.ptr + m->groups[group].from,
                    m->groups[group].to - m->groups[group].from);
    }
}

int replacement_apply(const struct replacement *r, struct str s, size_t max, struct arena *a,
                      struct str *ret)
{
    struct expression_match m;
    size_t at = 0, copied = 0;
    struct buf out = {0};
    int rc = 0;

    while (at <= s.len && (rc = expression_match(r->regex, s, at, false, a, &m)) == 1) {
        if (out.ptr == NULL) {
            void *mem = arena_alloc(a, max);

            if (mem == NULL)
                return -E2BIG;
            out = buf_on(mem, max);
        }
        buf_put(&out, s.ptr + copied, m.groups[0].from - copied);
        put_replaced(r, s, &m, &out);
        copied = m.groups[0].to;
        /* An empty match is followed by a step of one byte, which is copied with what comes. */
        at = m.groups[0].to > m.groups[0].from ? m.groups[0].to : m.groups[0].to + 1;
    }
    if (rc < 0)
        return rc;
    if (out.ptr == NULL) {
        *ret = s;
        return 0;
    }
    buf_put(&out, s.ptr + copied, s.len - copied);
    if (out.overflow)
        return -E2BIG;
    *ret = buf_str(&out);
    return 0;
}
