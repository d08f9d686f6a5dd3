/* What the demo knows. */
#include "cli/demo/model.h"

#include <stdio.h>

#define VIEW_BYTES_MAX (4 * MIB)
#define RATE_WEIGHT    0.3 /* of the newest sample in the smoothed rates */

void model_init(struct model *m, struct gateway *g, struct demo_fleet *fleet,
                struct demo_load *load)
{
    memset(m, 0, sizeof(*m));
    m->gateway = g;
    m->fleet = fleet;
    m->load = load;
    m->started_ns = m->sampled_ns = weir_now();
    story_init(&m->story, fleet);
    access_set_sink(&m->story.sink);
}

/* What repeats itself is one event with a count, unless it was already given out. */
static bool merge_event(struct model *m, const struct demo_event *e)
{
    struct demo_event *last;

    if (m->event_total == m->told_total)
        return false;
    last = &m->events[(m->event_total - 1) % DEMO_EVENTS_MAX];
    if (last->tone != e->tone || strcmp(last->text, e->text) != 0)
        return false;
    last->count += e->count;
    return true;
}

static void add_event(void *arg, enum demo_tone tone, const char *text, uint32_t count)
{
    struct model *m = arg;
    struct demo_event e = {.at_ns = weir_now() - m->started_ns, .tone = tone, .count = count};

    snprintf(e.text, sizeof(e.text), "%s", text);
    spin_lock(&m->lock);
    if (!merge_event(m, &e))
        m->events[m->event_total++ % DEMO_EVENTS_MAX] = e;
    spin_unlock(&m->lock);
}

