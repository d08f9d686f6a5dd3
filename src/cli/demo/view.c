/* The demo's screen and log lines. */
#include "cli/demo/view.h"

#include "cli/demo/canvas.h"

#define COLUMNS_MIN        40
#define ROWS_MIN           8
#define REASON_COLUMNS_MIN 16 /* with less room a reason is a riddle; it stands below anyway */
#define HELP_ROWS          5  /* a blank line and the block of things to try */

void demo_format_latency(int64_t ns, struct buf *out)
{
    if (ns <= 0)
        buf_lit(out, "-");
    else if (ns < NS_PER_MS)
        buf_printf(out, "%dus", (int)(ns / NS_PER_US));
    else if (ns < 10 * NS_PER_MS)
        buf_printf(out, "%.1fms", (double)ns / NS_PER_MS);
    else if (ns < NS_PER_SEC)
        buf_printf(out, "%dms", (int)(ns / NS_PER_MS));
    else
        buf_printf(out, "%.1fs", (double)ns / NS_PER_SEC);
}

struct latency_text {
    char ptr[16];
};

static struct latency_text latency_text(int64_t ns)
{
    struct latency_text t = {{0}};
    struct buf b = buf_on(t.ptr, sizeof(t.ptr) - 1);

    demo_format_latency(ns, &b);
    return t;
}

static void put_clock(struct canvas *c, enum style style, int64_t ns)
{
    long s = (long)(ns / NS_PER_SEC);

    canvas_put(c, style, "%02ld:%02ld", s / 60, s % 60);
}

static double success_percent(const struct demo_totals *t)
{
    return t->requests == 0 ? 100.0 : 100.0 * (double)t->ok / (double)t->requests;
}

static void render_header(const struct demo_view *v, struct canvas *c)
{
    const struct demo_totals *t = &v->totals;

    canvas_put(c, STYLE_BOLD, " weir demo");
    canvas_put(c, STYLE_PLAIN, "  gateway http://%s  admin http://%s  ", v->gateway, v->admin);
    put_clock(c, STYLE_DIM, v->elapsed_ns);
    canvas_newline(c);
    canvas_put(c, STYLE_PLAIN, " %.0f req/s  %llu requests  %llu retries  ", v->rate,
               (unsigned long long)t->requests, (unsigned long long)t->retries);
    canvas_put(c, t->failed == 0 ? STYLE_GOOD : STYLE_BAD, "%llu failed for clients (%.2f%% ok)",
               (unsigned long long)t->failed, success_percent(t));
    canvas_newline(c);
}

static void render_routes(const struct demo_view *v, struct canvas *c)
{
    canvas_newline(c);
    canvas_put(c, STYLE_DIM, " %-12s %7s %9s %7s %7s %8s %8s", "ROUTE", "req/s", "2xx", "4xx",
               "5xx", "p50", "p99");
    canvas_newline(c);
    for (unsigned i = 0; i < v->route_count; i++) {
        const struct demo_route_row *r = &v->routes[i];

        canvas_put(c, STYLE_PLAIN, " %-12s %7.1f %9llu %7llu ", r->name, r->rate,
                   (unsigned long long)r->count_2xx, (unsigned long long)r->count_4xx);
        canvas_put(c, r->count_5xx == 0 ? STYLE_PLAIN : STYLE_BAD, "%7llu",
                   (unsigned long long)r->count_5xx);
        canvas_put(c, STYLE_PLAIN, " %8s %8s", latency_text(r->p50_ns).ptr,
                   latency_text(r->p99_ns).ptr);
        canvas_newline(c);
    }
}

static enum style state_style(const struct demo_endpoint_row *e)
{
    if (strcmp(e->state, "healthy") == 0)
        return STYLE_GOOD;
    return strcmp(e->state, "unhealthy") == 0 ? STYLE_BAD : STYLE_WARN;
}

static void render_endpoint(const struct demo_endpoint_row *e, unsigned number, struct canvas *c)
{
    enum style style = state_style(e);

    canvas_put(c, STYLE_BOLD, " %u ", number);
    canvas_put(c, STYLE_PLAIN, "%-11s :%-5u %6.1f %5u %6llu %7s %7s  ", e->name, e->port, e->rate,
               (unsigned)e->in_flight, (unsigned long long)e->failures, latency_text(e->p50_ns).ptr,
               latency_text(e->p99_ns).ptr);
    canvas_put(c, style, "%s", e->state);
    if (style != STYLE_GOOD)
        canvas_put(c, style, " %llds", (long long)(e->state_age_ns / NS_PER_SEC));
    if (e->killed)
        canvas_put(c, STYLE_BAD, " KILLED");
    if (style != STYLE_GOOD && c->columns >= c->column + REASON_COLUMNS_MIN)
        canvas_put(c, STYLE_DIM, "  %s", e->reason);
    else if (style == STYLE_GOOD && e->habit[0] != '\0' && !e->killed)
        canvas_put(c, STYLE_DIM, ", %s", e->habit);
    canvas_newline(c);
}

