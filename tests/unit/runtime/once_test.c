/* What is done once for many: once, single flight; counters. */
#include <stdatomic.h>

#include <weir/counter.h>
#include <weir/flight.h>
#include <weir/panic.h>
#include <weir/scope.h>

#include "base/base.h"
#include "runtime/runtime.h"
#include "settle.h"

#define LOOPS(n) ((n) / SLOWER + 2)

/* ---- once ---- */

struct lazy {
    struct weir_once once;
    struct weir_semaphore may_return;
    atomic_int calls, seen;
    int panics; /* of the first so many calls */
    int value;
};

static void load(void *arg)
{
    struct lazy *l = arg;
    int call = atomic_fetch_add(&l->calls, 1);

    CHECK_EQ(weir_semaphore_acquire(&l->may_return, 1), 0);
    if (call < l->panics)
        weir_panic(-EIO, "not yet");
    l->value = 42;
}

static void use_value(void *arg)
{
    struct lazy *l = arg;

    CHECK_EQ(weir_once_do(&l->once, load, l), 0);
    CHECK_EQ(l->value, 42);
    atomic_fetch_add(&l->seen, 1);
}

static void use_value_and_recover(void *arg)
{
    struct lazy *l = arg;

    while (weir_try(use_value, l, NULL) < 0)
        ;
}

static int load_once(void *arg)
{
    struct lazy l = {.panics = *(int *)arg};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 10; i++)
            weir_scope_go(s, "user", use_value_and_recover, &l);
        WAIT_UNTIL(l.calls > 0);
        WEIR_DEADLINE (weir_now() + WEIR_MS) { /* who waits may leave */
            CHECK_EQ(weir_once_do(&l.once, load, &l), -ETIMEDOUT);
        }
        weir_semaphore_release(&l.may_return, 1 + (uint32_t)l.panics);
    }
    CHECK_EQ(l.calls, 1 + l.panics);
    CHECK_EQ(l.seen, 10);
    return 0;
}

static void once_is_done_once(void)
{
    run_on_all(load_once, &(int){0});
}

static void call_that_panics_does_not_count(void)
{
    run_on_all(load_once, &(int){2});
}

/* ---- single flight ---- */

struct loads {
    struct weir_flight flight;
    atomic_int calls, cancelled, good, bad;
    int64_t takes_ns;
};

struct user {
    char name[16];
    long number;
};

static int load_user(void *arg, const char *key, void *ret)
{
    struct loads *l = arg;
    struct user *u = ret;

    atomic_fetch_add(&l->calls, 1);
    CHECK_EQ(u->number, 0);
    if (strcmp(key, "panic") == 0)
        weir_panic(-EIO, "no users");
    if (weir_sleep(l->takes_ns) < 0) {
        atomic_fetch_add(&l->cancelled, 1);
        return -ECANCELED;
    }
    if (strcmp(key, "nobody") == 0)
        return -ENOENT;
    snprintf(u->name, sizeof(u->name), "%s", key);
    u->number = 7;
    return 3;
}

static int ask(struct loads *l, const char *key, struct user *ret)
{
    return weir_flight_do(&l->flight, key, load_user, l, ret, sizeof(*ret));
}

static void ask_for_ann(void *arg)
{
    struct user u = {.number = -1};

    CHECK_EQ(ask(arg, "ann", &u), 3);
    CHECK(strcmp(u.name, "ann") == 0 && u.number == 7);
}

static int share_flight(void *arg)
{
    struct loads l = {.takes_ns = WEIR_MS};
    struct user u = {.number = -1};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 10; i++)
            weir_scope_go(s, "caller", ask_for_ann, &l);
        CHECK_EQ(ask(&l, "nobody", &u), -ENOENT);
        CHECK_EQ(u.number, -1); /* untouched */
    }
    CHECK(l.calls >= 2 && l.calls <= 11); /* 2, unless a caller came very late */
    CHECK(l.flight.calls_ == NULL);       /* nothing is kept */
    ask_for_ann(&l);
    return 0;
}

static void same_key_is_one_call(void)
{
    run_on_all(share_flight, NULL);
}

