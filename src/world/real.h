/* What the two halves of the real world share. */
#ifndef WEIR_WORLD_REAL_H
#define WEIR_WORLD_REAL_H

#include "world/world.h"

int real_poller_new(struct world *w, struct world_poller **ret);
void real_poller_free(struct world_poller *p);
int real_poller_add(struct world_poller *p, int sock, void *udata);
int real_poller_remove(struct world_poller *p, int sock);
int real_poll(struct world_poller *p, struct world_event *events, int max, int64_t timeout_ns);
void real_poller_wake(struct world_poller *p);

/* A second descriptor of the same open file, to be closed with world_close(). */
int real_dup(int fd);

#endif
