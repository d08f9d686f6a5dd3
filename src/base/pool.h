/* Blocks of one size, recycled last-in first-out so that the next user finds them warm. At most
 * keep_max free blocks are kept; the rest goes back to malloc. Thread-safe. */
#ifndef WEIR_BASE_POOL_H
#define WEIR_BASE_POOL_H

#include "base/lock.h"

struct pool {
    struct spinlock lock;
    uint32_t free_count;
    uint32_t keep_max;
    size_t block_size;
    struct pool_block *free;
    atomic_size_t live_count; /* blocks handed out now */
};

void pool_init(struct pool *p, size_t block_size, uint32_t keep_max);
void pool_done(struct pool *p);
void *pool_get(struct pool *p);             /* not zeroed; NULL when memory is out */
void pool_put(struct pool *p, void *block); /* block may be NULL */

#endif
