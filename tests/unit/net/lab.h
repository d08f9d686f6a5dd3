/* A place to test streams in: the runtime over the real or the simulated world, with every socket
 * call counted. Inside coroutines CHECK() replaces cmocka's asserts, which would jump between
 * stacks; it aborts and names the seed. */
#ifndef WEIR_TESTS_NET_LAB_H
#define WEIR_TESTS_NET_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/hash.h"
#include "net/stream.h"
#include "world/sim.h"

/* Hands everything on to another world and counts. */
struct counting_world {
    struct world world;
    struct world *inner;
    struct world_ops ops;
    atomic_uint recvs, sends, peeks, vain; /* vain: -EAGAIN from either */
};

struct lab {
    struct counting_world *counts;
    struct world *sim; /* NULL: the real world */
    uint64_t seed;
    struct rng rng;
    struct sim_link link;
    struct listener *listener;
    struct addr addr; /* of the listener */
    void (*body)(struct lab *lab);
};

extern struct lab *lab_now;

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "seed %llu:\n", (unsigned long long)lab_now->seed);                    \
            ASSERT(x);                                                                             \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long check_a_ = (long long)(a), check_b_ = (long long)(b);                            \
        if (check_a_ != check_b_) {                                                                \
            fprintf(stderr, "seed %llu: %lld != %lld\n", (unsigned long long)lab_now->seed,        \
                    check_a_, check_b_);                                                           \
            assert_failed(#a " == " #b, __FILE__, __LINE__, __func__);                             \
        }                                                                                          \
    } while (0)

/* Runs body in a runtime over the simulated world with this seed (0: over the real one, on two
 * processors), with a listener open at lab->addr. Nothing may be left open. */
void lab_run(uint64_t seed, void (*body)(struct lab *lab));

enum { LAB_SEEDS = 150 };

/* Over the simulated world with many seeds; everywhere: over the real one, too. */
void run_sim(void (*body)(struct lab *lab));
void run_everywhere(void (*body)(struct lab *lab));

/* Any mixture of latency, jitter, fragments, small windows, stalls and spurious events. */
struct sim_link lab_any_link(struct rng *r);
void lab_set_link(struct lab *lab, const struct sim_link *link);

/* A connected pair of streams. */
void lab_pair(struct lab *lab, struct stream **ret_client, struct stream **ret_server);

/* Bytes that tell their place. */
char lab_byte(size_t at);
void lab_fill(char *out, size_t at, size_t size);
void lab_verify(const char *got, size_t at, size_t size);

/* Reads exactly size bytes. */
void lab_read_all(struct stream *s, char *out, size_t size);

/* For a coroutine that waits in one call: its stream and the outcome. */
struct waiting {
    struct lab *lab;
    struct stream *s;
    atomic_bool begun;
    int result;
};

void wait_for_bytes(void *arg);
void wait_for_client(void *arg);

#endif
