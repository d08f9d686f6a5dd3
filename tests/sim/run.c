/* One seed from beginning to end, and what must hold at the end. */
#include <stdio.h>

#include "base/assert.h"
#include "gateway/gateway_impl.h"
#include "tests/sim/sim.h"

#define CLIENTS_MAX 8

static void set_addresses(struct sim *s)
{
    char text[32];

    for (unsigned i = 0; i < SIM_ORIGINS; i++) {
        snprintf(text, sizeof(text), "10.0.0.%u:80", i + 1);
        ASSERT(addr_parse(str_of(text), &s->origin_addr[i]) == 0);
    }
    ASSERT(addr_parse(STR("10.1.0.1:80"), &s->gateway_addr) == 0);
}

/* Nothing is under way: nothing may be held. */
static void check_quiescence(struct sim *s)
{
    struct gateway_view v;
    struct arena arena;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    if (gateway_view(s->gateway, &arena, &v) == 0) {
        for (uint32_t i = 0; i < v.upstream_count; i++) {
            for (uint32_t j = 0; j < v.upstreams[i].endpoint_count; j++) {
                const struct gateway_endpoint_view *e = &v.upstreams[i].endpoints[j];

                if (e->in_flight != 0 || e->connections_open != e->connections_idle)
                    sim_violation(s, "endpoint " STR_FMT ": %u in flight, %u open, %u idle",
                                  STR_ARG(e->address), e->in_flight, e->connections_open,
                                  e->connections_idle);
            }
        }
        if (v.connections_open != v.connections_idle)
            sim_violation(s, "%u client connections open, %u idle", v.connections_open,
                          v.connections_idle);
        gateway_view_done(&v);
    }
    if (workspaces_live(&s->gateway->workspaces) != 0)
        sim_violation(s, "%zu workspaces held", workspaces_live(&s->gateway->workspaces));
    arena_done(&arena);
}

static void stop_gateway(struct sim *s)
{
    int cut = gateway_stop(s->gateway, weir_now() + 10 * NS_PER_SEC);

    if (cut != 0)
        sim_violation(s, "%d connections had to be cut although nothing was under way", cut);
    gateway_free(s->gateway);
}

static void live(struct sim *s, struct sim_origin *origins)
{
    int64_t chaos_ns = (int64_t)(5 + sim_below(s, 30)) * NS_PER_SEC;

    if (sim_apply_config(s) < 0)
        return;
    s->client_count = 2 + (uint32_t)sim_below(s, CLIENTS_MAX - 1);
    weir_wait_group_add(&s->clients, s->client_count);
    for (uint32_t i = 0; i < s->client_count; i++)
        ASSERT(weir_go("client", sim_client_run, s) == 0);
    sim_chaos_run(s, origins, weir_now() + chaos_ns);
    weir_wait_group_wait(&s->clients);
    sim_trace(s, "calm");
    s->calm = true;
    (void)weir_sleep(30 * NS_PER_SEC); /* ejections end, checks pass */
    sim_check_liveness(s);
    (void)weir_sleep(100 * NS_PER_SEC); /* what only waits for a timeout goes */
    check_quiescence(s);
}

static int run(void *arg)
{
    struct sim *s = arg;
    struct sim_origin origins[SIM_ORIGINS];
    struct runtime_stats stats;

    ASSERT(gateway_new(&s->gateway) == 0);
    WEIR_SCOPE (scope) {
        for (unsigned i = 0; i < SIM_ORIGINS; i++) {
            origins[i] = (struct sim_origin){.sim = s, .index = i};
            ASSERT(weir_scope_go(scope, "origin", sim_origin_run, &origins[i]) == 0);
        }
        live(s, origins);
        stop_gateway(s);
        weir_scope_cancel(scope);
    }
    runtime_get_stats(&stats);
    if (stats.coroutines_live != 1)
        sim_violation(s, "%u coroutines are left", stats.coroutines_live - 1);
    return 0;
}

bool sim_run_seed(struct sim *s, uint64_t seed, bool verbose)
{
    struct weir_options options = {.size = sizeof(options), .workers = 1};
    struct sim_stats stats;
    int rc;

    memset(s, 0, sizeof(*s));
    s->seed = seed;
    s->verbose = verbose;
    rng_seed(&s->rng, seed);
    s->world = sim_new(seed);
    set_addresses(s);
    options.world = s->world;
    rc = weir_main(run, s, &options);
    if (rc == -EDEADLK)
        sim_violation(s, "everybody waits and nothing can happen");
    sim_get_stats(s->world, &stats);
    if (stats.open_sockets != 0)
        sim_violation(s, "%u sockets are left open", stats.open_sockets);
    s->counts.virtual_ns = (uint64_t)stats.virtual_ns;
    sim_free(s->world);
    return !s->failed;
}
