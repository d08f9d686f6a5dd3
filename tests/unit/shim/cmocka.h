/* The part of cmocka's interface that the tests of base and world use, for machines that are only
 * emulated and have no cmocka: an assertion that fails says where and aborts. */
#ifndef WEIR_TESTS_SHIM_CMOCKA_H
#define WEIR_TESTS_SHIM_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int shim_fixture_fn(void **state);

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    shim_fixture_fn *setup_func;
    shim_fixture_fn *teardown_func;
    void *initial_state;
};

/* clang-format off */
#define cmocka_unit_test(f) {#f, f, NULL, NULL, NULL}
/* clang-format on */

#define shim_check(x, text)                                                                        \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, text);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define assert_true(x)             shim_check((x), #x)
#define assert_false(x)            shim_check(!(x), "not " #x)
#define assert_null(p)             shim_check((p) == NULL, #p " is NULL")
#define assert_non_null(p)         shim_check((p) != NULL, #p " is not NULL")
#define assert_ptr_equal(a, b)     shim_check((const void *)(a) == (const void *)(b), #a " is " #b)
#define assert_int_equal(a, b)     shim_check((uintmax_t)(a) == (uintmax_t)(b), #a " is " #b)
#define assert_int_not_equal(a, b) shim_check((uintmax_t)(a) != (uintmax_t)(b), #a " is not " #b)
#define assert_in_range(x, low, high)                                                              \
    shim_check((uintmax_t)(x) >= (uintmax_t)(low) && (uintmax_t)(x) <= (uintmax_t)(high),          \
               #x " is from " #low " to " #high)
#define assert_string_equal(a, b)        shim_check(strcmp((a), (b)) == 0, #a " is " #b)
#define assert_memory_equal(a, b, n)     shim_check(memcmp((a), (b), (n)) == 0, #a " is " #b)
#define assert_memory_not_equal(a, b, n) shim_check(memcmp((a), (b), (n)) != 0, #a " is not " #b)

static inline int shim_run(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct CMUnitTest *t = &tests[i];
        void *state = t->initial_state;

        fprintf(stderr, "[ run ] %s\n", t->name);
        if (t->setup_func != NULL)
            shim_check(t->setup_func(&state) == 0, "setup");
        t->test_func(&state);
        if (t->teardown_func != NULL)
            shim_check(t->teardown_func(&state) == 0, "teardown");
    }
    return 0;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    ((void)(setup), (void)(teardown), shim_run((tests), sizeof(tests) / sizeof((tests)[0])))
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                  \
    cmocka_run_group_tests(tests, setup, teardown)

#endif
