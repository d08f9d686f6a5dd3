/* weir_http_main(): a program that is a server and nothing else. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/http.h>
#include <weir/scope.h>
#include <weir/signal.h>

struct program {
    const char *address;
    weir_http_handler *handler;
    void *arg;
};

static void stop_on_signal(void *arg)
{
    int signo;

    do {
        signo = weir_signal_wait();
    } while (signo >= 0 && signo != SIGTERM && signo != SIGINT);
    weir_scope_cancel(arg);
}

static int serve(void *arg)
{
    const struct program *p = arg;
    int r = 0;

    WEIR_SCOPE (s) {
        r = weir_scope_go(s, "signals", stop_on_signal, s);
        if (r == 0)
            r = weir_http_serve(p->address, p->handler, p->arg);
        weir_scope_cancel(s);
    }
    return r;
}

int weir_http_main(const char *address, weir_http_handler *handler, void *arg)
{
    struct program p = {address, handler, arg};
    int r;

    weir_signal_block();
    r = weir_main(serve, &p, NULL);
    if (r == -ECANCELED)
        return 0;
    fprintf(stderr, "cannot serve on %s: %s\n", address, weir_code_name(r));
    return 1;
}
