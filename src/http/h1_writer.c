/* Sending a message: head, chunk framing and payload leave in one system call. */
#include "http/h1.h"

#include "base/assert.h"

#define PARTS_MAX                                                                                  \
    6 /* head, size line, piece, end of chunk and last chunk, trailers, empty line                 \
       */

struct parts {
    struct iovec iov[PARTS_MAX];
    int count;
    size_t bytes;
    char size_line[18]; /* 16 digits, CR LF */
};

void h1_writer_init(struct h1_writer *w, struct stream *s, enum http_body_kind kind,
                    uint64_t content_length)
{
    *w = (struct h1_writer){
        .stream = s,
        .kind = kind,
        .remaining = kind == HTTP_BODY_LENGTH ? content_length : 0,
    };
}

/* What stands behind its predecessor in memory goes with it: one piece is sent by a cheaper call.
 */
static void add(struct parts *p, struct str s)
{
    if (s.len == 0)
        return;
    p->bytes += s.len;
    if (p->count != 0) {
        struct iovec *last = &p->iov[p->count - 1];

        if ((char *)last->iov_base + last->iov_len == s.ptr) {
            last->iov_len += s.len;
            return;
        }
    }
    ASSERT(p->count < PARTS_MAX);
    p->iov[p->count++] = (struct iovec){(void *)(uintptr_t)s.ptr, s.len};
}

static void add_chunk(struct parts *p, struct str piece, bool last, struct str trailers)
{
    if (piece.len != 0) {
        struct buf line = buf_on(p->size_line, sizeof(p->size_line));

        buf_put_hex(&line, piece.len);
        buf_lit(&line, "\r\n");
        add(p, buf_str(&line));
        add(p, piece);
        if (!last)
            add(p, STR("\r\n"));
    }
    if (!last)
        return;
    if (trailers.len == 0) {
        add(p, piece.len != 0 ? STR("\r\n0\r\n\r\n") : STR("0\r\n\r\n"));
    } else {
        add(p, piece.len != 0 ? STR("\r\n0\r\n") : STR("0\r\n"));
        add(p, trailers);
        add(p, STR("\r\n"));
    }
}

static bool piece_fits(const struct h1_writer *w, struct str piece, bool last)
{
    switch (w->kind) {
    case HTTP_BODY_NONE:
        return piece.len == 0;
    case HTTP_BODY_LENGTH:
        return last ? piece.len == w->remaining : piece.len <= w->remaining;
    default:
        return true;
    }
}

int h1_writer_send(struct h1_writer *w, struct str head, struct str piece, bool last,
                   struct str trailers)
{
    struct parts parts;
    size_t sent = 0;
    int r;

    if (!piece_fits(w, piece, last) || (w->done && piece.len != 0))
        return -EMSGSIZE;
    parts.count = 0;
    parts.bytes = 0;
    add(&parts, head);
    if (w->kind == HTTP_BODY_CHUNKED && !w->done)
        add_chunk(&parts, piece, last, trailers);
    else
        add(&parts, piece);
    if (parts.bytes != 0) {
        r = stream_writev(w->stream, parts.iov, parts.count, &sent);
        w->sent_bytes += sent;
        w->started |= sent != 0;
        if (r != 0)
            return r;
    }
    if (w->kind == HTTP_BODY_LENGTH)
        w->remaining -= piece.len;
    w->done |=
        last || (w->kind == HTTP_BODY_LENGTH && w->remaining == 0) || w->kind == HTTP_BODY_NONE;
    return 0;
}
