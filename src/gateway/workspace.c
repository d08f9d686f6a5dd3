/* Memory of active connections: see workspace.h. */
#include "gateway/workspace.h"

#define KEEP_FREE 256 /* blocks kept per class; beyond, a burst gives its memory back */

static uint32_t head_limit(uint32_t class)
{
    return (uint32_t)(8 * KIB) << class;
}

static size_t block_bytes(uint32_t class)
{
    size_t reader = head_limit(class) + WORKSPACE_BODY_BYTES;

    return sizeof(struct workspace) + 2 * reader + head_limit(class) + WORKSPACE_HEAD_EXTRA +
           ARENA_FIRST_BYTES;
}

void workspaces_init(struct workspaces *w)
{
    for (uint32_t class = 0; class < WORKSPACE_CLASSES; class ++)
        pool_init(&w->pools[class], block_bytes(class), KEEP_FREE);
}

void workspaces_done(struct workspaces *w)
{
    for (uint32_t class = 0; class < WORKSPACE_CLASSES; class ++)
        pool_done(&w->pools[class]);
}

int workspace_class(uint32_t head_bytes)
{
    for (uint32_t class = 0; class < WORKSPACE_CLASSES; class ++) {
        if (head_bytes <= head_limit(class))
            return (int)class;
    }
    return -EINVAL;
}

/* inline: as exchange_begin(). */
inline struct workspace *workspace_get(struct workspaces *w, uint32_t class)
{
    struct workspace *s = pool_get(&w->pools[class]);
    char *p;

    if (s == NULL)
        return NULL;
    s->class = class;
    s->reader_bytes = head_limit(class) + (uint32_t)WORKSPACE_BODY_BYTES;
    s->head_bytes = head_limit(class) + (uint32_t)WORKSPACE_HEAD_EXTRA;
    p = (char *)(s + 1);
    s->arena_buf = p; /* first: it wants alignment */
    p += ARENA_FIRST_BYTES;
    s->client_buf = p;
    p += s->reader_bytes;
    s->upstream_buf = p;
    p += s->reader_bytes;
    s->head_buf = p;
    return s;
}

void workspace_put(struct workspaces *w, struct workspace *s)
{
    if (s != NULL)
        pool_put(&w->pools[s->class], s);
}

size_t workspaces_live(struct workspaces *w)
{
    size_t live = 0;

    for (uint32_t class = 0; class < WORKSPACE_CLASSES; class ++)
        live += atomic_load_explicit(&w->pools[class].live_count, memory_order_relaxed);
    return live;
}
