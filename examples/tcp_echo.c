/* A TCP server that sends back what it gets.
 *
 * One coroutine per connection, written as if it were alone in the world. A client that is silent
 * for ten seconds is let go. Serves on 127.0.0.1:7000 or on the address given, until it gets
 * SIGTERM or SIGINT: then it accepts no more, cuts the connections that there are, and says how
 * many bytes it has sent back.
 *
 * Answers:
 *
 *     $ printf 'one\ntwo\n' | nc -N 127.0.0.1 7000
 *     one
 *     two
 *
 * Prints:
 *
 *     8 bytes sent back
 */
#include <stdio.h>

#include <weir/weir.h>

static struct weir_counter sent;

static void echo(void *arg)
{
    struct weir_conn *c = arg;
    char data[4096];
    ssize_t n;

    for (;;) {
        n = -ETIMEDOUT;
        WEIR_DEADLINE (weir_now() + 10 * WEIR_S) {
            n = weir_conn_read(c, data, sizeof(data));
            if (n > 0 && weir_conn_write(c, data, (size_t)n) < 0)
                n = 0;
        }
        if (n <= 0)
            break;
        weir_counter_add(&sent, n);
    }
    weir_conn_close(c);
}

static void stop_on_signal(void *arg)
{
    if (weir_signal_wait() > 0)
        weir_scope_cancel(arg);
}

static int serve(void *arg)
{
    const char *const *address = arg;
    struct weir_listener *l;
    struct weir_conn *c;
    int r = weir_listen(*address, &l);

    if (r < 0)
        return r;
    WEIR_SCOPE (s) {
        weir_scope_go(s, "signals", stop_on_signal, s);
        while ((r = weir_accept(l, &c)) == 0) {
            if (weir_scope_go(s, "echo", echo, c) < 0)
                weir_conn_close(c);
        }
    }
    weir_listener_close(l);
    printf("%lld bytes sent back\n", (long long)weir_counter_get(&sent));
    return r == -ECANCELED ? 0 : r;
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:7000";

    weir_signal_block();
    return weir_exit_status(weir_main(serve, &address, NULL));
}
