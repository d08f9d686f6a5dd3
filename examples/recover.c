/* A panic in a handler is that request's end, and nobody else's.
 *
 * Each request is handled in a coroutine of its own; one of them breaks an assumption. What it had
 * deferred is done, its client gets 500, and the others are answered.
 *
 * Prints:
 *
 *     /a: 200 with 100 bytes
 *     /b: 500, assertion failed: q->divisor != 0
 *     /c: 200 with 25 bytes
 *     buffers in use: 0
 */
#include <stdio.h>

#include <weir/weir.h>

struct request {
    const char *path;
    int divisor;
    int status, bytes;
    struct weir_panic_info panic;
};

static struct weir_counter buffers;

static void free_buffer(void *arg)
{
    weir_counter_add(arg, -1);
}

static void handle(void *arg)
{
    struct request *q = arg;

    weir_counter_add(&buffers, 1);
    WEIR_DEFER(free_buffer, &buffers);
    weir_sleep(WEIR_MS);
    weir_assert(q->divisor != 0);
    q->bytes = 100 / q->divisor;
    q->status = 200;
}

static void serve(void *arg)
{
    struct request *q = arg;

    if (weir_try(handle, q, &q->panic) < 0)
        q->status = 500;
}

static int run(void *arg)
{
    struct request requests[] = {
        {.path = "/a", .divisor = 1}, {.path = "/b", .divisor = 0}, {.path = "/c", .divisor = 4}};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 3; i++)
            weir_scope_go(s, "request", serve, &requests[i]);
    }
    for (int i = 0; i < 3; i++) {
        const struct request *q = &requests[i];

        if (q->status == 200)
            printf("%s: 200 with %d bytes\n", q->path, q->bytes);
        else
            printf("%s: %d, %s\n", q->path, q->status, q->panic.message);
    }
    printf("buffers in use: %d\n", (int)weir_counter_get(&buffers));
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
