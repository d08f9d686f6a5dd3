/* Single flight: calls for the same key at the same time are made once and share the result.
 *
 *     static struct weir_flight loads;
 *
 *     static int load_user(void *arg, const char *key, void *ret) { ... slow ... }
 *
 *     r = weir_flight_do(&loads, name, load_user, db, &user, sizeof(user)); */
#ifndef WEIR_FLIGHT_H
#define WEIR_FLIGHT_H

#include <weir/sync.h>

/* Zero-initialised. Holds memory only while there are callers; nothing of it is used when there are
 * none, though the call that they have left may still be ending. */
struct weir_flight {
    struct weir_mutex mutex_;
    void *calls_;
};

/* Makes the value for key in *ret (zeroed before) and returns 0 or more, or a negative error. Runs
 * on a coroutine of its own, without deadline; that is cancelled when all callers have left. */
typedef int weir_flight_fn(void *arg, const char *key, void *ret);

/* Calls fn(arg, key, ...), or waits for the call for this key that is under way, and copies its
 * value to ret (ret_bytes, the same for all that use a key; untouched on error). Returns what fn
 * returned. key is copied. arg must stay valid until fn has returned, which may be after the caller
 * has left. -ECANCELED, -ETIMEDOUT: the caller's scope ended; the others go on waiting, and a call
 * that nobody waits for any more is cancelled and forgotten: the next caller makes a new one.
 * -ENOTRECOVERABLE: fn has panicked. -ENOMEM; -EAGAIN: no coroutine to be had. */
WEIR_API int weir_flight_do(struct weir_flight *f, const char *key, weir_flight_fn *fn, void *arg,
                            void *ret, size_t ret_bytes) WEIR_PARKS;

#endif
