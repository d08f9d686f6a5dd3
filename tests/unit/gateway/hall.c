/* Three origins and a gateway: see hall.h. */
#include "hall.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"

static void drop_line(void *arg, enum log_level level, struct str line)
{
}

/* -- the origins -- */

struct origin {
    struct hall *hall;
    struct stream *stream;
    unsigned index;
};

static unsigned role_of(const char *request)
{
    const char *field = strstr(request, "\r\nX-Weir-Attempt: ");
    unsigned long n = field != NULL ? strtoul(field + 18, NULL, 10) : 1;

    return (unsigned)MIN(MAX(n, 1ul), (unsigned long)ROLES) - 1;
}

ssize_t hall_read_until(struct stream *s, char *out, size_t size, int64_t until_ns)
{
    ssize_t n = 0;

    WEIR_DEADLINE (until_ns) {
        n = stream_read(s, out, size);
    }
    return n;
}

uint64_t hall_chance(struct hall *h)
{
    uint64_t r;

    world_random(h->lab.world, &r, sizeof(r));
    return r;
}

static void draw(struct hall *h, struct role *r)
{
    static const char *const answers[] = {OK("ab"), OK("cd"), BUSY, NULL};

    r->delay_ns = (int64_t)(hall_chance(h) % 100) * NS_PER_MS;
    r->answer = answers[hall_chance(h) % ARRAY_LEN(answers)];
}

/* Answers, unless the connection ends first. False: it has ended. */
static bool act(struct origin *o, struct role *shared)
{
    struct role r = *shared;
    char byte;
    ssize_t n;

    if (r.random)
        draw(o->hall, &r);
    shared->requests++;
    shared->endpoint = o->index;
    n = hall_read_until(o->stream, &byte, 1, weir_now() + r.delay_ns);
    if (n != -ETIMEDOUT) {
        shared->resets += n == -ECONNRESET;
        return false;
    }
    return r.answer != NULL && stream_write(o->stream, r.answer, strlen(r.answer)) >= 0;
}

static void origin_conn_main(void *arg)
{
    struct origin o = *(struct origin *)arg;
    char text[4096];
    ssize_t n;

    free(arg);
    while ((n = stream_read(o.stream, text, sizeof(text) - 1)) > 0) {
        unsigned role;

        text[n] = 0;
        role = role_of(text);
        memcpy(o.hall->seen[role], text, (size_t)n + 1);
        if (!act(&o, &o.hall->roles[role]))
            break;
    }
    stream_close(o.stream);
}

static void origin_main(void *arg)
{
    struct origin *o = arg;
    struct listener *l;
    struct addr addr;
    char text[32];

    snprintf(text, sizeof(text), "10.0.0.%u:8001", o->index + 2);
    ASSERT(addr_parse(str_of(text), &addr) == 0);
    ASSERT(listener_open(&addr, 64, &l) == 0);
    WEIR_SCOPE (scope) {
        struct stream *s;

        while (listener_accept(l, &s) == 0) {
            struct origin *c = malloc(sizeof(*c));

            *c = (struct origin){o->hall, s, o->index};
            ASSERT(weir_scope_go(scope, "origin", origin_conn_main, c) == 0);
        }
    }
    listener_close(l);
}

/* -- the hall -- */

static void take_record(struct access_sink *s, const struct access_record *r)
{
    struct hall *h = container_of(s, struct hall, sink);

    h->records++;
    h->attempt_count = r->attempt_count;
    memcpy(h->attempts, r->attempts, sizeof(h->attempts));
    snprintf(h->endpoint, sizeof(h->endpoint), STR_FMT, STR_ARG(r->endpoint));
}

/* Nothing is held: no attempt, no retry, no memory. */
static void look(struct hall *h)
{
    struct pin pin = generation_pin(h->lab.gateway);
    struct upstream *u = &pin.generation->upstreams[0];

    for (unsigned i = 0; i < u->endpoint_count; i++)
        expect(&h->lab, atomic_load(&u->endpoints[i]->in_flight) == 0);
    expect(&h->lab, atomic_load(&u->state->budget.word) == 0);
    expect(&h->lab, workspaces_live(&h->lab.gateway->workspaces) == 0);
    generation_unpin(&pin);
}

