/* Where a coroutine that does not run would go on. */
#ifndef WEIR_RUNTIME_BACKTRACE_H
#define WEIR_RUNTIME_BACKTRACE_H

#include "runtime/co.h"

/* Reads what the switch saved at sp, which must lie on co's stack. False when it does not. pc lies
 * inside of the call that left the stack. Whether the values mean anything is for the caller to
 * know: they do if co was off its stack all the while. */
bool backtrace_saved(const struct co *co, uintptr_t sp, const void **ret_pc, const void **ret_fp);

#endif
