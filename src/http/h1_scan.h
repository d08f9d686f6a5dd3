/* Finding the first byte that does not belong, sixteen bytes at a time.
 *
 * Each scan has a block form (SSE2 on x86-64, NEON on aarch64) and a table form for single bytes;
 * the block form may stop at a byte that is fine after all (it knows only the common ones), which
 * the table then decides. Neither reads outside [base, end). */
#ifndef WEIR_HTTP_H1_SCAN_H
#define WEIR_HTTP_H1_SCAN_H

#include "base/base.h"

#if defined(H1_SCAN_PORTABLE)
/* the table form alone; the tests build both and compare */
#elif defined(__SSE2__)
#include <emmintrin.h>
#define H1_SCAN_BLOCKS 1
#elif defined(__aarch64__)
#include <arm_neon.h>
#define H1_SCAN_BLOCKS 1
#endif

enum h1_scan {
    H1_TOKEN = 1,  /* letters, digits, !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2) */
    H1_TEXT = 2,   /* anything but control bytes; tabs are fine */
    H1_TARGET = 4, /* visible ASCII without # and ?, at which the query begins */
    H1_NAME = 8,   /* letters, digits, dot, hyphen: a plain host name or IPv4 address */
};

extern HIDDEN const uint8_t h1_scan_table[256];

static inline bool h1_is(char c, enum h1_scan kind)
{
    return (h1_scan_table[(unsigned char)c] & (unsigned)kind) != 0;
}

#if defined(H1_SCAN_BLOCKS) && defined(__SSE2__)

typedef __m128i h1_block;

/* One bit per byte. */
#define H1_MASK_SHIFT 0
#define H1_MASK_FULL  UINT64_C(0xffff)
#define H1_MASK_FIRST UINT64_C(1)

static inline h1_block h1_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint64_t h1_mask_of(h1_block v)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v);
}

static inline h1_block h1_same(h1_block a, h1_block b)
{
    return _mm_cmpeq_epi8(a, b);
}

static inline h1_block h1_either(h1_block a, h1_block b)
{
    return _mm_or_si128(a, b);
}

static inline h1_block h1_lowered(h1_block v)
{
    return _mm_or_si128(v, _mm_set1_epi8(0x20));
}

static inline h1_block h1_in_range(h1_block v, char low, char span)
{
    h1_block d = _mm_sub_epi8(v, _mm_set1_epi8(low));

    return _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8(span)), d);
}

static inline h1_block h1_is_byte(h1_block v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static inline h1_block h1_alnum_or_hyphen(h1_block v)
{
    h1_block letters = h1_in_range(h1_lowered(v), 'a', 25);

    return _mm_or_si128(_mm_or_si128(letters, h1_in_range(v, '0', 9)), h1_is_byte(v, '-'));
}

/* Bits of bytes that are rare in heads: control bytes, 0x7f and what is not ASCII. One more than
 * such a byte is, taken as a signed number, below 0x21. */
static inline uint64_t h1_rare(h1_block v)
{
    h1_block common = _mm_cmpgt_epi8(_mm_add_epi8(v, _mm_set1_epi8(1)), _mm_set1_epi8(0x20));

    return h1_mask_of(common) ^ H1_MASK_FULL;
}

/* Bits of the bytes at which to stop. */
static inline uint64_t h1_stops(const char *p, enum h1_scan kind)
{
    h1_block v = h1_load(p);

    switch (kind) {
    case H1_TEXT:
        return h1_mask_of(_mm_or_si128(h1_in_range(v, 0, 0x1f), h1_is_byte(v, 0x7f)));
    case H1_TARGET: /* outside of 0x21..0x7e, or one of the two */
        v = _mm_andnot_si128(_mm_or_si128(h1_is_byte(v, '#'), h1_is_byte(v, '?')),
                             h1_in_range(v, 0x21, 0x7e - 0x21));
        break;
    case H1_NAME:
        v = _mm_or_si128(h1_alnum_or_hyphen(v), h1_is_byte(v, '.'));
        break;
    case H1_TOKEN:
        v = h1_alnum_or_hyphen(v);
        break;
    }
    return h1_mask_of(v) ^ H1_MASK_FULL;
}

#elif defined(H1_SCAN_BLOCKS)

typedef uint8x16_t h1_block;

/* Four bits per byte: narrowing is how NEON makes a mask. */
#define H1_MASK_SHIFT 2
#define H1_MASK_FULL  UINT64_MAX
#define H1_MASK_FIRST UINT64_C(0xf)

static inline h1_block h1_load(const char *p)
{
    return vld1q_u8((const uint8_t *)(const void *)p);
}

static inline uint64_t h1_mask_of(h1_block v)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}

