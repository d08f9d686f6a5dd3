/* Causes: why a request was refused or failed. One table (causes.def) feeds the response, the
 * access log, the metric label, Proxy-Status and docs/causes.md. */
#ifndef WEIR_TELEMETRY_CAUSE_H
#define WEIR_TELEMETRY_CAUSE_H

#include "base/text.h"

enum cause {
#define CAUSE(id, ...) CAUSE_##id,
#include "telemetry/causes.def"
#undef CAUSE
    CAUSE_MAX,
};

enum cause_who { CAUSE_BY_NOBODY, CAUSE_BY_CLIENT, CAUSE_BY_GATEWAY, CAUSE_BY_UPSTREAM };

enum cause_phase {
    CAUSE_IN_NONE,
    CAUSE_IN_ACCEPT,        /* taking the connection or beginning a request on it */
    CAUSE_IN_REQUEST_HEAD,  /* reading the request's head */
    CAUSE_IN_REQUEST_BODY,  /* reading the request's body */
    CAUSE_IN_ROUTE,         /* matching, filters */
    CAUSE_IN_PICK,          /* choosing an endpoint */
    CAUSE_IN_CONNECT,       /* getting a connection to it */
    CAUSE_IN_SEND,          /* sending the request */
    CAUSE_IN_RESPONSE_HEAD, /* waiting for the response */
    CAUSE_IN_RESPONSE_BODY, /* reading the rest of it */
    CAUSE_IN_RETRY,         /* over all attempts */
    CAUSE_IN_RESPONSE,      /* sending the response to the client */
    CAUSE_IN_MAX,
};

struct str cause_name(enum cause c); /* "connection_refused" */
/* The status that the client is answered with. 0: no answer is made for it. 499 (client_closed) is
 * for the log only. */
int cause_status(enum cause c);
enum cause_who cause_who(enum cause c);
enum cause_phase cause_phase(enum cause c);
struct str cause_help(enum cause c);
/* The error type of RFC 9209 for Proxy-Status; empty: none fits. */
struct str cause_proxy_error(enum cause c);

struct str cause_who_text(enum cause_who w);     /* "client", "gateway", "upstream", "nobody" */
struct str cause_phase_text(enum cause_phase p); /* "request_head" */

/* CAUSE_MAX when no cause has this name. */
enum cause cause_of_name(struct str name);

/* The cause of a request that the parser refused with this status (struct h1_refusal). */
enum cause cause_of_refusal(int status);

/* The cause of a connect that failed with this negative errno code. */
enum cause cause_of_connect_error(int error);

/* Counts it in weir_failures_total; CAUSE_NONE is not counted. cause_setup() makes the series of
 * all causes once, at 0, so that the first of each is seen as an increase; idempotent. Before it
 * nothing is counted. */
void cause_setup(void);
void cause_count(enum cause c);
uint64_t cause_count_value(enum cause c);

/* docs/causes.md. */
void cause_write_markdown(struct text *out);

#endif
