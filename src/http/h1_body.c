/* Taking a body apart in the reader's buffer: by length, in chunks (RFC 9112 section 7.1), or up to
 * the end of the connection. Nothing here reads; h1_body_read.c does. */
#include "base/assert.h"
#include "http/h1_parse.h"

enum body_state {
    BODY_DATA,       /* `remaining` bytes of payload come next */
    BODY_REST,       /* payload up to the end of the connection */
    BODY_CHUNK_LINE, /* a chunk size, its extensions and CR LF come next */
    BODY_CHUNK_END,  /* the CR LF behind the data of a chunk comes next */
    BODY_TRAILERS,   /* the last chunk has been seen: trailer lines and an empty line */
    BODY_END,        /* nothing more belongs to this message */
};

/* Extensions may weigh this much more than the data they came with. */
#define EXTENSIONS_SLACK (16 * KIB)

#define ID(name) (UINT64_C(1) << HTTP_F_##name)
/* Framing, routing, authentication and hop-by-hop fields mean nothing behind the body, and a
 * recipient that merges trailers would be deceived (RFC 9110 section 6.5.1). */
#define FORBIDDEN_TRAILERS                                                                         \
    (ID(HOST) | ID(CONNECTION) | ID(CONTENT_LENGTH) | ID(TRANSFER_ENCODING) | ID(KEEP_ALIVE) |     \
     ID(PROXY_CONNECTION) | ID(PROXY_AUTHENTICATE) | ID(PROXY_AUTHORIZATION) | ID(TE) |            \
     ID(TRAILER) | ID(UPGRADE) | ID(EXPECT) | ID(AUTHORIZATION) | ID(COOKIE) | ID(MAX_FORWARDS) |  \
     ID(CONTENT_TYPE))

/* What the gateway says about a client nobody else may say behind the body. */
static bool is_forbidden(const struct h1_body *b, const struct http_field *f)
{
    if ((FORBIDDEN_TRAILERS >> f->id) & 1)
        return true;
    return !b->response && (HTTP_F_CLAIMS >> http_field_id_taken_for(http_field_name(f))) & 1;
}

static void body_end(struct h1_body *b)
{
    b->state = BODY_END;
    b->done = true;
}

void h1_body_init(struct h1_body *b, struct h1_reader *r, const struct http_head *head)
{
    *b = (struct h1_body){
        .reader = r,
        .kind = head->body,
        .response = head->status != 0,
        .wire_bytes = head->head_bytes,
    };
    switch (head->body) {
    case HTTP_BODY_NONE:
        body_end(b);
        break;
    case HTTP_BODY_LENGTH:
        b->state = BODY_DATA;
        b->remaining = head->content_length;
        if (b->remaining == 0)
            body_end(b);
        break;
    case HTTP_BODY_CHUNKED:
        b->state = BODY_CHUNK_LINE;
        break;
    case HTTP_BODY_CLOSE:
        b->state = BODY_REST;
        break;
    }
}

static void consume(struct h1_body *b, size_t count)
{
    b->reader->start += (uint32_t)count;
    b->wire_bytes += count;
}

static int need_more(const struct h1_body *b)
{
    return b->reader->eof ? -ECONNRESET : -EAGAIN;
}

/* The unread bytes, up to a limit that the buffer can hold. */
static struct h1_cursor cursor_on(struct h1_body *b, uint32_t limit, bool *ret_full)
{
    struct h1_reader *r = b->reader;
    uint32_t max = MIN(limit, r->cap - r->floor);
    uint32_t len = MIN(r->end - r->start, max);
    const char *start = r->buf + r->start;

    *ret_full = len == max;
    return (struct h1_cursor){
        .base = start,
        .p = start,
        .end = start + len,
        .response = b->response,
        .refusal = &b->refusal,
    };
}

static int refuse(struct h1_body *b, enum h1_reason reason, size_t at)
{
    return h1_refuse(&b->refusal, reason, b->wire_bytes + at, b->response);
}

