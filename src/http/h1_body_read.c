/* Reading a body: what is buffered first, then from the stream. */
#include "http/h1_reader.h"

/* The client waits for this before it sends the body; a client that did not wait needs none. */
static int say_continue(struct h1_body *b)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

    b->send_continue = false;
    return stream_write(b->reader->stream, line, sizeof(line) - 1);
}

ssize_t h1_body_next(struct h1_body *b, struct str *ret_piece)
{
    for (;;) {
        ssize_t n = h1_body_try_next(b, ret_piece);

        if (n != -EAGAIN) {
            b->send_continue = false;
            return n;
        }
        if (b->send_continue) {
            int r = say_continue(b);

            if (r != 0)
                return r;
        }
        n = h1_reader_fill(b->reader);
        if (n < 0)
            return n;
    }
}

int h1_body_drain(struct h1_body *b, uint64_t max)
{
    uint64_t total = 0;
    struct str piece;

    if (b->kind == HTTP_BODY_LENGTH && b->remaining > max)
        return -E2BIG;
    while (!b->done) {
        ssize_t n = h1_body_next(b, &piece);

        if (n < 0)
            return (int)n;
        total += (uint64_t)n;
        if (total > max)
            return -E2BIG;
    }
    return 0;
}
