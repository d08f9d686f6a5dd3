/* Percent-encoding (RFC 3986 section 2.1). */
#include "http/handler.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t percent_decode(struct str in, bool plus, char *out)
{
    const char *p = in.ptr, *end = in.ptr + in.len;
    char *at = out;

    while (p != end) {
        char c = *p++;

        if (c == '%') {
            int high = end - p >= 2 ? hex_value(p[0]) : -1;
            int low = end - p >= 2 ? hex_value(p[1]) : -1;

            if (high < 0 || low < 0 || high + low == 0)
                return -EINVAL;
            c = (char)(high << 4 | low);
            p += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        *at++ = c;
    }
    return at - out;
}
