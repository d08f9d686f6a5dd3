/* Schedules as text: what WEIR_DEBUG says and what a failure prints. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/explore_impl.h"

/* "key=value" or "key" at the front of text, up to a comma. */
struct item {
    const char *key, *value;
    size_t key_len, len;
};

static struct item first_item(const char *text)
{
    struct item item = {.key = text, .len = strcspn(text, ",")};

    item.key_len = strcspn(text, "=,");
    item.value = item.key_len < item.len ? text + item.key_len + 1 : text + item.len;
    return item;
}

static bool is(const struct item *item, const char *key)
{
    return item->key_len == strlen(key) && memcmp(item->key, key, item->key_len) == 0;
}

static int parse_number(const struct item *item, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    const char *at = item->value, *end = item->key + item->len;

    if (at >= end)
        return -EINVAL;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return -EINVAL;
    }
    if (n > max)
        return -EINVAL;
    *ret = n;
    return 0;
}

static int parse_path(const struct item *item, struct schedule *s)
{
    size_t len = (size_t)(item->key + item->len - item->value);

    if (len >= sizeof(s->path))
        return -EINVAL;
    memcpy(s->path, item->value, len);
    s->path[len] = 0;
    s->strategy = CHOICE_PATH;
    return 0;
}

/* 1: not one of ours. */
static int parse_item(const struct item *item, struct schedule *s, bool *ret_found)
{
    uint64_t n = 0;
    int r = 0;

    if (is(item, "det")) {
        *ret_found = true;
        return parse_number(item, UINT64_MAX, &s->seed);
    }
    if (is(item, "pct")) {
        r = parse_number(item, CHOICE_DEPTH_MAX, &n);
        s->strategy = CHOICE_PCT;
        s->depth = (unsigned)n;
        return r < 0 || n == 0 ? -EINVAL : 0;
    }
    if (is(item, "steps"))
        return parse_number(item, UINT64_MAX, &s->steps);
    if (is(item, "path"))
        return parse_path(item, s);
    if (is(item, "time")) {
        r = parse_number(item, INT64_MAX / 4, &n);
        s->step_ns = (int64_t)n;
        return r;
    }
    if (!is(item, "trace"))
        return 1;
    s->trace = true;
    return item->key_len == item->len ? 0 : -EINVAL;
}

int schedule_parse(const char *text, bool strict, struct schedule *ret, bool *ret_found)
{
    struct schedule s = {.step_ns = -1, .steps_max = STEPS_MAX_DEFAULT};
    bool found = false;

    while (*text != 0) {
        struct item item = first_item(text);
        int r = parse_item(&item, &s, &found);

        if (r < 0 || (r > 0 && strict))
            return -EINVAL;
        text += item.len + (text[item.len] == ',');
    }
    if (s.step_ns < 0)
        s.step_ns = s.strategy == CHOICE_PATH ? 0 : STEP_NS_DEFAULT;
    *ret = s;
    *ret_found = found;
    return strict && !found ? -EINVAL : 0;
}

void schedule_format(const struct schedule *s, const struct chooser *c, char *out, size_t size)
{
    bool searched = s->strategy == CHOICE_SEARCH || s->strategy == CHOICE_PATH;
    size_t at = (size_t)snprintf(out, size, "det=%llu", (unsigned long long)s->seed);

    if (s->strategy == CHOICE_PCT) {
        at += (size_t)snprintf(out + at, size - at, ",pct=%u", s->depth);
        if (s->steps != 0)
            at +=
                (size_t)snprintf(out + at, size - at, ",steps=%llu", (unsigned long long)s->steps);
    }
    if (s->step_ns != (searched ? 0 : STEP_NS_DEFAULT))
        at += (size_t)snprintf(out + at, size - at, ",time=%lld", (long long)s->step_ns);
    if (searched) {
        at += (size_t)snprintf(out + at, size - at, ",path=");
        if (!chooser_path_format(c, out + at, size - at))
            snprintf(out + at, size - at, "?"); /* too long to be replayed from a text */
    }
}
