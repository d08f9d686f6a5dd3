/* What the demo shows: a plain struct, and pure functions from it to text. */
#ifndef WEIR_CLI_DEMO_VIEW_H
#define WEIR_CLI_DEMO_VIEW_H

#include "base/text.h"

#define DEMO_ROUTES_MAX    8
#define DEMO_ENDPOINTS_MAX 9 /* one digit key each */
#define DEMO_EVENTS_MAX    32
#define DEMO_NAME_MAX      24
#define DEMO_EVENT_MAX     160

struct demo_route_row {
    char name[DEMO_NAME_MAX];
    double rate; /* requests per second, over the last samples */
    uint64_t count_2xx, count_4xx, count_5xx;
    int64_t p50_ns, p99_ns;
};

struct demo_endpoint_row {
    char name[DEMO_NAME_MAX]; /* "orders-1" */
    unsigned port;
    char habit[16]; /* "slow": what to expect of it; empty: nothing special */
    char state[16];
    char reason[96];
    int64_t state_age_ns;
    bool killed; /* by the user or the script */
    double rate;
    uint32_t in_flight;
    uint64_t failures;
    int64_t p50_ns, p99_ns;
};

enum demo_tone { DEMO_NEUTRAL, DEMO_GOOD, DEMO_BAD };

struct demo_event {
    int64_t at_ns; /* since the start */
    enum demo_tone tone;
    uint32_t count; /* how often, one after the other */
    char text[DEMO_EVENT_MAX];
};

struct demo_totals {
    uint64_t requests, ok, failed; /* as the clients saw them */
    uint64_t retries;
    int64_t p50_ns, p99_ns; /* the clients' latency over the last seconds */
};

struct demo_view {
    char gateway[64], admin[64]; /* host:port */
    int64_t elapsed_ns;
    double rate;
    struct demo_totals totals;
    struct demo_route_row routes[DEMO_ROUTES_MAX];
    unsigned route_count;
    struct demo_endpoint_row endpoints[DEMO_ENDPOINTS_MAX];
    unsigned endpoint_count;
    struct demo_event events[DEMO_EVENTS_MAX]; /* oldest first */
    unsigned event_count;
};

/* At most rows lines of at most columns characters each, every line ended by '\n'. ASCII only, plus
 * colour sequences when colour is set. Below 40 x 8 only the totals are shown. */
void demo_view_render(const struct demo_view *v, unsigned columns, unsigned rows, bool colour,
                      struct text *out);

/* The same facts for a log: one line of figures, one line of an event. */
void demo_view_progress(const struct demo_view *v, struct text *out);
void demo_view_event(const struct demo_event *e, struct text *out);

/* "850us", "1.2ms", "130ms", "1.5s"; "-" for 0. */
void demo_format_latency(int64_t ns, struct buf *out);

#endif
