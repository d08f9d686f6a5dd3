/* Predicates of a route, compiled: conditions on a request, all of which must hold. */
#ifndef WEIR_GATEWAY_PREDICATE_H
#define WEIR_GATEWAY_PREDICATE_H

#include "config/config.h"
#include "gateway/pattern.h"
#include "http/message.h"

/* What predicates look at. */
struct match_input {
    struct http_head *head;
    struct str path; /* canonical */
    struct str host; /* lower case, without port; "" when the request names none */
    uint16_t port;
    struct arena *arena; /* scratch */
};

struct predicate {
    enum config_predicate_kind kind;
    const struct config_predicate *config;
    struct pattern *patterns; /* paths and hosts: any of them */
    uint32_t pattern_count;
};

/* -EINVAL with *ret_message (in the arena or static). Free with predicate_done(), also after a
 * failure. */
int predicate_compile(const struct config_predicate *c, struct arena *a, struct predicate *ret,
                      const char **ret_message);
void predicate_done(struct predicate *p);

/* How many variables it can set at most. */
uint32_t predicate_vars(const struct predicate *p);

/* Does not park. Variables of path and host patterns are added to v. */
bool predicate_holds(const struct predicate *p, const struct match_input *in, struct vars *v);

/* What of the request it looks at, in words: "the path is /a". (predicate_explain.c) */
void predicate_seen(const struct predicate *p, const struct match_input *in, struct buf *out);

#endif
