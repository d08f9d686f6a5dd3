/* docs/weir.schema.json (JSON Schema, draft-07: what YAML editors understand), from the tables. */
#include <stdio.h>

#include "config/factories.h"
#include "config/settings.h"
#include "config/value.h"

/* Writes JSON line by line, so that a change of one setting is a change of few lines. */
struct json {
    struct text *out;
    unsigned depth;
    bool first; /* in the object or array that is open */
};

static void next(struct json *j)
{
    text_printf(j->out, "%s%*s",
                j->depth == 0 ? ""
                : j->first    ? "\n"
                              : ",\n",
                (int)j->depth * 2, "");
    j->first = false;
}

static void put_string(struct json *j, const char *s)
{
    text_printf(j->out, "\"");
    text_put_json(j->out, str_of(s));
    text_printf(j->out, "\"");
}

static void key(struct json *j, const char *name)
{
    next(j);
    put_string(j, name);
    text_printf(j->out, ": ");
}

static void open(struct json *j, const char *name, char bracket)
{
    if (name != NULL)
        key(j, name);
    else
        next(j);
    text_put(j->out, &bracket, 1);
    j->depth++;
    j->first = true;
}

static void shut(struct json *j, char bracket)
{
    j->depth--;
    text_printf(j->out, "\n%*s%c", (int)j->depth * 2, "", bracket);
    j->first = false;
}

static void string(struct json *j, const char *name, const char *value)
{
    key(j, name);
    put_string(j, value);
}

/* Text of a JSON value as it stands. */
static void raw(struct json *j, const char *name, const char *value)
{
    if (name != NULL)
        key(j, name);
    else
        next(j);
    text_printf(j->out, "%s", value);
}

static void integer(struct json *j, const char *name, int64_t value)
{
    key(j, name);
    text_printf(j->out, "%lld", (long long)value);
}

static void reference(struct json *j, const char *section)
{
    open(j, NULL, '{');
    key(j, "$ref");
    text_printf(j->out, "\"#/definitions/%s\"", section);
    shut(j, '}');
}

#define SWITCH "{\"enum\": [true, false, \"on\", \"off\"]}"

static void put_number_or_text(struct json *j, const struct setting *s, const char *pattern,
                               const char *more)
{
    open(j, "anyOf", '[');
    if (s->kind != SETTING_DURATION) {
        open(j, NULL, '{');
        string(j, "type", "integer");
        integer(j, "minimum", s->min);
        integer(j, "maximum", s->max);
        shut(j, '}');
    }
    open(j, NULL, '{');
    string(j, "type", "string");
    string(j, "pattern", pattern);
    shut(j, '}');
    if (more != NULL)
        raw(j, NULL, more);
    shut(j, ']');
}

static void put_text_type(struct json *j, const char *pattern)
{
    string(j, "type", "string");
    if (pattern != NULL)
        string(j, "pattern", pattern);
}

static void put_names(struct json *j, const struct names *names)
{
    open(j, "enum", '[');
    for (size_t i = 0; i < names->count; i++) {
        next(j);
        put_string(j, names->items[i]);
    }
    shut(j, ']');
}

static void put_scalar_type(struct json *j, const struct setting *s)
{
    switch (s->kind) {
    case SETTING_BOOL:
        raw(j, "enum", "[true, false, \"on\", \"off\"]");
        break;
    case SETTING_INTEGER:
        string(j, "type", "integer");
        integer(j, "minimum", s->min);
        integer(j, "maximum", s->max);
        break;
    case SETTING_PERCENT:
        put_number_or_text(j, s, "^[0-9]{1,3}%$", NULL);
        break;
    case SETTING_SIZE:
        put_number_or_text(j, s, "^[0-9]+(B|[kKMGT]B|[KMGT]iB)?$", NULL);
        break;
    case SETTING_DURATION:
        put_number_or_text(j, s, "^([0-9]+([.][0-9]+)?(h|m|s|ms|us|ns))+$",
                           s->never      ? "{\"enum\": [\"never\", \"off\", 0]}"
                           : s->min == 0 ? "{\"const\": 0}"
                                         : NULL);
        break;
    case SETTING_ENUM:
        put_names(j, s->names);
        break;
    case SETTING_TEXT:
        put_text_type(j, s->form->pattern);
        break;
    case SETTING_ADDRESS:
        put_text_type(j, "^(unix:/.+|.+:[0-9]{1,5})$");
        break;
    case SETTING_STATUS_RANGE:
        put_number_or_text(j, s, "^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$", NULL);
        break;
    default: /* SETTING_ACCESS */
        put_text_type(j, "^(off|stdout|/.+)$");
    }
}

