/* rt_uv TEST 1 COUNT: the tests that a single-threaded event loop can take, on libuv. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "runtime/meter.h"

enum { MESSAGE_MAX = 4096, BACKLOG = 4096, SPREAD_MS = 1000, SPREAD_STEP = 7919 };

/* ---- timers: no coroutine, one uv_timer_t each ---- */

static uint64_t fired;

static void on_timer(uv_timer_t *timer)
{
    fired++;
}

static void test_timers(uint64_t count)
{
    struct meter m = meter_begin();
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t *timers = malloc(count * sizeof(*timers));

    meter_expect(timers != NULL, "memory for the timers");
    for (uint64_t i = 0; i < count; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], on_timer, i * SPREAD_STEP % SPREAD_MS, 0);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    m = meter_end(m);
    meter_expect(fired == count, "the timers that fired");
    meter_print(m, 1, "");
    free(timers);
}

/* ---- echo ---- */

struct connection {
    uv_tcp_t tcp;
    char data[MESSAGE_MAX];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end(struct connection *c)
{
    c->tcp.data = c;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    struct connection *c = (struct connection *)handle;

    *ret_buf = uv_buf_init(c->data, sizeof(c->data));
}

/* Small answers fit into the socket's buffer, so they are written at once, without a request. */
static void on_data(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t answer = uv_buf_init(buf->base, (unsigned)(n > 0 ? n : 0));

    if (n < 0 || (n > 0 && uv_try_write(stream, &answer, 1) != n))
        end((struct connection *)stream);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *c = malloc(sizeof(*c));

    meter_expect(status == 0 && c != NULL, "a connection");
    uv_tcp_init(listener->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        end(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_room, on_data);
}

static void test_echo(uint64_t port)
{
    struct sockaddr_in at;
    uv_tcp_t listener;

    uv_ip4_addr("127.0.0.1", (int)port, &at);
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_bind(&listener, (const struct sockaddr *)&at, 0);
    meter_expect(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection) == 0, "listening");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    uint64_t count = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;

    if (argc == 4 && strcmp(argv[1], "timers") == 0) {
        test_timers(count);
    } else if (argc == 4 && strcmp(argv[1], "echo") == 0) {
        test_echo(count);
    } else {
        fprintf(stderr, "usage: rt_uv timers|echo 1 COUNT\n");
        return 2;
    }
    return 0;
}
