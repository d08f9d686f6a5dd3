/* The settings of a scenario: one row each, read by the configuration's reader. */
#include "config/forms.h"
#include "drill/scenario.h"

static const char *const kind_items[] = {"slow", "errors", "black_hole", "refuse",
                                         "kill", "freeze", "drip",       "surge"};
static const char *const disconnect_items[] = {"keep_working", "drop_queued"};

_Static_assert(ARRAY_LEN(kind_items) == DRILL_FAULT_MAX, "a name for each kind");
_Static_assert(ARRAY_LEN(disconnect_items) == DRILL_ON_DISCONNECT_MAX, "a name for each");

static const struct names kind_names = {kind_items, ARRAY_LEN(kind_items)};
static const struct names disconnect_names = {disconnect_items, ARRAY_LEN(disconnect_items)};

struct str drill_fault_text(enum drill_fault_kind k)
{
    return str_of(kind_items[k]);
}

/* A decimal number of at most nine digits, with or without a fraction. */
static int parse_decimal(struct str s, double *ret)
{
    struct str rest = s, whole, part = STR("");
    uint64_t n, m = 0;
    double scale = 1;

    if (!str_split(&rest, '.', &whole) || str_to_u64(whole, 999999999, &n) < 0)
        return -EINVAL;
    if (rest.ptr != NULL) {
        part = rest;
        if (str_to_u64(part, 999999999, &m) < 0)
            return -EINVAL;
    }
    for (size_t i = 0; i < part.len; i++)
        scale *= 10;
    *ret = (double)n + (double)m / scale;
    return 0;
}

int drill_parse_rate(struct str s, double *ret)
{
    double n, per = str_ends(s, STR("/m")) ? 60 : 1;

    if (!str_ends(s, STR("/s")) && !str_ends(s, STR("/m")))
        return -EINVAL;
    if (parse_decimal(str_n(s.ptr, s.len - 2), &n) < 0 || n <= 0)
        return -EINVAL;
    *ret = n / per;
    return 0;
}

static bool is_rate(struct str s)
{
    double rate;

    return drill_parse_rate(s, &rate) == 0;
}

static const struct text_form text_form = {form_is_plain_text,
                                           "a text of at most 128 bytes without controls", NULL};
static const struct text_form rate_form = {is_rate, "a rate above 0, like 700/s, 0.5/s or 90/m",
                                           NULL};
static const struct text_form path_form = {form_is_target,
                                           "a path that starts with / and has no blanks", NULL};
static const struct text_form host_form = {form_is_host, "a host name or address", NULL};
static const struct text_form token_form = {form_is_token, "a method, like GET or POST", NULL};

#define S(struct_, key_, kind_, field_, ...)                                                       \
    {                                                                                              \
        .key = (key_), .kind = SETTING_##kind_, .offset = offsetof(struct_, field_),               \
        .width = sizeof(((struct_ *)0)->field_), __VA_ARGS__                                       \
    }
#define SECTION(name_, struct_, ...)                                                               \
    static const struct section name_##_section = {.name = #name_,                                 \
                                                   .size = sizeof(struct_),                        \
                                                   .settings = name_##_settings,                   \
                                                   .count = ARRAY_LEN(name_##_settings),           \
                                                   __VA_ARGS__}
#define HOUR (3600 * NS_PER_SEC)

static const struct setting service_settings[] = {
    S(struct drill_origin, "median", DURATION, median_ns, .required = true, .min = 10 * NS_PER_US,
      .max = 600 * NS_PER_SEC),
    S(struct drill_origin, "p99", DURATION, p99_ns, .min = 0, .max = 600 * NS_PER_SEC,
      .fallback = "0"),
};
SECTION(service, struct drill_origin);

static const struct setting cold_settings[] = {
    S(struct drill_origin, "for", DURATION, cold_ns, .min = 0, .max = HOUR, .fallback = "0"),
    S(struct drill_origin, "factor", INTEGER, cold_factor, .min = 1, .max = 1000, .fallback = "1"),
};
SECTION(cold, struct drill_origin);

static const struct setting origin_settings[] = {
    S(struct drill_origin, "address", ADDRESS, address, .required = true, .min = 1),
    S(struct drill_origin, "concurrency", INTEGER, concurrency, .min = 1, .max = 100000,
      .fallback = "64"),
    S(struct drill_origin, "queue", INTEGER, queue, .min = 0, .max = 1000000, .fallback = "1000"),
    S(struct drill_origin, "service", SECTION, address, .required = true,
      .section = &service_section),
    S(struct drill_origin, "on_disconnect", ENUM, on_disconnect, .names = &disconnect_names,
      .fallback = "keep_working"),
    S(struct drill_origin, "response", SIZE, response_bytes, .min = 0, .max = 1 << 20,
      .fallback = "200"),
    S(struct drill_origin, "health", TEXT, health, .form = &path_form, .fallback = "/health"),
    S(struct drill_origin, "cold", SECTION, address, .section = &cold_section),
};
SECTION(origin, struct drill_origin);

