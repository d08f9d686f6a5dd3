/* Exploration: equal schedules give equal runs, the search misses nothing, priorities find what
 * they promise, and failures name what replays them. */
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/chan.h>
#include <weir/explore.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/base.h"
#include "base/hash.h"
#include "check.h"
#include "runtime/runtime.h"

static const struct weir_options small = {.size = sizeof(small), .coroutines_max = 64};

/* ---- equal runs ---- */

struct game {
    struct weir_chan *c;
    struct weir_mutex m;
    uint64_t story;
};

static void note(struct game *g, uint64_t what)
{
    g->story = mix64(g->story + what + 1);
}

static void play(void *arg)
{
    struct game *g = arg;

    for (int i = 0; i < 10; i++) {
        int v = i;

        note(g, weir_self_id());
        weir_mutex_lock(&g->m);
        note(g, weir_self_id());
        weir_mutex_unlock(&g->m);
        WEIR_DEADLINE (weir_now() + 30 * WEIR_US) {
            note(g, (uint64_t)(i % 2 == 0 ? weir_chan_send(g->c, &v) : weir_chan_recv(g->c, &v)));
        }
        note(g, (uint64_t)weir_now());
    }
}

static int game(void *arg)
{
    struct game *g = arg;

    *g = (struct game){.c = weir_chan_new(sizeof(int), 1)};
    WEIR_SCOPE (s) {
        for (int i = 0; i < 5; i++)
            CHECK_EQ(weir_scope_go(s, "player", play, g), 0);
    }
    weir_chan_free(g->c);
    return 0;
}

static uint64_t run_schedule(const char *text, struct weir_explore_report *ret)
{
    struct game g;

    CHECK_EQ(weir_explore_set(text), 0);
    CHECK_EQ(weir_main(game, &g, &small), 0);
    CHECK(weir_explore_last(ret));
    CHECK_EQ(weir_explore_set(NULL), 0);
    return g.story;
}

static void equal_schedules_give_equal_runs_and_others_others(void)
{
    enum { RUNS = 40 };
    uint64_t hashes[RUNS];

    for (int i = 0; i < RUNS; i++) {
        struct weir_explore_report a, b;
        char text[64];
        uint64_t story;

        snprintf(text, sizeof(text), i % 2 == 0 ? "det=%d" : "det=%d,pct=3", i);
        story = run_schedule(text, &a);
        CHECK(strcmp(a.schedule, text) == 0);
        CHECK(run_schedule(a.schedule, &b) == story);
        CHECK(a.hash == b.hash && a.steps == b.steps && a.steps > 50);
        hashes[i] = a.hash;
        for (int j = 0; j < i; j++)
            CHECK(hashes[j] != hashes[i]);
    }
}

static void schedules_that_make_no_sense_are_refused(void)
{
    static const char *const wrong[] = {"",
                                        "det",
                                        "det=",
                                        "det=x",
                                        "pct=3",
                                        "det=1,pct=",
                                        "det=1,pct=0",
                                        "det=1,pct=99",
                                        "det=1,foo",
                                        "det=1 ",
                                        "det=1,path=A",
                                        "det=1,path=(",
                                        "det=1,path=(1",
                                        "det=1,steps=-1",
                                        "det=99999999999999999999"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (weir_explore_set(wrong[i]) != -EINVAL) {
            int value = 0;

            /* what is wrong with the path only shows when it is used */
            CHECK(strstr(wrong[i], "path") != NULL);
            CHECK_EQ(weir_main(game, &value, &small), -EINVAL);
        }
    }
    CHECK_EQ(weir_explore_set(NULL), 0);
}

/* ---- the search ---- */

/* Two coroutines of so many steps each, and a first one that only waits for them: the order of the
 * steps is the outcome. */
struct steps {
    int first, second;
    char order[32];
    size_t len;
    struct weir_wait_group ready, over;

    char seen[2048][16];
    int seen_count;
};

static void make_steps(struct steps *s, char name, int count)
{
    for (int i = 0; i < count; i++) {
        weir_explore_point("step", NULL);
        s->order[s->len++] = name;
    }
    weir_wait_group_done(&s->over);
}

static void first_walker(void *arg)
{
    make_steps(arg, 'a', ((struct steps *)arg)->first);
}

static void second_walker(void *arg)
{
    make_steps(arg, 'b', ((struct steps *)arg)->second);
}

static int walk(void *arg)
{
    struct steps *s = arg;

    s->len = 0;
    memset(&s->over, 0, sizeof(s->over));
    weir_wait_group_add(&s->over, 2);
    CHECK_EQ(weir_go("a", first_walker, s), 0);
    CHECK_EQ(weir_go("b", second_walker, s), 0);
    CHECK_EQ(weir_wait_group_wait(&s->over), 0);
    s->order[s->len] = 0;
    for (int i = 0; i < s->seen_count; i++) {
        if (strcmp(s->seen[i], s->order) == 0)
            return 0;
    }
    CHECK(s->seen_count < (int)ARRAY_LEN(s->seen));
    strcpy(s->seen[s->seen_count++], s->order);
    return 0;
}

