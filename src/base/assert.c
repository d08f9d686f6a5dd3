/* A broken invariant: say which, let the hook tell the rest, abort. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static assert_hook_fn *assert_hook;

void assert_set_hook(assert_hook_fn *hook)
{
    assert_hook = hook;
}

NORETURN void assert_failed(const char *expr, const char *file, int line, const char *func)
{
    static int entered;

    dprintf(STDERR_FILENO, "weir: assertion failed: %s at %s:%d in %s()\n", expr, file, line, func);
    if (assert_hook != NULL && !__atomic_exchange_n(&entered, 1, __ATOMIC_SEQ_CST))
        assert_hook(STDERR_FILENO);
    abort();
}
