/* What goes wrong, and what is changed meanwhile. */
#include "tests/sim/sim.h"

static struct sim_link random_link(struct sim *s)
{
    struct sim_link l = {.latency_ns = (int64_t)sim_below(s, 5) * NS_PER_MS};

    if (sim_chance(s, 50))
        l.jitter_ns = (int64_t)sim_below(s, 20 * NS_PER_MS);
    if (sim_chance(s, 50))
        l.segment_max = 1 + (uint32_t)sim_below(s, sim_chance(s, 30) ? 7 : 1400);
    if (sim_chance(s, 20))
        l.window_bytes = 512 + (uint32_t)sim_below(s, 8192);
    if (sim_chance(s, 20))
        l.reset_chance = (double)sim_below(s, 20) / 1000;
    if (sim_chance(s, 15))
        l.refuse_chance = (double)sim_below(s, 60) / 100;
    if (sim_chance(s, 10))
        l.connect_hang_chance = (double)sim_below(s, 50) / 100;
    if (sim_chance(s, 15)) {
        l.stall_chance = (double)sim_below(s, 20) / 100;
        l.stall_ns = (int64_t)sim_below(s, 1500) * NS_PER_MS;
    }
    return l;
}

/* Small windows cut into tiny segments take for ever with large bodies; what clients see stays
 * mild, or nothing would ever arrive. */
static void disturb_clients(struct sim *s)
{
    struct sim_link l = random_link(s);

    l.refuse_chance = l.connect_hang_chance = 0;
    l.reset_chance /= 4;
    if (l.segment_max != 0 && l.segment_max < 100)
        l.segment_max = 100;
    l.stall_ns /= 4;
    sim_set_link(s->world, &s->gateway_addr, &l);
}

static void disturb_origin(struct sim *s, struct sim_origin *o)
{
    const struct addr *a = &s->origin_addr[o->index];
    struct sim_link l;

    switch (sim_below(s, 7)) {
    case 0:
        sim_reset_all(s->world, a);
        break;
    case 1:
        sim_freeze(s->world, a);
        break;
    case 2:
        sim_revive(s->world, a);
        break;
    case 3:
        l = (struct sim_link){.partitioned = true};
        sim_set_link(s->world, a, &l);
        break;
    case 4:
        l = (struct sim_link){.refuse = true};
        sim_set_link(s->world, a, &l);
        break;
    case 5:
        o->sick = !o->sick;
        break;
    default:
        l = random_link(s);
        sim_set_link(s->world, a, &l);
    }
}

static void heal(struct sim *s, struct sim_origin *origins)
{
    static const struct sim_link good = {.latency_ns = 100 * NS_PER_US};

    sim_set_link(s->world, NULL, &good);
    sim_set_link(s->world, &s->gateway_addr, &good);
    for (unsigned i = 0; i < SIM_ORIGINS; i++) {
        sim_set_link(s->world, &s->origin_addr[i], &good);
        sim_revive(s->world, &s->origin_addr[i]);
        origins[i].sick = false;
    }
}

void sim_chaos_run(struct sim *s, struct sim_origin *origins, int64_t until_ns)
{
    heal(s, origins);
    while (weir_now() < until_ns) {
        uint64_t what = sim_below(s, 10);

        if (weir_sleep((int64_t)(50 + sim_below(s, 1500)) * NS_PER_MS) < 0)
            break;
        if (what < 6) {
            struct sim_origin *o = &origins[sim_below(s, SIM_ORIGINS)];

            sim_trace(s, "fault at origin %u", o->index);
            disturb_origin(s, o);
            s->counts.faults++;
        } else if (what < 8) {
            sim_trace(s, "fault towards clients");
            disturb_clients(s);
            s->counts.faults++;
        } else if (what < 9) {
            sim_trace(s, "configuration changes");
            if (sim_apply_config(s) == 0)
                s->counts.config_changes++;
        } else {
            heal(s, origins);
        }
    }
    heal(s, origins);
}

/* -- configurations -- */

