/* A small test harness. Not cmocka: its assertions leave a test by longjmp, which must not cross
 * from a coroutine's stack to another; and these tests also run on machines that lack it.
 *
 *     EXE [TEST]                                      in the real world
 *     EXE --seeds FIRST COUNT [--seconds N] [TEST]    under so many schedules each (weir/explore.h)
 *     EXE --seed N [TEST]                             under one of these, as told by a failure
 *
 * A TEST() is deterministic when all that happens in it comes from weir, so that it can also run
 * under seeds. What needs other threads, real sockets, or real time is a TEST_REAL(), with the
 * reason. Executables for many seeds are built with CHECK_SEEDS, which makes their loops small. */
#ifndef WEIR_TESTS_CHECK_H
#define WEIR_TESTS_CHECK_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/explore.h>
#include <weir/runtime.h>

/* What runs, for the message of a failure. */
static struct {
    const char *exe, *test;
    bool seeded;
    unsigned long long seed;
} check_now;

static inline void check_tell(void)
{
    if (check_now.seeded)
        fprintf(stderr, "replay: WEIR_DEBUG=trace %s --seed %llu %s\n", check_now.exe,
                check_now.seed, check_now.test);
}

static inline void check_failed(void)
{
    check_tell();
    abort();
}

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s: CHECK(%s) failed\n", __FILE__, __LINE__, __func__, #x);    \
            check_failed();                                                                        \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long check_a_ = (long long)(a), check_b_ = (long long)(b);                            \
        if (check_a_ != check_b_) {                                                                \
            fprintf(stderr, "%s:%d: %s: %s is %lld, %s is %lld\n", __FILE__, __LINE__, __func__,   \
                    #a, check_a_, #b, check_b_);                                                   \
            check_failed();                                                                        \
        }                                                                                          \
    } while (0)

/* The part stands in the text. */
static inline void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fprintf(stderr, "%s: no \"%s\" in:\n%s\n", check_now.test, part, text);
        check_failed();
    }
}

struct test {
    const char *name;
    void (*fn)(void);
    const char *real; /* why it cannot be deterministic, or NULL */
};

#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn, NULL                                                                              \
    }
#define TEST_REAL(fn, why)                                                                         \
    {                                                                                              \
#fn, fn, why                                                                               \
    }

enum { CHECK_HANGS_SECONDS = 100 };

static inline void check_hangs(int signo)
{
    static const char text[] = "the test does not end\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    check_failed();
}

/* Half of the seeds choose by chance, half by priorities. */
static inline void check_seed(unsigned long long seed)
{
    char text[96];
    const char *trace = getenv("WEIR_DEBUG");
    int n = snprintf(text, sizeof(text), "det=%llu", seed);

    if (seed % 2 == 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",pct=%llu", 2 + seed / 2 % 3);
    if (trace != NULL && strstr(trace, "trace") != NULL)
        snprintf(text + n, sizeof(text) - (size_t)n, ",trace");
    check_now.seed = seed;
    if (weir_explore_set(text) < 0)
        abort();
}

/* All seeds of one test, or as many as there is time for; counts them. */
static inline unsigned long long check_seeds(const struct test *t, unsigned long long first,
                                             unsigned long long count, double seconds)
{
    unsigned long long done = 0;
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);

    check_now.test = t->name;
    check_now.seeded = true;
    signal(SIGALRM, check_hangs);
    for (; done < count && (seconds <= 0 || clock() < end); done++) {
        check_seed(first + done);
        alarm(CHECK_HANGS_SECONDS);
        t->fn();
    }
    alarm(0);
    check_now.seeded = false;
    weir_explore_set(NULL);
    return done;
}

struct check_options {
    const char *only;
    unsigned long long first, count;
    double seconds; /* for all tests together; 0: no limit */
};

