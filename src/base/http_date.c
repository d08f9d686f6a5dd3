/* Reading dates of HTTP (RFC 9110 section 5.6.7), in their three forms. */
#include "base/duration.h"

struct cursor {
    const char *at, *end;
    bool bad;
};

/* Exactly the bytes of text. */
static void expect(struct cursor *c, const char *text)
{
    size_t n = strlen(text);

    if (c->bad || (size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        c->bad = true;
    else
        c->at += n;
}

/* Exactly so many digits; the first may be a space when it is allowed to be (asctime's day). */
static int digits(struct cursor *c, int n, bool space)
{
    int value = 0;

    if (c->bad || c->end - c->at < n) {
        c->bad = true;
        return 0;
    }
    for (int i = 0; i < n; i++) {
        char d = *c->at++;

        if (space && i == 0 && d == ' ')
            d = '0';
        c->bad = c->bad || d < '0' || d > '9';
        value = value * 10 + (d - '0');
    }
    return value;
}

static int month(struct cursor *c)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int m = 0; !c->bad && c->end - c->at >= 3 && m < 12; m++) {
        if (memcmp(c->at, names + m * 3, 3) == 0) {
            c->at += 3;
            return m + 1;
        }
    }
    c->bad = true;
    return 1;
}

/* The name of the day says nothing that the date does not. */
static void skip_word(struct cursor *c)
{
    const char *from = c->at;

    while (c->at < c->end && *c->at != ',' && *c->at != ' ')
        c->at++;
    c->bad = c->bad || c->at - from < 3;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_from(int64_t year, int m, int day)
{
    int64_t y = year - (m <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t time_of_day(struct cursor *c)
{
    int hour = digits(c, 2, false), minute, second;

    expect(c, ":");
    minute = digits(c, 2, false);
    expect(c, ":");
    second = digits(c, 2, false);
    c->bad = c->bad || hour > 23 || minute > 59 || second > 60;
    return hour * 3600 + minute * 60 + second;
}

/* A year of two digits more than 50 years ahead is one of the past (section 5.6.7). */
static int64_t full_year(int two_digits, int64_t now_sec)
{
    int64_t now = 1970 + now_sec / 31556952; /* to within a day of the new year */
    int64_t year = now - now % 100 + two_digits;

    return year > now + 50 ? year - 100 : year;
}

static int64_t date(struct cursor *c, int64_t now_sec)
{
    int64_t year, seconds;
    int m, day;

    skip_word(c);
    if (!c->bad && c->at < c->end && *c->at == ',') {
        expect(c, ", ");
        day = digits(c, 2, false);
        if (!c->bad && c->at < c->end && *c->at == '-') { /* Sunday, 06-Nov-94 08:49:37 GMT */
            expect(c, "-");
            m = month(c);
            expect(c, "-");
            year = full_year(digits(c, 2, false), now_sec);
        } else { /* Sun, 06 Nov 1994 08:49:37 GMT */
            expect(c, " ");
            m = month(c);
            expect(c, " ");
            year = digits(c, 4, false);
        }
        expect(c, " ");
        seconds = time_of_day(c);
        expect(c, " GMT");
    } else { /* Sun Nov  6 08:49:37 1994 */
        expect(c, " ");
        m = month(c);
        expect(c, " ");
        day = digits(c, 2, true);
        expect(c, " ");
        seconds = time_of_day(c);
        expect(c, " ");
        year = digits(c, 4, false);
    }
    c->bad = c->bad || day < 1 || day > 31;
    return c->bad ? 0 : days_from(year, m, day) * 86400 + seconds;
}

int http_date_parse(struct str s, int64_t now_sec, int64_t *ret_unix_sec)
{
    struct cursor c = {s.ptr, s.ptr + s.len, false};
    int64_t sec = date(&c, now_sec);

    if (c.bad || c.at != c.end)
        return -EINVAL;
    *ret_unix_sec = sec;
    return 0;
}
