/* Panics as the runtime's own files see them. */
#ifndef WEIR_RUNTIME_PANIC_H
#define WEIR_RUNTIME_PANIC_H

#include <weir/panic.h>

#include "base/base.h"

/* On the stack that panics, below the frames that it abandons. */
struct panic {
    struct panic *outer; /* that this one has taken the place of */
    const void *address; /* of a fault */
    bool overflow;       /* of the stack */
    struct weir_panic_info info;
};

struct co;

/* Unwinds. Everything in p->info is set but depth. */
NORETURN void panic_run(struct panic *p);

/* Calls fn(arg), which must not park, where there is room: not on the stack of co (NULL: on this
 * one). */
void panic_with_room(struct co *co, void (*fn)(void *arg), void *arg);

/* jump_*.S. try_call() saves its place in *save_sp and calls fn(arg); returns 0, or r when
 * try_return(sp, r) has been called meanwhile with what it saved. stack_call() calls fn(arg) on the
 * stack whose top is sp (16-byte aligned) and comes back. stack_jump() abandons the current stack
 * for that. */
int try_call(void **save_sp, void (*fn)(void *arg), void *arg);
NORETURN void try_return(void *sp, int r);
void stack_call(void *sp, void (*fn)(void *arg), void *arg);
NORETURN void stack_jump(void *sp, void (*fn)(void *arg), void *arg);

#endif
