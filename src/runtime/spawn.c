/* Birth and death of coroutines. */
#include "runtime/sched.h"

void co_entry(void); /* switch_*.S */

enum {
    COLOUR_STEP = 320, /* tops of equal slots would share one cache set: spread them over 1 KiB, */
    COLOUR_MASK = 1023 /* so that control block and first frames stay within one page */
};

void *spawn_stack_top(const struct co *co)
{
    uintptr_t top = (uintptr_t)co - (co->index * COLOUR_STEP & COLOUR_MASK) - 16;

    return (void *)(top & ~(uintptr_t)15);
}

/* Makes the first switch to co enter co_main(). */
static void prepare_stack(struct co *co)
{
    uintptr_t *sp = spawn_stack_top(co);

#if defined(__x86_64__)
    *--sp = (uintptr_t)co_entry;
    sp -= 6; /* rbp rbx r12 r13 r14 r15, from the top */
    sp[5] = 0;
    sp[4] = 0;
    sp[3] = (uintptr_t)co;
    sp[2] = sp[1] = sp[0] = 0;
#elif defined(__aarch64__)
    sp -= 20; /* x19 ... x30, d8 ... d15, from the bottom */
    memset(sp, 0, 20 * sizeof(*sp));
    sp[0] = (uintptr_t)co;
    sp[11] = (uintptr_t)co_entry;
#else
#error "no context switch for this machine"
#endif
    co->sp = sp;
}

/* What a recycled slot must not keep from its last user. The rest is set by whoever uses it first,
 * or is as it must be when a coroutine has ended (scopes, deadline), or goes on: claim and seq,
 * which count waits, and the timer, which may still be armed with an old ticket and then is only
 * moved. */
static void reset(struct co *co)
{
    /* Written before it is read: a read would first map the page of zeros into a new stack. */
    co->newborn = true;
    __asm__ volatile("" : : : "memory");
    if (unlikely(co->seq == 0)) { /* new, or zeroed by trimming */
        co->index = (uint32_t)(((uintptr_t)co - stack_arena.base) >> stack_arena.shift);
        co->seq = stack_first_seq();
    }
    co->deadline_ns = NS_NEVER;
    co->inherited_ns = NS_NEVER;
    co->parent = NULL;
    co->doomed = false;
    co->wait_reason = WAIT_NONE;
    atomic_store_explicit(&co->claim, (uint64_t)co->seq << 32, memory_order_relaxed);
    atomic_store_explicit(&co->cancelled, false, memory_order_relaxed);
}

static NOINLINE struct co *born_doomed(struct co *co)
{
    scope_doom(co);
    return co;
}

static inline struct co *begin(struct co *co, uint64_t id, const char *name, union co_fn fn,
                               void *arg, int cause)
{
    reset(co);
    co->fn = fn;
    co->arg = arg;
    co->name = name != NULL ? name : "";
    co->born_at = NULL;
    co->cause = (int16_t)cause;
    atomic_store_explicit(&co->id, id, memory_order_relaxed);
    sanitize_born(co);
    prepare_stack(co);
    atomic_store_explicit(&co->live, true, memory_order_release);
    return unlikely(atomic_load(&rt.ending)) ? born_doomed(co) : co;
}

/* Processors take numbers by the batch: the counter that all share is rarely touched. */
static inline bool out_of_ids(const struct p *p)
{
    return p->next_id == p->end_id;
}

static void take_ids(struct p *p)
{
    enum { BATCH = 64 };

    p->next_id = atomic_fetch_add_explicit(&rt.next_ids, BATCH, memory_order_relaxed);
    p->end_id = p->next_id + BATCH;
}

/* Both count the start as well. */
static inline uint64_t next_id(struct p *p)
{
    stat_add(&p->started, 1);
    return ++p->next_id; /* 0 names none */
}

static uint64_t foreign_id(void)
{
    return (1 + atomic_fetch_add(&rt.foreign_started, 1)) | UINT64_C(1) << 63;
}

