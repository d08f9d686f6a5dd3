/* The access log's way to the file: nothing lost without being counted, rotation, a reader that
 * does not read. */
#include "unit/export/setup.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/scope.h>

#include "export/access_log.h"
#include "telemetry/metric.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
    return path[turn];
}

static int64_t counted(enum metric_id id, const char *reason)
{
    struct metric *m = reason != NULL ? metric_get1(id, str_of(reason)) : metric_get(id, NULL);
    int64_t value = metric_value(m);

    metric_put(m);
    return value;
}

/* Lines of the file; each must be whole. */
static int read_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[ACCESS_LOG_LINE_MAX];
    int count = 0;

    assert_non_null(f);
    for (; fgets(line, sizeof(line), f) != NULL; count++) {
        assert_memory_equal(line, "{\"ts\":", 6);
        assert_string_equal(line + strlen(line) - 2, "}\n");
    }
    fclose(f);
    return count;
}

static void emit(int times)
{
    struct access_record r = {.method = STR("GET"), .path = STR("/"), .status = 200};

    for (int i = 0; i < times; i++)
        access_emit(&r);
}

static void emit_thousand(void *arg)
{
    for (int i = 0; i < 10; i++) {
        emit(100);
        weir_yield();
    }
}

static struct access_log *start(const char *path, uint32_t buffer_bytes)
{
    struct access_log_options o = {.path = str_of(path), .buffer_bytes = buffer_bytes};
    struct access_log *l = NULL;

    assert_int_equal(access_log_start(&o, &l), 0);
    return l;
}

static int write_from_many(void *arg)
{
    struct metric *lines = metric_get(METRIC_ACCESS_LOG_LINES, NULL);
    struct access_log *l = start(in_dir("many"), 4 * MIB); /* room for all */
    struct stat st;

    WEIR_SCOPE (s) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(weir_scope_go(s, "emit", emit_thousand, NULL), 0);
    }
    access_log_stop(l);
    assert_false(access_wanted());
    assert_int_equal(read_lines(in_dir("many")), 8000);
    assert_int_equal(metric_value(lines), 8000);
    assert_int_equal(stat(in_dir("many"), &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* not for everybody to read */
    metric_put(lines);
    return 0;
}

static int write_too_much(void *arg)
{
    struct metric *lost = metric_get1(METRIC_ACCESS_LOG_DROPPED, STR("full"));
    struct access_log *l = start(in_dir("full"), 4096);
    int written;

    emit(5000); /* this coroutine does not park, so on one worker nobody writes meanwhile */
    access_log_stop(l);
    written = read_lines(in_dir("full"));
    assert_true(written > 0 && written < 5000);
    assert_int_equal(written + metric_value(lost), 5000);
    metric_put(lost);
    return 0;
}

/* Waits until the file has this many lines; the test's own time limit is the deadline. */
static void await_lines(const char *path, int count)
{
    while (access(path, F_OK) != 0 || read_lines(path) < count)
        weir_sleep(NS_PER_MS);
}

static int rotate(void *arg)
{
    struct access_log *l = start(in_dir("log"), 0);

    emit(10);
    await_lines(in_dir("log"), 10);
    assert_int_equal(rename(in_dir("log"), in_dir("log.1")), 0);
    emit(5);
    await_lines(in_dir("log.1"), 15);
    access_log_reopen(l);
    await_lines(in_dir("log"), 0);
    emit(7);
    access_log_stop(l);
    assert_int_equal(read_lines(in_dir("log.1")), 15);
    assert_int_equal(read_lines(in_dir("log")), 7);
    return 0;
}

static int reopen_in_vain(void *arg)
{
    char old[128];
    struct access_log *l;

    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    l = start(in_dir("sub/log"), 0);
    snprintf(old, sizeof(old), "%s", in_dir("moved"));
    assert_int_equal(rename(in_dir("sub"), old), 0);
    access_log_reopen(l); /* the directory is gone: the old file stays */
    emit(3);
    access_log_stop(l);
    assert_int_equal(read_lines(in_dir("moved/log")), 3);
    return 0;
}

static int start_in_vain(void *arg)
{
    struct access_log_options o = {.path = str_of(in_dir("no/such/dir"))};
    struct access_log *l = NULL;

    assert_int_equal(access_log_start(&o, &l), -ENOENT);
    assert_null(l);
    assert_false(access_wanted());
    return 0;
}

static void *drain(void *arg)
{
    int fd = *(int *)arg, lines = 0;
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0)
        for (ssize_t i = 0; i < n; i++)
            lines += piece[i] == '\n';
    return (void *)(intptr_t)lines;
}

