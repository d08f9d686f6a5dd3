/* The life of a request, from its first byte to its last. */
#include "gateway/serve.h"

#include "base/duration.h"
#include "gateway/attempt.h"
#include "gateway/gateway_impl.h"
#include "gateway/mishap.h"
#include "gateway/respond.h"

static int serving_begin(struct serving *s, struct gateway *g, struct conn *c)
{
    struct generation *gen;

    s->pin = generation_pin(g);
    gen = s->pin.generation;
    if (gen == NULL)
        return -ECANCELED;
    s->gateway = g;
    s->conn = c;
    s->limits = gen->limits;
    s->header_ns = gen->config->client.header_ns;
    s->idle_ns = gen->config->client.idle_ns;
    s->space = workspace_get(&g->workspaces, gen->buffer_class);
    if (s->space == NULL) {
        generation_unpin(&s->pin);
        return -ENOMEM;
    }
    h1_reader_init(&s->reader, c->stream, s->space->client_buf, s->space->reader_bytes, &s->limits);
    s->now_ns = weir_now();
    return 0;
}

static void serving_end(struct serving *s)
{
    generation_unpin(&s->pin); /* it is left when no exchange came to have a head */
    workspace_put(&s->gateway->workspaces, s->space);
}

/* The steps that can panic: parsers and filters, which deal with what comes from outside. */
static void serve_exchange(void *arg)
{
    struct exchange *x = arg;

    if (exchange_read_head(x, x->serving) == 0) { /* pins the generation */
        exchange_match(x);                        /* always finds a route, if only to say 404 */
        exchange_run(x);                          /* chain and response */
    }
}

/* The whole of it: reads a head, pins the configuration, matches, runs the route's chain, answers,
 * and goes on with the next request if it is already here. */
bool gateway_serve(struct gateway *g, struct conn *c, int64_t *ret_idle_ns)
{
    struct serving s;
    bool again;

    if (serving_begin(&s, g, c) < 0)
        return false;
    do {
        struct weir_panic_info panic;
        struct exchange x;

        exchange_begin(&x, &s);
        if (unlikely(weir_try(serve_exchange, &x, &panic) < 0))
            exchange_panicked(&x, &panic); /* a 500, for this request only */
        again = exchange_finish(&x, &s);
    } while (again && h1_reader_buffered(&s.reader) != 0);
    serving_end(&s);
    *ret_idle_ns = s.idle_ns;
    return again;
}
