/* Configuration, typed and checked: what a text becomes before it is compiled into a generation.
 * Immutable once loaded; counted references. No I/O here: the text comes as bytes.
 *
 * The text is YAML; config/settings.def has one row per setting (key, type, default, range, help),
 * from which parser, docs/configuration.md and the JSON Schema are made. */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H

#include "base/arena.h"
#include "config/diag.h"

/* An address as written: an IP literal with port ("127.0.0.1:80", "[::1]:80", "localhost:80" which
 * stands for 127.0.0.1) or "unix:/path". config checks the form; world/addr_parse() reads it. */
struct config_address {
    struct str text;
};

struct config_listener {
    struct config_address address;
};

enum config_balance {
    BALANCE_ROUND_ROBIN,     /* smooth weighted round robin */
    BALANCE_LEAST_REQUEST,   /* power of two choices over requests in flight by weight */
    BALANCE_CONSISTENT_HASH, /* weighted ring */
    BALANCE_EWMA,            /* power of two choices over latency and requests in flight */
    BALANCE_MAX,
};

enum config_hash_on {
    HASH_CLIENT_IP,
    HASH_HEADER,
    HASH_COOKIE,
    HASH_QUERY,
    HASH_PATH,
    HASH_ON_MAX
};

struct config_endpoint {
    struct config_address address;
    uint32_t weight;   /* 1..1000 */
    struct str zone;   /* ptr NULL: none */
    uint32_t priority; /* 0 first, to 7 */
    bool local;        /* its zone is the gateway's */
};

struct config_health {
    bool enabled;
    struct str path;                 /* ptr NULL: TCP connect only */
    struct str host;                 /* Host of the check; ptr NULL: the endpoint's address */
    int64_t interval_ns;             /* 2 s */
    int64_t timeout_ns;              /* 1 s */
    uint32_t fall;                   /* 3 */
    uint32_t rise;                   /* 2 */
    uint16_t status_min, status_max; /* 200..399 */
};

/* Passive ejection: what ordinary traffic tells about an endpoint. */
struct config_eject {
    bool enabled;
    uint32_t failures;    /* in a row: 5 */
    int64_t time_ns;      /* 30 s, times the ejections in a row */
    int64_t time_max_ns;  /* 300 s */
    uint32_t percent_max; /* of the endpoints, at least one may go: 50 */
};

/* The circuit breaker of each endpoint. */
struct config_breaker {
    bool enabled;
    uint32_t failures;        /* in a row: 5 */
    uint32_t failure_percent; /* of min_calls or more in the window: 50 */
    uint32_t min_calls;       /* 20 */
    uint32_t slow_percent;    /* 0: off */
    int64_t slow_ns;          /* to the head of the response */
    int64_t window_ns;        /* 10 s */
    int64_t open_ns;          /* 30 s, doubling with each opening in a row ... */
    int64_t open_max_ns;      /* ... up to this: 30 s */
    uint32_t probes;          /* 1 */
    int64_t lease_ns;         /* 10 s */
    int64_t recovery_ns;      /* 0 */
};

struct config_timeouts {   /* towards upstreams; NS_NEVER: none */
    int64_t connect_ns;    /* 100 ms */
    int64_t read_ns;       /* 800 ms of silence, re-armed by every byte */
    int64_t first_byte_ns; /* from the request's last byte to the response's head; default read */
    int64_t per_try_ns;    /* from the pick to the response's head; default connect + first_byte */
    struct str deadline_header; /* says how long the client waits; len 0: none */
    int64_t total_ns; /* 3 s: from the request's last byte over all tries to the response's head */
};

struct config_retry {
    uint32_t attempts;  /* sends in all: 3 */
    int64_t backoff_ns; /* before the 2nd try on the same endpoint: 25 ms; another endpoint: none */
    uint32_t budget_percent; /* of requests in flight: 20, never fewer than 3 retries at once */
};

struct config_pool {
    uint32_t idle_max;        /* idle connections kept per endpoint: 256 */
    int64_t idle_timeout_ns;  /* 60 s */
    uint32_t connections_max; /* per endpoint: 1,024; beyond, refused with a cause */
};

