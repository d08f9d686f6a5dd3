/* Arena, pool, map, list. */
#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "../cmocka_setup.h"

static void arena_uses_the_callers_memory_first(void **state)
{
    char mem[256] __attribute__((aligned(16)));
    struct arena a;
    char *first, *second;

    arena_init(&a, mem, sizeof(mem), 1024);
    first = arena_alloc(&a, 200);
    second = arena_alloc(&a, 200);
    assert_ptr_equal(first, mem);
    assert_true(second < mem || second >= mem + sizeof(mem));
    assert_int_equal((uintptr_t)second % 16, 0);
    arena_done(&a);
}

static void arena_refuses_beyond_its_bound(void **state)
{
    struct arena a;

    arena_init(&a, NULL, 0, 1000);
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 200));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 10));
    arena_done(&a);
}

static void arena_bound_holds_for_any_sequence(void **state)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct arena a;
        struct rng r;
        size_t given = 0;
        char mem[512];

        rng_seed(&r, seed);
        arena_init(&a, seed & 1 ? mem + seed % 7 : NULL, seed & 1 ? 500 : 0, 20000);
        for (int i = 0; i < 200; i++) {
            size_t size = rng_below(&r, 600);
            char *p = arena_alloc(&a, size);

            if (p == NULL)
                continue;
            memset(p, 0x5a, size);
            given += size;
            assert_true(given <= 20000);
        }
        assert_true(given > 20000 - 2 * 600 - 200 * 15);
        arena_done(&a);
    }
}

static void pool_hands_out_the_warmest_block(void **state)
{
    struct pool p;
    void *a, *b;

    pool_init(&p, 64, 1);
    a = pool_get(&p);
    b = pool_get(&p);
    assert_int_equal(p.live_count, 2);
    pool_put(&p, a);
    pool_put(&p, b); /* beyond keep_max: freed */
    assert_int_equal(p.free_count, 1);
    assert_ptr_equal(pool_get(&p), a);
    pool_put(&p, a);
    assert_int_equal(p.live_count, 0);
    pool_done(&p);
}

/* The map against a plain array, under random inserts, replacements and removals. */
static void map_agrees_with_a_plain_array(void **state)
{
    enum { KEYS = 300 };
    static char names[KEYS][8];
    static int values[2];
    void *expect[KEYS] = {NULL};
    const uint64_t key[2] = {1, 2};
    struct map m;
    struct rng r;
    size_t count = 0, cursor = 0, seen = 0;
    struct str k;
    void *v;

    rng_seed(&r, 42);
    map_init(&m, key, 250);
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof(names[i]), "k%d", i);
    for (int step = 0; step < 20000; step++) {
        size_t i = rng_below(&r, KEYS);

        if (rng_below(&r, 3) == 0) {
            assert_ptr_equal(map_remove(&m, str_of(names[i])), expect[i]);
            count -= expect[i] != NULL;
            expect[i] = NULL;
        } else {
            void *value = &values[rng_below(&r, 2)];
            int rc = map_put(&m, str_of(names[i]), value);

            if (expect[i] == NULL && count == 250) {
                assert_int_equal(rc, -ENOSPC);
                continue;
            }
            assert_int_equal(rc, 0);
            count += expect[i] == NULL;
            expect[i] = value;
        }
        assert_int_equal(m.count, count);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&m, str_of(names[i])), expect[i]);
    while (map_next(&m, &cursor, &k, &v)) {
        assert_ptr_equal(v, expect[atoi(k.ptr + 1)]);
        seen++;
    }
    assert_int_equal(seen, count);
    map_done(&m);
}

/* The value for the empty text is the reference vector of SipHash-1-3 for the key 00 01 .. 0f. */
static void siphash_depends_on_every_byte_and_key(void **state)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    const uint64_t other[2] = {key[0], key[1] ^ 1};
    char text[17] = {0};
    uint64_t base = siphash13(key, str_n(text, 17));

    assert_int_not_equal(base, siphash13(other, str_n(text, 17)));
    assert_int_not_equal(base, siphash13(key, str_n(text, 16)));
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 1;
        assert_int_not_equal(base, siphash13(key, str_n(text, 17)));
        text[i] = 0;
    }
    assert_int_equal(siphash13(key, STR_NULL), UINT64_C(0xabac0158050fc4dc));
}

static void list_remove_twice_is_harmless(void **state)
{
    struct list head, a, b;

    list_init(&head);
    list_push_back(&head, &a);
    list_push_back(&head, &b);
    list_remove(&a);
    list_remove(&a);
    assert_ptr_equal(list_pop_front(&head), &b);
    assert_null(list_pop_front(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_uses_the_callers_memory_first),
        cmocka_unit_test(arena_refuses_beyond_its_bound),
        cmocka_unit_test(arena_bound_holds_for_any_sequence),
        cmocka_unit_test(pool_hands_out_the_warmest_block),
        cmocka_unit_test(map_agrees_with_a_plain_array),
        cmocka_unit_test(siphash_depends_on_every_byte_and_key),
        cmocka_unit_test(list_remove_twice_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
