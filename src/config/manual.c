/* docs/configuration.md, from the tables. */
#include "base/duration.h"
#include "config/factories.h"
#include "config/value.h"

static const char intro[] =
    "# Configuration\n"
    "\n"
    "<!-- Made from src/config/settings.def and factories.def: `meson compile manual`. -->\n"
    "\n"
    "One YAML file (UTF-8, one document) says all that the gateway does. Every mistake in it is\n"
    "reported at once, with line, column and what was expected; a file with a mistake is not "
    "used.\n"
    "Editors complete and check the file with [weir.schema.json](weir.schema.json): put\n"
    "`# yaml-language-server: $schema=weir.schema.json` into its first line.\n"
    "\n"
    "## How values are written\n"
    "\n"
    "| type | written as |\n"
    "| --- | --- |\n"
    "| duration | numbers with units `h`, `m`, `s`, `ms`, `us`, `ns`: `250ms`, `2s`, `1m30s`. "
    "Where the range says so, `never`, `off` or `0` mean no limit |\n"
    "| size | bytes: `8192`, `16KiB`, `1MB`. `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, `kB` "
    "(or `KB`), `MB`, `GB`, `TB` of 1000 |\n"
    "| percentage | `20%` or `20` |\n"
    "| boolean | `true` or `false`, also `on` or `off` |\n"
    "| address | `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` for 127.0.0.1, or `unix:/PATH`; "
    "names are not looked up |\n"
    "\n"
    "Numbers and booleans stand without quotes. A key without a value counts as not given. "
    "Anchors,\n"
    "aliases and `<<` work; keys at the top that start with `x-` are ignored and are a place for\n"
    "them. Bounds: 16 MiB of text, 32 levels, 256 keys in a map, 1048576 values with every alias\n"
    "counted as what it stands for. A change takes effect at once and closes no connection, "
    "except\n"
    "where it says \"at the next start\".\n";

static void put_anchor(struct text *out, const char *title)
{
    for (; *title != '\0'; title++) {
        char c = *title == ' ' ? '-' : ascii_lower(*title);

        text_put(out, &c, 1);
    }
}

static void put_link(struct text *out, const struct section *s)
{
    text_printf(out, "[%s](#", s->title);
    put_anchor(out, s->title);
    text_printf(out, ")");
}

static void put_type(struct text *out, const struct setting *s)
{
    static const char *const names[] = {
        [SETTING_BOOL] = "boolean",
        [SETTING_INTEGER] = "whole number",
        [SETTING_PERCENT] = "percentage",
        [SETTING_SIZE] = "size",
        [SETTING_DURATION] = "duration",
        [SETTING_TEXT] = "text",
        [SETTING_ADDRESS] = "address",
        [SETTING_STATUS_RANGE] = "status or range, like `200-399`",
        [SETTING_ACCESS] = "`off`, `stdout` or the absolute path of a file",
        [SETTING_CIDRS] = "list of networks, like `10.0.0.0/8`",
        [SETTING_PREDICATES] = "list of [predicates](#predicates)",
        [SETTING_FILTERS] = "list of [filters](#filters)",
        [SETTING_URI] = "text",
        [SETTING_METADATA] = "map of texts",
        [SETTING_DEFAULT_FILTERS] = "list of [filters](#filters)",
        [SETTING_SPRING] = "map",
    };

    if (s->kind == SETTING_ENUM) {
        for (size_t i = 0; i < s->names->count; i++)
            text_printf(out, "%s`%s`", i != 0 ? ", " : "", s->names->items[i]);
    } else if (s->kind == SETTING_SECTION) {
        text_printf(out, s->toggle ? "`off` or a map: " : "map: ");
        put_link(out, s->section);
    } else if (s->kind == SETTING_SECTIONS || s->kind == SETTING_ROUTES) {
        text_printf(out, "list: ");
        put_link(out, s->section);
    } else {
        text_printf(out, "%s", names[s->kind]);
    }
}

static void put_default(struct text *out, const struct setting *s)
{
    if (s->required)
        text_printf(out, "**required**");
    else if (s->fallback != NULL)
        text_printf(out, "`%s`", s->fallback);
    else if (s->fallback_help != NULL)
        text_printf(out, "%s", s->fallback_help);
}

static void put_number(struct text *out, const struct setting *s, int64_t n)
{
    char text[48];
    struct buf b = buf_on(text, sizeof(text));

    value_number(s, n, &b);
    text_puts(out, buf_str(&b));
}

static void put_range(struct text *out, const struct setting *s)
{
    switch (s->kind) {
    case SETTING_INTEGER:
    case SETTING_PERCENT:
    case SETTING_SIZE:
    case SETTING_DURATION:
    case SETTING_STATUS_RANGE:
        put_number(out, s, s->min);
        text_printf(out, " to ");
        put_number(out, s, s->max);
        text_printf(out, s->never ? ", never" : "");
        break;
    case SETTING_TEXT:
        text_printf(out, "%s", s->form->expected);
        break;
    case SETTING_ADDRESS:
        text_printf(out, "port %d to 65535%s", (int)s->min, s->loopback ? ", loopback" : "");
        break;
    default:
        if (s->max > 0)
            text_printf(out, "%d to %d items", (int)s->min, (int)s->max);
    }
}

