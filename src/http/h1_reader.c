/* Reading heads from a stream into the one buffer of a reader. */
#include "http/h1_reader.h"

#include "base/assert.h"

/* Below this much room behind the unread bytes they are moved to the front. */
#define ROOM_MIN 2048

void h1_reader_init(struct h1_reader *r, struct stream *s, void *buf, uint32_t cap,
                    const struct h1_limits *limits)
{
    if (limits == NULL)
        limits = &h1_limits_default;
    ASSERT(cap >= limits->head_bytes + 4 * KIB);
    *r = (struct h1_reader){.stream = s, .buf = buf, .cap = cap, .limits = limits};
}

static void make_room(struct h1_reader *r)
{
    if (r->start == r->end) {
        r->start = r->end = r->floor;
    } else if (r->cap - r->end < ROOM_MIN && r->start > r->floor) {
        memmove(r->buf + r->floor, r->buf + r->start, r->end - r->start);
        r->end -= r->start - r->floor;
        r->start = r->floor;
    }
}

ssize_t h1_reader_fill(struct h1_reader *r)
{
    ssize_t n;

    if (r->eof)
        return 0;
    make_room(r);
    if (NEVER(r->end == r->cap))
        return -ENOBUFS;
    n = stream_read(r->stream, r->buf + r->end, r->cap - r->end);
    if (n > 0)
        r->end += (uint32_t)n;
    else if (n == 0)
        r->eof = true;
    return n;
}

/* The parsed head now belongs to the message being served; 0. Otherwise reads more: 0 would be
 * the end, so this returns -EAGAIN when there is more to parse. */
static int after_parse(struct h1_reader *r, ssize_t used)
{
    ssize_t n;

    if (used > 0) {
        r->start += (uint32_t)used;
        r->floor = r->start;
        return 0;
    }
    if (used != -EAGAIN)
        return (int)used;
    n = h1_reader_fill(r);
    if (n > 0)
        return -EAGAIN;
    if (n < 0)
        return (int)n;
    return r->start == r->end ? -EPIPE : -ECONNRESET;
}

static inline struct str unread(const struct h1_reader *r)
{
    return str_n(r->buf + r->start, r->end - r->start);
}

int h1_read_request(struct h1_reader *r, struct http_head *ret, struct h1_refusal *ret_refusal)
{
    uint32_t scanned = 0;
    int result;

    do {
        ssize_t used = -EAGAIN;

        if (r->start != r->end)
            used = h1_parse_request(unread(r), &scanned, r->limits, ret, ret_refusal);
        result = after_parse(r, used);
    } while (result == -EAGAIN);
    return result;
}

int h1_read_response(struct h1_reader *r, enum http_method request_method, struct http_head *ret,
                     struct h1_refusal *ret_refusal)
{
    uint32_t scanned = 0;
    int result;

    do {
        ssize_t used = -EAGAIN;

        if (r->start != r->end)
            used =
                h1_parse_response(unread(r), &scanned, r->limits, request_method, ret, ret_refusal);
        result = after_parse(r, used);
    } while (result == -EAGAIN);
    return result;
}

void h1_reader_next(struct h1_reader *r)
{
    uint32_t left = r->end - r->start;

    if (left != 0 && r->start != 0)
        memmove(r->buf, r->buf + r->start, left);
    r->floor = 0;
    r->start = 0;
    r->end = left;
}
