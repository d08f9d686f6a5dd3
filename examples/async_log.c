/* Asynchronous logging off a request handler.
 *
 * The handler submits the line and answers; a pool with one thread, so that lines keep their order,
 * writes to a disk that takes its time. A callback counts what is safe. Here the disk does not move
 * at all until the last request is answered, and no answer waits for it.
 *
 * Prints:
 *
 *     answered /cart
 *     answered /pay
 *     answered /thanks
 *     lines confirmed by then: 0
 *     lines confirmed at the end: 3
 *     200 /cart
 *     200 /pay
 *     200 /thanks
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/weir.h>

struct line {
    int status;
    char path[32];
};

static sem_t disk; /* of the system, for threads: nothing that coroutines would wait for */
static FILE *file;
static struct weir_pool *logger;
static struct weir_counter confirmed;

/* On a thread that may block. */
static long write_line(void *arg)
{
    struct line *l = arg;

    sem_wait(&disk);
    return fprintf(file, "%d %s\n", l->status, l->path) > 0 && fflush(file) == 0 ? 0 : -EIO;
}

/* In a coroutine of the pool. */
static void written(void *arg, long result)
{
    if (result == 0)
        weir_counter_add(&confirmed, 1);
    free(arg);
}

static void log_request(int status, const char *path)
{
    struct line *l = malloc(sizeof(*l));
    struct weir_job job = {.fn = write_line, .arg = l, .done = written};

    if (l == NULL)
        return;
    l->status = status;
    snprintf(l->path, sizeof(l->path), "%s", path);
    if (weir_pool_try_submit(logger, &job) < 0)
        free(l); /* the queue is full: the request counts for more than its line */
}

static void handle(const char *path)
{
    log_request(200, path);
    printf("answered %s\n", path);
}

static int run(void *arg)
{
    struct weir_pool_options o = {
        .size = sizeof(o), .name = "log", .workers = 1, .queue = 100, .threads = true};
    char line[64];

    logger = weir_pool_new(&o);
    handle("/cart");
    handle("/pay");
    handle("/thanks");
    printf("lines confirmed by then: %d\n", (int)weir_counter_get(&confirmed));
    for (int i = 0; i < 3; i++)
        sem_post(&disk);
    weir_pool_free(logger); /* waits for what is in the queue */

    rewind(file);
    printf("lines confirmed at the end: %d\n", (int)weir_counter_get(&confirmed));
    while (fgets(line, sizeof(line), file) != NULL)
        fputs(line, stdout);
    return 0;
}

int main(void)
{
    file = tmpfile();
    if (file == NULL || sem_init(&disk, 0, 0) != 0)
        return 1;
    return weir_exit_status(weir_main(run, NULL, NULL));
}