static int orders_within(unsigned preemptions, int first, int second)
{
    static struct steps s;
    struct weir_explore_options o = {.size = sizeof(o),
                                     .strategy = WEIR_EXPLORE_EXHAUSTIVE,
                                     .preemptions = preemptions,
                                     .runtime = &small};
    struct weir_explore_report report;

    s = (struct steps){.first = first, .second = second};
    CHECK_EQ(weir_explore(&o, walk, &s, &report), 0);
    CHECK(report.complete);
    CHECK(report.schedules >= (uint64_t)s.seen_count);
    return s.seen_count;
}

/* All orders of m steps and n steps are binomial(m + n, m). With p preemptions it is those that can
 * be cut into runs so that at most p of the runs end before their walker's last step. */
static void the_search_finds_every_order(void)
{
    CHECK_EQ(orders_within(16, 2, 2), 6);
    CHECK_EQ(orders_within(16, 3, 3), 20);
    CHECK_EQ(orders_within(16, 2, 4), 15);
}

static void the_search_keeps_to_its_bound(void)
{
    CHECK_EQ(orders_within(0, 3, 3), 2); /* aaabbb bbbaaa */
    /* and one run cut in two, with all of the other in between: a.bbb.aa aa.bbb.a and vice versa */
    CHECK_EQ(orders_within(1, 3, 3), 6);
}

/* ---- priorities ---- */

/* Bug of depth 2: the reader's two looks lie on both sides of the writer's change. */
struct torn {
    int value;
    bool seen;
    struct weir_wait_group over;
};

enum { TORN_STEPS = 20 };

static void change(void *arg)
{
    struct torn *t = arg;

    for (int i = 0; i < TORN_STEPS; i++) {
        weir_explore_point("work", NULL);
        if (i == TORN_STEPS / 2)
            t->value = 1;
    }
    weir_wait_group_done(&t->over);
}

static void look_twice(void *arg)
{
    struct torn *t = arg;
    int before = 0, after = 0;

    for (int i = 0; i < TORN_STEPS; i++) {
        weir_explore_point("work", NULL);
        if (i == TORN_STEPS / 2)
            before = t->value;
        if (i == TORN_STEPS / 2 + 1)
            after = t->value;
    }
    t->seen = before != after;
    weir_wait_group_done(&t->over);
}

static int tear(void *arg)
{
    struct torn *t = arg;

    *t = (struct torn){.value = 0};
    weir_wait_group_add(&t->over, 2);
    CHECK_EQ(weir_go("writer", change, t), 0);
    CHECK_EQ(weir_go("reader", look_twice, t), 0);
    CHECK_EQ(weir_wait_group_wait(&t->over), 0);
    return 0;
}

static void priorities_find_a_bug_as_often_as_promised(void)
{
    enum { RUNS = 4000 / (SLOWER > 1 ? 4 : 1) };
    struct torn t;
    uint64_t steps = 0;
    int found = 0;

    for (int i = 0; i < RUNS; i++) {
        struct weir_explore_report report;
        char text[64];

        snprintf(text, sizeof(text), "det=%d,pct=2,steps=52,time=0", i);
        CHECK_EQ(weir_explore_set(text), 0);
        CHECK_EQ(weir_main(tear, &t, &small), 0);
        CHECK(weir_explore_last(&report));
        steps = MAX(steps, report.steps);
        found += t.seen;
    }
    CHECK_EQ(weir_explore_set(NULL), 0);
    fprintf(stderr, "found in %d of %d schedules of up to %llu steps\n", found, RUNS,
            (unsigned long long)steps);
    /* 1 / (n * k^(d - 1)) with 3 coroutines */
    CHECK((uint64_t)found * 3 * steps >= RUNS);
}

/* ---- failures ---- */

/* Forgets to look again after its wait. */
struct trap {
    struct weir_mutex m;
    int places;
};

static void take_a_place(void *arg)
{
    struct trap *t = arg;
    bool free;

    weir_mutex_lock(&t->m);
    free = t->places > 0;
    weir_mutex_unlock(&t->m);
    weir_mutex_lock(&t->m);
    t->places -= free;
    weir_mutex_unlock(&t->m);
}

static int overbook(void *arg)
{
    struct trap t = {.places = 1};

    WEIR_SCOPE (s) {
        weir_scope_go(s, "one", take_a_place, &t);
        weir_scope_go(s, "two", take_a_place, &t);
    }
    return t.places < 0 ? -ERANGE : 0;
}

static void check_found_and_replayed(enum weir_explore_strategy strategy)
{
    struct weir_explore_options o = {
        .size = sizeof(o), .strategy = strategy, .first = 1, .preemptions = 1, .runtime = &small};
    struct weir_explore_report report, again;

    CHECK_EQ(weir_explore(&o, overbook, NULL, &report), -ERANGE);
    CHECK_EQ(report.result, -ERANGE);
    CHECK(report.schedules >= 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weir_explore_set(report.schedule), 0);
        CHECK_EQ(weir_main(overbook, NULL, &small), -ERANGE);
        CHECK(weir_explore_last(&again));
        CHECK(again.hash == report.hash && again.steps == report.steps);
    }
    CHECK_EQ(weir_explore_set(NULL), 0);
}

