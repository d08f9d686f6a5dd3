/* Clients: they know what they asked for and look at every byte of what comes back. */
#include <stdlib.h>

#include "tests/sim/sim.h"

/* Longer than anything here may take: a request without an end after that is lost. */
#define ANSWER_NS (400 * NS_PER_SEC)
#define BATCH_MAX 4

struct client {
    struct sim *sim;
    struct stream *stream;
    struct h1_reader reader;
    struct http_head head;
    struct h1_body body;
    struct sim_request *batch[BATCH_MAX];
    unsigned batch_count;
    bool old;    /* HTTP/1.0 */
    bool slow;   /* takes its time, both ways */
    bool fickle; /* gives up often */
    bool reset;  /* was told of a reset while sending: it is told once, a read then sees an end */
    char buf[SIM_BUFFER];
};

static void choose_request(struct sim *s, struct sim_request *r, bool simple)
{
    static const enum http_method methods[] = {HTTP_GET,  HTTP_GET,  HTTP_GET,
                                               HTTP_POST, HTTP_POST, HTTP_POST,
                                               HTTP_PUT,  HTTP_HEAD, HTTP_DELETE};
    static const int statuses[] = {200, 200, 200, 200, 404, 204, 503};
    static const uint64_t sizes[] = {0, 10, 1000, 5000, 40000, 150000};

    r->method = simple ? HTTP_GET : methods[sim_below(s, ARRAY_LEN(methods))];
    r->status = s->calm ? 200 : statuses[sim_below(s, ARRAY_LEN(statuses))];
    r->response_bytes = sim_below(s, sizes[sim_below(s, ARRAY_LEN(sizes))] + 1);
    if (r->status == 204)
        r->response_bytes = 0;
    if (r->method == HTTP_POST || r->method == HTTP_PUT)
        r->body_bytes = sim_below(s, sizes[sim_below(s, ARRAY_LEN(sizes))] + 1);
}

static void put_head(struct client *c, struct sim_request *r, bool chunked, bool expect,
                     struct buf *out)
{
    struct sim *s = c->sim;
    static const char *const paths[] = {"/a/x", "/b/y/z", "/c/%7Euser", "/d/../e", "/other"};

    buf_puts(out, http_method_text(r->method));
    buf_printf(out, " %s?id=%u HTTP/1.%d\r\n", paths[sim_below(s, ARRAY_LEN(paths))], r->id,
               c->old ? 0 : 1);
    buf_lit(out, "Host: sim.test\r\n");
    buf_printf(out, "X-Sim: %u %d %llu %u\r\n", r->id, r->status,
               (unsigned long long)r->response_bytes, (unsigned)sim_below(s, s->calm ? 2 : 3));
    if (expect)
        buf_lit(out, "Expect: 100-continue\r\n");
    if (chunked)
        buf_lit(out, "Transfer-Encoding: chunked\r\n");
    else if (r->method == HTTP_POST || r->method == HTTP_PUT)
        buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)r->body_bytes);
    buf_lit(out, "\r\n");
}

static int dawdle(struct client *c, unsigned max_ms)
{
    return c->slow ? weir_sleep((int64_t)sim_below(c->sim, max_ms) * NS_PER_MS) : 0;
}

