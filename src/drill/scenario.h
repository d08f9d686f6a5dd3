/* A scenario: a gateway's configuration, what stands around it, what breaks, who asks. Immutable
 * once loaded. */
#ifndef WEIR_DRILL_SCENARIO_H
#define WEIR_DRILL_SCENARIO_H

#include "config/embed.h"
#include "world/world.h"

#define DRILL_VARIANTS_MAX 8
#define DRILL_ORIGINS_MAX  64
#define DRILL_FAULTS_MAX   64
#define DRILL_CLIENTS_MAX  16
#define DRILL_REQUESTS_MAX 5000000 /* of clients, in one run */

enum drill_fault_kind {
    DRILL_SLOW,       /* work takes factor times as long */
    DRILL_ERRORS,     /* percent of the requests are answered 503 at once */
    DRILL_BLACK_HOLE, /* connections are accepted, requests swallowed */
    DRILL_REFUSE,     /* no new connection; those that are open work */
    DRILL_KILL,       /* the process is gone: resets, then refusals; it comes back cold */
    DRILL_FREEZE,     /* the machine is gone: no answer of any kind, connects hang */
    DRILL_DRIP,       /* answers arrive in ten pieces with pauses between them */
    DRILL_SURGE,      /* of clients: factor times as many requests */
    DRILL_FAULT_MAX
};

struct drill_fault {
    int64_t at_ns, for_ns;
    struct config_address origin; /* ptr NULL: all origins */
    uint32_t origin_index;        /* DRILL_ALL */
    enum drill_fault_kind kind;
    uint32_t factor;  /* slow, surge */
    uint32_t percent; /* errors */
    int64_t pause_ns; /* drip */
};

#define DRILL_ALL UINT32_MAX

enum drill_on_disconnect { DRILL_KEEP_WORKING, DRILL_DROP_QUEUED, DRILL_ON_DISCONNECT_MAX };

struct drill_origin {
    struct config_address address;
    struct addr addr;
    uint32_t concurrency, queue;
    int64_t median_ns, p99_ns;
    enum drill_on_disconnect on_disconnect;
    uint32_t response_bytes;
    struct str health; /* path that is answered at once */
    int64_t cold_ns;   /* after a kill work takes cold_factor times as long, sinking to 1 */
    uint32_t cold_factor;
};

struct drill_clients {
    struct str name, path, host, method;
    struct str rate_text;
    double rate; /* per second */
    int64_t timeout_ns, backoff_ns;
    uint32_t retries;
    int64_t from_ns, until_ns; /* of the run; NS_NEVER: its end */
};

struct drill_variant {
    struct str name;
    const struct node *set; /* NULL: nothing is replaced */
    struct config *config;
};

struct drill_scenario {
    struct str name;
    uint64_t seed;
    int64_t duration_ns, latency_ns;
    const struct node *gateway;
    struct str gateway_file;
    struct drill_variant *variants;
    uint32_t variant_count;
    struct drill_origin *origins;
    uint32_t origin_count;
    struct drill_fault *faults;
    uint32_t fault_count;
    struct drill_clients *clients;
    uint32_t client_count;
    struct arena arena;
};

extern const struct section drill_scenario_section;

/* Reads the file, and the gateway's if it names one; blocks the thread. 0; or a negative code with
 * everything that is wrong in problems, one line each with file, line and column. Warnings are put
 * there, too. The caller frees. */
int drill_scenario_load(const char *path, struct text *problems, struct drill_scenario **ret);
void drill_scenario_free(struct drill_scenario *s); /* NULL is fine */

/* base with what set says replaced, in the arena; base stays as it is. A key is a path of keys
 * and, for items of lists, numbers from 0 or their id: "upstreams.users.retry.budget". Keys that
 * are not there are added. NULL with an error in diags. */
struct node *drill_variant_apply(const struct node *base, const struct node *set, struct arena *a,
                                 struct diag_list *diags);

struct str drill_fault_text(enum drill_fault_kind k); /* "black_hole" */

/* "700/s", "42000/m", "0.5/s": per second. -EINVAL. */
int drill_parse_rate(struct str s, double *ret);

/* When the first fault begins and the last one ends; -1, -1 without any. */
void drill_fault_span(const struct drill_scenario *s, int64_t *ret_from_ns, int64_t *ret_to_ns);

#endif
