/* Settings and arguments, written by the rows that read them: see print.h. */
#include "config/print.h"

#include "base/duration.h"
#include "config/argument.h"
#include "config/factories.h"
#include "config/value.h"

struct printer {
    config_setting_fn *fn;
    void *arg;
};

static int64_t number_at(const struct setting *s, const void *field)
{
    switch (s->width) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4: /* only integers may be negative */
        return s->min < 0 ? *(const int32_t *)field : (int64_t) * (const uint32_t *)field;
    default:
        return *(const int64_t *)field;
    }
}

static void put_status_range(const void *field, struct text *out)
{
    const uint16_t *range = field; /* status_min, and status_max behind it */

    _Static_assert(offsetof(struct config_health, status_max) ==
                       offsetof(struct config_health, status_min) + sizeof(*range),
                   "one behind the other");
    text_printf(out, "%u-%u", range[0], range[1]);
}

/* Nothing when it has no value. */
static void put_scalar(const struct setting *s, const void *field, struct text *out)
{
    char text[48];
    struct buf b = buf_on(text, sizeof(text));

    switch (s->kind) {
    case SETTING_BOOL:
        text_printf(out, "%s", *(const bool *)field ? "true" : "false");
        break;
    case SETTING_ENUM:
        text_printf(out, "%s", s->names->items[number_at(s, field)]);
        break;
    case SETTING_TEXT:
    case SETTING_ADDRESS:
        text_puts(out, *(const struct str *)field);
        break;
    case SETTING_STATUS_RANGE:
        put_status_range(field, out);
        break;
    case SETTING_INTEGER:
    case SETTING_PERCENT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        if (s->never && number_at(s, field) == NS_NEVER)
            buf_lit(&b, "never");
        else
            value_number(s, number_at(s, field), &b);
        text_puts(out, buf_str(&b));
        break;
    default:
        break;
    }
}

static void print_section(const struct printer *p, const struct section *section, const char *name,
                          const void *base)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];
        const void *field = (const char *)base + s->offset;
        struct text value = {0};

        if (s->kind == SETTING_SECTION && name[0] == '\0') {
            if (s->toggle && !*(const bool *)((const char *)base + s->other_offset))
                p->fn(p->arg, s->key, "", STR("off"));
            else
                print_section(p, s->section, s->key, field);
        } else if (s->kind < SETTING_SCALARS) {
            put_scalar(s, field, &value);
            if (value.len != 0)
                p->fn(p->arg, name, s->key, str_n(value.ptr, value.len));
        }
        text_done(&value);
    }
}

/* Leaves out the id, which is no setting of how it works, and a hash that nothing uses. */
struct upstream_filter {
    struct printer to;
    bool hashes;
};

static void pass_setting(void *arg, const char *section, const char *key, struct str value)
{
    const struct upstream_filter *f = arg;

    if ((section[0] == '\0' && strcmp(key, "id") == 0) ||
        (!f->hashes && strcmp(section, "hash") == 0))
        return;
    f->to.fn(f->to.arg, section, key, value);
}

void config_print_upstream(const struct config_upstream *u, config_setting_fn *fn, void *arg)
{
    struct upstream_filter f = {{fn, arg}, u->balance == BALANCE_CONSISTENT_HASH};
    const struct printer p = {pass_setting, &f};

    print_section(&p, &upstream_section, "", u);
}

void config_print_endpoint(const struct config_endpoint *e, config_setting_fn *fn, void *arg)
{
    const struct printer p = {fn, arg};

    print_section(&p, &endpoint_section, "", e);
}

void config_print_timeouts(const struct config_timeouts *t, config_setting_fn *fn, void *arg)
{
    const struct printer p = {fn, arg};

    print_section(&p, &timeouts_section, "timeouts", t);
}

/* "502-504,521". */
static void put_statuses(const struct config_statuses *set, struct text *out)
{
    for (int from = 0, to; from < 640; from = to + 1) {
        to = from;
        if (!config_statuses_has(set, from))
            continue;
        while (config_statuses_has(set, to + 1))
            to++;
        text_printf(out, "%s%d", out->len != 0 ? "," : "", from);
        if (to != from)
            text_printf(out, "-%d", to);
    }
}

