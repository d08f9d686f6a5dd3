/* Calls under policies: who refuses, what is told to whom, hedging. In virtual time. */
#include <errno.h>
#include <stdatomic.h>

#include <weir/call.h>
#include <weir/panic.h>
#include <weir/scope.h>

#include "base/base.h"
#include "unit/call/virtual.h"

#define MS NS_PER_MS

static struct weir_policy plain(void)
{
    return (struct weir_policy){.size = sizeof(struct weir_policy), .name = "plain"};
}

static int calls;

static int answer(void *arg)
{
    calls++;
    return *(int *)arg;
}

static struct weir_breaker breaker; /* large */

static void new_breaker(const struct weir_breaker_options *o)
{
    struct weir_breaker_options defaults = weir_breaker_defaults();

    CHECK_EQ(weir_breaker_init(&breaker, o != NULL ? o : &defaults, weir_now()), 0);
}

static void new_bulkhead(struct weir_bulkhead *b, unsigned running, unsigned waiting,
                         int64_t wait_ns)
{
    struct weir_bulkhead_options o = {
        .size = sizeof(o), .running_max = running, .waiting_max = waiting, .max_wait_ns = wait_ns};

    CHECK_EQ(weir_bulkhead_init(b, &o), 0);
}

static struct weir_breaker_view seen(void)
{
    return weir_breaker_view(&breaker, weir_now());
}

/* ---- plain ---- */

static int without_policies_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;
    int five = 5, bad = -EBADMSG;

    CHECK_EQ(weir_call(&p, answer, &five, NULL), 5);
    CHECK_EQ(weir_call(&p, answer, &bad, &report), -EBADMSG);
    CHECK_EQ(report.reason, WEIR_CALL_FAILED);
    CHECK_EQ(report.attempts, 1);
    p.size--;
    CHECK_EQ(weir_call(&p, answer, &five, NULL), -EINVAL);
    p = plain();
    p.hedge_percentile = 95; /* of what? */
    CHECK_EQ(weir_call(&p, answer, &five, NULL), -EINVAL);
    p = plain();
    p.timeout_ns = -1;
    CHECK_EQ(weir_call(&p, answer, &five, NULL), -EINVAL);
    return 0;
}

static void without_policies_it_is_a_call(void)
{
    run_virtual(without_policies_run, NULL);
}

/* ---- refusals ---- */

static int refusing_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;
    struct weir_bucket bucket;
    struct weir_adaptive adaptive;
    struct weir_adaptive_options one = weir_adaptive_defaults();
    struct weir_shed shed;
    struct weir_shed_options hard = weir_shed_defaults();
    struct weir_throttle throttle;
    int five = 5;

    calls = 0;
    CHECK_EQ(weir_bucket_init(&bucket,
                              &(struct weir_rate){.count = 10, .per_ns = NS_PER_SEC, .burst = 1},
                              weir_now()),
             0);
    p.bucket = &bucket;
    CHECK_EQ(weir_call(&p, answer, &five, &report), 5);
    CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
    CHECK_EQ(report.reason, WEIR_CALL_BUCKET);
    CHECK_EQ(report.retry_after_ns, 100 * MS);

    p = plain();
    one.initial = one.min = one.max = 1;
    CHECK_EQ(weir_adaptive_init(&adaptive, &one, weir_now()), 0);
    CHECK_EQ(weir_adaptive_enter(&adaptive, 100), 0);
    p.adaptive = &adaptive;
    CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
    CHECK_EQ(report.reason, WEIR_CALL_ADAPTIVE);
    CHECK_EQ(weir_adaptive_running(&adaptive), 1);

    p = plain();
    CHECK_EQ(weir_shed_init(&shed, &hard, weir_now()), 0);
    weir_shed_feed(&shed, &(struct weir_shed_sample){.cpu_permille = 1000}, weir_now());
    p.shed = &shed;
    p.priority = 2;
    CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
    CHECK_EQ(report.reason, WEIR_CALL_SHED);
    CHECK_EQ(report.shed, WEIR_SHED_BY_PRIORITY);
    p.priority = 3;
    CHECK_EQ(weir_call(&p, answer, &five, &report), 5);

    p = plain();
    CHECK_EQ(weir_throttle_init(&throttle, 200, weir_now()), 0);
    for (int i = 0; i < 1000000; i++)
        (void)weir_throttle_admit(&throttle, UINT64_MAX, weir_now());
    p.throttle = &throttle; /* refuses all but one of a million */
    CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
    CHECK_EQ(report.reason, WEIR_CALL_THROTTLE);
    CHECK_EQ(calls, 2);
    return 0;
}

