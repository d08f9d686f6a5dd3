/* A hash table from text to pointer: open addressing, linear probing, SipHash with a key given by
 * the owner. Keys are borrowed and must outlive the entry. Bounded by max entries. Not
 * thread-safe. */
#ifndef WEIR_BASE_MAP_H
#define WEIR_BASE_MAP_H

#include "base/text.h"

struct map {
    struct map_slot *slots;
    size_t cap; /* power of two, or 0 */
    size_t count;
    size_t max; /* 0: no bound (trusted keys only) */
    uint64_t key[2];
};

void map_init(struct map *m, const uint64_t key[static 2], size_t max);
void map_done(struct map *m);

/* NULL when absent. */
void *map_get(const struct map *m, struct str key);

/* Inserts or replaces; -ENOSPC at the bound, -ENOMEM. value must not be NULL. */
int map_put(struct map *m, struct str key, void *value);

/* The value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);

/* Visits in unspecified order; start with *cursor = 0; false at the end. Do not change the map
 * meanwhile. */
bool map_next(const struct map *m, size_t *cursor, struct str *ret_key, void **ret_value);

#endif
