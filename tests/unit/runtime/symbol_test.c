/* Names, lines and backtraces. */
#include "runtime/symbol.h"

#include <gnu/libc-version.h>
#include <string.h>

#include "base/base.h"
#include "check.h"
#include "runtime/runtime.h"

int symbol_test_object; /* has a name, too */

static void function_is_named(void)
{
    char text[SYMBOL_TEXT];
    struct symbol s;

    symbol_find((const void *)(uintptr_t)function_is_named, &s);
    CHECK(strcmp(s.function, "function_is_named") == 0);
    CHECK_EQ(s.start, (uintptr_t)function_is_named);
    symbol_describe((const char *)(uintptr_t)function_is_named + 3, text, sizeof(text));
    CHECK(strncmp(text, "function_is_named+0x3 (", 23) == 0);
#if defined(__has_include)
#if __has_include(<elfutils/libdwfl.h>)
    CHECK(strstr(s.file, "symbol_test.c") != NULL);
    CHECK(s.line > 10 && s.line < 30);
#endif
#endif
}

static void object_is_named(void)
{
    struct symbol s;

    symbol_find(&symbol_test_object, &s);
    CHECK(strcmp(s.function, "symbol_test_object") == 0);
}

static void library_function_is_named(void)
{
    struct symbol s;

    symbol_find((const void *)(uintptr_t)strtoul, &s);
    CHECK(s.start != 0 && strncmp(s.function, "strtou", 6) == 0);
    symbol_find((const void *)(uintptr_t)function_is_named, &s); /* after another object */
    CHECK(strcmp(s.function, "function_is_named") == 0);
}

/* Its debugging information is not read, where it is installed. */
static void c_library_is_named_without_lines(void)
{
    struct symbol s;

    symbol_find((const void *)(uintptr_t)gnu_get_libc_version, &s);
    CHECK(strcmp(s.function, "gnu_get_libc_version") == 0);
    CHECK(strstr(s.file, "libc.so") != NULL);
    CHECK_EQ(s.line, 0);
}

static void what_is_nowhere_is_a_number(void)
{
    char text[SYMBOL_TEXT], small[4];

    symbol_describe((const void *)8, text, sizeof(text));
    CHECK(strcmp(text, "0x8") == 0);
    CHECK_EQ(symbol_describe((const void *)(uintptr_t)strtoul, small, sizeof(small)), 0);
    CHECK_EQ(small[0], 0);
}

enum { DEEP = 5 };

static NOINLINE size_t descend(int depth, const void **out, size_t max)
{
    size_t n;

    n = depth == 0 ? symbol_backtrace_here(out, max) : descend(depth - 1, out, max);
    __asm__ volatile("" ::"r"(n)); /* no tail call */
    return n;
}

static size_t frames_named(const char *name, const void *const *pcs, size_t n)
{
    struct symbol s;
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        symbol_find(pcs[i], &s);
        count += strcmp(s.function, name) == 0;
    }
    return count;
}

static int walk(void *arg)
{
    const void *pcs[BACKTRACE_MAX];
    size_t n = descend(DEEP, pcs, BACKTRACE_MAX);
    struct symbol s;

    CHECK_EQ(frames_named("descend", pcs, n), DEEP + 1);
    CHECK_EQ(frames_named("walk", pcs, n), 1);
    symbol_find(pcs[n - 1], &s);
    CHECK(strcmp(s.function, "co_main") == 0);
    CHECK_EQ(descend(DEEP, pcs, 3), 3);
    return 0;
}

static void own_stack_is_walked_to_its_end(void)
{
    run_on(1, walk, NULL);
}

static void nothing_outside_of_the_bounds_is_read(void)
{
    uintptr_t frame[4] = {(uintptr_t)&frame[2], 0x5000, 1, 0x6000};
    const void *pcs[8];
    uintptr_t lo = (uintptr_t)frame, hi = (uintptr_t)(frame + 4);

    CHECK_EQ(symbol_backtrace(NULL, frame, lo, hi, pcs, 8), 2);
    CHECK_EQ((uintptr_t)pcs[0], 0x4fff);
    CHECK_EQ(symbol_backtrace(NULL, frame, lo, hi - 8, pcs, 8), 1);
    CHECK_EQ(symbol_backtrace(NULL, frame, lo + 8, hi, pcs, 8), 0);
    CHECK_EQ(symbol_backtrace(pcs, (char *)frame + 1, lo, hi, pcs, 8), 1);
    frame[0] = 0; /* the first frame of a stack */
    CHECK_EQ(symbol_backtrace(NULL, frame, lo, hi, pcs, 8), 0);
    frame[0] = lo; /* a loop */
    CHECK_EQ(symbol_backtrace(NULL, frame, lo, hi, pcs, 8), 1);
}

static const struct test tests[] = {
    TEST(function_is_named),
    TEST(object_is_named),
    TEST(library_function_is_named),
    TEST(c_library_is_named_without_lines),
    TEST(what_is_nowhere_is_a_number),
    TEST(own_stack_is_walked_to_its_end),
    TEST(nothing_outside_of_the_bounds_is_read),
};

RUN_TESTS(tests)
