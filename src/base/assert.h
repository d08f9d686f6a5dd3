/* Grades of checking. ASSERT guards our own invariants and is always on; it never sees untrusted
 * bytes (those get an error). ASSERT_HOT is for hot paths: on in builds with sanitizers or with
 * WEIR_HOT_ASSERTS, free elsewhere. NEVER marks a defensive branch. */
#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

#include "base/base.h"

NORETURN void assert_failed(const char *expr, const char *file, int line, const char *func);

/* Called once before the process aborts, to tell the story (a dump of coroutines, for example).
 * It may be NULL. Set at start, before other threads exist. */
typedef void assert_hook_fn(int fd);
void assert_set_hook(assert_hook_fn *hook);

#define ASSERT(x) (likely(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__, __func__))

#if defined(WEIR_SANITIZED) || defined(WEIR_HOT_ASSERTS)
#define ASSERT_HOT(x) ASSERT(x)
#else
#define ASSERT_HOT(x) ((void)sizeof(!(x)))
#endif

/* True when x holds, which it never should: fatal in sanitizer builds, survivable elsewhere. */
#if defined(WEIR_SANITIZED) || defined(WEIR_HOT_ASSERTS)
#define NEVER(x)                                                                                   \
    (unlikely(x) ? (assert_failed("NEVER(" #x ")", __FILE__, __LINE__, __func__), true) : false)
#else
#define NEVER(x) unlikely(x)
#endif

/* Magic numbers at the door of long-lived structs that travel through void pointers. */
#define CHECK_MAGIC(obj, value) ASSERT((obj) != NULL && (obj)->magic == (value))

#endif
