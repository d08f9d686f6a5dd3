/* A bump allocator freed as a whole, with a hard bound. The first block may be memory of the
 * caller (a coroutine's stack, say); further blocks come from malloc. Not thread-safe. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/text.h"

struct arena {
    char *ptr; /* next free byte of the current block */
    char *end;
    struct arena_block *blocks; /* from malloc, newest first */
    size_t used_bytes;          /* handed out so far */
    size_t max_bytes;
};

/* mem may be NULL with size 0. max_bytes bounds the sum of all allocations. */
void arena_init(struct arena *a, void *mem, size_t size, size_t max_bytes);
void arena_done(struct arena *a);

void *arena_grow(struct arena *a, size_t size); /* the slow path of arena_alloc */

/* 16-byte aligned, not zeroed. NULL when the bound is met or memory is out. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;

    if (likely(need >= size && need <= (size_t)(a->end - a->ptr) &&
               need <= a->max_bytes - a->used_bytes)) {
        char *p = a->ptr;

        a->ptr += need;
        a->used_bytes += need;
        return p;
    }
    return arena_grow(a, size);
}

void *arena_zalloc(struct arena *a, size_t size);

/* A copy of s, followed by a terminator; STR_NULL when the arena is full. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
