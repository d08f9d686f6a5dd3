/* Percent-encoding: see escape.h. */
#include "http/escape.h"

#include <errno.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_triplet(const char *p, const char *end)
{
    int high, low;

    if (end - p < 3)
        return -1;
    high = hex_value(p[1]);
    low = hex_value(p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

ssize_t percent_decode(struct str s, bool plus, char *out)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    size_t len = 0;

    for (; p < end; p++) {
        int c = (unsigned char)*p;

        if (c == '%') {
            c = percent_triplet(p, end);
            if (c <= 0)
                return -EINVAL;
            p += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[len++] = (char)c;
    }
    return (ssize_t)len;
}
