/* Canonical paths: see path.h. */
#include "gateway/path.h"

#include "http/escape.h"
#include "http/h1_scan.h"

enum {
    C_OK = 0,  /* may stand in a segment as it is */
    C_SLASH,   /* '/' */
    C_DOT,     /* '.': may begin a dot segment */
    C_PERCENT, /* '%' */
    C_SEMI,    /* ';': may hide a dot segment */
    C_ENCODE,  /* must be encoded */
    C_BAD,     /* control characters and the backslash */
};

static const uint8_t classes[256] = {
    [0x00 ... 0x20] = C_BAD,
    ['!'] = C_OK,
    ['"' ... '#'] = C_ENCODE,
    ['$'] = C_OK,
    ['%'] = C_PERCENT,
    ['&' ... '-'] = C_OK,
    ['.'] = C_DOT,
    ['/'] = C_SLASH,
    ['0' ... ':'] = C_OK,
    [';'] = C_SEMI,
    ['<'] = C_ENCODE,
    ['='] = C_OK,
    ['>' ... '?'] = C_ENCODE,
    ['@' ... 'Z'] = C_OK,
    ['['] = C_ENCODE,
    ['\\'] = C_BAD,
    [']' ... '^'] = C_ENCODE,
    ['_'] = C_OK,
    ['`'] = C_ENCODE,
    ['a' ... 'z'] = C_OK,
    ['{' ... '}'] = C_ENCODE,
    ['~'] = C_OK,
    [0x7f] = C_BAD,
    [0x80 ... 0xff] = C_ENCODE,
};

static inline uint8_t class_of(unsigned char c)
{
    return classes[c];
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static char *put_triplet(char *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";

    out[0] = '%';
    out[1] = digits[c >> 4];
    out[2] = digits[c & 15];
    return out + 3;
}

/* Writes one segment in canonical characters; NULL when it has none. */
static char *put_segment(char *out, struct str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;

    while (p < end) {
        unsigned char c = (unsigned char)*p;
        int v;

        switch (class_of(c)) {
        case C_BAD:
        case C_SLASH:
            return NULL;
        case C_ENCODE:
            out = put_triplet(out, c);
            p++;
            break;
        case C_PERCENT:
            v = percent_triplet(p, end);
            if (v < 0 || v == 0)
                return NULL;
            if (unreserved((unsigned char)v))
                *out++ = (char)v;
            else
                out = put_triplet(out, (unsigned char)v);
            p += 3;
            break;
        default:
            *out++ = *p++;
        }
    }
    return out;
}

/* True for a segment of which some part, cut at encoded separators and before parameters, is "."
 * or "..": servers that decode once more would climb. */
static bool hides_dots(struct str s)
{
    size_t from = 0;

    for (size_t i = 0; i <= s.len; i++) {
        size_t len, dots = 0;
        bool cut =
            i == s.len || (s.len - i >= 3 && s.ptr[i] == '%' &&
                           (memcmp(s.ptr + i, "%2F", 3) == 0 || memcmp(s.ptr + i, "%5C", 3) == 0));

        if (!cut)
            continue;
        for (len = 0; from + len < i && s.ptr[from + len] != ';'; len++)
            dots += s.ptr[from + len] == '.';
        if (dots == len && (len == 1 || len == 2))
            return true;
        from = i + 3;
    }
    return false;
}

#ifdef H1_SCAN_BLOCKS

/* The same for nearly all paths, sixteen bytes at a time: letters, digits, "-_./" and no slash
 * before a slash or a dot. False: it may be canonical all the same. */
static bool is_plainly_canonical(struct str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    bool after_slash = false;

    if (s.len < 16 || *p != '/')
        return false;
    for (;;) {
        h1_block v = h1_load(p);
        h1_block slashes = h1_is_byte(v, '/'), dots = h1_is_byte(v, '.');
        h1_block others = h1_either(h1_alnum_or_hyphen(v), h1_is_byte(v, '_'));
        uint64_t slash = h1_mask_of(slashes), dot = h1_mask_of(dots);
        uint64_t behind = slash << (1 << H1_MASK_SHIFT);

        if (after_slash)
            behind |= H1_MASK_FIRST;
        if ((h1_mask_of(others) | slash | dot) != H1_MASK_FULL || (behind & (slash | dot)) != 0)
            return false;
        if (p == end - 16)
            return true;
        p = MIN(p + 16, end - 16);
        after_slash = p[-1] == '/';
    }
}

#else

static bool is_plainly_canonical(struct str s)
{
    (void)s;
    return false;
}

#endif

/* Whether s is canonical as it stands; *ret_extra: how many bytes encoding could add. */
static bool is_canonical(struct str s, size_t *ret_extra)
{
    bool clean = s.len != 0 && s.ptr[0] == '/', after_slash = false;
    size_t extra = 0;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t class = class_of((unsigned char)s.ptr[i]);

        if (likely(class == C_OK)) {
            after_slash = false;
            continue;
        }
        if (class == C_SLASH) {
            clean = clean && !after_slash;
            after_slash = true;
            continue;
        }
        /* A dot inside a name is harmless; all else takes the careful way. */
        if (class != C_DOT || after_slash)
            clean = false;
        if (class == C_ENCODE)
            extra += 2;
        after_slash = false;
    }
    *ret_extra = extra;
    return clean;
}

/* Drops the last segment of [root, out): "/a/b/" becomes "/a/". NULL above the root. */
static char *pop_segment(const char *root, char *out)
{
    if (out - root <= 1)
        return NULL;
    out--;
    while (out[-1] != '/')
        out--;
    return out;
}

/* Appends the segments of raw to root, which holds "/"; out always stands behind a slash between
 * segments. The end, or NULL. */
static char *put_path(char *root, struct str raw)
{
    char *out = root + 1;
    size_t i = 0;

    while (i < raw.len) {
        const char *slash = memchr(raw.ptr + i, '/', raw.len - i);
        size_t len = slash != NULL ? (size_t)(slash - raw.ptr) - i : raw.len - i;
        char *end = put_segment(out, str_n(raw.ptr + i, len));
        struct str segment;

        if (end == NULL)
            return NULL;
        segment = str_n(out, (size_t)(end - out));
        i += len + 1;
        if (segment.len == 0 || str_eq(segment, STR(".")))
            continue;
        if (str_eq(segment, STR(".."))) {
            out = pop_segment(root, out);
            if (out == NULL)
                return NULL;
            continue;
        }
        if (hides_dots(segment))
            return NULL;
        out = end;
        if (slash != NULL)
            *out++ = '/';
    }
    return out;
}

int path_canonical(struct str raw, struct arena *a, struct str *ret)
{
    size_t extra;
    char *root, *end;

    if (raw.len == 0) {
        *ret = STR("/");
        return 0;
    }
    if (likely(is_plainly_canonical(raw) || is_canonical(raw, &extra))) {
        *ret = raw;
        return 0;
    }
    root = arena_alloc(a, raw.len + extra + 2);
    if (root == NULL)
        return -ENOMEM;
    root[0] = '/';
    end = put_path(root, raw);
    if (end == NULL)
        return -EINVAL;
    *ret = str_n(root, (size_t)(end - root));
    return 0;
}

int path_canonical_segment(struct str raw, struct arena *a, struct str *ret)
{
    char *mem = arena_alloc(a, raw.len * 3 + 1), *end;

    if (mem == NULL)
        return -ENOMEM;
    end = put_segment(mem, raw);
    if (end == NULL)
        return -EINVAL;
    *ret = str_n(mem, (size_t)(end - mem));
    return 0;
}