/* The reader of a pipe stands still. Requests go on, lines are lost and counted; when it reads
 * again, what was kept arrives. */
static int meet_a_stalled_reader(void *arg)
{
    struct metric *lost = metric_get1(METRIC_ACCESS_LOG_DROPPED, STR("full"));
    int fd;
    struct access_log *l;
    pthread_t thread;
    int total = 0;
    void *lines;

    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    fd = open(in_dir("pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    l = start(in_dir("pipe"), 16384);
    for (; metric_value(lost) == 0 && total < 100000; total += 10) {
        emit(10);
        weir_sleep(NS_PER_MS / 10); /* parks: would not come back if the worker were blocked */
    }
    assert_true(metric_value(lost) > 0);
    assert_int_equal(pthread_create(&thread, NULL, drain, &fd), 0);
    access_log_stop(l);
    pthread_join(thread, &lines);
    assert_int_equal((intptr_t)lines + metric_value(lost), total);
    assert_int_equal(counted(METRIC_ACCESS_LOG_DROPPED, "error"), 0);
    close(fd);
    metric_put(lost);
    return 0;
}

static int fill_a_full_disk(void *arg)
{
    struct metric *lost = metric_get1(METRIC_ACCESS_LOG_DROPPED, STR("error"));
    struct access_log *l = start("/dev/full", 0);

    emit(20);
    access_log_stop(l);
    assert_int_equal(metric_value(lost), 20);
    metric_put(lost);
    return 0;
}

static void run(int (*fn)(void *), unsigned workers)
{
    struct weir_options o = {.size = sizeof(o), .workers = workers};

    assert_int_equal(weir_main(fn, NULL, &o), 0);
}

static void test_lines_of_many_coroutines_all_arrive_whole(void **state)
{
    run(write_from_many, 2);
}

static void test_a_full_buffer_drops_and_counts(void **state)
{
    run(write_too_much, 1);
}

static void test_a_rotated_file_is_opened_anew(void **state)
{
    run(rotate, 2);
}

static void test_a_reopening_that_fails_keeps_the_file(void **state)
{
    run(reopen_in_vain, 1);
}

static void test_a_path_that_cannot_be_opened_is_an_error(void **state)
{
    run(start_in_vain, 1);
}

static void test_a_stalled_reader_stalls_no_worker(void **state)
{
    run(meet_a_stalled_reader, 1);
}

static void test_lines_that_cannot_be_written_are_counted(void **state)
{
    run(fill_a_full_disk, 1);
}

static int make_dir(void **state)
{
    strcpy(dir, "/tmp/weir-access-log-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"many", "full",      "log",   "log.1",
                                        "pipe", "moved/log", "moved", ""};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        remove(in_dir(names[i]));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_many_coroutines_all_arrive_whole),
        cmocka_unit_test(test_a_full_buffer_drops_and_counts),
        cmocka_unit_test(test_a_rotated_file_is_opened_anew),
        cmocka_unit_test(test_a_reopening_that_fails_keeps_the_file),
        cmocka_unit_test(test_a_path_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(test_a_stalled_reader_stalls_no_worker),
        cmocka_unit_test(test_lines_that_cannot_be_written_are_counted),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
