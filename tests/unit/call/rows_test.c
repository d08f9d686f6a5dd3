/* The rows S1 to S17 of the numbers in docs/policies.md, composed: in virtual time,
 * to the nanosecond.
 *
 * Here: S1 to S8 and S15 to S17. Of one policy alone, in tests/unit/policy: S9 to S12 in
 * test_breaker.c (opens on the fifth failure in a row, open for 30 s, one probe per lease of 10 s,
 * verdicts), S13 and S14 in test_limiter.c (ten at once and one each 100 ms; turns never closer
 * than the interval). */
#include <weir/call.h>
#include <weir/panic.h>
#include <weir/scope.h>

#include "base/base.h"
#include "unit/call/virtual.h"

#define MS NS_PER_MS

/* ---- what is called ---- */

enum { CALLS_MAX = 16 };

/* A callee that follows a script: results, and how long each takes. */
struct callee {
    int results[CALLS_MAX];
    int64_t takes_ns[CALLS_MAX];
    int calls;
    int64_t at_ns[CALLS_MAX], began_ns;
};

static int follow(void *arg)
{
    struct callee *c = arg;
    int i = c->calls++;
    int r;

    CHECK(i < CALLS_MAX);
    c->at_ns[i] = weir_now() - c->began_ns;
    r = c->takes_ns[i] > 0 ? weir_sleep(c->takes_ns[i]) : 0;
    return r < 0 ? r : c->results[i];
}

static struct callee always(int result, int64_t takes_ns)
{
    struct callee c = {.began_ns = weir_now()};

    for (int i = 0; i < CALLS_MAX; i++) {
        c.results[i] = result;
        c.takes_ns[i] = takes_ns;
    }
    return c;
}

/* The numbers of the rows: 3 s, 900 ms, three attempts, 100 ms doubling, no jitter. */
static struct weir_policy policy_of_the_rows(void)
{
    return (struct weir_policy){
        .size = sizeof(struct weir_policy),
        .name = "rows",
        .timeout_ns = 3000 * MS,
        .try_timeout_ns = 900 * MS,
        .attempts = 3,
        .backoff = {.base_ns = 100 * MS},
    };
}

static struct weir_breaker breaker; /* large */

static void new_breaker(uint32_t consecutive_failures)
{
    struct weir_breaker_options o = weir_breaker_defaults();

    o.consecutive_failures = consecutive_failures;
    o.failure_percent = 0;
    CHECK_EQ(weir_breaker_init(&breaker, &o, weir_now()), 0);
}

static void note_calls(int ok, int failed)
{
    struct weir_breaker_token token;

    for (int i = 0; i < ok + failed; i++) {
        CHECK_EQ(weir_breaker_acquire(&breaker, weir_now(), &token, NULL), 0);
        (void)weir_breaker_report(&breaker, &token, i < ok ? WEIR_OUTCOME_OK : WEIR_OUTCOME_FAILED,
                                  weir_now());
    }
}

static enum weir_breaker_state breaker_state(void)
{
    return weir_breaker_view(&breaker, weir_now()).state;
}

/* ---- S1, S2 ---- */

struct peer {
    int connects, sent;
    int64_t byte_each_ns; /* 0: silent */
};

static int ask_peer(void *arg)
{
    struct peer *p = arg;
    int r = 0;

    WEIR_DEADLINE (weir_now() + 100 * MS) { /* connect */
        r = p->connects++ == 0 && p->byte_each_ns < 0 ? weir_sleep(NS_PER_SEC) : 0;
    }
    if (r < 0)
        return r;
    p->sent++;
    for (int bytes = 0; r == 0 && bytes < 100; bytes++) {
        if (p->byte_each_ns < 0)
            return 7;
        WEIR_DEADLINE (weir_now() + 800 * MS) { /* silence between two bytes */
            r = weir_sleep(p->byte_each_ns > 0 ? p->byte_each_ns : 100 * NS_PER_SEC);
        }
    }
    return r;
}

