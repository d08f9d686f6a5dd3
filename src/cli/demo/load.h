/* The demo's clients: a gentle load through the gateway, and what those clients see of it. */
#ifndef WEIR_CLI_DEMO_LOAD_H
#define WEIR_CLI_DEMO_LOAD_H

#include "base/lock.h"
#include "http/client.h"
#include "telemetry/metric.h"

#define DEMO_CLIENTS 10

struct demo_load {
    struct addr gateway;           /* -- fixed -- */
    struct spinlock lock;          /* -- below: under it -- */
    uint64_t requests, ok, failed; /* failed: no answer, or one with 5xx */
    struct metric_snapshot latency;
};

struct demo_load_counts {
    uint64_t requests, ok, failed;
    struct metric_snapshot latency;
};

/* Starts the clients in the scope; they go on until it is cancelled. */
int demo_load_start(struct demo_load *l, struct weir_scope *scope);
void demo_load_read(struct demo_load *l, struct demo_load_counts *ret);

/* The quantile of what came between two readings. */
int64_t demo_load_quantile(const struct demo_load_counts *before,
                           const struct demo_load_counts *after, double q);

#endif
