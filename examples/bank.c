/* Bank balances under a mutex.
 *
 * A hundred coroutines transfer back and forth; no cent is lost or made. The unlocking is deferred,
 * so that no return forgets it. A transfer that the account cannot pay is refused.
 *
 * Prints:
 *
 *     alice 1500, bob 500
 *     bob pays 501: ERANGE
 *     alice 1500, bob 500
 */
#include <errno.h>
#include <stdio.h>

#include <weir/weir.h>

struct bank {
    struct weir_mutex mutex;
    long alice, bob; /* under the mutex */
};

static void unlock(void *arg)
{
    weir_mutex_unlock(arg);
}

static int transfer(struct bank *b, long *from, long *to, long amount)
{
    weir_mutex_lock(&b->mutex);
    WEIR_DEFER(unlock, &b->mutex);
    if (*from < amount)
        return -ERANGE;
    *from -= amount;
    weir_yield(); /* whoever looks now must wait for the mutex */
    *to += amount;
    return 0;
}

static void trade(void *arg)
{
    struct bank *b = arg;

    for (int i = 0; i < 10; i++) {
        transfer(b, &b->alice, &b->bob, 5);
        transfer(b, &b->bob, &b->alice, 5);
    }
}

static int run(void *arg)
{
    struct bank b = {.alice = 1000, .bob = 1000};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 100; i++)
            weir_scope_go(s, "trader", trade, &b);
    }
    transfer(&b, &b.bob, &b.alice, 500);
    printf("alice %ld, bob %ld\n", b.alice, b.bob);
    printf("bob pays 501: %s\n", weir_code_name(transfer(&b, &b.bob, &b.alice, 501)));
    printf("alice %ld, bob %ld\n", b.alice, b.bob);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
