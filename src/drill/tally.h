/* What happened in one run, by virtual second. Written by the run, read by the reports. */
#ifndef WEIR_DRILL_TALLY_H
#define WEIR_DRILL_TALLY_H

#include "drill/scenario.h"
#include "telemetry/cause.h"

#define DRILL_EVENTS_MAX 40

/* Of clients: told of the second in which the request began. Of origins: of the second in which it
 * happened. */
struct drill_second {
    uint32_t requests;       /* of clients, first tries only */
    uint32_t ok;             /* of these: ended with a status below 400 */
    uint32_t tries;          /* of clients, all of them */
    uint32_t attempts;       /* requests that reached an origin, health checks apart */
    uint32_t shed;           /* of these: refused since the origin's queue was full */
    uint32_t served, wasted; /* finished by origins; of these: for nobody */
};

struct drill_latencies {
    uint32_t *us; /* unsorted until drill_report_make() */
    uint32_t count, cap;
};

struct drill_event {
    int64_t at_ns; /* of the run */
    const char *text;
};

/* How tries of clients failed. */
enum drill_failure { DRILL_TIMEOUT, DRILL_STATUS, DRILL_CUT, DRILL_FAILURE_MAX };

struct drill_result {
    struct drill_second *seconds;
    uint32_t second_count;
    struct drill_latencies before, after; /* of good answers: begun before the first fault, later */
    uint64_t failures[DRILL_FAILURE_MAX];
    uint64_t causes[CAUSE_MAX]; /* of the gateway's refusals and failures */
    uint64_t retries, retries_over_budget;
    struct drill_event events[DRILL_EVENTS_MAX];
    uint32_t event_count, events_dropped;
    struct arena arena; /* texts of the events */
};

/* Runs variant i from beginning to end. 0 with a result for drill_result_done(), or what went
 * wrong; error, for people, is then set. Blocks the thread, sets up the log of the process and
 * takes the access sink while it runs. Not inside a runtime. */
int drill_run(const struct drill_scenario *s, uint32_t variant, uint64_t seed,
              struct drill_result *ret, struct text *error);
void drill_result_done(struct drill_result *r);

#endif