static int s1_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct peer peer = {.byte_each_ns = -1};
    struct weir_call_report report;
    int64_t began = weir_now();

    CHECK_EQ(weir_call(&policy, ask_peer, &peer, &report), 7);
    CHECK_EQ(weir_now() - began, 200 * MS); /* 100 to find out, 100 to wait */
    CHECK_EQ(report.attempts, 2);
    CHECK_EQ(peer.sent, 1); /* the first was never sent */
    return 0;
}

static void s1_connect_of_100_ms_is_retried_and_was_not_sent(void)
{
    run_virtual(s1_run, NULL);
}

static int s2_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_call_report report;
    struct peer silent = {0}, drips = {.byte_each_ns = 700 * MS};

    policy.attempts = 1;
    CHECK_EQ(weir_call(&policy, ask_peer, &silent, &report), -ETIMEDOUT);
    CHECK_EQ(report.took_ns, 800 * MS);
    CHECK_EQ(weir_call(&policy, ask_peer, &drips, &report), -ETIMEDOUT);
    CHECK_EQ(report.took_ns, 900 * MS); /* no read is silent for 800 ms, but the try is over */
    CHECK_EQ(report.reason, WEIR_CALL_FAILED);
    return 0;
}

static void s2_silence_of_800_ms_and_a_try_of_900_ms(void)
{
    run_virtual(s2_run, NULL);
}

/* ---- S3, S4, S5 ---- */

static int s3_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct callee c = always(-ETIMEDOUT, 0);
    struct weir_call_report report;

    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.calls, 3);
    CHECK_EQ(c.at_ns[1], 100 * MS);
    CHECK_EQ(c.at_ns[2], 300 * MS);
    CHECK_EQ(report.took_ns, 300 * MS); /* no wait follows the third */
    CHECK_EQ(report.backoff_ns, 300 * MS);
    CHECK_EQ(report.attempts, 3);
    CHECK_EQ(report.reason, WEIR_CALL_ATTEMPTS);
    CHECK_EQ(weir_backoff_ns(&policy.backoff, NULL, 3, 0), 400 * MS);

    c = always(-EIO, 0); /* neither timeout nor connect: not retried */
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -EIO);
    CHECK_EQ(c.calls, 1);
    CHECK_EQ(report.reason, WEIR_CALL_FAILED);
    return 0;
}

static void s3_three_sends_two_waits_100_then_200(void)
{
    run_virtual(s3_run, NULL);
}

static int s4_run(void *arg)
{
    static const uint32_t jitters[] = {WEIR_JITTER_NONE, WEIR_JITTER_EQUAL, WEIR_JITTER_FULL};
    struct weir_policy policy = policy_of_the_rows();
    int64_t first[3] = {0};

    policy.attempts = 4;
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 50; i++) {
            struct callee c = always(-ETIMEDOUT, 0);

            policy.backoff.jitter_percent = jitters[j];
            CHECK_EQ(weir_call(&policy, follow, &c, NULL), -ETIMEDOUT);
            for (int n = 1, wait = 100; n <= 3; n++, wait *= 2) {
                int64_t waited = c.at_ns[n] - c.at_ns[n - 1];

                CHECK(waited <= wait * MS);
                CHECK(waited * 100 >= wait * MS * (100 - (int)jitters[j]));
            }
            first[j] += c.at_ns[1];
        }
    }
    CHECK_EQ(first[0], 50 * 100 * MS);
    CHECK(first[1] < 45 * 100 * MS && first[2] < 40 * 100 * MS); /* 75 and 50 ms on average */
    return 0;
}

static void s4_no_jitter_is_exact_and_jitter_only_shortens(void)
{
    run_virtual(s4_run, NULL);
}

