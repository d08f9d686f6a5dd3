/* HTTP/1.1 on a stream (RFC 9112), reading and writing; both sides of the gateway use it.
 *
 * A reader has one contiguous buffer. The head stays in it, untouched, until h1_reader_next(), so
 * the slices of the head stay valid while the body streams through the room behind it; pieces of a
 * body are valid until the next call on the reader. */
#ifndef WEIR_HTTP_H1_H
#define WEIR_HTTP_H1_H

#include "http/message.h"
#include "net/stream.h"

struct h1_limits {
    uint32_t head_bytes; /* start line and fields; beyond: 431 (start line alone: 414) */
    uint32_t target_bytes;
    uint32_t field_count; /* at most HTTP_FIELDS_MAX */
    uint32_t trailer_bytes;
    uint32_t chunk_line_bytes; /* size and extensions of one chunk */
};

extern HIDDEN const struct h1_limits h1_limits_default; /* 16 KiB, 8 KiB, 100, 4 KiB, 256 */

/* Why a message was refused: one row per reason in http/h1_refusal.h (name, status, text). */
struct h1_refusal {
    int status;       /* what a server answers: 400, 408, 414, 417, 431, 501, 505;
                       * in a response always 502 */
    const char *name; /* "bare_cr", "te_and_cl", ... : for metrics and logs */
    const char *text; /* one sentence that says what was expected */
    uint32_t offset;  /* byte of the message at which it was noticed */
};

struct h1_reader {
    struct stream *stream;
    char *buf;
    uint32_t cap;   /* of buf; at least limits.head_bytes + 4 KiB */
    uint32_t floor; /* bytes below belong to the head being served */
    uint32_t start; /* unread bytes are [start, end) */
    uint32_t end;
    bool eof;
    const struct h1_limits *limits;
};

void h1_reader_init(struct h1_reader *r, struct stream *s, void *buf, uint32_t cap,
                    const struct h1_limits *limits);

/* Parses bytes without reading: the incremental core. On entry *scanned bytes have been looked at
 * by an earlier call for the same message (0 at first); it is updated. Bytes used (> 0) when
 * complete; -EAGAIN: more bytes are needed; -EBADMSG: see ret_refusal. Allocation-free; gives the
 * same answer however the bytes were split. */
ssize_t h1_parse_request(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                         struct http_head *ret, struct h1_refusal *ret_refusal);
/* request_method: what the response answers (HEAD has no body, CONNECT ...). */
ssize_t h1_parse_response(struct str data, uint32_t *scanned, const struct h1_limits *limits,
                          enum http_method request_method, struct http_head *ret,
                          struct h1_refusal *ret_refusal);

/* Reads one head. 0; -EPIPE: the peer closed before the first byte; -EBADMSG: see ret_refusal;
 * -ECONNRESET (also: closed inside the head), -ETIMEDOUT, -ECANCELED. h1_reader_buffered() tells
 * whether any byte of it had come. */
int h1_read_request(struct h1_reader *r, struct http_head *ret,
                    struct h1_refusal *ret_refusal) WEIR_PARKS;
/* The first read waits for the event instead of trying (the answer can't be there yet). */
int h1_read_response(struct h1_reader *r, enum http_method request_method, struct http_head *ret,
                     struct h1_refusal *ret_refusal) WEIR_PARKS;

static inline uint32_t h1_reader_buffered(const struct h1_reader *r)
{
    return r->end - r->start;
}

/* Done with this message: its head may be overwritten; what is left (pipelined) moves to the front.
 */
void h1_reader_next(struct h1_reader *r);

/* The body of the head last read. */
struct h1_body {
    struct h1_reader *reader;
    enum http_body_kind kind;
    uint8_t state;
    bool done;           /* the end was positively reached: the connection may be used again */
    uint64_t remaining;  /* of the length, or of the current chunk */
    uint64_t received;   /* body bytes handed out */
    struct str trailers; /* raw trailer lines (CRLF each), valid once done; empty mostly */
    struct h1_refusal refusal; /* after -EBADMSG */
    bool send_continue;        /* 100 (Continue) goes out before the first read; off at first */
    /* private */
    uint64_t wire_bytes; /* taken from the wire, head and framing included */
    uint64_t extension_bytes;
    bool response;
};

void h1_body_init(struct h1_body *b, struct h1_reader *r, const struct http_head *head);

/* The next piece. > 0: its length; 0: the end; -EBADMSG: broken framing; -ECONNRESET: cut short;
 * -ETIMEDOUT, -ECANCELED. b->done may become true together with the last piece, when its end is
 * known by then: that piece can be sent as the last one. */
ssize_t h1_body_next(struct h1_body *b, struct str *ret_piece) WEIR_PARKS;
/* The same from what is buffered, without parking: -EAGAIN when a read would be needed. */
ssize_t h1_body_try_next(struct h1_body *b, struct str *ret_piece);

/* Reads and throws away at most max bytes. 0 when the end was reached, -E2BIG, or an error. */
int h1_body_drain(struct h1_body *b, uint64_t max) WEIR_PARKS;

/* Writing a head: into a builder, then out with the first piece of body in one system call. */
void h1_put_request_line(struct buf *out, struct str method, struct str target);
void h1_put_status_line(struct buf *out, int status);
void h1_put_field(struct buf *out, struct str name, struct str value);
/* Every field that is not dropped. */
void h1_put_fields(struct buf *out, const struct http_head *h);
/* Content-Length or Transfer-Encoding for this framing (nothing for NONE and CLOSE). */
void h1_put_framing(struct buf *out, enum http_body_kind kind, uint64_t content_length);
void h1_put_end(struct buf *out);

struct h1_writer {
    struct stream *stream;
    enum http_body_kind kind;
    bool started;        /* at least one byte may have reached the peer */
    bool done;           /* the message is complete on the wire */
    uint64_t remaining;  /* HTTP_BODY_LENGTH: still owed */
    uint64_t sent_bytes; /* on the wire, head included */
};

void h1_writer_init(struct h1_writer *w, struct stream *s, enum http_body_kind kind,
                    uint64_t content_length);

/* Sends head (may be empty) and piece (may be empty) in one go; last: the body ends here, trailers
 * (raw lines or empty) follow a chunked one. 0 or what the stream said; -EMSGSIZE when the piece
 * does not fit the declared length. */
int h1_writer_send(struct h1_writer *w, struct str head, struct str piece, bool last,
                   struct str trailers) WEIR_PARKS;

#endif
