/* Properties of the parser: the answer does not depend on how the bytes were split, bytes that
 * follow do not change it, and any bytes whatever get an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "request_cases.h"
#include "response_cases.h"

struct answer {
    ssize_t result;
    struct h1_refusal refusal;
    struct http_head head;
};

struct subject {
    bool response;
    enum http_method to;
    struct h1_limits limits;
};

static ssize_t parse(const struct subject *s, struct str data, uint32_t *scanned,
                     struct answer *ret)
{
    ret->result =
        s->response ? h1_parse_response(data, scanned, &s->limits, s->to, &ret->head, &ret->refusal)
                    : h1_parse_request(data, scanned, &s->limits, &ret->head, &ret->refusal);
    return ret->result;
}

static bool same_head(const struct http_head *a, const struct http_head *b)
{
    return a->method == b->method && str_eq(a->target, b->target) && str_eq(a->path, b->path) &&
           str_eq(a->query, b->query) && str_eq(a->authority, b->authority) &&
           a->status == b->status && a->body == b->body && a->content_length == b->content_length &&
           a->field_count == b->field_count && a->keep_alive == b->keep_alive &&
           a->seen == b->seen && a->head_bytes == b->head_bytes;
}

static void expect_same(const struct answer *a, const struct answer *b, struct str data)
{
    bool same = a->result == b->result;

    if (same && a->result == -EBADMSG)
        same = a->refusal.name == b->refusal.name && a->refusal.offset == b->refusal.offset;
    if (same && a->result > 0)
        same = same_head(&a->head, &b->head);
    if (!same)
        fail_msg("%zd %s@%u, then %zd %s@%u for: " STR_FMT, a->result,
                 a->result == -EBADMSG ? a->refusal.name : "", a->refusal.offset, b->result,
                 b->result == -EBADMSG ? b->refusal.name : "", b->refusal.offset, STR_ARG(data));
}

/* Parses growing prefixes, of these lengths, in memory that ends where they end; an answer once
 * given must be the answer for the whole. */
static void parse_split(const struct subject *s, struct str data, const size_t *cuts, size_t count,
                        const struct answer *whole)
{
    struct answer a;
    uint32_t scanned = 0;

    for (size_t i = 0; i <= count; i++) {
        size_t len = i == count ? data.len : cuts[i];
        char *exact = malloc(len + 1);

        assert_non_null(exact);
        memcpy(exact, data.ptr, len);
        parse(s, str_n(exact, len), &scanned, &a);
        if (a.result != -EAGAIN || i == count)
            expect_same(whole, &a, data);
        free(exact);
        if (a.result != -EAGAIN)
            return;
        assert_true(scanned <= len);
    }
}

static void check_splits(const struct subject *s, struct str data, struct rng *rng)
{
    struct answer whole;
    uint32_t scanned = 0;
    size_t cuts[4096];

    parse(s, data, &scanned, &whole);
    for (size_t i = 0; i < data.len; i++)
        parse_split(s, data, &i, 1, &whole);
    for (size_t i = 0; i < data.len && i < ARRAY_LEN(cuts); i++)
        cuts[i] = i;
    parse_split(s, data, cuts, MIN(data.len, ARRAY_LEN(cuts)), &whole);
    for (int round = 0; round < 20; round++) {
        size_t count = 0, at = 0;

        while (count < ARRAY_LEN(cuts) && (at += 1 + rng_below(rng, 30)) < data.len)
            cuts[count++] = at;
        parse_split(s, data, cuts, count, &whole);
    }
}

static void for_each_case(void (*fn)(const struct subject *s, struct str data, struct rng *rng),
                          const struct h1_limits *limits, struct rng *rng)
{
    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++)
        fn(&(struct subject){.limits = *limits}, request_cases[i].bytes, rng);
    for (size_t i = 0; i < ARRAY_LEN(response_cases); i++)
        fn(&(struct subject){true, response_cases[i].to, *limits}, response_cases[i].bytes, rng);
}