static inline int check_run_seeds(const struct test *tests, size_t n, const struct check_options *o)
{
    unsigned long long runs = 0, fewest = o->count;
    size_t deterministic = 0, real = 0, left = 0;

    for (size_t i = 0; i < n; i++)
        left += tests[i].real == NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned long long done;
        clock_t start = clock();
        double limit = o->seconds > 0 && left > 0 ? o->seconds / (double)left : 0;

        if (o->only != NULL && strcmp(o->only, tests[i].name) != 0)
            continue;
        if (tests[i].real != NULL) {
            fprintf(stderr, "[ real  ] %s: %s\n", tests[i].name, tests[i].real);
            real++;
            continue;
        }
        done = check_seeds(&tests[i], o->first, o->count, limit);
        fprintf(stderr, "[ seeds ] %s: %llu, %.0f us each\n", tests[i].name, done,
                (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / (double)(done + (done == 0)));
        runs += done;
        fewest = done < fewest ? done : fewest;
        deterministic++;
    }
    printf("%s: %zu tests under %llu seeds or more (%llu runs), %zu real ones left out\n",
           check_now.exe, deterministic, deterministic > 0 ? fewest : 0, runs, real);
    return 0;
}

static inline int check_usage(void)
{
    fprintf(stderr, "usage: %s [--seeds FIRST COUNT | --seed N] [--seconds N] [TEST]\n",
            check_now.exe);
    return 2;
}

static inline int check_main(int argc, char **argv, const struct test *tests, size_t n)
{
    struct check_options o = {.count = 0};

    check_now.exe = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 2 < argc) {
            o.first = strtoull(argv[++i], NULL, 10);
            o.count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            o.first = strtoull(argv[++i], NULL, 10);
            o.count = 1;
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            o.seconds = atof(argv[++i]);
        } else if (argv[i][0] == '-') {
            return check_usage();
        } else {
            o.only = argv[i];
        }
    }
    if (o.count > 0)
        return check_run_seeds(tests, n, &o);
    for (size_t i = 0; i < n; i++) {
        if (o.only != NULL && strcmp(o.only, tests[i].name) != 0)
            continue;
        fprintf(stderr, "[ run ] %s\n", tests[i].name);
        check_now.test = tests[i].name;
        tests[i].fn();
    }
    return 0;
}

#define RUN_TESTS(tests)                                                                           \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]));                  \
    }

/* Between two looks at what others bring about. */
static inline void check_pause(void)
{
    enum { PAUSE_US = 100 };

    if (weir_self_id() == 0) /* a thread of the test's own */
        usleep(PAUSE_US);
    else if (weir_sleep(PAUSE_US * INT64_C(1000)) < 0)
        weir_yield(); /* its scope has ended */
}

/* Waits for what others bring about, however long that takes them; the limit only tells a machine
 * that is slow from an event that does not come. */
enum { CHECK_WAITS_SECONDS = 60 };

#define WAIT_UNTIL(x)                                                                              \
    do {                                                                                           \
        int64_t check_end_ = weir_now() + CHECK_WAITS_SECONDS * INT64_C(1000000000);               \
        while (!(x)) {                                                                             \
            if (weir_now() > check_end_) {                                                         \
                fprintf(stderr, "%s:%d: %s: WAIT_UNTIL(%s) in vain\n", __FILE__, __LINE__,         \
                        __func__, #x);                                                             \
                check_failed();                                                                    \
            }                                                                                      \
            check_pause();                                                                         \
        }                                                                                          \
    } while (0)

/* Loops of many rounds divide their number by it. */
#if defined(CHECK_SEEDS)
#define SLOWER 200
#elif defined(WEIR_SANITIZED)
#define SLOWER 8
#else
#define SLOWER 1
#endif

/* A reservation of 256 GiB is nothing to Linux, but the user-mode emulator that runs these tests
 * for other machines keeps a record of every page of it. */
enum { TEST_COROUTINES_MAX = 8192 };

/* Runs fn as the first coroutine on so many workers and checks that it returned 0. */
static inline void run_on(unsigned workers, int (*fn)(void *arg), void *arg)
{
    struct weir_options o = {
        .size = sizeof(o), .workers = workers, .coroutines_max = TEST_COROUTINES_MAX};

    CHECK_EQ(weir_main(fn, arg, &o), 0);
}

/* A schedule has one worker: once is enough. */
static inline void run_on_all(int (*fn)(void *arg), void *arg)
{
    run_on(1, fn, arg);
    if (check_now.seeded)
        return;
    run_on(2, fn, arg);
    run_on(4, fn, arg);
    run_on(8, fn, arg);
}

#endif
