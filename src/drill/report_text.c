/* The report for a terminal or a log. */
#include "base/assert.h"
#include "drill/report.h"

#define COLUMNS_MAX 64
#define LEVELS      8

enum row { ROW_OFFERED, ROW_GOOD, ROW_ORIGINS, ROW_MAX };

struct chart {
    const struct drill_report *report;
    const struct drill_result *result;
    uint32_t step, columns; /* seconds in a column */
    double top;
    bool plain;
};

static uint32_t value_of(const struct drill_second *s, enum row row)
{
    return row == ROW_OFFERED ? s->requests : row == ROW_GOOD ? s->ok : s->attempts;
}

static double column_value(const struct chart *c, enum row row, uint32_t column)
{
    uint32_t from = column * c->step, to = MIN(from + c->step, c->result->second_count);
    uint64_t sum = 0;

    for (uint32_t i = from; i < to; i++)
        sum += value_of(&c->result->seconds[i], row);
    return drill_ratio(sum, to - from);
}

static void put_level(const struct chart *c, double share, struct text *out)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char plain[] = " .:-=+*#@";
    int level = share <= 0 ? 0 : 1 + (int)(share * (LEVELS - 1) + 0.5);

    level = MIN(level, LEVELS);
    if (c->plain)
        text_put(out, &plain[level], 1);
    else
        text_puts(out, str_of(blocks[level]));
}

static void put_row(const struct chart *c, enum row row, const char *title, struct text *out)
{
    double most = 0;

    text_printf(out, "  %-18s", title);
    for (uint32_t i = 0; i < c->columns; i++) {
        double v = column_value(c, row, i);

        most = MAX(most, v);
        put_level(c, v / c->top, out);
    }
    text_printf(out, "  at most %.0f/s\n", most);
}

static bool fault_in(const struct drill_scenario *s, int64_t from_ns, int64_t to_ns)
{
    for (uint32_t i = 0; i < s->fault_count; i++)
        if (s->faults[i].at_ns < to_ns && s->faults[i].at_ns + s->faults[i].for_ns > from_ns)
            return true;
    return false;
}

static void put_fault_row(const struct chart *c, struct text *out)
{
    int64_t step_ns = (int64_t)c->step * NS_PER_SEC;

    text_printf(out, "  %-18s", "fault");
    for (uint32_t i = 0; i < c->columns; i++) {
        bool in = fault_in(c->report->scenario, i * step_ns, (i + 1) * step_ns);

        text_printf(out, "%s", in ? "x" : "-");
    }
    text_printf(out, "  %u s a column\n", c->step);
}

static void put_chart(const struct chart *c, struct text *out)
{
    put_row(c, ROW_OFFERED, "clients ask", out);
    put_row(c, ROW_GOOD, "answered well", out);
    put_row(c, ROW_ORIGINS, "origins are asked", out);
    put_fault_row(c, out);
}

static void put_recovery(const struct drill_summary *m, struct text *out)
{
    text_printf(out, "  %-18s ", "recovery");
    if (m->recovery_s == DRILL_NEVER)
        text_printf(out, "not within the run\n");
    else if (m->recovery_s == DRILL_NO_FAULT)
        text_printf(out, "no fault to recover from\n");
    else
        text_printf(out, "%d s after the end of the last fault\n", m->recovery_s);
}

static void put_latency(const struct drill_summary *m, struct text *out)
{
    text_printf(out, "  %-18s p50 %.1f ms, p99 %.1f ms", "latency", m->p50_before_ms,
                m->p99_before_ms);
    if (m->recovery_s != DRILL_NO_FAULT)
        text_printf(out, " before the fault; p50 %.1f ms, p99 %.1f ms from then on",
                    m->p50_after_ms, m->p99_after_ms);
    text_printf(out, "\n");
}

static void put_causes(const struct drill_result *r, struct text *out)
{
    const char *sep = "";

    text_printf(out, "  %-18s ", "gateway");
    text_printf(out, "%llu retries, %llu more withheld by the budget\n",
                (unsigned long long)r->retries, (unsigned long long)r->retries_over_budget);
    text_printf(out, "  %-18s ", "causes");
    for (int i = 0; i < CAUSE_MAX; i++) {
        if (r->causes[i] == 0)
            continue;
        text_printf(out, "%s" STR_FMT " %llu", sep, STR_ARG(cause_name((enum cause)i)),
                    (unsigned long long)r->causes[i]);
        sep = ", ";
    }
    text_printf(out, "%s\n", sep[0] == '\0' ? "none" : "");
}

static void put_events(const struct drill_result *r, struct text *out)
{
    for (uint32_t i = 0; i < r->event_count; i++)
        text_printf(out, "  %-18s %8.3f s  %s\n", i == 0 ? "events" : "",
                    (double)r->events[i].at_ns / 1e9, r->events[i].text);
    if (r->events_dropped != 0)
        text_printf(out, "  %-18s and %u more\n", "", r->events_dropped);
}

static void put_variant(const struct chart *c, uint32_t v, struct text *out)
{
    const struct drill_result *r = &c->report->results[v];
    const struct drill_summary *m = &c->report->summaries[v];

    text_printf(out, "\n" STR_FMT "\n", STR_ARG(c->report->scenario->variants[v].name));
    put_chart(c, out);
    text_printf(out, "  %-18s %llu, %.2f %% ok", "requests", (unsigned long long)m->all.requests,
                100 * drill_ratio(m->all.ok, m->all.requests));
    if (m->recovery_s != DRILL_NO_FAULT)
        text_printf(out, "; %.2f %% before the fault, %.2f %% at the end",
                    100 * drill_ratio(m->before.ok, m->before.requests),
                    100 * drill_ratio(m->end.ok, m->end.requests));
    text_printf(out, "\n  %-18s %.2f over the run, %.2f at its peak (second %u), %.2f at the end\n",
                "amplification", m->amplification, m->peak, m->peak_second, m->at_end);
    put_recovery(m, out);
    put_latency(m, out);
    text_printf(out, "  %-18s %llu timeouts, %llu error answers, %llu broken off\n", "clients met",
                (unsigned long long)r->failures[DRILL_TIMEOUT],
                (unsigned long long)r->failures[DRILL_STATUS],
                (unsigned long long)r->failures[DRILL_CUT]);
    text_printf(out,
                "  %-18s %llu requests, %llu refused (queue full), %.1f %% of the work for "
                "nobody\n",
                "origins", (unsigned long long)m->all.attempts, (unsigned long long)m->all.shed,
                100 * drill_ratio(m->all.wasted, m->all.served));
    put_causes(r, out);
    put_events(r, out);
}

void drill_write_text(const struct drill_report *r, bool plain, struct text *out)
{
    const struct drill_scenario *s = r->scenario;
    struct chart c = {.report = r, .plain = plain, .top = drill_report_top(r)};

    text_printf(out, STR_FMT ": %.0f s, seed %llu, %u variant%s\n", STR_ARG(s->name),
                (double)s->duration_ns / 1e9, (unsigned long long)r->seed, s->variant_count,
                s->variant_count == 1 ? "" : "s");
    for (uint32_t v = 0; v < s->variant_count; v++) {
        c.result = &r->results[v];
        c.step = (c.result->second_count + COLUMNS_MAX - 1) / COLUMNS_MAX;
        c.columns = (c.result->second_count + c.step - 1) / c.step;
        put_variant(&c, v, out);
    }
    text_printf(out, "\nverdict: ");
    drill_write_verdict(r, ";\n         ", out);
    text_printf(out, "\n");
}
