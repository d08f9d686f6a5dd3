/* Makes HTTP/1.1 requests over keep-alive connections and checks every answer. */
#ifndef WEIR_BENCH_LOAD_H
#define WEIR_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

struct load;

enum load_failure {
    LOAD_CONNECT, /* no connection could be had */
    LOAD_STATUS,  /* a status other than 200 */
    LOAD_LENGTH,  /* no Content-Length, or not the expected one, or bytes beyond it */
    LOAD_CLOSED,  /* the connection ended before the answer */
    LOAD_STALLED, /* no answer at all for STALL_NS */
    LOAD_FAILURES,
};

extern const char *const load_failure_names[LOAD_FAILURES];

/* What one run is to do. */
struct load_run {
    uint64_t requests;   /* at most so many */
    uint64_t rate;       /* due so many a second; 0: as fast as they are answered */
    uint64_t window;     /* in flight at most */
    int64_t duration_ns; /* begin none later than this; 0: no limit of time */
    bool awake;          /* poll without sleeping */
};

struct load_result {
    uint64_t requests; /* begun; every one ended ok or as a failure */
    uint64_t ok;
    uint64_t opened; /* connections; in a run on open ones, as many as the server had closed */
    uint64_t failures[LOAD_FAILURES];
    int64_t duration_ns;
    struct histogram latency_ns; /* of the ok ones, from the instant they were due */
};

/* Connections are opened by their first request. Dies when there is no memory. */
struct load *load_new(const char *target, const char *path, uint64_t connections,
                      uint64_t expect_bytes);
void load_free(struct load *load);

/* Makes the requests of a run; the connection idle longest is used next, so N requests on N
 * connections use each once. Returns when all have ended; the connections stay open. */
void load_make(struct load *load, const struct load_run *run, struct load_result *ret_result);

/* From now on no run begins a request; safe in a signal handler. */
void load_end(void);

#endif
