/* Pattern: fan-in. Several sources, one reader that takes whatever comes first.
 *
 * With a fixed number of channels that is a select: each source has its own, a closed one is taken
 * out by making it NULL (never ready), and a timeout ends the waiting for sources that are stuck.
 *
 * Prints:
 *
 *     sensors: 10 values, sum 55
 *     meters: 5 values, sum 500
 *     nothing for a second: the third source is stuck
 */
#include <stdio.h>

#include <weir/weir.h>

struct source {
    struct weir_chan *chan;
    int first, last, step;
    int count, sum; /* of the reader */
};

static void emit(void *arg)
{
    struct source *src = arg;

    for (int n = src->first; n <= src->last; n += src->step)
        weir_chan_send(src->chan, &n);
    weir_chan_close(src->chan);
}

/* Reads from all; true when a second has passed without a value. */
static bool merge(struct source *a, struct source *b, struct source *c)
{
    struct source *sources[] = {a, b, c};
    struct weir_chan *open[] = {a->chan, b->chan, c->chan};
    int value, got;

    for (;;) {
        int i = WEIR_SELECT(WEIR_RECV_RESULT(open[0], &value, &got),
                            WEIR_RECV_RESULT(open[1], &value, &got),
                            WEIR_RECV_RESULT(open[2], &value, &got), WEIR_AFTER(WEIR_S));

        if (i < 0 || i == 3)
            return i == 3;
        if (got == 0) {
            open[i] = NULL;
            continue;
        }
        sources[i]->count++;
        sources[i]->sum += value;
    }
}

static int run(void *arg)
{
    struct source sensors = {
        .chan = weir_chan_new(sizeof(int), 2), .first = 1, .last = 10, .step = 1};
    struct source meters = {
        .chan = weir_chan_new(sizeof(int), 0), .first = 80, .last = 120, .step = 10};
    struct source stuck = {.chan = weir_chan_new(sizeof(int), 0)}; /* nobody sends */
    bool silent = false;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "sensors", emit, &sensors);
        weir_scope_go(s, "meters", emit, &meters);
        silent = merge(&sensors, &meters, &stuck);
    }
    printf("sensors: %d values, sum %d\n", sensors.count, sensors.sum);
    printf("meters: %d values, sum %d\n", meters.count, meters.sum);
    if (silent)
        printf("nothing for a second: the third source is stuck\n");
    weir_chan_free(sensors.chan);
    weir_chan_free(meters.chan);
    weir_chan_free(stuck.chan);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
