/* Profiles of waiting: bounded tables of stacks, sampled. The sampling and its correction are those
 * of Go's block profile (runtime/mprof.go, blocksampled and saveblockevent). */
#include "runtime/profile.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/backtrace.h"
#include "runtime/sched.h"

enum { DELAY_SAMPLE = 64 };

atomic_uint profile_kinds;

static struct collector {
    struct spinlock lock;
    struct profile_data *data; /* under the lock; never freed once it is there */
} collectors[PROFILE_KINDS];

static int index_of(unsigned kind)
{
    if (kind == WEIR_PROFILE_BLOCK)
        return 0;
    if (kind == WEIR_PROFILE_MUTEX)
        return 1;
    return kind == WEIR_PROFILE_SCHED ? 2 : -EINVAL;
}

/* ---- collecting ---- */

struct sample {
    uint64_t count;
    uint64_t ns;
    uint8_t reason;
    const void *object;
    unsigned frame_count;
    const void *frames[PROFILE_FRAMES];
};

/* Long waits are all taken. Of short ones as many as correspond to their length, and each that is
 * taken stands for those that are not. */
static bool take_sample(struct sample *s, int64_t ns, int64_t rate_ns)
{
    if (ns >= rate_ns || rate_ns <= 1) {
        s->count = 1;
        s->ns = (uint64_t)MAX(ns, 0);
        return true;
    }
    if (ns <= 0 || (int64_t)(runtime_random() % (uint64_t)rate_ns) >= ns)
        return false;
    s->count = (uint64_t)(rate_ns / ns);
    s->ns = (uint64_t)rate_ns;
    return true;
}

