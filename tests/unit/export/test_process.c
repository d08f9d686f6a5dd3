/* Process and runtime metrics: reading proc(5), and that real numbers come out. */
#include "unit/export/setup.h"

#include <unistd.h>
#include <weir/runtime.h>

#include "export/process.h"
#include "export/procfs.h"
#include "telemetry/metric.h"

#define STAT(name)                                                                                 \
    "4321 (" name ") S 1 2 3 4 5 6 7 8 9 10 1234 66 14 15 20 0 3 0 987654 18 19 20 21\n"

static void test_stat_is_read_whatever_the_name(void **state)
{
    static const char *const texts[] = {STAT("weir"), STAT("a b) S 9 9 (c"), STAT("")};
    struct procfs_stat s;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(procfs_parse_stat(str_of(texts[i]), &s), 0);
        assert_int_equal(s.cpu_ns, 13 * NS_PER_SEC);
        assert_int_equal(s.start_since_boot_ns, 9876 * NS_PER_SEC + 540 * NS_PER_MS);
    }
}

static void test_broken_stat_is_an_error(void **state)
{
    static const char *const texts[] = {"", "1 (x", "1 (x)", "1 (x) S 1 2 3",
                                        "1 (x) S 1 2 3 4 5 6 7 8 9 10 z 66 14 15 20 0 3 0 7 8"};
    struct procfs_stat s;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(procfs_parse_stat(str_of(texts[i]), &s), -EINVAL);
}

static void test_numbers_are_found_by_key(void **state)
{
    struct str status = STR("Name:\tx\nVmHWM:\t 99 kB\nVmRSS:\t   1536 kB\nThreads:\t3");
    uint64_t n = 7;

    assert_int_equal(procfs_find_number(status, STR("VmRSS:"), &n), 0);
    assert_int_equal(n, 1536);
    assert_int_equal(procfs_find_number(status, STR("Threads:"), &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(procfs_find_number(status, STR("Name:"), &n), -EINVAL);
    assert_int_equal(procfs_find_number(status, STR("VmSwap:"), &n), -ENOENT);
    assert_int_equal(n, 3);
}

static bool keep_value(void *arg, const struct metric_family *f, const struct metric *m)
{
    int64_t *values = arg;

    if (m != NULL && f >= metric_family(0) && f->kind != METRIC_HISTOGRAM)
        values[m->id] = metric_value(m);
    return true;
}

static int look_at_ourselves(void *arg)
{
    int64_t values[METRIC_ID_MAX] = {0};

    assert_int_equal(process_metrics_start(STR("1.2.3")), 0);
    assert_int_equal(process_metrics_start(STR("1.2.3")), 0);
    assert_int_equal(metric_visit(keep_value, values), 0);
    assert_int_equal(values[METRIC_BUILD_INFO], 1);
    assert_true(values[METRIC_COROUTINES] >= 1);
    assert_int_equal(values[METRIC_PROCESSORS], 2);
    assert_in_range(values[METRIC_PROCESS_MEMORY], 500 * KIB, 4096 * MIB);
    assert_in_range(values[METRIC_PROCESS_FDS], 3, 200);
    assert_int_equal(values[METRIC_PROCESS_FDS_MAX], sysconf(_SC_OPEN_MAX));
    /* started after 2020 */
    assert_true(values[METRIC_PROCESS_START] > 1577836800 * NS_PER_SEC);
    process_metrics_stop();
    process_metrics_stop();
    assert_int_equal(metric_visit(keep_value, values), 0); /* the collector is gone */
    return 0;
}

static void test_the_process_shows_itself(void **state)
{
    struct weir_options o = {.size = sizeof(o), .workers = 2};

    assert_int_equal(weir_main(look_at_ourselves, NULL, &o), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat_is_read_whatever_the_name),
        cmocka_unit_test(test_broken_stat_is_an_error),
        cmocka_unit_test(test_numbers_are_found_by_key),
        cmocka_unit_test(test_the_process_shows_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
