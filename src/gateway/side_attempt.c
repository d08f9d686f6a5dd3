/* Side attempts: see side_attempt.h. */
#include "gateway/side_attempt.h"

#include <stdlib.h>

#include "gateway/attempt.h"
#include "gateway/deadline.h"
#include "gateway/gateway_impl.h"
#include "gateway/serve.h"

static void borrow_request(struct exchange *side, const struct exchange *x)
{
    side->generation = x->generation; /* which x has pinned */
    side->trusted = x->trusted;
    side->host = x->host;
    side->port = x->port;
    side->request_id = x->request_id;
    side->route = x->route;
    side->path = x->path;
    side->query = x->query;
    side->forward_host = x->forward_host;
    side->priority = x->priority;
    side->body_piece = x->body_piece;
    side->body_whole = side->request_body.done = true;
    side->request = x->request;
    side->request.version_minor = 0; /* to such clients no interim responses are sent */
    side->deadline_ns = x->deadline_ns;
    side->limit_ns = x->limit_ns;
}

/* What was tried elsewhere is not to be tried again; how it went there is not for us to count. */
static void avoid_tried(struct exchange *side, const struct exchange *before)
{
    side->tried_count = before->tried_count;
    for (uint32_t i = 0; i < before->tried_count; i++) {
        side->tried[i] = before->tried[i];
        side->failed[i] = 0;
    }
}

static bool begin(struct exchange *side, unsigned number)
{
    return attempt_number(side, number) == 0 && deadline_pass_on(side) && attempt_others(side) &&
           attempt_begin(side, false);
}

struct exchange *side_attempt_new(struct exchange *x, const struct exchange *before,
                                  unsigned number)
{
    struct exchange *side = malloc(sizeof(*side));
    struct workspace *space = workspace_get(&x->gateway->workspaces, x->space->class);

    if (side == NULL || space == NULL) {
        workspace_put(&x->gateway->workspaces, space);
        free(side);
        return NULL;
    }
    exchange_begin(side, x->serving);
    side->space = space;
    arena_init(&side->arena, space->arena_buf, ARENA_FIRST_BYTES, ARENA_FIRST_BYTES);
    borrow_request(side, x);
    avoid_tried(side, before != NULL ? before : x);
    if (begin(side, number))
        return side;
    side_attempt_free(side);
    return NULL;
}

/* Text of a head points into the buffer it was read into, which is copied. */
struct move {
    const char *from, *to;
    size_t len;
};

static const char *moved(const struct move *m, const char *p)
{
    return p >= m->from && p < m->from + m->len ? m->to + (p - m->from) : p;
}

static void move_head(struct http_head *h, const struct move *m)
{
    h->reason.ptr = moved(m, h->reason.ptr);
    for (uint32_t i = 0; i < h->field_count; i++) {
        h->fields[i].name = moved(m, h->fields[i].name);
        h->fields[i].value = moved(m, h->fields[i].value);
    }
}

static void adopt_response(struct exchange *x, const struct exchange *side)
{
    struct h1_reader *r = &x->upstream_reader;
    struct move m;

    *r = side->upstream_reader;
    m = (struct move){r->buf, x->space->upstream_buf, r->end};
    memcpy(x->space->upstream_buf, r->buf, r->end); /* of the same class, so there is room */
    r->buf = x->space->upstream_buf;
    x->response = side->response;
    move_head(&x->response, &m);
    x->response_body = side->response_body;
    x->response_body.reader = r;
    x->response_body.trailers.ptr = moved(&m, x->response_body.trailers.ptr);
    x->source = side->source;
    x->upstream_status = side->upstream_status;
    x->response_ns = side->response_ns;
}

void side_attempt_adopt(struct exchange *x, struct exchange *side)
{
    adopt_response(x, side);
    x->upstream_conn = TAKE(side->upstream_conn);
    x->endpoint = side->endpoint;
    x->attempt_running = side->attempt_running;
    side->attempt_running = false;
    x->permit = side->permit;
    x->permit_held = side->permit_held;
    side->permit_held = false;
    x->attempt_cause = CAUSE_NONE;
    x->detail = STR_NULL;
    x->attempt_start_ns = side->attempt_start_ns;
    x->sent_ns = side->sent_ns;
    x->pump.writer = side->pump.writer;
    x->record.upstream_reused = side->record.upstream_reused;
    x->record.connect_ns = side->record.connect_ns;
}

void attempt_drop(struct exchange *x)
{
    struct str piece;

    if (x->source == RESPONSE_UPSTREAM) {
        while (!x->response_body.done && h1_body_try_next(&x->response_body, &piece) > 0)
            ; /* what is here; if that was all of it the connection can be kept */
    }
    attempt_end(x);
    exchange_drop_upstream(x, true);
    x->source = RESPONSE_NONE;
}

void side_attempt_free(struct exchange *side)
{
    if (side == NULL)
        return;
    attempt_drop(side);
    arena_done(&side->arena);
    workspace_put(&side->gateway->workspaces, side->space);
    free(side);
}
