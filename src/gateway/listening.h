/* A listening socket and the coroutine that accepts from it. */
#ifndef WEIR_GATEWAY_LISTENING_H
#define WEIR_GATEWAY_LISTENING_H

#include <stdatomic.h>

#include "base/list.h"
#include "gateway/task.h"
#include "net/stream.h"

struct gateway;

struct listening {
    struct list link; /* gateway.listenings */
    struct gateway *gateway;
    struct addr addr; /* as configured */
    uint16_t port;    /* as bound; 0 for a Unix socket */
    struct listener *listener;
    struct task accepting;
    struct str text; /* the address as bound, for people */
    char text_mem[ADDR_TEXT_MAX];
    atomic_uint refs; /* the list, the accept loop, and every connection accepted here */
    bool wanted;      /* gateway_apply()'s mark */
};

/* Opens the socket; accepting begins with listening_start(). */
int listening_open(struct gateway *g, const struct addr *a, struct listening **ret);
int listening_start(struct listening *l);

/* Ends the accept loop, closes the socket and drops the list's reference: when it returns the
 * address is free. */
void listening_close(struct listening *l) WEIR_PARKS;

void listening_unref(struct listening *l);

#endif