static uint64_t hash_of(const struct sample *s)
{
    uint64_t h = s->reason;

    for (unsigned i = 0; i < s->frame_count; i++) {
        h = (h ^ (uintptr_t)s->frames[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h | 1;
}

/* Under the lock. */
static struct profile_site *site_of(struct profile_data *p, const struct sample *s)
{
    uint64_t hash = hash_of(s);
    uint32_t at = (uint32_t)(hash >> 20) % PROFILE_SITES;
    struct profile_site *site;

    for (; (site = &p->sites[at])->hash != 0; at = (at + 1) % PROFILE_SITES) {
        if (site->hash == hash && site->reason == s->reason &&
            site->frame_count == s->frame_count &&
            memcmp(site->frames, s->frames, s->frame_count * sizeof(s->frames[0])) == 0)
            return site;
    }
    if (p->used == PROFILE_SITES / 2)
        return &p->lost;
    p->used++;
    site->hash = hash;
    site->reason = s->reason;
    site->frame_count = (uint8_t)s->frame_count;
    memcpy(site->frames, s->frames, s->frame_count * sizeof(s->frames[0]));
    return site;
}

/* Under the lock. What finds no room within a few steps is not told apart. */
static void count_object(struct profile_data *p, const struct sample *s)
{
    uint32_t at = (uint32_t)(((uintptr_t)s->object * UINT64_C(0x9e3779b97f4a7c15)) >> 40);

    for (uint32_t i = 0; s->object != NULL && i < 8; i++) {
        struct profile_object *o = &p->objects[(at + i) % PROFILE_OBJECTS];

        if (o->object != NULL && o->object != s->object)
            continue;
        o->object = s->object;
        o->reason = s->reason;
        o->count += s->count;
        o->ns += s->ns;
        return;
    }
}

static void record(unsigned kind, const struct sample *s)
{
    struct collector *c = &collectors[index_of(kind)];
    struct profile_site *site;

    spin_lock(&c->lock);
    if (c->data != NULL && profile_on(kind)) {
        site = site_of(c->data, s);
        site->count += s->count;
        site->ns += s->ns;
        count_object(c->data, s);
    }
    spin_unlock(&c->lock);
}

static int64_t rate_of(unsigned kind)
{
    struct collector *c = &collectors[index_of(kind)];
    int64_t rate_ns;

    spin_lock(&c->lock);
    rate_ns = c->data != NULL ? c->data->rate_ns : 1;
    spin_unlock(&c->lock);
    return rate_ns;
}

void profile_wait(enum wait_reason reason, const void *object, int64_t since_ns)
{
    struct sample s = {.reason = (uint8_t)reason, .object = object};

    if (!take_sample(&s, world_now_ns(rt.world) - since_ns, rate_of(WEIR_PROFILE_BLOCK)))
        return;
    s.frame_count = (unsigned)symbol_backtrace_here(s.frames, PROFILE_FRAMES);
    record(WEIR_PROFILE_BLOCK, &s);
}

void profile_unlock(const struct co *co)
{
    struct sample s = {.reason = co->wait_reason, .object = co->wait_object};

    if (s.reason != WAIT_MUTEX && s.reason != WAIT_RWMUTEX_READ && s.reason != WAIT_RWMUTEX_WRITE)
        return;
    if (!take_sample(&s, world_now_ns(rt.world) - co->wait_since_ns, rate_of(WEIR_PROFILE_MUTEX)))
        return;
    s.frame_count = (unsigned)symbol_backtrace_here(s.frames, PROFILE_FRAMES);
    record(WEIR_PROFILE_MUTEX, &s);
}

void profile_delay(const struct co *co, int64_t delay_ns)
{
    struct sample s = {.count = DELAY_SAMPLE, .ns = (uint64_t)MAX(delay_ns, 0) * DELAY_SAMPLE};
    const void *pc, *fp;

    if (backtrace_saved(co, (uintptr_t)co->sp, &pc, &fp))
        s.frame_count = (unsigned)symbol_backtrace(NULL, fp, (uintptr_t)stack_low(co),
                                                   (uintptr_t)co, s.frames, PROFILE_FRAMES);
    if (s.frame_count == 0) { /* it has not begun */
        s.frames[0] = (const void *)(uintptr_t)co->fn.plain;
        s.frame_count = 1;
    }
    record(WEIR_PROFILE_SCHED, &s);
}

/* ---- starting, stopping, writing ---- */

static int begin(unsigned kind, int64_t rate_ns)
{
    struct collector *c = &collectors[index_of(kind)];
    struct profile_data *fresh;

    if (profile_on(kind))
        return 0;
    fresh = mmap(NULL, sizeof(*fresh), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fresh == MAP_FAILED)
        return -ENOMEM;
    fresh->rate_ns = MAX(rate_ns, 1);
    fresh->since_ns = world_now_ns(runtime_world());
    spin_lock(&c->lock);
    if (c->data != NULL) {
        struct profile_data *old = c->data;

        c->data = fresh;
        fresh = old;
    } else {
        c->data = fresh;
        fresh = NULL;
    }
    spin_unlock(&c->lock);
    if (fresh != NULL)
        munmap(fresh, sizeof(*fresh));
    atomic_fetch_or(&profile_kinds, kind);
    return 0;
}

int weir_profile_start(unsigned kinds, int64_t rate_ns)
{
    int r = 0;

    if (kinds == 0 || kinds >= 1U << PROFILE_KINDS)
        return -EINVAL;
    for (unsigned kind = 1; kind < 1U << PROFILE_KINDS && r == 0; kind <<= 1)
        r = (kinds & kind) != 0 ? begin(kind, rate_ns) : 0;
    return r;
}

void weir_profile_stop(unsigned kinds)
{
    for (unsigned kind = 1; kind < 1U << PROFILE_KINDS; kind <<= 1) {
        struct collector *c = &collectors[index_of(kind)];

        if ((kinds & kind) == 0 || (atomic_fetch_and(&profile_kinds, ~kind) & kind) == 0)
            continue;
        spin_lock(&c->lock);
        if (c->data != NULL)
            c->data->until_ns = world_now_ns(runtime_world());
        spin_unlock(&c->lock);
    }
}

static int most_time_first(const void *a, const void *b)
{
    const struct profile_site *x = a, *y = b;

    if ((x->hash == 0) != (y->hash == 0))
        return x->hash == 0 ? 1 : -1;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

/* A copy that nobody changes, sorted. */
static int copy_data(unsigned kind, struct profile_data **ret)
{
    struct collector *c = &collectors[index_of(kind)];
    struct profile_data *copy = malloc(sizeof(*copy));
    bool any;

    if (copy == NULL)
        return -ENOMEM;
    spin_lock(&c->lock);
    any = c->data != NULL;
    if (any)
        memcpy(copy, c->data, sizeof(*copy));
    spin_unlock(&c->lock);
    if (!any) {
        free(copy);
        return -ENODATA;
    }
    if (copy->until_ns == 0)
        copy->until_ns = world_now_ns(runtime_world());
    qsort(copy->sites, PROFILE_SITES, sizeof(copy->sites[0]), most_time_first);
    *ret = copy;
    return 0;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        bytes += MAX(n, 0);
        size -= (size_t)MAX(n, 0);
    }
    return 0;
}

int weir_profile_write(enum weir_profile kind, int fd, enum weir_profile_format format)
{
    struct profile_data *data;
    struct text out = {0};
    int r;

    if (index_of(kind) < 0 || (format != WEIR_PROFILE_TEXT && format != WEIR_PROFILE_PPROF))
        return -EINVAL;
    r = copy_data(kind, &data);
    if (r < 0)
        return r;
    if (format == WEIR_PROFILE_TEXT)
        profile_text(kind, data, &out);
    else
        r = profile_pprof(kind, data, &out);
    free(data);
    if (r == 0)
        r = out.overflow ? -ENOMEM : write_all(fd, out.ptr, out.len);
    text_done(&out);
    return r;
}
