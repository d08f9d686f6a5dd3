/* A token bucket for each of many keys (clients, paths, tenants), in memory of a fixed size.
 *
 * Exact while at most keys_max buckets are not full: a full bucket equals one that was never used,
 * so its place is free. Beyond that the fullest neighbour is forgotten, which lets that key begin
 * anew and is counted. May be shared by any number of coroutines and threads; does not park.
 */
#ifndef WEIR_KEYED_H
#define WEIR_KEYED_H

#include <weir/limiter.h>

struct weir_keyed;

/* Bytes of memory for a table of so many keys: 24 a key at most, from some thousands up. */
WEIR_API size_t weir_keyed_bytes(uint32_t keys_max);

/* A table in memory, which is the caller's, aligned to 64 and of weir_keyed_bytes(keys_max).
 * secret: random, so that nobody can choose keys that meet in one place. -EINVAL: as
 * weir_bucket_init(), or keys_max 0. */
WEIR_API int weir_keyed_init(void *memory, uint32_t keys_max, const struct weir_rate *rate,
                             const uint64_t secret[2], int64_t now_ns, struct weir_keyed **ret);

/* Takes n tokens of the key's bucket. As weir_bucket_take(). */
WEIR_API int weir_keyed_take(struct weir_keyed *k, const void *key, size_t key_bytes, uint32_t n,
                             int64_t now_ns, int64_t *ret_retry_after_ns);

/* What a key's bucket holds after a take. */
struct weir_keyed_left {
    uint64_t tokens;       /* whole ones */
    int64_t full_after_ns; /* without further takes; INT64_MAX: never */
};

/* Takes as weir_keyed_take(), and says what is left, also when it refuses. ret_left is not NULL. */
WEIR_API int weir_keyed_take_left(struct weir_keyed *k, const void *key, size_t key_bytes,
                                  uint32_t n, int64_t now_ns, int64_t *ret_retry_after_ns,
                                  struct weir_keyed_left *ret_left);

/* Changes the rate of all keys. A key's tokens carry over as they are when a key near it is asked
 * for next. -EINVAL as weir_bucket_init(). */
WEIR_API int weir_keyed_set(struct weir_keyed *k, const struct weir_rate *rate);

/* Fills all buckets. */
WEIR_API void weir_keyed_clear(struct weir_keyed *k);

/* Buckets forgotten before they were full: the table is too small. */
WEIR_API uint64_t weir_keyed_evicted(const struct weir_keyed *k);

#endif
