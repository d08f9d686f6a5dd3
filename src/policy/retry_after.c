/* Retry-After (RFC 9110 section 10.2.3): delay-seconds, or an HTTP-date. */
#include <weir/retry.h>

#include "base/duration.h"

/* Saturates far above any maximum. */
static int delay_seconds(struct str s, int64_t *ret)
{
    int64_t value = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        value = MIN(value * 10 + (s.ptr[i] - '0'), INT64_MAX / 100);
    }
    *ret = value;
    return 0;
}

int weir_retry_after_parse(const char *text, size_t length, int64_t unix_now_s, int64_t max_ns,
                           int64_t *ret_ns)
{
    struct str s = str_n(text, length);
    int64_t seconds = 0, ns;

    if (length > 0 && *text >= '0' && *text <= '9') {
        if (delay_seconds(s, &seconds) < 0)
            return -EINVAL;
    } else {
        if (http_date_parse(s, unix_now_s, &seconds) < 0)
            return -EINVAL;
        seconds -= unix_now_s;
    }
    if (seconds <= 0)
        ns = 0;
    else if (__builtin_mul_overflow(seconds, NS_PER_SEC, &ns))
        ns = INT64_MAX;
    *ret_ns = MAX(MIN(ns, max_ns), INT64_C(0));
    return 0;
}
