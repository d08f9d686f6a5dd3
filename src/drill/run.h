/* One run: the gateway, origins, clients and faults in one virtual world. Inside drill only. */
#ifndef WEIR_DRILL_RUN_H
#define WEIR_DRILL_RUN_H

#include <weir/scope.h>
#include <weir/sync.h>

#include "base/hash.h"
#include "drill/tally.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "telemetry/access.h"

/* What faults make of an origin at an instant. */
struct drill_ailment {
    double factor;    /* of service time; 1: none */
    uint32_t percent; /* of requests that fail */
    int64_t pause_ns; /* between the pieces of an answer; 0: none */
    bool black_hole, refuse, killed, frozen;
};

struct drill_run;

struct drill_stand { /* an origin that runs */
    struct drill_run *run;
    const struct drill_origin *config;
    struct drill_ailment ailment;
    struct weir_semaphore workers;
    uint32_t waiting;
    uint32_t life;         /* counts kills: work from an earlier life is lost */
    int64_t cold_since_ns; /* -1: warm */
    double log_sigma;      /* of service time */
    struct rng rng;
};

struct drill_run {
    const struct drill_scenario *scenario;
    struct config *config;
    uint64_t seed;
    struct drill_result *result;
    struct text *error;
    struct world *world;
    struct gateway *gateway;
    struct addr gateway_addr;
    int64_t start_ns;    /* of the load */
    int64_t fault_at_ns; /* the first one's, of the run; NS_NEVER: none */
    double surge;
    struct drill_stand stands[DRILL_ORIGINS_MAX];
    struct access_sink sink;
};

/* Time of the run. */
static inline int64_t drill_now(const struct drill_run *r)
{
    return weir_now() - r->start_ns;
}

/* The row of the second, or NULL when that is not of the run any more. */
static inline struct drill_second *drill_second_at(struct drill_run *r, int64_t at_ns)
{
    int64_t i = at_ns / NS_PER_SEC;

    return at_ns >= 0 && i < r->result->second_count ? &r->result->seconds[i] : NULL;
}

/* Coroutines. arg: the run, but for a stand. */
void drill_faults_run(void *arg) WEIR_PARKS;         /* until the last one has ended */
void drill_stand_run(void *arg) WEIR_PARKS;          /* until it is cancelled */
void drill_load_run(struct drill_run *r) WEIR_PARKS; /* until every request has its end */

void drill_stand_init(struct drill_stand *o, struct drill_run *r, uint32_t index);

#endif
