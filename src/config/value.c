/* Scalars of every kind. */
#include "config/value.h"

#include "base/assert.h"
#include "base/duration.h"
#include "config/forms.h"

bool value_parse_bool(struct str text, bool *ret)
{
    bool on = str_eq(text, STR("true")) || str_eq(text, STR("on"));

    if (!on && !str_eq(text, STR("false")) && !str_eq(text, STR("off")))
        return false;
    *ret = on;
    return true;
}

int value_parse_integer(struct str text, int64_t *ret)
{
    bool negative = text.len > 1 && text.ptr[0] == '-';
    uint64_t n;
    int rc;

    if (negative)
        text = str_n(text.ptr + 1, text.len - 1);
    rc = str_to_u64(text, INT64_MAX, &n);
    if (rc < 0)
        return rc;
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return 0;
}

int value_parse_size(struct str text, int64_t *ret)
{
    static const struct unit {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", 1024},
        {"kB", 1000},
        {"KB", 1000},
        {"MiB", 1 << 20},
        {"MB", 1000000},
        {"GiB", 1 << 30},
        {"GB", 1000000000},
        {"TiB", INT64_C(1) << 40},
        {"TB", INT64_C(1000000000000)},
    };
    size_t digits = 0;
    uint64_t n;
    int rc;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    rc = str_to_u64(str_n(text.ptr, digits), INT64_MAX, &n);
    if (rc < 0)
        return rc;
    text = str_n(text.ptr + digits, text.len - digits);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq(text, str_of(units[i].name)))
            continue;
        return __builtin_mul_overflow((int64_t)n, units[i].bytes, ret) ? -ERANGE : 0;
    }
    return -EINVAL;
}

static void store(const struct setting *s, int64_t n, void *field)
{
    if (s->width == 1)
        *(uint8_t *)field = (uint8_t)n;
    else if (s->width == 2)
        *(uint16_t *)field = (uint16_t)n;
    else if (s->width == 4)
        *(uint32_t *)field = (uint32_t)n;
    else if (s->width == 8)
        *(int64_t *)field = n;
    else
        ASSERT(!"a number field of 1, 2, 4 or 8 bytes");
}

static const char *store_checked(const struct setting *s, int rc, int64_t n, void *field)
{
    if (rc == -ERANGE || (rc == 0 && n > s->max))
        return "too large";
    if (rc == 0 && n < s->min)
        return "too small";
    if (rc < 0)
        return "";
    store(s, n, field);
    return NULL;
}

static const char *parse_integer(const struct setting *s, struct str text, bool plain, void *field)
{
    int64_t n = 0;
    int rc = value_parse_integer(text, &n);

    if (rc == 0 && !plain)
        return "a number stands without quotes";
    return store_checked(s, rc, n, field);
}

static const char *parse_percent(const struct setting *s, struct str text, void *field)
{
    int64_t n = 0;
    int rc;

    if (str_ends(text, STR("%")))
        text.len--;
    rc = value_parse_integer(text, &n);
    return store_checked(s, rc, n, field);
}

static const char *parse_size(const struct setting *s, struct str text, void *field)
{
    int64_t n = 0;
    int rc = value_parse_size(text, &n);

    return store_checked(s, rc, n, field);
}

static const char *parse_duration(const struct setting *s, struct str text, void *field)
{
    int64_t n = 0;
    int rc = duration_parse(text, &n);
    bool never = str_eq(text, STR("never")) || str_eq(text, STR("off"));

    if (s->never && (never || (rc == 0 && n == 0))) {
        store(s, NS_NEVER, field);
        return NULL;
    }
    if (never)
        return "this one must end";
    if (rc == -EINVAL && value_parse_integer(text, &n) == 0)
        return "the unit is missing";
    return store_checked(s, rc, n, field);
}

static const char *parse_enum(const struct setting *s, struct str text, void *field)
{
    for (size_t i = 0; i < s->names->count; i++) {
        if (!str_eq(text, str_of(s->names->items[i])))
            continue;
        store(s, (int64_t)i, field);
        return NULL;
    }
    return "";
}

static const char *parse_status_range(const struct setting *s, struct str text, void *field)
{
    struct config_health *h = container_of(field, struct config_health, status_min);
    struct str first = text, last;
    int64_t from, to;

    if (!str_split(&first, '-', &last)) /* never: there always is a first part */
        return "";
    to = from = -1;
    if (value_parse_integer(last, &from) < 0 ||
        value_parse_integer(first.ptr != NULL ? first : last, &to) < 0)
        return "";
    if (from > to)
        return "the first is greater than the last";
    if (from < s->min || to > s->max)
        return "no such status codes";
    h->status_min = (uint16_t)from;
    h->status_max = (uint16_t)to;
    return NULL;
}