static int s5_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_call_report report;
    struct callee c = always(0, 10 * NS_PER_SEC);

    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.at_ns[1], 1000 * MS);
    CHECK_EQ(c.at_ns[2], 2100 * MS);
    CHECK_EQ(report.took_ns, 3000 * MS); /* 3 * 900 + 100 + 200 */

    /* After the second failure at 1,900: 200 to wait and 100 to connect. */
    policy.reserve_ns = 100 * MS;
    policy.timeout_ns = 2199 * MS;
    c = always(0, 10 * NS_PER_SEC);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(report.took_ns, 1900 * MS);
    CHECK_EQ(report.reason, WEIR_CALL_DEADLINE);
    CHECK_EQ(c.calls, 2);
    policy.timeout_ns = 2200 * MS;
    c = always(0, 10 * NS_PER_SEC);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.at_ns[2], 2100 * MS);
    CHECK_EQ(report.took_ns, 2200 * MS);
    return 0;
}

static void s5_three_seconds_in_all_and_no_wait_that_ends_too_late(void)
{
    run_virtual(s5_run, NULL);
}

/* ---- S6, S7, S8 ---- */

/* Failed calls of others while this one waits. */
static int fail_among_others(void *arg)
{
    struct callee *c = arg;

    if (c->calls == 1)
        note_calls(0, 13);
    return follow(c);
}

static int s6_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_call_report report;
    struct callee c = always(-ETIMEDOUT, 0);

    policy.breaker = &breaker;
    new_breaker(0);
    note_calls(2, 2);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.calls, 1); /* 3 of 5 are above 50 % */
    CHECK_EQ(report.reason, WEIR_CALL_BREAKER);
    CHECK_EQ(report.retry_after_ns, 30 * NS_PER_SEC);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_OPEN);

    new_breaker(0);
    note_calls(5, 4); /* 5 of 10 are not above; with 13 more and this, 19 of 24 are above 70 % */
    c = always(-ETIMEDOUT, 0);
    CHECK_EQ(weir_call(&policy, fail_among_others, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.calls, 2);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_OPEN);

    new_breaker(0);
    note_calls(97, 0);
    c = always(-ETIMEDOUT, 0);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.calls, 3); /* 3 of 100, and yet */
    CHECK_EQ(breaker_state(), WEIR_BREAKER_OPEN);

    new_breaker(0);
    c = always(-ETIMEDOUT, 0);
    c.results[2] = 0; /* fewer than five calls: shares mean nothing yet */
    CHECK_EQ(weir_call(&policy, follow, &c, &report), 0);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_CLOSED);
    return 0;
}

static void s6_the_ladder_50_then_70_then_always(void)
{
    run_virtual(s6_run, NULL);
}

static enum weir_breaker_reason last_reason;

static void note_event(void *arg, const struct weir_breaker_event *event)
{
    last_reason = event->reason;
}

static int s7_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_breaker_options o = weir_breaker_defaults();
    struct weir_call_report report;
    struct callee c = always(-ETIMEDOUT, 0);
    int64_t opened;

    o.on_event = note_event;
    CHECK_EQ(weir_breaker_init(&breaker, &o, weir_now()), 0);
    policy.breaker = &breaker;
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -ETIMEDOUT);
    CHECK_EQ(c.calls, 3);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_OPEN); /* not FORCED_OPEN: time ends it */
    CHECK_EQ(last_reason, WEIR_BREAKER_RETRY_EXHAUSTED);
    opened = weir_now();

    c = always(9, 0);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), -EAGAIN);
    CHECK_EQ(report.reason, WEIR_CALL_BREAKER);
    CHECK_EQ(report.attempts, 0);
    CHECK_EQ(weir_sleep(opened + 30 * NS_PER_SEC - weir_now()), 0);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), 9);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_CLOSED);
    return 0;
}

static void s7_forced_open_is_for_30_seconds(void)
{
    run_virtual(s7_run, NULL);
}

static struct weir_breaker endpoints[3];
static int next_endpoint;

