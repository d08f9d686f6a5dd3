/* The simulated whole gateway: clients, gateway and origins in one process and one virtual world.
 * Everything that happens follows from one seed. */
#ifndef WEIR_TESTS_SIM_SIM_H
#define WEIR_TESTS_SIM_SIM_H

#include <weir/scope.h>
#include <weir/sync.h>

#include "base/hash.h"
#include "gateway/gateway.h"
#include "http/h1.h"
#include "world/sim.h"

#define SIM_ORIGINS      6
#define SIM_REQUESTS_MAX 4096
#define SIM_BUFFER       (32 * KIB)

/* What was asked for under one id, and what is known about it. */
struct sim_request {
    uint32_t id;
    enum http_method method;
    uint64_t body_bytes;     /* of the request */
    uint64_t response_bytes; /* that the origin shall send */
    int status;              /* that the origin shall send */
    uint32_t executions;     /* complete requests with this id that origins have seen */
    bool answered;
};

struct sim_counts {
    uint64_t requests, answered, own, cut, aborted; /* own: answered by the gateway itself */
    uint64_t faults, config_changes;
    uint64_t virtual_ns;
};

struct sim {
    uint64_t seed;
    bool verbose;
    struct rng rng;
    struct world *world;
    struct gateway *gateway;
    struct addr gateway_addr;
    struct addr origin_addr[SIM_ORIGINS];
    bool calm; /* faults are over: everything must work again */
    struct weir_wait_group clients;
    uint32_t client_count;

    struct sim_request requests[SIM_REQUESTS_MAX];
    uint32_t request_count;
    struct sim_counts counts;
    bool failed;
    char failure[512]; /* the first violation */
};

/* Notes a violation; the first one counts. */
void sim_violation(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_trace(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline uint64_t sim_below(struct sim *s, uint64_t bound)
{
    return rng_below(&s->rng, bound);
}

static inline bool sim_chance(struct sim *s, unsigned percent)
{
    return rng_below(&s->rng, 100) < percent;
}

/* NULL when there are enough. */
struct sim_request *sim_new_request(struct sim *s);
struct sim_request *sim_find_request(struct sim *s, uint64_t id);

/* The bytes that belong to an id and a direction: nothing else looks like them. */
enum sim_direction { SIM_TO_ORIGIN, SIM_TO_CLIENT };
void sim_content_fill(uint32_t id, enum sim_direction d, uint64_t offset, char *out, size_t len);
bool sim_content_check(uint32_t id, enum sim_direction d, uint64_t offset, struct str piece);

/* A coroutine that accepts and serves until it is cancelled (arg: struct sim_origin). */
struct sim_origin {
    struct sim *sim;
    unsigned index;
    bool sick; /* answers health checks with 503 */
    struct weir_scope *scope;
};
void sim_origin_run(void *arg);

/* Clients: random ones until there were enough requests; then those that must succeed. */
void sim_client_run(void *arg); /* struct sim */
void sim_check_liveness(struct sim *s);

/* Faults and changes of configuration, for a while; then everything heals. */
void sim_chaos_run(struct sim *s, struct sim_origin *origins, int64_t until_ns);
int sim_apply_config(struct sim *s);

/* One seed. True when nothing was wrong. */
bool sim_run_seed(struct sim *s, uint64_t seed, bool verbose);

#endif