static void put_upstream(struct sim *s, struct text *out, unsigned index)
{
    static const char *const balances[] = {"round_robin", "least_request", "consistent_hash"};
    static const char *const health[] = {
        "off",
        "{interval: 500ms, timeout: 200ms, fall: 2, rise: 1}",
        "{path: /health, interval: 500ms, timeout: 300ms, fall: 2, rise: 1}",
    };
    unsigned first = (unsigned)sim_below(s, SIM_ORIGINS), count = 1 + (unsigned)sim_below(s, 3);

    text_printf(out, "  - id: u%u\n    balance: %s\n    health: %s\n", index,
                balances[sim_below(s, 3)], health[sim_below(s, 3)]);
    text_printf(out, "    eject: {failures: %u, time: 500ms, time_max: 2s}\n",
                1 + (unsigned)sim_below(s, 6));
    text_printf(out, "    timeouts: {connect: %ums, read: %ums, total: %ums}\n",
                20 + (unsigned)sim_below(s, 200), 200 + (unsigned)sim_below(s, 800),
                1200 + (unsigned)sim_below(s, 3000));
    text_printf(out, "    retry: {attempts: %u}\n", 1 + (unsigned)sim_below(s, 4));
    text_printf(out, "    pool: {idle_max: %u, idle_timeout: %ums}\n", (unsigned)sim_below(s, 5),
                100 + (unsigned)sim_below(s, 20000));
    text_printf(out, "    endpoints:\n");
    for (unsigned i = 0; i < count; i++)
        text_printf(out, "      - {address: \"10.0.0.%u:80\", weight: %u}\n",
                    1 + (first + i) % SIM_ORIGINS, 1 + (unsigned)sim_below(s, 3));
}

static void put_route(struct sim *s, struct text *out, unsigned index, const char *pattern,
                      unsigned upstreams)
{
    static const char *const filters[] = {
        "StripPrefix=1",
        "\"PrefixPath=/v1\"",
        "\"RewritePath=/(?<seg>.*), /r/$\\\\{seg}\"",
        "\"AddRequestHeader=X-A, 1\"",
        "\"SetResponseHeader=X-B, 2\"",
        "\"RemoveResponseHeader=Server\"",
        "PreserveHostHeader",
    };

    text_printf(out, "  - id: r%u\n    uri: lb://u%u\n    predicates: [\"Path=%s\"%s]\n", index,
                (unsigned)sim_below(s, upstreams), pattern,
                sim_chance(s, 20) && index != 9 ? ", \"Method=GET,POST\"" : "");
    text_printf(out, "    filters: [");
    for (unsigned n = (unsigned)sim_below(s, 3); n > 0; n--)
        text_printf(out, "%s, ", filters[sim_below(s, ARRAY_LEN(filters))]);
    text_printf(out, "]\n");
}

static void put_config(struct sim *s, struct text *out)
{
    unsigned upstreams = 1 + (unsigned)sim_below(s, 3);

    text_printf(out, "listeners: [\"10.1.0.1:80\"%s]\n",
                sim_chance(s, 30) ? ", \"10.1.0.1:81\"" : "");
    text_printf(out,
                "client: {header_timeout: 20s, idle_timeout: %us, body_timeout: 20s, "
                "send_timeout: 20s}\n",
                2 + (unsigned)sim_below(s, 60));
    if (sim_chance(s, 30))
        text_printf(out, "limits: {header_size: %uKiB}\n", 4u << sim_below(s, 4));
    text_printf(out, "upstreams:\n");
    for (unsigned i = 0; i < upstreams; i++)
        put_upstream(s, out, i);
    text_printf(out, "routes:\n");
    if (sim_chance(s, 70))
        put_route(s, out, 1, "/a/**", upstreams);
    if (sim_chance(s, 70))
        put_route(s, out, 2, "/b/{x}/{y}", upstreams);
    if (sim_chance(s, 50))
        put_route(s, out, 3, "/c/~user", upstreams);
    put_route(s, out, 9, "/**", upstreams);
}

int sim_apply_config(struct sim *s)
{
    struct text text = {0}, problems = {0};
    struct diag_list diags;
    struct config *config;
    struct weir_error *error = NULL;
    int rc;

    put_config(s, &text);
    diag_list_init(&diags);
    rc = config_load(str_n(text.ptr, text.len), "sim", &diags, &config);
    if (rc == 0) {
        rc = gateway_apply(s->gateway, config, &error);
        config_unref(config);
    }
    if (rc < 0) {
        diag_write(&diags, "sim", &problems);
        sim_violation(s, "configuration refused: %s %s", problems.ptr != NULL ? problems.ptr : "",
                      error != NULL ? weir_error_message(error) : "");
    }
    weir_error_free(error);
    diag_list_done(&diags);
    text_done(&problems);
    text_done(&text);
    return rc;
}