static void each_guard_refuses_in_its_own_name(void)
{
    run_virtual(refusing_run, NULL);
}

/* The probe of a half-open breaker meets a full bulkhead: the permit is free again. */
static int later_guard_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_bulkhead bulkhead;
    struct weir_call_report report;
    struct weir_budget budget;
    int five = 5;

    new_breaker(NULL);
    weir_breaker_ladder(&breaker, 3, weir_now());
    weir_sleep(31 * NS_PER_SEC);
    new_bulkhead(&bulkhead, 1, 0, 0);
    CHECK(weir_bulkhead_try_enter(&bulkhead));
    weir_budget_init(&budget, 0, 1);
    p.breaker = &breaker;
    p.bulkhead = &bulkhead;
    p.budget = &budget;
    p.attempts = 3;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
        CHECK_EQ(report.reason, WEIR_CALL_BULKHEAD);
        CHECK_EQ(report.bulkhead, WEIR_BULKHEAD_FULL);
        CHECK_EQ(report.took_ns, 0); /* not retried */
        CHECK_EQ(seen().state, WEIR_BREAKER_HALF_OPEN);
        CHECK_EQ(seen().probes_issued, 0);
    }
    CHECK_EQ(budget.word_, 0);
    weir_bulkhead_leave(&bulkhead);
    CHECK_EQ(weir_call(&p, answer, &five, &report), 5);
    CHECK_EQ(seen().state, WEIR_BREAKER_CLOSED);
    return 0;
}

static void a_later_refusal_gives_the_probe_back_and_counts_nothing(void)
{
    run_virtual(later_guard_run, NULL);
}

/* ---- who waited asks again ---- */

static void open_soon(void *arg)
{
    weir_sleep(10 * MS);
    weir_breaker_ladder(&breaker, 3, weir_now());
    weir_sleep(10 * MS);
    weir_bulkhead_leave(arg);
}

static int renewed_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_bulkhead bulkhead;
    struct weir_call_report report;
    int five = 5;

    new_breaker(NULL);
    new_bulkhead(&bulkhead, 1, 1, NS_PER_SEC);
    CHECK(weir_bulkhead_try_enter(&bulkhead));
    p.breaker = &breaker;
    p.bulkhead = &bulkhead;
    calls = 0;
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "opener", open_soon, &bulkhead), 0);
        CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN);
    }
    CHECK_EQ(report.reason, WEIR_CALL_BREAKER);
    CHECK_EQ(report.queued_ns, 20 * MS);
    CHECK_EQ(calls, 0);
    CHECK_EQ(weir_bulkhead_view(&bulkhead).running, 0);
    return 0;
}

static void a_breaker_that_opened_while_we_queued_is_heeded(void)
{
    run_virtual(renewed_run, NULL);
}

/* ---- blame ---- */

static int sleepy(void *arg)
{
    int r = weir_sleep(*(int64_t *)arg);

    calls++;
    return r;
}

struct caller {
    const struct weir_policy *policy;
    int64_t takes_ns;
    int result;
    struct weir_call_report report;
};

static void call_sleepy(void *arg)
{
    struct caller *c = arg;

    c->result = weir_call(c->policy, sleepy, &c->takes_ns, &c->report);
}

static int cancelled_run(void *arg)
{
    struct weir_policy p = plain();
    struct caller c = {.policy = &p, .takes_ns = NS_PER_SEC};
    static const int64_t hedge_ns[] = {0, 5 * MS};

    for (int i = 0; i < 2; i++) {
        new_breaker(NULL);
        p.breaker = &breaker;
        p.attempts = 3;
        p.hedge_ns = hedge_ns[i];
        WEIR_SCOPE (s) {
            CHECK_EQ(weir_scope_go(s, "caller", call_sleepy, &c), 0);
            weir_sleep(10 * MS);
            weir_scope_cancel(s);
        }
        CHECK_EQ(c.result, -ECANCELED);
        CHECK_EQ(c.report.reason, WEIR_CALL_CANCELLED);
        CHECK_EQ(c.report.took_ns, 10 * MS);
        CHECK_EQ(c.report.attempts, 1 + i);
        CHECK_EQ(seen().calls, 0); /* ignored */
    }
    return 0;
}

static void a_cancelled_caller_blames_nobody(void)
{
    run_virtual(cancelled_run, NULL);
}

static void leave_soon(void *arg)
{
    weir_sleep(30 * MS);
    weir_bulkhead_leave(arg);
}

