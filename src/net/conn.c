/* <weir/net.h>: streams and listeners under their public names. */
#include "net/conn.h"

int weir_listen(const char *address, struct weir_listener **ret)
{
    struct listener *l;
    struct addr a;
    int r = address_parse(address, &a);

    if (r == 0)
        r = listener_open(&a, BACKLOG_MAX, &l);
    if (r == 0)
        *ret = (struct weir_listener *)l;
    return r;
}

int weir_accept(struct weir_listener *l, struct weir_conn **ret)
{
    struct stream *s;
    int r = listener_accept(listener_of(l), &s);

    if (r == 0)
        *ret = conn_of(s);
    return r;
}

int weir_listener_address(const struct weir_listener *l, char *out, size_t size)
{
    struct addr a;
    int r = listener_local(listener_of(l), &a);

    return r != 0 ? r : address_text(&a, out, size);
}

void weir_listener_close(struct weir_listener *l)
{
    listener_close(listener_of(l));
}

int weir_dial(const char *address, struct weir_conn **ret)
{
    struct stream *s;
    int r = dial_address(address, &s);

    if (r == 0)
        *ret = conn_of(s);
    return r;
}

ssize_t weir_conn_read(struct weir_conn *c, void *data, size_t size)
{
    return size != 0 ? stream_read(stream_of(c), data, size) : -EINVAL;
}

int weir_conn_read_full(struct weir_conn *c, void *data, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = stream_read(stream_of(c), (char *)data + len, size - len);

        if (n < 0)
            return (int)n;
        if (n == 0)
            return len == 0 ? -EPIPE : -ECONNRESET;
        len += (size_t)n;
    }
    return 0;
}

int weir_conn_write(struct weir_conn *c, const void *data, size_t size)
{
    return stream_write(stream_of(c), data, size);
}

int weir_conn_writev(struct weir_conn *c, struct iovec *iov, int count)
{
    return stream_writev(stream_of(c), iov, count, NULL);
}

int weir_conn_shutdown(struct weir_conn *c)
{
    return stream_shutdown(stream_of(c));
}

void weir_conn_close(struct weir_conn *c)
{
    stream_close(stream_of(c));
}

void weir_conn_reset(struct weir_conn *c)
{
    stream_reset(stream_of(c));
}

int weir_conn_peer(const struct weir_conn *c, char *out, size_t size)
{
    return address_text(stream_peer(stream_of(c)), out, size);
}

int weir_conn_local(const struct weir_conn *c, char *out, size_t size)
{
    struct addr a;
    int r = stream_local(stream_of(c), &a);

    return r != 0 ? r : address_text(&a, out, size);
}
