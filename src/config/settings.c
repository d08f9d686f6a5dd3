/* The table of settings. */
#include "config/settings.h"

#include "base/log.h"
#include "config/forms.h"

static const char *const balance_items[] = {"round_robin", "least_request", "consistent_hash",
                                            "ewma"};
static const char *const hash_on_items[] = {"client_ip", "header", "cookie", "query", "path"};
static const char *const log_level_items[] = {"debug", "info", "warn", "error"};

_Static_assert(ARRAY_LEN(balance_items) == BALANCE_MAX, "a name for each way to balance");
_Static_assert(ARRAY_LEN(hash_on_items) == HASH_ON_MAX, "a name for each thing to hash");
_Static_assert(ARRAY_LEN(log_level_items) == LOG_LEVEL_MAX, "a name for each level");

static const struct names balance_names = {balance_items, ARRAY_LEN(balance_items)};
static const struct names hash_on_names = {hash_on_items, ARRAY_LEN(hash_on_items)};
static const struct names log_level_names = {log_level_items, ARRAY_LEN(log_level_items)};

static const struct text_form id_form = {
    form_is_id, "a name of letters, digits, '.', '_' and '-', at most 128 of them",
    "^[A-Za-z0-9._-]{1,128}$"};
static const struct text_form route_id_form = {
    form_is_plain_text, "a name of at most 128 bytes without control characters", "^.{1,128}$"};
static const struct text_form token_form = {
    form_is_token, "a name of letters, digits and !#$%&'*+-.^_`|~ (an HTTP token)",
    "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"};
static const struct text_form path_form = {
    form_is_target, "a path that starts with / and has no blanks", "^/[!-~]*$"};
static const struct text_form host_form = {
    form_is_host, "a host name or address, with a port if need be", "^[A-Za-z0-9.:_\\[\\]-]+$"};

/* Sections that share the struct of their parent are rows with its first field. */
_Static_assert(offsetof(struct config, workers) == 0, "the first field");
_Static_assert(offsetof(struct config_upstream, id) == 0, "the first field");

#define S(struct_, key_, kind_, field_, ...)                                                       \
    {.key = (key_),                                                                                \
     .kind = SETTING_##kind_,                                                                      \
     .offset = offsetof(struct_, field_),                                                          \
     .width = sizeof(((struct_ *)0)->field_),                                                      \
     __VA_ARGS__},
#define ABOUT(...) __VA_ARGS__
#define SECTION(name_, title_, struct_, about_, rows_)                                             \
    static const struct setting name_##_settings[] = {rows_};                                      \
    const struct section name_##_section = {.name = #name_,                                        \
                                            .title = (title_),                                     \
                                            .size = sizeof(struct_),                               \
                                            .settings = name_##_settings,                          \
                                            .count = ARRAY_LEN(name_##_settings),                  \
                                            about_};

#include "config/settings.def"

struct str config_balance_text(enum config_balance b)
{
    return b < BALANCE_MAX ? str_of(balance_items[b]) : STR("?");
}

const struct setting *setting_find(const struct section *s, struct str key)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(str_of(s->settings[i].key), key))
            return &s->settings[i];
    return NULL;
}

void nearest_init(struct nearest *n, struct str wrong)
{
    *n = (struct nearest){.wrong = wrong};
    n->distance = wrong.len <= 4 ? 2 : wrong.len <= 8 ? 3 : 4; /* at this distance: too far */
}

void nearest_try(struct nearest *n, const char *candidate)
{
    unsigned d = str_distance(n->wrong, str_of(candidate));

    if (n->wrong.len >= 3 && str_starts(str_of(candidate), n->wrong))
        d = MIN(d, 1U); /* "addr" for "address" */
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}
