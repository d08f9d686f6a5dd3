/* Panics, deferred calls, recovery.
 *
 * An error that callers should deal with is a return value. A panic is for what should not happen:
 * a broken assumption, after which this coroutine cannot go on.
 *
 *     static void transfer(void *arg)
 *     {
 *         weir_mutex_lock(&m);
 *         WEIR_DEFER(unlock, &m);              // when this block is left, in whatever way
 *         weir_assert(balance >= amount);      // panics if not
 *         ...
 *     }
 *
 *     struct weir_panic_info info;
 *     if (weir_try(transfer, arg, &info) < 0)  // recovered: we go on here
 *         log("transfer: %s", info.message);
 *
 * What a panic does: it runs the deferred calls of the abandoned blocks, newest first, on top of
 * the stack as it is; ends the deadlines and scopes opened there, each at its turn (the children of
 * a scope are cancelled and joined, so this may park); and goes on behind the nearest weir_try().
 * Without one the coroutine ends, and it alone: a report goes to stderr (weir_set_panic_hook), the
 * statistics count it, and the scope that it belongs to gets the error -ENOTRECOVERABLE. When it is
 * the main coroutine, weir_main() returns that. weir_options.panic_aborts makes every panic that
 * nobody will recover end the process instead, at once and with the whole stack in the core dump.
 *
 * For those who know Go: WEIR_DEFER belongs to the enclosing block, not to the function. There is
 * no recover() to be called from a deferred call; weir_try() is the function whose deferred call
 * recovers. A panic in a deferred call takes the place of the one before and the remaining deferred
 * calls run; weir_panic_again() passes one on. Only calls made with WEIR_DEFER run: variables with
 * the cleanup attribute, other than those of this library's own macros, do not. Locks that are held
 * stay held unless their unlocking is deferred. Not every coroutine's panic ends the process:
 * memory that it has left half changed is for the others to see, as with any recover().
 *
 * A stack overflow in user code is made a panic (-EOVERFLOW), and so are, with
 * weir_options.contain_faults, SIGSEGV, SIGBUS (-EFAULT), SIGFPE (-EDOM) and SIGILL
 * (-ENOTRECOVERABLE), when they arise in the executable's own code on a coroutine's stack; in the C
 * library or in this one they crash the process with a full report, because a lock may be held
 * there. Not in builds with sanitizers, which report such faults themselves.
 *
 * On other threads everything works in the same way but for the end: a panic that nobody recovers
 * there aborts the process. In a function that weir_blocking() runs it is the caller's panic.
 */
#ifndef WEIR_PANIC_H
#define WEIR_PANIC_H

#include <errno.h>

#include <weir/runtime.h>

enum { WEIR_PANIC_MESSAGE = 256, WEIR_PANIC_FRAMES = 24 };

struct weir_panic_info {
    int code;                   /* negative */
    int signo;                  /* of the fault; 0: weir_panic() was called */
    const char *file;           /* where; NULL for a fault */
    int line;                   /* */
    uint64_t coroutine_id;      /* 0: another thread */
    const char *coroutine_name; /* "" there */
    uint64_t depth;             /* panics that this one has taken the place of */
    unsigned frame_count;
    const void *frames[WEIR_PANIC_FRAMES]; /* code addresses, innermost first */
    char message[WEIR_PANIC_MESSAGE];      /* cut when longer */
};

/* Panics. code is negative (any other becomes -ENOTRECOVERABLE). Does not return. */
#define weir_panic(code, ...) weir_panic_at(__FILE__, __LINE__, (code), __VA_ARGS__)

WEIR_API void weir_panic_at(const char *file, int line, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), noreturn)) WEIR_PARKS;

/* Panics anew with what a weir_try() has caught: code, message and backtrace stay. */
WEIR_API void weir_panic_again(const struct weir_panic_info *info)
    __attribute__((noreturn)) WEIR_PARKS;

/* Panics unless x holds. Never compiled out. */
#define weir_assert(x)                                                                             \
    (__builtin_expect(!!(x), 1)                                                                    \
         ? (void)0                                                                                 \
         : weir_panic_at(__FILE__, __LINE__, -ENOTRECOVERABLE, "assertion failed: %s", #x))

/* Runs fn(arg). 0 when it returned; when it panicked, the negative code, and *ret_info tells the
 * rest if it is not NULL. Tries nest. May be used on any thread. Costs a few nanoseconds. */
WEIR_API int weir_try(void (*fn)(void *arg), void *arg,
                      struct weir_panic_info *ret_info) WEIR_PARKS;

/* In a deferred call that runs because of a panic: that panic; NULL otherwise, and inside of a
 * weir_try() there. */
WEIR_API const struct weir_panic_info *weir_panicking(void);

/* WEIR_DEFER(fn, arg): calls fn(arg) when the enclosing block is left: at its end, by return, break
 * or goto, or by a panic. A declaration: it stands where one may stand. Deferred calls of a block
 * run newest first. In a panic they run with the deadline and the scopes that were in force where
 * they were deferred; one that parks is subject to them, so a cancelled coroutine's gets
 * -ECANCELED. */
struct weir_defer {
    struct weir_defer *next;
    void (*fn)(void *arg);
    void *arg;
    void *private_[2];
};

WEIR_API struct weir_defer *weir_defer_push(struct weir_defer *d, void (*fn)(void *arg), void *arg);
WEIR_API void weir_defer_run(struct weir_defer *d);

#define WEIR_DEFER_(id, fn_, arg_)                                                                 \
    struct weir_defer weir_defer_##id __attribute__((cleanup(weir_defer_run), unused)),            \
        *weir_defer_p_##id __attribute__((unused)) =                                               \
            weir_defer_push(&weir_defer_##id, (fn_), (arg_))
#define WEIR_DEFER_AT(id, fn_, arg_) WEIR_DEFER_(id, fn_, arg_)
#define WEIR_DEFER(fn_, arg_)        WEIR_DEFER_AT(__COUNTER__, fn_, arg_)

/* Who reports panics that nobody recovers, instead of the text on stderr; NULL: that again. Called
 * before the deferred calls, on the thread that panics but on a stack with room: it must not park
 * and may not use what belongs to the coroutine. Any thread; holds until the next call. */
typedef void weir_panic_hook(const struct weir_panic_info *info, void *arg);
WEIR_API void weir_set_panic_hook(weir_panic_hook *hook, void *arg);

/* What the report on stderr would be, with the names and lines of the backtrace, to fd. */
WEIR_API void weir_panic_print(int fd, const struct weir_panic_info *info);

#endif
