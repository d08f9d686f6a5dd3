/* Exceptions of C++ move with their coroutine. */
#include "runtime/exceptions.h"

bool exceptions_take(struct exceptions *ret)
{
    struct exceptions *now = __cxa_get_globals();

    if (likely(now->caught == NULL && now->uncaught == 0))
        return false;
    *ret = *now;
    *now = (struct exceptions){NULL, 0};
    return true;
}

/* The thread's account is empty now: whoever ran here before has taken its own along. */
void exceptions_restore(const struct exceptions *e)
{
    *__cxa_get_globals() = *e;
}