static int ask_one_endpoint(void *arg)
{
    struct weir_policy policy = {.size = sizeof(policy), .attempts = 1};

    policy.breaker = &endpoints[next_endpoint++ % 3];
    return weir_call(&policy, follow, arg, NULL);
}

static int s8_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_breaker_options o = weir_breaker_defaults();
    struct callee c = always(-ETIMEDOUT, 0);

    for (int i = 0; i < 3; i++)
        CHECK_EQ(weir_breaker_init(&endpoints[i], &o, weir_now()), 0);
    CHECK_EQ(weir_call(&policy, ask_one_endpoint, &c, NULL), -ETIMEDOUT);
    CHECK_EQ(c.calls, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(weir_breaker_view(&endpoints[i], weir_now()).state, WEIR_BREAKER_CLOSED);
        CHECK_EQ(weir_breaker_view(&endpoints[i], weir_now()).failures, 1);
    }
    return 0;
}

static void s8_three_failures_at_three_endpoints_open_none(void)
{
    run_virtual(s8_run, NULL);
}

/* ---- S15, S16, S17 ---- */

static int from_cache(void *arg, const struct weir_call_report *report)
{
    CHECK(report->reason == WEIR_CALL_ATTEMPTS || report->reason == WEIR_CALL_DEADLINE ||
          report->reason == WEIR_CALL_BREAKER);
    return 42;
}

static int s15_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_call_report report;
    struct callee c = always(-ETIMEDOUT, 0);

    policy.fallback = from_cache;
    CHECK_EQ(weir_call(&policy, follow, &c, &report), 42);
    CHECK(report.fell_back && !report.emptied);
    CHECK_EQ(report.result, -ETIMEDOUT);

    policy.timeout_ns = 500 * MS; /* the first try uses it up: fails fast, no retry */
    c = always(0, 10 * NS_PER_SEC);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), 42);
    CHECK_EQ(c.calls, 1);
    CHECK_EQ(report.took_ns, 500 * MS);
    CHECK_EQ(report.reason, WEIR_CALL_DEADLINE);

    policy.fallback = NULL;
    policy.optional = true;
    c = always(-EIO, 0);
    CHECK_EQ(weir_call(&policy, follow, &c, &report), 0);
    CHECK(report.emptied && !report.fell_back);
    CHECK_EQ(report.result, -EIO);
    return 0;
}

static void s15_fallback_empty_value_and_no_retry_after_the_deadline(void)
{
    run_virtual(s15_run, NULL);
}

static int ended_calls;

static void note_call(const struct weir_policy *p, const struct weir_call_report *r, void *arg)
{
    ended_calls++;
    *(struct weir_call_report *)arg = *r;
}

static int break_down(void *arg)
{
    weir_panic(-EILSEQ, "no such thing as %d", *(int *)arg);
}

struct guarded {
    struct weir_policy policy;
    struct weir_bulkhead bulkhead;
    struct weir_adaptive adaptive;
    struct weir_budget budget;
    struct weir_call_report report;
};

static void call_and_break_down(void *arg)
{
    struct guarded *g = arg;
    int number = 7;

    (void)weir_call(&g->policy, break_down, &number, NULL);
    CHECK(false);
}

