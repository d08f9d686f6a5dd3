/* PCRE2, with what it takes to compile other people's expressions. */
#include "config/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static pcre2_code *compile(struct str text, bool whole, int *ret_error, size_t *ret_offset)
{
    uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
    pcre2_code *code;

    *ret_error = PCRE2_ERROR_NOMEMORY;
    *ret_offset = 0;
    if (ctx == NULL)
        return NULL;
    pcre2_set_max_pattern_length(ctx, REGEX_LEN_MAX);
    pcre2_set_parens_nest_limit(ctx, 32);
    if (whole)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, ret_error, ret_offset, ctx);
    pcre2_compile_context_free(ctx);
    return code;
}

static const char *describe(int error, size_t offset, struct arena *a)
{
    unsigned char message[160];
    const char *text;

    pcre2_get_error_message(error, message, sizeof(message));
    text = arena_printf(a, "%s, at character %zu", (char *)message, offset + 1);
    return text != NULL ? text : "out of memory";
}

struct config_regex *regex_compile(struct config *c, struct str text, bool whole, struct arena *a,
                                   const char **why)
{
    struct config_regex *r = arena_zalloc(&c->arena, sizeof(*r));
    size_t offset;
    int error;

    *why = "out of memory";
    if (r == NULL)
        return NULL;
    r->text = arena_str(&c->arena, text);
    if (r->text.ptr == NULL)
        return NULL;
    r->code = compile(text, whole, &error, &offset);
    if (r->code == NULL) {
        *why = describe(error, offset, a);
        return NULL;
    }
    r->next = c->regexes;
    c->regexes = r;
    return r;
}

static unsigned group_count(const pcre2_code *code)
{
    uint32_t count = 0;

    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
}

const char *regex_check(struct str text, struct arena *a, unsigned *ret_groups)
{
    size_t offset;
    int error;
    pcre2_code *code = compile(text, true, &error, &offset);

    if (code == NULL)
        return describe(error, offset, a);
    *ret_groups = group_count(code);
    pcre2_code_free(code);
    return NULL;
}

unsigned regex_group_count(const struct config_regex *r)
{
    return group_count(r->code);
}

bool regex_has_group(const struct config_regex *r, struct str name)
{
    char text[33]; /* PCRE2's names have at most 32 characters */

    if (name.len == 0 || name.len >= sizeof(text))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)text) > 0;
}

void regex_free_all(struct config *c)
{
    for (struct config_regex *r = c->regexes; r != NULL; r = r->next)
        pcre2_code_free(r->code);
    c->regexes = NULL;
}
