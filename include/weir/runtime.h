/* Starting and stopping the runtime; coroutines.
 *
 * A coroutine is a function with a stack of its own, run by a scheduler on a few threads
 * (processors). Calls marked WEIR_PARKS may suspend it; the thread then runs another one. Between
 * two such calls a coroutine keeps its thread, after one it may be on another: hold no pthread lock
 * and no address of a thread-local variable (errno is one) across such a call. Every call returns
 * its error as a negative code; never read errno after a call that parks.
 */
#ifndef WEIR_RUNTIME_H
#define WEIR_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

/* Marks a prototype whose function may park the calling coroutine. */
#ifndef WEIR_PARKS
#define WEIR_PARKS
#endif

#define WEIR_US INT64_C(1000)
#define WEIR_MS INT64_C(1000000)
#define WEIR_S  INT64_C(1000000000)

struct world;

struct weir_options {
    size_t size;             /* sizeof(struct weir_options); fields may be added at the end */
    unsigned workers;        /* processors; 0: as many as the CPU affinity allows */
    size_t stack_bytes;      /* per coroutine, virtual; 0: 256 KiB */
    uint32_t coroutines_max; /* 0: 1,048,576 */
    struct world *world;     /* NULL: the real one (others exist inside weir's own tree) */
};

/* Starts the runtime, runs fn(arg) as the first coroutine, and returns its result when it returns;
 * coroutines still alive are then cancelled and joined. options may be NULL. Blocks the thread. One
 * runtime per process at a time. -ENOMEM, -EINVAL, -EMFILE, -EAGAIN (no threads), -EBUSY when one
 * runs already; -EDEADLK when all coroutines wait and nothing can ever wake one (found only with
 * one of the simulated worlds). Threads that are not of the runtime must be done with it, calls
 * included that wake somebody, before fn returns. */
WEIR_API int weir_main(int (*fn)(void *arg), void *arg, const struct weir_options *options);

/* Starts fn(arg) as a coroutine that belongs to nobody; it inherits no deadline and no
 * cancellation. name is for dumps: a literal or text that outlives the coroutine, or NULL. 0, or
 * -EAGAIN: coroutines_max are alive, or there is no memory for a stack. Does not park. Only from a
 * coroutine; from other threads see weir_go_foreign(). */
WEIR_API int weir_go(const char *name, void (*fn)(void *arg), void *arg);

/* The same from a thread that is not part of the runtime, while that runs. */
WEIR_API int weir_go_foreign(const char *name, void (*fn)(void *arg), void *arg);

/* Lets others run. 0, or -ECANCELED / -ETIMEDOUT when the scope of the caller has ended. */
WEIR_API int weir_yield(void) WEIR_PARKS;

/* Sleeps ns nanoseconds, at least. 0, or -ECANCELED, -ETIMEDOUT (a deadline came first). */
WEIR_API int weir_sleep(int64_t ns) WEIR_PARKS;

/* Monotonic nanoseconds, read now. Does not park. */
WEIR_API int64_t weir_now(void);

/* The name and number of the running coroutine; "" and 0 outside. */
WEIR_API const char *weir_self_name(void);
WEIR_API uint64_t weir_self_id(void);

/* Runs fn(arg) on a thread that may block (getaddrinfo, fsync) and returns what it returned.
 * Threads are started as needed, up to 64, and end after 10 s without work; further calls queue.
 * The call cannot be interrupted once it runs: a deadline or cancellation is then reported by the
 * next call that parks. -ECANCELED / -ETIMEDOUT when it did not start, -EAGAIN when there is no
 * thread and none can be started. */
WEIR_API long weir_blocking(long (*fn)(void *arg), void *arg) WEIR_PARKS;

#endif