static int blame_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_bulkhead bulkhead;
    struct weir_call_report report;
    int64_t long_ns = NS_PER_SEC;

    new_breaker(NULL);
    new_bulkhead(&bulkhead, 1, 1, NS_PER_SEC);
    p.breaker = &breaker;
    p.bulkhead = &bulkhead;
    p.timeout_ns = 50 * MS;
    CHECK_EQ(weir_call(&p, sleepy, &long_ns, &report), -ETIMEDOUT);
    CHECK_EQ(report.reason, WEIR_CALL_DEADLINE);
    CHECK_EQ(seen().failures, 1);

    CHECK(weir_bulkhead_try_enter(&bulkhead));
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "leaver", leave_soon, &bulkhead), 0);
        CHECK_EQ(weir_call(&p, sleepy, &long_ns, &report), -ETIMEDOUT);
    }
    CHECK_EQ(report.took_ns, 50 * MS);
    CHECK_EQ(report.queued_ns, 30 * MS);
    CHECK_EQ(seen().failures, 1); /* 30 of its 50 ms were ours */

    CHECK(weir_bulkhead_try_enter(&bulkhead));
    CHECK_EQ(weir_call(&p, sleepy, &long_ns, &report), -ETIMEDOUT);
    CHECK_EQ(report.reason, WEIR_CALL_BULKHEAD);
    CHECK_EQ(report.bulkhead, WEIR_BULKHEAD_DEADLINE);
    CHECK_EQ(report.attempts, 0);
    return 0;
}

static void time_lost_in_our_queue_is_not_the_callees_fault(void)
{
    run_virtual(blame_run, NULL);
}

/* ---- retries ---- */

static int64_t asks_for_a_minute(int result, void *arg)
{
    return 60 * NS_PER_SEC;
}

static int retry_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;
    struct weir_budget budget;
    int refused = -ECONNREFUSED;

    p.attempts = 3;
    p.backoff.base_ns = 100 * MS;
    p.retry_after_ns = asks_for_a_minute;
    CHECK_EQ(weir_call(&p, answer, &refused, &report), -ECONNREFUSED);
    CHECK_EQ(report.took_ns, 60 * NS_PER_SEC); /* two waits, cut to 30 s each */
    p.retry_after_max_ns = 150 * MS;
    CHECK_EQ(weir_call(&p, answer, &refused, &report), -ECONNREFUSED);
    CHECK_EQ(report.took_ns, 350 * MS); /* the longer of 100 and 150, of 200 and 150 */

    weir_budget_init(&budget, 20, 0);
    p.budget = &budget;
    CHECK_EQ(weir_call(&p, answer, &refused, &report), -ECONNREFUSED);
    CHECK_EQ(report.reason, WEIR_CALL_BUDGET);
    CHECK_EQ(report.attempts, 1);
    CHECK_EQ(report.took_ns, 0);
    CHECK_EQ(budget.word_, 0);
    return 0;
}

static void what_is_asked_for_is_waited_for_within_bounds(void)
{
    run_virtual(retry_run, NULL);
}

static int pacer_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_pacer pacer;
    struct weir_call_report report;
    int64_t began = weir_now();
    int five = 5;

    CHECK_EQ(weir_pacer_init(&pacer, 20 * MS, 1), 0);
    p.pacer = &pacer;
    p.timeout_ns = 15 * MS;
    CHECK_EQ(weir_call(&p, answer, &five, &report), 5);
    CHECK_EQ(weir_call(&p, answer, &five, &report), -EAGAIN); /* its turn is after its deadline */
    CHECK_EQ(report.reason, WEIR_CALL_PACER);
    p.timeout_ns = 0;
    CHECK_EQ(weir_call(&p, answer, &five, &report), 5);
    CHECK_EQ(weir_now() - began, 20 * MS);
    CHECK_EQ(report.queued_ns, 20 * MS);
    return 0;
}

static void a_pacer_makes_calls_wait_for_their_turn(void)
{
    run_virtual(pacer_run, NULL);
}

/* ---- hedging ---- */

struct query {
    int64_t *takes_ns; /* of the first, the second, ... */
    int *begun;
    int answer;
};

static int ask(void *arg)
{
    struct query *q = arg;
    int number = (*q->begun)++;
    int r = weir_sleep(q->takes_ns[number] > 0 ? q->takes_ns[number] : -q->takes_ns[number]);

    if (r == 0)
        q->answer = 100 + number;
    return r < 0 ? r : q->takes_ns[number] > 0 ? number : -EIO;
}

static struct weir_call_attempt tries[8];
static int tried;

static void note_try(const struct weir_call_attempt *a, void *arg)
{
    tries[tried++] = *a;
}

