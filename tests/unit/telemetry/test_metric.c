/* The registry of series: identity, references, exact sums over threads, bounds, visits. */
#include "unit/telemetry/setup.h"

#include <pthread.h>
#include <stdio.h>

#include "telemetry/metric.h"

static void test_same_labels_give_the_same_series(void **state)
{
    struct metric *a = metric_get2(METRIC_REQUESTS, STR("a"), STR("2xx"));
    struct metric *b = metric_get2(METRIC_REQUESTS, STR("a"), STR("2xx"));
    struct metric *c = metric_get2(METRIC_REQUESTS, STR("a"), STR("5xx"));
    struct metric *d = metric_get2(METRIC_REQUESTS, STR("a2xx"), STR(""));

    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_not_equal(a, d); /* values are not run together */
    metric_put(a);
    metric_put(b);
    metric_put(c);
    metric_put(d);
}

static void test_counts_last_as_long_as_one_reference(void **state)
{
    struct metric *old = metric_get1(METRIC_REQUEST_DURATION, STR("r"));
    struct metric *next;

    metric_observe(old, NS_PER_MS);
    next = metric_get1(METRIC_REQUEST_DURATION, STR("r"));
    metric_put(old);
    assert_int_equal(metric_value(next), 1);
    metric_put(next);
    next = metric_get1(METRIC_REQUEST_DURATION, STR("r")); /* the cells are used again, empty */
    assert_int_equal(metric_value(next), 0);
    assert_int_equal(metric_quantile(next, 0.5), 0);
    metric_put(next);
}

static void test_values_of_a_freed_series_are_not_seen_by_its_successor(void **state)
{
    struct metric *a = metric_get1(METRIC_SENT_BYTES, STR("a"));
    struct metric *b;

    metric_add(a, 77);
    metric_put(a);
    b = metric_get1(METRIC_SENT_BYTES, STR("b"));
    assert_int_equal(metric_value(b), 0);
    metric_put(b);
}

static void test_gauges_go_up_and_down_and_are_set(void **state)
{
    struct metric *g = metric_get(METRIC_REQUESTS_IN_FLIGHT, NULL);
    struct metric *set = metric_get(METRIC_CONFIG_GENERATION, NULL);

    metric_add(g, 3);
    metric_sub(g, 5);
    assert_int_equal(metric_value(g), -2);
    metric_set(set, 41);
    metric_set(set, 42);
    assert_int_equal(metric_value(set), 42);
    metric_put(g);
    metric_put(set);
}

#define THREADS 4
#define ROUNDS  200000

static void *count_many(void *arg)
{
    struct metric **m = arg;

    for (int i = 0; i < ROUNDS; i++) {
        metric_add(m[0], 3);
        metric_observe(m[1], i);
    }
    return NULL;
}

static void test_sums_are_exact_over_threads(void **state)
{
    struct metric *m[2] = {metric_get1(METRIC_RECEIVED_BYTES, STR("t")),
                           metric_get1(METRIC_REQUEST_DURATION, STR("t"))};
    pthread_t threads[THREADS];
    struct metric_snapshot s;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, m), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_value(m[0]), 3 * THREADS * ROUNDS);
    metric_snapshot(m[1], &s);
    assert_int_equal(s.count, THREADS * ROUNDS);
    assert_int_equal(s.sum_ns, (uint64_t)THREADS * ROUNDS * (ROUNDS - 1) / 2);
    metric_put(m[0]);
    metric_put(m[1]);
}

static void add_and_yield(void *arg)
{
    struct metric **m = arg;

    for (int i = 0; i < 2000; i++) {
        metric_inc(m[0]);
        metric_observe(m[1], i);
        if (i % 50 == 0)
            weir_yield();
    }
}

static int count_on_all_processors(void *arg)
{
    WEIR_SCOPE (s) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(weir_scope_go(s, "count", add_and_yield, arg), 0);
    }
    return 0;
}

static void test_sums_are_exact_over_processors(void **state)
{
    struct weir_options o = {.size = sizeof(o), .workers = 4};
    struct metric *m[2] = {metric_get1(METRIC_RECEIVED_BYTES, STR("p")),
                           metric_get1(METRIC_REQUEST_DURATION, STR("p"))};

    assert_int_equal(weir_main(count_on_all_processors, m, &o), 0);
    assert_int_equal(metric_value(m[0]), 200000);
    assert_int_equal(metric_value(m[1]), 200000);
    metric_put(m[0]);
    metric_put(m[1]);
}

static void *get_and_put(void *arg)
{
    char name[32];

    for (int i = 0; i < 20000; i++) {
        struct metric *m;

        snprintf(name, sizeof(name), "series %d", i % 50);
        m = metric_get1(METRIC_UPSTREAM_RETRIES, str_of(name));
        metric_inc(m);
        metric_put(m);
    }
    return NULL;
}

