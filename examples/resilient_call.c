/* A price service that fails now and then, and then for good: retries, a breaker, a fallback.
 *
 * The first two failures are timeouts and are retried; the call succeeds and its caller sees
 * nothing of it. Then the service is down: with four of five attempts failed the breaker opens, no
 * more retries are made, and from then on callers get the last known price at once, without a call.
 * When the breaker's time is over one call is let through to see, and closes it.
 *
 * Prints:
 *
 *     price 100: ok after 3 attempts
 *     price 100: breaker after 2 attempts, from the cache
 *     price 100: breaker after 0 attempts, from the cache
 *     price 104: ok after 1 attempt
 *     the service was called 6 times
 */
#include <errno.h>
#include <stdio.h>

#include <weir/weir.h>

static struct {
    int calls;
    int failing; /* the next so many calls */
    int price;
} service = {.price = 100};

static int last_price;

/* What may fail: 0, or a negative code. */
static int ask_price(void *arg)
{
    int *price = arg;

    service.calls++;
    if (service.failing > 0) {
        service.failing--;
        return weir_sleep(WEIR_S); /* no answer: ended by the try's timeout */
    }
    *price = last_price = service.price;
    return 0;
}

static int price_from_cache(void *arg, const struct weir_call_report *report)
{
    int *price = arg;

    *price = last_price;
    return 0;
}

static void show_price(const struct weir_policy *policy)
{
    struct weir_call_report report;
    int price = 0;

    if (weir_call(policy, ask_price, &price, &report) < 0)
        return;
    printf("price %d: %s after %u attempt%s%s\n", price, weir_call_reason_text(report.reason),
           report.attempts, report.attempts == 1 ? "" : "s",
           report.fell_back ? ", from the cache" : "");
}

static int run(void *arg)
{
    static struct weir_breaker breaker;
    struct weir_breaker_options options = weir_breaker_defaults();
    struct weir_policy policy = {
        .size = sizeof(policy),
        .name = "price",
        .timeout_ns = 30 * WEIR_S,
        .try_timeout_ns = 20 * WEIR_MS,
        .attempts = 3,
        .backoff = {.base_ns = 5 * WEIR_MS, .jitter_percent = WEIR_JITTER_FULL},
        .breaker = &breaker,
        .fallback = price_from_cache,
    };

    options.open_ns = options.open_max_ns = WEIR_S;
    if (weir_breaker_init(&breaker, &options, weir_now()) < 0)
        return -EINVAL;
    service.failing = 2;
    show_price(&policy);

    service.failing = 2;
    service.price = 104;
    show_price(&policy);
    show_price(&policy);

    weir_sleep(options.open_ns + 10 * WEIR_MS);
    show_price(&policy);
    printf("the service was called %d times\n", service.calls);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
