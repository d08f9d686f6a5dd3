/* Reading what belongs to coroutines that may run meanwhile. */
#ifndef WEIR_RUNTIME_BACKTRACE_H
#define WEIR_RUNTIME_BACKTRACE_H

#include "runtime/co.h"

/* Functions that read what others may be writing, deliberately, and check afterwards. */
#if defined(__clang__)
#define READS_RACILY NOINLINE __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define READS_RACILY                                                                               \
    NOINLINE __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* Reads what the switch saved at sp, which must lie on co's stack. False when it does not. pc lies
 * inside of the call that left the stack. Whether the values mean anything is for the caller to
 * know: they do if co was off its stack all the while. */
bool backtrace_saved(const struct co *co, uintptr_t sp, const void **ret_pc, const void **ret_fp);

#endif
