/* Reads the control blocks and stacks of all coroutines while they run, and sorts them into groups.
 *
 * What is read of one counts if its claim word (co.h) was the same before and after, and said that
 * it was off its stack: the fields and the stack do not change then. Control blocks and stacks are
 * always readable; what they point to is not followed, but for names and owners of locks, which are
 * read through the kernel, so that memory that is gone is an error and not a crash. */
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/dump.h"
#include "runtime/sync.h"

enum { TRIES = 4 };

struct snapshot {
    uint64_t id;
    enum dump_state state;
    uint8_t reason;
    bool cancelled;
    const void *object;
    uint64_t wait_for_id;
    int64_t since_ns;
    const char *name;
    const void *born_at;
    uint8_t frame_count;
    const void *frames[DUMP_FRAMES];
};

/* Where the system call is missing (emulators) or forbidden, the risk is taken. Up to the 0 of a
 * text. */
READS_RACILY static ssize_t read_directly(const volatile char *from, char *to, size_t size,
                                          bool text)
{
    size_t n = 0;

    while (n < size && (!text || n == 0 || to[n - 1] != 0)) {
        to[n] = from[n];
        n++;
    }
    return (ssize_t)n;
}

/* Bytes that could be read; those behind them are 0. */
static size_t read_safely(const void *from, void *to, size_t size, bool text)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

    if (n < 0 && (errno == ENOSYS || errno == EPERM))
        n = read_directly(from, to, size, text);
    if (n < (ssize_t)size)
        memset((char *)to + MAX(n, 0), 0, size - (size_t)MAX(n, 0));
    return (size_t)MAX(n, 0);
}

/* ---- one coroutine ---- */

READS_RACILY static uint64_t read_claim(struct co *co)
{
    uint64_t c = atomic_load_explicit(&co->claim, memory_order_acquire);

    atomic_thread_fence(memory_order_acquire);
    return c;
}

READS_RACILY static void read_fields(const volatile struct co *co, struct snapshot *s)
{
    s->id = __atomic_load_n((const uint64_t *)(uintptr_t)&co->id, __ATOMIC_RELAXED);
    s->reason = co->wait_reason;
    s->object = co->wait_object;
    s->wait_for_id = co->wait_for_id;
    s->since_ns = co->wait_since_ns;
    s->name = co->name;
    s->born_at = co->born_at;
    s->cancelled = *(const volatile bool *)&co->cancelled;
}

READS_RACILY static void read_stack(struct co *co, struct snapshot *s)
{
    const void *pc, *fp;

    if (backtrace_saved(co, (uintptr_t)co->sp, &pc, &fp)) /* pc is in the switch: leave it out */
        s->frame_count = (uint8_t)symbol_backtrace(NULL, fp, (uintptr_t)stack_low(co),
                                                   (uintptr_t)co, s->frames, DUMP_FRAMES);
}

/* A coroutine whose wait has been claimed has not begun to run again: until it does, the word stays
 * as it is. */
static bool is_off_its_stack(uint64_t claim)
{
    return (claim & (CLAIM_WAITING | CLAIM_RESULT)) != 0;
}

static void snapshot(struct co *co, bool stacks, struct snapshot *s)
{
    ASSERT(co != NULL);
    *s = (struct snapshot){0};
    if (co == co_self()) {
        read_fields(co, s);
        s->state = DUMP_SELF;
        if (stacks)
            s->frame_count = (uint8_t)symbol_backtrace_here(s->frames, DUMP_FRAMES);
        return;
    }
    for (int i = 0; i < TRIES; i++) {
        uint64_t claim = read_claim(co);

        s->frame_count = 0;
        read_fields(co, s);
        s->state = (claim & CLAIM_WAITING) != 0  ? DUMP_WAITING
                   : (claim & CLAIM_RESULT) != 0 ? DUMP_RUNNABLE
                                                 : DUMP_RUNNING;
        if (!is_off_its_stack(claim))
            return;
        if (stacks)
            read_stack(co, s);
        if (read_claim(co) == claim)
            return;
    }
    s->state = DUMP_RUNNING; /* it is busy */
    s->frame_count = 0;
}

