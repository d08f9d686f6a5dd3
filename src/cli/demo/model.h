/* What the demo knows: gathers figures from gateway, clients and requests into a demo_view. */
#ifndef WEIR_CLI_DEMO_MODEL_H
#define WEIR_CLI_DEMO_MODEL_H

#include "cli/demo/load.h"
#include "cli/demo/story.h"
#include "gateway/gateway.h"

#define MODEL_WINDOW 16 /* samples that "the last seconds" are */

struct model {
    struct gateway *gateway; /* -- fixed -- */
    struct demo_fleet *fleet;
    struct demo_load *load;
    int64_t started_ns;
    struct story story;                        /* -- has a lock of its own -- */
    struct spinlock lock;                      /* -- events come from any coroutine -- */
    struct demo_event events[DEMO_EVENTS_MAX]; /* ring */
    uint64_t event_total;
    struct demo_view view;                        /* -- the sampling coroutine alone: -- */
    int64_t sampled_ns;                           /* when view was last brought up to date */
    struct demo_load_counts window[MODEL_WINDOW]; /* ring */
    uint64_t sample_total;
    uint64_t told_total; /* events given to model_next_event() */
    uint64_t route_seen[DEMO_ROUTES_MAX], endpoint_seen[DEMO_ENDPOINTS_MAX]; /* requests */
};

/* Inside the runtime; becomes the process' access sink. */
void model_init(struct model *m, struct gateway *g, struct demo_fleet *fleet,
                struct demo_load *load);

/* Notes an event; any coroutine. */
void model_note(struct model *m, enum demo_tone tone, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Brings m->view up to date. 0 or -ENOMEM (the view then stays as it was). */
int model_sample(struct model *m);

/* The next event that was not yet taken this way; false when there is none. Those that the ring has
 * lost meanwhile are skipped. */
bool model_next_event(struct model *m, struct demo_event *ret);

#endif
