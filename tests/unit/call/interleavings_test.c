/* What must hold in every order of events: run under thousands of seeds (--seeds FIRST COUNT), with
 * a clock that stands still and jumps, permits that are lost, callers that are cancelled, and
 * callees that fail and panic.
 *
 * Two tests: the policies alone, with every permit in the test's own books; and whole calls, which
 * keep books themselves (a ledger, asserted at the end of every call). */
#include <errno.h>

#include <weir/call.h>
#include <weir/panic.h>
#include <weir/scope.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "unit/call/virtual.h"

#define MS NS_PER_MS

static uint32_t chance(uint32_t n)
{
    return (uint32_t)(runtime_random() % n);
}

/* ---- the policies alone ---- */

enum { USERS = 6, ROUNDS = 14, PROBES = 2, BURST = 4, GENERATIONS = 512, GRANTS = USERS * ROUNDS };

#define LEASE_NS    (50 * MS)
#define OPEN_NS     (20 * MS)
#define RATE_NS     (3 * MS) /* one event each */
#define INTERVAL_NS (2 * MS)

/* A clock that its owner bends; who has read it may act on what it read much later. */
struct bent_clock {
    int64_t ahead_ns, stopped_at_ns;
    bool stopped;
};

struct world_of_policies {
    struct bent_clock clock;
    struct weir_breaker breaker; /* large */
    struct weir_bucket bucket;
    struct weir_pacer pacer;
    int probes_out[GENERATIONS];
    int64_t admitted_ns[GRANTS], turns_ns[GRANTS];
    int admitted, turns;
    int users_left;
};

static int64_t bent_now(const struct bent_clock *c)
{
    return c->stopped ? c->stopped_at_ns : weir_now() + c->ahead_ns;
}

/* Forward only: what stood still goes on from where it would be, or later. */
static void bend(void *arg)
{
    struct world_of_policies *w = arg;
    static const int64_t jumps_ns[] = {1, MS, OPEN_NS, LEASE_NS, 3 * LEASE_NS, 10 * NS_PER_SEC};

    while (w->users_left > 0) {
        if (chance(2) == 0)
            w->clock.ahead_ns += jumps_ns[chance(ARRAY_LEN(jumps_ns))];
        w->clock.stopped_at_ns = bent_now(&w->clock);
        w->clock.stopped = chance(3) == 0;
        (void)weir_sleep((int64_t)chance(5000) * NS_PER_US);
    }
}

static void use_breaker(struct world_of_policies *w)
{
    int64_t now_ns = bent_now(&w->clock);
    struct weir_breaker_view before;
    struct weir_breaker_token token;
    int *probes_out = NULL;
    int r;

    weir_explore_point("now known", w);
    before = weir_breaker_view(&w->breaker, now_ns);
    r = weir_breaker_acquire(&w->breaker, now_ns, &token, NULL);
    /* Neither an opening nor a half-open state lasts longer than it says. */
    CHECK(before.state != WEIR_BREAKER_OPEN || before.until_ns > now_ns || r == 0);
    CHECK(before.state != WEIR_BREAKER_HALF_OPEN || before.until_ns > now_ns || r == 0);
    if (r < 0)
        return;
    if (weir_breaker_view(&w->breaker, now_ns).state == WEIR_BREAKER_HALF_OPEN) {
        probes_out = &w->probes_out[token.generation_ % GENERATIONS];
        CHECK(++*probes_out <= PROBES);
    }
    (void)weir_sleep((int64_t)chance(3) * chance(30) * MS);
    if (chance(8) == 0)
        return; /* lost: the lease has to see to it */
    r = (int)chance(4);
    if (r == 0 && probes_out != NULL)
        --*probes_out;
    (void)weir_breaker_report(&w->breaker, &token,
                              r == 0   ? WEIR_OUTCOME_IGNORED
                              : r == 1 ? WEIR_OUTCOME_OK
                                       : WEIR_OUTCOME_FAILED,
                              bent_now(&w->clock));
}

static void use_limiters(struct world_of_policies *w)
{
    int64_t now_ns = bent_now(&w->clock), at_ns;

    weir_explore_point("now known", w);
    if (weir_bucket_take(&w->bucket, 1, now_ns, NULL) == 0)
        w->admitted_ns[w->admitted++] = now_ns;
    weir_explore_point("between", w);
    if (weir_pacer_turn(&w->pacer, now_ns, INT64_MAX, &at_ns) == 0) {
        CHECK(at_ns >= now_ns);
        w->turns_ns[w->turns++] = at_ns;
    }
}

