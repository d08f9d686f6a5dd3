/* Routes that never match, because an earlier one matches all that they match.
 *
 * A route's predicates are a set of texts, without those that match everything. An earlier route
 * whose set is contained in a later one's shadows it. Every earlier set is in a table, and the
 * subsets of the later one are looked up: 2^n look-ups for n predicates, so n is bounded. This
 * finds equal texts only, not patterns that include one another. */
#include <stdlib.h>

#include "base/map.h"
#include "config/check.h"

#define SET_MAX 6

struct predicate_set {
    struct str items[SET_MAX]; /* sorted, without doubles */
    unsigned count;
};

static bool matches_all(const struct config_predicate *p)
{
    for (uint32_t i = 0; p->kind == PREDICATE_PATH && i < p->value_count; i++)
        if (str_eq(p->values[i], STR("/**")))
            return true;
    return false;
}

/* The predicate in one spelling: kind, then what it holds. */
static struct str spell(const struct config_predicate *p, struct arena *a)
{
    struct text t = {.max = 64 * KIB};
    struct str out;

    text_printf(&t, "%d%c" STR_FMT, (int)p->kind, p->match_trailing_slash ? '+' : '-',
                STR_ARG(p->name));
    for (uint32_t i = 0; i < p->value_count; i++) {
        text_put(&t, "\n", 1);
        text_puts(&t, p->values[i]);
    }
    if (p->regex != NULL) {
        text_put(&t, "\r", 1);
        text_puts(&t, p->regex->text);
    }
    out = t.overflow ? STR_NULL : arena_str(a, str_n(t.ptr, t.len));
    text_done(&t);
    return out;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool set_of(const struct config_route *route, struct arena *a, struct predicate_set *ret)
{
    ret->count = 0;
    for (uint32_t i = 0; i < route->predicate_count; i++) {
        struct str text;

        if (matches_all(&route->predicates[i]))
            continue;
        text = spell(&route->predicates[i], a);
        if (ret->count == SET_MAX || text.ptr == NULL)
            return false;
        ret->items[ret->count++] = text;
    }
    qsort(ret->items, ret->count, sizeof(struct str), by_text);
    return true;
}

/* The items whose bits are set in mask, as one key. */
static struct str key_of(const struct predicate_set *s, unsigned mask, struct arena *a)
{
    struct text t = {.max = 512 * KIB};
    struct str out;

    text_put(&t, "", 0);
    for (unsigned i = 0; i < s->count; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        text_puts(&t, s->items[i]);
        text_put(&t, "\t", 1);
    }
    out = t.overflow ? STR_NULL : arena_str(a, str_n(t.ptr, t.len));
    text_done(&t);
    return out;
}

static const struct draft *find_shadow(const struct map *earlier, const struct predicate_set *s,
                                       struct arena *a)
{
    for (unsigned mask = 0; mask < 1U << s->count; mask++) {
        struct str key = key_of(s, mask, a);
        const struct draft *d = key.ptr != NULL ? map_get(earlier, key) : NULL;

        if (d != NULL)
            return d;
    }
    return NULL;
}

void check_shadows(struct reader *r, struct draft *const *sorted, uint32_t count)
{
    static const uint64_t map_key[2] = {0x776569725f736861, 0x646f77735f5f5f5f};
    struct map earlier;

    map_init(&earlier, map_key, 0);
    for (uint32_t i = 0; i < count && r->diags->count < DIAG_MAX; i++) {
        struct arena a; /* what one route needs, apart from its key in the table */
        struct predicate_set set;
        const struct draft *by = NULL;
        struct str key = STR_NULL;

        arena_init(&a, NULL, 0, 64 * MIB);
        if (set_of(&sorted[i]->route, &a, &set)) {
            by = find_shadow(&earlier, &set, &a);
            key = key_of(&set, (1U << set.count) - 1, r->scratch);
        }
        arena_done(&a);
        if (by != NULL)
            reader_warn(r, sorted[i]->node, sorted[i]->path,
                        "never matches: the route %s in line %u comes first and matches all of it",
                        reader_quote(r, by->route.id), by->route.line);
        else if (key.ptr != NULL && map_put(&earlier, key, sorted[i]) < 0)
            r->no_memory = true;
    }
    map_done(&earlier);
}