static void splitting_does_not_change_the_answer(void **state)
{
    struct rng rng;

    rng_seed(&rng, 1);
    for_each_case(check_splits, &h1_limits_default, &rng);
}

static void nor_does_it_at_any_limit(void **state)
{
    struct rng rng;

    rng_seed(&rng, 2);
    for (uint32_t n = 1; n < 100; n += 1 + n / 8) {
        struct h1_limits l = {.head_bytes = n, .target_bytes = n / 3, .field_count = n % 5};

        for_each_case(check_splits, &l, &rng);
    }
    for (uint32_t target = 0; target < 12; target++) {
        struct h1_limits l = {.head_bytes = 500, .target_bytes = target, .field_count = 9};

        check_splits(&(struct subject){.limits = l},
                     STR("\r\n\r\nAAAAAAAAAABBBBBBBBBBCCCCCCCCCCDD /345678 HTTP/1.1\r\nHost: a\r\n"
                         "\r\n"),
                     &rng);
        check_splits(&(struct subject){.limits = l}, /* no line end in sight */
                     STR("\r\nGET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                     &rng);
    }
}

/* Changes, removes, doubles or inserts a few bytes, preferring those that mean something. */
static size_t mutate(char *data, size_t len, size_t cap, struct rng *rng)
{
    static const char telling[] = "\r\n\r\n :\t\0,;0129aAfFzZ/?#*[]@%\177\200\377\001-_";

    for (uint64_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        size_t at = (size_t)rng_below(rng, len + 1);
        char c = rng_below(rng, 4) != 0 ? telling[rng_below(rng, sizeof(telling) - 1)]
                                        : (char)rng_below(rng, 256);

        switch (rng_below(rng, 3)) {
        case 0:
            if (at < len)
                data[at] = c;
            break;
        case 1:
            if (at < len) {
                memmove(data + at, data + at + 1, len - at - 1);
                len--;
            }
            break;
        default:
            if (len < cap) {
                memmove(data + at + 1, data + at, len - at);
                data[at] = c;
                len++;
            }
            break;
        }
    }
    return len;
}

static void check_mutants(const struct subject *s, struct str data, struct rng *rng)
{
    char copy[1024];

    for (int round = 0; round < 60; round++) {
        size_t len = MIN(data.len, sizeof(copy) - 8);
        struct answer whole;
        uint32_t scanned = 0;
        size_t cuts[3];

        memcpy(copy, data.ptr, len);
        len = mutate(copy, len, sizeof(copy), rng);
        parse(s, str_n(copy, len), &scanned, &whole);
        assert_true(whole.result == -EAGAIN || whole.result == -EBADMSG || whole.result > 0);
        for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
            cuts[i] = (size_t)rng_below(rng, len / 3 + 1) + i * (len / 3);
        parse_split(s, str_n(copy, len), cuts, ARRAY_LEN(cuts), &whole);
    }
}

static void any_bytes_are_answered_and_splits_do_not_matter(void **state)
{
    struct rng rng;

    rng_seed(&rng, 3);
    for (int i = 0; i < 4; i++)
        for_each_case(check_mutants, &h1_limits_default, &rng);
}

static void bytes_behind_the_head_do_not_change_it(void **state)
{
    struct answer alone, followed;
    struct subject s = {.limits = h1_limits_default};

    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
        struct text t = {0};
        uint32_t scanned = 0;

        if (parse(&s, request_cases[i].bytes, &scanned, &alone) == -EAGAIN)
            continue;
        text_puts(&t, request_cases[i].bytes);
        text_puts(&t, STR("\nx\r\n: \001GET / HTTP/1.1\r\n\r\n"));
        scanned = 0;
        parse(&s, str_n(t.ptr, t.len), &scanned, &followed);
        expect_same(&alone, &followed, request_cases[i].bytes);
        text_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting_does_not_change_the_answer),
        cmocka_unit_test(nor_does_it_at_any_limit),
        cmocka_unit_test(any_bytes_are_answered_and_splits_do_not_matter),
        cmocka_unit_test(bytes_behind_the_head_do_not_change_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
