/* The thread-local variables of the runtime, all of them. Compilers keep the address of one in a
 * register across a switch of stacks, after which it belongs to another thread; hence functions
 * that are never inlined. Code on a coroutine uses co_self()->m instead. */
#include "runtime/diagnose.h"
#include "runtime/sched.h"

static __thread struct m *this_thread;
static __thread struct unwind this_unwind; /* of its own stack */

NOINLINE struct m *m_this_thread(void)
{
    __asm__ volatile("");
    return this_thread;
}

NOINLINE void m_set_this_thread(struct m *m)
{
    if (m != NULL)
        deadlock_thread_begin();
    else
        deadlock_thread_end();
    this_thread = m;
    __asm__ volatile("");
}

NOINLINE struct unwind *m_this_unwind(void)
{
    __asm__ volatile("");
    return &this_unwind;
}