static void use(void *arg)
{
    struct world_of_policies *w = arg;

    for (int i = 0; i < ROUNDS; i++) {
        use_breaker(w);
        use_limiters(w);
    }
    w->users_left--;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void check_grants(struct world_of_policies *w)
{
    qsort(w->admitted_ns, (size_t)w->admitted, sizeof(int64_t), by_time);
    for (int i = 0; i < w->admitted; i++)
        for (int j = i; j < w->admitted; j++)
            CHECK(j - i + 1 <= BURST + (w->admitted_ns[j] - w->admitted_ns[i]) / RATE_NS);
    qsort(w->turns_ns, (size_t)w->turns, sizeof(int64_t), by_time);
    for (int i = 1; i < w->turns; i++)
        CHECK(w->turns_ns[i] - w->turns_ns[i - 1] >= INTERVAL_NS);
}

static struct world_of_policies the_world;

static int use_policies(void *arg)
{
    struct world_of_policies *w = &the_world;
    struct weir_breaker_options o = weir_breaker_defaults();
    struct weir_breaker_token token;

    *w = (struct world_of_policies){.users_left = USERS};
    o.consecutive_failures = 2;
    o.open_ns = o.open_max_ns = OPEN_NS;
    o.probes = PROBES;
    o.lease_ns = LEASE_NS;
    CHECK_EQ(weir_breaker_init(&w->breaker, &o, weir_now()), 0);
    CHECK_EQ(weir_bucket_init(&w->bucket,
                              &(struct weir_rate){.count = 1, .per_ns = RATE_NS, .burst = BURST},
                              weir_now()),
             0);
    CHECK_EQ(weir_pacer_init(&w->pacer, INTERVAL_NS, 5), 0);
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "clock", bend, w), 0);
        for (int i = 0; i < USERS; i++)
            CHECK_EQ(weir_scope_go(s, "user", use, w), 0);
    }
    check_grants(w);
    /* Whatever was lost, it can be used again in the end. */
    CHECK_EQ(weir_breaker_acquire(&w->breaker,
                                  weir_now() + w->clock.ahead_ns + OPEN_NS + LEASE_NS + 20 * MS,
                                  &token, NULL),
             0);
    return 0;
}

static void permits_leases_rates_and_spacing_hold(void)
{
    run_on(1, use_policies, NULL);
}

/* ---- whole calls ---- */

enum { CALLERS = 6, CALLS = 5, PLACES = 2 };

struct world_of_calls {
    struct weir_breaker breaker; /* large */
    struct weir_bucket bucket;
    struct weir_pacer pacer;
    struct weir_bulkhead bulkhead;
    struct weir_adaptive adaptive;
    struct weir_budget budget;
    struct weir_latency latency;
    int inside, entered, attempts_told, attempts_reported, calls_told, callers_left;
};

static struct world_of_calls calls;

static void step_out(void *arg)
{
    calls.inside--;
}

static int unreliable(void *arg)
{
    int r;

    calls.entered++;
    CHECK(++calls.inside <= PLACES);
    WEIR_DEFER(step_out, NULL);
    r = weir_sleep((int64_t)chance(4) * chance(2000) * NS_PER_US);
    if (r < 0)
        return r;
    switch (chance(8)) {
    case 0:
        weir_panic(-EILSEQ, "broken");
    case 1:
        return -EIO;
    case 2:
    case 3:
        return -ETIMEDOUT;
    default:
        return 1;
    }
}

static void note_attempt(const struct weir_call_attempt *a, void *arg)
{
    bool called =
        a->reason == WEIR_CALL_OK || a->reason == WEIR_CALL_FAILED || a->reason == WEIR_CALL_PANIC;

    /* Deadline and cancellation end attempts and waits for guards alike. */
    calls.attempts_told += called;
    CHECK((a->outcome == WEIR_OUTCOME_OK) == (a->reason == WEIR_CALL_OK));
    CHECK(a->reason != WEIR_CALL_PANIC || a->outcome == WEIR_OUTCOME_FAILED);
    CHECK(a->reason < WEIR_CALL_SHED || a->reason > WEIR_CALL_ADAPTIVE ||
          a->outcome == WEIR_OUTCOME_IGNORED);
}

static void note_call(const struct weir_policy *p, const struct weir_call_report *r, void *arg)
{
    calls.calls_told++;
    calls.attempts_reported += (int)r->attempts;
    CHECK(r->hedges <= r->attempts);
}

