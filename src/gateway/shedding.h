/* Load shedding of the whole gateway: ten times a second, and only while it is configured, a task
 * looks how the process is doing and feeds one number of pressure (weir/shed.h); each request is
 * asked about with its priority. */
#ifndef WEIR_GATEWAY_SHEDDING_H
#define WEIR_GATEWAY_SHEDDING_H

#include <weir/shed.h>

#include "config/config.h"
#include "gateway/task.h"
#include "telemetry/metric.h"

struct gateway;

struct shedding { /* zero-initialise */
    struct weir_shed shed;
    struct task task;
    bool begun; /* under the gateway's apply_mutex, as is writing the next */
    atomic_bool sampling;
    struct metric *pressure, *refused; /* as long as the gateway */

    /* -- the task's: what the last sample saw -- */
    uint64_t delays, delay_sum_ns;
    uint64_t cpu_ticks;
    int64_t sampled_ns;
};

void shedding_init(struct shedding *s);
void shedding_done(struct shedding *s); /* after it was configured to end */

/* Follows the configuration that is about to be published: starts, changes or ends the sampling. c
 * NULL: ends it. -ENOMEM. */
int shedding_configure(struct gateway *g, const struct config *c) WEIR_PARKS;

/* User and system time in clock ticks from /proc/self/stat, resident pages from /proc/self/statm;
 * 0 when the text is not of that form. */
uint64_t shedding_parse_ticks(struct str stat);
uint64_t shedding_parse_pages(struct str statm);

#endif