static void what_each_strategy_finds_is_replayed(void)
{
    check_found_and_replayed(WEIR_EXPLORE_RANDOM);
    check_found_and_replayed(WEIR_EXPLORE_PCT);
    check_found_and_replayed(WEIR_EXPLORE_EXHAUSTIVE);
}

/* ---- time ---- */

static void send_late(void *arg)
{
    int v = 1;

    weir_explore_point("work", NULL);
    CHECK_EQ(weir_chan_send(arg, &v), 0);
}

static int hits, misses;

static int wait_a_while(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 1);
    int v, r;

    CHECK_EQ(weir_go("sender", send_late, c), 0);
    WEIR_DEADLINE (weir_now() + 5 * WEIR_US) {
        r = weir_chan_recv(c, &v);
        CHECK(r == 1 || r == -ETIMEDOUT);
        *(r == 1 ? &hits : &misses) += 1;
    }
    if (r != 1)
        CHECK_EQ(weir_chan_recv(c, &v), 1);
    weir_chan_free(c);
    return 0;
}

static void timers_fire_while_others_could_run(void)
{
    struct weir_explore_options o = {.size = sizeof(o), .count = 100, .runtime = &small};

    for (o.strategy = WEIR_EXPLORE_RANDOM; o.strategy <= WEIR_EXPLORE_EXHAUSTIVE; o.strategy++) {
        hits = misses = 0;
        if (o.strategy == WEIR_EXPLORE_EXHAUSTIVE) {
            o.step_ns = 10 * WEIR_US;
            o.preemptions = 1;
        }
        CHECK_EQ(weir_explore(&o, wait_a_while, NULL, NULL), 0);
        fprintf(stderr, "strategy %d: %d in time, %d too late\n", o.strategy, hits, misses);
        CHECK(hits > 0 && misses > 0);
    }
}

static int wait_busily(void *arg)
{
    int64_t end = weir_now() + WEIR_MS;

    while (weir_now() < end)
        ;
    return 0;
}

static void reading_the_clock_takes_time(void)
{
    CHECK_EQ(weir_explore_set("det=1"), 0);
    CHECK_EQ(weir_main(wait_busily, NULL, &small), 0);
    CHECK_EQ(weir_explore_set(NULL), 0);
}

/* ---- ends ---- */

static int yield_for_ever(void *arg)
{
    bool *over = arg;

    while (over == NULL || !*over)
        weir_explore_point("round", NULL);
    return 0;
}

static void schedule_without_an_end_is_a_failure(void)
{
    struct weir_explore_options o = {
        .size = sizeof(o), .count = 5, .steps_max = 1000, .runtime = &small};

    CHECK_EQ(weir_explore(&o, yield_for_ever, NULL, NULL), -ELOOP);
}

static int fail_at_once(void *arg)
{
    weir_explore_point("the last step", &hits);
    raise(SIGABRT);
    return 0;
}

/* In a process of its own: standard error of fn under a schedule. */
static void capture(const char *schedule, int (*fn)(void *arg), char *out, size_t size)
{
    int fds[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        CHECK_EQ(weir_explore_set(schedule), 0);
        _exit(weir_main(fn, NULL, &small));
    }
    close(fds[1]);
    while (len + 1 < size && (n = read(fds[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close(fds[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static void crash_prints_the_schedule(void)
{
    char text[4096];

#if defined(__SANITIZE_THREAD__)
    return; /* it holds signals back */
#endif
    capture("det=77,pct=2,steps=9", fail_at_once, text, sizeof(text));
    CHECK(strstr(text, "WEIR_DEBUG=det=77,pct=2,steps=9\n") != NULL);
}

static void trace_tells_who_does_what_to_which_object(void)
{
    static char text[65536], again[65536];

    capture("det=5,trace", overbook, text, sizeof(text));
    CHECK(strstr(text, "one: lock #") != NULL && strstr(text, "two: unlock #") != NULL);
    capture("det=5,trace", overbook, again, sizeof(again));
    CHECK(strcmp(text, again) == 0);
}

static const struct test tests[] = {
    TEST_REAL(equal_schedules_give_equal_runs_and_others_others, "sets its schedules"),
    TEST_REAL(schedules_that_make_no_sense_are_refused, "sets its schedules"),
    TEST_REAL(the_search_finds_every_order, "sets its schedules"),
    TEST_REAL(the_search_keeps_to_its_bound, "sets its schedules"),
    TEST_REAL(priorities_find_a_bug_as_often_as_promised, "sets its schedules"),
    TEST_REAL(what_each_strategy_finds_is_replayed, "sets its schedules"),
    TEST_REAL(timers_fire_while_others_could_run, "sets its schedules"),
    TEST_REAL(reading_the_clock_takes_time, "sets its schedules"),
    TEST_REAL(schedule_without_an_end_is_a_failure, "sets its schedules"),
    TEST_REAL(crash_prints_the_schedule, "forks"),
    TEST_REAL(trace_tells_who_does_what_to_which_object, "forks"),
};
RUN_TESTS(tests)