static void render_endpoints(const struct demo_view *v, struct canvas *c)
{
    canvas_newline(c);
    canvas_put(c, STYLE_DIM, "   %-11s %-6s %6s %5s %6s %7s %7s  %s", "ENDPOINT", "PORT", "req/s",
               "busy", "fails", "p50", "p99", "STATE");
    canvas_newline(c);
    for (unsigned i = 0; i < v->endpoint_count; i++)
        render_endpoint(&v->endpoints[i], i + 1, c);
}

static enum style tone_style(enum demo_tone tone)
{
    return tone == DEMO_GOOD ? STYLE_GOOD : tone == DEMO_BAD ? STYLE_WARN : STYLE_PLAIN;
}

/* The newest that fit, oldest first, leaving rows_below lines free. */
static void render_events(const struct demo_view *v, unsigned rows_below, struct canvas *c)
{
    unsigned left = canvas_rows_left(c);

    if (left < rows_below + 2)
        return;
    unsigned room = left - rows_below - 1;
    unsigned shown = MIN(room, v->event_count);
    canvas_put(c, STYLE_DIM, " WHAT HAPPENED");
    canvas_newline(c);
    for (unsigned i = v->event_count - shown; i < v->event_count; i++) {
        const struct demo_event *e = &v->events[i];

        canvas_put(c, STYLE_PLAIN, " ");
        put_clock(c, STYLE_DIM, e->at_ns);
        canvas_put(c, tone_style(e->tone), " %s", e->text);
        if (e->count > 1)
            canvas_put(c, STYLE_BOLD, " x%u", (unsigned)e->count);
        canvas_newline(c);
    }
    for (; shown < room; shown++)
        canvas_newline(c);
}

static void render_help(const struct demo_view *v, struct canvas *c)
{
    canvas_put(c, STYLE_DIM, " TRY ");
    canvas_put(c, STYLE_PLAIN, "curl -i http://%s/orders/42", v->gateway);
    canvas_newline(c);
    canvas_put(c, STYLE_PLAIN, "     curl http://%s/api/upstreams", v->admin);
    canvas_newline(c);
    canvas_put(c, STYLE_PLAIN, "     curl -X POST http://%s/demo/kill/orders-1   (or revive)",
               v->admin);
    canvas_newline(c);
    canvas_put(c, STYLE_BOLD, " 1-%u", v->endpoint_count);
    canvas_put(c, STYLE_PLAIN, " kill or revive an endpoint   ");
    canvas_put(c, STYLE_BOLD, "k");
    canvas_put(c, STYLE_PLAIN, " orders-1   ");
    canvas_put(c, STYLE_BOLD, "q");
    canvas_put(c, STYLE_PLAIN, " quit");
    canvas_newline(c);
}

void demo_view_render(const struct demo_view *v, unsigned columns, unsigned rows, bool colour,
                      struct text *out)
{
    struct canvas c = {.out = out, .columns = columns, .rows = rows, .colour = colour};

    render_header(v, &c);
    if (columns < COLUMNS_MIN || rows < ROWS_MIN)
        return;
    render_routes(v, &c);
    render_endpoints(v, &c);
    render_events(v, HELP_ROWS - 1, &c);
    render_help(v, &c);
}

void demo_view_progress(const struct demo_view *v, struct text *out)
{
    const struct demo_totals *t = &v->totals;
    long s = (long)(v->elapsed_ns / NS_PER_SEC);

    text_printf(out,
                "%02ld:%02ld  %4.0f req/s  requests %-6llu ok %-6llu failed %-3llu retries %-4llu "
                "p50 %-6s p99 %s\n",
                s / 60, s % 60, v->rate, (unsigned long long)t->requests, (unsigned long long)t->ok,
                (unsigned long long)t->failed, (unsigned long long)t->retries,
                latency_text(t->p50_ns).ptr, latency_text(t->p99_ns).ptr);
}

void demo_view_event(const struct demo_event *e, struct text *out)
{
    long s = (long)(e->at_ns / NS_PER_SEC);
    char mark = e->tone == DEMO_GOOD ? '+' : e->tone == DEMO_BAD ? '!' : '*';

    text_printf(out, "%02ld:%02ld  %c %s", s / 60, s % 60, mark, e->text);
    if (e->count > 1)
        text_printf(out, " x%u", (unsigned)e->count);
    text_puts(out, STR("\n"));
}
