/* Deterministic runs: the schedule that is asked for, and a world for it. */
#include "runtime/explore.h"

bool explore_active;

void explore_point_slow(const char *what, const void *object)
{
}

void weir_explore_point(const char *what, const void *object)
{
    explore_point(what, object);
}
