/* A TCP echo server: a coroutine for each connection. */
#include <stdio.h>

#include <weir/net.h>

#include "runtime/meter.h"
#include "runtime/weir/tests.h"

enum { MESSAGE_MAX = 4096 };

static void serve(void *arg)
{
    struct weir_conn *c = arg;
    char data[MESSAGE_MAX];
    ssize_t n;

    while ((n = weir_conn_read(c, data, sizeof(data))) > 0) {
        if (weir_conn_write(c, data, (size_t)n) < 0)
            break;
    }
    weir_conn_close(c);
}

void test_echo(uint64_t port, unsigned workers)
{
    struct weir_listener *l;
    struct weir_conn *c;
    char address[32];

    snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)port);
    meter_expect(weir_listen(address, &l) == 0, "listening");
    while (weir_accept(l, &c) == 0)
        weir_go("connection", serve, c);
}