/* A refusal made by a cursor counts from the unread bytes. */
static int refused(struct h1_body *b)
{
    b->refusal.offset += (uint32_t)b->wire_bytes;
    return -EBADMSG;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a2b" or "1a2b;extension". Sizes up to 2^63 - 1. */
static int parse_chunk_line(struct h1_body *b, struct str line)
{
    uint64_t size = 0;
    size_t i;

    for (i = 0; i < line.len && hex_value(line.ptr[i]) >= 0; i++) {
        if (size >> 59 != 0)
            return refuse(b, H1_R_large_chunk_size, i);
        size = size << 4 | (unsigned)hex_value(line.ptr[i]);
    }
    if (i == 0)
        return refuse(b, H1_R_bad_chunk_size, 0);
    if (i != line.len && line.ptr[i] != ';')
        return refuse(b, H1_R_bad_chunk_line, i);
    b->extension_bytes += line.len - i;
    if (b->extension_bytes > EXTENSIONS_SLACK + b->received)
        return refuse(b, H1_R_many_extensions, i);
    b->remaining = size;
    b->state = size != 0 ? BODY_DATA : BODY_TRAILERS;
    return 0;
}

static int take_chunk_line(struct h1_body *b)
{
    bool full;
    struct h1_cursor c = cursor_on(b, b->reader->limits->chunk_line_bytes, &full);
    struct str line;
    int r = h1_take_line(&c, &line);

    if (r == -EAGAIN)
        return full ? refuse(b, H1_R_long_chunk_line, (size_t)(c.end - c.base)) : need_more(b);
    if (r != 0)
        return refused(b);
    r = parse_chunk_line(b, line);
    if (r == 0)
        consume(b, line.len + 2);
    return r;
}

static int take_chunk_end(struct h1_body *b)
{
    const char *p = b->reader->buf + b->reader->start;
    uint32_t have = h1_reader_buffered(b->reader);

    if (have >= 1 && p[0] != '\r')
        return refuse(b, H1_R_bad_chunk_end, 0);
    if (have >= 2 && p[1] != '\n')
        return refuse(b, H1_R_bad_chunk_end, 1);
    if (have < 2)
        return need_more(b);
    consume(b, 2);
    b->state = BODY_CHUNK_LINE;
    return 0;
}

/* The whole section must stand in the buffer, so that it can be handed out in one piece. */
static int take_trailers(struct h1_body *b)
{
    bool full;
    struct h1_cursor c = cursor_on(b, b->reader->limits->trailer_bytes, &full);
    struct http_field f;
    int r;

    while (c.end - c.p < 2 || c.p[0] != '\r' || c.p[1] != '\n') {
        r = h1_take_field(&c, c.p == c.base, &f);
        if (r == -EAGAIN)
            return full ? refuse(b, H1_R_long_trailers, (size_t)(c.end - c.base)) : need_more(b);
        if (r != 0)
            return refused(b);
        if (is_forbidden(b, &f))
            return refuse(b, H1_R_forbidden_trailer, (size_t)(f.name - c.base));
    }
    b->trailers = str_n(c.base, (size_t)(c.p - c.base));
    consume(b, (size_t)(c.p + 2 - c.base));
    body_end(b);
    return 0;
}

/* Gets past framing: 0 when payload or the end comes next. */
static int settle(struct h1_body *b)
{
    int r = 0;

    while (r == 0) {
        switch ((enum body_state)b->state) {
        case BODY_CHUNK_LINE:
            r = take_chunk_line(b);
            break;
        case BODY_CHUNK_END:
            r = take_chunk_end(b);
            break;
        case BODY_TRAILERS:
            r = take_trailers(b);
            break;
        case BODY_DATA:
        case BODY_REST:
        case BODY_END:
            return 0;
        }
    }
    return r;
}

static ssize_t hand_out(struct h1_body *b, uint64_t max, struct str *ret_piece)
{
    uint64_t have = h1_reader_buffered(b->reader);
    size_t n = (size_t)MIN(have, max);

    *ret_piece = str_n(b->reader->buf + b->reader->start, n);
    consume(b, n);
    b->received += n;
    return (ssize_t)n;
}

static ssize_t next_data(struct h1_body *b, struct str *ret_piece)
{
    ssize_t n;

    if (h1_reader_buffered(b->reader) == 0)
        return need_more(b);
    n = hand_out(b, b->remaining, ret_piece);
    b->remaining -= (uint64_t)n;
    if (b->remaining != 0)
        return n;
    if (b->kind == HTTP_BODY_LENGTH) {
        body_end(b);
    } else {
        b->state = BODY_CHUNK_END;
        (void)settle(b); /* the end may be here already; what is wrong is found again next time */
    }
    return n;
}

ssize_t h1_body_try_next(struct h1_body *b, struct str *ret_piece)
{
    int r = settle(b);

    if (r != 0)
        return r;
    switch ((enum body_state)b->state) {
    case BODY_DATA:
        return next_data(b, ret_piece);
    case BODY_REST:
        if (h1_reader_buffered(b->reader) != 0)
            return hand_out(b, UINT64_MAX, ret_piece);
        if (!b->reader->eof)
            return -EAGAIN;
        body_end(b);
        return 0;
    default:
        return 0;
    }
}
