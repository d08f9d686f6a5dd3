/* The arena of stacks: reserved at once, opened in chunks, guarded, recycled last-in first-out,
 * trimmed from the idle path. */
#include "runtime/stack.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/sanitize.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13: no mapping of its own, survives MADV_DONTNEED */
#define MADV_GUARD_REMOVE  103
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD (-10000) /* Linux 6.14 */
#endif

enum {
    CHUNK_SLOTS = 64,        /* opened by one mprotect; neighbours merge into one mapping */
    CACHE_FIRST = 8,         /* slots in a cache, at first */
    BATCH = 32,              /* slots moved between a cache and the pool */
    MPROTECT_GUARDS = 16384, /* two mappings each; the rest of max_map_count is for others */
    TRIM_KEEP = 256,         /* hot slots that are never given back */
    MINIMUM_SLOT = 32 * 1024,
};

struct stack_arena stack_arena;

/* Free slots outside the caches. free[0..cold) have been given back to the system,
 * free[cold..count) still hold memory; the end is used first. */
static struct {
    struct spinlock lock;
    uint32_t opened;  /* slots whose memory is accessible */
    atomic_uint used; /* slots handed out at least once */
    uint32_t *free;
    atomic_uint count;
    atomic_uint cold;
    uint32_t trimming;  /* end of the part whose memory is being given back now; 0: none */
    uint32_t low_water; /* least count since the last trim: what lies below was not needed */
    uint32_t cache_max;
    uint32_t guarded; /* slots below this have a guard by advice */
    uint32_t guards;  /* made with mprotect */
    bool no_guard_advice;
    bool no_batches; /* of advice */
} pool;

atomic_uint stack_seq_base;

/* The guard is large enough to become, less a page, a stack for deferred calls (stack_open_spare).
 */
static size_t guard_of(size_t slot)
{
    return slot >= 128 * KIB ? 8 * STACK_PAGE : 4 * STACK_PAGE;
}

