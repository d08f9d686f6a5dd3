/* The first steps of an exchange: its head, what is refused at the door, and its route. */
#include "base/duration.h"
#include "gateway/admit.h"
#include "gateway/gateway_impl.h"
#include "gateway/serve.h"
#include "runtime/here.h"

#define REQUEST_ID_MAX 128
#define ARENA_MAX      (256 * KIB)

/* What a refusal of a head that could not be read needs to find. */
static void empty_request(struct http_head *h)
{
    h->method = HTTP_OTHER;
    h->method_text = h->path = h->authority = h->target = STR("");
    h->query = STR_NULL;
    h->version_minor = 1;
    h->keep_alive = h->upgrade = h->expect_continue = h->te_trailers = false;
    h->body = HTTP_BODY_NONE;
    h->field_count = 0;
    h->head_bytes = 0;
    h->seen = 0;
    h->status = 0;
}

/* inline: a part of gateway_serve() in builds that are optimised across files, though the cache has
 * exchanges of its own. */
inline void exchange_begin(struct exchange *x, struct serving *s)
{
    /* The heads stay as they are: they are large, and written before they are read. */
    zero_bytes(x, offsetof(struct exchange, vars));
    x->vars.count = 0;
    x->gateway = s->gateway;
    x->serving = s;
    x->conn = s->conn;
    x->space = s->space;
    x->reader = &s->reader;
    x->start_ns = s->now_ns;
    x->upgrade = x->query = x->forward_host = x->detail = STR_NULL;
    arena_init(&x->arena, s->space->arena_buf, ARENA_FIRST_BYTES, ARENA_MAX);
    x->request_body.done = false;
    x->request_body.wire_bytes = 0;
    x->out = (struct h1_writer){0};
    x->pump = (struct pump){0};
    x->response_body.done = false;
    x->record.attempt_count = 0;
    x->record.upstream_reused = false;
    x->record.connect_ns = -1;
    empty_request(&x->request);
}

/* Eight digits at once, one for the lower half of each byte: above 9 they go on at 'a'. */
static inline void put_hex8(char *out, uint64_t chance)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v = chance & 0x0f * ones;

    v += '0' * ones + (((v + 6 * ones) >> 4) & ones) * ('a' - '9' - 1);
    memcpy(out, &v, sizeof(v));
}

/* The id of a trusted proxy is kept, so that one id goes through all of them. */
static void choose_request_id(struct exchange *x)
{
    struct http_field *f = x->trusted ? http_head_find_id(&x->request, HTTP_F_X_REQUEST_ID) : NULL;

    if (f != NULL && f->value_len != 0 && f->value_len <= REQUEST_ID_MAX) {
        x->request_id = http_field_value(f);
        return;
    }
    for (int i = 0; i < REQUEST_ID_LEN; i += 16) {
        uint64_t r = here_random();

        put_hex8(x->request_id_text + i, r);
        put_hex8(x->request_id_text + i + 8, r >> 4);
    }
    x->request_id = str_n(x->request_id_text, REQUEST_ID_LEN);
}

static bool peer_trusted(struct exchange *x)
{
    for (uint32_t i = 0; i < x->generation->trusted_count; i++) {
        if (cidr_has(&x->generation->trusted[i], stream_peer(x->reader->stream)))
            return true;
    }
    return false;
}

/* The first exchange takes over what the serving began with, if that is still current. */
static int pin(struct exchange *x, struct serving *s)
{
    x->pin = s->pin;
    s->pin.generation = NULL;
    generation_repin(x->gateway, &x->pin);
    x->generation = x->pin.generation;
    if (x->generation == NULL)
        return -ECANCELED;
    x->route = &x->generation->no_route;
    x->trusted = x->generation->trusted_count != 0 && peer_trusted(x);
    return 0;
}

/* A head that is none: says so, if there is anybody to be told. */
static int refuse_head(struct exchange *x, int rc, const struct h1_refusal *refusal)
{
    bool begun = h1_reader_buffered(x->reader) != 0;

    empty_request(&x->request);
    x->close = true;
    choose_request_id(x);
    if (rc == -EBADMSG)
        return exchange_refuse(x, cause_of_refusal(refusal->status), "%s at byte %u", refusal->name,
                               refusal->offset);
    if (rc == -ETIMEDOUT && begun)
        return exchange_refuse(x, CAUSE_CLIENT_HEADER_TIMEOUT, NULL);
    if (begun && rc != -ECANCELED)
        x->cause = CAUSE_CLIENT_CLOSED;
    return rc;
}

int exchange_read_head(struct exchange *x, struct serving *s)
{
    struct h1_refusal refusal;
    int rc = 0, pinned;

    WEIR_DEADLINE (ns_add(s->now_ns, s->header_ns)) {
        rc = h1_read_request(x->reader, &x->request, &refusal);
    }
    pinned = pin(x, s);
    if (pinned < 0)
        return pinned;
    if (rc < 0)
        return refuse_head(x, rc, &refusal);
    h1_body_init(&x->request_body, x->reader, &x->request);
    x->query = x->request.query;
    choose_request_id(x);
    return 0;
}

/* A small body that came with its head can go out with it, and again if need be. */
static void take_whole_body(struct exchange *x)
{
    x->body_piece = STR("");
    if (x->request_body.done)
        x->body_whole = true;
    else if (x->request.body == HTTP_BODY_LENGTH &&
             h1_reader_buffered(x->reader) >= x->request.content_length)
        x->body_whole = h1_body_try_next(&x->request_body, &x->body_piece) > 0;
}

/* What routes are asked about; false when the exchange has its answer already. */
static bool admit(struct exchange *x, struct match_input *ret)
{
    enum cause cause;
    const char *why;

    switch (request_admit(&x->request, x->generation->config->limits.body_bytes, &x->arena, ret,
                          &cause, &why)) {
    case ADMIT_ROUTE:
        x->path = ret->path;
        x->host = ret->host;
        x->port = ret->port;
        return true;
    case ADMIT_ANSWER:
        exchange_answer(x, 204, STR(""));
        return false;
    default:
        x->close = true;
        exchange_refuse(x, cause, "%s", why);
        return false;
    }
}

void exchange_match(struct exchange *x)
{
    struct match_input in;
    int32_t index;

    if (x->source != RESPONSE_NONE || !admit(x, &in))
        return;
    take_whole_body(x);
    index = route_index_find(x->generation->index, &in, &x->vars);
    if (index >= 0)
        x->route = &x->generation->routes[index];
    x->priority = x->route->priority;
}
