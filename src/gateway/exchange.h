/* One request and its response on their way through the gateway. Lives on the stack of the
 * connection's coroutine; the text in it points into the buffers of the connection's workspace, the
 * arena, or the generation that it pins. */
#ifndef WEIR_GATEWAY_EXCHANGE_H
#define WEIR_GATEWAY_EXCHANGE_H

#include <weir/scope.h>

#include "base/arena.h"
#include "gateway/generation.h"
#include "gateway/pump.h"
#include "gateway/vars.h"
#include "gateway/workspace.h"
#include "http/h1.h"
#include "telemetry/access.h"

struct conn;
struct serving;
struct race;

enum response_source {
    RESPONSE_NONE,     /* not yet, or never: the connection is to be cut */
    RESPONSE_OWN,      /* made here: x->response and x->own_body */
    RESPONSE_UPSTREAM, /* x->response came from x->upstream_conn, its body follows there */
    RESPONSE_TUNNEL,   /* 101: both connections become pipes */
};

#define REQUEST_ID_LEN 32

/* Something that an exchange holds of a policy and that must be given back once, however it ends.
 */
struct exchange_hold {
    struct policy *policy; /* NULL: given back already */
    void (*release)(struct policy *p, struct exchange *x, int64_t since_ns);
    int64_t since_ns;
};

#define EXCHANGE_HOLDS_MAX 8 /* chain_build.c refuses a route that could need more */

/* How much a request matters; what is refused first under load comes first. */
enum priority {
    PRIORITY_UNSAID, /* counts as normal */
    PRIORITY_SHEDDABLE,
    PRIORITY_LOW,
    PRIORITY_NORMAL,
    PRIORITY_HIGH,
};

struct exchange {
    /* -- set when the exchange begins -- */
    struct gateway *gateway;
    struct serving *serving;
    struct conn *conn; /* NULL: nobody asked, the cache fetches something anew */
    struct workspace *space;
    struct h1_reader *reader; /* of the client's connection */
    struct weir_scope *scope; /* owns the request pump; cancelled to end it */
    struct arena arena;
    int64_t start_ns;
    int64_t end_ns; /* 0 until it has ended */

    /* -- set when the head has been read and a generation pinned -- */
    struct pin pin;
    struct generation *generation;
    bool trusted;    /* the client is a trusted proxy */
    struct str host; /* lower case, without port */
    uint16_t port;   /* that the client asked for */
    struct str request_id;

    /* -- set by matching -- */
    const struct route *route; /* never NULL then: generation->no_route answers 404 */

    /* -- the request as it will be sent on; filters change it -- */
    struct str path;         /* canonical */
    struct str query;        /* ptr NULL: none */
    struct str forward_host; /* ptr NULL: the endpoint's address */
    struct str upgrade;      /* protocols to offer; ptr NULL: none */
    enum priority priority;
    uint64_t body_max;     /* of a filter; 0: none but that of the configuration */
    uint32_t hold_count;   /* in holds[] */
    struct str body_piece; /* the whole body, when body_whole */
    bool body_whole;       /* it came with the head (or there is none): it can be sent again */

    /* -- attempts: forward.c and retry.c -- */
    struct upstream_conn *upstream_conn;    /* of the current attempt; NULL: none */
    struct endpoint *endpoint;              /* of the last attempt; NULL: none was usable */
    bool attempt_running;                   /* counted in endpoint.in_flight */
    bool fresh;                             /* the next attempt: same endpoint, new connection */
    uint32_t tried_count;                   /* in tried[] */
    struct weir_breaker_token route_permit; /* of the route's CircuitBreaker */
    enum weir_outcome route_outcome;        /* to be reported for it */
    struct weir_breaker_token permit; /* of the endpoint's breaker, for the attempt that runs */
    bool permit_held;                 /* it is to be reported */
    enum retry_failure failure; /* how the last attempt failed; valid when attempt_cause is set */
    enum cause attempt_cause;   /* CAUSE_NONE: it brought a response */
    int64_t attempt_start_ns;
    int64_t sent_ns;     /* when the head had been sent */
    int64_t response_ns; /* when the response's head was here; 0: it never was */
    int64_t deadline_ns; /* of all attempts; NS_NEVER until the request's last byte is sent */
    int64_t limit_ns;    /* until when the client waits; NS_NEVER: it did not say */
    bool in_budget;      /* entered the upstream's retry budget */
    uint8_t racer;       /* which attempt this is, from 1, when there are several at once */
    struct race *race;   /* of them (attempt.h); NULL: there is one */

