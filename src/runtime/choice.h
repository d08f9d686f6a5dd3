/* Which of several goes on: the strategies of exploration, apart from what is explored. Pure; all
 * chance comes from the seed.
 *
 * chance     uniform.
 * priorities PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010): each participant is
 *            born with a random priority, the highest goes on; whoever is about to make one of
 *            depth - 1 random steps falls below all others first. What differs: participants are
 *            not known beforehand, so priorities are drawn at birth; and who yields falls to the
 *            bottom, or spinning would never end.
 * search     depth first over all choices, with a bound on preemptions (Musuvathi, Qadeer, PLDI
 *            2007). Each yield goes first to those who have waited since the same participant's
 *            yield before (the idea of Musuvathi, Qadeer, "Fair Stateless Model Checking", PLDI
 *            2008): without that, two who spin would yield to each other for ever.
 * path       choices given beforehand; what is beyond them takes the first option. */
#ifndef WEIR_RUNTIME_CHOICE_H
#define WEIR_RUNTIME_CHOICE_H

#include "base/hash.h"

enum choice_strategy { CHOICE_CHANCE, CHOICE_PCT, CHOICE_SEARCH, CHOICE_PATH };

enum choice_kind {
    CHOICE_FREE,  /* nobody could simply go on: the last one waits, or has ended */
    CHOICE_POINT, /* the current one could go on: another choice is a preemption */
    CHOICE_YIELD, /* the current one lets others go first */
};

enum {
    CHOICE_DEPTH_MAX = 32,        /* of PCT */
    CHOICE_DECISIONS_MAX = 65536, /* of a search: a longer schedule is not branched any further */
};

/* One that could go on. Its owner keeps its priority while it is none. */
struct candidate {
    void *who;
    uint64_t priority;   /* chooser_priority() at birth; the chooser changes it */
    uint64_t since_step; /* when it became one: has waited since */
};

struct decision {
    uint32_t taken, count;
};

struct chooser {
    enum choice_strategy strategy;
    struct rng rng;
    uint64_t step;

    /* PCT */
    unsigned depth;
    uint64_t change_steps[CHOICE_DEPTH_MAX]; /* in no order; the i-th gives rank depth - i */
    uint64_t lowest;                         /* what the last one to yield was given */

    /* search, path */
    unsigned preemptions_max, preemptions;
    struct decision *decisions; /* of this run so far, and below replay_len of the one before */
    size_t decision_count, decision_cap, replay_len;
    bool truncated; /* some schedule was too long to be branched to its end */
};

void chooser_init(struct chooser *c, enum choice_strategy strategy);
void chooser_done(struct chooser *c);

/* Begins a schedule. steps is how long it is expected to be (PCT; 0: drawn from the seed). */
void chooser_begin(struct chooser *c, uint64_t seed, unsigned depth, uint64_t steps);

/* For one that is born, and for one that yields. */
uint64_t chooser_priority(struct chooser *c);
uint64_t chooser_yield_priority(struct chooser *c);

/* Index of the one to go on; n > 0. current is the index of the one that ran last, or -1 when it is
 * none of them. yielded_step: CHOICE_YIELD, when it yielded before, or 0. */
size_t chooser_pick(struct chooser *c, struct candidate *list, size_t n, enum choice_kind kind,
                    ptrdiff_t current, uint64_t yielded_step);

/* Search: true when time shall pass before anybody goes on, which is a preemption, too. */
bool chooser_interrupt(struct chooser *c);

/* Search: goes on to the next schedule. False: that was the last one. */
bool chooser_next(struct chooser *c);

/* The choices of this run as text: a letter or digit each, larger ones in parentheses, without the
 * zeros at the end. False when out_size bytes are too few. Parsing gives a CHOICE_PATH chooser its
 * choices: -EINVAL, -ENOMEM. */
bool chooser_path_format(const struct chooser *c, char *out, size_t out_size);
int chooser_path_parse(struct chooser *c, const char *text);

#endif
