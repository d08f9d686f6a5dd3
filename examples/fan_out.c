/* Pattern: fan-out. One channel of work, several coroutines that take from it.
 *
 * Whoever is free takes the next one; when the channel is closed and empty they all end. The
 * results go into an array, each into its own place, so that nobody waits for anybody.
 *
 * Prints:
 *
 *     primes below 1000: 168
 *     primes below 2000: 303
 *     primes below 3000: 430
 *     primes below 4000: 550
 *     primes below 5000: 669
 */
#include <stdio.h>

#include <weir/weir.h>

enum { TASKS = 5, WORKERS = 3 };

WEIR_CHAN_TYPE(tasks, int);

struct board {
    struct tasks todo;
    int primes[TASKS];
};

static bool is_prime(int n)
{
    for (int i = 2; i * i <= n; i++) {
        if (n % i == 0)
            return false;
    }
    return n > 1;
}

static void work(void *arg)
{
    struct board *b = arg;

    WEIR_CHAN_EACH(b->todo.chan, int, task)
    {
        for (int n = 0; n < (task + 1) * 1000; n++)
            b->primes[task] += is_prime(n);
    }
}

static int run(void *arg)
{
    struct board b = {.todo = tasks_new(0)};

    WEIR_SCOPE (s) {
        for (int i = 0; i < WORKERS; i++)
            weir_scope_go(s, "worker", work, &b);
        for (int i = 0; i < TASKS; i++)
            tasks_send(b.todo, i);
        tasks_close(b.todo);
    }
    for (int i = 0; i < TASKS; i++)
        printf("primes below %d: %d\n", (i + 1) * 1000, b.primes[i]);
    tasks_free(b.todo);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
