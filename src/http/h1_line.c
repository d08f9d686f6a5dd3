/* Lines and field lines of an HTTP/1.1 message: how they end, and what stands before the colon. */
#include "http/h1_parse.h"

/* Letters, digits and the two bytes of a plain name; the rest of the table is by hand. */
#define TOKEN_ONLY (H1_TOKEN | H1_TEXT | H1_TARGET)
#define ALNUM      (TOKEN_ONLY | H1_NAME)
#define VISIBLE    (H1_TEXT | H1_TARGET)

const uint8_t h1_scan_table[256] = {
    ['\t'] = H1_TEXT,
    [' '] = H1_TEXT,
    ['!'] = TOKEN_ONLY,
    ['"'] = VISIBLE,
    ['#'] = H1_TOKEN | H1_TEXT,
    ['$' ... '\''] = TOKEN_ONLY,
    ['(' ... ')'] = VISIBLE,
    ['*' ... '+'] = TOKEN_ONLY,
    [','] = VISIBLE,
    ['-' ... '.'] = ALNUM,
    ['/'] = VISIBLE,
    ['0' ... '9'] = ALNUM,
    [':' ... '>'] = VISIBLE,
    ['?'] = H1_TEXT,
    ['@'] = VISIBLE,
    ['A' ... 'Z'] = ALNUM,
    ['[' ... ']'] = VISIBLE,
    ['^' ... '`'] = TOKEN_ONLY,
    ['a' ... 'z'] = ALNUM,
    ['{'] = VISIBLE,
    ['|'] = TOKEN_ONLY,
    ['}'] = VISIBLE,
    ['~'] = TOKEN_ONLY,
    [0x80 ... 0xff] = H1_TEXT,
};

struct refusal_row {
    const char *name;
    const char *text;
    int status;
};

static const struct refusal_row refusals[H1_REASON_MAX] = {
#define R(name, status, text) [H1_R_##name] = {#name, text, status},
#include "http/h1_refusal.h"
#undef R
};

int h1_refuse(struct h1_refusal *ret, enum h1_reason reason, size_t offset, bool response)
{
    const struct refusal_row *row = &refusals[reason];

    ret->status = response ? 502 : row->status;
    ret->name = row->name;
    ret->text = row->text;
    ret->offset = (uint32_t)MIN(offset, (size_t)UINT32_MAX);
    return -EBADMSG;
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

int h1_line_end(struct h1_cursor *c, const char *stop)
{
    if (stop == c->end)
        return -EAGAIN;
    if (*stop == '\n')
        return h1_refuse_at(c, H1_R_bare_lf, stop);
    if (*stop != '\r')
        return h1_refuse_at(c, H1_R_control_byte, stop);
    if (stop + 1 == c->end)
        return -EAGAIN;
    return stop[1] == '\n' ? 0 : h1_refuse_at(c, H1_R_bare_cr, stop);
}

int h1_take_line(struct h1_cursor *c, struct str *ret)
{
    const char *stop = h1_scan(c->base, c->p, c->end, H1_TEXT);
    int r = h1_line_end(c, stop);

    if (r != 0)
        return r;
    *ret = str_n(c->p, (size_t)(stop - c->p));
    c->p = stop + 2;
    return 0;
}

/* The line at c->p has no proper name: says why, once the line is complete. */
static NOINLINE int refuse_name(struct h1_cursor *c, bool first, const char *bad)
{
    const char *stop = h1_scan(c->base, bad, c->end, H1_TEXT);
    const char *after = bad;
    int r = h1_line_end(c, stop);

    if (r != 0)
        return r;
    if (is_blank(*c->p))
        return h1_refuse_at(c, first ? H1_R_space_before_field : H1_R_obs_fold, c->p);
    if (bad == stop || memchr(bad, ':', (size_t)(stop - bad)) == NULL)
        return h1_refuse_at(c, H1_R_no_colon, stop);
    if (bad == c->p && *bad == ':')
        return h1_refuse_at(c, H1_R_empty_name, bad);
    while (is_blank(*after))
        after++;
    return h1_refuse_at(c, after != bad && *after == ':' ? H1_R_space_before_colon : H1_R_bad_name,
                        bad);
}

int h1_take_field(struct h1_cursor *c, bool first, struct http_field *f)
{
    const char *name = c->p;
    const char *colon = h1_scan(c->base, name, c->end, H1_TOKEN);
    const char *value, *stop;

    if (unlikely(colon == c->end || *colon != ':' || colon == name))
        return refuse_name(c, first, colon);
    value = colon + 1;
    while (value != c->end && is_blank(*value))
        value++;
    stop = h1_scan(c->base, value, c->end, H1_TEXT);
    if (unlikely(c->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n'))
        return h1_line_end(c, stop);
    if (unlikely(colon - name > UINT16_MAX))
        return h1_refuse_at(c, H1_R_long_name, name + UINT16_MAX);
    c->p = stop + 2;
    while (stop != value && is_blank(stop[-1]))
        stop--;
    f->name = name;
    f->value = value;
    f->value_len = (uint32_t)(stop - value);
    f->name_len = (uint16_t)(colon - name);
    f->id = (uint8_t)http_field_id_of_token(name, (size_t)(colon - name));
    f->dropped = false;
    return 0;
}
