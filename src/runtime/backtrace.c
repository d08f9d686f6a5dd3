/* Backtraces by frame pointers: the tree is built with them, and a program that wants its own
 * frames seen is, too (-fno-omit-frame-pointer). */
#include "runtime/backtrace.h"

#include "runtime/sched.h"
#include "runtime/symbol.h"

/* On both machines a frame begins with the caller's frame pointer and the return address. The first
 * frame of a stack holds a zero frame pointer (switch_*.S). */
READS_RACILY size_t symbol_backtrace(const void *pc, const void *fp, uintptr_t lo, uintptr_t hi,
                                     const void **out, size_t max)
{
    uintptr_t at = (uintptr_t)fp;
    size_t n = 0;

    if (pc != NULL && n < max)
        out[n++] = pc;
    while (n < max && at >= lo && at % sizeof(uintptr_t) == 0 && hi >= 2 * sizeof(uintptr_t) &&
           at <= hi - 2 * sizeof(uintptr_t)) {
        const volatile uintptr_t *frame = (const volatile uintptr_t *)at;
        uintptr_t caller_fp = frame[0], return_pc = frame[1];

        if (caller_fp == 0 || return_pc < 4096)
            break;
        out[n++] = (const void *)(return_pc - 1);
        if (caller_fp <= at)
            break; /* stacks grow downwards: callers are above */
        at = caller_fp;
    }
    return n;
}

READS_RACILY bool backtrace_saved(const struct co *co, uintptr_t sp, const void **ret_pc,
                                  const void **ret_fp)
{
    const volatile uintptr_t *saved = (const volatile uintptr_t *)sp;

#if defined(__x86_64__)
    enum { WORDS = 7, FP = 5, PC = 6 };
#else
    enum { WORDS = 20, FP = 10, PC = 11 };
#endif
    if (sp < (uintptr_t)stack_low(co) || sp % sizeof(uintptr_t) != 0 ||
        sp > (uintptr_t)co - WORDS * sizeof(uintptr_t))
        return false;
    *ret_fp = (const void *)saved[FP];
    *ret_pc = (const void *)(saved[PC] - 1);
    return true;
}

READS_RACILY size_t symbol_backtrace_here(const void **out, size_t max)
{
    const void *fp = __builtin_frame_address(0);
    struct co *co = co_self();
    struct m *m;

    if (co != NULL)
        return symbol_backtrace(NULL, fp, (uintptr_t)stack_low(co), (uintptr_t)co, out, max);
    m = m_this_thread();
    if (m == NULL || (uintptr_t)fp - (uintptr_t)m->bounds.low >= m->bounds.size)
        return 0;
    return symbol_backtrace(NULL, fp, (uintptr_t)m->bounds.low,
                            (uintptr_t)m->bounds.low + m->bounds.size, out, max);
}
