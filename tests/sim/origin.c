/* Origins: they check what reaches them, answer what was asked for, and misbehave within HTTP. */
#include <stdlib.h>

#include "tests/sim/sim.h"

struct origin_conn {
    struct sim_origin *origin;
    struct stream *stream;
    struct h1_reader reader;
    struct http_head head;
    struct h1_body body;
    struct sim_request *request;
    int mode; /* 0 length, 1 chunked, 2 until close */
    bool close;
    char buf[SIM_BUFFER];
    char out[8 * KIB];
};

/* "id status bytes mode" in X-Sim. */
static bool parse_order(struct origin_conn *c)
{
    struct sim *s = c->origin->sim;
    struct http_field *f = http_head_find(&c->head, STR("X-Sim"));
    uint64_t n[4] = {0};
    struct str rest, part;

    if (f == NULL)
        return false;
    rest = http_field_value(f);
    for (int i = 0; i < 4 && str_split(&rest, ' ', &part); i++) {
        if (str_to_u64(part, UINT32_MAX, &n[i]) < 0)
            return false;
    }
    c->request = sim_find_request(s, n[0]);
    c->mode = (int)n[3];
    return c->request != NULL && c->request->status == (int)n[1] &&
           c->request->response_bytes == n[2];
}

/* Reads the body and checks every byte; 0 when all of it came. */
static int read_body(struct origin_conn *c)
{
    struct sim *s = c->origin->sim;
    uint64_t offset = 0;
    struct str piece;
    ssize_t n;

    while ((n = h1_body_next(&c->body, &piece)) > 0) {
        if (!sim_content_check(c->request->id, SIM_TO_ORIGIN, offset, piece)) {
            sim_violation(s, "request %u reached origin %u with other bytes at %llu",
                          c->request->id, c->origin->index, (unsigned long long)offset);
            return -EBADMSG;
        }
        offset += (uint64_t)n;
    }
    if (n == -EBADMSG)
        sim_violation(s, "request %u reached origin %u with broken framing: %s", c->request->id,
                      c->origin->index, c->body.refusal.name);
    if (n == 0 && offset != c->request->body_bytes)
        sim_violation(s, "request %u reached origin %u with %llu of %llu bytes, as if complete",
                      c->request->id, c->origin->index, (unsigned long long)offset,
                      (unsigned long long)c->request->body_bytes);
    return (int)n;
}

static void note_execution(struct origin_conn *c)
{
    struct sim_request *r = c->request;

    r->executions++;
    if (r->executions > 1 && !http_method_idempotent(r->method))
        sim_violation(c->origin->sim, "request %u (POST) was executed %u times", r->id,
                      r->executions);
}

static struct str response_head(struct origin_conn *c)
{
    struct buf out = buf_on(c->out, sizeof(c->out));
    struct sim_request *r = c->request;

    h1_put_status_line(&out, r->status);
    buf_printf(&out, "X-Sim-Id: %u\r\n", r->id);
    if (c->close)
        buf_lit(&out, "Connection: close\r\n");
    if (c->mode == 1)
        buf_lit(&out, "Transfer-Encoding: chunked\r\n");
    else if (c->mode == 0)
        buf_printf(&out, "Content-Length: %llu\r\n", (unsigned long long)r->response_bytes);
    h1_put_end(&out);
    return buf_str(&out);
}

/* Sends the body in random pieces; a cut in the middle is a reset when cut_at is reached. */
static int send_body(struct origin_conn *c, struct h1_writer *w, struct str head, uint64_t cut_at,
                     bool slow)
{
    struct sim *s = c->origin->sim;
    uint64_t total = c->request->response_bytes, sent = 0;
    char piece[4 * KIB];
    int rc = 0;

    do {
        size_t len = (size_t)MIN(total - sent, 1 + sim_below(s, sizeof(piece)));

        sim_content_fill(c->request->id, SIM_TO_CLIENT, sent, piece, len);
        if (sent + len > cut_at) {
            sim_trace(s, "origin %u cuts request %u at %llu", c->origin->index, c->request->id,
                      (unsigned long long)sent);
            stream_reset(TAKE(c->stream));
            return -ECONNRESET;
        }
        rc = h1_writer_send(w, head, str_n(piece, len), sent + len == total, STR(""));
        head = STR("");
        sent += len;
        if (rc == 0 && slow)
            rc = weir_sleep((int64_t)sim_below(s, 50) * NS_PER_MS);
    } while (rc == 0 && sent < total);
    return rc;
}

