/* Memory that a connection needs while it is active, and only then: the buffers of both sides, room
 * for a head to be written, and the first block of the arena. One block, recycled warm. */
#ifndef WEIR_GATEWAY_WORKSPACE_H
#define WEIR_GATEWAY_WORKSPACE_H

#include "base/pool.h"

#define WORKSPACE_CLASSES    8 /* heads up to 8, 16, ... 1,024 KiB */
#define WORKSPACE_BODY_BYTES (16 * KIB)
#define WORKSPACE_HEAD_EXTRA (8 * KIB) /* what we may add to a head */
#define ARENA_FIRST_BYTES    (4 * KIB)

struct workspace {
    uint32_t reader_bytes; /* of each of the two read buffers */
    uint32_t head_bytes;
    uint32_t class;
    char *client_buf;
    char *upstream_buf;
    char *head_buf;
    char *arena_buf;
};

struct workspaces {
    struct pool pools[WORKSPACE_CLASSES];
};

void workspaces_init(struct workspaces *w);
void workspaces_done(struct workspaces *w);

/* The class that fits heads of this size; sizes beyond the last class are a configuration error:
 * -EINVAL. */
int workspace_class(uint32_t head_bytes);

/* NULL when memory is out. */
struct workspace *workspace_get(struct workspaces *w, uint32_t class);
void workspace_put(struct workspaces *w, struct workspace *s);
size_t workspaces_live(struct workspaces *w);

#endif