    bool elsewhere;    /* another upstream or route is tried (again.h): see before */
    bool fallback_due; /* CircuitBreaker wants its fallbackUri asked (fallback_uri.c) */
    struct cache_use
        *cache; /* of the route's response cache; NULL: none, or not for this request */

    /* -- the response; filters change it -- */
    enum response_source source;
    int upstream_status;
    uint64_t interim_bytes;   /* of 1xx responses, sent to the client */
    uint64_t tunnel_bytes_in; /* from the client after a 101 */
    struct str own_body;
    enum cause cause;  /* why it failed or was refused */
    struct str detail; /* more about it, for people */
    bool close;        /* the client's connection ends with this exchange */
    bool cut;          /* ... and visibly in the middle */

    /* -- what follows is set up by whoever uses it first, never cleared as a whole -- */
    struct vars vars; /* of the route */
    struct endpoint *tried[ACCESS_ATTEMPTS_MAX];
    uint8_t failed[ACCESS_ATTEMPTS_MAX]; /* attempts at each of them */
    struct exchange_hold holds[EXCHANGE_HOLDS_MAX];
    struct {
        uint32_t attempts; /* that went to the upstreams given up */
        int64_t until_ns;  /* since then another one is tried */
        enum cause cause;  /* why the first one was given up */
        struct str detail;
        const struct route *route; /* that a fallbackUri has left; NULL: it is the same */
        int64_t deadline_ns;       /* of what has been left; NS_NEVER: none */
    } before;                      /* valid when elsewhere */
    struct h1_body request_body;
    struct h1_body response_body;
    struct h1_writer out;
    struct pump pump;
    struct h1_reader upstream_reader;
    struct access_record record;
    char request_id_text[REQUEST_ID_LEN];
    struct http_head request; /* 3 KiB each */
    struct http_head response;
};

/* Makes a response of our own out of a cause: its status, its name in X-Weir-Cause, a small JSON
 * body with the request id. The first cause of an exchange stays. detail: for the log; may be
 * NULL. Returns 0, so that a filter can end with it. */
int exchange_refuse(struct exchange *x, enum cause cause, const char *detail_fmt, ...)
    PRINTF_LIKE(3, 4);

/* Changes the refusal made last: its status, and when it is worth asking again (in whole seconds,
 * rounded up, at least one; INT64_MAX: never, nothing is said). */
void exchange_refusal_status(struct exchange *x, int status);
void exchange_refusal_retry_after(struct exchange *x, int64_t after_ns);

/* True when the response is a refusal of ours. */
static inline bool exchange_refused(const struct exchange *x)
{
    return x->source == RESPONSE_OWN && x->cause != CAUSE_NONE;
}

/* A response of our own that is no failure (a redirect): the caller adds fields. Returns 0. */
int exchange_answer(struct exchange *x, int status, struct str body);

/* Has release called once with since_ns, at the end of the exchange at the latest, whichever way it
 * ends. Does not park; release must not either. */
static inline struct exchange_hold *
exchange_hold(struct exchange *x, struct policy *p,
              void (*release)(struct policy *p, struct exchange *x, int64_t since_ns),
              int64_t since_ns)
{
    struct exchange_hold *h = &x->holds[x->hold_count++];

    *h = (struct exchange_hold){p, release, since_ns};
    return h;
}
/* Calls release now. Nothing happens the second time. */
void exchange_release(struct exchange *x, struct exchange_hold *h);
/* All that is still held, the last first. */
void exchange_release_all(struct exchange *x);

/* The priority, from 0 (to go first under load) to 3. */
static inline unsigned exchange_priority(const struct exchange *x)
{
    return (unsigned)(x->priority != PRIORITY_UNSAID ? x->priority : PRIORITY_NORMAL) - 1;
}

/* Replaces the path to be sent on. Brings it into canonical form again; -EINVAL (and the exchange
 * is refused) when it has none. */
int exchange_set_path(struct exchange *x, struct str path);

/* Adds a field to the request or response; refuses the exchange when there are too many. */
int exchange_add_request_field(struct exchange *x, struct str name, struct str value);
int exchange_add_response_field(struct exchange *x, struct str name, struct str value);

/* Gives back what the exchange holds of its upstream, the route's policies and the cache, once it
 * has ended or is to go elsewhere. */
void exchange_let_go(struct exchange *x);
void exchange_leave_budget(struct exchange *x);

/* Ends the upstream's part in the exchange, if there is any: the connection is kept if that was
 * asked for and may be, else closed. While the pump still uses it, only tells the pump to end: the
 * call is repeated when the scope has been left. */
void exchange_drop_upstream(struct exchange *x, bool keep);

#endif
