/* Stacks while their memory is given back: who starts a coroutine at that moment gets one. */
#include "runtime/stack.h"

#include <pthread.h>

#include <weir/scope.h>

#include "check.h"

enum { ROUNDS = 400 / SLOWER, BURST = 1000, TRIM_AT_ONCE = 64 };

static atomic_bool done;

static void *trim_all_the_time(void *arg)
{
    while (!atomic_load(&done))
        stack_trim(TRIM_AT_ONCE);
    return NULL;
}

static void nothing(void *arg)
{
}

static int start_bursts(void *arg)
{
    pthread_t trimmer;

    CHECK_EQ(pthread_create(&trimmer, NULL, trim_all_the_time, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        WEIR_SCOPE (s) {
            for (int j = 0; j < BURST; j++)
                CHECK_EQ(weir_scope_go(s, "short", nothing, NULL), 0);
        }
    }
    atomic_store(&done, true);
    pthread_join(trimmer, NULL);
    return 0;
}

static void starting_while_memory_goes_back_succeeds(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1};

    CHECK_EQ(weir_main(start_bursts, NULL, &o), 0);
}

static const struct test tests[] = {
    TEST(starting_while_memory_goes_back_succeeds),
};
RUN_TESTS(tests)