/* Who holds the lock now: the lock says so, if it can be read; else who held it when the wait
 * began. Later owners of the memory can make this wrong only if the wait is over, which is looked
 * at. */
static uint64_t holder_of(struct co *co, const struct snapshot *s)
{
    static const uint8_t offsets[WAIT_REASON_MAX] = {
        [WAIT_MUTEX] = offsetof(struct weir_mutex, owner_),
        [WAIT_RWMUTEX_READ] = offsetof(struct weir_rwmutex, writers_.owner_),
        [WAIT_RWMUTEX_WRITE] = offsetof(struct weir_rwmutex, writers_.owner_),
        [WAIT_ONCE] = offsetof(struct weir_once, owner_),
    };
    uint8_t offset = s->reason < WAIT_REASON_MAX ? offsets[s->reason] : 0;
    uintptr_t owner = 0;

    if (s->state != DUMP_WAITING || offset == 0 || (read_claim(co) & CLAIM_WAITING) == 0)
        return 0;
    if (read_safely((const char *)s->object + offset, &owner, sizeof(owner), false) < sizeof(owner))
        return s->wait_for_id;
    owner &= ~(uintptr_t)MUTEX_FLAGS; /* nor is another pointer to a control block odd */
    if (owner == 0)
        return 0; /* free by now, or held by readers */
    if (owner - stack_arena.base >= stack_arena.size ||
        (owner & stack_arena.mask) != stack_arena.mask + 1 - CO_BYTES)
        return s->wait_for_id;
    return co_id((const struct co *)owner);
}

/* ---- tables ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t key_hash(const struct snapshot *s, uint64_t only_id)
{
    uint64_t h = mix(mix(s->state, s->reason), only_id);

    h = mix(mix(h, (uintptr_t)s->name), (uintptr_t)s->born_at);
    for (unsigned i = 0; i < s->frame_count; i++)
        h = mix(h, (uintptr_t)s->frames[i]);
    return h;
}

static bool key_equal(const struct dump_group *g, const struct snapshot *s, uint64_t only_id)
{
    return g->state == s->state && g->reason == s->reason && g->only_id == only_id &&
           g->name_at == s->name && g->born_at == s->born_at && g->frame_count == s->frame_count &&
           memcmp(g->frames, s->frames, s->frame_count * sizeof(s->frames[0])) == 0;
}

static uint32_t group_of(struct dump *d, const struct snapshot *s, uint64_t only_id)
{
    uint32_t at = (uint32_t)key_hash(s, only_id) & (d->table_size - 1);
    struct dump_group *g;

    for (; d->by_key[at] != 0; at = (at + 1) & (d->table_size - 1)) {
        if (key_equal(&d->groups[d->by_key[at] - 1], s, only_id))
            return d->by_key[at] - 1;
    }
    g = &d->groups[d->group_count];
    d->by_key[at] = ++d->group_count;
    g->state = s->state;
    g->reason = s->reason;
    g->only_id = only_id;
    g->name_at = s->name;
    g->born_at = s->born_at;
    g->frame_count = s->frame_count;
    memcpy(g->frames, s->frames, s->frame_count * sizeof(s->frames[0]));
    read_safely(s->name, g->name, sizeof(g->name) - 1, true);
    return d->group_count - 1;
}

static uint32_t id_slot(const struct dump *d, uint64_t id)
{
    uint32_t at = (uint32_t)mix(0, id) & (d->table_size - 1);

    while (d->by_id[at] != 0 && d->entries[d->by_id[at] - 1].id != id)
        at = (at + 1) & (d->table_size - 1);
    return at;
}

struct dump_entry *dump_find(struct dump *d, uint64_t id)
{
    uint32_t found = id != 0 ? d->by_id[id_slot(d, id)] : 0;

    return found != 0 ? &d->entries[found - 1] : NULL;
}

static void add(struct dump *d, const struct snapshot *s, uint64_t holder_id, int64_t now_ns,
                bool each_by_itself)
{
    bool waits = s->state == DUMP_WAITING;
    uint32_t group = group_of(d, s, each_by_itself ? s->id : 0);
    struct dump_group *g = &d->groups[group];
    struct dump_entry *e = &d->entries[d->entry_count];

    *e = (struct dump_entry){.id = s->id, .holder_id = holder_id, .group = group};
    e->object = waits ? s->object : NULL;
    e->waited_ns = waits ? MAX(now_ns - s->since_ns, 0) : 0;
    d->by_id[id_slot(d, e->id)] = ++d->entry_count;
    d->counts[s->state]++;
    if (g->count < DUMP_IDS)
        g->ids[g->count] = e->id;
    if (g->count == 0 || g->object != e->object)
        g->object = g->count == 0 ? e->object : NULL;
    if (g->count == 0 || g->holder_id != holder_id)
        g->holder_id = g->count == 0 ? holder_id : 0;
    g->count++;
    g->cancelled += s->cancelled;
    g->longest_ns = MAX(g->longest_ns, e->waited_ns);
}

/* ---- all of them ---- */