/* Sends one request. stop_at: after so many bytes of the body the client gives up. */
static int send_request(struct client *c, struct sim_request *r, uint64_t stop_at)
{
    struct sim *s = c->sim;
    bool has_body = r->method == HTTP_POST || r->method == HTTP_PUT;
    bool chunked = has_body && !c->old && sim_chance(s, 40);
    enum http_body_kind kind = chunked    ? HTTP_BODY_CHUNKED
                               : has_body ? HTTP_BODY_LENGTH
                                          : HTTP_BODY_NONE;
    char text[512], piece[4 * KIB];
    struct buf out = buf_on(text, sizeof(text));
    struct str head;
    struct h1_writer w;
    uint64_t sent = 0;
    int rc = 0;

    put_head(c, r, chunked, has_body && !c->old && sim_chance(s, 10), &out);
    head = buf_str(&out);
    h1_writer_init(&w, c->stream, kind, r->body_bytes);
    if (c->slow && sim_chance(s, 50)) { /* the head in two parts */
        size_t part = sim_below(s, head.len);

        rc = stream_write(c->stream, head.ptr, part);
        if (rc == 0)
            rc = dawdle(c, 100);
        head = str_n(head.ptr + part, head.len - part);
    }
    do {
        size_t len = (size_t)MIN(r->body_bytes - sent, 1 + sim_below(s, sizeof(piece)));

        if (!has_body)
            len = 0;
        if (rc == 0 && sent + len > stop_at)
            return -ECANCELED;
        sim_content_fill(r->id, SIM_TO_ORIGIN, sent, piece, len);
        if (rc == 0)
            rc = h1_writer_send(&w, head, str_n(piece, len), sent + len == r->body_bytes, STR(""));
        head = STR("");
        sent += len;
        if (rc == 0 && sent < r->body_bytes)
            rc = dawdle(c, 20);
    } while (rc == 0 && sent < r->body_bytes);
    return rc;
}

/* Causes that no client and no origin here gives a reason for. */
static bool is_unjustified(struct str cause)
{
    static const char *const never[] = {
        "http_protocol_error",  "http_response_transfer_coding",
        "proxy_internal_error", "http_request_error",
        "client_body_error",    "proxy_loop_detected",
        "route_not_found",      "destination_not_found",
        "http_upgrade_failed",  "header_too_large",
        "target_too_long",      "not_implemented",
        "method_not_allowed",   "version_not_supported",
        "expectation_failed",   "body_too_large",
        "client_limit_reached", "resources_exhausted",
    };

    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        if (str_eq(cause, str_of(never[i])))
            return true;
    }
    return false;
}

/* A head has come: is it an answer to r? True: of the origin. */
static bool check_head(struct client *c, struct sim_request *r)
{
    struct sim *s = c->sim;
    struct http_field *id = http_head_find(&c->head, STR("X-Sim-Id"));
    struct http_field *cause = http_head_find(&c->head, STR("X-Weir-Cause"));
    uint64_t n = 0;

    if (id == NULL && cause == NULL) {
        sim_violation(s, "request %u: status %d without origin and without cause", r->id,
                      c->head.status);
        return false;
    }
    if (id == NULL) {
        s->counts.own++;
        if (s->calm || is_unjustified(http_field_value(cause)))
            sim_violation(s, "request %u: status %d because of " STR_FMT, r->id, c->head.status,
                          STR_ARG(http_field_value(cause)));
        return false;
    }
    if (str_to_u64(http_field_value(id), UINT32_MAX, &n) < 0 || n != r->id)
        sim_violation(s, "request %u got the response of request " STR_FMT, r->id,
                      STR_ARG(http_field_value(id)));
    if (c->head.status != r->status)
        sim_violation(s, "request %u: status %d instead of %d", r->id, c->head.status, r->status);
    return true;
}

/* Reads the body. stop_at: the client gives up after so many bytes. */
static int read_body(struct client *c, struct sim_request *r, bool of_origin, uint64_t stop_at)
{
    struct sim *s = c->sim;
    uint64_t offset = 0, want = r->method == HTTP_HEAD ? 0 : r->response_bytes;
    struct str piece;
    ssize_t n;

    h1_body_init(&c->body, &c->reader, &c->head);
    while ((n = h1_body_next(&c->body, &piece)) > 0) {
        if (of_origin && !sim_content_check(r->id, SIM_TO_CLIENT, offset, piece)) {
            sim_violation(s, "request %u: other bytes in its response at %llu", r->id,
                          (unsigned long long)offset);
            return -EBADMSG;
        }
        offset += (uint64_t)n;
        if (offset > stop_at)
            return -ECANCELED;
        if (dawdle(c, 30) < 0)
            return -ETIMEDOUT;
    }
    if (n == 0 && c->body.kind == HTTP_BODY_CLOSE && c->reset)
        return -ECONNRESET;
    if (n == -EBADMSG)
        sim_violation(s, "request %u: broken framing of the response: %s", r->id,
                      c->body.refusal.name);
    if (n == 0 && of_origin && offset != want)
        sim_violation(s, "request %u: %llu of %llu bytes, as if complete", r->id,
                      (unsigned long long)offset, (unsigned long long)want);
    return (int)n;
}