/* Tables with an entry for each slot; memory is used as far as slots are. */
static void *map_table(size_t entry_bytes, uint32_t max)
{
    void *table = mmap(NULL, entry_bytes * max, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return table != MAP_FAILED ? table : NULL;
}

static void unmap_table(void *table, size_t entry_bytes, uint32_t max)
{
    if (table != NULL)
        munmap(table, entry_bytes * max);
}

static bool open_tables(uint32_t max, struct wait_timer **ret_timers)
{
    struct wait_timer *timers = map_table(sizeof(*timers), max);

    memset(&pool, 0, sizeof(pool));
    pool.free = map_table(sizeof(*pool.free), max);
    if (pool.free != NULL && timers != NULL) {
        *ret_timers = timers;
        return true;
    }
    unmap_table(pool.free, sizeof(*pool.free), max);
    unmap_table(timers, sizeof(*timers), max);
    return false;
}

int stack_arena_open(size_t slot_bytes, uint32_t max, unsigned processors)
{
    size_t slot = MINIMUM_SLOT;
    char *map, *base;
    struct wait_timer *timers;

    while (slot < slot_bytes)
        slot *= 2;
    if (max == 0 || max > STACK_INDEX_MAX || slot > ((size_t)1 << 46) / max)
        return -EINVAL;
    map = mmap(NULL, slot * ((size_t)max + 1), PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    base = (char *)(((uintptr_t)map + slot - 1) & ~(uintptr_t)(slot - 1));
    if (base > map)
        munmap(map, (size_t)(base - map));
    if (base < map + slot)
        munmap(base + slot * max, (size_t)(map + slot - base));
    madvise(base, slot * max, MADV_NOHUGEPAGE);
    if (!open_tables(max, &timers)) {
        munmap(base, slot * max);
        return -ENOMEM;
    }
    /* Emulators of user programs take any advice for good and follow none of it. */
    pool.no_guard_advice = madvise(base, STACK_PAGE, -1) == 0;
    pool.no_batches = pool.no_guard_advice || sanitize_slow();
    /* Slots in a cache are out of reach of the other processors: with a small limit, cache none. */
    pool.cache_max = MIN((uint32_t)STACK_CACHE_MAX, max / (8 * MAX(processors, 1u)));
    stack_arena = (struct stack_arena){
        .base = (uintptr_t)base,
        .size = slot * max,
        .mask = slot - 1,
        .shift = (unsigned)__builtin_ctzll(slot),
        .guard_bytes = guard_of(slot),
        .max = max,
        .timers = timers,
    };
    return 0;
}

void stack_arena_close(void)
{
    if (stack_arena.base == 0)
        return;
    munmap((void *)stack_arena.base, stack_arena.size);
    unmap_table(pool.free, sizeof(*pool.free), stack_arena.max);
    unmap_table(stack_arena.timers, sizeof(struct wait_timer), stack_arena.max);
    memset(&pool, 0, sizeof(pool)); /* whoever asks now is at the limit */
    stack_arena = (struct stack_arena){0};
}

uint32_t stack_cache_limit(void)
{
    return MIN((uint32_t)CACHE_FIRST, pool.cache_max);
}

/* The guards of a chunk in one system call, where the kernel can: a call for each would be a third
 * of what a coroutine costs that is the first to use its slot. (The first pages are left to faults,
 * which are no dearer than MADV_POPULATE_WRITE of pages that lie apart.) */
static void guard_chunk(char *first, uint32_t count)
{
    struct iovec guards[CHUNK_SLOTS];

    if (pool.no_batches)
        return;
    for (uint32_t i = 0; i < count; i++)
        guards[i] =
            (struct iovec){first + ((size_t)i << stack_arena.shift), stack_arena.guard_bytes};
    if (syscall(SYS_process_madvise, PIDFD_SELF_THREAD, guards, count, MADV_GUARD_INSTALL, 0) ==
        (ssize_t)(count * stack_arena.guard_bytes))
        pool.guarded = pool.opened + count;
    else
        pool.no_batches = true;
}

/* Under the lock: makes the memory of the next slots accessible. */
static bool open_chunk(void)
{
    uint32_t count = MIN((uint32_t)CHUNK_SLOTS, stack_arena.max - pool.opened);
    char *from = (char *)stack_arena.base + ((size_t)pool.opened << stack_arena.shift);

    if (mprotect(from, (size_t)count << stack_arena.shift, PROT_READ | PROT_WRITE) != 0)
        return false;
    guard_chunk(from, count);
    pool.opened += count;
    return true;
}

/* Where the kernel has no guard advice, the first slots get a guard that is a mapping of its own;
 * the others have none, and the switch checks the stack pointer instead. */
static void install_guard(char *low)
{
    if (!pool.no_guard_advice) {
        if (madvise(low, stack_arena.guard_bytes, MADV_GUARD_INSTALL) == 0)
            return;
        pool.no_guard_advice = true;
        log_debug("stack_guards", "no MADV_GUARD_INSTALL: guard mappings for %d stacks",
                  MPROTECT_GUARDS);
    }
    if (pool.guards < MPROTECT_GUARDS && mprotect(low, stack_arena.guard_bytes, PROT_NONE) == 0)
        pool.guards++;
    else
        stack_arena.unguarded = true;
}

bool stack_open_spare(struct co *co)
{
    char *from = stack_low(co) - stack_arena.guard_bytes + STACK_PAGE;
    size_t size = stack_arena.guard_bytes - STACK_PAGE;

    if (pool.no_guard_advice)
        return mprotect(from, size, PROT_READ | PROT_WRITE) == 0;
    return madvise(from, size, MADV_GUARD_REMOVE) == 0;
}

void stack_close_spare(struct co *co, const void *frame)
{
    char *low = stack_low(co), *keep = (char *)((uintptr_t)frame & ~(uintptr_t)(STACK_PAGE - 1));
    char *from = low - stack_arena.guard_bytes + STACK_PAGE;
    size_t size = stack_arena.guard_bytes - STACK_PAGE;

    if ((const char *)frame < low)
        return;
    co->unwind.spare_open = false;
    keep -= 16 * STACK_PAGE; /* will be wanted again soon */
    madvise(from, (size_t)(MAX(keep, low) - from), MADV_DONTNEED);
    if (pool.no_guard_advice)
        mprotect(from, size, PROT_NONE);
    else
        madvise(from, size, MADV_GUARD_INSTALL);
}

/* Under the lock: a slot never used before. NULL at the limit. */
static struct co *fresh_slot(void)
{
    uint32_t index = atomic_load_explicit(&pool.used, memory_order_relaxed);
    struct co *co;
    char *low;

    if (index == stack_arena.max || (index == pool.opened && !open_chunk()))
        return NULL;
    co = stack_co(index);
    low = (char *)((uintptr_t)co & ~stack_arena.mask);
    if (index >= pool.guarded)
        install_guard(low);
    sanitize_new_stack(low + stack_arena.guard_bytes, low + stack_arena.mask + 1);
    atomic_store_explicit(&pool.used, index + 1, memory_order_release);
    return co;
}

/* Under the lock. */
static struct co *pop_free(void)
{
    uint32_t count = atomic_load_explicit(&pool.count, memory_order_relaxed);

    if (count <= pool.trimming)
        return NULL;
    atomic_store_explicit(&pool.count, --count, memory_order_relaxed);
    pool.low_water = MIN(pool.low_water, count);
    if (count < atomic_load_explicit(&pool.cold, memory_order_relaxed))
        atomic_store_explicit(&pool.cold, count, memory_order_relaxed);
    return stack_co(pool.free[count]);
}

struct co *stack_get_slow(struct stack_cache *cache)
{
    struct co *co;
    uint32_t keep;

    spin_lock(&pool.lock);
    while ((co = pop_free()) == NULL && (co = fresh_slot()) == NULL && pool.trimming != 0) {
        spin_unlock(&pool.lock);
        sched_yield();
        spin_lock(&pool.lock);
    }
    if (cache != NULL)
        cache->max = MIN(2 * cache->max, pool.cache_max);
    /* Not those whose memory is gone, or is on its way. */
    keep = MAX(atomic_load_explicit(&pool.cold, memory_order_relaxed), pool.trimming);
    while (cache != NULL && cache->count < MIN((uint32_t)BATCH, cache->max) &&
           atomic_load_explicit(&pool.count, memory_order_relaxed) > keep)
        cache->slots[cache->count++] = pop_free();
    spin_unlock(&pool.lock);
    return co;
}

/* Under the lock. */
static void push_free(struct co *co)
{
    uint32_t count = atomic_load_explicit(&pool.count, memory_order_relaxed);

    pool.free[count] = (uint32_t)(((uintptr_t)co - stack_arena.base) >> stack_arena.shift);
    atomic_store_explicit(&pool.count, count + 1, memory_order_relaxed);
}

void stack_put_slow(struct stack_cache *cache, struct co *co)
{
    spin_lock(&pool.lock);
    push_free(co);
    while (cache->count > cache->max / 2)
        push_free(cache->slots[--cache->count]);
    spin_unlock(&pool.lock);
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* One call for each run of neighbours: the guards between them survive it. */
static void release_runs(uint32_t *index, uint32_t count)
{
    qsort(index, count, sizeof(*index), by_index);
    for (uint32_t i = 0; i < count; i++) /* the slot's last user may have left it armed */
        timer_cancel(&stack_arena.timers[index[i]].timer);
    for (uint32_t i = 0, j; i < count; i = j) {
        for (j = i + 1; j < count && index[j] == index[j - 1] + 1; j++)
            ;
        madvise((char *)stack_arena.base + ((size_t)index[i] << stack_arena.shift),
                (size_t)(j - i) << stack_arena.shift, MADV_DONTNEED);
    }
}

enum { TRIM_MAX = 1024 };

bool stack_trim(uint32_t max)
{
    uint32_t taken[TRIM_MAX];
    uint32_t count, cold, unused, n;
    bool more;

    spin_lock(&pool.lock);
    count = atomic_load_explicit(&pool.count, memory_order_relaxed);
    cold = atomic_load_explicit(&pool.cold, memory_order_relaxed);
    unused = MIN(pool.low_water, count > TRIM_KEEP ? count - TRIM_KEEP : 0);
    max = MIN(max, (uint32_t)TRIM_MAX);
    n = unused > cold && pool.trimming == 0 ? MIN(unused - cold, max) : 0;
    more = n > 0 && unused > cold + n;
    if (!more)
        pool.low_water = count;
    if (n > 0)
        pool.trimming = cold + n;
    memcpy(taken, pool.free + cold, n * sizeof(*taken));
    spin_unlock(&pool.lock);
    if (n == 0)
        return false;
    atomic_fetch_add_explicit(&stack_seq_base, 1u << 20, memory_order_relaxed);
    release_runs(taken, n);
    spin_lock(&pool.lock);
    atomic_store_explicit(&pool.cold, cold + n, memory_order_relaxed);
    pool.trimming = 0;
    spin_unlock(&pool.lock);
    return more;
}

bool stack_trim_useful(void)
{
    return atomic_load_explicit(&pool.count, memory_order_relaxed) >
           atomic_load_explicit(&pool.cold, memory_order_relaxed) + TRIM_KEEP;
}

uint32_t stack_free_count(void)
{
    return atomic_load_explicit(&pool.count, memory_order_relaxed);
}

uint32_t stack_used_count(void)
{
    return atomic_load_explicit(&pool.used, memory_order_acquire);
}
