/* The field lines of a head: a short way for lines as nearly all are, and the long way for the
 * rest. */
#include "http/h1_parse.h"

static inline bool is_crlf(const char *p)
{
    static const char crlf[2] = {'\r', '\n'};

    return memcmp(p, crlf, 2) == 0;
}

#ifdef H1_SCAN_BLOCKS

/* The first rare byte in [p, end), or end. At least a block of memory must come before end. */
static inline const char *find_rare(const char *p, const char *end)
{
    const char *last = end - 16;
    uint64_t stops;

    for (; p <= last; p += 16) {
        stops = h1_rare(h1_load(p));
        if (stops != 0)
            return p + h1_first_byte(stops);
    }
    if (p == end)
        return end;
    stops = h1_rare(h1_load(last)) >> ((unsigned)(p - last) << H1_MASK_SHIFT);
    return stops != 0 ? p + h1_first_byte(stops) : end;
}

/* The id of the name of len bytes at the start of a block, which ends with the first colon there;
 * no rare byte stands before it. -1: it may not be a token. */
static inline int common_id(const char *name, h1_block block, unsigned len)
{
    int id = http_field_slots[HTTP_FIELD_SLOT(len, name[len - 2])];
    h1_block row = h1_load(http_field_rows[id].name);

    /* The colon belongs to the comparison, so the lengths agree as well. A row that fills a block
     * has no colon in it, so that there always is a difference to find. */
    if (h1_first_byte(~h1_mask_of(h1_same(h1_lowered(block), row))) > len)
        return id;
    return h1_first_byte(~h1_mask_of(h1_alnum_or_hyphen(block))) == len ? HTTP_F_OTHER : -1;
}

/* A block, and the bytes behind a colon and a space in it. */
#define COMMON_MIN 18

/* Takes "Name: value" CR LF with a name of 2 to 15 bytes, one or no space before a value of
 * ASCII that is not empty, none behind it. Returns the next line, or NULL:
 * nothing was done, and the line may still be right. */
static inline const char *take_common(const char *name, const char *end, struct http_field *f)
{
    const char *value, *stop;
    h1_block block;
    uint64_t stops;
    unsigned len;
    int id;

    if (unlikely(end - name < COMMON_MIN))
        return NULL;
    block = h1_load(name);
    stops = h1_mask_of(h1_is_byte(block, ':')) | h1_rare(block);
    if (unlikely(stops == 0))
        return NULL;
    len = h1_first_byte(stops);
    if (unlikely(len < 2 || name[len] != ':'))
        return NULL;
    id = common_id(name, block, len);
    value = name + len + 1;
    value += *value == ' ';
    stop = find_rare(value, end);
    if (unlikely(id < 0 || end - stop < 2 || !is_crlf(stop)))
        return NULL;
    if (unlikely((unsigned char)*value <= ' ' || stop[-1] == ' '))
        return NULL;
    f->name = name;
    f->value = value;
    f->value_len = (uint32_t)(stop - value);
    f->name_len = (uint16_t)len;
    f->id = (uint8_t)id;
    f->dropped = false;
    return stop + 2;
}

#else

static inline const char *take_common(const char *name, const char *end, struct http_field *f)
{
    (void)name;
    (void)end;
    (void)f;
    return NULL;
}

#endif

int h1_take_fields(struct h1_cursor *c, uint32_t field_max, struct h1_meaning *m,
                   struct http_head *h)
{
    struct http_field *f = h->fields, *max = f + MIN(field_max, (uint32_t)HTTP_FIELDS_MAX);
    const char *p = c->p, *end = c->end;

    for (; end - p < 2 || !is_crlf(p); f++) {
        struct http_field surplus;
        const char *next = likely(f != max) ? take_common(p, end, f) : NULL;
        int r;

        if (unlikely(next == NULL)) {
            c->p = p;
            r = h1_take_field(c, f == h->fields, f != max ? f : &surplus);
            if (r != 0)
                return r;
            if (f == max)
                return h1_refuse_at(c, H1_R_many_fields, surplus.name);
            next = c->p;
        }
        p = next;
        h->seen |= UINT64_C(1) << f->id;
        if ((H1_NOTED >> f->id) & 1) {
            r = h1_note_field(c, m, h, f);
            if (unlikely(r != 0))
                return r;
        }
    }
    h->field_count = (uint32_t)(f - h->fields);
    c->p = p + 2;
    return 0;
}
