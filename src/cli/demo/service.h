/* The demo's services: six small HTTP servers of this process, two for each of three services. Some
 * have bad habits, and each can be killed and revived. */
#ifndef WEIR_CLI_DEMO_SERVICE_H
#define WEIR_CLI_DEMO_SERVICE_H

#include <stdatomic.h>

#include "http/server.h"
#include "runtime/runtime.h"

#define DEMO_FLEET 6

/* How an endpoint behaves; 0: never. */
struct demo_habits {
    int64_t delay_ns;    /* each answer takes this long */
    unsigned slow_every; /* each n-th takes slow_ns instead */
    int64_t slow_ns;
    unsigned cut_every; /* of so many requests the last cut_count are read, and the connection */
    unsigned cut_count; /* closed without an answer */
    const char *word;   /* for it: "slow"; NULL: well behaved */
    const char *help;   /* the same in a sentence */
};

struct demo_endpoint {
    const char *name;    /* "orders-1" */
    const char *service; /* "orders" */
    unsigned port;
    struct demo_habits habits;
    struct weir_mutex lock;     /* -- below: changes under it; servers start and stop -- */
    struct http_server *server; /* NULL: killed */
    atomic_bool killed;
    atomic_uint served;
};

struct demo_fleet {
    struct demo_endpoint endpoints[DEMO_FLEET];
};

void demo_fleet_init(struct demo_fleet *f);

/* Starts all. On failure none runs, and *ret_failed tells which could not. */
int demo_fleet_start(struct demo_fleet *f, const struct demo_endpoint **ret_failed) WEIR_PARKS;
void demo_fleet_stop(struct demo_fleet *f) WEIR_PARKS;

/* NULL when there is none. */
struct demo_endpoint *demo_fleet_find(struct demo_fleet *f, struct str name);
struct demo_endpoint *demo_fleet_by_port(struct demo_fleet *f, unsigned port);

/* As if its process had died: connections are cut, new ones refused. True: it was alive. */
bool demo_endpoint_kill(struct demo_endpoint *e) WEIR_PARKS;
/* 0 or what listening said; 1: it was alive already. */
int demo_endpoint_revive(struct demo_endpoint *e) WEIR_PARKS;

#endif