static const char *parse_access(struct str text, struct arena *a, void *field)
{
    struct config *c = container_of(field, struct config, log.access);

    if (str_eq(text, STR("off")) || str_eq(text, STR("false"))) {
        c->log.access = ACCESS_LOG_OFF;
    } else if (str_eq(text, STR("stdout"))) {
        c->log.access = ACCESS_LOG_STDOUT;
    } else if (text.len > 1 && text.ptr[0] == '/' && form_is_plain_text(text)) {
        c->log.access = ACCESS_LOG_FILE;
        c->log.access_path = arena_str(a, text);
    } else {
        return "";
    }
    return NULL;
}

const char *value_parse(const struct setting *s, struct str text, bool plain, struct arena *a,
                        void *field)
{
    switch (s->kind) {
    case SETTING_BOOL:
        return plain && value_parse_bool(text, field) ? NULL : "";
    case SETTING_INTEGER:
        return parse_integer(s, text, plain, field);
    case SETTING_PERCENT:
        return parse_percent(s, text, field);
    case SETTING_SIZE:
        return parse_size(s, text, field);
    case SETTING_DURATION:
        return parse_duration(s, text, field);
    case SETTING_ENUM:
        return parse_enum(s, text, field);
    case SETTING_TEXT:
        if (!s->form->admits(text))
            return "";
        *(struct str *)field = arena_str(a, text);
        return NULL;
    case SETTING_ADDRESS:
        return form_address(text, (uint16_t)s->min, s->loopback, a, field);
    case SETTING_STATUS_RANGE:
        return parse_status_range(s, text, field);
    case SETTING_ACCESS:
        return parse_access(text, a, field);
    default:
        ASSERT(!"a kind that is one scalar");
        return "";
    }
}

void value_number(const struct setting *s, int64_t n, struct buf *out)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {{"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1024}};

    if (s->kind == SETTING_DURATION) {
        duration_format(n, out);
        return;
    }
    for (size_t i = 0; s->kind == SETTING_SIZE && i < ARRAY_LEN(units); i++) {
        if (n == 0 || n % units[i].bytes != 0)
            continue;
        buf_printf(out, "%lld%s", (long long)(n / units[i].bytes), units[i].name);
        return;
    }
    buf_printf(out, "%lld%s", (long long)n, s->kind == SETTING_PERCENT ? "%" : "");
}

static void put_range(const struct setting *s, struct buf *out)
{
    value_number(s, s->min, out);
    buf_lit(out, " to ");
    value_number(s, s->max, out);
}

static void put_names(const struct names *names, struct buf *out)
{
    buf_lit(out, "one of ");
    for (size_t i = 0; i < names->count; i++) {
        if (i != 0)
            buf_lit(out, ", ");
        buf_puts(out, str_of(names->items[i]));
    }
}

void value_expected(const struct setting *s, struct buf *out)
{
    switch (s->kind) {
    case SETTING_BOOL:
        buf_lit(out, "true or false");
        return;
    case SETTING_INTEGER:
        buf_lit(out, "a whole number from ");
        put_range(s, out);
        return;
    case SETTING_PERCENT:
        buf_lit(out, "a percentage from ");
        put_range(s, out);
        return;
    case SETTING_SIZE:
        buf_lit(out, "a size from ");
        put_range(s, out);
        buf_lit(out, ", like 8192, 16KiB or 1MB");
        return;
    case SETTING_DURATION:
        buf_lit(out, "a duration from ");
        put_range(s, out);
        buf_lit(out, ", like 250ms, 2s or 1m30s");
        if (s->never)
            buf_lit(out, ", or never");
        return;
    case SETTING_ENUM:
        put_names(s->names, out);
        return;
    case SETTING_TEXT:
        buf_puts(out, str_of(s->form->expected));
        return;
    case SETTING_ADDRESS:
        buf_puts(out, s->loopback ? STR("a loopback address with port, like 127.0.0.1:9900 or "
                                        "[::1]:9900, or unix:/PATH")
                                  : STR("ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:8080, or "
                                        "unix:/PATH"));
        return;
    case SETTING_STATUS_RANGE:
        buf_lit(out, "a status code or a range of them, like 200 or 200-399");
        return;
    case SETTING_ACCESS:
        buf_lit(out, "off, stdout or the absolute path of a file");
        return;
    default:
        ASSERT(!"a kind that is one scalar");
    }
}
