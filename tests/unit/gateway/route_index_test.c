/* The route index against what it must equal: a scan over all routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "gateway/route_index.h"

#define ROUTES_MAX 200

static struct rng rng;
static struct arena arena;

static uint64_t below(uint64_t bound)
{
    return rng_below(&rng, bound);
}

static struct str random_path_pattern(void)
{
    static const char *const segments[] = {"a", "b", "c", "{x}", "*", "{y:[ab]+}", "a*", "?"};
    char text[128] = "", one[32];
    uint64_t n = below(4);

    for (uint64_t i = 0; i < n; i++) {
        /* Variables need names of their own. */
        snprintf(one, sizeof(one), "/%s", segments[below(ARRAY_LEN(segments))]);
        if (one[1] == '{')
            one[2] = (char)('k' + i);
        strcat(text, one);
    }
    switch (below(4)) {
    case 0:
        strcat(text, "/**");
        break;
    case 1:
        strcat(text, "/{*rest}");
        break;
    case 2:
        strcat(text, n == 0 || below(3) == 0 ? "/" : "");
        break;
    default:
        if (n == 0)
            strcat(text, "/a");
    }
    return arena_str(&arena, str_of(text));
}

static struct str random_host_pattern(void)
{
    static const char *const hosts[] = {"a.org",    "b.a.org", "*.a.org", "**.a.org", "{s}.a.org",
                                        "**.org",   "a.*",     "**",      "a.org:81", "b*.a.org",
                                        "a.**.org", "c.d",     "**.d",    "*.*",      "x.b.a.org"};

    return str_of(hosts[below(ARRAY_LEN(hosts))]);
}

static struct predicate *add(struct route_match *r, enum config_predicate_kind kind,
                             struct str (*value)(void))
{
    struct config_predicate *c = arena_zalloc(&arena, sizeof(*c));
    struct predicate *p = &r->predicates[r->predicate_count++];
    const char *why = "";

    c->kind = kind;
    c->match_trailing_slash = below(4) != 0;
    c->value_count = 1 + (uint32_t)below(3);
    c->values = arena_zalloc(&arena, c->value_count * sizeof(*c->values));
    for (uint32_t i = 0; i < c->value_count; i++)
        c->values[i] = value();
    if (predicate_compile(c, &arena, p, &why) < 0)
        fail_msg("%s", why);
    return p;
}

static struct str random_method(void)
{
    static const char *const methods[] = {"GET", "POST", "PUT"};

    return str_of(methods[below(3)]);
}

static void random_route(struct route_match *r)
{
    r->predicate_count = 0;
    r->predicates = arena_zalloc(&arena, 5 * sizeof(*r->predicates));
    if (below(4) != 0)
        add(r, PREDICATE_PATH, random_path_pattern);
    if (below(3) == 0)
        add(r, PREDICATE_HOST, random_host_pattern);
    if (below(4) == 0)
        add(r, PREDICATE_METHOD, random_method);
    if (below(10) == 0)
        add(r, PREDICATE_PATH, random_path_pattern);
    if (r->predicate_count == 0)
        add(r, PREDICATE_METHOD, random_method);
}

static struct str random_path(void)
{
    static const char *const segments[] = {"a", "b", "c", "d", "ab", "aa", "abc"};
    char text[128] = "";

    for (uint64_t n = below(5); n > 0; n--) {
        strcat(text, "/");
        strcat(text, segments[below(ARRAY_LEN(segments))]);
    }
    if (text[0] == 0 || below(4) == 0)
        strcat(text, "/");
    return arena_str(&arena, str_of(text));
}

static struct str random_host(void)
{
    static const char *const hosts[] = {"a.org", "b.a.org", "x.b.a.org", "org", "c.d",
                                        "d",     "",        "q.org",     "a.x", "a.x.y.org"};

    return str_of(hosts[below(ARRAY_LEN(hosts))]);
}

static void compare(const struct route_index *ix, const struct route_match *routes, uint32_t count,
                    uint32_t *ret_found)
{
    struct http_head head = {.method_text = random_method()};
    struct match_input in = {
        .head = &head,
        .path = random_path(),
        .host = random_host(),
        .port = below(4) == 0 ? 81 : 80,
        .arena = &arena,
    };
    struct vars by_index, by_scan;
    int32_t a = route_index_find(ix, &in, &by_index);
    int32_t b = route_scan_find(routes, count, &in, &by_scan);

    if (a != b)
        fail_msg(STR_FMT " on " STR_FMT ": index %d, scan %d", STR_ARG(in.path), STR_ARG(in.host),
                 a, b);
    if (a < 0)
        return;
    (*ret_found)++;
    assert_int_equal(by_index.count, by_scan.count);
    for (uint32_t i = 0; i < by_index.count; i++)
        assert_true(str_eq(by_index.items[i].value, by_scan.items[i].value));
}

static void the_index_finds_what_a_scan_finds(void **state)
{
    static struct route_match routes[ROUTES_MAX];
    uint32_t found = 0;

    rng_seed(&rng, 20261122);
    for (int round = 0; round < 400; round++) {
        uint32_t count = 1 + (uint32_t)below(round % 4 == 0 ? ROUTES_MAX : 12);
        struct route_index *ix;

        arena_init(&arena, NULL, 0, SIZE_MAX);
        for (uint32_t i = 0; i < count; i++)
            random_route(&routes[i]);
        ix = route_index_new(routes, count, &arena);
        assert_non_null(ix);
        for (int i = 0; i < 200; i++)
            compare(ix, routes, count, &found);
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t j = 0; j < routes[i].predicate_count; j++)
                predicate_done(&routes[i].predicates[j]);
        }
        arena_done(&arena);
    }
    assert_true(found > 10000); /* or the comparison would say little */
}

/* Many routes cost a request what few do: none of the others is looked at. */
static void a_request_looks_at_few_of_many_routes(void **state)
{
    static struct route_match routes[5000];
    static struct predicate predicates[5000];
    struct config_predicate *config;
    struct http_head head = {.method_text = STR("GET")};
    struct match_input in = {.head = &head, .host = STR("h"), .port = 80, .arena = &arena};
    struct route_index *ix;
    struct vars v;
    const char *why;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    config = arena_zalloc(&arena, ARRAY_LEN(routes) * sizeof(*config));
    for (uint32_t i = 0; i < ARRAY_LEN(routes); i++) {
        config[i] = (struct config_predicate){.kind = PREDICATE_PATH, .value_count = 1};
        config[i].values = arena_zalloc(&arena, sizeof(struct str));
        config[i].values[0] = str_of(arena_printf(&arena, "/s%u/{id}", i));
        assert_int_equal(predicate_compile(&config[i], &arena, &predicates[i], &why), 0);
        routes[i] = (struct route_match){&predicates[i], 1};
    }
    ix = route_index_new(routes, ARRAY_LEN(routes), &arena);
    assert_non_null(ix);
    /* Were the other routes' predicates looked at, this would crash. */
    for (uint32_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (i != 4321) {
            predicate_done(&predicates[i]);
            predicates[i].patterns = NULL;
            predicates[i].pattern_count = 1;
        }
    }
    in.path = STR("/s4321/7");
    assert_int_equal(route_index_find(ix, &in, &v), 4321);
    assert_true(str_eq(vars_get(&v, STR("id")), STR("7")));
    in.path = STR("/s9999/7");
    assert_int_equal(route_index_find(ix, &in, &v), -1);
    predicate_done(&predicates[4321]);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_finds_what_a_scan_finds),
        cmocka_unit_test(a_request_looks_at_few_of_many_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
