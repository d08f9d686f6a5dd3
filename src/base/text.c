/* Text slices and builders. */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static inline uint64_t load_word(const char *p, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

/* ascii_lower() of eight bytes at once. Of seven bits no sum carries into the next byte; the eighth
 * then says whether the byte was at least 'A', and whether it was beyond 'Z'. */
static inline uint64_t lower_word(uint64_t v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = v & 0x7f * ones;
    uint64_t capital = (low + (0x80 - 'A') * ones) & ~(low + (0x7f - 'Z') * ones) & ~v;

    return v | (capital & 0x80 * ones) >> 2;
}

static inline bool same_words(const char *a, const char *b, size_t size)
{
    return lower_word(load_word(a, size)) == lower_word(load_word(b, size));
}

/* Any length is covered by words that may overlap at the end. */
bool str_eq_nocase(struct str a, struct str b)
{
    size_t len = a.len;

    if (len != b.len)
        return false;
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8)
            if (!same_words(a.ptr + i, b.ptr + i, 8))
                return false;
        return same_words(a.ptr + len - 8, b.ptr + len - 8, 8);
    }
    if (len >= 4)
        return same_words(a.ptr, b.ptr, 4) && same_words(a.ptr + len - 4, b.ptr + len - 4, 4);
    for (size_t i = 0; i < len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

void str_lower(struct str s, char *out)
{
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t v = lower_word(load_word(s.ptr + i, 8));

        memcpy(out + i, &v, 8);
    }
    for (; i < s.len; i++)
        out[i] = ascii_lower(s.ptr[i]);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_n(s.ptr, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_n(s.ptr + s.len - suffix.len, suffix.len), suffix);
}

int str_cmp(struct str a, struct str b)
{
    size_t shared = MIN(a.len, b.len);
    int c = shared != 0 ? memcmp(a.ptr, b.ptr, shared) : 0;

    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

ssize_t str_find(struct str s, char c)
{
    const char *hit = s.len != 0 ? memchr(s.ptr, c, s.len) : NULL;

    return hit != NULL ? hit - s.ptr : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len != 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len != 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *ret_part)
{
    ssize_t at;

    if (rest->ptr == NULL)
        return false;
    at = str_find(*rest, sep);
    if (at < 0) {
        *ret_part = *rest;
        *rest = STR_NULL;
        return true;
    }
    *ret_part = str_n(rest->ptr, (size_t)at);
    *rest = str_n(rest->ptr + at + 1, rest->len - (size_t)at - 1);
    return true;
}

int str_to_u64(struct str s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';

        if (digit > 9)
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > max) {
            for (; i < s.len; i++)
                if ((unsigned char)s.ptr[i] - (unsigned)'0' > 9)
                    return -EINVAL;
            return -ERANGE;
        }
    }
    *ret = value;
    return 0;
}

unsigned str_distance(struct str a, struct str b)
{
    unsigned char row[65];

    if (a.len > 64 || b.len > 64)
        return 255;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (unsigned char)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            unsigned cost = ascii_lower(a.ptr[i - 1]) != ascii_lower(b.ptr[j - 1]);
            unsigned best = MIN(above + 1, (unsigned)row[j - 1] + 1);

            row[j] = (unsigned char)MIN(best, diagonal + cost);
            diagonal = above;
        }
    }
    return row[b.len];
}

