/* One record as a line of JSON. Members that say nothing are left out: no upstream, no cause, a
 * single attempt that went well. */
#include "base/duration.h"
#include "export/access_log.h"

/* The most bytes that a text may take in the line, escaped. Together with the rest they fit
 * ACCESS_LOG_LINE_MAX. */
enum {
    PATH_MAX_BYTES = 1536,
    QUERY_MAX_BYTES = 1024,
    AGENT_MAX_BYTES = 512,
    TEXT_MAX_BYTES = 256,
    SHORT_MAX_BYTES = 128,
    WORD_MAX_BYTES = 48, /* our own words */
};

/* Appends s escaped. False, and nothing is appended, when that takes more than max bytes. */
static bool put_escaped(struct buf *b, struct str s, size_t max)
{
    struct buf room = buf_on(b->ptr + b->len, MIN(max, b->cap - b->len));

    buf_put_json(&room, s);
    if (room.overflow)
        return false;
    b->len += room.len;
    return true;
}

/* "key":"text", the text escaped and, when it takes more than max bytes, cut and ended by an
 * ellipsis. Cut to a sixth any text fits: no byte's escape takes more than six. */
static void put_text(struct buf *b, struct str key, struct str s, size_t max)
{
    bool cut = s.len > max;

    buf_puts(b, key);
    buf_putc(b, '"');
    if (!put_escaped(b, str_n(s.ptr, MIN(s.len, max)), max)) {
        put_escaped(b, str_n(s.ptr, MIN(s.len, max / 6)), max);
        cut = true;
    }
    if (cut)
        buf_lit(b, "\xe2\x80\xa6");
    buf_putc(b, '"');
}

/* The same, and nothing at all for an empty text. */
static void put_some(struct buf *b, struct str key, struct str s, size_t max)
{
    if (s.len != 0)
        put_text(b, key, s, max);
}

static void put_number(struct buf *b, struct str key, uint64_t value)
{
    buf_puts(b, key);
    buf_put_u64(b, value);
}

/* Milliseconds with three decimals; nothing when the point was not reached. */
static void put_ms(struct buf *b, struct str key, int64_t ns)
{
    uint64_t us = (uint64_t)ns / (uint64_t)NS_PER_US;
    char part[3] = {(char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10)};

    if (ns < 0)
        return;
    put_number(b, key, us / 1000);
    buf_putc(b, '.');
    buf_put(b, part, sizeof(part));
}

static void put_request(struct buf *b, const struct access_record *r)
{
    char ts[RFC3339_LEN];

    rfc3339_format(r->wall_ns, ts);
    buf_lit(b, "{\"ts\":\"");
    buf_put(b, ts, sizeof(ts));
    buf_putc(b, '"');
    put_text(b, STR(",\"id\":"), r->request_id, SHORT_MAX_BYTES);
    put_text(b, STR(",\"client\":"), r->client, SHORT_MAX_BYTES);
    put_some(b, STR(",\"listener\":"), r->listener, SHORT_MAX_BYTES);
    put_text(b, STR(",\"method\":"), r->method, SHORT_MAX_BYTES);
    put_text(b, STR(",\"host\":"), r->host, TEXT_MAX_BYTES);
    put_text(b, STR(",\"path\":"), r->path, PATH_MAX_BYTES);
    if (r->query.ptr != NULL)
        put_text(b, STR(",\"query\":"), r->query, QUERY_MAX_BYTES);
    buf_puts(b, r->version_minor == 0 ? STR(",\"version\":\"1.0\"") : STR(",\"version\":\"1.1\""));
    put_some(b, STR(",\"user_agent\":"), r->user_agent, AGENT_MAX_BYTES);
}

static void put_result(struct buf *b, const struct access_record *r)
{
    put_number(b, STR(",\"generation\":"), r->generation);
    put_some(b, STR(",\"route\":"), r->route, TEXT_MAX_BYTES);
    put_some(b, STR(",\"fallback_from\":"), r->fallback_from, TEXT_MAX_BYTES);
    put_some(b, STR(",\"upstream\":"), r->upstream, TEXT_MAX_BYTES);
    put_some(b, STR(",\"endpoint\":"), r->endpoint, SHORT_MAX_BYTES);
    put_number(b, STR(",\"status\":"), (uint64_t)MAX(r->status, 0));
    if (r->cause != CAUSE_NONE)
        put_text(b, STR(",\"cause\":"), cause_name(r->cause), WORD_MAX_BYTES);
    put_some(b, STR(",\"detail\":"), r->detail, TEXT_MAX_BYTES);
    put_number(b, STR(",\"bytes_in\":"), r->bytes_in);
    put_number(b, STR(",\"bytes_out\":"), r->bytes_out);
    if (r->client_reused)
        buf_lit(b, ",\"client_reused\":true");
    if (r->upstream_reused)
        buf_lit(b, ",\"upstream_reused\":true");
    put_ms(b, STR(",\"total_ms\":"), r->total_ns);
    put_ms(b, STR(",\"connect_ms\":"), r->connect_ns);
    put_ms(b, STR(",\"first_byte_ms\":"), r->first_byte_ns);
}

static struct str outcome_of(const struct access_attempt *a)
{
    if (a->lost)
        return STR("lost");
    return a->outcome != CAUSE_NONE ? cause_name(a->outcome) : STR("ok");
}

static void put_attempt(struct buf *b, const struct access_attempt *a)
{
    put_text(b, STR("{\"endpoint\":"), a->endpoint, SHORT_MAX_BYTES);
    put_text(b, STR(",\"outcome\":"), outcome_of(a), WORD_MAX_BYTES);
    if (a->status != 0)
        put_number(b, STR(",\"status\":"), (uint64_t)MAX(a->status, 0));
    if (a->reused)
        buf_lit(b, ",\"reused\":true");
    if (a->hedge)
        buf_lit(b, ",\"hedge\":true");
    put_some(b, STR(",\"not_again\":"), a->not_again, WORD_MAX_BYTES);
    put_ms(b, STR(",\"ms\":"), a->duration_ns);
    buf_putc(b, '}');
}

static void put_attempts(struct buf *b, const struct access_record *r)
{
    uint32_t shown = MIN(r->attempt_count, (uint32_t)ACCESS_ATTEMPTS_MAX);

    if (shown == 0 || (shown == 1 && r->attempts[0].outcome == CAUSE_NONE))
        return;
    put_number(b, STR(",\"attempt_count\":"), r->attempt_count);
    buf_lit(b, ",\"attempts\":[");
    for (uint32_t i = 0; i < shown; i++) {
        if (i != 0)
            buf_putc(b, ',');
        put_attempt(b, &r->attempts[i]);
    }
    buf_putc(b, ']');
}

void access_log_format(const struct access_record *r, struct buf *out)
{
    put_request(out, r);
    put_result(out, r);
    put_attempts(out, r);
    buf_lit(out, "}\n");
}
