/* Mutex and wait group for coroutines. Zero-initialised; no destructor. */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/runtime.h>

struct weir_mutex {
    uint32_t state_;
    uint32_t lock_;
    void *waiters_[2];
    void *owner_; /* the coroutine that holds it, for dumps */
};

/* Locks; parks while another coroutine holds it. Not cancellable: waiting for a mutex is waiting
 * for code that runs. Not recursive. */
WEIR_API void weir_mutex_lock(struct weir_mutex *m) WEIR_PARKS;
WEIR_API bool weir_mutex_try_lock(struct weir_mutex *m);
WEIR_API void weir_mutex_unlock(struct weir_mutex *m);

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