void buf_put_u64(struct buf *b, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof(digits);

    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + value % 100 * 2, 2);
    }
    at -= 2;
    memcpy(digits + at, pairs + value * 2, 2);
    at += value < 10;
    buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_put_hex(struct buf *b, uint64_t value)
{
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    char local[1024]; /* vsnprintf writes a terminator, for which b may have no room */
    int n = vsnprintf(local, sizeof(local), fmt, ap);

    if (n < 0 || (size_t)n >= sizeof(local))
        b->overflow = true;
    else
        buf_put(b, local, (size_t)n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

/* Length of the valid UTF-8 sequence at the start of s (RFC 3629), 0 when there is none. */
static size_t utf8_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t len;
    unsigned low = 0x80, high = 0xbf;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (s.len < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return len;
}

/* The escaped form of the first character of s; *ret_used says how many bytes it stands for. */
static struct str json_escape(struct str s, char hex[static 6], size_t *ret_used)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)s.ptr[0];

    *ret_used = 1;
    switch (c) {
    case '"':
        return STR("\\\"");
    case '\\':
        return STR("\\\\");
    case '\n':
        return STR("\\n");
    case '\r':
        return STR("\\r");
    case '\t':
        return STR("\\t");
    default:
        break;
    }
    if (c < 0x20 || c == 0x7f) {
        memcpy(hex, "\\u00", 4);
        hex[4] = digits[c >> 4];
        hex[5] = digits[c & 15];
        return str_n(hex, 6);
    }
    *ret_used = utf8_len(s);
    if (*ret_used == 0) {
        *ret_used = 1;
        return STR("\xef\xbf\xbd");
    }
    return str_n(s.ptr, *ret_used);
}

/* The highest bit of every byte that is c; sums of seven bits do not carry. */
static inline uint64_t bytes_equal(uint64_t v, unsigned char c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t differs = v ^ c * ones;

    return ~(((differs & 0x7f * ones) + 0x7f * ones) | differs) & 0x80 * ones;
}

/* True when all eight bytes may stand in a JSON string as they are. */
static inline bool json_plain_word(uint64_t v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = v & 0x7f * ones;
    uint64_t control = ~(low + (0x80 - 0x20) * ones) | (low + 0x01 * ones) | v;

    return ((control & 0x80 * ones) | bytes_equal(v, '"') | bytes_equal(v, '\\')) == 0;
}

static size_t json_plain_len(struct str s)
{
    size_t i = 0;

    while (i + 8 <= s.len && json_plain_word(load_word(s.ptr + i, 8)))
        i += 8;
    while (i < s.len && s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return i;
}

/* Takes from *rest what stands for itself or one character, and returns how it is written. */
static struct str json_piece(struct str *rest, char hex[static 6])
{
    struct str s = *rest, piece;
    size_t used = json_plain_len(s);

    piece = used != 0 ? str_n(s.ptr, used) : json_escape(s, hex, &used);
    *rest = str_n(s.ptr + used, s.len - used);
    return piece;
}

void buf_put_json(struct buf *b, struct str s)
{
    char hex[6];

    while (s.len != 0)
        buf_puts(b, json_piece(&s, hex));
}

static bool text_reserve(struct text *t, size_t len)
{
    size_t need = t->len + len + 1;
    size_t cap = t->cap != 0 ? t->cap : 128;
    char *grown;

    if (t->max != 0 && t->len + len > t->max) {
        t->overflow = true;
        return false;
    }
    if (need <= t->cap)
        return true;
    while (cap < need)
        cap *= 2;
    grown = realloc(t->ptr, cap);
    if (grown == NULL) {
        t->overflow = true;
        return false;
    }
    t->ptr = grown;
    t->cap = cap;
    return true;
}

void text_put(struct text *t, const void *data, size_t len)
{
    if (!text_reserve(t, len))
        return;
    if (len != 0)
        memcpy(t->ptr + t->len, data, len);
    t->len += len;
    t->ptr[t->len] = '\0';
}

void text_puts(struct text *t, struct str s)
{
    text_put(t, s.ptr, s.len);
}

void text_printf(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !text_reserve(t, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(t->ptr + t->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    t->len += (size_t)n;
}

void text_put_json(struct text *t, struct str s)
{
    char hex[6];

    while (s.len != 0)
        text_puts(t, json_piece(&s, hex));
}

void text_done(struct text *t)
{
    free(t->ptr);
    *t = (struct text){0};
}