static struct weir_policy policy_of_everything(void)
{
    return (struct weir_policy){
        .size = sizeof(struct weir_policy),
        .name = "everything",
        .timeout_ns = (int64_t)(1 + chance(30)) * MS,
        .try_timeout_ns = (int64_t)chance(8) * MS,
        .attempts = 3,
        .backoff = {.base_ns = MS, .jitter_percent = WEIR_JITTER_FULL},
        .budget = &calls.budget,
        .breaker = &calls.breaker,
        .bucket = &calls.bucket,
        .pacer = chance(2) == 0 ? &calls.pacer : NULL,
        .bulkhead = &calls.bulkhead,
        .adaptive = &calls.adaptive,
        .priority = chance(4),
        .hedge_ns = (int64_t)chance(3) * MS,
        .latency = &calls.latency,
        .on_attempt = note_attempt,
        .on_call = note_call,
    };
}

static void call_once(void *arg)
{
    int r = weir_call(arg, unreliable, NULL, NULL);

    CHECK(r == 1 || r == -EAGAIN || r == -EIO || r == -ETIMEDOUT || r == -ECANCELED);
}

static void call_often(void *arg)
{
    for (int i = 0; i < CALLS; i++) {
        struct weir_policy p = policy_of_everything();
        int r = weir_try(call_once, &p, NULL);

        CHECK(r == 0 || r == -EILSEQ);
    }
    calls.callers_left--;
}

static void call_and_be_cancelled(void *arg)
{
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "cancelled", call_often, NULL), 0);
        (void)weir_sleep((int64_t)chance(40) * MS);
        weir_scope_cancel(s);
    }
}

/* The clock of the whole world: forward, while others are in the middle of something. */
static void jump(void *arg)
{
    static const int64_t jumps_ns[] = {MS, 5 * MS, OPEN_NS, LEASE_NS, NS_PER_SEC};

    for (int i = 0; i < 20 && calls.callers_left > 0; i++) {
        if (check_now.seeded)
            sim_advance(runtime_world(), jumps_ns[chance(ARRAY_LEN(jumps_ns))]);
        (void)weir_sleep((int64_t)chance(10) * MS);
    }
}

static void prepare_calls(void)
{
    struct weir_breaker_options o = weir_breaker_defaults();
    struct weir_adaptive_options limits = weir_adaptive_defaults();

    calls = (struct world_of_calls){.callers_left = CALLERS};
    o.consecutive_failures = 4;
    o.open_ns = o.open_max_ns = OPEN_NS;
    o.lease_ns = LEASE_NS;
    CHECK_EQ(weir_breaker_init(&calls.breaker, &o, weir_now()), 0);
    CHECK_EQ(weir_bucket_init(&calls.bucket,
                              &(struct weir_rate){.count = 1, .per_ns = MS, .burst = 20},
                              weir_now()),
             0);
    CHECK_EQ(weir_pacer_init(&calls.pacer, MS / 2, 4), 0);
    CHECK_EQ(weir_bulkhead_init(
                 &calls.bulkhead,
                 &(struct weir_bulkhead_options){.size = sizeof(struct weir_bulkhead_options),
                                                 .running_max = PLACES,
                                                 .waiting_max = 3,
                                                 .max_wait_ns = 5 * MS}),
             0);
    limits.initial = limits.min = 1 + chance(2);
    limits.max = 2;
    CHECK_EQ(weir_adaptive_init(&calls.adaptive, &limits, weir_now()), 0);
    weir_budget_init(&calls.budget, 50, 1);
}

static int make_calls(void *arg)
{
    struct weir_breaker_token token;

    prepare_calls();
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "clock", jump, NULL), 0);
        for (int i = 0; i < CALLERS; i++)
            CHECK_EQ(
                weir_scope_go(s, "caller", i % 2 == 0 ? call_often : call_and_be_cancelled, NULL),
                0);
    }
    CHECK_EQ(calls.inside, 0);
    CHECK_EQ(calls.calls_told, CALLERS * CALLS);
    CHECK_EQ(calls.attempts_reported, calls.entered);
    CHECK(calls.attempts_told <= calls.entered);
    CHECK_EQ(weir_bulkhead_view(&calls.bulkhead).running, 0);
    CHECK_EQ(weir_bulkhead_view(&calls.bulkhead).waiting, 0);
    CHECK_EQ(weir_adaptive_running(&calls.adaptive), 0);
    CHECK_EQ(calls.budget.word_, 0);
    /* No permit of the breaker was lost: what is half-open has room, lease or no lease. */
    CHECK_EQ(weir_sleep(OPEN_NS + MS), 0);
    CHECK_EQ(weir_breaker_acquire(&calls.breaker, weir_now(), &token, NULL), 0);
    return 0;
}

static void whole_calls_hand_back_what_they_took(void)
{
    run_on(1, make_calls, NULL);
}

static const struct test tests[] = {
    TEST(permits_leases_rates_and_spacing_hold),
    TEST(whole_calls_hand_back_what_they_took),
};

RUN_TESTS(tests)
