/* Stacks: one reservation of equal, aligned power-of-two slots. The control block of a coroutine is
 * at the top of its slot, so that it is found from any address within, the stack pointer too. */
#ifndef WEIR_RUNTIME_STACK_H
#define WEIR_RUNTIME_STACK_H

#include "runtime/co.h"

enum {
    STACK_CACHE_MAX = 64,
    STACK_PAGE = 4096,
    STACK_INDEX_MAX = 1 << 24, /* what a ticket can name */
};

/* Free slots of one processor. The limit doubles whenever there were too few: where coroutines only
 * end that others have started, a full cache would be memory that is never used again. */
struct stack_cache {
    uint32_t count;
    uint32_t max;
    struct co *slots[STACK_CACHE_MAX];
};

/* Of a coroutine's waits. Not in its control block: the wheel walks over thousands of them, each of
 * which would be on a page of its own. */
struct wait_timer {
    CACHE_ALIGNED struct timer timer;
};

/* What every look for the running coroutine needs; constant while the runtime runs. */
struct stack_arena {
    uintptr_t base; /* 0: closed */
    size_t size;
    uintptr_t mask; /* slot size - 1 */
    unsigned shift;
    uint32_t max;              /* slots */
    struct wait_timer *timers; /* by slot */
    size_t guard_bytes;        /* at the low end of each slot */
    bool unguarded;            /* some slots have no guard: the switch checks the stack pointer */
};

extern HIDDEN struct stack_arena stack_arena;

/* slot_bytes is rounded up to a power of two; processors is how many caches there will be. */
int stack_arena_open(size_t slot_bytes, uint32_t max, unsigned processors);
void stack_arena_close(void);

/* What a cache begins with. */
uint32_t stack_cache_limit(void);

/* What is rare in stack_get() and stack_put(). */
struct co *stack_get_slow(struct stack_cache *cache);
void stack_put_slow(struct stack_cache *cache, struct co *co);

/* The same where the cache is known not to be empty, or not to be full. */
static inline struct co *stack_get_cached(struct stack_cache *cache)
{
    return cache->slots[--cache->count];
}

static inline void stack_put_cached(struct stack_cache *cache, struct co *co)
{
    cache->slots[cache->count++] = co;
}

/* A free slot, its memory as the last user left it or zero. NULL at the limit, or when memory is
 * out. cache may be NULL. */
static inline struct co *stack_get(struct stack_cache *cache)
{
    if (cache != NULL && cache->count > 0)
        return stack_get_cached(cache);
    return stack_get_slow(cache);
}

static inline void stack_put(struct stack_cache *cache, struct co *co)
{
    if (cache->count < cache->max)
        stack_put_cached(cache, co);
    else
        stack_put_slow(cache, co);
}

/* Gives memory of slots that have been free for a while back to the system: at most max of those
 * that nobody used since the call before the last. True: there is more to give back later. */
bool stack_trim(uint32_t max);
/* True when a stack_trim() in a second or so would be of use. */
bool stack_trim_useful(void);

/* After an overflow: opens all of the guard but its last page, so that deferred calls have where to
 * run. Async-signal-safe. */
bool stack_open_spare(struct co *co);
/* Takes it away again, and gives back what lies deeper than frame, unless frame itself is there. */
void stack_close_spare(struct co *co, const void *frame);

uint32_t stack_free_count(void);
/* Slots ever used; all live coroutines have an index below it. */
uint32_t stack_used_count(void);

/* Where a control block that is new, or was zeroed by trimming, begins to count its waits: not
 * where tickets of its former life could still be on their way. */
extern HIDDEN atomic_uint stack_seq_base; /* moves on with every trim */
static inline uint32_t stack_first_seq(void)
{
    return atomic_load_explicit(&stack_seq_base, memory_order_relaxed) + 1;
}

static inline struct co *stack_co(uint32_t index)
{
    return (struct co *)(stack_arena.base + (((uintptr_t)index + 1) << stack_arena.shift) -
                         CO_BYTES);
}

static inline struct timer *co_timer(const struct co *co)
{
    return &stack_arena.timers[co->index].timer;
}

/* Some address on the stack. Not __builtin_frame_address(), for which a function must set up a
 * frame even where it calls nothing. */
static inline uintptr_t stack_pointer(void)
{
    uintptr_t sp;

#if defined(__x86_64__)
    __asm__("mov %%rsp, %0" : "=r"(sp));
#else
    __asm__("mov %0, sp" : "=r"(sp));
#endif
    return sp;
}

/* The coroutine whose stack this is; NULL on a thread's own stack. Never derived from a
 * thread-local variable: compilers keep their addresses across a switch. */
static inline struct co *co_self(void)
{
    uintptr_t sp = stack_pointer();

    if (unlikely(sp - stack_arena.base >= stack_arena.size))
        return NULL;
    sp = (sp | stack_arena.mask) + 1 - CO_BYTES;
    if (sp == 0)
        __builtin_unreachable(); /* or callers test for it once more */
    return (struct co *)sp;
}

/* Lowest address that frames may use. */
static inline char *stack_low(const struct co *co)
{
    return (char *)((uintptr_t)co & ~stack_arena.mask) + stack_arena.guard_bytes;
}

#endif
