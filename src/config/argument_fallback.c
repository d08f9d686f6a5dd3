/* Arguments of fallbacks: steps, words, contents of answers, paths of other routes. */
#include "base/assert.h"
#include "config/argument.h"
#include "config/forms.h"

/* "stale", "static" or "upstream:id"; which upstream that is becomes known when all are read. */
static bool parse_step(const struct argument *a, struct str text, struct config_fallback_step *ret)
{
    *ret = (struct config_fallback_step){0};
    if (str_eq(text, STR("stale")))
        ret->kind = FALLBACK_STALE;
    else if (str_eq(text, STR("static")))
        ret->kind = FALLBACK_STATIC;
    else if (str_starts(text, STR("upstream:")))
        ret->kind = FALLBACK_UPSTREAM;
    else
        return false;
    if (ret->kind == FALLBACK_UPSTREAM) {
        ret->id = reader_str(a->r, str_trim(str_n(text.ptr + 9, text.len - 9)));
        return form_is_id(ret->id);
    }
    return true;
}

static bool parse_steps(const struct argument *a)
{
    struct config_fallback_steps *steps = argument_field(a);
    struct str rest = a->text, part;

    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0)
            continue;
        if (steps->count == CONFIG_FALLBACK_STEPS_MAX)
            return argument_wrong(a, "more than 8 steps");
        if (!parse_step(a, part, &steps->items[steps->count++]))
            return argument_wrong(a, "expected steps: stale, upstream:ID, static");
    }
    return true;
}

static bool parse_words(const struct argument *a)
{
    struct config_words *words = argument_field(a);
    struct str rest = a->text, part;
    size_t n = 1;

    for (size_t i = 0; i < rest.len; i++)
        n += rest.ptr[i] == ',';
    words->items = reader_alloc(a->r, n * sizeof(*words->items));
    while (words->items != NULL && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0)
            continue;
        if (!form_is_id(part))
            return argument_wrong(a, "expected names of letters, digits, -, _ and .");
        words->items[words->count++] = reader_str(a->r, part);
    }
    return words->items != NULL;
}

/* Spring's other schemes lead out of the gateway, and a query is the client's own. */
static bool parse_forward(const struct argument *a)
{
    struct str path = a->text;

    if (!str_starts(path, STR("forward:")))
        return argument_wrong(a, "expected forward:/PATH; other schemes are not followed, a route "
                                 "for this path can lead anywhere");
    path = str_n(path.ptr + 8, path.len - 8);
    if (path.len == 0 || path.ptr[0] != '/')
        return argument_wrong(a, "expected a path that starts with / behind forward:");
    if (!form_is_target(path))
        return argument_wrong(a, "blanks and other than ASCII characters are written %XX");
    for (size_t i = 0; i < path.len; i++) {
        if (strchr("?#*{}", path.ptr[i]) != NULL)
            return argument_wrong(a, "expected one path: no ? and #, no pattern, no {variable}");
    }
    *(struct str *)argument_field(a) = reader_str(a->r, a->text);
    return true;
}

bool argument_parse_fallback(const struct argument *a)
{
    switch (a->arg->kind) {
    case ARG_FORWARD:
        return parse_forward(a);
    case ARG_STEPS:
        return parse_steps(a);
    case ARG_WORDS:
        return parse_words(a);
    default:
        ASSERT(a->arg->kind == ARG_CONTENT);
        *(struct str *)argument_field(a) = reader_str(a->r, a->text);
        return true;
    }
}