static void test_series_may_be_made_and_dropped_from_all_threads(void **state)
{
    struct metric *series = metric_get(METRIC_SERIES, NULL);
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    metric_put(series);
}

static void test_beyond_the_bound_counting_goes_on_into_the_void(void **state)
{
    enum { MANY = METRIC_SERIES_MAX + 10 };
    static struct metric *made[MANY];
    char name[32];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "%d", i);
        made[i] = metric_get1(METRIC_SENT_BYTES, str_of(name));
        assert_non_null(made[i]);
    }
    assert_ptr_equal(made[MANY - 1], made[MANY - 2]); /* the void series */
    metric_inc(made[MANY - 1]);
    metric_observe(made[MANY - 1], 5);
    for (int i = 0; i < MANY; i++)
        metric_put(made[i]);
    made[0] = metric_get1(METRIC_SENT_BYTES, STR("room again"));
    assert_ptr_not_equal(made[0], made[MANY - 1]);
    metric_put(made[0]);
}

struct seen {
    int families, series, of_family;
    const struct metric_family *wanted;
    char order[64];
    bool collected;
};

static bool see(void *arg, const struct metric_family *f, const struct metric *m)
{
    struct seen *s = arg;

    s->families += m == NULL;
    s->series += m != NULL;
    if (m != NULL && f == s->wanted) {
        strncat(s->order, m->labels[0].ptr, m->labels[0].len);
        s->of_family++;
    }
    return true;
}

static void collect(void *arg)
{
    ((struct seen *)arg)->collected = true;
}

static void test_a_visit_collects_and_shows_series_in_order(void **state)
{
    struct seen s = {.wanted = metric_family(METRIC_SENT_BYTES)};
    struct metric *m[3] = {metric_get1(METRIC_SENT_BYTES, STR("z")),
                           metric_get1(METRIC_SENT_BYTES, STR("a")),
                           metric_get1(METRIC_SENT_BYTES, STR("m"))};

    assert_int_equal(metric_add_collector(collect, &s), 0);
    assert_int_equal(metric_visit(see, &s), 0);
    assert_true(s.collected);
    assert_int_equal(s.families, METRIC_ID_MAX);
    assert_int_equal(s.of_family, 3);
    assert_string_equal(s.order, "zam");
    metric_remove_collector(collect, &s);
    s.collected = false;
    metric_put(m[1]);
    s.order[0] = '\0';
    assert_int_equal(metric_visit(see, &s), 0);
    assert_false(s.collected);
    assert_string_equal(s.order, "zm");
    metric_put(m[0]);
    metric_put(m[2]);
}

static void test_collectors_are_bounded(void **state)
{
    int added = 0, error = 0;

    while ((error = metric_add_collector(collect, (void *)(intptr_t)(added + 1))) == 0)
        added++;
    assert_int_equal(error, -ENOSPC);
    assert_int_equal(added, 16);
    while (added > 0)
        metric_remove_collector(collect, (void *)(intptr_t)added--);
}

static void test_every_family_is_named_as_prometheus_wants(void **state)
{
    for (unsigned id = 0; id < METRIC_ID_MAX; id++) {
        const struct metric_family *f = metric_family((enum metric_id)id);
        bool total = str_ends(str_of(f->name), STR("_total"));

        assert_true((f->kind == METRIC_COUNTER) == total);
        if (f->unit == METRIC_SECONDS)
            assert_non_null(strstr(f->name, "_seconds"));
        if (f->unit == METRIC_BYTES)
            assert_non_null(strstr(f->name, "_bytes"));
        assert_true(strspn(f->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(f->name));
        assert_true(f->help[strlen(f->help) - 1] == '.');
        for (unsigned other = 0; other < id; other++)
            assert_string_not_equal(f->name, metric_family((enum metric_id)other)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_labels_give_the_same_series),
        cmocka_unit_test(test_counts_last_as_long_as_one_reference),
        cmocka_unit_test(test_values_of_a_freed_series_are_not_seen_by_its_successor),
        cmocka_unit_test(test_gauges_go_up_and_down_and_are_set),
        cmocka_unit_test(test_sums_are_exact_over_threads),
        cmocka_unit_test(test_sums_are_exact_over_processors),
        cmocka_unit_test(test_series_may_be_made_and_dropped_from_all_threads),
        cmocka_unit_test(test_beyond_the_bound_counting_goes_on_into_the_void),
        cmocka_unit_test(test_a_visit_collects_and_shows_series_in_order),
        cmocka_unit_test(test_collectors_are_bounded),
        cmocka_unit_test(test_every_family_is_named_as_prometheus_wants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
