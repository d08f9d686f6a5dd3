/* The report for programs. */
#include "drill/report.h"

static void put_text(const char *key, struct str value, struct text *out)
{
    text_printf(out, "\"%s\":\"", key);
    text_put_json(out, value);
    text_printf(out, "\"");
}

static void put_number(const char *key, uint64_t value, struct text *out)
{
    text_printf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void put_faults(const struct drill_scenario *s, struct text *out)
{
    text_printf(out, ",\"faults\":[");
    for (uint32_t i = 0; i < s->fault_count; i++) {
        const struct drill_fault *f = &s->faults[i];

        text_printf(out, "%s{", i != 0 ? "," : "");
        put_text("kind", drill_fault_text(f->kind), out);
        text_printf(out, ",\"at_s\":%.3f,\"for_s\":%.3f,", (double)f->at_ns / 1e9,
                    (double)f->for_ns / 1e9);
        put_text("origin", f->origin.text.ptr != NULL ? f->origin.text : STR("all"), out);
        text_printf(out, "}");
    }
    text_printf(out, "]");
}

/* One array for each count, an element for each second. */
static void put_seconds(const struct drill_result *r, struct text *out)
{
    static const struct {
        const char *name;
        size_t offset;
    } columns[] = {
        {"requests", offsetof(struct drill_second, requests)},
        {"ok", offsetof(struct drill_second, ok)},
        {"tries", offsetof(struct drill_second, tries)},
        {"attempts", offsetof(struct drill_second, attempts)},
        {"shed", offsetof(struct drill_second, shed)},
        {"served", offsetof(struct drill_second, served)},
        {"wasted", offsetof(struct drill_second, wasted)},
    };

    text_printf(out, ",\"seconds\":{");
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        text_printf(out, "%s\"%s\":[", c != 0 ? "," : "", columns[c].name);
        for (uint32_t i = 0; i < r->second_count; i++)
            text_printf(out, "%s%u", i != 0 ? "," : "",
                        *(const uint32_t *)((const char *)&r->seconds[i] + columns[c].offset));
        text_printf(out, "]");
    }
    text_printf(out, "}");
}

static void put_causes(const struct drill_result *r, struct text *out)
{
    const char *sep = "";

    text_printf(out, ",\"causes\":{");
    for (int i = 0; i < CAUSE_MAX; i++) {
        if (r->causes[i] == 0)
            continue;
        text_printf(out, "%s\"" STR_FMT "\":%llu", sep, STR_ARG(cause_name((enum cause)i)),
                    (unsigned long long)r->causes[i]);
        sep = ",";
    }
    text_printf(out, "}");
}

static void put_events(const struct drill_result *r, struct text *out)
{
    text_printf(out, ",\"events\":[");
    for (uint32_t i = 0; i < r->event_count; i++) {
        text_printf(out, "%s{\"at_s\":%.6f,", i != 0 ? "," : "", (double)r->events[i].at_ns / 1e9);
        put_text("text", str_of(r->events[i].text), out);
        text_printf(out, "}");
    }
    text_printf(out, "]");
    put_number("events_dropped", r->events_dropped, out);
}

static void put_variant(const struct drill_report *report, uint32_t v, struct text *out)
{
    const struct drill_result *r = &report->results[v];
    const struct drill_summary *m = &report->summaries[v];

    text_printf(out, "{");
    put_text("name", report->scenario->variants[v].name, out);
    put_number("requests", m->all.requests, out);
    put_number("ok", m->all.ok, out);
    put_number("tries", m->all.tries, out);
    put_number("attempts", m->all.attempts, out);
    put_number("shed", m->all.shed, out);
    put_number("served", m->all.served, out);
    put_number("wasted", m->all.wasted, out);
    put_number("timeouts", r->failures[DRILL_TIMEOUT], out);
    put_number("error_answers", r->failures[DRILL_STATUS], out);
    put_number("broken_off", r->failures[DRILL_CUT], out);
    put_number("retries", r->retries, out);
    put_number("retries_over_budget", r->retries_over_budget, out);
    text_printf(
        out,
        ",\"ok_share\":%.6f,\"ok_share_before\":%.6f,\"ok_share_during\":%.6f,\"ok_share_end\":%."
        "6f,"
        "\"amplification\":{\"mean\":%.6f,\"peak\":%.6f,\"peak_s\":%u,"
        "\"peak_before\":%.6f,\"end\":%.6f}",
        drill_ratio(m->all.ok, m->all.requests), drill_ratio(m->before.ok, m->before.requests),
        drill_ratio(m->during.ok, m->during.requests), drill_ratio(m->end.ok, m->end.requests),
        m->amplification, m->peak, m->peak_second, m->peak_before, m->at_end);
    text_printf(out,
                ",\"latency_ms\":{\"before\":{\"p50\":%.3f,\"p99\":%.3f},"
                "\"after\":{\"p50\":%.3f,\"p99\":%.3f}}",
                m->p50_before_ms, m->p99_before_ms, m->p50_after_ms, m->p99_after_ms);
    if (m->recovery_s >= 0)
        text_printf(out, ",\"recovery_s\":%d", m->recovery_s);
    else
        text_printf(out, ",\"recovery_s\":null");
    put_causes(r, out);
    put_seconds(r, out);
    put_events(r, out);
    text_printf(out, "}");
}

void drill_write_json(const struct drill_report *r, struct text *out)
{
    const struct drill_scenario *s = r->scenario;
    struct text verdict = {0};

    drill_write_verdict(r, "; ", &verdict);
    text_printf(out, "{");
    put_text("name", s->name, out);
    put_number("seed", r->seed, out);
    text_printf(out, ",\"duration_s\":%.3f", (double)s->duration_ns / 1e9);
    put_faults(s, out);
    text_printf(out, ",\"variants\":[");
    for (uint32_t v = 0; v < s->variant_count; v++) {
        text_printf(out, "%s\n", v != 0 ? "," : "");
        put_variant(r, v, out);
    }
    text_printf(out, "\n],");
    put_text("verdict", str_n(verdict.ptr, verdict.len), out);
    text_printf(out, "}\n");
    text_done(&verdict);
}
