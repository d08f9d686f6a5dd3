/* The record of one request, made when it ends: what the access log, and whoever else wants to
 * know, is told. The gateway fills it on its stack and gives it to the one sink of the process. */
#ifndef WEIR_TELEMETRY_ACCESS_H
#define WEIR_TELEMETRY_ACCESS_H

#include <stdatomic.h>

#include "base/text.h"
#include "telemetry/cause.h"

#define ACCESS_ATTEMPTS_MAX 8

/* One send, or try to send, to an endpoint. */
struct access_attempt {
    struct str endpoint; /* address */
    enum cause outcome;  /* CAUSE_NONE: it delivered the response */
    int status;          /* of its response; 0: none came */
    int64_t duration_ns;
    bool reused;          /* on a connection that had served before */
    bool hedge;           /* sent while another one ran */
    bool lost;            /* ended because another one had answered */
    struct str not_again; /* after a failure: why there was no retry ("budget"); else empty */
};

/* Text is borrowed from the request and valid during the sink's call only. Text from the client may
 * hold any byte. Durations are -1 when that point was not reached. */
struct access_record {
    struct str request_id;
    int64_t wall_ns;   /* when it began, since 1970 */
    struct str client; /* address with port */
    struct str listener;

    struct str method, host, path;
    struct str query; /* ptr NULL: no '?' in the target */
    struct str user_agent;
    uint8_t version_minor; /* HTTP/1.x */

    uint64_t generation;      /* of the configuration it ran with */
    struct str route;         /* id; empty: none matched */
    struct str fallback_from; /* id of the route whose fallbackUri led to it; else empty */
    struct str upstream;      /* id; empty: none was needed */
    struct str endpoint;      /* address of the last attempt */
    int status;               /* sent to the client; 0: none */
    enum cause cause;         /* CAUSE_NONE: went well */
    struct str detail;    /* more about the cause, for people: "bare_cr at byte 17"; may be empty */
    uint64_t bytes_in;    /* from the client, head included */
    uint64_t bytes_out;   /* to the client, head included */
    bool client_reused;   /* not the first request on its connection */
    bool upstream_reused; /* the last attempt's connection had served before */

    int64_t total_ns;      /* first byte of the request to the end */
    int64_t connect_ns;    /* opening the upstream connection; 0: reused */
    int64_t first_byte_ns; /* first byte of the request to the first byte of the response's head
                              from the upstream */

    uint32_t attempt_count; /* made; see access_add_attempt() */
    struct access_attempt attempts[ACCESS_ATTEMPTS_MAX];
};

/* The place for the next attempt, to be filled. Beyond ACCESS_ATTEMPTS_MAX the last place is used
 * again, so that the last attempt is always there. */
static inline struct access_attempt *access_add_attempt(struct access_record *r)
{
    uint32_t i = r->attempt_count++;
    struct access_attempt *a = &r->attempts[MIN(i, (uint32_t)ACCESS_ATTEMPTS_MAX - 1)];

    *a = (struct access_attempt){0};
    return a;
}

/* Who is told. write() is called on the worker that served the request: it must not park or block.
 * Embed it in what the sink needs and use container_of(). */
struct access_sink {
    void (*write)(struct access_sink *s, const struct access_record *r);
};

extern _Atomic(struct access_sink *) access_sink_;

/* NULL: nobody. A sink may be in use for as long as a request that saw it is ending, so its memory
 * may go only after the gateway has stopped. */
void access_set_sink(struct access_sink *s);

/* True when somebody listens; lets the caller spare itself making the record. */
static inline bool access_wanted(void)
{
    return atomic_load_explicit(&access_sink_, memory_order_relaxed) != NULL;
}

/* The request has ended. Without a sink this costs one load. Does not park. */
static inline void access_emit(const struct access_record *r)
{
    struct access_sink *s = atomic_load_explicit(&access_sink_, memory_order_acquire);

    if (s != NULL)
        s->write(s, r);
}

#endif