/* By a foreign thread, or when the processor is out of slots or of numbers. */
static NOINLINE struct co *spawn_slow(struct p *p, const char *name, union co_fn fn, void *arg,
                                      int cause)
{
    struct co *co = stack_get(p != NULL ? &p->stacks : NULL);

    if (co == NULL)
        return NULL;
    if (p != NULL && out_of_ids(p))
        take_ids(p);
    return begin(co, p != NULL ? next_id(p) : foreign_id(), name, fn, arg, cause);
}

/* Calls nothing unless it ends with that, and so saves no register. */
struct co *spawn(struct m *m, const char *name, union co_fn fn, void *arg, int cause)
{
    struct p *p = m != NULL ? m->p : NULL;

    if (unlikely(p == NULL) || unlikely(p->stacks.count == 0) || unlikely(out_of_ids(p)))
        return spawn_slow(p, name, fn, arg, cause);
    return begin(stack_get_cached(&p->stacks), next_id(p), name, fn, arg, cause);
}

struct co *spawn_ended(struct co *co)
{
    /* Blocks are left before fn returns. */
    ASSERT(co->scopes == NULL && co->deadline == NULL && co->unwind.defers == NULL &&
           co->unwind.tries == NULL);
    atomic_store_explicit(&co->live, false, memory_order_release);
    return co->parent != NULL ? scope_child_ended(co) : NULL;
}

/* The last thing, and released: while one takes the place of another, some live; and who counts
 * this end counts the start of what it has started. */
static inline void count_end(struct p *p)
{
    atomic_store_explicit(&p->ended, atomic_load_explicit(&p->ended, memory_order_relaxed) + 1,
                          memory_order_release);
}

static NOINLINE void free_slow(struct m *m, struct co *co)
{
    stack_put(&m->p->stacks, co);
    if (poller_has_starved())
        poller_retry_starved(m);
    count_end(m->p);
}

void spawn_free(struct m *m, struct co *co)
{
    struct p *p = m->p;

    sanitize_dead(co);
    if (unlikely(p->stacks.count >= p->stacks.max) || unlikely(poller_has_starved())) {
        free_slow(m, co);
        return;
    }
    stack_put_cached(&p->stacks, co);
    count_end(p);
}

void spawn_discard(struct m *m, struct co *co)
{
    atomic_store_explicit(&co->live, false, memory_order_release);
    spawn_free(m, co);
}

uint32_t spawn_live_count(void)
{
    uint64_t started, ended = 0;

    for (unsigned i = 0; i < rt.p_count; i++)
        ended += atomic_load(&rt.ps[i]->ended);
    started = atomic_load(&rt.foreign_started); /* all starts after all ends: never too few */
    for (unsigned i = 0; i < rt.p_count; i++)
        started += atomic_load(&rt.ps[i]->started);
    return (uint32_t)(started - ended);
}

static int start(struct m *m, const char *name, void (*fn)(void *arg), void *arg,
                 const void *born_at)
{
    struct co *co = spawn(m, name, (union co_fn){.plain = fn}, arg, CO_PLAIN);

    if (co == NULL)
        return -EAGAIN;
    co->born_at = born_at;
    sched_ready_next(m, co);
    return 0;
}

int weir_go(const char *name, void (*fn)(void *arg), void *arg)
{
    ASSERT(co_self() != NULL); /* from other threads: weir_go_foreign() */
    return start(co_self()->m, name, fn, arg, (char *)__builtin_return_address(0) - 1);
}

int weir_go_foreign(const char *name, void (*fn)(void *arg), void *arg)
{
    return start(m_current(), name, fn, arg, (char *)__builtin_return_address(0) - 1);
}

const char *weir_self_name(void)
{
    struct co *co = co_self();

    return co != NULL ? co->name : "";
}

uint64_t weir_self_id(void)
{
    struct co *co = co_self();

    return co != NULL ? co_id(co) : 0;
}
