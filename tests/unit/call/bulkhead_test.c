/* Bulkhead: bounds, order, times, resizing, and the same from every side at once. */
#include <stdatomic.h>

#include <weir/bulkhead.h>
#include <weir/scope.h>

#include "base/base.h"
#include "unit/call/virtual.h"

#define MS NS_PER_MS

static struct weir_bulkhead make(uint32_t running, uint32_t waiting, int64_t wait_ns)
{
    struct weir_bulkhead b;

    CHECK_EQ(weir_bulkhead_init(
                 &b, &(struct weir_bulkhead_options){.size = sizeof(struct weir_bulkhead_options),
                                                     .running_max = running,
                                                     .waiting_max = waiting,
                                                     .max_wait_ns = wait_ns}),
             0);
    return b;
}

struct visitor {
    struct weir_bulkhead *b;
    unsigned priority;
    int64_t stays_ns;
    int result;
    enum weir_bulkhead_refusal refusal;
    int64_t entered_ns;
    int *order, rank;
};

static void visit(void *arg)
{
    struct visitor *v = arg;

    v->result = weir_bulkhead_enter(v->b, v->priority, &v->refusal);
    v->entered_ns = weir_now();
    if (v->result < 0)
        return;
    v->rank = v->order != NULL ? ++*v->order : 0;
    weir_sleep(v->stays_ns);
    weir_bulkhead_leave(v->b);
}

static int higher_priority_first(void *arg)
{
    struct weir_bulkhead b = make(1, 10, WEIR_S);
    static const unsigned priorities[] = {1, 0, 3, 1, 9, 2};
    static const int ranks[] = {4, 6, 1, 5, 2, 3};
    struct visitor v[ARRAY_LEN(ranks)];
    int order = 0;

    WEIR_SCOPE (s) {
        CHECK(weir_bulkhead_try_enter(&b));
        CHECK(!weir_bulkhead_try_enter(&b));
        for (size_t i = 0; i < ARRAY_LEN(v); i++) {
            v[i] = (struct visitor){
                .b = &b, .priority = priorities[i], .stays_ns = MS, .order = &order};
            CHECK_EQ(weir_scope_go(s, "visitor", visit, &v[i]), 0);
            weir_sleep(MS);
        }
        CHECK_EQ(weir_bulkhead_view(&b).waiting, ARRAY_LEN(v));
        weir_bulkhead_leave(&b);
    }
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        CHECK_EQ(v[i].rank, ranks[i]);
    CHECK_EQ(weir_bulkhead_view(&b).running, 0);
    CHECK_EQ(weir_bulkhead_view(&b).waiting, 0);
    return 0;
}

static void who_waits_is_served_by_priority_then_by_arrival(void)
{
    run_virtual(higher_priority_first, NULL);
}

static int refusals(void *arg)
{
    struct weir_bulkhead b = make(1, 2, 50 * MS);
    struct visitor waits = {.b = &b}, hurries = {.b = &b}, late = {.b = &b};
    int64_t began = weir_now();

    CHECK(weir_bulkhead_try_enter(&b));
    WEIR_SCOPE (s) {
        CHECK_EQ(weir_scope_go(s, "waits", visit, &waits), 0);
        WEIR_DEADLINE (began + 20 * MS) {
            CHECK_EQ(weir_scope_go(s, "hurries", visit, &hurries), 0);
        }
        weir_sleep(MS);
        visit(&late);
        CHECK_EQ(late.result, -EAGAIN);
        CHECK_EQ(late.refusal, WEIR_BULKHEAD_FULL);
        CHECK_EQ(late.entered_ns, began + MS);
    }
    CHECK_EQ(waits.result, -EAGAIN);
    CHECK_EQ(waits.refusal, WEIR_BULKHEAD_TIMED_OUT);
    CHECK_EQ(waits.entered_ns - began, 50 * MS);
    CHECK_EQ(hurries.result, -ETIMEDOUT);
    CHECK_EQ(hurries.refusal, WEIR_BULKHEAD_DEADLINE);
    CHECK_EQ(hurries.entered_ns - began, 20 * MS);

    WEIR_SCOPE (s) {
        struct visitor gone = {.b = &b};

        WEIR_SCOPE (inner) {
            CHECK_EQ(weir_scope_go(inner, "gone", visit, &gone), 0);
            weir_sleep(MS);
            weir_scope_cancel(inner);
        }
        CHECK_EQ(gone.result, -ECANCELED);
        CHECK_EQ(gone.refusal, WEIR_BULKHEAD_CANCELLED);
    }
    CHECK_EQ(weir_bulkhead_view(&b).running, 1);
    CHECK_EQ(weir_bulkhead_view(&b).waiting, 0);
    for (int i = WEIR_BULKHEAD_FULL; i < WEIR_BULKHEAD_REFUSALS; i++)
        CHECK_EQ(weir_bulkhead_view(&b).refused[i], 1);
    CHECK(strcmp(weir_bulkhead_refusal_text(WEIR_BULKHEAD_TIMED_OUT), "timed_out") == 0);
    weir_bulkhead_leave(&b);
    return 0;
}

static void a_refusal_tells_why_and_comes_on_time(void)
{
    run_virtual(refusals, NULL);
}

