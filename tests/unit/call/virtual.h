/* Runs a test in a simulated world of its own: virtual time, which moves only when everybody waits,
 * so that times are exact to the nanosecond. */
#ifndef WEIR_TESTS_UNIT_CALL_VIRTUAL_H
#define WEIR_TESTS_UNIT_CALL_VIRTUAL_H

#include "unit/runtime/check.h"
#include "world/sim.h"

/* For TEST_REAL(). */
#define OWN_WORLD "has a world of its own"

static inline void run_virtual(int (*fn)(void *arg), void *arg)
{
    struct world *w = sim_new(1);
    struct weir_options o = {.size = sizeof(o), .world = w, .coroutines_max = TEST_COROUTINES_MAX};

    CHECK_EQ(weir_main(fn, arg, &o), 0);
    sim_free(w);
}

#endif