static int read_final_head(struct client *c, struct sim_request *r)
{
    struct h1_refusal refusal;
    int rc;

    for (;;) {
        rc = h1_read_response(&c->reader, r->method, &c->head, &refusal);
        if (rc == -EBADMSG)
            sim_violation(c->sim, "request %u: the response is not HTTP: %s", r->id, refusal.name);
        if (rc != 0 || c->head.status >= 200 || c->head.status == 101)
            return rc;
        if (c->old)
            sim_violation(c->sim, "request %u: status %d to HTTP/1.0", r->id, c->head.status);
        h1_reader_next(&c->reader);
    }
}

/* The answer to r, in the time that is enough for everybody. */
static int read_answer(struct client *c, struct sim_request *r, uint64_t stop_at)
{
    struct sim *s = c->sim;
    bool of_origin = false;
    int rc = 0;

    WEIR_DEADLINE (weir_now() + ANSWER_NS) {
        rc = read_final_head(c, r);
        if (rc == 0) {
            of_origin = check_head(c, r);
            rc = read_body(c, r, of_origin, stop_at);
        }
    }
    sim_trace(s, "request %u: %s %d, framing %d, rc %d", r->id, of_origin ? "origin" : "gateway",
              c->head.status, c->head.body, rc);
    if (rc == -ETIMEDOUT)
        sim_violation(s, "request %u: no end within %lld s", r->id,
                      (long long)(ANSWER_NS / NS_PER_SEC));
    if (rc == 0) {
        r->answered = true;
        s->counts.answered++;
        h1_reader_next(&c->reader);
    } else if (rc == -ECANCELED) {
        s->counts.aborted++;
    } else {
        s->counts.cut++;
        if (s->calm)
            sim_violation(s, "request %u: cut (%s) although all is well", r->id, strerror(-rc));
    }
    return rc;
}

/* After how many bytes the client loses patience. */
static uint64_t patience(struct client *c, uint64_t of)
{
    struct sim *s = c->sim;

    return !s->calm && sim_chance(s, c->fickle ? 30 : 3) ? sim_below(s, of + 1) : UINT64_MAX;
}

/* Sends a batch (more than one: pipelined), then reads the answers in order. False: the connection
 * is of no more use. */
static bool exchange(struct client *c)
{
    struct sim *s = c->sim;
    bool broken = false;

    for (unsigned i = 0; i < c->batch_count && !broken; i++) {
        struct sim_request *r = c->batch[i];
        int rc;

        choose_request(s, r, c->batch_count > 1);
        rc = send_request(c, r, patience(c, r->body_bytes));
        sim_trace(s, "request %u sent, rc %d", r->id, rc);
        if (rc == -ECANCELED) {
            s->counts.aborted++;
            return false;
        }
        broken = rc < 0; /* there may still be an answer: an early one */
        c->reset |= rc == -ECONNRESET;
    }
    for (unsigned i = 0; i < c->batch_count; i++) {
        struct sim_request *r = c->batch[i];

        if (read_answer(c, r, patience(c, r->response_bytes)) < 0)
            return false;
        if (!c->head.keep_alive)
            return false;
    }
    return !broken;
}

static bool fill_batch(struct client *c, unsigned count)
{
    c->batch_count = 0;
    while (c->batch_count < count) {
        struct sim_request *r = sim_new_request(c->sim);

        if (r == NULL)
            break;
        c->batch[c->batch_count++] = r;
    }
    return c->batch_count != 0;
}

static void use_connection(struct client *c, unsigned rounds)
{
    struct sim *s = c->sim;
    bool more = true;

    h1_reader_init(&c->reader, c->stream, c->buf, sizeof(c->buf), NULL);
    while (more && rounds-- > 0) {
        unsigned count = !c->old && sim_chance(s, 15) ? 1 + (unsigned)sim_below(s, BATCH_MAX) : 1;

        if (!fill_batch(c, count))
            break;
        more = exchange(c);
        if (more && sim_chance(s, 50))
            more = weir_sleep((int64_t)sim_below(s, 400) * NS_PER_MS) == 0;
    }
    if (sim_chance(s, 20) && !s->calm)
        stream_reset(TAKE(c->stream));
    stream_close(c->stream);
}