static int ended_scopes(void *arg)
{
    struct weir_bulkhead b = make(1, 1, MS);
    enum weir_bulkhead_refusal refusal;

    WEIR_DEADLINE (weir_now()) {
        CHECK_EQ(weir_bulkhead_enter(&b, 0, &refusal), -ETIMEDOUT);
        CHECK_EQ(refusal, WEIR_BULKHEAD_DEADLINE);
    }
    WEIR_SCOPE (s) {
        weir_scope_cancel(s);
        CHECK_EQ(weir_bulkhead_enter(&b, 0, NULL), -ECANCELED);
    }
    CHECK_EQ(weir_bulkhead_view(&b).running, 0);
    return 0;
}

static void who_has_no_time_left_does_not_get_in(void)
{
    run_virtual(ended_scopes, NULL);
}

static int entered_at(const struct visitor *v, size_t n, int64_t at_ns)
{
    int count = 0;

    for (size_t i = 0; i < n; i++)
        count += v[i].result == 0 && v[i].entered_ns == at_ns;
    return count;
}

static int resized(void *arg)
{
    struct weir_bulkhead b = make(2, 10, WEIR_S);
    struct weir_bulkhead_options o = {
        .size = sizeof(o), .running_max = 4, .waiting_max = 1, .max_wait_ns = WEIR_S};
    struct visitor v[6];
    int64_t began = weir_now();

    WEIR_SCOPE (s) {
        for (int i = 0; i < 6; i++) {
            v[i] = (struct visitor){.b = &b, .stays_ns = 100 * MS};
            CHECK_EQ(weir_scope_go(s, "visitor", visit, &v[i]), 0);
        }
        weir_sleep(10 * MS);
        CHECK_EQ(weir_bulkhead_view(&b).waiting, 4);
        CHECK_EQ(weir_bulkhead_set(&b, &o), 0);
        weir_yield();
        CHECK_EQ(weir_bulkhead_view(&b).running, 4);
        CHECK_EQ(weir_bulkhead_view(&b).waiting, 2); /* above the new bound, and they stay */
        CHECK_EQ(weir_bulkhead_enter(&b, 3, NULL), -EAGAIN);
        o.running_max = 1;
        CHECK_EQ(weir_bulkhead_set(&b, &o), 0);
        CHECK_EQ(weir_bulkhead_view(&b).running, 4); /* nobody has to leave */
    }
    /* Two leave at 100 ms and two at 110 ms: only then is there a place, for one after the other.
     */
    CHECK_EQ(entered_at(v, ARRAY_LEN(v), began), 2);
    CHECK_EQ(entered_at(v, ARRAY_LEN(v), began + 10 * MS), 2);
    CHECK_EQ(entered_at(v, ARRAY_LEN(v), began + 110 * MS), 1);
    CHECK_EQ(entered_at(v, ARRAY_LEN(v), began + 210 * MS), 1);
    o.running_max = 0;
    CHECK_EQ(weir_bulkhead_set(&b, &o), -EINVAL);
    CHECK_EQ(weir_bulkhead_view(&b).running_max, 1);
    CHECK_EQ(weir_bulkhead_init(&b, &o), -EINVAL);
    return 0;
}

static void it_can_be_resized_while_it_is_used(void)
{
    run_virtual(resized, NULL);
}

/* Many that come, stay, give up, are cancelled; the bounds hold at every moment. */
enum { PLACES = 3, QUEUE = 4, CROWD = 24, ROUNDS = 2000 / SLOWER };

struct crowd {
    struct weir_bulkhead b;
    atomic_int inside, most, entered, refused;
};

static void come_and_go(void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < ROUNDS; i++) {
        int inside, most;

        WEIR_DEADLINE (weir_now() + (i % 5 == 0 ? 10 * NS_PER_US : WEIR_S)) {
            if (weir_bulkhead_enter(&c->b, (unsigned)i % 4, NULL) < 0) {
                atomic_fetch_add(&c->refused, 1);
                break;
            }
            inside = atomic_fetch_add(&c->inside, 1) + 1;
            most = atomic_load(&c->most);
            while (inside > most && !atomic_compare_exchange_weak(&c->most, &most, inside))
                ;
            weir_yield();
            atomic_fetch_sub(&c->inside, 1);
            atomic_fetch_add(&c->entered, 1);
            weir_bulkhead_leave(&c->b);
        }
    }
}

static int crowded(void *arg)
{
    struct crowd c = {.b = make(PLACES, QUEUE, 100 * NS_PER_US)};
    struct weir_bulkhead_view v;
    uint64_t refused = 0;

    WEIR_SCOPE (s) {
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(weir_scope_go(s, "visitor", come_and_go, &c), 0);
    }
    v = weir_bulkhead_view(&c.b);
    for (int i = 0; i < WEIR_BULKHEAD_REFUSALS; i++)
        refused += v.refused[i];
    CHECK_EQ(v.running, 0);
    CHECK_EQ(v.waiting, 0);
    CHECK(c.most <= PLACES);
    CHECK_EQ(c.entered + c.refused, CROWD * ROUNDS);
    CHECK_EQ(refused, c.refused);
    CHECK(c.entered > 0);
    return 0;
}

static void bounds_hold_and_no_place_is_lost(void)
{
    run_on_all(crowded, NULL);
}

static const struct test tests[] = {
    TEST(bounds_hold_and_no_place_is_lost),
    TEST_REAL(who_waits_is_served_by_priority_then_by_arrival, OWN_WORLD),
    TEST_REAL(a_refusal_tells_why_and_comes_on_time, OWN_WORLD),
    TEST_REAL(who_has_no_time_left_does_not_get_in, OWN_WORLD),
    TEST_REAL(it_can_be_resized_while_it_is_used, OWN_WORLD),
};

RUN_TESTS(tests)
