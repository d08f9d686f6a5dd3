/* The process' bound on open descriptors. */
#ifndef WEIR_CONTROL_FD_LIMIT_H
#define WEIR_CONTROL_FD_LIMIT_H

#include "base/base.h"

/* Raises the soft limit to the hard one and returns what now holds. */
uint64_t fd_limit_raise(void);

/* What a gateway with that many client connections may need: each with a connection to an upstream,
 * and some for listeners, pollers, logs and the admin API. */
uint64_t fd_limit_needed(uint32_t client_connections);

#endif
