/* A stream, as the files of net see it. */
#ifndef WEIR_NET_STREAM_IMPL_H
#define WEIR_NET_STREAM_IMPL_H

#include "net/stream.h"

/* What is known about the bytes that wait in the socket. */
enum read_state {
    READ_FRESH,   /* nothing has been read: whatever comes, or has come, has an event */
    READ_DRAINED, /* the last read took all there was: only a new event means new bytes */
    READ_REST,    /* bytes, the end or an error may be there of which no event will tell */
};

struct stream {
    struct poll_fd *pf;
    struct addr peer; /* constant */

    uint8_t read_state;  /* enum read_state; the reader's, as is the next */
    uint8_t read_streak; /* calls in a row that did not wait */

    uint8_t write_streak; /* the writer's */
};

_Static_assert(sizeof(struct stream) <= 128, "an idle connection has a budget");

/* Takes the socket over when it succeeds. */
int stream_new(int sock, const struct addr *peer, struct stream **ret);

#endif
