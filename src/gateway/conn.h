/* A client connection. While idle it is this small struct, a stream and an entry in the poller; a
 * coroutine with a stack and buffers exists only from the first byte of a request to the last byte
 * of its response. */
#ifndef WEIR_GATEWAY_CONN_H
#define WEIR_GATEWAY_CONN_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "net/stream.h"

struct gateway;
struct listening;

#define CONN_SHARDS 16

struct conn_shard {
    struct spinlock lock CACHE_ALIGNED;
    struct list conns; /* all that are open and were accepted on this shard */
};

struct conn {
    struct list link; /* conn_shard.conns, under its lock */
    struct gateway *gateway;
    struct listening *listening;
    struct stream *stream;
    struct weir_scope *scope; /* of the coroutine that serves it, or NULL; under the shard's lock */
    uint32_t served;          /* requests so far; the serving coroutine's */
    bool reset;               /* ends with a reset: the client is to see a cut; likewise */
    uint8_t shard;
    bool cut; /* gateway_stop() ended it; under the shard's lock */

    /* Clients that leave (leaving.h). attended: the coroutine waits for something that only this
     * client wants; it alone writes. left: the client went then, and the scope is cancelled. */
    atomic_bool attended, left;
    struct poll_hangup hangup;
};

/* Takes over an accepted stream and waits for its first request. On failure the stream is closed.
 */
void conn_start(struct gateway *g, struct listening *l, struct stream *s);

/* Ends idle connections at once. Returns how many there were. */
uint32_t conns_close_idle(struct gateway *g);

/* Cancels the coroutines of all connections that are left. Returns how many. */
uint32_t conns_cut(struct gateway *g);

#endif
