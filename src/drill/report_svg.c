/* The report as a picture: one panel for each variant, all on the same axes. Self-contained: no
 * script, no font but the reader's, a light background of its own. */
#include <math.h>

#include "drill/report.h"

#define WIDTH      960
#define LEFT       64
#define RIGHT      24
#define HEAD       104
#define PANEL      176 /* height of the plot */
#define PANEL_HEAD 56
#define PANEL_FOOT 34
#define FOOT       16
#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define TICKS_MAX  8
#define GRID_LINES 5    /* at most */
#define HEADROOM   1.15 /* for the names of faults */

static const char style[] =
    "<style>\n"
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;"
    "font-size:12px;fill:#3d444d}\n"
    ".title{font-size:19px;font-weight:600;fill:#1c2128}\n"
    ".name{font-size:14px;font-weight:600;fill:#1c2128}\n"
    ".axis{fill:#6e7781;font-size:11px}\n"
    ".fault{fill:#a3333d;font-size:11px}\n"
    ".grid{stroke:#e4e8ec;stroke-width:1}\n"
    ".base{stroke:#8c959f;stroke-width:1}\n"
    ".window{fill:#f7d9dc;fill-opacity:.6}\n"
    ".good{fill:#9bd5b0;fill-opacity:.75;stroke:#2c8a55;stroke-width:1.2}\n"
    ".offered{fill:none;stroke:#57606a;stroke-width:1.4;stroke-dasharray:5 3}\n"
    ".origins{fill:none;stroke:#d9730d;stroke-width:1.8;stroke-linejoin:round}\n"
    ".failed{fill:none;stroke:#c42b3a;stroke-width:1.3;stroke-linejoin:round}\n"
    "</style>\n";

enum series { SERIES_OFFERED, SERIES_GOOD, SERIES_ORIGINS, SERIES_FAILED };

struct plot {
    const struct drill_report *report;
    const struct drill_result *result;
    double step; /* of the scale, per second */
    double top;
    uint32_t base; /* y of zero */
};

/* As the inside of an element: names come from a file, and words of ours have underscores. */
static void put_escaped(struct str s, struct text *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c < 0x20 || c == 0x7f || c == '_')
            text_put(out, " ", 1);
        else if (c == '<')
            text_puts(out, STR("&lt;"));
        else if (c == '&')
            text_puts(out, STR("&amp;"));
        else if (c == '>')
            text_puts(out, STR("&gt;"));
        else
            text_put(out, &s.ptr[i], 1);
    }
}

/* 1, 2 or 5 times a power of ten. */
static double nice_step(double span, unsigned steps)
{
    static const double nice[] = {1, 2, 5};
    double power = 1;

    for (;; power *= 10)
        for (size_t i = 0; i < ARRAY_LEN(nice); i++)
            if (nice[i] * power * steps >= span)
                return nice[i] * power;
}

static double x_of(const struct plot *p, double second)
{
    return LEFT + PLOT_WIDTH * second / ((double)p->report->scenario->duration_ns / 1e9);
}

static double y_of(const struct plot *p, double value)
{
    return p->base - PANEL * value / p->top;
}

static uint32_t value_of(const struct drill_second *s, enum series series)
{
    switch (series) {
    case SERIES_OFFERED:
        return s->requests;
    case SERIES_GOOD:
        return s->ok;
    case SERIES_ORIGINS:
        return s->attempts;
    default:
        return s->requests - s->ok;
    }
}

/* A point for each second, in its middle. */
static void put_series(const struct plot *p, enum series series, const char *class,
                       struct text *out)
{
    uint32_t n = p->result->second_count;
    bool area = series == SERIES_GOOD;

    text_printf(out, "<path class=\"%s\" d=\"", class);
    if (area)
        text_printf(out, "M%.1f,%u", x_of(p, 0.5), p->base);
    for (uint32_t i = 0; i < n; i++)
        text_printf(out, "%c%.1f,%.1f", i == 0 && !area ? 'M' : 'L', x_of(p, i + 0.5),
                    y_of(p, value_of(&p->result->seconds[i], series)));
    if (area)
        text_printf(out, "L%.1f,%uZ", x_of(p, n - 0.5), p->base);
    text_printf(out, "\"/>\n");
}

static void put_windows(const struct plot *p, struct text *out)
{
    const struct drill_scenario *s = p->report->scenario;

    for (uint32_t i = 0; i < s->fault_count; i++) {
        const struct drill_fault *f = &s->faults[i];
        double x = x_of(p, (double)f->at_ns / 1e9);
        double end = x_of(p, (double)(f->at_ns + f->for_ns) / 1e9);
        struct str kind = drill_fault_text(f->kind);

        text_printf(out,
                    "<rect class=\"window\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>\n",
                    x, p->base - PANEL, end - x, PANEL);
        text_printf(out, "<text class=\"fault\" x=\"%.1f\" y=\"%u\">", x + 4,
                    p->base - PANEL + 13 + 13 * (i % 4));
        put_escaped(kind, out);
        if (f->kind == DRILL_SLOW || f->kind == DRILL_SURGE)
            text_printf(out, " &#215;%u", f->factor);
        if (f->kind == DRILL_ERRORS)
            text_printf(out, " %u %%", f->percent);
        text_printf(out, "</text>\n");
    }
}

