/* A panic while a request was served: its request gets a 500 with a cause, its connection ends, and
 * nothing else happens. */
#ifndef WEIR_GATEWAY_MISHAP_H
#define WEIR_GATEWAY_MISHAP_H

#include <weir/panic.h>

#include "gateway/exchange.h"

/* After the steps of serving x were left by a panic: answers, if nothing was sent yet, else cuts
 * the connection. exchange_finish() comes next, as always. */
void exchange_panicked(struct exchange *x, const struct weir_panic_info *info) WEIR_PARKS;

/* Logs it with the request's id and the backtrace. */
void mishap_log(const struct exchange *x, const struct weir_panic_info *info);

#endif
