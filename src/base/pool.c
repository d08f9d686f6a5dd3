/* The block pool. */
#include "base/pool.h"

#include <stdlib.h>

#include "base/assert.h"

struct pool_block {
    struct pool_block *next;
};

void pool_init(struct pool *p, size_t block_size, uint32_t keep_max)
{
    ASSERT(block_size >= sizeof(struct pool_block));
    *p = (struct pool){.keep_max = keep_max, .block_size = block_size};
}

void pool_done(struct pool *p)
{
    while (p->free != NULL) {
        struct pool_block *b = p->free;

        p->free = b->next;
        free(b);
    }
    p->free_count = 0;
}

void *pool_get(struct pool *p)
{
    struct pool_block *b;

    spin_lock(&p->lock);
    b = p->free;
    if (b != NULL) {
        p->free = b->next;
        p->free_count--;
    }
    spin_unlock(&p->lock);
    if (b == NULL)
        b = malloc(p->block_size);
    if (b != NULL)
        atomic_fetch_add_explicit(&p->live_count, 1, memory_order_relaxed);
    return b;
}

void pool_put(struct pool *p, void *block)
{
    struct pool_block *b = block;
    bool kept;

    if (b == NULL)
        return;
    atomic_fetch_sub_explicit(&p->live_count, 1, memory_order_relaxed);
    spin_lock(&p->lock);
    kept = p->free_count < p->keep_max;
    if (kept) {
        b->next = p->free;
        p->free = b;
        p->free_count++;
    }
    spin_unlock(&p->lock);
    if (!kept)
        free(b);
}