struct config_upstream {
    struct str id;
    enum config_balance balance;
    enum config_hash_on hash_on;
    struct str hash_name;   /* header, cookie or query parameter */
    uint32_t hash_bound;    /* percent of the mean load; 0: none */
    int64_t slow_start_ns;  /* 0: none */
    uint32_t panic_percent; /* of a level's capacity; 0: never */
    struct config_endpoint *endpoints;
    uint32_t endpoint_count; /* at least 1 */
    struct config_health health;
    struct config_eject eject;
    struct config_breaker breaker;
    struct config_timeouts timeouts;
    struct config_retry retry;
    struct config_pool pool;
};

/* Compiled regular expression (PCRE2, with match limits), owned by the config. Those of predicates
 * are anchored at both ends (a whole value matches, as in Spring), those of filters are not. */
struct config_regex {
    struct str text;
    void *code; /* pcre2_code *, not JIT compiled; match limits are the matcher's to set */
    struct config_regex *next;
};

enum config_predicate_kind {
    PREDICATE_PATH,   /* patterns, match_trailing_slash */
    PREDICATE_HOST,   /* patterns: "**.example.org", "{sub}.example.org", optional :port */
    PREDICATE_METHOD, /* values */
    PREDICATE_HEADER, /* name, regex (optional) */
    PREDICATE_QUERY,  /* name, regex (optional) */
    PREDICATE_MAX,
};

struct config_predicate {
    enum config_predicate_kind kind;
    struct str text;    /* as written, in the shortcut form, for people */
    struct str *values; /* patterns or methods */
    uint32_t value_count;
    struct str name;
    struct config_regex *regex; /* NULL: presence is enough */
    bool match_trailing_slash;
};

enum config_filter_kind {
    FILTER_STRIP_PREFIX,       /* number: parts */
    FILTER_PREFIX_PATH,        /* value, may hold {variables} */
    FILTER_SET_PATH,           /* value: template */
    FILTER_REWRITE_PATH,       /* regex, value: replacement ($1, ${name}, and YAML's $\{name}) */
    FILTER_ADD_REQUEST_HEADER, /* name, value: template */
    FILTER_SET_REQUEST_HEADER,
    FILTER_REMOVE_REQUEST_HEADER, /* name */
    FILTER_ADD_RESPONSE_HEADER,   /* name, value, flag: override (default true, as Spring has it) */
    FILTER_SET_RESPONSE_HEADER,
    FILTER_REMOVE_RESPONSE_HEADER,
    FILTER_SET_STATUS,  /* number */
    FILTER_REDIRECT_TO, /* number: status 3xx, value: url, flag: include query */
    FILTER_PRESERVE_HOST_HEADER,
    FILTER_REQUEST_RATE_LIMITER, /* own: config_rate_limit */
    FILTER_REQUEST_SIZE,         /* number: bytes */
    FILTER_REQUEST_HEADER_SIZE,  /* number: bytes */
    FILTER_PRIORITY,             /* number: enum config_priority; name: a field */
    FILTER_BULKHEAD,             /* own: config_bulkhead */
    FILTER_ADAPTIVE_CONCURRENCY, /* own: config_adaptive */
    FILTER_RETRY,                /* retry */
    FILTER_CIRCUIT_BREAKER,      /* circuit_breaker */
    FILTER_LOCAL_RESPONSE_CACHE, /* response_cache */
    FILTER_FALLBACK,             /* fallback */
    FILTER_FALLBACK_HEADERS,     /* fallback_headers */
    FILTER_HEDGE,                /* own: config_hedge */
    FILTER_MAX,
};

/* Statuses as a set. */
struct config_statuses {
    uint64_t bits[10];
};

static inline bool config_statuses_has(const struct config_statuses *s, int status)
{
    return status >= 0 && status < 640 && (s->bits[status / 64] >> (status % 64) & 1) != 0;
}

struct config_words {
    struct str *items;
    uint32_t count;
};

/* How much a request matters: what goes first under load comes first. */
enum config_priority {
    CONFIG_SHEDDABLE,
    CONFIG_LOW,
    CONFIG_NORMAL,
    CONFIG_HIGH,
    CONFIG_PRIORITY_MAX,
    CONFIG_PRIORITY_ROUTE = CONFIG_PRIORITY_MAX /* of the filter: as the route's metadata says */
};

