/* One run from beginning to end. */
#include "drill/run.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "world/sim.h"

#define STOP_NS         (10 * NS_PER_SEC)
#define SOCKETS_MAX     60000
#define EVENT_BYTES_MAX (64 * KIB)

/* -- what the gateway tells -- */

static void take_record(struct access_sink *sink, const struct access_record *a)
{
    struct drill_run *r = container_of(sink, struct drill_run, sink);
    uint32_t n = MIN(a->attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    if (a->cause != CAUSE_NONE)
        r->result->causes[a->cause]++;
    if (a->attempt_count > 1)
        r->result->retries += a->attempt_count - 1;
    if (n > 0 && str_eq(a->attempts[n - 1].not_again, STR("budget")))
        r->result->retries_over_budget++;
}

static void take_line(void *arg, enum log_level level, struct str line)
{
    static const struct str prefix = {"weir: ", 6};
    struct drill_run *r = arg;
    struct drill_result *result = r->result;
    struct drill_event *e = &result->events[result->event_count];

    if (r->start_ns < 0)
        return; /* still setting up */
    if (result->event_count == DRILL_EVENTS_MAX) {
        result->events_dropped++;
        return;
    }
    if (str_starts(line, prefix))
        line = str_n(line.ptr + prefix.len, line.len - prefix.len);
    while (line.len != 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    e->at_ns = sim_clock_ns(r->world) - r->start_ns;
    e->text = arena_printf(&result->arena, STR_FMT, STR_ARG(line));
    if (e->text != NULL)
        result->event_count++;
}

/* -- the run -- */

static int find_gateway_addr(struct drill_run *r)
{
    struct gateway_view v;
    struct arena arena;
    int rc;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    rc = gateway_view(r->gateway, &arena, &v);
    if (rc == 0) {
        rc = addr_parse(v.listeners[0], &r->gateway_addr);
        gateway_view_done(&v);
    }
    arena_done(&arena);
    return rc;
}

static int start_gateway(struct drill_run *r)
{
    struct weir_error *error = NULL;
    int rc = gateway_new(&r->gateway);

    if (rc < 0)
        return rc;
    rc = gateway_apply(r->gateway, r->config, &error);
    if (rc < 0 && error != NULL)
        text_printf(r->error, "%s", weir_error_message(error));
    weir_error_free(error);
    return rc == 0 ? find_gateway_addr(r) : rc;
}

static int live(void *arg)
{
    struct drill_run *r = arg;
    int rc = 0;

    WEIR_SCOPE (origins) {
        for (uint32_t i = 0; rc == 0 && i < r->scenario->origin_count; i++)
            rc = weir_scope_go(origins, "origin", drill_stand_run, &r->stands[i]);
        if (rc == 0)
            rc = weir_yield(); /* they listen now */
        if (rc == 0)
            rc = start_gateway(r);
        r->start_ns = weir_now();
        if (rc == 0)
            rc = weir_scope_go(origins, "faults", drill_faults_run, r);
        if (rc == 0)
            drill_load_run(r);
        log_setup(NULL, NULL, NULL, LOG_INFO, false); /* the end is not of the story */
        if (r->gateway != NULL) {
            (void)gateway_stop(r->gateway, weir_now() + STOP_NS);
            gateway_free(r->gateway);
        }
        weir_scope_cancel(origins);
    }
    return rc;
}

static int result_init(struct drill_result *result, const struct drill_scenario *s)
{
    *result = (struct drill_result){0};
    arena_init(&result->arena, NULL, 0, EVENT_BYTES_MAX);
    result->second_count = (uint32_t)((s->duration_ns + NS_PER_SEC - 1) / NS_PER_SEC);
    result->seconds = calloc(result->second_count, sizeof(*result->seconds));
    return result->seconds != NULL ? 0 : -ENOMEM;
}

static void set_the_scene(struct drill_run *r)
{
    const struct drill_scenario *s = r->scenario;
    const struct sim_link link = {.latency_ns = s->latency_ns};
    int64_t fault_end;

    r->surge = 1;
    r->start_ns = -1;
    drill_fault_span(s, &r->fault_at_ns, &fault_end);
    if (r->fault_at_ns < 0)
        r->fault_at_ns = NS_NEVER;
    sim_set_link(r->world, NULL, &link);
    sim_set_socket_max(r->world, SOCKETS_MAX);
    for (uint32_t i = 0; i < s->origin_count; i++)
        drill_stand_init(&r->stands[i], r, i);
    r->sink.write = take_record;
}

int drill_run(const struct drill_scenario *s, uint32_t variant, uint64_t seed,
              struct drill_result *ret, struct text *error)
{
    struct weir_options options = {.size = sizeof(options), .workers = 1, .hog_ns = -1};
    struct drill_run *r = calloc(1, sizeof(*r));
    int rc = r != NULL ? result_init(ret, s) : -ENOMEM;

    if (rc == 0) {
        *r = (struct drill_run){.scenario = s, .seed = seed, .result = ret, .error = error};
        r->config = s->variants[variant].config;
        options.world = r->world = sim_new(seed);
        set_the_scene(r);
        log_setup(take_line, NULL, r, LOG_INFO, true);
        access_set_sink(&r->sink);
        rc = weir_main(live, r, &options);
        access_set_sink(NULL);
        log_setup(NULL, NULL, NULL, LOG_INFO, false);
        sim_free(r->world);
    }
    if (rc < 0 && r != NULL && error->len == 0)
        text_printf(error, "%s", strerrordesc_np(-rc));
    if (rc < 0 && r != NULL)
        drill_result_done(ret);
    free(r);
    return rc;
}

void drill_result_done(struct drill_result *r)
{
    free(r->seconds);
    free(r->before.us);
    free(r->after.us);
    arena_done(&r->arena);
}
