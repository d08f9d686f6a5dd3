/* Chunked bodies from any bytes. The first byte chooses how the rest is split, and taking it whole
 * must give the same payload and the same end. */
#include "fuzz.h"
#include "http/h1.h"

#define CAP (21 * 1024)

struct run {
    ssize_t result;
    struct text payload;
    const char *refusal;
    uint64_t wire_bytes;
};

static const struct h1_limits limits = {
    .head_bytes = 16 * 1024,
    .target_bytes = 100,
    .field_count = 10,
    .trailer_bytes = 200,
    .chunk_line_bytes = 40,
};

static size_t arrive(struct h1_reader *r, struct str s)
{
    size_t n;

    memmove(r->buf, r->buf + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
    n = MIN(s.len, (size_t)(r->cap - r->end));
    memcpy(r->buf + r->end, s.ptr, n);
    r->end += (uint32_t)n;
    return n;
}

static void take(struct str in, unsigned step, struct run *ret)
{
    static char buffer[CAP];
    struct http_head head;
    struct h1_reader reader = {.buf = buffer, .cap = sizeof(buffer), .limits = &limits};
    struct h1_body body;
    size_t at = 0, turn = 0;

    memset(&head, 0, offsetof(struct http_head, fields));
    head.body = HTTP_BODY_CHUNKED;
    h1_body_init(&body, &reader, &head);
    for (;;) {
        struct str piece;
        ssize_t n = h1_body_try_next(&body, &piece);

        ret->result = n;
        if (n > 0) {
            FUZZ_CHECK((size_t)n == piece.len && piece.ptr >= buffer &&
                       piece.ptr + n <= buffer + reader.end);
            text_puts(&ret->payload, piece);
            continue;
        }
        if (n != -EAGAIN || at == in.len)
            break;
        at += arrive(&reader, str_n(in.ptr + at, MIN(in.len - at, step + turn++ % 3)));
    }
    FUZZ_CHECK(body.received == ret->payload.len);
    FUZZ_CHECK(body.done == (ret->result == 0));
    FUZZ_CHECK(ret->result == 0 || ret->result == -EAGAIN || ret->result == -EBADMSG);
    ret->refusal = ret->result == -EBADMSG ? body.refusal.name : "";
    ret->wire_bytes = body.wire_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n((const char *)data, size);
    unsigned step = 1 + fuzz_byte(&in) % 64u;
    struct run whole = {0}, parts = {0};

    take(in, UINT16_MAX, &whole);
    take(in, step, &parts);
    FUZZ_CHECK(whole.result == parts.result && strcmp(whole.refusal, parts.refusal) == 0);
    FUZZ_CHECK(whole.wire_bytes == parts.wire_bytes);
    FUZZ_CHECK(str_eq(str_n(whole.payload.ptr, whole.payload.len),
                      str_n(parts.payload.ptr, parts.payload.len)));
    text_done(&whole.payload);
    text_done(&parts.payload);
    return 0;
}
