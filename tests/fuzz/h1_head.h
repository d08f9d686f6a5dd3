/* Fuzzing a head: one call over everything and a series of calls over growing prefixes must agree.
 * The first byte of the input chooses limits, the second the step of the series. */
#ifndef WEIR_TESTS_FUZZ_H1_HEAD_H
#define WEIR_TESTS_FUZZ_H1_HEAD_H

#include "fuzz.h"
#include "http/h1.h"

struct head_run {
    ssize_t result;
    struct http_head head;
    struct h1_refusal refusal;
};

typedef void head_parse_fn(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                           struct head_run *ret);

static inline bool inside(const char *p, size_t len, struct str data)
{
    return len == 0 || (p >= data.ptr && p + len <= data.ptr + data.len);
}

static inline void check_head(const struct head_run *r, struct str data)
{
    FUZZ_CHECK((size_t)r->result <= data.len && r->head.head_bytes == r->result);
    FUZZ_CHECK(r->head.field_count <= HTTP_FIELDS_MAX);
    for (uint32_t i = 0; i < r->head.field_count; i++) {
        struct str name = http_field_name(&r->head.fields[i]);
        struct str value = http_field_value(&r->head.fields[i]);

        FUZZ_CHECK(name.len != 0 && inside(name.ptr, name.len, data));
        FUZZ_CHECK(inside(value.ptr, value.len, data));
        FUZZ_CHECK(value.len == 0 || memchr(value.ptr, '\n', value.len) == NULL);
        FUZZ_CHECK(value.len == 0 || memchr(value.ptr, '\0', value.len) == NULL);
        FUZZ_CHECK(r->head.fields[i].id == http_field_id_of(name));
    }
}

static inline void check_same(const struct head_run *a, const struct head_run *b)
{
    FUZZ_CHECK(a->result == b->result);
    if (a->result == -EBADMSG)
        FUZZ_CHECK(a->refusal.name == b->refusal.name && a->refusal.offset == b->refusal.offset);
    if (a->result > 0)
        FUZZ_CHECK(a->head.field_count == b->head.field_count && a->head.body == b->head.body &&
                   a->head.content_length == b->head.content_length &&
                   a->head.seen == b->head.seen && a->head.path.len == b->head.path.len &&
                   a->head.authority.len == b->head.authority.len &&
                   a->head.keep_alive == b->head.keep_alive);
}

static inline void fuzz_head(struct str in, head_parse_fn *parse)
{
    static struct head_run whole, parts;
    uint8_t how = fuzz_byte(&in);
    size_t step = 1 + fuzz_byte(&in) % 40u;
    struct h1_limits limits = h1_limits_default;
    uint32_t scanned = 0;
    char *copy = fuzz_exact(in.ptr, in.len);
    struct str data = str_n(copy, in.len);

    if (how & 1)
        limits = (struct h1_limits){.head_bytes = how, .target_bytes = how / 4, .field_count = 3};
    parse(data, &scanned, &limits, &whole);
    FUZZ_CHECK(whole.result > 0 || whole.result == -EAGAIN || whole.result == -EBADMSG);
    if (whole.result > 0)
        check_head(&whole, data);
    scanned = 0;
    for (size_t len = 0;; len = MIN(len + step, in.len)) {
        char *prefix = fuzz_exact(in.ptr, len);

        parse(str_n(prefix, len), &scanned, &limits, &parts);
        if (parts.result != -EAGAIN || len == in.len)
            check_same(&whole, &parts);
        free(prefix);
        if (parts.result != -EAGAIN || len == in.len)
            break;
    }
    free(copy);
}

#endif
