/* The text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). */
#include "export/prometheus.h"

#include "telemetry/metric.h"

/* Buckets that are shown, each a bound of the histograms: half a millisecond to ten seconds. The
 * finer steps stay inside, for quantiles. */
static const int64_t shown_ns[] = {
    500000,     1000000,    2500000,    5000000,    10000000,    25000000,
    50000000,   75000000,   100000000,  250000000,  500000000,   750000000,
    1000000000, 2500000000, 5000000000, 7500000000, 10000000000,
};

struct writer {
    struct text *out;
    bool begun; /* HELP and TYPE of this family are written */
};

static void put_escaped(struct text *out, struct str s, bool quotes)
{
    for (size_t i = 0, start = 0; i <= s.len; i++) {
        bool special =
            i < s.len && (s.ptr[i] == '\\' || s.ptr[i] == '\n' || (quotes && s.ptr[i] == '"'));

        if (i < s.len && !special)
            continue;
        text_put(out, s.ptr + start, i - start);
        if (special) {
            text_put(out, "\\", 1);
            text_put(out, s.ptr[i] == '\n' ? "n" : &s.ptr[i], 1);
        }
        start = i + 1;
    }
}

static void put_i64(struct buf *b, int64_t value)
{
    if (value < 0)
        buf_putc(b, '-');
    buf_put_u64(b, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

/* Nanoseconds as seconds, exactly. */
static void put_seconds(struct buf *b, int64_t ns)
{
    uint64_t abs = ns < 0 ? (uint64_t)0 - (uint64_t)ns : (uint64_t)ns;
    uint64_t part = abs % (uint64_t)NS_PER_SEC;
    char digits[9];
    size_t len = sizeof(digits);

    if (ns < 0)
        buf_putc(b, '-');
    buf_put_u64(b, abs / (uint64_t)NS_PER_SEC);
    if (part == 0)
        return;
    for (size_t i = sizeof(digits); i-- > 0; part /= 10)
        digits[i] = (char)('0' + part % 10);
    while (digits[len - 1] == '0')
        len--;
    buf_putc(b, '.');
    buf_put(b, digits, len);
}

static void put_head(struct text *out, const struct metric_family *f)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    text_puts(out, STR("# HELP "));
    text_puts(out, str_of(f->name));
    text_put(out, " ", 1);
    put_escaped(out, str_of(f->help), false);
    text_puts(out, STR("\n# TYPE "));
    text_puts(out, str_of(f->name));
    text_put(out, " ", 1);
    text_puts(out, str_of(kinds[f->kind]));
    text_put(out, "\n", 1);
}

static void put_label(struct text *out, bool first, const char *name, struct str value)
{
    text_put(out, first ? "{" : ",", 1);
    text_puts(out, str_of(name));
    text_put(out, "=\"", 2);
    put_escaped(out, value, true);
    text_put(out, "\"", 1);
}

/* name_suffix{labels,le="..."} value; le empty: without. */
static void put_sample(struct text *out, const struct metric_family *f, const struct metric *m,
                       const char *suffix, struct str le, struct str value)
{
    text_puts(out, str_of(f->name));
    text_puts(out, str_of(suffix));
    for (unsigned i = 0; i < f->label_count; i++)
        put_label(out, i == 0, f->labels[i], m->labels[i]);
    if (le.len != 0)
        put_label(out, f->label_count == 0, "le", le);
    if (le.len != 0 || f->label_count != 0)
        text_put(out, "}", 1);
    text_put(out, " ", 1);
    text_puts(out, value);
    text_put(out, "\n", 1);
}

static void put_bucket(struct text *out, const struct metric_family *f, const struct metric *m,
                       struct str le, uint64_t count)
{
    char mem[24];
    struct buf value = buf_on(mem, sizeof(mem));

    buf_put_u64(&value, count);
    put_sample(out, f, m, "_bucket", le, buf_str(&value));
}

static void put_histogram(struct text *out, const struct metric_family *f, const struct metric *m)
{
    struct metric_snapshot s;
    char mem[48];
    struct buf b;

    metric_snapshot(m, &s);
    for (size_t i = 0; i < ARRAY_LEN(shown_ns); i++) {
        b = buf_on(mem, sizeof(mem));
        put_seconds(&b, shown_ns[i]);
        put_bucket(out, f, m, buf_str(&b), metric_snapshot_count_to(&s, shown_ns[i]));
    }
    put_bucket(out, f, m, STR("+Inf"), s.count);
    b = buf_on(mem, sizeof(mem));
    put_seconds(&b, (int64_t)s.sum_ns);
    put_sample(out, f, m, "_sum", STR_NULL, buf_str(&b));
    b = buf_on(mem, sizeof(mem));
    buf_put_u64(&b, s.count);
    put_sample(out, f, m, "_count", STR_NULL, buf_str(&b));
}

static void put_value(struct text *out, const struct metric_family *f, const struct metric *m)
{
    char mem[48];
    struct buf value = buf_on(mem, sizeof(mem));

    if (f->unit == METRIC_SECONDS)
        put_seconds(&value, metric_value(m));
    else
        put_i64(&value, metric_value(m));
    put_sample(out, f, m, "", STR_NULL, buf_str(&value));
}

static bool write_series(void *arg, const struct metric_family *f, const struct metric *m)
{
    struct writer *w = arg;

    if (m == NULL) {
        w->begun = false; /* a family without series is not mentioned */
        return !w->out->overflow;
    }
    if (!w->begun)
        put_head(w->out, f);
    w->begun = true;
    if (f->kind == METRIC_HISTOGRAM)
        put_histogram(w->out, f, m);
    else
        put_value(w->out, f, m);
    return !w->out->overflow;
}

int prometheus_write(struct text *out)
{
    struct writer w = {.out = out};
    int error = metric_visit(write_series, &w);

    if (error == 0 && out->overflow)
        error = out->max != 0 ? -E2BIG : -ENOMEM;
    return error;
}
