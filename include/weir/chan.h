/* Channels: typed by element size, unbuffered (cap 0) or buffered, first in first out. */
#ifndef WEIR_CHAN_H
#define WEIR_CHAN_H

#include <weir/runtime.h>

struct weir_chan;

/* NULL when memory is out. The caller frees it when nobody uses it any more. */
WEIR_API struct weir_chan *weir_chan_new(size_t elem_bytes, size_t cap);
WEIR_API void weir_chan_free(struct weir_chan *c);

/* Sends one element, copied from elem; parks while the buffer is full (unbuffered: until a receiver
 * takes it). 0; -EPIPE: closed; -ECANCELED, -ETIMEDOUT: nothing was sent. */
WEIR_API int weir_chan_send(struct weir_chan *c, const void *elem) WEIR_PARKS;

/* Receives one element into elem. 1: got one; 0: closed and empty; -ECANCELED, -ETIMEDOUT. */
WEIR_API int weir_chan_recv(struct weir_chan *c, void *elem) WEIR_PARKS;

/* Without waiting: -EAGAIN when it would have to. */
WEIR_API int weir_chan_try_send(struct weir_chan *c, const void *elem);
WEIR_API int weir_chan_try_recv(struct weir_chan *c, void *elem);

/* After closing, sends fail, receives drain what is buffered. Wakes everybody who waits. Closing
 * twice is harmless. */
WEIR_API void weir_chan_close(struct weir_chan *c);

WEIR_API size_t weir_chan_len(struct weir_chan *c);

#endif
