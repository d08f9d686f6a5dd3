/* What consistent hashing keeps together: the part of a request that its upstream names. */
#ifndef WEIR_GATEWAY_HASH_KEY_H
#define WEIR_GATEWAY_HASH_KEY_H

#include "config/config.h"
#include "http/message.h"
#include "world/world.h"

/* A request as the hash sees it: after the filters. */
struct hash_input {
    struct http_head *head;
    struct str path;
    struct str query;
    const struct addr *client;
};

/* The text to be hashed, borrowed from the request; ptr NULL when the request does not have what
 * the upstream names: then any endpoint will do. Does not park. */
struct str hash_key(const struct config_upstream *u, const struct hash_input *in);
/* The same for a part that is named. */
struct str hash_key_part(enum config_hash_on on, struct str name, const struct hash_input *in);

#endif
