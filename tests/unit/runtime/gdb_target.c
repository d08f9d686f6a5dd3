/* What gdb is tried on: two coroutines that wait, and one that stops the process. */
#include <stdlib.h>

#include <weir/chan.h>
#include <weir/runtime.h>

#include "settle.h"

static void inner(struct weir_chan *c)
{
    int got;

    weir_chan_recv(c, &got);
    __asm__ volatile(""); /* no tail call */
}

static void waiter(void *arg)
{
    inner(arg);
    __asm__ volatile("");
}

void stop_here(void);

__attribute__((noinline)) void stop_here(void)
{
    __asm__ volatile("");
    abort();
}

static int run(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);

    weir_go("first", waiter, c);
    weir_go("second", waiter, c);
    settle();
    stop_here();
    return 0;
}

int main(void)
{
    struct weir_options o = {.size = sizeof(o), .workers = 1, .coroutines_max = 1024};

    return weir_main(run, NULL, &o);
}