static void put_list(struct json *j, const struct setting *s)
{
    string(j, "type", "array");
    if (s->min > 0)
        integer(j, "minItems", s->min);
    integer(j, "maxItems", s->max);
}

static void put_list_of(struct json *j, const struct setting *s, const char *definition)
{
    put_list(j, s);
    key(j, "items");
    text_printf(j->out, "{\"$ref\": \"#/definitions/%s\"}", definition);
}

static void put_sections(struct json *j, const struct setting *s)
{
    const struct section *section = s->section;

    if (section->shorthand == NULL) {
        put_list_of(j, s, section->name);
        return;
    }
    put_list(j, s);
    open(j, "items", '{');
    open(j, "anyOf", '[');
    open(j, NULL, '{');
    put_scalar_type(j, setting_find(section, str_of(section->shorthand)));
    shut(j, '}');
    reference(j, section->name);
    shut(j, ']');
    shut(j, '}');
}

static void put_type(struct json *j, const struct setting *s)
{
    switch (s->kind) {
    case SETTING_CIDRS:
        put_list(j, s);
        raw(j, "items", "{\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f.:]+(/[0-9]+)?$\"}");
        break;
    case SETTING_SECTION:
        open(j, s->toggle ? "anyOf" : "allOf", '[');
        if (s->toggle)
            raw(j, NULL, SWITCH);
        reference(j, s->section->name);
        shut(j, ']');
        break;
    case SETTING_SECTIONS:
    case SETTING_ROUTES:
        put_sections(j, s);
        break;
    case SETTING_PREDICATES:
        put_list_of(j, s, "predicate");
        break;
    case SETTING_FILTERS:
    case SETTING_DEFAULT_FILTERS:
        put_list_of(j, s, "filter");
        break;
    case SETTING_URI:
        put_text_type(j, "^(lb://[A-Za-z0-9._-]+/?|http://.+|no://op)$");
        break;
    case SETTING_METADATA:
        string(j, "type", "object");
        raw(j, "additionalProperties", "{\"type\": [\"string\", \"number\", \"boolean\"]}");
        break;
    case SETTING_SPRING:
        string(j, "type", "object");
        break;
    default:
        put_scalar_type(j, s);
    }
}

static void put_default(struct json *j, const struct setting *s)
{
    bool bare = s->kind == SETTING_INTEGER || s->kind == SETTING_BOOL || s->kind == SETTING_PERCENT;

    if (s->fallback == NULL)
        return;
    if (bare)
        raw(j, "default", s->fallback);
    else
        string(j, "default", s->fallback);
}

static void put_required(struct json *j, const struct section *section)
{
    bool any = false;

    for (size_t i = 0; i < section->count; i++) {
        if (!section->settings[i].required)
            continue;
        if (!any)
            open(j, "required", '[');
        any = true;
        next(j);
        put_string(j, section->settings[i].key);
    }
    if (any)
        shut(j, ']');
}

static void put_section(struct json *j, const struct section *section)
{
    open(j, section->name, '{');
    string(j, "description", section->help);
    string(j, "type", "object");
    put_required(j, section);
    open(j, "properties", '{');
    if (section == &config_section)
        raw(j, "$schema", "{\"type\": \"string\"}");
    for (size_t i = 0; i < section->count; i++) {
        open(j, section->settings[i].key, '{');
        string(j, "description", section->settings[i].help);
        put_type(j, &section->settings[i]);
        put_default(j, &section->settings[i]);
        shut(j, '}');
    }
    shut(j, '}');
    if (section == &config_section)
        raw(j, "patternProperties", "{\"^x-\": {}}");
    raw(j, "additionalProperties", "false");
    shut(j, '}');
}

static void put_sections_below(struct json *j, const struct section *section)
{
    put_section(j, section);
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].section != NULL)
            put_sections_below(j, section->settings[i].section);
}

