/* Names and lines of code addresses, and backtraces by frame pointers: what dumps, profiles, panics
 * and crash reports print. Names come from elfutils' libdw, loaded when it is first needed and only
 * if it is there; else from the symbol tables of the executable and its libraries. */
#ifndef WEIR_RUNTIME_SYMBOL_H
#define WEIR_RUNTIME_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SYMBOL_TEXT = 256, /* bytes that hold any description worth printing */
    BACKTRACE_MAX = 64,
};

struct symbol {
    uintptr_t start;    /* of the function; 0: its name is not known */
    char function[128]; /* "" when unknown */
    char file[192];     /* source, or the object when line is 0; "" when unknown */
    int line;           /* 0: unknown */
};

/* Looks up the function that pc lies in. Remembers what it has found. Does not park; takes a lock,
 * reads files and allocates, so it is for reports and never for a hot path. In a signal handler
 * only on the way to a crash: should the lock be held, it gives up after a second. Safe on any
 * stack: where little room is left it does without line numbers. */
void symbol_find(const void *pc, struct symbol *ret);

/* A function of the runtime that is on the stack of everybody who waits, or begins: no news. */
bool symbol_is_scaffolding(const struct symbol *s);

/* "function+0x30 (file.c:123)", "function+0x30 (libx.so)" (so for those of the C library), or
 * "0x7f01 (libx.so)", cut to size - 1 bytes. Returns the length. As symbol_find(). */
size_t symbol_describe(const void *pc, char *out, size_t size);

/* Follows frame pointers from fp, never reading outside of [lo, hi), which must be readable; that
 * the frames change meanwhile does no harm but to the result. out[0] is pc (left out when NULL),
 * the others lie inside of the call instructions, so all of them can be given to symbol_find().
 * Returns how many, at most max. Async-signal-safe. */
size_t symbol_backtrace(const void *pc, const void *fp, uintptr_t lo, uintptr_t hi,
                        const void **out, size_t max);

/* The caller's own stack, innermost frame first, beginning with the caller of this function. On a
 * coroutine or on a thread of the runtime; elsewhere only what can be walked safely (nothing). */
size_t symbol_backtrace_here(const void **out, size_t max);

/* One line per frame: "<indent>#0 function+0x30 (file.c:123)". */
void symbol_print(int fd, const char *indent, const void *const *pcs, size_t n);

#endif
