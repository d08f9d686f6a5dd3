/* Which function, file and line an address belongs to: remembered, else looked up (symbol_elf.c,
 * symbol_dwarf.c). */
#include "runtime/symbol.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "runtime/sched.h"
#include "runtime/symbol_source.h"

enum {
    REMEMBERED = 1024, /* a power of two */
    PROBES = 8,
    DWARF_STACK = 96 * 1024, /* what libdw may need */
};

static struct {
    pthread_mutex_t lock; /* nothing that is called under it parks */
    struct {
        uintptr_t pc;
        bool complete; /* lines were looked for */
        struct symbol symbol;
    } slots[REMEMBERED];
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool in_signal_handler(void)
{
    stack_t ss;

    return sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK) != 0;
}

/* Stacks of coroutines may be small, and so are those of signal handlers, where in addition the
 * heap may be in disorder. */
static bool may_use_dwarf(void)
{
    const struct co *co = co_self();
    const char *sp = __builtin_frame_address(0);

    if (co != NULL)
        return sp - stack_low(co) >= DWARF_STACK;
    return !in_signal_handler();
}

/* A handler may have interrupted the holder of the lock, and must not wait for it for ever. */
static bool lock_known(void)
{
    int64_t until_ns;

    if (!in_signal_handler())
        return pthread_mutex_lock(&known.lock) == 0;
    until_ns = world_now_ns(world_real()) + NS_PER_SEC;
    while (pthread_mutex_trylock(&known.lock) != 0) {
        if (world_now_ns(world_real()) > until_ns)
            return false;
        sched_yield();
    }
    return true;
}

/* Who blocks does so in the C library as a rule. There the function says it all; to learn the line,
 * where the library's debugging information is installed, libdw needs twelve megabytes. */
static bool named_in_c_library(const struct symbol *s)
{
    Dl_info library;

    return s->function[0] != 0 &&
           dladdr((const void *)(uintptr_t)gnu_get_libc_version, &library) != 0 &&
           strcmp(library.dli_fname, s->file) == 0;
}

static void find(uintptr_t pc, bool lines, struct symbol *ret)
{
    *ret = (struct symbol){0};
    if (!symbol_elf_find(pc, ret))
        return;
    if (lines && !named_in_c_library(ret))
        symbol_dwarf_find(pc, ret);
}

static unsigned slot_of(uintptr_t pc, bool lines, bool *ret_known)
{
    unsigned first = (unsigned)((pc * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % REMEMBERED;

    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = (first + i) % REMEMBERED;

        *ret_known = known.slots[at].pc == pc && (known.slots[at].complete || !lines);
        if (known.slots[at].pc == pc || known.slots[at].pc == 0)
            return at;
    }
    *ret_known = false;
    return first; /* what is there is forgotten */
}

void symbol_find(const void *pc, struct symbol *ret)
{
    bool lines = may_use_dwarf(), is_known;
    unsigned at;

    *ret = (struct symbol){0};
    if (pc == NULL || !lock_known())
        return;
    at = slot_of((uintptr_t)pc, lines, &is_known);
    if (!is_known) {
        find((uintptr_t)pc, lines, &known.slots[at].symbol);
        known.slots[at].pc = (uintptr_t)pc;
        known.slots[at].complete = lines;
    }
    *ret = known.slots[at].symbol;
    pthread_mutex_unlock(&known.lock);
}

bool symbol_is_scaffolding(const struct symbol *s)
{
    static const char *const names[] = {"switch_away", "park",    "park_profiled",  "park_yield",
                                        "park_run",    "co_main", "profile_unlock", "profile_wait"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(s->function, names[i]) == 0)
            return true;
    }
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

size_t symbol_describe(const void *pc, char *out, size_t size)
{
    struct buf b = buf_on(out, size > 0 ? size - 1 : 0);
    struct symbol s;

    if (size == 0)
        return 0;
    symbol_find(pc, &s);
    if (s.start != 0)
        buf_printf(&b, "%s+0x%zx", s.function, (size_t)((uintptr_t)pc - s.start));
    else if (s.function[0] != 0)
        buf_printf(&b, "%s", s.function);
    else
        buf_printf(&b, "%p", pc);
    if (s.line != 0)
        buf_printf(&b, " (%s:%d)", base_name(s.file), s.line);
    else if (s.file[0] != 0)
        buf_printf(&b, " (%s)", base_name(s.file));
    out[b.len] = 0;
    return b.len;
}

void symbol_print(int fd, const char *indent, const void *const *pcs, size_t n)
{
    char text[SYMBOL_TEXT];

    for (size_t i = 0; i < n; i++) {
        symbol_describe(pcs[i], text, sizeof(text));
        dprintf(fd, "%s#%zu %s\n", indent, i, text);
    }
}
