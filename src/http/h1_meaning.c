/* What the fields of a head mean for its framing, its host and its connection (RFC 9112
 * sections 3.2, 6 and 9; RFC 9110 section 10.1.1). */
#include "http/h1_parse.h"
#include "http/lower.h"

static int note_host(struct h1_cursor *c, struct h1_meaning *m, struct http_head *h,
                     struct http_field *f)
{
    if (c->response)
        return 0;
    if (m->host)
        return h1_refuse_at(c, H1_R_two_hosts, f->name);
    m->host = true;
    if (h->authority.ptr != NULL) /* the target names it, and Host does not count */
        return f->value_len == 0 || h1_authority_valid(http_field_value(f), false)
                   ? 0
                   : h1_refuse_at(c, H1_R_bad_host, f->value);
    if (!h1_authority_valid(http_field_value(f), false))
        return h1_refuse_at(c, H1_R_bad_host, f->value);
    h->authority = http_field_value(f);
    return 0;
}

/* One number that cannot overflow, as nearly all are. */
static inline bool plain_length(const struct http_field *f, uint64_t *ret)
{
    uint64_t value = 0;

    if (f->value_len == 0 || f->value_len > 18)
        return false;
    for (uint32_t i = 0; i < f->value_len; i++) {
        unsigned digit = (unsigned char)f->value[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

/* A list of one value repeated counts as that value. What repeats it is not passed on. */
static int note_content_length(struct h1_cursor *c, struct h1_meaning *m, struct http_head *h,
                               struct http_field *f)
{
    struct str rest = http_field_value(f), part;
    uint64_t length;

    if (likely(!m->content_length && plain_length(f, &h->content_length))) {
        m->content_length = true;
        return 0;
    }
    f->dropped = m->content_length;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_to_u64(part, INT64_MAX, &length) != 0)
            return h1_refuse_at(c, H1_R_bad_content_length, f->value);
        if (m->content_length && length != h->content_length)
            return h1_refuse_at(c, H1_R_content_lengths_differ, f->value);
        if (part.ptr == f->value)
            f->value_len = (uint32_t)part.len;
        m->content_length = true;
        h->content_length = length;
    }
    return 0;
}

/* Only "chunked" is taken. The rest of this function tells an honest coding that nobody here knows
 * from a value that is no list of codings or has chunked in the wrong place. */
static int note_transfer_encoding(struct h1_cursor *c, struct h1_meaning *m, struct http_field *f)
{
    struct str rest = http_field_value(f), part = STR_NULL;
    bool again = m->transfer_encoding;
    bool chunked = false;

    m->transfer_encoding = true;
    if (again)
        return h1_refuse_at(c, H1_R_bad_transfer_encoding, f->name);
    if (LOWER_IS(rest, "chunked"))
        return 0;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0 || chunked)
            return h1_refuse_at(c, H1_R_bad_transfer_encoding, f->value);
        if (h1_scan(part.ptr, part.ptr, part.ptr + part.len, H1_TOKEN) != part.ptr + part.len)
            return h1_refuse_at(c, H1_R_bad_transfer_encoding, f->value);
        chunked = LOWER_IS(part, "chunked");
    }
    return h1_refuse_at(c, H1_R_unknown_transfer_coding, f->value);
}

static int note_connection(struct h1_cursor *c, struct h1_meaning *m, struct http_field *f)
{
    struct str rest = http_field_value(f), part;

    if (likely(LOWER_IS(rest, "keep-alive"))) {
        m->connection_options++;
        m->keep_alive = true;
        return 0;
    }
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (++m->connection_options > H1_CONNECTION_OPTIONS_MAX)
            return h1_refuse_at(c, H1_R_many_connection_options, f->value);
        m->close |= LOWER_IS(part, "close");
        m->keep_alive |= LOWER_IS(part, "keep-alive");
        m->upgrade |= LOWER_IS(part, "upgrade");
    }
    return 0;
}

/* HTTP/1.0 has no 100 (Continue) to wait for. */
static int note_expect(struct h1_cursor *c, struct http_head *h, struct http_field *f)
{
    if (c->response)
        return 0;
    if (!LOWER_IS(http_field_value(f), "100-continue"))
        return h1_refuse_at(c, H1_R_unknown_expectation, f->value);
    h->expect_continue = h->version_minor != 0;
    return 0;
}

int h1_note_field(struct h1_cursor *c, struct h1_meaning *m, struct http_head *h,
                  struct http_field *f)
{
    switch (f->id) {
    case HTTP_F_HOST:
        return note_host(c, m, h, f);
    case HTTP_F_CONNECTION:
        return note_connection(c, m, f);
    case HTTP_F_CONTENT_LENGTH:
        return note_content_length(c, m, h, f);
    case HTTP_F_TRANSFER_ENCODING:
        return note_transfer_encoding(c, m, f);
    case HTTP_F_EXPECT:
        return note_expect(c, h, f);
    case HTTP_F_TE:
        h->te_trailers |= http_list_has(http_field_value(f), STR("trailers"));
        return 0;
    default:
        return 0;
    }
}

/* What requests and responses share. TE beside CL is how requests are smuggled: RFC 9112 section
 * 6.1 allows to believe TE and to close; refusing is simpler to be sure of. */
static int finish(struct h1_cursor *c, const struct h1_meaning *m, struct http_head *h)
{
    if (m->transfer_encoding) {
        if (m->content_length)
            return h1_refuse_at(c, H1_R_te_and_cl, c->p);
        if (h->version_minor == 0)
            return h1_refuse_at(c, H1_R_te_in_http_1_0, c->p);
        h->body = HTTP_BODY_CHUNKED;
    } else if (m->content_length) {
        h->body = HTTP_BODY_LENGTH;
    } else {
        h->body = HTTP_BODY_NONE;
    }
    h->keep_alive = !m->close && (h->version_minor != 0 || m->keep_alive);
    h->upgrade = m->upgrade && h->version_minor != 0 && http_head_has(h, HTTP_F_UPGRADE);
    return 0;
}

int h1_finish_request(struct h1_cursor *c, const struct h1_meaning *m, struct http_head *h)
{
    if (!m->host && h->version_minor != 0)
        return h1_refuse_at(c, H1_R_no_host, c->p);
    return finish(c, m, h);
}

static bool never_has_body(enum http_method method, int status)
{
    return status < 200 || status == 204 || status == 304 || method == HTTP_HEAD ||
           (method == HTTP_CONNECT && status < 300);
}

int h1_finish_response(struct h1_cursor *c, const struct h1_meaning *m, enum http_method method,
                       struct http_head *h)
{
    int r = finish(c, m, h);

    if (r != 0)
        return r;
    if (never_has_body(method, h->status)) {
        h->body = HTTP_BODY_NONE;
    } else if (h->body == HTTP_BODY_NONE) {
        h->body = HTTP_BODY_CLOSE;
        h->keep_alive = false;
    }
    return 0;
}
