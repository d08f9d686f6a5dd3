/* A small test harness. Not cmocka: its assertions leave a test by longjmp, which must not cross
 * from a coroutine's stack to another; and these tests also run on machines that lack it. */
#ifndef WEIR_TESTS_CHECK_H
#define WEIR_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include <weir/runtime.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s: CHECK(%s) failed\n", __FILE__, __LINE__, __func__, #x);    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long check_a_ = (long long)(a), check_b_ = (long long)(b);                            \
        if (check_a_ != check_b_) {                                                                \
            fprintf(stderr, "%s:%d: %s: %s is %lld, %s is %lld\n", __FILE__, __LINE__, __func__,   \
                    #a, check_a_, #b, check_b_);                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct test {
    const char *name;
    void (*fn)(void);
};

#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn                                                                                    \
    }

#define RUN_TESTS(tests)                                                                           \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        for (size_t i = 0; i < sizeof(tests) / sizeof((tests)[0]); i++) {                          \
            if (argc > 1 && strcmp(argv[1], (tests)[i].name) != 0)                                 \
                continue;                                                                          \
            fprintf(stderr, "[ run ] %s\n", (tests)[i].name);                                      \
            (tests)[i].fn();                                                                       \
        }                                                                                          \
        return 0;                                                                                  \
    }

#if defined(WEIR_SANITIZED)
#define SLOWER 8 /* stress loops are divided by it */
#else
#define SLOWER 1
#endif

/* A reservation of 256 GiB is nothing to Linux, but the user-mode emulator that runs these tests
 * for other machines keeps a record of every page of it. */
enum { TEST_COROUTINES_MAX = 8192 };

/* Runs fn as the first coroutine on so many workers and checks that it returned 0. */
static inline void run_on(unsigned workers, int (*fn)(void *arg), void *arg)
{
    struct weir_options o = {
        .size = sizeof(o), .workers = workers, .coroutines_max = TEST_COROUTINES_MAX};

    CHECK_EQ(weir_main(fn, arg, &o), 0);
}

static inline void run_on_all(int (*fn)(void *arg), void *arg)
{
    run_on(1, fn, arg);
    run_on(2, fn, arg);
    run_on(4, fn, arg);
    run_on(8, fn, arg);
}

#endif