static int s16_run(void *arg)
{
    struct guarded g = {.policy = policy_of_the_rows()};
    struct weir_adaptive_options limits = weir_adaptive_defaults();
    struct weir_panic_info info;

    new_breaker(5);
    CHECK_EQ(
        weir_bulkhead_init(&g.bulkhead,
                           &(struct weir_bulkhead_options){
                               .size = sizeof(struct weir_bulkhead_options), .running_max = 1}),
        0);
    CHECK_EQ(weir_adaptive_init(&g.adaptive, &limits, weir_now()), 0);
    weir_budget_init(&g.budget, 20, 3);
    g.policy.breaker = &breaker;
    g.policy.bulkhead = &g.bulkhead;
    g.policy.adaptive = &g.adaptive;
    g.policy.budget = &g.budget;
    g.policy.fallback = from_cache; /* is not asked */
    g.policy.on_call = note_call;
    g.policy.event_arg = &g.report;
    for (int i = 1; i <= 3; i++) {
        g.policy.hedge_ns = i == 3 ? 50 * MS : 0; /* on a coroutine of its own */
        CHECK_EQ(weir_try(call_and_break_down, &g, &info), -EILSEQ);
        CHECK(strcmp(info.message, "no such thing as 7") == 0);
        CHECK_EQ(weir_breaker_view(&breaker, weir_now()).failures, i); /* once each, no retry */
        CHECK_EQ(weir_bulkhead_view(&g.bulkhead).running, 0);
        CHECK_EQ(weir_adaptive_running(&g.adaptive), 0);
        CHECK_EQ(g.budget.word_, 0);
        CHECK_EQ(g.report.reason, WEIR_CALL_PANIC);
        CHECK_EQ(ended_calls, i);
    }
    return 0;
}

static void s16_a_panic_is_one_failure_holds_nothing_and_goes_on(void)
{
    run_virtual(s16_run, NULL);
}

static struct weir_call_attempt tries[8];
static int tried;

static void note_try(const struct weir_call_attempt *a, void *arg)
{
    tries[tried++] = *a;
}

static int s17_run(void *arg)
{
    struct weir_policy policy = policy_of_the_rows();
    struct weir_call_report report;
    struct callee c = always(-ETIMEDOUT, 10 * MS);

    new_breaker(0);
    policy.breaker = &breaker;
    policy.on_attempt = note_try;
    policy.on_call = note_call;
    policy.event_arg = &report;
    ended_calls = 0;
    CHECK_EQ(weir_call(&policy, follow, &c, NULL), -ETIMEDOUT);
    CHECK_EQ(tried, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(tries[i].number, i + 1);
        CHECK_EQ(tries[i].outcome, WEIR_OUTCOME_FAILED);
        CHECK_EQ(tries[i].took_ns, 10 * MS);
    }
    CHECK_EQ(ended_calls, 1); /* the call, once: failed for good */
    CHECK_EQ(report.attempts, 3);
    CHECK_EQ(report.reason, WEIR_CALL_ATTEMPTS);
    CHECK(strcmp(weir_call_reason_text(report.reason), "attempts") == 0);
    CHECK_EQ(breaker_state(), WEIR_BREAKER_OPEN); /* marked failed */
    return 0;
}

static void s17_an_event_for_each_try_and_one_for_the_call(void)
{
    run_virtual(s17_run, NULL);
}

static const struct test tests[] = {
    TEST_REAL(s1_connect_of_100_ms_is_retried_and_was_not_sent, OWN_WORLD),
    TEST_REAL(s2_silence_of_800_ms_and_a_try_of_900_ms, OWN_WORLD),
    TEST_REAL(s3_three_sends_two_waits_100_then_200, OWN_WORLD),
    TEST_REAL(s4_no_jitter_is_exact_and_jitter_only_shortens, OWN_WORLD),
    TEST_REAL(s5_three_seconds_in_all_and_no_wait_that_ends_too_late, OWN_WORLD),
    TEST_REAL(s6_the_ladder_50_then_70_then_always, OWN_WORLD),
    TEST_REAL(s7_forced_open_is_for_30_seconds, OWN_WORLD),
    TEST_REAL(s8_three_failures_at_three_endpoints_open_none, OWN_WORLD),
    TEST_REAL(s15_fallback_empty_value_and_no_retry_after_the_deadline, OWN_WORLD),
    TEST_REAL(s16_a_panic_is_one_failure_holds_nothing_and_goes_on, OWN_WORLD),
    TEST_REAL(s17_an_event_for_each_try_and_one_for_the_call, OWN_WORLD),
};

RUN_TESTS(tests)
