/* rt_weir TEST WORKERS COUNT: runs one test on libweir and prints what it took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/runtime.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

static const struct test {
    const char *name;
    void (*run)(uint64_t count, unsigned workers);
} tests[] = {
    {"switch", test_switch}, {"spawn", test_spawn},     {"pingpong", test_pingpong},
    {"chan11", test_chan11}, {"chan88", test_chan88},   {"select", test_select},
    {"mutex", test_mutex},   {"rwmutex", test_rwmutex}, {"skynet", test_skynet},
    {"fib", test_fib},       {"timers", test_timers},   {"sleepers", test_sleepers},
    {"memory", test_memory}, {"tasks", test_tasks},     {"pool", test_pool},
    {"echo", test_echo},
};

static const struct test *chosen;
static uint64_t count;
static unsigned workers;

static int run(void *arg)
{
    chosen->run(count, workers);
    return 0;
}

int main(int argc, char **argv)
{
    struct weir_options o = {.size = sizeof(o)};

    for (size_t i = 0; argc == 4 && i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strcmp(tests[i].name, argv[1]) == 0)
            chosen = &tests[i];
    }
    if (chosen == NULL) {
        fprintf(stderr, "usage: rt_weir TEST WORKERS COUNT\n");
        return 2;
    }
    o.workers = workers = (unsigned)atoi(argv[2]);
    count = strtoull(argv[3], NULL, 10);
    return weir_main(run, NULL, &o);
}