static void put_axes(const struct plot *p, struct text *out)
{
    double seconds = (double)p->report->scenario->duration_ns / 1e9;
    double tick = nice_step(seconds, TICKS_MAX);

    for (unsigned i = 0; i * p->step <= p->top; i++) {
        double y = y_of(p, i * p->step);

        text_printf(out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                    i == 0 ? "base" : "grid", LEFT, WIDTH - RIGHT, y, y);
        text_printf(out,
                    "<text class=\"axis\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
                    LEFT - 8, y + 4, i * p->step);
    }
    for (double t = 0; t <= seconds; t += tick)
        text_printf(
            out, "<text class=\"axis\" x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%.0f s</text>\n",
            x_of(p, t), p->base + 18, t);
}

static void put_caption(const struct plot *p, uint32_t v, struct text *out)
{
    const struct drill_summary *m = &p->report->summaries[v];
    uint32_t y = p->base - PANEL;

    text_printf(out, "<text class=\"name\" x=\"%d\" y=\"%u\">", LEFT, y - 30);
    put_escaped(p->report->scenario->variants[v].name, out);
    text_printf(out, "</text>\n<text x=\"%d\" y=\"%u\">", LEFT, y - 12);
    if (m->recovery_s == DRILL_NEVER)
        text_printf(out, "no recovery within the run &#183; ");
    else if (m->recovery_s == 0)
        text_printf(out, "well as soon as the fault is over &#183; ");
    else if (m->recovery_s != DRILL_NO_FAULT)
        text_printf(out, "recovery in %d s &#183; ", m->recovery_s);
    text_printf(out,
                "%.2f %% answered well &#183; amplification %.2f at its peak, %.2f at the end "
                "&#183; %.0f %% of the origins' work for nobody</text>\n",
                100 * drill_ratio(m->all.ok, m->all.requests), m->peak, m->at_end,
                100 * drill_ratio(m->all.wasted, m->all.served));
}

static void put_legend(struct text *out)
{
    static const struct {
        const char *class, *text;
        int x;
    } items[] = {
        {"offered", "clients ask (requests/s)", LEFT},
        {"good", "answered well", LEFT + 216},
        {"origins", "origins are asked (retries included)", LEFT + 364},
        {"failed", "failed for the client", LEFT + 636},
    };

    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        int x = items[i].x, y = 76;

        if (i == 1)
            text_printf(out,
                        "<rect class=\"good\" x=\"%d\" y=\"%d\" width=\"26\" height=\"10\"/>\n", x,
                        y - 9);
        else
            text_printf(out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
                        items[i].class, x, x + 26, y - 4, y - 4);
        text_printf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 34, y, items[i].text);
    }
}

static void put_head(const struct drill_report *r, uint32_t height, struct text *out)
{
    text_printf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" width=\"%d\" "
                "height=\"%u\" role=\"img\">\n<title>",
                WIDTH, height, WIDTH, height);
    put_escaped(r->scenario->name, out);
    text_printf(out, "</title>\n%s<rect width=\"%d\" height=\"%u\" fill=\"#fdfdfd\"/>\n", style,
                WIDTH, height);
    text_printf(out, "<text class=\"title\" x=\"%d\" y=\"36\">", LEFT);
    put_escaped(r->scenario->name, out);
    text_printf(out,
                "</text>\n<text class=\"axis\" x=\"%d\" y=\"54\">weir simulate, seed %llu: "
                "the gateway itself in virtual time</text>\n",
                LEFT, (unsigned long long)r->seed);
    put_legend(out);
}

void drill_write_svg(const struct drill_report *r, struct text *out)
{
    uint32_t n = r->scenario->variant_count, block = PANEL_HEAD + PANEL + PANEL_FOOT;
    struct plot p = {.report = r};

    p.step = nice_step(drill_report_top(r) * HEADROOM, GRID_LINES);
    p.top = p.step * ceil(drill_report_top(r) * HEADROOM / p.step);
    put_head(r, HEAD + n * block + FOOT, out);
    for (uint32_t v = 0; v < n; v++) {
        p.result = &r->results[v];
        p.base = HEAD + v * block + PANEL_HEAD + PANEL;
        put_windows(&p, out);
        put_axes(&p, out);
        put_series(&p, SERIES_GOOD, "good", out);
        put_series(&p, SERIES_OFFERED, "offered", out);
        put_series(&p, SERIES_FAILED, "failed", out);
        put_series(&p, SERIES_ORIGINS, "origins", out);
        put_caption(&p, v, out);
    }
    text_printf(out, "</svg>\n");
}
