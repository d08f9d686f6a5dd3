/* Clients: an open loop. Requests begin when chance says so, whatever became of those before. */
#include <math.h>
#include <stdlib.h>

#include "drill/run.h"

#define STATUS_OK_MAX       399
#define STATUS_TRY_AGAIN    429
#define LATENCIES_FIRST     1024
#define BACKOFF_DOUBLES_MAX 10

struct idle_client {
    struct idle_client *next;
    struct http_client http;
};

struct crowd { /* clients of one kind */
    struct drill_run *run;
    const struct drill_clients *config;
    struct rng arrivals; /* nothing but arrivals draws from it: they are alike in all variants */
    struct idle_client *idle; /* the last one used is the next */
};

struct ask { /* one request */
    struct crowd *crowd;
    int64_t begun_ns; /* of the run */
    struct rng rng;   /* backoff */
};

/* -- connections -- */

static struct idle_client *take_client(struct crowd *crowd)
{
    struct idle_client *c = crowd->idle;

    if (c == NULL) {
        c = calloc(1, sizeof(*c));
        if (c != NULL)
            c->http.addr = crowd->run->gateway_addr;
        return c;
    }
    crowd->idle = c->next;
    if (c->http.stream != NULL && stream_hung_up(c->http.stream))
        http_client_done(&c->http);
    return c;
}

static void give_client(struct crowd *crowd, struct idle_client *c)
{
    c->next = crowd->idle;
    crowd->idle = c;
}

static void free_clients(struct crowd *crowd)
{
    struct idle_client *c;

    while ((c = crowd->idle) != NULL) {
        crowd->idle = c->next;
        http_client_done(&c->http);
        free(c);
    }
}

/* -- one request -- */

static void note_latency(struct drill_latencies *l, int64_t ns)
{
    if (l->count == l->cap) {
        uint32_t cap = l->cap != 0 ? l->cap * 2 : LATENCIES_FIRST;
        uint32_t *us = realloc(l->us, cap * sizeof(*us));

        if (us == NULL)
            return;
        l->us = us;
        l->cap = cap;
    }
    l->us[l->count++] = (uint32_t)MIN(ns / NS_PER_US, (int64_t)UINT32_MAX);
}

static void note_ok(struct ask *a)
{
    struct drill_run *r = a->crowd->run;
    struct drill_second *s = drill_second_at(r, a->begun_ns);
    bool before = a->begun_ns < r->fault_at_ns;

    if (s == NULL)
        return;
    s->ok++;
    note_latency(before ? &r->result->before : &r->result->after, drill_now(r) - a->begun_ns);
}

static bool try_once(struct ask *a, bool *ret_again)
{
    const struct drill_clients *config = a->crowd->config;
    const struct http_client_request q = {
        .method = config->method, .target = config->path, .host = config->host};
    struct drill_run *r = a->crowd->run;
    struct idle_client *c = take_client(a->crowd);
    struct http_client_response response = {0};
    int rc = -ENOMEM;

    if (c == NULL)
        return false;
    WEIR_DEADLINE (weir_now() + config->timeout_ns) {
        rc = http_client_do(&c->http, &q, NULL, 0, &response);
    }
    give_client(a->crowd, c);
    if (rc == 0 && response.status <= STATUS_OK_MAX)
        return true;
    r->result->failures[rc == 0 ? DRILL_STATUS : rc == -ETIMEDOUT ? DRILL_TIMEOUT : DRILL_CUT]++;
    *ret_again = rc != 0 || response.status >= 500 || response.status == STATUS_TRY_AGAIN;
    return false;
}

/* Exponential, less up to a half of it by chance. */
static int64_t draw_backoff(struct ask *a, uint32_t tries)
{
    int64_t base = a->crowd->config->backoff_ns << MIN(tries - 1, (uint32_t)BACKOFF_DOUBLES_MAX);

    return base - (int64_t)(rng_unit(&a->rng) * 0.5 * (double)base);
}

static void ask(void *arg)
{
    struct ask *a = arg;
    struct drill_second *s = drill_second_at(a->crowd->run, a->begun_ns);
    uint32_t retries = a->crowd->config->retries;
    bool ok = false, again = true;

    for (uint32_t i = 0; again && !ok && i <= retries; i++) {
        if (i > 0 && weir_sleep(draw_backoff(a, i)) < 0)
            break;
        if (s != NULL)
            s->tries++;
        again = false;
        ok = try_once(a, &again);
    }
    if (ok)
        note_ok(a);
    free(a);
}

/* -- arrivals -- */

static bool begin(struct crowd *crowd, struct weir_scope *scope, int64_t at_ns)
{
    struct drill_second *s = drill_second_at(crowd->run, at_ns);
    struct ask *a = malloc(sizeof(*a));

    if (a == NULL)
        return false;
    *a = (struct ask){.crowd = crowd, .begun_ns = at_ns};
    rng_seed(&a->rng, mix64((uint64_t)at_ns ^ crowd->run->seed));
    if (s != NULL)
        s->requests++;
    if (weir_scope_go(scope, "client", ask, a) == 0)
        return true;
    free(a); /* more at once than there can be coroutines: it has failed */
    return true;
}

static void run_crowd(void *arg)
{
    struct crowd *crowd = arg;
    struct drill_run *r = crowd->run;
    int64_t end_ns = MIN(crowd->config->until_ns, r->scenario->duration_ns);
    double at = (double)crowd->config->from_ns;

    WEIR_SCOPE (scope) {
        for (;;) {
            at -= log(1 - rng_unit(&crowd->arrivals)) * 1e9 / (crowd->config->rate * r->surge);
            if (at >= (double)end_ns || weir_sleep(MAX((int64_t)at - drill_now(r), 0)) < 0)
                break;
            if (!begin(crowd, scope, (int64_t)at))
                break;
        }
        /* Leaving by break would cancel those that are on their way. */
        (void)weir_scope_join(scope);
    }
}

void drill_load_run(struct drill_run *r)
{
    struct crowd crowds[DRILL_CLIENTS_MAX];

    WEIR_SCOPE (scope) {
        for (uint32_t i = 0; i < r->scenario->client_count; i++) {
            crowds[i] = (struct crowd){.run = r, .config = &r->scenario->clients[i]};
            rng_seed(&crowds[i].arrivals, mix64(r->seed + 1001 + i));
            (void)weir_scope_go(scope, "clients", run_crowd, &crowds[i]);
        }
    }
    for (uint32_t i = 0; i < r->scenario->client_count; i++)
        free_clients(&crowds[i]);
}
