/* Memory that runs out at any point is an ordinary error: nothing leaks, nothing crashes. The
 * linker puts the functions below between the code and malloc. */
#include "config_test.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long until_failure = -1; /* allocations that still succeed; negative: all */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

/* Loads with the n-th allocation failing; true when there were not so many. */
static bool load_failing(struct str text, long n, bool *ret_ok)
{
    struct diag_list *diags = __real_malloc(sizeof(*diags));
    struct config *config = NULL;
    bool all_succeeded;
    int rc;

    assert_non_null(diags);
    diag_list_init(diags);
    until_failure = n;
    rc = config_load(text, "t", diags, &config);
    all_succeeded = until_failure >= 0;
    until_failure = -1;
    assert_int_equal(rc == 0, diags->errors == 0);
    assert_true(rc == 0 || config == NULL);
    *ret_ok = rc == 0;
    config_unref(config);
    diag_list_done(diags);
    free(diags);
    return all_succeeded;
}

static long refusals_with(const char *file)
{
    char *yaml = read_file(file);
    long n = 0, refused = 0;
    bool ok = false;

    while (!load_failing(str_of(yaml), n, &ok)) {
        refused += !ok;
        assert_true(++n < 100000);
    }
    assert_true(ok == (strstr(file, "mistakes") == NULL));
    free(yaml);
    return refused;
}

static void each_allocation_may_fail(void **state)
{
    assert_true(refusals_with(TEST_DIR "/full.yaml") > 5);
    assert_true(refusals_with(TEST_DIR "/example.yaml") > 5);
    refusals_with(TEST_DIR "/ten_mistakes.yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