static inline h1_block h1_same(h1_block a, h1_block b)
{
    return vceqq_u8(a, b);
}

static inline h1_block h1_either(h1_block a, h1_block b)
{
    return vorrq_u8(a, b);
}

static inline h1_block h1_lowered(h1_block v)
{
    return vorrq_u8(v, vdupq_n_u8(0x20));
}

static inline h1_block h1_in_range(h1_block v, uint8_t low, uint8_t span)
{
    return vcleq_u8(vsubq_u8(v, vdupq_n_u8(low)), vdupq_n_u8(span));
}

static inline h1_block h1_is_byte(h1_block v, char c)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)c));
}

static inline h1_block h1_alnum_or_hyphen(h1_block v)
{
    h1_block letters = h1_in_range(h1_lowered(v), 'a', 25);

    return vorrq_u8(vorrq_u8(letters, h1_in_range(v, '0', 9)), h1_is_byte(v, '-'));
}

/* Bits of bytes that are rare in heads: control bytes, 0x7f and what is not ASCII. */
static inline uint64_t h1_rare(h1_block v)
{
    return h1_mask_of(h1_in_range(v, 0x20, 0x7e - 0x20)) ^ H1_MASK_FULL;
}

static inline uint64_t h1_stops(const char *p, enum h1_scan kind)
{
    h1_block v = h1_load(p);

    switch (kind) {
    case H1_TEXT:
        return h1_mask_of(vorrq_u8(h1_in_range(v, 0, 0x1f), h1_is_byte(v, 0x7f)));
    case H1_TARGET:
        v = vbicq_u8(h1_in_range(v, 0x21, 0x7e - 0x21),
                     vorrq_u8(h1_is_byte(v, '#'), h1_is_byte(v, '?')));
        break;
    case H1_NAME:
        v = vorrq_u8(h1_alnum_or_hyphen(v), h1_is_byte(v, '.'));
        break;
    case H1_TOKEN:
        v = h1_alnum_or_hyphen(v);
        break;
    }
    return h1_mask_of(v) ^ H1_MASK_FULL;
}

#endif

#ifdef H1_SCAN_BLOCKS
/* The byte that the lowest bit of a mask stands for. */
static inline unsigned h1_first_byte(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask) >> H1_MASK_SHIFT;
}
#endif

/* The first byte of [p, end) that is not of this kind, or end. base <= p is where memory that may
 * be read begins: a last part shorter than a block is read together with what is before it. */
static inline __attribute__((always_inline)) const char *h1_scan(const char *base, const char *p,
                                                                 const char *end, enum h1_scan kind)
{
#ifdef H1_SCAN_BLOCKS
    for (;;) {
        uint64_t stops;

        if (likely(end - p >= 16)) {
            stops = h1_stops(p, kind);
            if (stops == 0) {
                p += 16;
                continue;
            }
        } else {
            if (end - base < 16)
                break;
            if (p == end)
                return end;
            stops = h1_stops(end - 16, kind) >> ((unsigned)(16 - (end - p)) << H1_MASK_SHIFT);
            if (stops == 0)
                return end;
        }
        p += h1_first_byte(stops);
        if (likely(!h1_is(*p, kind)))
            return p;
        p++;
    }
#endif
    while (p != end && h1_is(*p, kind))
        p++;
    return p;
}

#endif
