/* A runtime over the simulated world for tests of servers and clients. Inside coroutines CHECK()
 * replaces cmocka's asserts, which would jump between stacks; it aborts and names the seed. */
#ifndef WEIR_TESTS_HTTP_LAB_H
#define WEIR_TESTS_HTTP_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/hash.h"
#include "http/client.h"
#include "http/server.h"
#include "world/sim.h"

struct lab {
    struct world *sim;
    uint64_t seed;
    struct rng rng;
    struct addr addr; /* to listen on */
    void (*body)(struct lab *lab);
};

extern struct lab *lab_now;

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "seed %llu\n", (unsigned long long)lab_now->seed);                     \
            assert_failed(#x, __FILE__, __LINE__, __func__);                                       \
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

/* Runs body with this seed; 0: in the real world, on two processors. No socket may be left open. */
void lab_run(uint64_t seed, void (*body)(struct lab *lab));
/* The same for seeds 1..count. */
void lab_run_seeds(uint64_t count, void (*body)(struct lab *lab));

/* Latency, fragments, small windows and stalls, but no loss. */
void lab_bad_link(struct lab *lab);

struct http_server *lab_serve(struct lab *lab, http_handler_fn *handler, void *arg);
struct http_server *lab_serve_with(struct lab *lab, struct http_server_options o);
/* Stops within a second. */
void lab_stop(struct http_server *s);

struct http_client lab_client(const struct lab *lab);
struct stream *lab_dial(const struct lab *lab);
void lab_say(struct stream *s, struct str text);

/* Reads until the end of the stream (or an error) and returns what came, in static memory. */
struct str lab_read_to_end(struct stream *s);

/* Says the text on a new connection and returns all that is answered, likewise; both at once, or
 * tiny windows would block both sides. */
struct str lab_talk(const struct lab *lab, struct str text);

bool lab_contains(struct str text, struct str part);

#endif
