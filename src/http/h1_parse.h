/* Inside of the HTTP/1.1 parser: the place in the text and what the parts share.
 *
 * Every line is judged when it is complete, or at its first control byte, whichever is earlier, and
 * the text is looked at through a window that ends at the limit. So an answer once given never
 * changes with the bytes that follow, and the way bytes are split cannot matter. */
#ifndef WEIR_HTTP_H1_PARSE_H
#define WEIR_HTTP_H1_PARSE_H

#include "http/field_id.h"
#include "http/h1.h"
#include "http/h1_scan.h"

#define H1_METHOD_MAX             32
#define H1_CONNECTION_OPTIONS_MAX 32
#define H1_EMPTY_LINES_MAX        2

enum h1_reason {
#define R(name, status, text) H1_R_##name,
#include "http/h1_refusal.h"
#undef R
    H1_REASON_MAX,
};

/* Fills in *ret and returns -EBADMSG. response: the status becomes 502. */
int h1_refuse(struct h1_refusal *ret, enum h1_reason reason, size_t offset, bool response);

struct h1_cursor {
    const char *base; /* of the message */
    const char *p;    /* the next line */
    const char *end;  /* of what may be looked at */
    bool response;
    struct h1_refusal *refusal;
};

static inline int h1_refuse_at(struct h1_cursor *c, enum h1_reason reason, const char *at)
{
    return h1_refuse(c->refusal, reason, (size_t)(at - c->base), c->response);
}

/* Which line could not be taken as it stood at its first control byte, stop: -EAGAIN when it is not
 * complete, -EBADMSG when it ended badly, 0 when it did end with CR LF. */
int h1_line_end(struct h1_cursor *c, const char *stop);

/* Takes the whole line at c->p: 0 and *ret without its CR LF, -EAGAIN, -EBADMSG. */
int h1_take_line(struct h1_cursor *c, struct str *ret);

/* Takes one field line. 0, -EAGAIN, -EBADMSG. f->id and f->dropped are set. first: no field came
 * before it. */
int h1_take_field(struct h1_cursor *c, bool first, struct http_field *f);

/* Takes a GET or POST with a path in HTTP/1.1 from c->p, where nearly all requests begin so. Not
 * 0: nothing was taken and the line may still be right. */
int h1_common_request_line(struct h1_cursor *c, uint32_t target_bytes, struct http_head *h);

/* The same for "HTTP/1.1", a status and a space. */
int h1_common_status_line(struct h1_cursor *c, struct http_head *h);

/* The start lines, from the line they stand on. 0 or -EBADMSG. */
int h1_request_line(struct h1_cursor *c, struct str line, uint32_t target_bytes,
                    struct http_head *h);
int h1_status_line(struct h1_cursor *c, struct str line, struct http_head *h);

/* Splits the target into path, query and authority. */
int h1_target(struct h1_cursor *c, struct http_head *h);
/* True for host[:port] (RFC 3986 section 3.2.2) without userinfo. */
bool h1_authority_valid(struct str s, bool need_port);

/* What fields of a head mean, gathered while they pass. */
struct h1_meaning {
    bool host;
    bool content_length;
    bool transfer_encoding;
    bool close;
    bool keep_alive;
    bool upgrade;
    uint32_t connection_options;
};

/* The ids that h1_note_field() wants to see. */
#define H1_NOTED                                                                                   \
    (UINT64_C(1) << HTTP_F_HOST | UINT64_C(1) << HTTP_F_CONNECTION |                               \
     UINT64_C(1) << HTTP_F_CONTENT_LENGTH | UINT64_C(1) << HTTP_F_TRANSFER_ENCODING |              \
     UINT64_C(1) << HTTP_F_EXPECT | UINT64_C(1) << HTTP_F_TE)

/* All field lines and the empty line after them. */
int h1_take_fields(struct h1_cursor *c, uint32_t field_max, struct h1_meaning *m,
                   struct http_head *h);

int h1_note_field(struct h1_cursor *c, struct h1_meaning *m, struct http_head *h,
                  struct http_field *f);
/* The rules that need the whole head; c->p is behind it. */
int h1_finish_request(struct h1_cursor *c, const struct h1_meaning *m, struct http_head *h);
int h1_finish_response(struct h1_cursor *c, const struct h1_meaning *m, enum http_method method,
                       struct http_head *h);

#endif