/* "backoff" of "backoff.firstBackoff", which may be a map, at the first argument that has it. */
static void put_nested(struct json *j, const struct factory *f, unsigned i)
{
    const char *dot = strchr(f->args[i].name, '.');
    char prefix[64];
    size_t len;

    if (dot == NULL)
        return;
    len = (size_t)(dot - f->args[i].name) + 1;
    if (i != 0 && strncmp(f->args[i].name, f->args[i - 1].name, len) == 0)
        return;
    snprintf(prefix, sizeof(prefix), "%.*s", (int)len - 1, f->args[i].name);
    open(j, prefix, '{');
    string(j, "type", "object");
    shut(j, '}');
}

/* "statuses.0" and "statuses[0]". */
static void put_indexed(struct json *j, const char *name)
{
    next(j);
    text_printf(j->out,
                "\"^%s([.][0-9]+|\\\\[[0-9]+\\\\])$\": {\"type\": [\"string\", \"number\"]}", name);
}

static void put_args(struct json *j, const struct factory *f)
{
    bool list = f->shortcut != SHORTCUT_FIELDS;

    open(j, "args", '{');
    string(j, "type", "object");
    open(j, "properties", '{');
    for (unsigned i = 0; i < f->arg_count; i++) {
        open(j, f->args[i].name, '{');
        string(j, "description", f->args[i].help);
        if (list && i == 0)
            raw(j, "type", "[\"string\", \"array\"]");
        else if (arg_is_set(f->args[i].kind))
            raw(j, "type", "[\"string\", \"number\", \"array\"]");
        else
            raw(j, "type", "[\"string\", \"number\", \"boolean\"]");
        if (f->args[i].fallback != NULL)
            string(j, "default", f->args[i].fallback);
        shut(j, '}');
        put_nested(j, f, i);
    }
    shut(j, '}');
    open(j, "patternProperties", '{');
    raw(j, "^_genkey_[0-9]+$", "{}");
    if (list) {
        next(j);
        text_printf(j->out, "\"^%s([.][0-9]+|\\\\[[0-9]+\\\\])$\": {\"type\": \"string\"}",
                    f->args[0].name);
    }
    for (unsigned i = 0; i < f->arg_count; i++)
        if (arg_is_set(f->args[i].kind))
            put_indexed(j, f->args[i].name);
    shut(j, '}');
    raw(j, "additionalProperties", "false");
    shut(j, '}');
}

static void put_long_form(struct json *j, const struct factory *f)
{
    open(j, NULL, '{');
    string(j, "description", f->help);
    string(j, "type", "object");
    raw(j, "required", "[\"name\"]");
    open(j, "properties", '{');
    open(j, "name", '{');
    string(j, "const", f->name);
    shut(j, '}');
    put_args(j, f);
    shut(j, '}');
    raw(j, "additionalProperties", "false");
    shut(j, '}');
}

static void put_factories(struct json *j, const struct factory_table *t)
{
    struct text pattern = {0};

    text_printf(&pattern, "^ *(");
    for (size_t i = 0; i < t->count; i++)
        text_printf(&pattern, "%s%s", i != 0 ? "|" : "", t->items[i].name);
    text_printf(&pattern, t == &filter_table ? ") *(=|$)" : ") *=");
    open(j, t->what, '{');
    open(j, "anyOf", '[');
    open(j, NULL, '{');
    put_text_type(j, pattern.ptr);
    open(j, "examples", '[');
    for (size_t i = 0; i < t->count; i++) {
        next(j);
        put_string(j, t->items[i].example);
    }
    shut(j, ']');
    shut(j, '}');
    for (size_t i = 0; i < t->count; i++)
        put_long_form(j, &t->items[i]);
    shut(j, ']');
    shut(j, '}');
    text_done(&pattern);
}

void config_write_json_schema(struct text *out)
{
    struct json j = {.out = out, .first = true};

    open(&j, NULL, '{');
    string(&j, "$schema", "http://json-schema.org/draft-07/schema#");
    string(&j, "title", "weir");
    raw(&j, "if", "{\"required\": [\"spring\"]}");
    raw(&j, "then", "{\"type\": \"object\"}");
    raw(&j, "else", "{\"$ref\": \"#/definitions/config\"}");
    open(&j, "definitions", '{');
    put_sections_below(&j, &config_section);
    put_factories(&j, &predicate_table);
    put_factories(&j, &filter_table);
    shut(&j, '}');
    shut(&j, '}');
    text_printf(out, "\n");
}
