/* Hedging: an attempt that takes longer than usual is joined by a second one; the first success
 * wins (Dean and Barroso, "The Tail at Scale", 2013). Each runs as a future, so that one of them
 * can be cancelled alone; the parent hears of both through a semaphore, and joins both. */
#include <stdlib.h>

#include <weir/future.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "base/duration.h"
#include "call/call.h"

enum { RACERS = 2 };

struct race;

struct racer {
    struct attempt attempt;
    struct weir_future future;
    struct race *race;
    atomic_bool over;
};

struct race {
    struct call *call;
    struct weir_semaphore ends; /* one unit for each racer that is over */
    struct racer racers[RACERS];
    unsigned started;
};

/* Within bounds for the compiler's eyes, too. */
static unsigned started(const struct race *race)
{
    return MIN(race->started, (unsigned)RACERS);
}

bool hedge_wanted(const struct weir_policy *p)
{
    return p->hedge_ns > 0 || p->hedge_percentile > 0;
}

/* NS_NEVER: not this time. */
static int64_t delay_of(const struct weir_policy *p)
{
    int64_t ns = -1;

    if (p->hedge_percentile > 0)
        ns = weir_latency_percentile_ns(p->latency, p->hedge_percentile);
    if (ns < 0)
        ns = p->hedge_ns > 0 ? p->hedge_ns : NS_NEVER;
    return ns;
}

static long run_racer(void *arg)
{
    struct racer *r = arg;

    WEIR_DEADLINE (r->race->call->deadline_ns) {
        attempt_run(&r->attempt);
    }
    atomic_store_explicit(&r->over, true, memory_order_release);
    weir_semaphore_release(&r->race->ends, 1);
    return 0;
}

/* -ENOMEM, -EAGAIN. */
static int start(struct race *race)
{
    struct call *c = race->call;
    struct racer *r = &race->racers[race->started];
    int result;

    r->race = race;
    r->attempt = (struct attempt){
        .call = c, .arg = c->arg, .number = c->numbers + 1, .hedge = race->started > 0};
    if (c->policy->arg_bytes > 0) {
        r->attempt.arg = malloc(c->policy->arg_bytes);
        if (r->attempt.arg == NULL)
            return -ENOMEM;
        memcpy(r->attempt.arg, c->arg, c->policy->arg_bytes);
    }
    result = weir_future_go(&r->future, c->policy->name, run_racer, r);
    if (result < 0) {
        if (c->policy->arg_bytes > 0)
            free(r->attempt.arg);
        return result;
    }
    race->started++;
    c->numbers++;
    return 0;
}

/* The racer that is over and ends the race: by success or panic; or, when all are over, the last
 * one that called fn. NULL: it goes on. */
static struct racer *decided(struct race *race)
{
    struct racer *last = NULL;
    unsigned over = 0;

    for (unsigned i = 0; i < started(race); i++) {
        struct racer *r = &race->racers[i];

        if (!atomic_load_explicit(&r->over, memory_order_acquire))
            continue;
        over++;
        if (r->attempt.reason == WEIR_CALL_OK || r->attempt.reason == WEIR_CALL_PANIC)
            return r;
        if (last == NULL || r->attempt.called)
            last = r;
    }
    return over == started(race) ? last : NULL;
}

/* True: the time for a second one has come. False: the first is over, or the call's time is. */
static bool too_slow(struct race *race)
{
    int64_t delay_ns = delay_of(race->call->policy);
    int r = 0;

    WEIR_DEADLINE (ns_add(weir_now(), delay_ns)) {
        r = weir_semaphore_acquire(&race->ends, 1);
    }
    return r == -ETIMEDOUT && weir_now() < weir_deadline_now();
}

/* It was ended before it began. */
static void never_ran(struct racer *r, enum attempt_stop why)
{
    bool expired = why == STOP_EXPIRED;

    r->attempt.reason = expired ? WEIR_CALL_DEADLINE : WEIR_CALL_CANCELLED;
    r->attempt.result = expired ? -ETIMEDOUT : -ECANCELED;
    r->attempt.outcome = WEIR_OUTCOME_IGNORED;
    atomic_store_explicit(&r->over, true, memory_order_relaxed);
}

/* Ends all that still run, and waits for them. */
static void stop(struct race *race, enum attempt_stop why)
{
    for (unsigned i = 0; i < started(race); i++)
        atomic_store_explicit(&race->racers[i].attempt.stop, why, memory_order_release);
    for (unsigned i = 0; i < started(race); i++) {
        weir_future_end(&race->racers[i].future);
        if (!atomic_load_explicit(&race->racers[i].over, memory_order_acquire))
            never_ran(&race->racers[i], why);
    }
}

static void settle(struct race *race, struct racer *winner)
{
    struct call *c = race->call;

    for (unsigned i = 0; i < started(race); i++)
        call_count(c, &race->racers[i].attempt);
    call_adopt(c, &winner->attempt);
    if (c->policy->arg_bytes == 0)
        return;
    memcpy(c->arg, winner->attempt.arg, c->policy->arg_bytes);
    for (unsigned i = 0; i < started(race); i++)
        free(race->racers[i].attempt.arg);
}

void hedge_run(struct call *c)
{
    struct race race = {.call = c};
    struct racer *winner = NULL;
    enum attempt_stop why = STOP_LOST;
    int r = start(&race);
    bool hedged;

    if (r < 0) {
        c->report.reason = WEIR_CALL_RESOURCES;
        c->report.result = r;
        return;
    }
    hedged = too_slow(&race) && call_take_budget(c);
    if (hedged && start(&race) < 0) {
        call_give_budget(c);
        hedged = false;
    }
    while ((winner = decided(&race)) == NULL) {
        r = weir_semaphore_acquire(&race.ends, 1);
        if (r < 0) {
            why = r == -ETIMEDOUT ? STOP_EXPIRED : STOP_LOST;
            break;
        }
    }
    stop(&race, why);
    if (hedged)
        call_give_budget(c);
    settle(&race, winner != NULL ? winner : decided(&race));
}