static void come_and_go(void *arg)
{
    struct loads *l = arg;
    static const char *const keys[] = {"ann", "bob", "cid"};

    for (int i = 0; i < LOOPS(200); i++) {
        struct user u = {.number = -1};
        const char *key = keys[runtime_random() % ARRAY_LEN(keys)];
        int r = 0;

        WEIR_DEADLINE (weir_now() + (int64_t)(runtime_random() % 300) * WEIR_US) {
            r = ask(l, key, &u);
        }
        CHECK(r == 3 || r == -ETIMEDOUT);
        if (r == 3)
            CHECK(strcmp(u.name, key) == 0 && u.number == 7);
        else
            CHECK_EQ(u.number, -1);
        atomic_fetch_add(r == 3 ? &l->good : &l->bad, 1);
    }
}

static void ask_for_panic(void *arg)
{
    struct loads *l = arg;
    struct user u;

    CHECK_EQ(ask(l, "panic", &u), -ENOTRECOVERABLE);
    atomic_fetch_add(&l->bad, 1);
}

static void ignore_panic(const struct weir_panic_info *info, void *arg)
{
}

static int leave_flights(void *arg)
{
    static struct loads l; /* calls that nobody waits for may outlive this function */
    struct user u;

    l = (struct loads){.takes_ns = 100 * WEIR_US};
    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            weir_scope_go(s, "caller", come_and_go, &l);
    }
    CHECK_EQ(l.good + l.bad, 8 * LOOPS(200));
    until_alone(); /* a call that all have left may have to hear of it yet */
    l.takes_ns = 3600 * WEIR_S;
    l.cancelled = l.calls = 0;
    while (l.calls == 0) { /* a deadline may pass before the call is begun */
        WEIR_DEADLINE (weir_now() + WEIR_MS) {
            CHECK_EQ(ask(&l, "dan", &u), -ETIMEDOUT);
        }
    }
    WAIT_UNTIL(l.cancelled > 0); /* nobody waits any more: the call is told so */
    return 0;
}

static void callers_leave_without_ending_the_call_of_others(void)
{
    run_on_all(leave_flights, NULL);
}

static int panic_in_flight(void *arg)
{
    struct loads l = {.takes_ns = 0};

    weir_set_panic_hook(ignore_panic, NULL);
    WEIR_SCOPE (s) {
        for (int i = 0; i < 5; i++)
            weir_scope_go(s, "caller", ask_for_panic, &l);
    }
    weir_set_panic_hook(NULL, NULL);
    CHECK_EQ(l.bad, 5);
    return 0;
}

static void panic_in_a_call_is_an_error_for_its_callers(void)
{
    run_on_all(panic_in_flight, NULL);
}

/* ---- counters ---- */

struct counts {
    struct weir_counter exact, most;
    struct weir_tally tally;
};

static void count(void *arg)
{
    struct counts *c = arg;

    for (int i = 0; i < LOOPS(5000); i++) {
        int64_t now = weir_counter_add(&c->exact, 1);

        weir_counter_raise(&c->most, now);
        weir_tally_add(&c->tally, 2);
        if (i % 100 == 0)
            weir_yield();
    }
}

static int count_together(void *arg)
{
    struct counts c = {0};

    WEIR_SCOPE (s) {
        for (int i = 0; i < 4; i++)
            weir_scope_go(s, "counter", count, &c);
    }
    CHECK_EQ(weir_counter_get(&c.exact), 4 * LOOPS(5000));
    CHECK_EQ(weir_counter_get(&c.most), 4 * LOOPS(5000));
    CHECK_EQ(weir_tally_sum(&c.tally), 8 * LOOPS(5000));
    CHECK(weir_counter_replace(&c.exact, 4 * LOOPS(5000), 5));
    CHECK(!weir_counter_replace(&c.exact, 6, 7));
    weir_counter_set(&c.exact, weir_counter_get(&c.exact) + 1);
    CHECK_EQ(weir_counter_get(&c.exact), 6);
    return 0;
}

static void counters_count_everything(void)
{
    run_on_all(count_together, NULL);
}

static const struct test tests[] = {
    TEST(once_is_done_once),
    TEST(call_that_panics_does_not_count),
    TEST(same_key_is_one_call),
    TEST(callers_leave_without_ending_the_call_of_others),
    TEST(panic_in_a_call_is_an_error_for_its_callers),
    TEST(counters_count_everything),
};
RUN_TESTS(tests)