static void put_words(const struct config_words *words, struct text *out)
{
    for (uint32_t i = 0; i < words->count; i++)
        text_printf(out, "%s" STR_FMT, i != 0 ? "," : "", STR_ARG(words->items[i]));
}

/* Whole units where there are some. */
static void put_size(int64_t bytes, struct buf *out)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    unsigned i = 0;

    while (i + 1 < ARRAY_LEN(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    buf_printf(out, "%lld%s", (long long)bytes, units[i]);
}

/* "header:X-Tenant+path". */
static void put_key(const struct config_key *key, struct text *out)
{
    if (key->count == 0)
        text_puts(out, STR("route"));
    for (uint32_t i = 0; i < key->count; i++)
        text_printf(out, "%s" STR_FMT STR_FMT, i != 0 ? "+" : "",
                    STR_ARG(argument_key_kind(key->parts[i].on)), STR_ARG(key->parts[i].name));
}

static void put_steps(const struct config_fallback_steps *steps, struct text *out)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct config_fallback_step *s = &steps->items[i];

        text_puts(out, i != 0 ? STR(",") : STR(""));
        if (s->kind == FALLBACK_UPSTREAM)
            text_printf(out, "upstream:" STR_FMT, STR_ARG(s->id));
        else
            text_puts(out, s->kind == FALLBACK_STALE ? STR("stale") : STR("static"));
    }
}

static void put_number(const struct arg *a, int64_t n, struct text *out)
{
    char text[48];
    struct buf b = buf_on(text, sizeof(text));

    if (a->kind == ARG_ENUM)
        buf_puts(&b, str_of(a->names->items[n]));
    else if (a->kind == ARG_DURATION)
        duration_format(n, &b);
    else if (a->kind == ARG_SIZE)
        put_size(n, &b);
    else
        buf_printf(&b, "%lld%s", (long long)n, a->kind == ARG_PERCENT ? "%" : "");
    text_puts(out, buf_str(&b));
}

/* Nothing when it has no value. There is no default, so that a new kind is not forgotten. */
static void put_arg(const struct arg *a, const void *field, struct text *out)
{
    switch (a->kind) {
    case ARG_FIELD_NAME:
    case ARG_CHANGED_FIELD:
    case ARG_FIELD_VALUE:
    case ARG_QUERY_NAME:
    case ARG_REPLACEMENT:
    case ARG_PATH_TEMPLATE:
    case ARG_URL:
    case ARG_WORD:
    case ARG_CONTENT:
    case ARG_FORWARD:
        text_puts(out, *(const struct str *)field);
        break;
    case ARG_REGEX_WHOLE:
    case ARG_REGEX_PART:
        if (*(struct config_regex *const *)field != NULL)
            text_puts(out, (*(struct config_regex *const *)field)->text);
        break;
    case ARG_NUMBER:
    case ARG_STATUS:
    case ARG_DURATION:
    case ARG_PERCENT:
    case ARG_SIZE:
    case ARG_ENUM:
        put_number(a, *(const int64_t *)field, out);
        break;
    case ARG_FLAG:
        text_printf(out, "%s", *(const bool *)field ? "true" : "false");
        break;
    case ARG_STATUSES:
    case ARG_SERIES:
        put_statuses(field, out);
        break;
    case ARG_METHOD_SET:
    case ARG_WORDS:
        put_words(field, out);
        break;
    case ARG_KEY:
        put_key(field, out);
        break;
    case ARG_STEPS:
        put_steps(field, out);
        break;
    case ARG_PATHS: /* of predicates, whose text shows them already */
    case ARG_HOSTS:
    case ARG_METHODS:
        break;
    }
}

void config_print_filter(const struct config_filter *f, config_setting_fn *fn, void *arg)
{
    const struct factory *row = &filter_table.items[f->kind];
    const void *base = row->own_size != 0 ? f->own : f;

    for (unsigned i = 0; i < row->arg_count; i++) {
        const struct arg *a = &row->args[i];
        struct text value = {0};

        put_arg(a, (const char *)base + a->offset, &value);
        if (value.len != 0)
            fn(arg, "", a->name, str_n(value.ptr, value.len));
        text_done(&value);
    }
}