static int respond(struct origin_conn *c)
{
    struct sim *s = c->origin->sim;
    static const enum http_body_kind kinds[] = {HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED,
                                                HTTP_BODY_CLOSE};
    bool bodiless = c->head.method == HTTP_HEAD || c->request->status == 204;
    uint64_t cut_at = UINT64_MAX;
    struct h1_writer w;

    if (c->mode == 2)
        c->close = true;
    if (!s->calm && sim_chance(s, 4))
        cut_at = sim_below(s, c->request->response_bytes + 1);
    if (!s->calm && sim_chance(s, 5))
        c->close = true;
    if (c->request->status == 204)
        c->mode = 3;
    h1_writer_init(&w, c->stream, bodiless ? HTTP_BODY_NONE : kinds[c->mode],
                   c->request->response_bytes);
    if (bodiless)
        return h1_writer_send(&w, response_head(c), STR(""), true, STR(""));
    return send_body(c, &w, response_head(c), cut_at, !s->calm && sim_chance(s, 20));
}

/* Delays, interim responses, and ends before the answer. Negative: this connection is over. */
static int misbehave(struct origin_conn *c)
{
    static const char hints[] = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    struct sim *s = c->origin->sim;
    int rc = 0;

    if (s->calm)
        return 0;
    if (sim_chance(s, 20))
        rc = weir_sleep((int64_t)sim_below(s, 300) * NS_PER_MS);
    else if (sim_chance(s, 4))
        rc = weir_sleep((int64_t)sim_below(s, 5000) * NS_PER_MS);
    if (rc == 0 && sim_chance(s, 10))
        rc = stream_write(c->stream, hints, sizeof(hints) - 1);
    if (rc == 0 && sim_chance(s, 4))
        rc = -ECONNRESET;
    return rc;
}

static int serve_health(struct origin_conn *c)
{
    static const char well[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static const char sick[] = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";

    return stream_write(c->stream, c->origin->sick ? sick : well,
                        c->origin->sick ? sizeof(sick) - 1 : sizeof(well) - 1);
}

/* Sends back whatever comes, until the end. */
static int serve_tunnel(struct origin_conn *c)
{
    static const char head[] = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: sim-echo\r\n\r\n";
    int rc = stream_write(c->stream, head, sizeof(head) - 1);
    char piece[1000];

    while (rc == 0) {
        ssize_t n = stream_read(c->stream, piece, sizeof(piece));

        if (n <= 0)
            break;
        rc = stream_write(c->stream, piece, (size_t)n);
    }
    return -EPIPE;
}

static int serve_request(struct origin_conn *c)
{
    struct sim *s = c->origin->sim;
    bool early;
    int rc;

    h1_body_init(&c->body, &c->reader, &c->head);
    if (str_eq(c->head.path, STR("/health")))
        return serve_health(c);
    if (!parse_order(c)) {
        sim_violation(s, "origin %u got a request that nobody sent: " STR_FMT, c->origin->index,
                      STR_ARG(c->head.target));
        return -EBADMSG;
    }
    if (c->head.upgrade && sim_chance(s, 90))
        return serve_tunnel(c);
    sim_trace(s, "origin %u serves request %u, mode %d", c->origin->index, c->request->id, c->mode);
    early = !s->calm && c->head.body != HTTP_BODY_NONE && sim_chance(s, 8);
    if (early) {
        c->close = true; /* the answer comes first, and the connection ends */
        rc = respond(c);
        return rc < 0 ? rc : -EPIPE;
    }
    if (c->head.expect_continue)
        (void)stream_write(c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    rc = read_body(c);
    if (rc < 0)
        return rc;
    note_execution(c);
    rc = misbehave(c);
    if (rc == 0)
        rc = respond(c);
    return rc;
}

static void origin_conn_main(void *arg)
{
    struct origin_conn *c = arg;
    struct sim *s = c->origin->sim;
    struct h1_refusal refusal;
    int rc = 0;

    h1_reader_init(&c->reader, c->stream, c->buf, sizeof(c->buf), NULL);
    while (rc == 0 && !c->close) {
        rc = h1_read_request(&c->reader, &c->head, &refusal);
        if (rc == -EBADMSG)
            sim_violation(s, "origin %u got what is not HTTP: %s", c->origin->index, refusal.name);
        if (rc == 0)
            rc = serve_request(c);
        if (rc == 0)
            h1_reader_next(&c->reader);
        if (!s->calm && sim_chance(s, 3))
            break; /* closes a connection that could have been kept */
    }
    stream_close(c->stream);
    free(c);
}

void sim_origin_run(void *arg)
{
    struct sim_origin *o = arg;
    struct listener *l;

    if (listener_open(&o->sim->origin_addr[o->index], 64, &l) < 0) {
        sim_violation(o->sim, "origin %u cannot listen", o->index);
        return;
    }
    WEIR_SCOPE (scope) {
        struct stream *stream;

        while (listener_accept(l, &stream) == 0) {
            struct origin_conn *c = calloc(1, sizeof(*c));

            *c = (struct origin_conn){.origin = o, .stream = stream};
            if (weir_scope_go(scope, "origin", origin_conn_main, c) < 0) {
                stream_close(stream);
                free(c);
            }
        }
    }
    listener_close(l);
}