#define CONFIG_KEY_PARTS_MAX 4

/* What requests are told apart by; no part: not at all. */
struct config_key {
    uint32_t count;
    struct {
        enum config_hash_on on;
        struct str name;
    } parts[CONFIG_KEY_PARTS_MAX];
};

enum config_rate_mode {
    RATE_BUCKET, /* a bucket of tokens for each key */
    RATE_PACE,   /* the route's requests one by one, at even distances */
};

struct config_rate_limit {
    int64_t replenish_rate, burst_capacity, requested_tokens;
    struct config_key key;
    bool deny_empty_key;
    int64_t empty_key_status;
    int64_t keys_max;
    int64_t mode; /* enum config_rate_mode */
    int64_t queue_max;
    bool standard_fields; /* RateLimit and RateLimit-Policy in every response */
};

struct config_bulkhead {
    int64_t concurrent_max, waiting_max, wait_max_ns;
};

struct config_adaptive {
    int64_t kind; /* enum weir_adaptive_kind */
    int64_t initial, min, max;
    int64_t window_ns, timeout_ns;
};

struct config_retry_filter {
    int64_t retries; /* sends beyond the first */
    struct config_statuses statuses, series;
    struct config_words methods; /* none: the idempotent ones */
    int64_t first_backoff_ns;    /* 0: the upstream's retry.backoff */
    int64_t max_backoff_ns;
    int64_t factor;
    bool based_on_previous; /* the wait before, jitter included, times factor */
    int64_t jitter_percent;
};

#define CONFIG_HEDGES_MAX 3

struct config_hedge {
    int64_t percentile; /* of the latencies seen; 0: always delay_ns */
    int64_t delay_ns;   /* while too few have been seen */
    int64_t delay_min_ns, delay_max_ns;
    int64_t hedges_max; /* of one request, at most CONFIG_HEDGES_MAX */
};

struct config_circuit_breaker {
    struct str name; /* may be empty */
    struct config_statuses statuses;
    int64_t failure_percent, slow_percent, slow_ns;
    int64_t calls_min;
    int64_t window_size;    /* calls, or seconds */
    int64_t window_by_time; /* enum: 0 COUNT_BASED, 1 TIME_BASED */
    int64_t open_ns;
    int64_t probes;
    int64_t lease_ns;
    struct str fallback_uri; /* "forward:/path"; len 0: none */
};

struct config_response_cache {
    int64_t ttl_ns; /* of responses that do not say theirs, and the longest of all; 0: none */
    int64_t size_bytes, entry_bytes;
    int64_t stale_while_revalidate_ns, stale_if_error_ns;
};

enum config_fallback_kind { FALLBACK_STALE, FALLBACK_UPSTREAM, FALLBACK_STATIC };

struct config_fallback_step {
    enum config_fallback_kind kind;
    struct str id;     /* FALLBACK_UPSTREAM */
    uint32_t upstream; /* its index in config.upstreams */
};

#define CONFIG_FALLBACK_STEPS_MAX 8

struct config_fallback_steps {
    struct config_fallback_step items[CONFIG_FALLBACK_STEPS_MAX];
    uint32_t count;
};

struct config_fallback {
    struct config_fallback_steps steps; /* in this order */
    struct config_words when;           /* statuses and causes of the gateway's own refusals */
    struct config_statuses statuses;    /* of an upstream's responses that count as failures */
    bool optional;                      /* without an answer: 204 */
    int64_t status;                     /* the fixed answer */
    struct str content_type, body;
};

struct config_fallback_headers {
    struct str type, message; /* names of request fields */
};

struct config_filter {
    enum config_filter_kind kind;
    struct str text; /* as written, in the shortcut form */
    struct str name;
    struct str value;
    int64_t number;
    bool flag;
    struct config_regex *regex;
    union { /* of a kind whose row in factories.def has own_size: what its arguments fill */
        void *own;
        struct config_retry_filter *retry;
        struct config_circuit_breaker *circuit_breaker;
        struct config_response_cache *response_cache;
        struct config_fallback *fallback;
        struct config_fallback_headers *fallback_headers;
    };
};

