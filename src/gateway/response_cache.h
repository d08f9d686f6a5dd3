/* The response cache of a route, and what one exchange has to do with it. The filter
 * (filters/local_response_cache.c) decides; here is what it works on, and what happens to a
 * response that is stored while it is relayed. */
#ifndef WEIR_GATEWAY_RESPONSE_CACHE_H
#define WEIR_GATEWAY_RESPONSE_CACHE_H

#include "config/config.h"
#include "gateway/cache.h"
#include "gateway/policies.h"
#include "telemetry/metric.h"

struct exchange;

/* What became of a request at the cache: the label of weir_cache_requests_total. */
enum cache_result {
    CACHE_HIT,
    CACHE_MISS,
    CACHE_STALE,       /* answered with what is past its time: validation runs, or has failed */
    CACHE_REVALIDATED, /* answered from the store after the origin said 304 */
    CACHE_BYPASS,      /* not a request for the cache */
    CACHE_RESULT_MAX,
};

struct response_cache {
    struct policy policy; /* first */
    struct cache cache;
    struct metric *requests[CACHE_RESULT_MAX];
    struct metric *stored, *evicted, *bytes, *entries;
};

/* What its policy is made with. */
struct response_cache_settings {
    const struct config_response_cache *config;
    struct str route;
};

extern const struct policy_class response_cache_class;

/* What an exchange holds of the cache; in its arena, x->cache. */
struct cache_use {
    struct response_cache *store;
    const struct config_response_cache *config;
    uint64_t hash;
    struct str key;
    struct cache_entry *entry;   /* found for the request, perhaps stale; a reference */
    struct cache_flight *flight; /* others wait for our answer */
    bool background;             /* nobody waits for the answer */

    /* -- a response being stored while it passes -- */
    struct cache_entry *filling; /* its head; NULL: none */
    struct cache_body *body;
};

/* A piece of the response on its way to the client; last: the body has come whole. Does not park.
 */
void response_cache_take(struct exchange *x, struct str piece, bool last);

/* The response is not for the client, and not for the store. */
void response_cache_forget(struct cache_use *use);

/* Nobody is to wait for this exchange any more. stored: its answer is there for all. */
void response_cache_land(struct cache_use *use, bool stored);

/* The exchange ends, however: what was not stored whole is dropped, who waits goes on. */
void response_cache_leave(struct exchange *x);

/* Answers with x->cache->entry in place of a failure, however old it is. not_modified: with 304,
 * its sender has it. (filters/local_response_cache.c) */
void cache_answer_stale(struct exchange *x, bool not_modified);

/* Stores an entry and tells the metrics. */
bool response_cache_put(struct response_cache *r, struct cache_entry *e);

#endif