/* Sends a piece through the tunnel and reads the same bytes back. */
static int echo(struct client *c, struct sim_request *r, uint64_t offset, size_t len)
{
    char piece[2 * KIB], back[2 * KIB];
    size_t got = 0;
    int rc;

    sim_content_fill(r->id, SIM_TO_ORIGIN, offset, piece, len);
    rc = stream_write(c->stream, piece, len);
    while (rc == 0 && got < len) {
        ssize_t n = stream_read(c->stream, back + got, len - got);

        if (n <= 0)
            return n == 0 ? -ECONNRESET : (int)n;
        got += (size_t)n;
    }
    if (rc == 0 && !sim_content_check(r->id, SIM_TO_ORIGIN, offset, str_n(back, len)))
        sim_violation(c->sim, "tunnel %u: other bytes at %llu", r->id, (unsigned long long)offset);
    return rc;
}

static int open_tunnel(struct client *c, struct sim_request *r)
{
    char text[256];
    struct buf out = buf_on(text, sizeof(text));
    int rc;

    buf_printf(&out,
               "GET /a/t HTTP/1.1\r\nHost: sim.test\r\nX-Sim: %u 200 0 0\r\n"
               "Connection: Upgrade\r\nUpgrade: sim-echo\r\n\r\n",
               r->id);
    rc = stream_write(c->stream, text, out.len);
    if (rc == 0)
        rc = read_final_head(c, r);
    return rc;
}

static void use_tunnel(struct client *c)
{
    struct sim *s = c->sim;
    struct sim_request *r = sim_new_request(s);
    uint64_t offset = 0;
    int rc = -ENOSPC;

    c->old = false;
    h1_reader_init(&c->reader, c->stream, c->buf, sizeof(c->buf), NULL);
    WEIR_DEADLINE (weir_now() + ANSWER_NS) {
        if (r != NULL) {
            r->method = HTTP_GET;
            r->status = 200;
            rc = open_tunnel(c, r);
        }
        if (rc == 0 && c->head.status != 101)
            (void)check_head(c, r);
        for (unsigned n = (unsigned)sim_below(s, 6); rc == 0 && c->head.status == 101 && n > 0;
             n--) {
            size_t len = 1 + (size_t)sim_below(s, 2000);

            rc = echo(c, r, offset, len);
            offset += len;
            if (rc == 0)
                rc = weir_sleep((int64_t)sim_below(s, 500) * NS_PER_MS);
        }
    }
    if (rc == -ETIMEDOUT)
        sim_violation(s, "tunnel %u: no end", r->id);
    else if (rc == 0)
        s->counts.answered++;
    else
        s->counts.cut++;
    stream_close(c->stream);
}

void sim_client_run(void *arg)
{
    struct sim *s = arg;
    struct client *c = calloc(1, sizeof(*c));
    unsigned connections = 2 + (unsigned)sim_below(s, 6);

    while (connections-- > 0) {
        int rc = 0;

        *c = (struct client){.sim = s,
                             .old = sim_chance(s, 10),
                             .slow = sim_chance(s, 15),
                             .fickle = sim_chance(s, 15)};
        WEIR_DEADLINE (weir_now() + 60 * NS_PER_SEC) {
            rc = stream_dial(&s->gateway_addr, &c->stream);
        }
        if (rc == 0 && sim_chance(s, 8))
            use_tunnel(c);
        else if (rc == 0)
            use_connection(c, 1 + (unsigned)sim_below(s, 10));
        if (weir_sleep((int64_t)sim_below(s, 1000) * NS_PER_MS) < 0)
            break;
    }
    free(c);
    weir_wait_group_done(&s->clients);
}

void sim_check_liveness(struct sim *s)
{
    struct client *c = calloc(1, sizeof(*c));

    for (int i = 0; i < 12; i++) {
        *c = (struct client){.sim = s};
        if (stream_dial(&s->gateway_addr, &c->stream) < 0) {
            sim_violation(s, "the gateway does not accept although all is well");
            break;
        }
        use_connection(c, 2);
    }
    free(c);
}
