/* The arithmetic of a report. */
#include "drill/report.h"

#include <stdlib.h>

struct drill_sum drill_sum_of(const struct drill_second *s, uint32_t count, uint32_t from,
                              uint32_t to)
{
    struct drill_sum sum = {0};

    for (uint32_t i = from; i < MIN(to, count); i++) {
        sum.requests += s[i].requests;
        sum.ok += s[i].ok;
        sum.tries += s[i].tries;
        sum.attempts += s[i].attempts;
        sum.shed += s[i].shed;
        sum.served += s[i].served;
        sum.wasted += s[i].wasted;
    }
    return sum;
}

double drill_ratio(uint64_t part, uint64_t whole)
{
    return whole != 0 ? (double)part / (double)whole : 0;
}

int32_t drill_recovery(const struct drill_second *s, uint32_t count, uint32_t fault_from,
                       uint32_t fault_to)
{
    struct drill_sum before = drill_sum_of(s, count, 0, fault_from);
    double wanted =
        DRILL_RECOVERED * (before.requests != 0 ? drill_ratio(before.ok, before.requests) : 1);

    for (uint32_t i = fault_to; i + DRILL_RECOVERY_WINDOW <= count; i++) {
        struct drill_sum w = drill_sum_of(s, count, i, i + DRILL_RECOVERY_WINDOW);

        if (w.requests != 0 && drill_ratio(w.ok, w.requests) >= wanted)
            return (int32_t)(i - fault_to);
    }
    return DRILL_NEVER;
}

uint32_t drill_percentile(const uint32_t *us, uint32_t count, unsigned percent)
{
    uint64_t rank = ((uint64_t)count * percent + 99) / 100; /* from 1 */

    return count != 0 ? us[MAX(rank, UINT64_C(1)) - 1] : 0;
}

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void sort_latencies(struct drill_latencies *l)
{
    if (l->count != 0)
        qsort(l->us, l->count, sizeof(*l->us), compare_us);
}

static double percentile_ms(const struct drill_latencies *l, unsigned percent)
{
    return drill_percentile(l->us, l->count, percent) / 1e3;
}

/* The greatest amplification of a second in [from, to). */
static double find_peak(const struct drill_result *r, uint32_t from, uint32_t to,
                        uint32_t *ret_second)
{
    double peak = 0;

    for (uint32_t i = from; i < MIN(to, r->second_count); i++) {
        double a = drill_ratio(r->seconds[i].attempts, r->seconds[i].requests);

        if (a > peak) {
            peak = a;
            *ret_second = i;
        }
    }
    return peak;
}

void drill_summarize(const struct drill_scenario *s, struct drill_result *r,
                     struct drill_summary *ret)
{
    uint32_t n = r->second_count, fault_from = n, ignored = 0;
    int64_t from_ns, to_ns;
    struct drill_summary m = {.recovery_s = DRILL_NO_FAULT};

    drill_fault_span(s, &from_ns, &to_ns);
    if (from_ns >= 0) {
        uint32_t fault_to = (uint32_t)((to_ns + NS_PER_SEC - 1) / NS_PER_SEC);

        fault_from = (uint32_t)(from_ns / NS_PER_SEC);
        m.recovery_s = drill_recovery(r->seconds, n, fault_from, fault_to);
        m.during = drill_sum_of(r->seconds, n, fault_from, fault_to);
    }
    m.all = drill_sum_of(r->seconds, n, 0, n);
    m.before = drill_sum_of(r->seconds, n, 0, fault_from);
    m.end = drill_sum_of(r->seconds, n, n - MIN(n, (uint32_t)DRILL_RECOVERY_WINDOW), n);
    m.amplification = drill_ratio(m.all.attempts, m.all.requests);
    m.at_end = drill_ratio(m.end.attempts, m.end.requests);
    m.peak = find_peak(r, 0, n, &m.peak_second);
    m.peak_before = find_peak(r, 0, fault_from, &ignored);
    sort_latencies(&r->before);
    sort_latencies(&r->after);
    m.p50_before_ms = percentile_ms(&r->before, 50);
    m.p99_before_ms = percentile_ms(&r->before, 99);
    m.p50_after_ms = percentile_ms(&r->after, 50);
    m.p99_after_ms = percentile_ms(&r->after, 99);
    *ret = m;
}

uint32_t drill_report_top(const struct drill_report *r)
{
    uint32_t top = 1;

    for (uint32_t v = 0; v < r->scenario->variant_count; v++)
        for (uint32_t i = 0; i < r->results[v].second_count; i++) {
            const struct drill_second *s = &r->results[v].seconds[i];

            top = MAX(top, s->attempts);
            top = MAX(top, s->requests);
        }
    return top;
}

/* Sooner back is better, then more good answers. */
static bool is_better(const struct drill_summary *a, const struct drill_summary *b)
{
    uint32_t x = (uint32_t)a->recovery_s, y = (uint32_t)b->recovery_s; /* never: the greatest */

    if (x != y)
        return x < y;
    return drill_ratio(a->all.ok, a->all.requests) > drill_ratio(b->all.ok, b->all.requests);
}

static void put_outcome(const struct drill_report *r, uint32_t v, struct text *out)
{
    const struct drill_summary *m = &r->summaries[v];

    text_printf(out, "\"" STR_FMT "\"", STR_ARG(r->scenario->variants[v].name));
    if (m->recovery_s == DRILL_NEVER)
        text_printf(out, " does not recover within the run");
    else if (m->recovery_s == 0)
        text_printf(out, " is well as soon as the fault is over");
    else if (m->recovery_s != DRILL_NO_FAULT)
        text_printf(out, " recovers in %d s", m->recovery_s);
    text_printf(out, " (%.2f %% ok, ", 100 * drill_ratio(m->all.ok, m->all.requests));
    if (m->recovery_s != DRILL_NO_FAULT)
        text_printf(out, "%.2f %% during the fault, p99 %.0f ms from then on, ",
                    100 * drill_ratio(m->during.ok, m->during.requests), m->p99_after_ms);
    text_printf(out, "amplification %.2f at its peak)", m->peak);
}

/* The variants, the best one first; of equals the one that stands first. */
static void rank(const struct drill_report *r, uint32_t n, uint32_t *ret)
{
    for (uint32_t v = 0; v < n; v++) {
        uint32_t i = v;

        for (; i > 0 && is_better(&r->summaries[v], &r->summaries[ret[i - 1]]); i--)
            ret[i] = ret[i - 1];
        ret[i] = v;
    }
}

void drill_write_verdict(const struct drill_report *r, const char *between, struct text *out)
{
    uint32_t n = r->scenario->variant_count, order[DRILL_VARIANTS_MAX];

    rank(r, n, order);
    for (uint32_t i = 0; i < n; i++) {
        if (i != 0)
            text_printf(out, "%s", between);
        put_outcome(r, order[i], out);
    }
}
