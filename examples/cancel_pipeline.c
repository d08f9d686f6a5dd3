/* A producer and a consumer with a stage between them, and how they stop.
 *
 * The producer would count for ever. When the consumer has what it wants it cancels their scope:
 * every call that waits inside returns -ECANCELED, each stage winds up what it has, and the scope
 * is left when the last of them has ended.
 *
 * Prints:
 *
 *     1 4 9 16 25 36 49 64 81 100
 *     producer: ECANCELED
 *     squares: ECANCELED
 */
#include <stdio.h>

#include <weir/weir.h>

WEIR_CHAN_TYPE(numbers, long);

struct stage {
    struct numbers in, out;
    int result;
};

static void produce(void *arg)
{
    struct stage *st = arg;

    for (long i = 1; st->result == 0; i++)
        st->result = numbers_send(st->out, i);
}

static void square(void *arg)
{
    struct stage *st = arg;
    long n;

    while ((st->result = numbers_recv(st->in, &n)) > 0) {
        if ((st->result = numbers_send(st->out, n * n)) < 0)
            break;
    }
}

static int run(void *arg)
{
    struct numbers counted = numbers_new(4), squared = numbers_new(4);
    struct stage producer = {.out = counted}, squares = {.in = counted, .out = squared};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "producer", produce, &producer);
        weir_scope_go(s, "squares", square, &squares);
        WEIR_CHAN_EACH(squared.chan, long, n)
        {
            printf("%ld%c", n, n < 100 ? ' ' : '\n');
            if (n >= 100)
                break;
        }
        weir_scope_cancel(s);
    }
    printf("producer: %s\n", weir_code_name(producer.result));
    printf("squares: %s\n", weir_code_name(squares.result));
    numbers_free(counted);
    numbers_free(squared);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
