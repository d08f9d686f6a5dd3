/* What a stack has opened that a panic must end: deferred calls and tries. One of these is in each
 * coroutine's control block, and one belongs to each other thread. */
#ifndef WEIR_RUNTIME_UNWIND_H
#define WEIR_RUNTIME_UNWIND_H

#include <stdbool.h>

struct weir_defer;
struct try_frame;
struct panic;

struct unwind {
    struct weir_defer *defers; /* newest first */
    struct try_frame *tries;   /* innermost first */
    struct panic *panic;       /* whose deferred calls run, the latest first */
    bool spare_open;           /* the stack has overflowed into its spare part (stack.h) */
};

#endif
