/* Durations and calendar text. Time inside weir is nanoseconds of one monotonic clock (int64_t);
 * wall-clock time appears in what people and other programs read, and only there. */
#ifndef WEIR_BASE_DURATION_H
#define WEIR_BASE_DURATION_H

#include "base/text.h"

/* a + b, saturating at NS_NEVER; b >= 0. NS_NEVER stays NS_NEVER. */
static inline int64_t ns_add(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? NS_NEVER : sum;
}

/* "250ms", "2s", "1m30s", "0.5s", "0": units ns us ms s m h. -EINVAL: not a duration (a number
 * without unit included, unless it is 0); -ERANGE: does not fit. */
int duration_parse(struct str s, int64_t *ret_ns);

/* The shortest exact form that duration_parse reads back: "1m30s", "250ms". */
void duration_format(int64_t ns, struct buf *out);

#define HTTP_DATE_LEN 29
/* IMF-fixdate (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". Not terminated. */
void http_date_format(int64_t unix_sec, char out[static HTTP_DATE_LEN]);

/* IMF-fixdate, RFC 850 and asctime() forms (RFC 9110 section 5.6.7). 0 or -EINVAL. now_sec: two
 * digits of a year mean the one nearest to it that is not 50 years ahead. */
int http_date_parse(struct str s, int64_t now_sec, int64_t *ret_unix_sec);

#define RFC3339_LEN 24
/* "2026-11-22T16:41:32.123Z". Not terminated. */
void rfc3339_format(int64_t unix_ns, char out[static RFC3339_LEN]);

#endif
