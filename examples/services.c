/* Pattern: request and response between two services.
 *
 * Each service is a coroutine that owns its data, so it needs no lock: it takes requests from a
 * channel, and answers through the future in each. The order service asks the price service and
 * does not wait for ever. Who asked may have gone when the answer comes, so a request has two
 * holders, and the last one frees it.
 *
 * Prints:
 *
 *     3 pears: 6.00
 *     2 melons: 5.00
 *     1 durian: ENOENT
 *     1 mango: ETIMEDOUT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

struct request {
    const char *item;
    long count;
    struct weir_future reply; /* cents, or an error */
    struct weir_counter holders;
};

WEIR_CHAN_TYPE(inbox, struct request *);

static void let_go(struct request *q)
{
    if (weir_counter_add(&q->holders, -1) == 0)
        free(q);
}

static void answer(struct request *q, long reply)
{
    weir_future_set(&q->reply, reply);
    let_go(q);
}

/* Takes as long as the caller's deadline lets it. */
static long ask(struct inbox service, const char *item, long count)
{
    struct request *q = calloc(1, sizeof(*q));
    long reply = 0;
    int r;

    if (q == NULL)
        return -ENOMEM;
    q->item = item;
    q->count = count;
    weir_counter_set(&q->holders, 2);
    r = inbox_send(service, q);
    if (r < 0) {
        free(q); /* it has not been sent */
        return r;
    }
    r = weir_future_wait(&q->reply, &reply);
    let_go(q);
    return r < 0 ? r : reply;
}

/* ---- prices ---- */

static long price_of(const char *item)
{
    if (strcmp(item, "pear") == 0)
        return 200;
    if (strcmp(item, "melon") == 0)
        return 250;
    if (strcmp(item, "mango") == 0) /* the wholesaler does not answer */
        return weir_sleep(3600 * WEIR_S);
    return -ENOENT;
}

static void prices(void *arg)
{
    struct inbox *in = arg;

    WEIR_CHAN_EACH(in->chan, struct request *, q)
    {
        answer(q, price_of(q->item));
    }
}

/* ---- orders ---- */

struct orders {
    struct inbox in, prices;
};

static void orders(void *arg)
{
    struct orders *o = arg;

    WEIR_CHAN_EACH(o->in.chan, struct request *, q)
    {
        long price = -ETIMEDOUT;

        WEIR_DEADLINE (weir_now() + 50 * WEIR_MS) {
            price = ask(o->prices, q->item, 1);
        }
        answer(q, price < 0 ? price : price * q->count);
    }
}

static void order(struct inbox service, long count, const char *item)
{
    long cents = ask(service, item, count);

    printf("%ld %s%s: ", count, item, count > 1 ? "s" : "");
    if (cents < 0)
        printf("%s\n", weir_code_name((int)cents));
    else
        printf("%ld.%02ld\n", cents / 100, cents % 100);
}

static int run(void *arg)
{
    struct orders o = {inbox_new(8), inbox_new(8)};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "prices", prices, &o.prices);
        weir_scope_go(s, "orders", orders, &o);
        order(o.in, 3, "pear");
        order(o.in, 2, "melon");
        order(o.in, 1, "durian");
        order(o.in, 1, "mango");
        weir_scope_cancel(s); /* both end */
    }
    inbox_free(o.in);
    inbox_free(o.prices);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
