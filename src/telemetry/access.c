/* The process' one access sink. */
#include "telemetry/access.h"

_Atomic(struct access_sink *) access_sink_;

void access_set_sink(struct access_sink *s)
{
    atomic_store_explicit(&access_sink_, s, memory_order_release);
}
