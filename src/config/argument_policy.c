/* Arguments of the filters that keep a service up: durations, shares, sets of statuses. */
#include <stdio.h>

#include "base/assert.h"
#include "base/duration.h"
#include "config/argument.h"
#include "config/forms.h"
#include "config/settings.h"
#include "config/value.h"

/* "PT1M30S", which Spring's files have for durations, is "1m30s" here. */
static int parse_iso(struct str s, int64_t *ret_ns)
{
    char plain[32];

    if (s.len < 4 || s.len - 2 > sizeof(plain) || !str_eq_nocase(str_n(s.ptr, 2), STR("pt")))
        return -EINVAL;
    for (size_t i = 2; i < s.len; i++)
        plain[i - 2] = (char)ascii_lower(s.ptr[i]);
    return duration_parse(str_n(plain, s.len - 2), ret_ns);
}

static bool parse_duration(const struct argument *a)
{
    char text[200], low[32], high[32];
    struct buf min = buf_on(low, sizeof(low) - 1), max = buf_on(high, sizeof(high) - 1);
    int64_t ns = 0, ms;
    int rc = 0;

    if (value_parse_integer(a->text, &ms) == 0)
        rc = __builtin_mul_overflow(ms, NS_PER_MS, &ns) ? -ERANGE : 0;
    else if (parse_iso(a->text, &ns) < 0)
        rc = duration_parse(a->text, &ns);
    if (rc == 0 && ns >= a->arg->min && ns <= a->arg->max) {
        *(int64_t *)argument_field(a) = ns;
        return true;
    }
    duration_format(a->arg->min, &min);
    duration_format(a->arg->max, &max);
    snprintf(text, sizeof(text),
             "expected a duration from %.*s to %.*s, like 250ms, 2s or PT2S; a number alone is in "
             "milliseconds",
             STR_ARG(buf_str(&min)), STR_ARG(buf_str(&max)));
    return argument_wrong(a, text);
}

/* Shares may be written as 50, 50% and 50.0. */
static bool parse_percent(const struct argument *a)
{
    struct str s = a->text;
    int64_t n;

    if (str_ends(s, STR("%")))
        s.len--;
    if (str_ends(s, STR(".0")))
        s.len -= 2;
    if (value_parse_integer(s, &n) < 0 || n < a->arg->min || n > a->arg->max)
        return argument_wrong(a, "expected a whole number of percent, up to 100");
    *(int64_t *)argument_field(a) = n;
    return true;
}

static bool parse_enum(const struct argument *a)
{
    char expected[128];
    struct buf b = buf_on(expected, sizeof(expected) - 1);

    buf_lit(&b, "expected one of");
    for (size_t i = 0; i < a->arg->names->count; i++) {
        if (str_eq_nocase(a->text, str_of(a->arg->names->items[i]))) {
            *(int64_t *)argument_field(a) = (int64_t)i;
            return true;
        }
        buf_printf(&b, "%s %s", i != 0 ? "," : "", a->arg->names->items[i]);
    }
    expected[b.len] = '\0';
    return argument_wrong(a, expected);
}

static bool parse_word(const struct argument *a)
{
    if (!form_is_id(a->text))
        return argument_wrong(a, "expected a name of letters, digits, -, _ and .");
    *(struct str *)argument_field(a) = reader_str(a->r, a->text);
    return true;
}

static void add_status(struct config_statuses *set, unsigned status)
{
    set->bits[status / 64] |= UINT64_C(1) << (status % 64);
}

static const char *put_status(struct config_statuses *set, struct str s)
{
    unsigned status = factory_status(s);

    if (status < 100 || status > 599)
        return "expected statuses from 100 to 599, or names like BAD_GATEWAY";
    add_status(set, status);
    return NULL;
}

static const char *put_series(struct config_statuses *set, struct str s)
{
    static const char *const names[] = {"INFORMATIONAL", "SUCCESSFUL", "REDIRECTION",
                                        "CLIENT_ERROR", "SERVER_ERROR"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        char digit = (char)('1' + i);

        if (!str_eq_nocase(s, str_of(names[i])) && !str_eq(s, str_n(&digit, 1)))
            continue;
        for (unsigned j = 0; j < 100; j++)
            add_status(set, (i + 1) * 100 + j);
        return NULL;
    }
    return "expected INFORMATIONAL, SUCCESSFUL, REDIRECTION, CLIENT_ERROR or SERVER_ERROR";
}

static const char *put_method(const struct argument *a, struct config_words *set, struct str s)
{
    const char *problem = argument_check_method(s);

    ASSERT(set->items != NULL);
    if (problem == NULL)
        set->items[set->count++] = reader_str(a->r, s);
    return problem;
}

static size_t count_commas(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == ',';
    return n;
}

/* One text with commas. Blanks around a part do not count, empty parts are dropped. */
static bool parse_set(const struct argument *a)
{
    struct str rest = a->text, part;
    struct config_statuses statuses = {{0}};
    struct config_words words = {0};
    const char *problem = NULL;

    if (a->arg->kind == ARG_METHOD_SET)
        words.items = reader_alloc(a->r, (count_commas(rest) + 1) * sizeof(*words.items));
    while (problem == NULL && !a->r->no_memory && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0)
            continue;
        if (a->arg->kind == ARG_STATUSES)
            problem = put_status(&statuses, part);
        else if (a->arg->kind == ARG_SERIES)
            problem = put_series(&statuses, part);
        else
            problem = put_method(a, &words, part);
    }
    if (problem != NULL)
        return argument_wrong(a, problem);
    if (a->arg->kind == ARG_METHOD_SET)
        *(struct config_words *)argument_field(a) = words;
    else
        *(struct config_statuses *)argument_field(a) = statuses;
    return true;
}

bool argument_parse_policy(const struct argument *a)
{
    switch (a->arg->kind) {
    case ARG_DURATION:
        return parse_duration(a);
    case ARG_PERCENT:
        return parse_percent(a);
    case ARG_ENUM:
        return parse_enum(a);
    case ARG_WORD:
        return parse_word(a);
    default:
        ASSERT(arg_is_set(a->arg->kind));
        return parse_set(a);
    }
}
