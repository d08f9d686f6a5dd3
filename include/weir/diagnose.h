/* Finding what blocks: dumps, deadlocks, profiles, statistics. Nothing here parks. */
#ifndef WEIR_DIAGNOSE_H
#define WEIR_DIAGNOSE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/visibility.h>

/* ---- dumps ---- */

enum weir_dump_flags {
    WEIR_DUMP_JSON = 1,      /* one JSON object instead of text */
    WEIR_DUMP_ALL = 2,       /* each coroutine by itself, not grouped */
    WEIR_DUMP_NO_STACKS = 4, /* states only */
};

/* Writes what every coroutine does to fd. First the lock cycles, if there are any; then the
 * coroutines, those with the same state and the same stack as one group (how many, their numbers,
 * the longest wait, the stack with names and lines), the largest group of waiting ones first. The
 * coroutines may run meanwhile: each line is true of some moment, not all of the same. Any thread.
 * 0, -ENOMEM, or the error of a write. Text is for people and may change; JSON gains members. */
WEIR_API int weir_dump(int fd, unsigned flags);

/* From now on SIGQUIT makes the process write weir_dump(2, 0) and go on. SIGQUIT is blocked in the
 * calling thread and those that it starts, and taken by a thread of its own, so the dump comes even
 * when all others are stuck. main() calls this before weir_main() and before it starts threads.
 * weir_signal_wait() then does not return SIGQUIT. 0, or -EAGAIN: no thread can be started. */
WEIR_API int weir_dump_on_sigquit(void);

/* ---- deadlocks ---- */

/* Go's rule: all coroutines wait for each other, and there is no timer, no socket, no signal, no
 * blocking call that could wake one. Then the state is dumped to stderr, everybody is cancelled, so
 * that cleanups run, and weir_main() returns -EDEADLK. */
enum weir_deadlock {
    WEIR_DEADLOCK_AUTO = 0, /* found while the process has no threads but the runtime's: those of
                               others might still wake somebody */
    WEIR_DEADLOCK_ALWAYS,   /* the program's other threads never wake anybody */
    WEIR_DEADLOCK_OFF,
};

/* What a program's main() returns for the result of weir_main(): 2 for a deadlock, 1 for another
 * error, else the lower seven bits of the result. */
static inline int weir_exit_status(int result)
{
    if (result >= 0)
        return result & 0x7f;
    return result == -EDEADLK ? 2 : 1;
}

/* ---- profiles ---- */

enum weir_profile {
    WEIR_PROFILE_BLOCK = 1, /* where coroutines wait, why, how often, how long */
    WEIR_PROFILE_MUTEX = 2, /* who held a lock while others waited: stacks of the unlockers */
    WEIR_PROFILE_SCHED = 4, /* from runnable to running: by where they had waited */
};

enum weir_profile_format {
    WEIR_PROFILE_TEXT,  /* the places with the most time, largest first */
    WEIR_PROFILE_PPROF, /* profile.proto, not compressed: go tool pprof FILE reads it */
};

/* Begins to collect (kinds: enum weir_profile, or-ed), from zero for those that were off. A wait of
 * rate_ns or longer is always recorded, a shorter one with probability wait / rate_ns and then
 * counted for as many as it stands for, so that totals are right on average; 0 or 1 records all.
 * 10,000 costs little. Of WEIR_PROFILE_SCHED every 64th wake-up is recorded, whatever the rate.
 * -EINVAL: unknown kinds; -ENOMEM. */
WEIR_API int weir_profile_start(unsigned kinds, int64_t rate_ns);

/* Ends collecting; what has been collected stays readable until the next start. */
WEIR_API void weir_profile_stop(unsigned kinds);

/* Writes one profile to fd, running or stopped. -EINVAL: unknown kind or format; -ENODATA: it was
 * never started; -ENOMEM; the error of a write. */
WEIR_API int weir_profile_write(enum weir_profile kind, int fd, enum weir_profile_format format);

/* ---- statistics ---- */

enum { WEIR_DELAY_BUCKETS = 24 };

/* Counters count from the start of weir_main(). Read without locks: each is right, together they
 * are of slightly different moments. */
struct weir_stats {
    size_t size; /* in: sizeof(struct weir_stats); fields may be added at the end */

    /* Now. */
    uint32_t processors;      /* that may run coroutines */
    uint32_t processors_idle; /* of these, asleep */
    uint32_t threads;         /* of processors, spare ones included */
    uint32_t threads_seeking; /* looking for work of others */
    uint32_t coroutines_live;
    uint32_t coroutines_parked;
    uint32_t run_queue_len; /* runnable and waiting for a processor, in all queues */
    uint32_t global_queue_len;
    uint32_t stacks_free;
    uint32_t stacks_total;
    uint32_t blocking_threads; /* of weir_blocking() */
    uint32_t blocking_queued;  /* calls that wait for one */

    /* Counters. */
    uint64_t coroutines_started;
    uint64_t parks;
    uint64_t steals;
    uint64_t polls; /* system calls that look for events */
    uint64_t poll_events;
    uint64_t timers_fired;
    uint64_t handoffs;      /* a processor's right to run was given on: announced blocking */
    uint64_t substitutions; /* the same, unannounced: the thread was stuck */
    uint64_t hogs;          /* coroutines that ran for longer than their time slice */
    uint64_t panics;        /* that nobody recovered */

    /* From runnable to running, a sample of all: bucket 0 counts delays below 1 us, bucket i those
     * below 2^i us, the last one all others. */
    uint64_t sched_delay[WEIR_DELAY_BUCKETS];
    uint64_t sched_delay_sum_ns;

    /* All weir_pools together. */
    uint32_t pools;
    uint32_t pool_workers;
    uint32_t pool_active;   /* workers that run a task */
    uint32_t pool_queued;   /* tasks that wait */
    uint32_t pool_capacity; /* of the queues */
    uint64_t pool_submitted;
    uint64_t pool_completed;
    uint64_t pool_rejected;
    uint64_t pool_wait_ns; /* that tasks spent in the queues */
};

/* Fills the first stats->size bytes. All zero outside weir_main(). Any thread while it runs. 0, or
 * -EINVAL: size is too small, or of a later version. */
WEIR_API int weir_stats(struct weir_stats *stats);

#endif
