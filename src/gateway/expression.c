/* Regular expressions on top of PCRE2: see expression.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "gateway/expression.h"

/* Steps: enough for honest patterns on 8 KiB of text, a few milliseconds for hostile ones. */
#define MATCH_LIMIT    100000
#define DEPTH_LIMIT    1000
#define HEAP_LIMIT_KIB 256

static void *take(PCRE2_SIZE size, void *arg)
{
    return arena_alloc(arg, size);
}

static void give_back(void *mem, void *arg)
{
}

int expression_compile(struct str pattern, struct arena *a, void **ret_code,
                       const char **ret_message, size_t *ret_at)
{
    int code;
    PCRE2_SIZE at = 0;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)(pattern.len != 0 ? pattern.ptr : ""), pattern.len,
                                   PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);

    if (re == NULL) {
        PCRE2_UCHAR text[128] = "";

        pcre2_get_error_message(code, text, sizeof(text));
        *ret_message = arena_str(a, str_of((const char *)text)).ptr;
        *ret_at = at;
        return -EINVAL;
    }
    *ret_code = re;
    return 0;
}

void expression_free(void *code)
{
    pcre2_code_free(code);
}

uint32_t expression_groups(const void *code)
{
    uint32_t count = 0;

    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
}

int expression_group_of(const void *code, struct str name)
{
    char text[33];
    int number;

    if (name.len >= sizeof(text))
        return -ENOENT;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    number = pcre2_substring_number_from_name(code, (PCRE2_SPTR)text);
    return number < 0 ? -ENOENT : number;
}

static void copy_groups(pcre2_match_data *data, int count, struct expression_match *ret)
{
    const PCRE2_SIZE *pairs = pcre2_get_ovector_pointer(data);

    ret->count = (uint32_t)MIN(count, EXPRESSION_GROUPS_MAX);
    for (uint32_t i = 0; i < EXPRESSION_GROUPS_MAX; i++) {
        bool took_part = i < ret->count && pairs[2 * i] != PCRE2_UNSET;

        ret->groups[i].from = took_part ? pairs[2 * i] : SIZE_MAX;
        ret->groups[i].to = took_part ? pairs[2 * i + 1] : SIZE_MAX;
    }
}

int expression_match(const void *code, struct str s, size_t offset, bool whole, struct arena *a,
                     struct expression_match *ret)
{
    pcre2_general_context *memory = pcre2_general_context_create(take, give_back, a);
    pcre2_match_context *limits = memory ? pcre2_match_context_create(memory) : NULL;
    pcre2_match_data *data = limits ? pcre2_match_data_create(EXPRESSION_GROUPS_MAX, memory) : NULL;
    int rc;

    if (data == NULL)
        return -EDOM;
    pcre2_set_match_limit(limits, MATCH_LIMIT);
    pcre2_set_depth_limit(limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
    rc = pcre2_match(code, (PCRE2_SPTR)(s.len != 0 ? s.ptr : ""), s.len, offset,
                     whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0, data, limits);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0)
        return -EDOM;
    if (ret != NULL)
        copy_groups(data, rc == 0 ? EXPRESSION_GROUPS_MAX : rc, ret);
    return 1;
}
