/* Stacks while their memory is given back: who starts a coroutine at that moment gets one. And in
 * the caches of processors: they grow with what is taken from them. */
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

enum { SLOT_BYTES = 128 * 1024, SLOTS = 4096, MANY = 1000, FEW = 20 };

/* One processor starts what ends on another. */
static void caches_that_only_receive_stay_small(void)
{
    struct stack_cache starts, ends;

    CHECK_EQ(stack_arena_open(SLOT_BYTES, SLOTS, 2), 0);
    starts = ends = (struct stack_cache){.max = stack_cache_limit()};
    for (int i = 0; i < MANY; i++) {
        struct co *co = stack_get(&starts);

        CHECK(co != NULL);
        stack_put(&ends, co);
    }
    CHECK(stack_used_count() <= FEW);
    stack_arena_close();
}

/* A processor that starts many at a time has them at hand the next time. */
static void caches_that_are_emptied_grow(void)
{
    struct stack_cache cache;
    struct co *taken[STACK_CACHE_MAX];

    CHECK_EQ(stack_arena_open(SLOT_BYTES, SLOTS, 1), 0);
    cache = (struct stack_cache){.max = stack_cache_limit()};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < STACK_CACHE_MAX; i++)
            CHECK((taken[i] = stack_get(&cache)) != NULL);
        for (int i = 0; i < STACK_CACHE_MAX; i++)
            stack_put(&cache, taken[i]);
    }
    CHECK_EQ(cache.count, STACK_CACHE_MAX);
    CHECK_EQ(stack_used_count(), STACK_CACHE_MAX);
    stack_arena_close();
}

static const struct test tests[] = {
    TEST(caches_that_only_receive_stay_small),
    TEST(caches_that_are_emptied_grow),
    TEST(starting_while_memory_goes_back_succeeds),
};
RUN_TESTS(tests)
