/* The runtime as the layers above it see it, beyond what <weir/...> offers to everybody. */
#ifndef WEIR_RUNTIME_RUNTIME_H
#define WEIR_RUNTIME_RUNTIME_H

#include <weir/chan.h>
#include <weir/runtime.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "world/world.h"

/* The world that this runtime runs in. */
struct world *runtime_world(void);

/* Monotonic time as of this scheduling round: cheap, at most one round old. For deadlines and
 * expiry; latencies that people see are taken with weir_now(). */
int64_t runtime_now_coarse(void);

/* Index of the processor that runs the caller, in [0, runtime_processor_count()). May change at the
 * next call that parks; for picking a shard, not for owning one. 0 on foreign threads. */
unsigned runtime_processor_index(void);
unsigned runtime_processor_count(void);

/* A random number from the world's chance (per processor generator; deterministic in simulation).
 */
uint64_t runtime_random(void);

struct runtime_stats {
    uint32_t coroutines_live;
    uint32_t coroutines_parked;
    uint64_t coroutines_started;
    uint64_t steals;
    uint64_t polls; /* world_poll() calls */
    uint64_t poll_events;
    uint64_t timers_fired;
    uint32_t stacks_free;
    uint32_t stacks_total;
    uint32_t run_queue_len;
};

void runtime_get_stats(struct runtime_stats *ret);

/* weir_dump(fd, 0); the same as text, with flags. */
void runtime_dump(int fd);
struct text;
int runtime_dump_text(struct text *out, unsigned flags);

#endif
