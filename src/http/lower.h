/* Comparing text with a word in lower case, eight bytes at a time. Setting bit 5 lowers letters;
 * the other bytes that it changes into a letter, a digit or a hyphen are control bytes. So for text
 * without control bytes and words of letters, digits and hyphens the comparison is exact. */
#ifndef WEIR_HTTP_LOWER_H
#define WEIR_HTTP_LOWER_H

#include "base/text.h"

#define LOWER_BITS UINT64_C(0x2020202020202020)

static inline uint64_t lower_load(const char *p, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

/* Two loads that may overlap cover any length from size to twice the size. */
static inline bool lower_same_ends(const char *s, const char *lower, size_t len, size_t size)
{
    uint64_t bits = size == 8 ? LOWER_BITS : LOWER_BITS & ((UINT64_C(1) << (8 * size)) - 1);

    return (lower_load(s, size) | bits) == lower_load(lower, size) &&
           (lower_load(s + len - size, size) | bits) == lower_load(lower + len - size, size);
}

static inline bool lower_same(const char *s, const char *lower, size_t len)
{
    if (len >= 8) {
        for (size_t i = 8; i + 8 < len; i += 8)
            if ((lower_load(s + i, 8) | LOWER_BITS) != lower_load(lower + i, 8))
                return false;
        return lower_same_ends(s, lower, len, 8);
    }
    if (len >= 4)
        return lower_same_ends(s, lower, len, 4);
    if (len >= 2)
        return lower_same_ends(s, lower, len, 2);
    return len == 0 || (s[0] | 0x20) == lower[0];
}

/* True when text without control bytes is this word, a literal, in any case. */
#define LOWER_IS(text, word)                                                                       \
    ((text).len == sizeof(word) - 1 && lower_same((text).ptr, "" word, sizeof(word) - 1))

#endif
