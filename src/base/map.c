/* Text to pointer, open addressing; removal shifts back, so there are no tombstones. */
#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"

struct map_slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free */
};

void map_init(struct map *m, const uint64_t key[static 2], size_t max)
{
    *m = (struct map){.max = max, .key = {key[0], key[1]}};
}

void map_done(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->cap = m->count = 0;
}

static struct map_slot *map_find(const struct map *m, uint64_t hash, struct str key)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];

        if (s->value == NULL || (s->hash == hash && str_eq(s->key, key)))
            return s;
    }
}

void *map_get(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    return map_find(m, siphash13(m->key, key), key)->value;
}

static int map_resize(struct map *m, size_t cap)
{
    struct map old = *m;

    m->slots = calloc(cap, sizeof(*m->slots));
    if (m->slots == NULL) {
        *m = old;
        return -ENOMEM;
    }
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value != NULL)
            *map_find(m, old.slots[i].hash, old.slots[i].key) = old.slots[i];
    free(old.slots);
    return 0;
}

int map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = siphash13(m->key, key);
    struct map_slot *s;

    if (m->cap != 0) {
        s = map_find(m, hash, key);
        if (s->value != NULL) {
            s->value = value;
            s->key = key;
            return 0;
        }
    }
    if (m->max != 0 && m->count >= m->max)
        return -ENOSPC;
    if ((m->count + 1) * 4 > m->cap * 3) {
        int rc = map_resize(m, m->cap != 0 ? m->cap * 2 : 16);

        if (rc < 0)
            return rc;
    }
    *map_find(m, hash, key) = (struct map_slot){hash, key, value};
    m->count++;
    return 0;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot *s;
    size_t hole, mask = m->cap - 1;
    void *value;

    if (m->count == 0)
        return NULL;
    s = map_find(m, siphash13(m->key, key), key);
    value = s->value;
    if (value == NULL)
        return NULL;
    hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value)
{
    for (; *cursor < m->cap; (*cursor)++) {
        struct map_slot *s = &m->slots[*cursor];

        if (s->value != NULL) {
            *ret_key = s->key;
            *ret_value = s->value;
            (*cursor)++;
            return true;
        }
    }
    return false;
}