static int hall_main(void *arg)
{
    struct hall *h = arg;
    struct origin origins[ENDPOINTS];
    int rc;

    ASSERT(gateway_new(&h->lab.gateway) == 0);
    WEIR_SCOPE (scope) {
        for (unsigned i = 0; i < ENDPOINTS; i++) {
            origins[i] = (struct origin){.hall = h, .index = i};
            ASSERT(weir_scope_go(scope, "origin", origin_main, &origins[i]) == 0);
        }
        rc = lab_apply(&h->lab, h->routes, NULL);
        if (rc == 0) {
            h->script(&h->lab);
            weir_sleep(10 * NS_PER_SEC); /* for what the script left behind */
            look(h);
        }
        (void)gateway_stop(h->lab.gateway, weir_now() + NS_PER_SEC);
        gateway_free(h->lab.gateway);
        weir_scope_cancel(scope);
    }
    return rc;
}

void hall_run_seed(lab_script *script, const char *routes, const char *settings, uint64_t seed)
{
    struct hall *h = calloc(1, sizeof(*h));
    struct weir_options options = {.size = sizeof(options), .workers = 1};
    struct sim_stats stats;
    char upstream[512];
    int rc;

    snprintf(upstream, sizeof(upstream),
             "%s\n    endpoints: [\"10.0.0.2:8001\", \"10.0.0.3:8001\", \"10.0.0.4:8001\"]\n"
             "  - id: unused\n    health: off",
             settings);
    h->lab.upstream = upstream;
    h->script = script;
    h->routes = routes;
    h->sink.write = take_record;
    for (unsigned i = 0; i < ROLES; i++)
        h->roles[i].answer = OK("ok");
    log_setup(drop_line, NULL, NULL, LOG_ERROR, true);
    h->lab.world = options.world = sim_new(seed);
    ASSERT(addr_parse(STR("10.1.0.1:80"), &h->lab.gateway_addr) == 0);
    access_set_sink(&h->sink);
    rc = weir_main(hall_main, h, &options);
    access_set_sink(NULL);
    sim_get_stats(h->lab.world, &stats);
    sim_free(h->lab.world);
    if (rc != 0)
        lab_fail(&h->lab, __LINE__, strerror(-rc), "", "");
    if (stats.open_sockets != 0)
        lab_fail(&h->lab, __LINE__, "no socket is left open", "", "");
    if (h->lab.failure[0] != 0) {
        print_error("seed %llu: %s\n", (unsigned long long)seed, h->lab.failure);
        free(h);
        fail();
    }
    free(h);
}

void hall_run(lab_script *script, const char *routes)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        hall_run_seed(script, routes, "breaker: off", seed);
}

unsigned hall_requests(struct hall *h)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ROLES; i++)
        n += h->roles[i].requests;
    return n;
}

void hall_ask(struct hall *h, const char *bytes)
{
    lab_talk_for(&h->lab, bytes, 400 * NS_PER_MS);
}

struct shown {
    char text[512];
};

static bool show(void *arg, struct policy *p)
{
    struct shown *s = arg;
    struct text out = {0};

    policy_write(p, weir_now(), &out);
    snprintf(s->text, sizeof(s->text), STR_FMT, STR_ARG(str_n(out.ptr, out.len)));
    text_done(&out);
    return false;
}

void hall_expect_shows(struct hall *h, int line, const char *what)
{
    struct shown s = {""};

    (void)policies_visit(&h->lab.gateway->policies, show, &s);
    if (strstr(s.text, what) == NULL)
        lab_fail(&h->lab, line, "the policy shows", what, s.text);
}

void hall_await_record(struct hall *h)
{
    for (int i = 0; i < 100 && h->records == 0; i++)
        weir_sleep(10 * NS_PER_MS);
    expect(&h->lab, h->records == 1);
}
