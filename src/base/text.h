/* Text as slices (pointer and length, not terminated), a bounded builder, strict number parsing. */
#ifndef WEIR_BASE_TEXT_H
#define WEIR_BASE_TEXT_H

#include <stdarg.h>

#include "base/base.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NULL     ((struct str){NULL, 0})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).len, (s).ptr != NULL ? (s).ptr : ""

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr != NULL ? strlen(cstr) : 0};
}

static inline struct str str_n(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive; never depends on the locale. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b);

/* Index of the first c, or -1. */
ssize_t str_find(struct str s, char c);

/* Removes spaces and tabs at both ends. */
struct str str_trim(struct str s);

/* Takes the part of *rest before sep and moves *rest behind it; false when *rest is used up.
 * "a,,b" yields three parts; an empty text yields one empty part. Start with rest->ptr != NULL. */
bool str_split(struct str *rest, char sep, struct str *ret_part);

/* Decimal digits only, no sign, no space. -EINVAL: not a number; -ERANGE: above max. */
int str_to_u64(struct str s, uint64_t max, uint64_t *ret);

/* Edit distance (Levenshtein), capped at 255, for "did you mean". Texts beyond 64 bytes: 255. */
unsigned str_distance(struct str a, struct str b);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Writes s, as ascii_lower() makes it, to out, which has room for it. */
void str_lower(struct str s, char *out);

/* A builder over memory of the caller. Writing past the end sets overflow and drops the rest;
 * what is already there stays whole. */
struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    bool overflow;
};

static inline struct buf buf_on(void *mem, size_t cap)
{
    return (struct buf){mem, 0, cap, false};
}

static inline void buf_put(struct buf *b, const void *data, size_t len)
{
    if (unlikely(len > b->cap - b->len)) {
        b->overflow = true;
        return;
    }
    memcpy(b->ptr + b->len, data, len);
    b->len += len;
}

static inline void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

static inline void buf_puts(struct buf *b, struct str s)
{
    if (s.len != 0)
        buf_put(b, s.ptr, s.len);
}

#define buf_lit(b, literal) buf_put(b, "" literal, sizeof(literal) - 1)

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_hex(struct buf *b, uint64_t value);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Appends s as the inside of a JSON string: quotes, backslash and control bytes escaped, bytes that
 * are not UTF-8 replaced by U+FFFD. */
void buf_put_json(struct buf *b, struct str s);

/* A builder that grows on the heap up to max bytes (0: no bound; for trusted output only).
 * Same overflow rule. text_done() frees. */
struct text {
    char *ptr; /* always terminated once anything was written */
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

void text_put(struct text *t, const void *data, size_t len);
void text_puts(struct text *t, struct str s);
void text_printf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_put_json(struct text *t, struct str s);
void text_done(struct text *t);

#endif