/* Room for as many as there can be; the system gives the pages that are used. */
static int get_memory(struct dump *d)
{
    uint32_t n = MAX(stack_used_count(), 1u);
    char *at;

    d->entry_max = n;
    d->table_size = 2;
    while (d->table_size < 2 * n)
        d->table_size *= 2;
    d->memory_bytes = sizeof(struct dump_out) +
                      n * (sizeof(struct dump_entry) + sizeof(struct dump_group)) +
                      (2 * (size_t)d->table_size + n) * sizeof(uint32_t);
    d->memory = mmap(NULL, d->memory_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (d->memory == MAP_FAILED)
        return -ENOMEM;
    at = d->memory;
    d->out = d->memory;
    at += sizeof(struct dump_out);
    d->entries = (struct dump_entry *)(void *)at;
    at += n * sizeof(struct dump_entry);
    d->groups = (struct dump_group *)(void *)at;
    at += n * sizeof(struct dump_group);
    d->by_key = (uint32_t *)(void *)at;
    d->by_id = d->by_key + d->table_size;
    d->order = d->by_id + d->table_size;
    return 0;
}

static bool comes_before(const struct dump_group *a, const struct dump_group *b)
{
    if ((a->state == DUMP_WAITING) != (b->state == DUMP_WAITING))
        return a->state == DUMP_WAITING;
    if (a->count != b->count)
        return a->count > b->count;
    return a->longest_ns > b->longest_ns;
}

static void sift_down(struct dump *d, uint32_t at, uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        uint32_t *o = d->order, swap;

        if (child + 1 < count && comes_before(&d->groups[o[child]], &d->groups[o[child + 1]]))
            child++;
        if (!comes_before(&d->groups[o[at]], &d->groups[o[child]]))
            return;
        swap = o[at];
        o[at] = o[child];
        o[child] = swap;
    }
}

/* By a heap: qsort() may take memory from the heap. */
static void sort_groups(struct dump *d)
{
    for (uint32_t i = 0; i < d->group_count; i++)
        d->order[i] = i;
    for (uint32_t i = d->group_count / 2; i-- > 0;)
        sift_down(d, i, d->group_count);
    for (uint32_t n = d->group_count; n > 1; n--) {
        uint32_t last = d->order[n - 1];

        d->order[n - 1] = d->order[0];
        d->order[0] = last;
        sift_down(d, 0, n - 1);
    }
}

int dump_collect(struct dump *d, bool open, bool each_by_itself, bool stacks)
{
    int64_t now_ns = world_now_ns(runtime_world());
    struct snapshot s;

    *d = (struct dump){0};
    if (get_memory(d) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; open && i < MIN(stack_used_count(), d->entry_max); i++) {
        struct co *co = stack_co(i);

        if (!atomic_load_explicit(&co->live, memory_order_acquire))
            continue;
        snapshot(co, stacks, &s);
        add(d, &s, holder_of(co, &s), now_ns, each_by_itself);
    }
    sort_groups(d);
    return 0;
}

void dump_done(struct dump *d)
{
    if (d->memory != NULL && d->memory != MAP_FAILED)
        munmap(d->memory, d->memory_bytes);
    *d = (struct dump){0};
}
