/* Faults of the processor (SIGSEGV, SIGBUS, SIGFPE, SIGILL): which become panics, and what is told
 * about the others. */
#ifndef WEIR_RUNTIME_FAULT_H
#define WEIR_RUNTIME_FAULT_H

#include <signal.h>

#include "base/base.h"

struct m;
struct co;

struct fault {
    int signo;
    int code;            /* si_code */
    const void *address; /* that was accessed, or of the instruction */
    uintptr_t pc, sp, fp;
    uintptr_t lr;  /* where a function without a frame of its own returns to, perhaps; or 0 */
    struct co *co; /* on whose stack; NULL: none */
    bool overflow; /* of that stack */
};

/* Takes the signals; contain: faults in user code are panics, else only stack overflows are. Does
 * nothing in builds with sanitizers. */
void fault_install(bool contain);
/* All threads but the caller's have ended. Gives the signals back to who had them before. */
void fault_uninstall(void);

/* On each thread of the runtime: a stack for the handlers. */
void fault_begin_thread(struct m *m);

/* The backtrace of f, innermost first; at most max. Async-signal-safe. */
size_t fault_backtrace(const struct fault *f, const void **out, size_t max);

/* crash.c: in the handler, a fault that is not contained, and why. Tells all there is to tell, and
 * returns. */
void crash_report(const struct fault *f, const char *why);

#endif
