/* The table of causes, and what is looked up in it. */
#include "telemetry/cause.h"

#include "base/assert.h"
#include "telemetry/metric.h"

struct cause_row {
    struct str name;
    struct str proxy_error;
    struct str help;
    uint16_t status;
    uint8_t who;
    uint8_t phase;
};

static const struct cause_row rows[CAUSE_MAX] = {
#define CAUSE(id, name_, status_, who_, phase_, proxy_error_, help_)                               \
    [CAUSE_##id] = {.name = {name_, sizeof(name_) - 1},                                            \
                    .proxy_error = {proxy_error_, sizeof(proxy_error_) - 1},                       \
                    .help = {help_, sizeof(help_) - 1},                                            \
                    .status = (status_),                                                           \
                    .who = CAUSE_BY_##who_,                                                        \
                    .phase = CAUSE_IN_##phase_},
#include "telemetry/causes.def"
#undef CAUSE
};

static _Atomic(struct metric *) counts[CAUSE_MAX];

static const struct cause_row *row_of(enum cause c)
{
    ASSERT(c < CAUSE_MAX);
    return &rows[c];
}

struct str cause_name(enum cause c)
{
    return row_of(c)->name;
}

int cause_status(enum cause c)
{
    return row_of(c)->status;
}

enum cause_who cause_who(enum cause c)
{
    return (enum cause_who)row_of(c)->who;
}

enum cause_phase cause_phase(enum cause c)
{
    return (enum cause_phase)row_of(c)->phase;
}

struct str cause_help(enum cause c)
{
    return row_of(c)->help;
}

struct str cause_proxy_error(enum cause c)
{
    return row_of(c)->proxy_error;
}

struct str cause_who_text(enum cause_who w)
{
    static const char *const texts[] = {"nobody", "client", "gateway", "upstream"};

    ASSERT(w < ARRAY_LEN(texts));
    return str_of(texts[w]);
}

struct str cause_phase_text(enum cause_phase p)
{
    static const char *const texts[] = {
        [CAUSE_IN_NONE] = "none",
        [CAUSE_IN_ACCEPT] = "accept",
        [CAUSE_IN_REQUEST_HEAD] = "request_head",
        [CAUSE_IN_REQUEST_BODY] = "request_body",
        [CAUSE_IN_ROUTE] = "route",
        [CAUSE_IN_PICK] = "pick",
        [CAUSE_IN_CONNECT] = "connect",
        [CAUSE_IN_SEND] = "send",
        [CAUSE_IN_RESPONSE_HEAD] = "response_head",
        [CAUSE_IN_RESPONSE_BODY] = "response_body",
        [CAUSE_IN_RETRY] = "retry",
        [CAUSE_IN_RESPONSE] = "response",
    };

    ASSERT(p < ARRAY_LEN(texts));
    return str_of(texts[p]);
}

enum cause cause_of_name(struct str name)
{
    unsigned c = 0;

    while (c < CAUSE_MAX && !str_eq(rows[c].name, name))
        c++;
    return (enum cause)c;
}

enum cause cause_of_refusal(int status)
{
    switch (status) {
    case 405:
        return CAUSE_METHOD_NOT_ALLOWED;
    case 408:
        return CAUSE_CLIENT_HEADER_TIMEOUT;
    case 413:
        return CAUSE_BODY_TOO_LARGE;
    case 414:
        return CAUSE_TARGET_TOO_LONG;
    case 417:
        return CAUSE_EXPECTATION_FAILED;
    case 431:
        return CAUSE_HEADER_TOO_LARGE;
    case 501:
        return CAUSE_NOT_IMPLEMENTED;
    case 505:
        return CAUSE_VERSION_NOT_SUPPORTED;
    default:
        return CAUSE_HTTP_REQUEST_ERROR;
    }
}

enum cause cause_of_connect_error(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ENOENT: /* a Unix socket that is not there */
        return CAUSE_CONNECTION_REFUSED;
    case -ETIMEDOUT:
        return CAUSE_CONNECTION_TIMEOUT;
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ENETDOWN:
    case -EADDRNOTAVAIL:
        return CAUSE_DESTINATION_IP_UNROUTABLE;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
        return CAUSE_RESOURCES_EXHAUSTED;
    default:
        return CAUSE_CONNECTION_TERMINATED;
    }
}

void cause_setup(void)
{
    for (unsigned c = CAUSE_NONE + 1; c < CAUSE_MAX; c++) {
        struct metric *none = NULL;
        struct metric *m = metric_get1(METRIC_FAILURES, rows[c].name);

        if (!atomic_compare_exchange_strong(&counts[c], &none, m))
            metric_put(m);
    }
}

void cause_count(enum cause c)
{
    struct metric *m = atomic_load_explicit(&counts[c], memory_order_acquire);

    if (m != NULL)
        metric_inc(m);
}

uint64_t cause_count_value(enum cause c)
{
    struct metric *m = atomic_load_explicit(&counts[c], memory_order_acquire);

    return m != NULL ? (uint64_t)metric_value(m) : 0;
}

static void write_row(struct text *out, const struct cause_row *r)
{
    text_printf(out, "### %s\n\n", r->name.ptr);
    if (r->status != 0)
        text_printf(out, "Status %u. ", r->status);
    text_printf(out, "By the %s, phase `%s`.", cause_who_text((enum cause_who)r->who).ptr,
                cause_phase_text((enum cause_phase)r->phase).ptr);
    if (r->proxy_error.len != 0)
        text_printf(out, " `Proxy-Status` error `%s`.", r->proxy_error.ptr);
    text_printf(out, "\n\n%s\n\n", r->help.ptr);
}

void cause_write_markdown(struct text *out)
{
    static const char *const titles[] = {
        [CAUSE_BY_CLIENT] = "The client's doing",
        [CAUSE_BY_GATEWAY] = "The gateway's doing",
        [CAUSE_BY_UPSTREAM] = "The upstream's doing",
    };

    text_puts(out, STR("<!-- Made from src/telemetry/causes.def by gen-causes; do not edit. -->\n"
                       "# Causes\n\n"
                       "Every request that weir refuses or cannot finish has one cause. Its name "
                       "stands in the\naccess log (`cause`), in the label of "
                       "`weir_failures_total`, and in the answer that weir makes\nitself. Names "
                       "are those of RFC 9209 (`Proxy-Status`) where it has one. \"Status\" is "
                       "what the\nclient is answered; a cause without one leaves the response as "
                       "it is or ends the connection.\n\n"));
    for (unsigned who = CAUSE_BY_CLIENT; who <= CAUSE_BY_UPSTREAM; who++) {
        text_printf(out, "## %s\n\n", titles[who]);
        for (unsigned c = CAUSE_NONE + 1; c < CAUSE_MAX; c++)
            if (rows[c].who == who)
                write_row(out, &rows[c]);
    }
    if (out->len != 0 && !out->overflow)
        out->ptr[--out->len] = '\0'; /* one empty line too many at the end */
}
