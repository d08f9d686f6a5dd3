/* A second try, elsewhere: see again.h. */
#include "gateway/again.h"

#include "gateway/attempt.h"
#include "gateway/gateway_impl.h"
#include "gateway/response_cache.h"
#include "runtime/here.h"

void exchange_discard(struct exchange *x)
{
    struct str piece;

    attempt_end(x);
    exchange_release_all(x);
    if (x->cache != NULL)
        response_cache_forget(x->cache);
    if (x->source == RESPONSE_UPSTREAM) {
        while (!x->response_body.done && h1_body_try_next(&x->response_body, &piece) > 0)
            ;
    }
    exchange_drop_upstream(x, true);
}

void request_mark(const struct exchange *x, struct request_mark *ret)
{
    *ret = (struct request_mark){
        .path = x->path,
        .query = x->query,
        .forward_host = x->forward_host,
        .upgrade = x->upgrade,
        .field_count = x->request.field_count,
        .seen = x->request.seen,
    };
    for (uint32_t i = 0; i < x->request.field_count; i++)
        ret->dropped[i / 64] |= (uint64_t)x->request.fields[i].dropped << (i % 64);
}

void request_restore(struct exchange *x, const struct request_mark *m)
{
    x->path = m->path;
    x->query = m->query;
    x->forward_host = m->forward_host;
    x->upgrade = m->upgrade;
    x->request.field_count = m->field_count;
    x->request.seen = m->seen;
    for (uint32_t i = 0; i < m->field_count; i++)
        x->request.fields[i].dropped = m->dropped[i / 64] >> (i % 64) & 1;
}

bool exchange_has_request(const struct exchange *x)
{
    return pump_state(&x->pump) == PUMP_NONE && (x->body_whole || x->request_body.received == 0) &&
           x->interim_bytes == 0;
}

bool exchange_may_go_elsewhere(const struct exchange *x)
{
    if (!exchange_has_request(x))
        return false;
    if (http_method_idempotent(x->request.method) || x->record.attempt_count == 0)
        return true;
    return x->attempt_cause != CAUSE_NONE && x->pump.writer.sent_bytes == 0;
}

void exchange_go_elsewhere(struct exchange *x, const struct route *route)
{
    exchange_discard(x);
    exchange_leave_budget(x);
    x->route = route;
    x->source = RESPONSE_NONE;
    x->cause = CAUSE_NONE;
    x->detail = STR_NULL;
    x->own_body = STR("");
    x->endpoint = NULL;
    x->tried_count = 0;
    x->fresh = false;
    x->failure = 0;
    x->attempt_cause = CAUSE_NONE;
    x->response_ns = 0;
    if (!x->elsewhere) {
        x->before.route = NULL;
        x->before.deadline_ns = NS_NEVER;
    }
    x->elsewhere = true;
    x->before.attempts = x->record.attempt_count;
    x->before.until_ns = here_now_ns();
}
