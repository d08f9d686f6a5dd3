/* The bounded bump allocator. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BLOCK_MIN (4 * KIB)

struct arena_block {
    struct arena_block *next;
    char data[] __attribute__((aligned(16)));
};

void arena_init(struct arena *a, void *mem, size_t size, size_t max_bytes)
{
    char *start = (char *)(((uintptr_t)mem + 15) & ~(uintptr_t)15);
    size_t skew = (size_t)(start - (char *)mem);

    *a = (struct arena){.max_bytes = max_bytes & ~(size_t)15};
    if (mem != NULL && size > skew) {
        a->ptr = start;
        a->end = start + ((size - skew) & ~(size_t)15);
    }
}

void arena_done(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *b = a->blocks;

        a->blocks = b->next;
        free(b);
    }
    a->ptr = a->end = NULL;
}

void *arena_grow(struct arena *a, size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    size_t block_size = MAX(need, ARENA_BLOCK_MIN);
    struct arena_block *b;

    if (need < size || need > a->max_bytes - a->used_bytes)
        return NULL;
    b = malloc(sizeof(*b) + block_size);
    if (b == NULL)
        return NULL;
    b->next = a->blocks;
    a->blocks = b;
    a->used_bytes += need;
    /* Keep bumping in whichever block has more room left: a large text must not waste a new one. */
    if (block_size - need > (size_t)(a->end - a->ptr)) {
        a->ptr = b->data + need;
        a->end = b->data + block_size;
    }
    return b->data;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);

    return p != NULL ? memset(p, 0, size) : NULL;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (copy == NULL)
        return STR_NULL;
    if (s.len != 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return str_n(copy, s.len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *out;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    out = arena_alloc(a, (size_t)n + 1);
    if (out == NULL)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(out, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return out;
}
