/* Threads that steal from a run queue while its owner fills and empties it: in the end each item
 * has been taken once. How the owner fills it and what a thief takes is the test's. */
#ifndef WEIR_TESTS_THIEVES_H
#define WEIR_TESTS_THIEVES_H

#include <pthread.h>

#include "check.h"
#include "runtime/runq.h"

enum { ITEMS = 400000 / SLOWER, THIEVES = 3 };

static struct {
    struct runq owner;
    struct co *items; /* only their addresses and links matter */
    atomic_uint *taken;
    atomic_bool done;
    struct co *(*steal)(struct runq *own, struct runq *from);
    struct runq own[THIEVES];
    pthread_t threads[THIEVES];
} loot;

static inline void take(struct co *co)
{
    CHECK(co >= loot.items && co < loot.items + ITEMS);
    CHECK_EQ(atomic_fetch_add(&loot.taken[co - loot.items], 1), 0);
}

static inline void *thief_main(void *arg)
{
    struct runq *own = arg;
    bool last = false;

    while (!last) {
        last = atomic_load(&loot.done); /* then one more look */
        for (struct co *co = loot.steal(own, &loot.owner); co != NULL; co = runq_get(own))
            take(co);
    }
    return NULL;
}

static inline void thieves_start(struct co *(*steal)(struct runq *own, struct runq *from))
{
    memset(&loot, 0, sizeof(loot));
    loot.items = calloc(ITEMS, sizeof(*loot.items));
    loot.taken = calloc(ITEMS, sizeof(*loot.taken));
    loot.steal = steal;
    for (int i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&loot.threads[i], NULL, thief_main, &loot.own[i]), 0);
}

/* The owner takes what is left, and looks that nothing has been lost. */
static inline void thieves_end(void)
{
    struct co *co;

    while ((co = runq_get(&loot.owner)) != NULL)
        take(co);
    atomic_store(&loot.done, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(loot.threads[i], NULL);
    for (int i = 0; i < ITEMS; i++)
        CHECK_EQ(atomic_load(&loot.taken[i]), 1);
    free(loot.taken);
    free(loot.items);
}

#endif
