/* The tables of predicates and filters. */
#include "config/factories.h"

#include "base/duration.h"
#include "config/settings.h"

static const char *const window_items[] = {"COUNT_BASED", "TIME_BASED"};
static const struct names window_names = {window_items, ARRAY_LEN(window_items)};
static const char *const priority_items[] = {"sheddable", "low", "normal", "high", "route"};
static const struct names priority_names = {priority_items, ARRAY_LEN(priority_items)};
static const char *const rate_mode_items[] = {"bucket", "pace"};
static const struct names rate_mode_names = {rate_mode_items, ARRAY_LEN(rate_mode_items)};
static const char *const adaptive_items[] = {"gradient", "vegas", "aimd"};
static const struct names adaptive_names = {adaptive_items, ARRAY_LEN(adaptive_items)};

#define ABOUT(...) __VA_ARGS__
#define ARG(struct_, name_, kind_, field_, ...)                                                    \
    {.name = (name_), .kind = ARG_##kind_, .offset = offsetof(struct_, field_), __VA_ARGS__},

#define PREDICATE(kind_, name_, shortcut_, about_, args_)                                          \
    [PREDICATE_##kind_] = {.name = (name_),                                                        \
                           .kind = PREDICATE_##kind_,                                              \
                           .shortcut = SHORTCUT_##shortcut_,                                       \
                           .args = {args_},                                                        \
                           .arg_count = ARRAY_LEN(((const struct arg[]){args_})),                  \
                           about_},
static const struct factory predicates[PREDICATE_MAX] = {
#include "config/factories.def"
};
#undef PREDICATE

#define FILTER(kind_, name_, shortcut_, about_, args_)                                             \
    [FILTER_##kind_] = {.name = (name_),                                                           \
                        .kind = FILTER_##kind_,                                                    \
                        .shortcut = SHORTCUT_##shortcut_,                                          \
                        .args = {args_},                                                           \
                        .arg_count = ARRAY_LEN(((const struct arg[]){args_})),                     \
                        about_},
static const struct factory filters[FILTER_MAX] = {
#include "config/factories.def"
};
#undef FILTER

static const char *const absent_predicates[] = {
    "After",      "Before",  "Between", "CloudFoundryRouteService", "Cookie", "ReadBody",
    "RemoteAddr", "Version", "Weight",  "XForwardedRemoteAddr",
};

static const char *const absent_filters[] = {
    "AddRequestHeadersIfNotPresent",
    "AddRequestParameter",
    "CacheRequestBody",
    "DedupeResponseHeader",
    "JsonToGrpc",
    "MapRequestHeader",
    "ModifyRequestBody",
    "ModifyResponseBody",
    "RemoveJsonAttributesResponseBody",
    "RemoveRequestParameter",
    "RequestHeaderToRequestUri",
    "RewriteLocationResponseHeader",
    "RewriteRequestParameter",
    "RewriteResponseHeader",
    "SaveSession",
    "SecureHeaders",
    "SetRequestHostHeader",
    "SetRequestUri",
    "TokenRelay",
};

const struct factory_table predicate_table = {"predicate", predicates, PREDICATE_MAX,
                                              absent_predicates, ARRAY_LEN(absent_predicates)};
const struct factory_table filter_table = {"filter", filters, FILTER_MAX, absent_filters,
                                           ARRAY_LEN(absent_filters)};

struct str config_predicate_text(enum config_predicate_kind k)
{
    return k < PREDICATE_MAX ? str_of(predicates[k].name) : STR("?");
}

struct str config_filter_text(enum config_filter_kind k)
{
    return k < FILTER_MAX ? str_of(filters[k].name) : STR("?");
}

static const struct status_name {
    unsigned code;
    const char *name;
} statuses[] = {
    {200, "OK"},
    {201, "CREATED"},
    {202, "ACCEPTED"},
    {203, "NON_AUTHORITATIVE_INFORMATION"},
    {204, "NO_CONTENT"},
    {205, "RESET_CONTENT"},
    {206, "PARTIAL_CONTENT"},
    {300, "MULTIPLE_CHOICES"},
    {301, "MOVED_PERMANENTLY"},
    {302, "FOUND"},
    {303, "SEE_OTHER"},
    {304, "NOT_MODIFIED"},
    {307, "TEMPORARY_REDIRECT"},
    {308, "PERMANENT_REDIRECT"},
    {400, "BAD_REQUEST"},
    {401, "UNAUTHORIZED"},
    {402, "PAYMENT_REQUIRED"},
    {403, "FORBIDDEN"},
    {404, "NOT_FOUND"},
    {405, "METHOD_NOT_ALLOWED"},
    {406, "NOT_ACCEPTABLE"},
    {408, "REQUEST_TIMEOUT"},
    {409, "CONFLICT"},
    {410, "GONE"},
    {411, "LENGTH_REQUIRED"},
    {412, "PRECONDITION_FAILED"},
    {413, "PAYLOAD_TOO_LARGE"},
    {414, "URI_TOO_LONG"},
    {415, "UNSUPPORTED_MEDIA_TYPE"},
    {418, "I_AM_A_TEAPOT"},
    {422, "UNPROCESSABLE_ENTITY"},
    {423, "LOCKED"},
    {425, "TOO_EARLY"},
    {426, "UPGRADE_REQUIRED"},
    {428, "PRECONDITION_REQUIRED"},
    {429, "TOO_MANY_REQUESTS"},
    {431, "REQUEST_HEADER_FIELDS_TOO_LARGE"},
    {451, "UNAVAILABLE_FOR_LEGAL_REASONS"},
    {500, "INTERNAL_SERVER_ERROR"},
    {501, "NOT_IMPLEMENTED"},
    {502, "BAD_GATEWAY"},
    {503, "SERVICE_UNAVAILABLE"},
    {504, "GATEWAY_TIMEOUT"},
    {507, "INSUFFICIENT_STORAGE"},
    {511, "NETWORK_AUTHENTICATION_REQUIRED"},
};

unsigned factory_status(struct str s)
{
    uint64_t code;

    if (str_to_u64(s, 999, &code) == 0)
        return (unsigned)code;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (str_eq_nocase(s, str_of(statuses[i].name)))
            return statuses[i].code;
    return 0;
}

const char *factory_status_name(size_t index)
{
    return index < ARRAY_LEN(statuses) ? statuses[index].name : NULL;
}