void model_note(struct model *m, enum demo_tone tone, const char *fmt, ...)
{
    char text[DEMO_EVENT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    add_event(m, tone, text, 1);
}

static void copy_text(char *out, size_t size, struct str s)
{
    snprintf(out, size, STR_FMT, STR_ARG(s));
}

/* A rate that calms the jitter of counts of a few per sample. */
static void update_rate(double *rate, uint64_t *seen, uint64_t total, double seconds)
{
    uint64_t grown = total >= *seen ? total - *seen : 0;
    double now = seconds > 0 ? (double)grown / seconds : 0;

    *rate = *rate == 0 ? now : *rate + RATE_WEIGHT * (now - *rate);
    if (grown == 0 && *rate < 0.05)
        *rate = 0;
    *seen = total;
}

static void sample_routes(struct model *m, const struct gateway_view *g, double seconds)
{
    struct demo_view *v = &m->view;

    v->route_count = MIN(g->route_count, (uint32_t)DEMO_ROUTES_MAX);
    for (unsigned i = 0; i < v->route_count; i++) {
        const struct gateway_route_view *from = &g->routes[i];
        struct demo_route_row *r = &v->routes[i];

        copy_text(r->name, sizeof(r->name), from->id);
        r->count_2xx = from->by_class[2];
        r->count_4xx = from->by_class[4];
        r->count_5xx = from->by_class[5];
        r->p50_ns = from->latency_p50_ns;
        r->p99_ns = from->latency_p99_ns;
        update_rate(&r->rate, &m->route_seen[i], from->requests_total, seconds);
    }
}

static enum demo_tone tone_of_state(const char *state)
{
    return strcmp(state, "healthy") == 0 ? DEMO_GOOD : DEMO_BAD;
}

static void note_state_change(struct model *m, const struct demo_endpoint_row *row,
                              const char *before)
{
    bool checked_before = before[0] != '\0' && strcmp(before, "unknown") != 0;
    bool unhealthy_now =
        tone_of_state(row->state) == DEMO_BAD && strcmp(row->state, "unknown") != 0;

    if (strcmp(before, row->state) == 0 || (!checked_before && !unhealthy_now))
        return; /* what was expected at the start is no news */
    model_note(m, tone_of_state(row->state), "%s: %s -> %s%s%s", row->name, before, row->state,
               row->reason[0] != '\0' ? ": " : "", row->reason);
}

static void sample_endpoint(struct model *m, struct demo_endpoint_row *row, uint64_t *seen,
                            const struct gateway_endpoint_view *from, double seconds)
{
    char before[sizeof(row->state)];
    struct addr a;

    row->port = addr_parse(from->address, &a) == 0 ? addr_port(&a) : 0;
    const struct demo_endpoint *e = demo_fleet_by_port(m->fleet, row->port);
    copy_text(row->name, sizeof(row->name), e != NULL ? str_of(e->name) : from->address);
    copy_text(row->habit, sizeof(row->habit), e != NULL ? str_of(e->habits.word) : STR_NULL);
    row->killed = e != NULL && atomic_load(&e->killed);
    memcpy(before, row->state, sizeof(before));
    copy_text(row->state, sizeof(row->state), from->state);
    copy_text(row->reason, sizeof(row->reason), from->reason);
    row->state_age_ns = from->state_age_ns;
    row->in_flight = from->in_flight;
    row->failures = from->failures_total;
    row->p50_ns = from->latency_p50_ns;
    row->p99_ns = from->latency_p99_ns;
    update_rate(&row->rate, seen, from->requests_total, seconds);
    note_state_change(m, row, before);
}

static void sample_endpoints(struct model *m, const struct gateway_view *g, double seconds)
{
    unsigned n = 0;

    for (uint32_t u = 0; u < g->upstream_count; u++) {
        for (uint32_t e = 0; e < g->upstreams[u].endpoint_count && n < DEMO_ENDPOINTS_MAX; e++) {
            sample_endpoint(m, &m->view.endpoints[n], &m->endpoint_seen[n],
                            &g->upstreams[u].endpoints[e], seconds);
            n++;
        }
    }
    m->view.endpoint_count = n;
}

static void sample_load(struct model *m, double seconds)
{
    struct demo_load_counts *now = &m->window[m->sample_total % MODEL_WINDOW];
    struct demo_totals *t = &m->view.totals;
    uint64_t seen = t->requests;

    demo_load_read(m->load, now);
    m->sample_total++;
    /* The slot that the next sample will take holds the oldest reading (at first: zeros). */
    const struct demo_load_counts *oldest = &m->window[m->sample_total % MODEL_WINDOW];
    t->requests = now->requests;
    t->ok = now->ok;
    t->failed = now->failed;
    t->p50_ns = demo_load_quantile(oldest, now, 0.50);
    t->p99_ns = demo_load_quantile(oldest, now, 0.99);
    update_rate(&m->view.rate, &seen, now->requests, seconds);
}

static void copy_events(struct model *m)
{
    spin_lock(&m->lock);
    unsigned count = (unsigned)MIN(m->event_total, (uint64_t)DEMO_EVENTS_MAX);
    for (unsigned i = 0; i < count; i++)
        m->view.events[i] = m->events[(m->event_total - count + i) % DEMO_EVENTS_MAX];
    spin_unlock(&m->lock);
    m->view.event_count = count;
}

int model_sample(struct model *m)
{
    struct gateway_view g;
    struct arena arena;
    int64_t now_ns = weir_now();
    double seconds = (double)(now_ns - m->sampled_ns) / NS_PER_SEC;

    arena_init(&arena, NULL, 0, VIEW_BYTES_MAX);
    int rc = gateway_view(m->gateway, &arena, &g);
    if (rc == 0) {
        m->view.elapsed_ns = now_ns - m->started_ns;
        m->view.totals.retries = g.retries_total;
        story_tell(&m->story, add_event, m);
        sample_routes(m, &g, seconds);
        sample_endpoints(m, &g, seconds);
        sample_load(m, seconds);
        copy_events(m);
        m->sampled_ns = now_ns;
        gateway_view_done(&g);
    }
    arena_done(&arena);
    return rc;
}

bool model_next_event(struct model *m, struct demo_event *ret)
{
    bool found = false;

    spin_lock(&m->lock);
    if (m->event_total > DEMO_EVENTS_MAX && m->told_total < m->event_total - DEMO_EVENTS_MAX)
        m->told_total = m->event_total - DEMO_EVENTS_MAX;
    if (m->told_total < m->event_total) {
        *ret = m->events[m->told_total++ % DEMO_EVENTS_MAX];
        found = true;
    }
    spin_unlock(&m->lock);
    return found;
}
