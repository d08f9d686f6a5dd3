/* The simulated world: virtual time that moves only when everybody waits, chance and run order
 * from a seed, and a network in memory that delays, fragments, loses, resets and cuts.
 *
 * Everything in one process and one thread lives in it: gateway, clients, origins. A listener is
 * named by its address; a fault is set on an address and holds for the connections to it. */
#ifndef WEIR_WORLD_SIM_H
#define WEIR_WORLD_SIM_H

#include "world/world.h"

/* What the network does to connections made to one address (or to all: the default link). */
struct sim_link {
    int64_t latency_ns;    /* one way, fixed part; at least 1 us, or an echo would stop time */
    int64_t jitter_ns;     /* plus uniform [0, jitter) per segment; order within a stream holds */
    uint32_t segment_max;  /* bytes arrive in pieces of 1..segment_max, and some reads and writes
                              take a part only; 0: whole */
    uint32_t window_bytes; /* socket buffer of each side; 0: 64 KiB. Small: a slow reader bites */
    double reset_chance;   /* per segment: both ends get a reset */
    double refuse_chance;  /* per connect */
    double connect_hang_chance; /* per connect: neither accepted nor refused */
    double stall_chance;        /* per segment: the direction stalls for stall_ns first */
    int64_t stall_ns;
    double spurious_chance; /* per segment: its sender gets an event without a cause */
    bool refuse;            /* nobody listens */
    bool partitioned;       /* nothing passes either way, nothing is reported; ends by healing */
};

struct sim_stats {
    uint64_t connects, accepts, resets, segments, bytes;
    int64_t virtual_ns;    /* how far the clock has moved */
    uint32_t open_sockets; /* handles not yet closed: 0 at the end or something leaked */
};

/* The default link has a latency of 50 us and no faults. Handles start at 3, the lowest free one is
 * given; using one after its close is an assert. Poller and listeners have no fate of their own:
 * sim_free() frees everything but the pollers, which must be gone. */
struct world *sim_new(uint64_t seed);
void sim_free(struct world *w);

/* a NULL: the default for addresses without a link of their own. Takes effect at once, also for
 * live connections. */
void sim_set_link(struct world *w, const struct addr *a, const struct sim_link *link);
/* Resets every live connection to a; counts them. */
int sim_reset_all(struct world *w, const struct addr *a);
/* The machine at a dies without a word: its live connections go half-open (the other side hears
 * nothing), new connects hang. sim_revive() ends it: old connections get resets. */
void sim_freeze(struct world *w, const struct addr *a);
void sim_revive(struct world *w, const struct addr *a);

/* At most max handles, then -EMFILE. 65,536 at first. */
void sim_set_socket_max(struct world *w, int max);

/* Moves the clock by hand: what somebody runnable does takes time. What is due meanwhile happens at
 * the next poll. */
void sim_advance(struct world *w, int64_t ns);
/* What reading the clock takes; 0 at first. With some, a loop that waits for a time ends. */
void sim_set_clock_cost(struct world *w, int64_t ns);
/* What the clock shows, for watchers from outside: costs nothing. */
int64_t sim_clock_ns(struct world *w);

void sim_get_stats(struct world *w, struct sim_stats *ret);

#endif
