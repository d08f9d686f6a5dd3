/* Durations and calendar text. */
#include "base/duration.h"

#include <stdio.h>
#include <time.h>

static const struct unit {
    struct str name;
    int64_t ns;
} units[] = {
    {{"h", 1}, 3600 * NS_PER_SEC}, {{"m", 1}, 60 * NS_PER_SEC}, {{"s", 1}, NS_PER_SEC},
    {{"ms", 2}, NS_PER_MS},        {{"us", 2}, NS_PER_US},      {{"ns", 2}, 1},
};

static struct str take_while(struct str *s, bool digits)
{
    struct str taken = {s->ptr, 0};

    while (taken.len < s->len) {
        bool is_number =
            (s->ptr[taken.len] >= '0' && s->ptr[taken.len] <= '9') || s->ptr[taken.len] == '.';

        if (is_number != digits)
            break;
        taken.len++;
    }
    *s = str_n(s->ptr + taken.len, s->len - taken.len);
    return taken;
}

static int64_t unit_ns(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq(units[i].name, name))
            return units[i].ns;
    return 0;
}

/* "1.5" of a unit, exactly, in integers. */
static int scaled_parse(struct str number, int64_t unit, int64_t *ret_ns)
{
    ssize_t dot = str_find(number, '.');
    struct str whole = dot < 0 ? number : str_n(number.ptr, (size_t)dot);
    uint64_t n;
    int rc = str_to_u64(whole, INT64_MAX, &n);

    if (rc < 0)
        return rc;
    if (__builtin_mul_overflow((int64_t)n, unit, ret_ns))
        return -ERANGE;
    if (dot < 0)
        return 0;
    number = str_n(number.ptr + dot + 1, number.len - (size_t)dot - 1);
    if (number.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < number.len; i++) {
        if (number.ptr[i] < '0' || number.ptr[i] > '9')
            return -EINVAL;
        unit /= 10;
        if (__builtin_add_overflow(*ret_ns, (number.ptr[i] - '0') * unit, ret_ns))
            return -ERANGE;
    }
    return 0;
}

int duration_parse(struct str s, int64_t *ret_ns)
{
    int64_t total = 0;

    if (str_eq(s, STR("0"))) {
        *ret_ns = 0;
        return 0;
    }
    if (s.len == 0)
        return -EINVAL;
    while (s.len != 0) {
        struct str number = take_while(&s, true);
        struct str name = take_while(&s, false);
        int64_t unit = unit_ns(name), part;
        int rc;

        if (number.len == 0 || unit == 0)
            return -EINVAL;
        rc = scaled_parse(number, unit, &part);
        if (rc < 0)
            return rc;
        if (__builtin_add_overflow(total, part, &total))
            return -ERANGE;
    }
    *ret_ns = total;
    return 0;
}

void duration_format(int64_t ns, struct buf *out)
{
    if (ns == NS_NEVER) {
        buf_lit(out, "never");
        return;
    }
    if (ns <= 0) {
        buf_lit(out, "0");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t n = ns / units[i].ns;

        if (n == 0)
            continue;
        buf_put_u64(out, (uint64_t)n);
        buf_puts(out, units[i].name);
        ns -= n * units[i].ns;
    }
}

static void two(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

void http_date_format(int64_t unix_sec, char out[static HTTP_DATE_LEN])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)unix_sec;
    struct tm tm;

    gmtime_r(&t, &tm);
    memcpy(out, "ddd, DD mmm YYYY HH:MM:SS GMT", HTTP_DATE_LEN);
    memcpy(out, days + tm.tm_wday * 3, 3);
    two(out + 5, tm.tm_mday);
    memcpy(out + 8, months + tm.tm_mon * 3, 3);
    two(out + 12, (tm.tm_year + 1900) / 100);
    two(out + 14, (tm.tm_year + 1900) % 100);
    two(out + 17, tm.tm_hour);
    two(out + 20, tm.tm_min);
    two(out + 23, tm.tm_sec);
}

void rfc3339_format(int64_t unix_ns, char out[static RFC3339_LEN])
{
    time_t t = (time_t)(unix_ns / NS_PER_SEC);
    int ms = (int)(unix_ns % NS_PER_SEC / NS_PER_MS);
    struct tm tm;

    gmtime_r(&t, &tm);
    memcpy(out, "YYYY-MM-DDTHH:MM:SS.mmmZ", RFC3339_LEN);
    two(out, (tm.tm_year + 1900) / 100);
    two(out + 2, (tm.tm_year + 1900) % 100);
    two(out + 5, tm.tm_mon + 1);
    two(out + 8, tm.tm_mday);
    two(out + 11, tm.tm_hour);
    two(out + 14, tm.tm_min);
    two(out + 17, tm.tm_sec);
    out[20] = (char)('0' + ms / 100);
    two(out + 21, ms % 100);
}
