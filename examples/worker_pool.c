/* A worker pool: at most so many jobs at once, results by futures, a panic contained, resized live.
 *
 * Prints:
 *
 *     job 1: 1
 *     job 2: 4
 *     job 3: 9
 *     job 4: ENOTRECOVERABLE
 *     job 5: 25
 *     job 6: 36
 *     one more, and wait for it: 49
 *     7 submitted, 7 completed, 1 panicked, 0 rejected
 */
#include <stdio.h>

#include <weir/weir.h>

static long square(void *arg)
{
    long n = (long)(intptr_t)arg;

    weir_sleep(WEIR_MS);
    if (n == 4)
        weir_panic(-EDOM, "I do not like %ld", n);
    return n * n;
}

static int run(void *arg)
{
    struct weir_pool_options o = {.size = sizeof(o), .name = "squares", .workers = 2, .queue = 4};
    struct weir_pool_stats stats = {.size = sizeof(stats)};
    struct weir_pool *pool = weir_pool_new(&o);
    struct weir_future results[6] = {0};
    long result = 0;

    for (long i = 0; i < 6; i++) { /* waits while the queue is full */
        struct weir_job job = {.fn = square, .arg = (void *)(i + 1), .future = &results[i]};

        weir_pool_submit(pool, &job);
    }
    weir_pool_resize(pool, 4);
    for (int i = 0; i < 6; i++) {
        weir_future_wait(&results[i], &result);
        if (result < 0)
            printf("job %d: %s\n", i + 1, weir_code_name((int)result));
        else
            printf("job %d: %ld\n", i + 1, result);
    }
    weir_pool_call(pool, square, (void *)7, &result);
    printf("one more, and wait for it: %ld\n", result);

    weir_pool_drain(pool);
    weir_pool_get_stats(pool, &stats);
    printf("%d submitted, %d completed, %d panicked, %d rejected\n", (int)stats.submitted,
           (int)stats.completed, (int)stats.panicked, (int)stats.rejected);
    weir_pool_free(pool);
    return 0;
}

int main(void)
{
    return weir_exit_status(weir_main(run, NULL, NULL));
}