static const struct setting fault_settings[] = {
    S(struct drill_fault, "at", DURATION, at_ns, .required = true, .min = 0, .max = HOUR),
    S(struct drill_fault, "for", DURATION, for_ns, .required = true, .min = NS_PER_MS, .max = HOUR),
    S(struct drill_fault, "origin", ADDRESS, origin, .min = 1),
    S(struct drill_fault, "kind", ENUM, kind, .required = true, .names = &kind_names),
    S(struct drill_fault, "factor", INTEGER, factor, .min = 1, .max = 1000, .fallback = "10"),
    S(struct drill_fault, "share", PERCENT, percent, .min = 0, .max = 100, .fallback = "100%"),
    S(struct drill_fault, "pause", DURATION, pause_ns, .min = NS_PER_MS, .max = HOUR,
      .fallback = "500ms"),
};
SECTION(fault, struct drill_fault);

static const struct setting clients_settings[] = {
    S(struct drill_clients, "name", TEXT, name, .form = &text_form, .fallback = "clients"),
    S(struct drill_clients, "rate", TEXT, rate_text, .required = true, .form = &rate_form),
    S(struct drill_clients, "path", TEXT, path, .form = &path_form, .fallback = "/"),
    S(struct drill_clients, "host", TEXT, host, .form = &host_form, .fallback = "simulated"),
    S(struct drill_clients, "method", TEXT, method, .form = &token_form, .fallback = "GET"),
    S(struct drill_clients, "timeout", DURATION, timeout_ns, .min = NS_PER_MS, .max = HOUR,
      .fallback = "5s"),
    S(struct drill_clients, "retries", INTEGER, retries, .min = 0, .max = 20, .fallback = "0"),
    S(struct drill_clients, "backoff", DURATION, backoff_ns, .min = 0, .max = HOUR,
      .fallback = "100ms"),
    S(struct drill_clients, "from", DURATION, from_ns, .min = 0, .max = HOUR, .fallback = "0"),
    S(struct drill_clients, "until", DURATION, until_ns, .min = 0, .max = HOUR, .never = true,
      .fallback = "never"),
};
SECTION(clients, struct drill_clients);

static const struct setting variant_settings[] = {
    S(struct drill_variant, "name", TEXT, name, .required = true, .form = &text_form),
    S(struct drill_variant, "set", NODE, set),
};
SECTION(variant, struct drill_variant);

static const struct setting scenario_settings[] = {
    S(struct drill_scenario, "name", TEXT, name, .required = true, .form = &text_form),
    S(struct drill_scenario, "seed", INTEGER, seed, .min = 0, .max = INT64_MAX, .fallback = "1"),
    S(struct drill_scenario, "duration", DURATION, duration_ns, .min = NS_PER_SEC, .max = HOUR,
      .fallback = "60s"),
    S(struct drill_scenario, "latency", DURATION, latency_ns, .min = NS_PER_US,
      .max = 10 * NS_PER_SEC, .fallback = "250us"),
    S(struct drill_scenario, "gateway", NODE, gateway),
    S(struct drill_scenario, "gateway_file", TEXT, gateway_file, .form = &text_form),
    S(struct drill_scenario, "variants", SECTIONS, variants, .section = &variant_section, .min = 1,
      .max = DRILL_VARIANTS_MAX, .other_offset = offsetof(struct drill_scenario, variant_count)),
    S(struct drill_scenario, "origins", SECTIONS, origins, .required = true,
      .section = &origin_section, .min = 1, .max = DRILL_ORIGINS_MAX,
      .other_offset = offsetof(struct drill_scenario, origin_count)),
    S(struct drill_scenario, "faults", SECTIONS, faults, .section = &fault_section,
      .max = DRILL_FAULTS_MAX, .other_offset = offsetof(struct drill_scenario, fault_count)),
    S(struct drill_scenario, "clients", SECTIONS, clients, .required = true,
      .section = &clients_section, .min = 1, .max = DRILL_CLIENTS_MAX,
      .other_offset = offsetof(struct drill_scenario, client_count)),
};

const struct section drill_scenario_section = {.name = "scenario",
                                               .size = sizeof(struct drill_scenario),
                                               .settings = scenario_settings,
                                               .count = ARRAY_LEN(scenario_settings)};
