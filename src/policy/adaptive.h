/* One step of learning, apart from how samples are gathered. */
#ifndef WEIR_POLICY_ADAPTIVE_H
#define WEIR_POLICY_ADAPTIVE_H

#include <weir/adaptive.h>

struct adaptive_sample {
    double rtt_ns;    /* mean of the window */
    uint32_t running; /* most at once in it */
    bool failed;      /* any */
};

/* Moves a->learned_. Under the lock. */
void adaptive_learn(struct weir_adaptive *a, const struct adaptive_sample *s);

#endif