/* Bars would end the cell. */
static void put_cell(struct text *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            text_put(out, "\\", 1);
        text_put(out, s, 1);
    }
}

static void put_settings(struct text *out, const struct section *section)
{
    text_printf(out, "\n| setting | type | default | range | what it does |\n"
                     "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];
        struct text range = {0};

        put_range(&range, s);
        text_printf(out, "| `%s` | ", s->key);
        put_type(out, s);
        text_printf(out, " | ");
        put_default(out, s);
        text_printf(out, " | ");
        put_cell(out, range.ptr != NULL ? range.ptr : "");
        text_printf(out, " | ");
        put_cell(out, s->help);
        text_printf(out, "%s |\n", s->restart ? " Changes at the next start." : "");
        text_done(&range);
    }
}

static void put_section(struct text *out, const struct section *section, const char *where)
{
    text_printf(out, "\n## %s\n\n", section->title);
    if (where[0] != '\0')
        text_printf(out, "`%s`. ", where);
    text_printf(out, "%s\n\n```yaml\n%s```\n", section->help, section->example);
    put_settings(out, section);
    for (size_t i = 0; i < section->count; i++) {
        const struct setting *s = &section->settings[i];
        bool list = s->kind == SETTING_SECTIONS || s->kind == SETTING_ROUTES;
        struct text below = {0};

        if (s->section == NULL)
            continue;
        text_printf(&below, "%s%s%s%s", where, where[0] != '\0' ? "." : "", s->key,
                    list ? "[]" : "");
        if (below.ptr != NULL)
            put_section(out, s->section, below.ptr);
        text_done(&below);
    }
}

static void put_durations(struct text *out, const struct arg *a)
{
    char low[32], high[32];
    struct buf min = buf_on(low, sizeof(low)), max = buf_on(high, sizeof(high));

    duration_format(a->min, &min);
    duration_format(a->max, &max);
    text_printf(out, " " STR_FMT " to " STR_FMT ".", STR_ARG(buf_str(&min)),
                STR_ARG(buf_str(&max)));
}

static void put_arg(struct text *out, const struct arg *a)
{
    text_printf(out, "| | `%s` | ", a->name);
    if (a->required)
        text_printf(out, "**required**");
    else if (a->fallback != NULL)
        text_printf(out, "`%s`", a->fallback);
    text_printf(out, " | ");
    put_cell(out, a->help);
    if (a->max != 0 && a->kind == ARG_DURATION)
        put_durations(out, a);
    else if (a->max != 0)
        text_printf(out, " %lld to %lld.", (long long)a->min, (long long)a->max);
    text_printf(out, " |\n");
}

static void put_factories(struct text *out, const struct factory_table *t)
{
    text_printf(out, "\n| %s | argument | default | what it does |\n| --- | --- | --- | --- |\n",
                t->what);
    for (size_t i = 0; i < t->count; i++) {
        const struct factory *f = &t->items[i];

        text_printf(out, "| `%s` | | | ", f->name);
        put_cell(out, f->help);
        text_printf(out, " Example: `");
        put_cell(out, f->example);
        text_printf(out, "` |\n");
        for (unsigned j = 0; j < f->arg_count; j++)
            put_arg(out, &f->args[j]);
    }
    text_printf(out, "\nSpring Cloud Gateway's others are refused by name: ");
    for (size_t i = 0; i < t->absent_count; i++)
        text_printf(out, "%s%s", i != 0 ? ", " : "", t->absent[i]);
    text_printf(out, ".\n");
}

static const char predicates_intro[] =
    "\n## Predicates\n"
    "\n"
    "A predicate is a text, the name and its arguments in the order of the table, or a map:\n"
    "\n"
    "```yaml\n"
    "predicates:\n"
    "  - Path=/users/**,/people/**\n"
    "  - name: Header\n"
    "    args:\n"
    "      header: X-Request-Id\n"
    "      regexp: \"[0-9]{1,8}\"\n"
    "```\n"
    "\n"
    "In a text, blanks around arguments do not count, and a comma always separates: an argument\n"
    "that holds a comma needs the map. In a map, a list may be a YAML list, a text with commas, "
    "or\n"
    "`patterns.0`, `patterns.1`; `_genkey_0`, `_genkey_1` stand for the arguments in their order.\n"
    "Names are case-sensitive. Regular expressions are PCRE2's, on bytes, at most 1024 of them.\n";

static const char filters_intro[] =
    "\n## Filters\n"
    "\n"
    "A filter is written like a predicate; one without arguments is its name alone. `{variables}`\n"
    "are those of the route's Path and Host patterns. Fields that frame messages or belong to one\n"
    "connection (Connection, Content-Length, Transfer-Encoding and the like) are the gateway's\n"
    "own.\n";

void config_write_markdown(struct text *out)
{
    text_puts(out, str_of(intro));
    put_section(out, &config_section, "");
    text_puts(out, str_of(predicates_intro));
    put_factories(out, &predicate_table);
    text_puts(out, str_of(filters_intro));
    put_factories(out, &filter_table);
}
