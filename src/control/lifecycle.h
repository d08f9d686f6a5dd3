/* The life of a gateway process: start, reload, stop.
 *
 *   SIGTERM, SIGINT   stop: no new connections, requests in flight end within shutdown_timeout,
 *                     exit code 0. A second one stops at once: exit code 128 + its number (143,
 *                     130), requests in flight are cut.
 *   SIGHUP            read the file again and apply it; with any mistake the old one stays.
 *                     The access log is opened anew, too.
 *   SIGUSR1           open the access log anew, after a rotation.
 *   SIGQUIT           write every coroutine to standard error and go on. */
#ifndef WEIR_CONTROL_LIFECYCLE_H
#define WEIR_CONTROL_LIFECYCLE_H

#include "base/text.h"

struct lifecycle_options {
    const char *config_path;
    struct str version; /* for weir_build_info */
    bool log_plain;     /* lines for people instead of JSON */
};

/* Runs until a signal ends it. Returns the exit code of the process: 0 after a graceful stop, 1
 * when it could not start (said on standard error). Call it from main(), outside the runtime, with
 * no other thread running. */
int lifecycle_run(const struct lifecycle_options *o);

#endif
