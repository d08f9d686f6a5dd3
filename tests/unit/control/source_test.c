/* A file becomes a configuration, or the findings say why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/source.h"
#include "runtime/runtime.h"

static char path[64];

static void write_file(const char *text, size_t size)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static int make_path(void **state)
{
    snprintf(path, sizeof(path), "/tmp/weir-source-XXXXXX");
    int fd = mkstemp(path);

    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    return unlink(path);
}

static const char good[] = "listeners: [127.0.0.1:8080]\n"
                           "routes: [{id: r, uri: \"http://127.0.0.1:9003\", "
                           "predicates: [\"Path=/**\"]}]\n";

static void a_file_is_loaded(void **state)
{
    struct config *c = NULL;
    struct diag_list diags;

    write_file(good, sizeof(good) - 1);
    diag_list_init(&diags);
    assert_int_equal(source_load_file(path, &diags, &c), 0);
    assert_int_equal(diags.errors, 0);
    assert_int_equal(c->route_count, 1);
    config_unref(c);
    diag_list_done(&diags);
}

static void expect_refused(const char *file, int code, const char *word)
{
    struct config *c = NULL;
    struct diag_list diags;

    diag_list_init(&diags);
    assert_int_equal(source_load_file(file, &diags, &c), code);
    assert_null(c);
    assert_true(diags.errors > 0);
    if (strstr(diags.items[0].message, word) == NULL)
        fail_msg("'%s' does not say '%s'", diags.items[0].message, word);
    diag_list_done(&diags);
}

static void a_file_that_cannot_be_read_is_a_finding_in_words(void **state)
{
    expect_refused("/tmp/weir-source-there-is-none", -ENOENT, "No such file");
    expect_refused("/tmp", -EISDIR, "directory");
}

static void a_file_without_bounds_is_refused(void **state)
{
    write_file("", 0);
    assert_int_equal(truncate(path, (off_t)SOURCE_BYTES_MAX + 1), 0);
    expect_refused(path, -EFBIG, "16 MiB");
}

static void an_empty_file_is_not_a_configuration(void **state)
{
    write_file("", 0);
    expect_refused(path, -EINVAL, "");
}

static int load_parked(void *arg)
{
    struct config *c = NULL;
    struct diag_list diags;

    diag_list_init(&diags);
    int rc = source_load_file_parked(path, &diags, &c);
    config_unref(c);
    diag_list_done(&diags);
    return rc;
}

static void a_coroutine_parks_while_the_file_is_read(void **state)
{
    const struct weir_options o = {.size = sizeof(o), .workers = 1};

    write_file(good, sizeof(good) - 1);
    assert_int_equal(weir_main(load_parked, NULL, &o), 0);
    write_file("listeners: 1\n", 13);
    assert_int_equal(weir_main(load_parked, NULL, &o), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_loaded),
        TEST(a_file_that_cannot_be_read_is_a_finding_in_words),
        TEST(a_file_without_bounds_is_refused),
        TEST(an_empty_file_is_not_a_configuration),
        TEST(a_coroutine_parks_while_the_file_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
