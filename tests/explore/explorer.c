/* Runs each case by chance, by priorities and exhaustively; store buffers. */
#include "tests/explore/explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/explore.h>
#include <weir/runtime.h>
#include <weir/sync.h>

/* ---- store buffers ---- */

enum { BUFFER_MAX = 16, STORE_BYTES = 8 };

struct store {
    volatile void *to;
    unsigned char bytes[STORE_BYTES];
    size_t size;
};

struct buffer {
    struct store stores[BUFFER_MAX]; /* oldest first */
    size_t count;
    bool drains; /* a coroutine is about to empty it */
};

static struct {
    const struct explorer_case *c;
    uint64_t ids[EXPLORER_THREADS_MAX]; /* of the coroutines */
    struct buffer buffers[EXPLORER_THREADS_MAX];
    int left; /* threads that have not ended */
    struct weir_wait_group over;
} now;

int explorer_self(void)
{
    for (int i = 0; i < EXPLORER_THREADS_MAX; i++) {
        if (now.ids[i] != 0 && now.ids[i] == weir_self_id())
            return i;
    }
    return -1;
}

static void drain_one(struct buffer *b)
{
    struct store *s = &b->stores[0];

    memcpy((void *)s->to, s->bytes, s->size);
    memmove(b->stores, b->stores + 1, --b->count * sizeof(b->stores[0]));
}

static void drain(struct buffer *b)
{
    while (b->count > 0)
        drain_one(b);
}

static struct buffer *own_buffer(void)
{
    int self = now.c->store_buffers ? explorer_self() : -1;

    return self >= 0 ? &now.buffers[self] : NULL;
}

/* What empties a thread's buffer is one more that could go on. */
static void drainer(void *arg)
{
    struct buffer *b = arg;

    while (b->count > 0) {
        explorer_step("drain", b);
        if (b->count > 0)
            drain_one(b);
    }
    b->drains = false;
    weir_wait_group_done(&now.over);
}

static void start_drainer(struct buffer *b)
{
    if (b->drains)
        return;
    b->drains = true;
    weir_wait_group_add(&now.over, 1);
    if (weir_go("drain", drainer, b) < 0)
        abort();
}

void explorer_store(volatile void *to, const void *from, size_t size)
{
    struct buffer *b = own_buffer();
    struct store *s;

    if (b == NULL) {
        memcpy((void *)to, from, size);
        return;
    }
    if (b->count == BUFFER_MAX)
        drain_one(b);
    EXPECT(size <= STORE_BYTES);
    s = &b->stores[b->count++];
    s->to = to;
    s->size = size;
    memcpy(s->bytes, from, size);
    start_drainer(b);
}

void explorer_load(const volatile void *from, void *to, size_t size)
{
    struct buffer *b = own_buffer();

    for (size_t i = b != NULL ? b->count : 0; i > 0; i--) {
        if (b->stores[i - 1].to == from) {
            memcpy(to, b->stores[i - 1].bytes, size);
            return;
        }
    }
    memcpy(to, (const void *)from, size);
}

void explorer_drain(void)
{
    struct buffer *b = own_buffer();

    if (b != NULL)
        drain(b);
}

void explorer_drain_all(void)
{
    for (int i = 0; i < EXPLORER_THREADS_MAX; i++)
        drain(&now.buffers[i]);
}

/* ---- one schedule ---- */

void explorer_step(const char *what, const volatile void *object)
{
    weir_explore_point(what, (const void *)object);
}

void explorer_yield(void)
{
    weir_yield();
}

_Noreturn void explorer_fail(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s: %s:%d: EXPECT(%s) failed\n", now.c->name, file, line, text);
    abort();
}

static void thread(void *arg)
{
    int i = (int)(intptr_t)arg;

    now.ids[i] = weir_self_id();
    now.c->threads[i]();
    weir_wait_group_done(&now.over);
}

static int run_case(void *arg)
{
    memset(now.ids, 0, sizeof(now.ids));
    memset(&now.over, 0, sizeof(now.over));
    memset(now.buffers, 0, sizeof(now.buffers));
    now.c->begin();
    for (int i = 0; i < EXPLORER_THREADS_MAX && now.c->threads[i] != NULL; i++) {
        weir_wait_group_add(&now.over, 1);
        if (weir_go("thread", thread, (void *)(intptr_t)i) < 0)
            abort();
    }
    weir_wait_group_wait(&now.over);
    now.c->check();
    return 0;
}

/* ---- schedules ---- */

static const struct weir_options runtime = {.size = sizeof(runtime), .coroutines_max = 32};
static const char *const names[] = {"chance", "priorities", "search"};

static int explore_case(enum weir_explore_strategy strategy, uint64_t first, uint64_t count)
{
    struct weir_explore_options o = {.size = sizeof(o),
                                     .strategy = strategy,
                                     .first = first,
                                     .count = count,
                                     .preemptions = now.c->preemptions,
                                     .step_ns =
                                         strategy == WEIR_EXPLORE_EXHAUSTIVE ? now.c->step_ns : 0,
                                     .steps_max = 100000,
                                     .runtime = &runtime};
    struct weir_explore_report report = {0};
    int r = weir_explore(&o, run_case, NULL, &report);

    printf("%s: %s: %llu schedules%s\n", now.c->name, names[strategy],
           (unsigned long long)report.schedules,
           strategy == WEIR_EXPLORE_EXHAUSTIVE && report.complete ? ", all there are" : "");
    if (r != 0)
        printf("%s: %s FAILED: %d: WEIR_DEBUG=%s\n", now.c->name, names[strategy], r,
               report.schedule);
    fflush(stdout);
    return r;
}

int explorer_main(int argc, char **argv, const struct explorer_case *cases, size_t n)
{
    uint64_t first = 1, count = 1000;
    const char *only = NULL, *schedule = NULL, *strategy = NULL;
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc) {
            first = strtoull(argv[++i], NULL, 10);
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--schedule") == 0 && i + 1 < argc) {
            schedule = argv[++i];
        } else if (strcmp(argv[i], "--strategy") == 0 && i + 1 < argc) {
            strategy = argv[++i];
        } else {
            only = argv[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (only != NULL && strcmp(only, cases[i].name) != 0)
            continue;
        now.c = &cases[i];
        fprintf(stderr, "case %s\n", now.c->name); /* an abort is told from here on */
        if (schedule != NULL) {
            if (weir_explore_set(schedule) < 0)
                return 2;
            failed |= weir_main(run_case, NULL, &runtime) != 0;
            continue;
        }
        for (int s = WEIR_EXPLORE_RANDOM; s <= WEIR_EXPLORE_EXHAUSTIVE && failed == 0; s++) {
            if (strategy == NULL || strcmp(strategy, names[s]) == 0)
                failed |= explore_case((enum weir_explore_strategy)s, first,
                                       s == WEIR_EXPLORE_EXHAUSTIVE ? 20 * count : count) != 0;
        }
    }
    return failed;
}
