/* A semaphore limits how many do something at once.
 *
 * Twenty coroutines want to download, three may. (A worker pool limits, too, and has fewer
 * coroutines; a semaphore suits what is only a part of a longer work.)
 *
 * Prints:
 *
 *     20 downloads
 *     never more than 3 at once: yes
 */
#include <stdio.h>

#include <weir/weir.h>

static struct weir_semaphore places = WEIR_SEMAPHORE(3);
static struct weir_counter inside, most, done;

static void download(void *arg)
{
    if (weir_semaphore_acquire(&places, 1) < 0)
        return;
    weir_counter_raise(&most, weir_counter_add(&inside, 1));
    weir_sleep(WEIR_MS); /* the network */
    weir_counter_add(&inside, -1);
    weir_semaphore_release(&places, 1);
    weir_counter_add(&done, 1);
}

static int run(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 20; i++)
            weir_scope_go(s, "download", download, NULL);
    }
    printf("%d downloads\n", (int)weir_counter_get(&done));
    printf("never more than 3 at once: %s\n", weir_counter_get(&most) <= 3 ? "yes" : "no");
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
