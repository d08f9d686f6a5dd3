/* The steps of serving a request, for serve.c, which tells the story. */
#ifndef WEIR_GATEWAY_SERVE_H
#define WEIR_GATEWAY_SERVE_H

#include "gateway/exchange.h"

/* One activation of a connection: what its coroutine holds from the first byte of a request until
 * no further request is there. */
struct serving {
    struct gateway *gateway;
    struct conn *conn;
    struct workspace *space;
    struct h1_limits
        limits;     /* those of the generation at the start: the buffers were made for it */
    struct pin pin; /* until the first exchange has its own */
    int64_t header_ns;
    int64_t idle_ns; /* what the last exchange's configuration gives until the next request */
    int64_t now_ns;  /* when the next request began, as far as is known */
    struct h1_reader reader;
};

void exchange_begin(struct exchange *x, struct serving *s);

/* 0: there is a head, or a refusal of what came. Negative: nothing to answer. Pins. */
int exchange_read_head(struct exchange *x, struct serving *s) WEIR_PARKS;

void exchange_match(struct exchange *x);
void exchange_run(struct exchange *x) WEIR_PARKS;

/* Gives back what the exchange holds, records it. True: the connection can serve another one. */
bool exchange_finish(struct exchange *x, struct serving *s) WEIR_PARKS;

#endif
