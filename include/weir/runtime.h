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

/* A coroutine that has kept a processor's thread to itself for long without saying so (see
 * weir_block_enter()): it computes without weir_checkpoint(), or sits in a call that blocks. */
struct weir_hog {
    uint64_t id;
    const char *name;
    int64_t held_ns;           /* for how long until now; give or take 10 ms */
    char state;                /* of its thread: R computes, S sleeps, D waits for a disk, ? */
    const char *text;          /* the whole report, lines, as stderr would show it */
    const void *const *frames; /* code addresses, innermost first; may be none */
    size_t frame_count;
};

/* Called on a thread that is not one of the coroutines' and must be back soon. What hog points to
 * is gone afterwards. */
typedef void weir_hog_fn(const struct weir_hog *hog, void *arg);

struct weir_options {
    size_t size;             /* sizeof(struct weir_options); fields may be added at the end */
    unsigned workers;        /* see weir_set_workers(); 0: follow the machine */
    size_t stack_bytes;      /* per coroutine, virtual; 0: 128 KiB */
    uint32_t coroutines_max; /* 0: 1,048,576 */
    struct world *world;     /* NULL: the real one (others exist inside weir's own tree) */
    int64_t hog_ns;          /* who holds a thread so long is reported, and again after ten times
                                as long; 0: 100 ms; negative: never */
    weir_hog_fn *hog_fn;     /* takes the reports; NULL: they go to stderr */
    void *hog_arg;
    bool panic_aborts;   /* a panic that nobody recovers ends the process (weir/panic.h) */
    bool contain_faults; /* SIGSEGV, SIGBUS, SIGFPE and SIGILL in user code are panics (there) */
    unsigned deadlock;   /* enum weir_deadlock (weir/diagnose.h); 0: found where that is safe */
};

/* Starts the runtime, runs fn(arg) as the first coroutine, and returns its result when it returns;
 * coroutines still alive are then cancelled and joined. options may be NULL. Blocks the thread. One
 * runtime per process at a time. -ENOMEM, -EINVAL, -EMFILE, -EAGAIN (no threads), -EBUSY when one
 * runs already; -EDEADLK when all coroutines wait and nothing can ever wake one (weir/diagnose.h
 * says when that is found). Threads that are not of the runtime must call nothing of it any more
 * when fn returns; a call that brought that about, such as the close of a channel, may still be on
 * its way out. */
WEIR_API int weir_main(int (*fn)(void *arg), void *arg, const struct weir_options *options);

/* Starts fn(arg) as a coroutine that belongs to nobody; it inherits no deadline and no
 * cancellation. name is for dumps: a literal or text that outlives the coroutine, or NULL. 0, or
 * -EAGAIN: coroutines_max are alive, or there is no memory for a stack. Does not park. Only from a
 * coroutine; from other threads see weir_go_foreign(). */
WEIR_API int weir_go(const char *name, void (*fn)(void *arg), void *arg);

/* The same from a thread that is not part of the runtime, while that runs. */
WEIR_API int weir_go_foreign(const char *name, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) as a coroutine, from such a thread, which it blocks meanwhile; returns what fn
 * returned. So a thread of another library may use all that parks. -EAGAIN as above;
 * -ENOTRECOVERABLE when fn panicked. */
WEIR_API long weir_call_foreign(const char *name, long (*fn)(void *arg), void *arg);

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

/* The same in place, for calls that seldom block, or not for long: between the two the caller's
 * thread does not count as one that runs coroutines, so that after some 20 us to 10 ms, if others
 * want to run, another thread does. No call that parks between them, and no second enter. The exit
 * may let others run first; it returns nothing, and cancellation is for the next call. Nothing
 * happens outside of coroutines.
 *
 * A call that blocks without a word costs others little more: the runtime finds out after 10 to
 * 15 ms, lets another thread go on, and reports the place (struct weir_hog). */
WEIR_API void weir_block_enter(void);
WEIR_API void weir_block_exit(void) WEIR_PARKS;

/* How many threads run coroutines at a time. weir_set_workers(n) changes it while the runtime runs,
 * from any thread; it takes effect within milliseconds. 0, the default: as many as the process's
 * CPU affinity allows, or fewer if its control group has a smaller CPU quota (rounded up); changes
 * of these are followed. At most 256; more are as good as 256. -ENOTSUP in the simulated world,
 * -ESRCH when no runtime runs. Threads on their way out may add to the number for a moment, and so
 * do those that are stuck (weir_block_enter() and struct weir_hog). */
WEIR_API int weir_set_workers(unsigned n);
/* The number wanted now. 0: no runtime runs. */
WEIR_API unsigned weir_workers(void);

/* What weir_checkpoint() consists of. */
WEIR_API_DATA unsigned weir_checkpoint_wanted;
WEIR_API bool weir_checkpoint_slow(void) WEIR_PARKS;

/* For long computations, and loops that start many coroutines, now and then: lets others run if the
 * caller has run for 5 to 10 ms, or if hundreds wait that were started and have not run yet, and
 * tells whether its scope has ended (cancelled, or past its deadline), if late: it costs one load
 * while there is nothing to do. False outside of coroutines. */
static inline bool weir_checkpoint(void)
{
    return __builtin_expect(__atomic_load_n(&weir_checkpoint_wanted, __ATOMIC_RELAXED) != 0, 0) &&
           weir_checkpoint_slow();
}

#endif