enum config_uri_kind {
    URI_UPSTREAM, /* lb://id */
    URI_ADDRESS,  /* http://host:port: an upstream of one endpoint, made by the loader */
    URI_NONE,     /* no://op: only filters answer (redirects) */
};

struct config_route {
    struct str id;
    struct str uri; /* as written */
    enum config_uri_kind uri_kind;
    uint32_t upstream; /* index into config.upstreams, for the first two kinds */
    int32_t order;     /* lower first; equal orders: as written */
    bool enabled;
    struct config_predicate *predicates;
    uint32_t predicate_count;      /* at least 1 */
    struct config_filter *filters; /* default-filters first, then the route's own */
    uint32_t filter_count;
    struct config_timeouts timeouts; /* the upstream's, with metadata connect-timeout and
                                        response-timeout (milliseconds) applied */
    uint8_t priority;                /* metadata priority: enum config_priority + 1; 0: not said */
    struct str *metadata_keys;
    struct str *metadata_values;
    uint32_t metadata_count;
    unsigned line; /* where it stands in the text */
};

enum config_access_log { ACCESS_LOG_OFF, ACCESS_LOG_STDOUT, ACCESS_LOG_FILE };

struct config {
    uint32_t workers; /* 0: one per CPU that may be used */
    struct str zone;  /* where this gateway runs; ptr NULL: not said */
    struct config_listener *listeners;
    uint32_t listener_count; /* at least 1 */
    bool admin_enabled;
    struct config_address admin_address; /* loopback or Unix socket only */

    struct {                 /* towards clients */
        int64_t header_ns;   /* from the first byte of a head to its last: 10 s */
        int64_t idle_ns;     /* between requests: 60 s */
        int64_t body_ns;     /* silence while sending a body: 30 s */
        int64_t send_ns;     /* not taking what we send: 30 s */
        int64_t shutdown_ns; /* graceful stop: 30 s */
        bool half_close;     /* the end of what a client sends is not the client's end */
    } client;

    struct {
        uint32_t connections;   /* client connections at once: 65,536 */
        uint32_t header_bytes;  /* 16 KiB */
        uint32_t header_count;  /* 100 */
        uint32_t target_bytes;  /* 8 KiB */
        uint32_t trailer_bytes; /* 4 KiB */
        uint64_t body_bytes;    /* 0: no limit (default); bodies stream */
    } limits;

    struct {                    /* load shedding: where each source is all there is; 0: not used */
        bool enabled;           /* off */
        uint32_t cpu_percent;   /* of what the workers may use: 100 */
        int64_t queue_delay_ns; /* from runnable to running: 50 ms */
        uint64_t memory_bytes;  /* resident: 0 */
        uint32_t in_flight;     /* requests: 0 */
    } shed;

    struct {
        uint8_t level; /* enum log_level */
        enum config_access_log access;
        struct str access_path;
    } log;

    struct {
        bool proxy_status;      /* send Proxy-Status with details to clients: off */
        struct str *trusted;    /* CIDRs whose X-Forwarded-* are believed and appended to */
        uint32_t trusted_count; /* 0: overwrite (edge) */
        struct str via;         /* pseudonym in Via: "weir" */
    } forward;

    struct config_upstream *upstreams;
    uint32_t upstream_count;
    struct config_route *routes; /* enabled ones, sorted by order */
    uint32_t route_count;

    struct config_regex *regexes; /* all of them, for the end */

    uint64_t text_hash; /* of the text it came from */
    struct arena arena; /* everything above lives here */
    uint32_t refs;      /* atomic */
};

/* Parses and checks. All errors at once go into diags; 0 with a config when there is no error
 * (warnings may be there), else -EINVAL. name is the file name for messages. */
int config_load(struct str text, const char *name, struct diag_list *diags, struct config **ret);

struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* NULL is fine */

struct str config_balance_text(enum config_balance b);
struct str config_predicate_text(enum config_predicate_kind k); /* "Path" */
struct str config_filter_text(enum config_filter_kind k);       /* "StripPrefix" */

/* The documentation made from the table of settings. */
void config_write_markdown(struct text *out);
void config_write_json_schema(struct text *out);

#endif
