/* What the counts of runs mean: arithmetic first, then the three ways to show it. Pure. */
#ifndef WEIR_DRILL_REPORT_H
#define WEIR_DRILL_REPORT_H

#include "drill/tally.h"

#define DRILL_RECOVERY_WINDOW 5    /* seconds that must be good */
#define DRILL_RECOVERED       0.95 /* of the share of good answers before the first fault */

enum {
    DRILL_NEVER = -1,    /* not within the run */
    DRILL_NO_FAULT = -2, /* nothing to recover from */
};

struct drill_sum { /* over some seconds */
    uint64_t requests, ok, tries, attempts, shed, served, wasted;
};

struct drill_summary {
    struct drill_sum all, before, end; /* before the first fault; the last 5 s */
    struct drill_sum during;           /* from the first fault's begin to the last one's end */
    double amplification, peak, peak_before, at_end; /* mean over the run; of single seconds */
    uint32_t peak_second;
    int32_t recovery_s; /* or DRILL_NEVER, DRILL_NO_FAULT */
    double p50_before_ms, p99_before_ms, p50_after_ms, p99_after_ms; /* 0: no good answer */
};

/* Seconds [from, to), cut to what there is. */
struct drill_sum drill_sum_of(const struct drill_second *s, uint32_t count, uint32_t from,
                              uint32_t to);

/* part / whole; 0 when there is no whole. */
double drill_ratio(uint64_t part, uint64_t whole);

/* Seconds from fault_to until the first second from which on, over DRILL_RECOVERY_WINDOW seconds,
 * the share of good answers is DRILL_RECOVERED of what it was in [0, fault_from) (of all, when
 * there was nothing before). */
int32_t drill_recovery(const struct drill_second *s, uint32_t count, uint32_t fault_from,
                       uint32_t fault_to);

/* The nearest rank, percent in 1..100; us is sorted. 0 without any. */
uint32_t drill_percentile(const uint32_t *us, uint32_t count, unsigned percent);

/* Sorts the latencies of r. */
void drill_summarize(const struct drill_scenario *s, struct drill_result *r,
                     struct drill_summary *ret);

/* All variants together, for the writers. */
struct drill_report {
    const struct drill_scenario *scenario;
    uint64_t seed;
    struct drill_result results[DRILL_VARIANTS_MAX];
    struct drill_summary summaries[DRILL_VARIANTS_MAX];
};

/* The greatest rate of any series in any second: the top of all scales. At least 1. */
uint32_t drill_report_top(const struct drill_report *r);

/* One sentence that compares the variants, the best one first; between stands between them. */
void drill_write_verdict(const struct drill_report *r, const char *between, struct text *out);

void drill_write_text(const struct drill_report *r, bool plain, struct text *out);
void drill_write_json(const struct drill_report *r, struct text *out);
void drill_write_svg(const struct drill_report *r, struct text *out);

#endif
