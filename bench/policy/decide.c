/* What one decision of a policy costs: `decide TEST THREADS` makes decisions for half a second on
 * each thread and prints a line of JSON. The tests that begin with "add" are the floor: one atomic
 * addition on one word. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/breaker.h>
#include <weir/keyed.h>
#include <weir/limiter.h>

enum { THREADS_MAX = 64, BATCH = 4096, KEYS = 1000000 };

static const int64_t run_ns = 500 * 1000 * 1000;

static struct weir_breaker breaker;
static struct weir_bucket bucket;
static struct weir_keyed *keyed;
static uint64_t word __attribute__((aligned(64)));

static int64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add(int64_t now_ns, uint64_t *state)
{
    (void)now_ns;
    (void)state;
    __atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
}

/* Closed, and every call goes well: what all traffic pays. */
static void call_through_breaker(int64_t now_ns, uint64_t *state)
{
    struct weir_breaker_token token;

    (void)state;
    if (weir_breaker_acquire(&breaker, now_ns, &token, NULL) != 0)
        abort();
    weir_breaker_report(&breaker, &token, WEIR_OUTCOME_OK, now_ns);
}

/* A rate that never refuses: each decision writes. */
static void take_from_bucket(int64_t now_ns, uint64_t *state)
{
    (void)state;
    if (weir_bucket_take(&bucket, 1, now_ns, NULL) != 0)
        abort();
}

/* Keys at random, all of them in use. */
static void take_by_key(int64_t now_ns, uint64_t *state)
{
    uint32_t key;

    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    key = (uint32_t)((*state >> 32) * KEYS >> 32);
    (void)weir_keyed_take(keyed, &key, sizeof(key), 1, now_ns, NULL);
}

static void begin_breaker(void)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    if (weir_breaker_init(&breaker, &o, clock_ns()) != 0)
        abort();
}

static void begin_bucket(void)
{
    struct weir_rate rate = {.count = 16, .per_ns = 1, .burst = 1000000000};

    if (weir_bucket_init(&bucket, &rate, clock_ns()) != 0)
        abort();
}

static void begin_keyed(void)
{
    struct weir_rate rate = {.count = 1, .per_ns = INT64_C(3600000000000), .burst = 1000};
    const uint64_t secret[2] = {1, 2};
    size_t bytes = (weir_keyed_bytes(KEYS) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, bytes);

    if (memory == NULL || weir_keyed_init(memory, KEYS, &rate, secret, clock_ns(), &keyed) != 0)
        abort();
    for (uint32_t key = 0; key < KEYS; key++)
        (void)weir_keyed_take(keyed, &key, sizeof(key), 1, clock_ns(), NULL);
}

static void begin_nothing(void)
{
}

static const struct test {
    const char *name;
    void (*begin)(void);
    void (*decide)(int64_t now_ns, uint64_t *state);
} tests[] = {
    {"add", begin_nothing, add},
    {"breaker", begin_breaker, call_through_breaker},
    {"bucket", begin_bucket, take_from_bucket},
    {"keyed", begin_keyed, take_by_key},
};

struct worker {
    pthread_t thread;
    const struct test *test;
    pthread_barrier_t *start;
    uint64_t seed;
    double ns_per_decision;
};

/* The clock is read once a batch, as a scheduler does once a round: it is not part of a decision.
 */
static void *work(void *arg)
{
    struct worker *w = arg;
    int64_t start_ns, now_ns;
    uint64_t state = w->seed, decisions = 0;

    pthread_barrier_wait(w->start);
    start_ns = now_ns = clock_ns();
    while (now_ns - start_ns < run_ns) {
        for (int i = 0; i < BATCH; i++)
            w->test->decide(now_ns, &state);
        decisions += BATCH;
        now_ns = clock_ns();
    }
    w->ns_per_decision = (double)(now_ns - start_ns) / (double)decisions;
    return NULL;
}

static void run(const struct test *test, unsigned threads)
{
    struct worker workers[THREADS_MAX];
    pthread_barrier_t start;
    double sum = 0;

    test->begin();
    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.test = test, .start = &start, .seed = i + 1};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].ns_per_decision;
    }
    printf("{\"test\":\"%s\",\"threads\":%u,\"ns\":%.2f", test->name, threads, sum / threads);
    if (keyed != NULL)
        printf(",\"keys\":%d,\"bytes\":%zu,\"evicted\":%" PRIu64, KEYS, weir_keyed_bytes(KEYS),
               weir_keyed_evicted(keyed));
    printf("}\n");
}

int main(int argc, char **argv)
{
    unsigned threads = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (threads >= 1 && threads <= THREADS_MAX && strcmp(argv[1], tests[i].name) == 0) {
            run(&tests[i], threads);
            return 0;
        }
    }
    fprintf(stderr, "usage: decide add|breaker|bucket|keyed THREADS\n");
    return 2;
}
