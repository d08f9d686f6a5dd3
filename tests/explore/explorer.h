/* Explores lock-free code: a few simulated threads, each a coroutine of a deterministic run
 * (weir/explore.h), and every atomic operation of the code under test a scheduling point
 * (atomics.h).
 *
 * What this models is sequential consistency: each operation takes effect at once, in one order
 * that all see. On top of that, a case may ask for store buffers, which is what x86 does to it: a
 * plain store becomes visible to others some steps later, in order; read-modify-writes and fences
 * wait for that. Weaker orders than x86's (aarch64) are not modelled: nothing here says that an
 * acquire or a release is missing. */
#ifndef WEIR_TESTS_EXPLORE_EXPLORER_H
#define WEIR_TESTS_EXPLORE_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLORER_THREADS_MAX = 6 };

/* begin() sets everything up; then each thread runs once; then check() looks at the outcome. */
struct explorer_case {
    const char *name;
    void (*begin)(void);
    void (*threads[EXPLORER_THREADS_MAX])(void);
    void (*check)(void);
    bool store_buffers;
    unsigned preemptions; /* of the exhaustive search */
    int64_t step_ns;      /* of the same: weir/explore.h */
};

/* EXE [--seeds FIRST COUNT] [--strategy chance|priorities|search] [--schedule TEXT] [CASE] */
int explorer_main(int argc, char **argv, const struct explorer_case *cases, size_t n);

/* For atomics.h and the cases. */
void explorer_step(const char *what, const volatile void *object);
void explorer_yield(void);
/* Which of the simulated threads this is, from 0; -1: begin() or check(). */
int explorer_self(void);
/* Fails the schedule. */
_Noreturn void explorer_fail(const char *file, int line, const char *text);

#define EXPECT(x) ((x) ? (void)0 : explorer_fail(__FILE__, __LINE__, #x))

/* Store buffers. */
void explorer_store(volatile void *to, const void *from, size_t size);
void explorer_load(const volatile void *from, void *to, size_t size);
void explorer_drain(void);     /* the caller's: a fence, a read-modify-write */
void explorer_drain_all(void); /* everybody's: membarrier(2) */

#endif
