/* Hashing and small pseudo-random numbers.
 *
 * siphash13() keys tables that hostile clients can fill (SipHash-1-3; Aumasson and Bernstein,
 * "SipHash: a fast short-input PRF", 2012). mix64() spreads a number that nobody can choose.
 * struct rng is xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "base/text.h"

uint64_t siphash13(const uint64_t key[static 2], struct str s);

static inline uint64_t mix64(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s, five = s[1] * 5, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return (five << 7 | five >> 57) * 9;
}

/* Uniform in [0, bound), bound > 0 (multiply-shift; the bias below 2^-32 does not matter here). */
static inline uint64_t rng_below(struct rng *r, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

/* Uniform in [0, 1). */
static inline double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

#endif
