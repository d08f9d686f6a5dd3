/* rt_raw TEST WORKERS COUNT: runs one test on threads, plain calls or bare epoll and prints what it
 * took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/meter.h"
#include "runtime/raw/tests.h"

enum { BRANCHES = 10 };

/* Trees of plain calls: what the work would cost if nothing were concurrent. */
static __attribute__((noinline)) uint64_t skynet(uint64_t number, uint64_t leaves)
{
    uint64_t sum = 0;

    if (leaves == 1)
        return number;
    for (uint64_t i = 0; i < BRANCHES; i++)
        sum += skynet(number + i * (leaves / BRANCHES), leaves / BRANCHES);
    return sum;
}

static void test_skynet(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();
    uint64_t sum = skynet(0, count);

    m = meter_end(m);
    meter_expect(sum == count * (count - 1) / 2, "the sum of the leaves");
    meter_print(m, 1, "");
}

static __attribute__((noinline)) uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void test_fib(uint64_t count, unsigned workers)
{
    struct meter m = meter_begin();
    uint64_t got = fib(count);

    m = meter_end(m);
    meter_expect(got > 0, "the number");
    meter_print(m, 1, "");
}

static const struct test {
    const char *name;
    void (*run)(uint64_t count, unsigned workers);
} tests[] = {
    {"switch", test_switch},   {"spawn", test_spawn},   {"pingpong", test_pingpong},
    {"chan11", test_chan11},   {"chan88", test_chan88}, {"mutex", test_mutex},
    {"rwmutex", test_rwmutex}, {"skynet", test_skynet}, {"fib", test_fib},
    {"echo", test_echo},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 4 && i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strcmp(tests[i].name, argv[1]) == 0) {
            tests[i].run(strtoull(argv[3], NULL, 10), (unsigned)atoi(argv[2]));
            return 0;
        }
    }
    fprintf(stderr, "usage: rt_raw TEST WORKERS COUNT\n");
    return 2;
}
