/* Pattern: broadcast. One value for many.
 *
 * Two forms. A value that is published once is a promise: a future that any number of coroutines
 * wait for. A stream of values goes to a channel per subscriber; one that is not listening loses
 * the oldest value that it has not read, and holds up nobody.
 *
 * Prints:
 *
 *     3 of 3 have seen the start
 *     fast reader: 1 2 3 4 5
 *     slow reader: 4 5
 */
#include <stdio.h>

#include <weir/weir.h>

WEIR_CHAN_TYPE(feed, int);

/* ---- once ---- */

static struct weir_future start;
static struct weir_counter seen;

static void wait_for_start(void *arg)
{
    long value = 0;

    if (weir_future_wait(&start, &value) == 0 && value == 2026)
        weir_counter_add(&seen, 1);
}

static void announce(void)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 3; i++)
            weir_scope_go(s, "runner", wait_for_start, NULL);
        weir_future_set(&start, 2026);
    }
    printf("%d of 3 have seen the start\n", (int)weir_counter_get(&seen));
}

/* ---- a stream ---- */

/* To every subscriber, without waiting for any. Only one coroutine publishes. */
static void publish(struct feed *subscribers, int count, int value)
{
    int oldest;

    for (int i = 0; i < count; i++) {
        while (feed_try_send(subscribers[i], value) == -EAGAIN)
            feed_try_recv(subscribers[i], &oldest);
    }
}

static void read_all(const char *name, struct feed f)
{
    printf("%s:", name);
    WEIR_CHAN_EACH(f.chan, int, value)
    {
        printf(" %d", value);
    }
    printf("\n");
}

static int run(void *arg)
{
    struct feed subscribers[] = {feed_new(5), feed_new(2)};

    announce();
    for (int value = 1; value <= 5; value++)
        publish(subscribers, 2, value);
    for (int i = 0; i < 2; i++)
        feed_close(subscribers[i]);
    read_all("fast reader", subscribers[0]);
    read_all("slow reader", subscribers[1]);
    for (int i = 0; i < 2; i++)
        feed_free(subscribers[i]);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
