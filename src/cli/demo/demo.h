/* The demo: gateway, services and clients in one process. */
#ifndef WEIR_CLI_DEMO_DEMO_H
#define WEIR_CLI_DEMO_DEMO_H

#include "cli/demo/model.h"
#include "control/admin.h"

#define DEMO_SUCCESS_PERCENT_MIN 99.0 /* what the demo promises its clients */

struct demo_options {
    unsigned seconds; /* 0: until it is stopped */
    unsigned port, admin_port;
    bool plain; /* lines for a log instead of a screen */
};

struct demo {
    struct demo_options options;
    struct config *config;
    struct demo_fleet fleet;
    struct demo_load load;
    struct model model;
    struct gateway *gateway;
    struct admin *admin;
    atomic_int stop_signal;            /* that asked for the end; 0: none */
    bool victim_left, victim_returned; /* of the script: seen out of and back in the rotation */
};

/* Until the time is over or a signal or key ends it: draws or prints. */
void demo_watch_screen(struct demo *d) WEIR_PARKS;
void demo_watch_plain(struct demo *d) WEIR_PARKS;

/* Each notes the event; revive: as demo_endpoint_revive(). */
void demo_kill(struct demo *d, struct demo_endpoint *e) WEIR_PARKS;
int demo_revive(struct demo *d, struct demo_endpoint *e) WEIR_PARKS;
void demo_toggle(struct demo *d, struct demo_endpoint *e) WEIR_PARKS;
bool demo_over(const struct demo *d);

/* Pages of the admin API: /demo/kill/NAME, /demo/revive/NAME. arg: the demo. */
int demo_serve_kill(struct admin *a, struct http_call *call, void *arg) WEIR_PARKS;
int demo_serve_revive(struct admin *a, struct http_call *call, void *arg) WEIR_PARKS;

#endif
