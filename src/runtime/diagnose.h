/* What the scheduler and its monitor call for those who look for what blocks. */
#ifndef WEIR_RUNTIME_DIAGNOSE_H
#define WEIR_RUNTIME_DIAGNOSE_H

#include <weir/diagnose.h>

#include "runtime/co.h"

/* trace.c: WEIR_DEBUG=schedtrace=MS. The monitor calls trace_tick() whenever it is awake; it prints
 * one line to stderr when one is due. trace_wait_ns(): in how long; NS_NEVER when tracing is off.
 * The monitor sleeps no longer than that. */
void trace_begin(int64_t now_ns);
void trace_tick(int64_t now_ns);
int64_t trace_wait_ns(void);

/* deadlock.c: for the monitor, when it finds every processor asleep and would go to sleep without a
 * time limit. Looks whether anything can still happen, and if not reports and ends it
 * (runtime_deadlocked()). Returns how long the monitor may sleep before it asks again: NS_NEVER in
 * every program that has a socket, a timer, a signal to wait for. Never called in the simulated
 * world. */
void deadlock_begin(enum weir_deadlock mode);
int64_t deadlock_check(void);

/* The threads that belong to the runtime: what is not among them is somebody else's and may wake a
 * coroutine. Each counts itself while it runs; the one that weir_main() was called on, too. */
void deadlock_thread_begin(void);
void deadlock_thread_end(void);

/* sigquit.c: SIGQUIT belongs to weir_dump_on_sigquit(). */
bool sigquit_dumps(void);

#endif
