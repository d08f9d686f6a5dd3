/* Mutex, readers and writers, condition, semaphore, once, wait group: for coroutines.
 *
 * All are zero-initialised and need no destructor; one may be freed when no call for it is under
 * way any more, that of an unlocker included. Dumps show who holds what a coroutine waits for. */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/runtime.h>

struct weir_mutex {
    uint32_t lock_;
    uint32_t waited_; /* of a weir_rwmutex: when a reader has done so last */
    void *waiters_[2];
    uintptr_t owner_; /* the coroutine that holds it; dumps read it */
};

/* Locks; parks while another coroutine holds it. Not cancellable: waiting for a mutex is waiting
 * for code that runs. Not recursive. Newcomers may overtake who waits, for a millisecond; whom they
 * overtake after that is next. Only coroutines take a mutex; any thread may unlock it. */
WEIR_API void weir_mutex_lock(struct weir_mutex *m) WEIR_PARKS;
/* False when somebody has it, or is about to be given it. */
WEIR_API bool weir_mutex_try_lock(struct weir_mutex *m);
WEIR_API void weir_mutex_unlock(struct weir_mutex *m);

/* Many readers or one writer. While a writer waits no new reader gets in; when it is done, the
 * readers that have waited go first, and then the next writer: neither starves. Not recursive, not
 * for reading either (a writer may stand between). Not cancellable. */
struct weir_rwmutex {
    struct weir_mutex writers_;
    uint32_t state_;
    uint32_t lock_;
    void *waiters_[2];
    uint64_t writer_;
};

WEIR_API void weir_rwmutex_read_lock(struct weir_rwmutex *m) WEIR_PARKS;
WEIR_API bool weir_rwmutex_try_read_lock(struct weir_rwmutex *m);
WEIR_API void weir_rwmutex_read_unlock(struct weir_rwmutex *m);
WEIR_API void weir_rwmutex_lock(struct weir_rwmutex *m) WEIR_PARKS;
/* False also when a reader is there that has met the last writer and is about to wait. */
WEIR_API bool weir_rwmutex_try_lock(struct weir_rwmutex *m);
WEIR_API void weir_rwmutex_unlock(struct weir_rwmutex *m);

/* A condition under a mutex. */
struct weir_cond {
    uint32_t lock_;
    void *waiters_[2];
};

/* Unlocks m, waits for a signal, locks m again; no signal sent after the unlock is missed. The
 * caller looks at what it waits for in a loop. 0; -ECANCELED, -ETIMEDOUT: without a signal; m is
 * locked all the same (and a signal meant for the caller goes to another). */
WEIR_API int weir_cond_wait(struct weir_cond *c, struct weir_mutex *m) WEIR_PARKS;
/* Wakes who has waited longest; all. Need not hold the mutex. From any thread. */
WEIR_API void weir_cond_signal(struct weir_cond *c);
WEIR_API void weir_cond_broadcast(struct weir_cond *c);

/* Counts units; all zeros has none, WEIR_SEMAPHORE(n) begins with n. */
struct weir_semaphore {
    int64_t state_;
    uint32_t lock_;
    void *waiters_[2];
};

#define WEIR_SEMAPHORE(n_)                                                                         \
    {                                                                                              \
        (int64_t)(n_) * 2, 0,                                                                      \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/* Takes n units; parks while there are too few. First come, first served: a large request is not
 * overtaken by small ones. 0; -ECANCELED, -ETIMEDOUT: none were taken. */
WEIR_API int weir_semaphore_acquire(struct weir_semaphore *s, uint32_t n) WEIR_PARKS;
/* False when it would have to wait. */
WEIR_API bool weir_semaphore_try_acquire(struct weir_semaphore *s, uint32_t n);
/* Gives n units, whoever took them. From any thread. Does not park. */
WEIR_API void weir_semaphore_release(struct weir_semaphore *s, uint32_t n);
/* Units that are free now. */
WEIR_API int64_t weir_semaphore_available(const struct weir_semaphore *s);

/* Something that is done once, by whoever comes first. */
struct weir_once {
    uint32_t state_;
    uint32_t lock_;
    void *waiters_[2];
    void *owner_;
};

/* Calls fn(arg) unless a call has been made and has returned; while another makes it, parks until
 * that has returned. 0: fn has returned, here or there; -ECANCELED, -ETIMEDOUT: the scope of the
 * caller ended while it waited for another's call. When fn panics, the panic goes on to its caller
 * and it counts as not called: one of those that wait calls it again. fn must not use o itself. */
WEIR_API int weir_once_do(struct weir_once *o, void (*fn)(void *arg), void *arg) WEIR_PARKS;

struct weir_wait_group {
    int64_t count_;
    uint32_t lock_;
    void *waiters_[2];
};

/* Adds n (which may be negative) to the count; at zero all waiters go on. Below zero: an assert. */
WEIR_API void weir_wait_group_add(struct weir_wait_group *wg, int64_t n);
WEIR_API void weir_wait_group_done(struct weir_wait_group *wg);
/* Parks until the count is zero. 0, -ECANCELED, -ETIMEDOUT. */
WEIR_API int weir_wait_group_wait(struct weir_wait_group *wg) WEIR_PARKS;

#endif
