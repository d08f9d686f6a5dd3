/* A configuration that is loaded when it is first needed, once, whoever comes first.
 *
 * The others who need it meanwhile wait for the one that loads it.
 *
 * Prints:
 *
 *     loading the configuration
 *     8 of 8 got port 8080
 */
#include <stdio.h>

#include <weir/weir.h>

struct config {
    int port;
};

static void load(void *arg)
{
    struct config *c = arg;

    printf("loading the configuration\n");
    weir_sleep(WEIR_MS); /* from far away */
    c->port = 8080;
}

static const struct config *config(void)
{
    static struct weir_once once;
    static struct config c;

    return weir_once_do(&once, load, &c) == 0 ? &c : NULL;
}

static struct weir_counter right;

static void use(void *arg)
{
    const struct config *c = config();

    if (c != NULL && c->port == 8080)
        weir_counter_add(&right, 1);
}

static int run(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            weir_scope_go(s, "user", use, NULL);
    }
    printf("%d of 8 got port 8080\n", (int)weir_counter_get(&right));
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
