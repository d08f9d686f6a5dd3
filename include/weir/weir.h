/* Everything that libweir offers. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/adaptive.h>
#include <weir/breaker.h>
#include <weir/bulkhead.h>
#include <weir/call.h>
#include <weir/chan.h>
#include <weir/counter.h>
#include <weir/diagnose.h>
#include <weir/error.h>
#include <weir/explore.h>
#include <weir/flight.h>
#include <weir/future.h>
#include <weir/http.h>
#include <weir/keyed.h>
#include <weir/limiter.h>
#include <weir/net.h>
#include <weir/panic.h>
#include <weir/pool.h>
#include <weir/retry.h>
#include <weir/runtime.h>
#include <weir/scope.h>
#include <weir/select.h>
#include <weir/shed.h>
#include <weir/signal.h>
#include <weir/sync.h>
#include <weir/throttle.h>
#include <weir/timer.h>

#endif
