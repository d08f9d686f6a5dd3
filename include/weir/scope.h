/* Deadlines and scopes.
 *
 * A deadline narrows what the calls inside may take; it nests, and children inherit it:
 *
 *     WEIR_DEADLINE(weir_now() + 800 * WEIR_MS) {
 *         n = stream_read(s, data, size);          // -ETIMEDOUT when it takes longer
 *     }
 *
 * A scope owns coroutines: leaving it joins them.
 *
 *     WEIR_SCOPE(s) {
 *         weir_scope_go(s, "pump", pump, &up);
 *         weir_scope_go(s, "pump", pump, &down);
 *     }                                            // both have ended here
 *
 * Children that can fail: the first error cancels the others.
 *
 *     WEIR_SCOPE(s) {
 *         weir_scope_try(s, "left", fetch, &left);    // int fetch(void *arg)
 *         weir_scope_try(s, "right", fetch, &right);
 *         r = weir_scope_wait(s);                     // 0, or the first error
 *     }
 *
 * Leaving either block with break, return or goto is fine; the cleanup runs (and, for a scope,
 * joins after cancelling; running off the end of the block joins without cancelling). Cancellation
 * is sticky: once a scope is cancelled, every call that parks inside it returns -ECANCELED at once.
 */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

#include <weir/runtime.h>

struct weir_deadline {
    struct weir_deadline *parent;
    int64_t at_ns; /* the earliest of this one and its parents */
    bool done;
};

WEIR_API void weir_deadline_enter(struct weir_deadline *d, int64_t at_ns);
WEIR_API void weir_deadline_leave(struct weir_deadline *d);
/* Moves the deadline of a block that is running; a parent's still limits it. */
WEIR_API void weir_deadline_move(struct weir_deadline *d, int64_t at_ns);

/* The deadline that holds for the caller now; INT64_MAX: none. */
WEIR_API int64_t weir_deadline_now(void);

/* The macros store done = false once more where the compiler sees it, so that it knows that the
 * block runs at least once. */
#define WEIR_CAT_(a, b) a##b
#define WEIR_CAT(a, b)  WEIR_CAT_(a, b)

#define WEIR_DEADLINE(at_ns_)                                                                      \
    for (struct weir_deadline WEIR_CAT(weir_deadline_, __LINE__)                                   \
             __attribute__((cleanup(weir_deadline_leave))),                                        \
         *WEIR_CAT(weir_deadline_p_, __LINE__) =                                                   \
             (weir_deadline_enter(&WEIR_CAT(weir_deadline_, __LINE__), (at_ns_)),                  \
              WEIR_CAT(weir_deadline_, __LINE__).done = false,                                     \
                                       &WEIR_CAT(weir_deadline_, __LINE__));                       \
         !WEIR_CAT(weir_deadline_p_, __LINE__)->done;                                              \
         WEIR_CAT(weir_deadline_p_, __LINE__)->done = true)

/* Opaque, on the stack of the coroutine that opened it; only that coroutine may leave it. */
struct weir_scope {
    void *private_[12];
    bool done; /* set by the macro when the block ran to its end */
};

WEIR_API void weir_scope_enter(struct weir_scope *s);
/* Joins the children. When !s->done (the block was left early) cancels them first. Parks,
 * shielded: it always waits until the last child has ended. */
WEIR_API void weir_scope_leave(struct weir_scope *s) WEIR_PARKS;

/* Starts a child; it inherits the caller's deadline and the scope's cancellation. 0, -EAGAIN (as
 * weir_go()), -ECANCELED. Does not park. */
WEIR_API int weir_scope_go(struct weir_scope *s, const char *name, void (*fn)(void *arg),
                           void *arg);
/* The same for a function with a result: the first negative one becomes the error of the scope and
 * cancels everything inside it, siblings and owner. (So does a child that panics, however started,
 * with -ENOTRECOVERABLE.) */
WEIR_API int weir_scope_try(struct weir_scope *s, const char *name, int (*fn)(void *arg),
                            void *arg);
/* The first error of a child so far, or 0. Does not park. */
WEIR_API int weir_scope_error(struct weir_scope *s);
/* Waits until all children have ended and returns the scope's first error, or 0. Shielded, as
 * leaving is: deadline and cancellation reach the children, and so end the wait. */
WEIR_API int weir_scope_wait(struct weir_scope *s) WEIR_PARKS;
/* Cancels everything inside the scope, its owner included. From any coroutine or thread that can
 * be sure that the scope has not been left. Idempotent. Does not park. */
WEIR_API void weir_scope_cancel(struct weir_scope *s);
/* Waits until all children have ended; the scope stays open. 0, -ECANCELED, -ETIMEDOUT. */
WEIR_API int weir_scope_join(struct weir_scope *s) WEIR_PARKS;

/* True when the scope of the caller has been cancelled or its deadline has passed. */
WEIR_API bool weir_cancelled(void);

#define WEIR_SCOPE(s_)                                                                             \
    for (struct weir_scope WEIR_CAT(weir_scope_, __LINE__)                                         \
             __attribute__((cleanup(weir_scope_leave))),                                           \
         *s_ = (weir_scope_enter(&WEIR_CAT(weir_scope_, __LINE__)),                                \
                WEIR_CAT(weir_scope_, __LINE__).done = false, &WEIR_CAT(weir_scope_, __LINE__));   \
         !s_->done; s_->done = true)

#endif
