/* A stream, as the files of net see it. */
#ifndef WEIR_NET_STREAM_IMPL_H
#define WEIR_NET_STREAM_IMPL_H

#include "net/stream.h"

struct stream {
    struct poll_fd *pf;
    /* The reader's. rest: bytes, the end or an error may be there of which no event will tell any
     * more, so the next read tries before it waits. Otherwise (nothing read yet, or the last read
     * took all there was) whatever comes, or has come, has an event that nobody has consumed. */
    bool rest;
    bool watched_rest;   /* what rest is again when a watch is taken back */
    uint8_t read_streak; /* calls in a row that did not wait */

    uint8_t write_streak; /* the writer's */

    struct addr peer; /* constant; last, so that what each call needs is together */
};

_Static_assert(sizeof(struct stream) <= 128, "an idle connection has a budget");

/* Takes the socket over when it succeeds. */
int stream_new(int sock, const struct addr *peer, struct stream **ret);

#endif
