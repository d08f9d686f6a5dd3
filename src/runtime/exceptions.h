/* Exceptions of C++ in flight: caught and not yet handled, or thrown and not yet caught. The C++
 * library keeps account of them for each thread; a coroutine that leaves its thread in a handler,
 * or in a destructor on the way to one, takes its account along. */
#ifndef WEIR_RUNTIME_EXCEPTIONS_H
#define WEIR_RUNTIME_EXCEPTIONS_H

#include "base/base.h"

/* As the C++ ABI lays it down (Itanium C++ ABI: exception handling, section 2.2.2). */
struct exceptions {
    void *caught;
    unsigned uncaught;
};

/* There only where the C++ library is. (Its own declaration says const, and is not believed.) */
struct exceptions *__cxa_get_globals(void) __attribute__((weak));

/* Takes the thread's account away when there is something in it. */
bool exceptions_take(struct exceptions *ret);
void exceptions_restore(const struct exceptions *e);

static inline bool exceptions_possible(void)
{
    return unlikely(__cxa_get_globals != NULL);
}

#endif