static struct weir_call_report hedged(const struct weir_policy *p, int64_t first_ns,
                                      int64_t second_ns, int expected)
{
    int64_t takes_ns[] = {first_ns, second_ns, 0};
    int begun = 0;
    struct query q = {.takes_ns = takes_ns, .begun = &begun};
    struct weir_call_report report;

    tried = 0;
    CHECK_EQ(weir_call(p, ask, &q, &report), expected);
    if (expected >= 0)
        CHECK_EQ(q.answer, 100 + expected);
    CHECK_EQ(report.attempts, begun);
    CHECK_EQ(tried, begun);
    return report;
}

static int hedge_run_test(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;
    struct weir_budget budget;

    new_breaker(NULL);
    weir_budget_init(&budget, 0, 1);
    p.breaker = &breaker;
    p.budget = &budget;
    p.hedge_ns = 50 * MS;
    p.arg_bytes = sizeof(struct query);
    p.on_attempt = note_try;

    report = hedged(&p, 40 * MS, 0, 0); /* fast enough: no second one */
    CHECK_EQ(report.hedges, 0);
    CHECK_EQ(report.took_ns, 40 * MS);

    report = hedged(&p, 500 * MS, 20 * MS, 1); /* the second wins at 70 ms */
    CHECK_EQ(report.took_ns, 70 * MS);
    CHECK_EQ(report.hedges, 1);
    CHECK_EQ(report.winner, 2);
    CHECK_EQ(tries[1].number, 1);
    CHECK_EQ(tries[1].outcome, WEIR_OUTCOME_IGNORED); /* the loser */
    CHECK_EQ(seen().calls, 2);                        /* the winners of both calls */

    report = hedged(&p, 70 * MS, 500 * MS, 0); /* the first after all */
    CHECK_EQ(report.took_ns, 70 * MS);
    CHECK_EQ(report.winner, 1);

    report = hedged(&p, 500 * MS, -10 * MS, 0); /* a failure does not win */
    CHECK_EQ(report.took_ns, 500 * MS);
    CHECK_EQ(seen().failures, 1);

    CHECK(weir_budget_take(&budget)); /* no budget, no hedge */
    report = hedged(&p, 300 * MS, 10 * MS, 0);
    CHECK_EQ(report.took_ns, 300 * MS);
    weir_budget_give(&budget);
    CHECK_EQ(budget.word_, 0);

    p.timeout_ns = 200 * MS;
    report = hedged(&p, 500 * MS, 500 * MS, -ETIMEDOUT);
    CHECK_EQ(report.reason, WEIR_CALL_DEADLINE);
    CHECK_EQ(report.took_ns, 200 * MS);
    CHECK_EQ(seen().failures, 3); /* both had the time and did not answer */
    return 0;
}

static void the_first_success_of_two_wins_and_the_loser_is_ignored(void)
{
    run_virtual(hedge_run_test, NULL);
}

/* Answers, if late, whatever it is told. */
static int stubborn(void *arg)
{
    (void)weir_sleep(calls++ == 0 ? 500 * MS : 20 * MS);
    return 0;
}

static int stubborn_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;

    new_breaker(NULL);
    calls = tried = 0;
    p.breaker = &breaker;
    p.hedge_ns = 50 * MS;
    p.on_attempt = note_try;
    CHECK_EQ(weir_call(&p, stubborn, NULL, &report), 0);
    CHECK_EQ(report.winner, 2);
    CHECK_EQ(tries[1].outcome, WEIR_OUTCOME_IGNORED);
    CHECK_EQ(seen().calls, 1);
    return 0;
}

static void a_loser_that_answers_all_the_same_is_ignored(void)
{
    run_virtual(stubborn_run, NULL);
}

static int percentile_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_latency latency = {0};
    struct weir_call_report report;

    p.latency = &latency;
    p.hedge_percentile = 90;
    p.arg_bytes = sizeof(struct query);
    p.on_attempt = note_try;
    report = hedged(&p, 700 * MS, 10 * MS, 0); /* nothing is known yet */
    CHECK_EQ(report.hedges, 0);
    for (int i = 0; i < 200; i++)
        weir_latency_add(&latency, 30 * MS);
    report = hedged(&p, 700 * MS, 10 * MS, 1);
    CHECK_EQ(report.took_ns, 40 * MS);
    return 0;
}

static void a_hedge_can_follow_what_calls_usually_take(void)
{
    run_virtual(percentile_run, NULL);
}

/* ---- deadlines of the caller ---- */

