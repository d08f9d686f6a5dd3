/* Where coroutines wait, who holds them up, and how long they queue for a processor: collecting. */
#ifndef WEIR_RUNTIME_PROFILE_H
#define WEIR_RUNTIME_PROFILE_H

#include <weir/diagnose.h>

#include "base/text.h"
#include "runtime/co.h"
#include "runtime/symbol.h"

enum {
    PROFILE_KINDS = 3,
    PROFILE_FRAMES = 24,
    PROFILE_SITES = 4096,  /* a power of two; at most half of them are used */
    PROFILE_OBJECTS = 256, /* likewise: locks that are told apart */
};

extern HIDDEN atomic_uint profile_kinds; /* that are being collected: enum weir_profile */

/* All that is paid for profiles while none is taken. */
static inline bool profile_on(unsigned kinds)
{
    return unlikely((atomic_load_explicit(&profile_kinds, memory_order_relaxed) & kinds) != 0);
}

/* The running coroutine has waited since then. */
void profile_wait(enum wait_reason reason, const void *object, int64_t since_ns);
/* The running coroutine (or a thread) ends co's wait; if that was one for a lock, it has been in
 * the way. co does not run yet. */
void profile_unlock(const struct co *co);
/* co, which does not run yet, was runnable for so long; each 64th is looked at. */
void profile_delay(const struct co *co, int64_t delay_ns);

/* ---- for those who write profiles ---- */

/* Waits with the same stack and for the same reason. */
struct profile_site {
    uint64_t hash; /* 0: free */
    uint64_t count;
    uint64_t ns;
    uint8_t reason;
    uint8_t frame_count;
    const void *frames[PROFILE_FRAMES];
};

struct profile_object {
    const void *object; /* NULL: free */
    uint64_t count;
    uint64_t ns;
    uint8_t reason;
};

/* One profile. */
struct profile_data {
    int64_t rate_ns;
    int64_t since_ns, until_ns; /* until 0: it still runs */
    uint32_t used;
    struct profile_site lost; /* what found no room; hash is not used */
    struct profile_site sites[PROFILE_SITES];
    struct profile_object objects[PROFILE_OBJECTS];
};

/* Both append to out; sites that are in use are at the front, by time. */
void profile_text(enum weir_profile kind, const struct profile_data *p, struct text *out);
int profile_pprof(enum weir_profile kind, const struct profile_data *p, struct text *out);

#endif
