/* A buffered channel, closed by its sender and ranged over by its receiver.
 *
 * The sender may be three numbers ahead. It closes the channel when it has no more, and the
 * receiver's loop ends when the channel is closed and empty. Sending on a closed channel is an
 * error, not a panic.
 *
 * Prints:
 *
 *     got 1
 *     got 2
 *     got 3
 *     got 4
 *     got 5
 *     sum 15
 *     sending now: EPIPE
 */
#include <stdio.h>

#include <weir/weir.h>

WEIR_CHAN_TYPE(numbers, int);

static void count_to_five(void *arg)
{
    struct numbers *out = arg;

    for (int i = 1; i <= 5; i++)
        numbers_send(*out, i);
    numbers_close(*out);
}

static int run(void *arg)
{
    struct numbers in = numbers_new(3);
    int sum = 0;

    WEIR_SCOPE (s) {
        weir_scope_go(s, "counter", count_to_five, &in);
        WEIR_CHAN_EACH(in.chan, int, n)
        {
            printf("got %d\n", n);
            sum += n;
        }
    }
    printf("sum %d\n", sum);
    printf("sending now: %s\n", weir_code_name(numbers_send(in, 6)));
    numbers_free(in);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