static int inherited_run(void *arg)
{
    struct weir_policy p = plain();
    struct weir_call_report report;
    int64_t long_ns = NS_PER_SEC;
    int five = 5;

    p.timeout_ns = 500 * MS;
    p.attempts = 3;
    WEIR_DEADLINE (weir_now() + 100 * MS) {
        CHECK_EQ(weir_call(&p, sleepy, &long_ns, &report), -ETIMEDOUT);
        CHECK_EQ(report.took_ns, 100 * MS);
        CHECK_EQ(report.attempts, 1);
        calls = 0;
        CHECK_EQ(weir_call(&p, answer, &five, &report), -ETIMEDOUT); /* it is over already */
        CHECK_EQ(report.reason, WEIR_CALL_DEADLINE);
        CHECK_EQ(calls, 0);
    }
    return 0;
}

static void the_callers_own_deadline_holds_inside(void)
{
    run_virtual(inherited_run, NULL);
}

/* ---- many at once, on several threads ---- */

enum { CROWD = 8, ROUNDS = 300 / SLOWER + 2 };

static struct {
    struct weir_bulkhead bulkhead;
    struct weir_adaptive adaptive;
    struct weir_budget budget;
    atomic_int begun, ended, answered;
} crowd;

static int short_sleep(void *arg)
{
    int *number = arg;
    int n = atomic_fetch_add(&crowd.begun, 1);
    int r = weir_sleep((n % 7) * 30 * NS_PER_US);

    atomic_fetch_add(&crowd.ended, 1);
    *number = n;
    return r < 0 ? r : n % 11 == 0 ? -EIO : 0;
}

static void hedge_often(void *arg)
{
    struct weir_policy p = plain();

    p.breaker = &breaker;
    p.bulkhead = &crowd.bulkhead;
    p.adaptive = &crowd.adaptive;
    p.budget = &crowd.budget;
    p.hedge_ns = 60 * NS_PER_US;
    p.arg_bytes = sizeof(int);
    for (int i = 0; i < ROUNDS; i++) {
        int number = -1;
        struct weir_call_report report;
        int r = weir_call(&p, short_sleep, &number, &report);

        CHECK(r == 0 || r == -EIO || r == -EAGAIN);
        CHECK(r < 0 || (report.winner > 0 && number >= 0 && number % 11 != 0));
        atomic_fetch_add(&crowd.answered, r == 0);
    }
}

static int crowd_run(void *arg)
{
    struct weir_breaker_options o = weir_breaker_defaults();
    struct weir_adaptive_options limits = weir_adaptive_defaults();

    o.consecutive_failures = 0;
    o.failure_percent = 0;
    new_breaker(&o);
    crowd.begun = crowd.ended = crowd.answered = 0;
    new_bulkhead(&crowd.bulkhead, 6, 16, 10 * NS_PER_SEC);
    CHECK_EQ(weir_adaptive_init(&crowd.adaptive, &limits, weir_now()), 0);
    weir_budget_init(&crowd.budget, 50, 2);
    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(weir_scope_go(s, "caller", hedge_often, NULL), 0);
    }
    CHECK_EQ(crowd.begun, crowd.ended);
    CHECK(crowd.answered > 0);
    CHECK_EQ(weir_bulkhead_view(&crowd.bulkhead).running, 0);
    CHECK_EQ(weir_adaptive_running(&crowd.adaptive), 0);
    CHECK_EQ(crowd.budget.word_, 0);
    return 0;
}

static void hedges_on_many_threads_lose_nothing(void)
{
    run_on_all(crowd_run, NULL);
}

static const struct test tests[] = {
    TEST(hedges_on_many_threads_lose_nothing),
    TEST_REAL(without_policies_it_is_a_call, OWN_WORLD),
    TEST_REAL(each_guard_refuses_in_its_own_name, OWN_WORLD),
    TEST_REAL(a_later_refusal_gives_the_probe_back_and_counts_nothing, OWN_WORLD),
    TEST_REAL(a_breaker_that_opened_while_we_queued_is_heeded, OWN_WORLD),
    TEST_REAL(a_cancelled_caller_blames_nobody, OWN_WORLD),
    TEST_REAL(time_lost_in_our_queue_is_not_the_callees_fault, OWN_WORLD),
    TEST_REAL(what_is_asked_for_is_waited_for_within_bounds, OWN_WORLD),
    TEST_REAL(a_pacer_makes_calls_wait_for_their_turn, OWN_WORLD),
    TEST_REAL(the_first_success_of_two_wins_and_the_loser_is_ignored, OWN_WORLD),
    TEST_REAL(a_loser_that_answers_all_the_same_is_ignored, OWN_WORLD),
    TEST_REAL(a_hedge_can_follow_what_calls_usually_take, OWN_WORLD),
    TEST_REAL(the_callers_own_deadline_holds_inside, OWN_WORLD),
};

RUN_TESTS(tests)
